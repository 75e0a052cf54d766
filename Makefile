# `make` lists what there is. On a fresh machine, `make book` and `make test` do everything they need.
PYTHON ?= python3
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export OMP_NUM_THREADS = 1

.PHONY: help setup book notebooks verify serve

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make the environment in .venv, if it is missing or out of date

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; \`$(PYTHON)\` is \`$$($(PYTHON) -V 2>&1)\`." \
	       "Name another one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . \
	  --config-settings editable_mode=compat
	@touch $@

book: notebooks  ## build the book and print where it is
	$(BIN)/jupyter-book build . -W --keep-going --quiet
	@echo "The book: $(CURDIR)/_build/html/index.html"
	@echo "          file://$(CURDIR)/_build/html/index.html"

notebooks: $(READY)  ## execute the pages whose code, modules, data or requirements changed
	@$(BIN)/python -m tools.pages execute

verify: $(READY)  ## run the stored notebooks again and compare every output (nbval)
	$(BIN)/python -m tools.pages check
	$(BIN)/python -m pytest --nbval book/notebooks --nbval-sanitize-with tests/nbval.cfg

PORT ?= 0# a free one
serve: book  ## build the book and serve it on this machine, until Ctrl-C
	@$(BIN)/python -u -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html
