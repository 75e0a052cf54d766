"""Commands for maintainers, run from the project's root as `python -m tools.<name>`."""
