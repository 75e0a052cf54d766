# `make` lists what there is. On a fresh machine, `make book` and `make test` do everything they need.
PYTHON ?= python3
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export OMP_NUM_THREADS = 1

.PHONY: help setup book test lint notebooks verify exercises grade doctor serve lab parity bench bench-grader requirements

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

test: $(READY) lint verify  ## check everything: style, stored notebooks, code, exercises, grader, browser
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Pages are stored without a GPU, so they are verified without one.
verify: $(READY)  ## run the stored notebooks again and compare every output (nbval)
	$(BIN)/python -m tools.pages check
	CUDA_VISIBLE_DEVICES= $(BIN)/python -m pytest -q --nbval book/notebooks --nbval-sanitize-with tests/nbval.cfg

exercises: $(READY)  ## write exercises/ from solutions/
	$(BIN)/autograder release

SUBMISSIONS ?= submitted
grade: $(READY)  ## grade a folder: make grade ASSIGNMENT=activations SUBMISSIONS=submitted
	@test -n "$(ASSIGNMENT)" || { echo "Which assignment? make grade ASSIGNMENT=activations" >&2; exit 2; }
	@$(BIN)/autograder grade "$(ASSIGNMENT)" --submissions "$(SUBMISSIONS)" --output "grades/$(ASSIGNMENT)"

doctor: $(READY)  ## say whether submissions can be graded safely on this machine
	@$(BIN)/autograder doctor

lab: $(READY)  ## open the exercises in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=exercises

parity: $(READY)  ## measure the parity page's errors anew
	$(BIN)/python -m tests.parity

bench: $(READY)  ## time every function beside PyTorch's own (some minutes)
	$(BIN)/python -m tools.bench
	$(BIN)/python -m tools.loops

bench-grader: $(READY)  ## time the grader beside nbgrader's, and watch its memory (ten minutes)
	$(BIN)/python -m tools.bench_grader

requirements: $(READY)  ## pin the newest versions that pyproject.toml allows
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-options --no-emit-index-url \
	  --no-emit-find-links --output-file requirements.txt pyproject.toml
	@sed -i.old 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.txt && rm requirements.txt.old

PORT ?= 0# a free one
serve: book  ## build the book and serve it on this machine, until Ctrl-C
	@$(BIN)/python -u -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html
