"""Evaluation: measuring a model honestly, finding what is wrong, and searching for a better one."""
