"""Jobs of a few lines."""

from autograder.jobs import Job
from autograder.sandbox import Limits


def cell(number, source, **mark):
    """A code cell; `mark` is what nbgrader notes about it (locked, grade, solution)."""
    marks = {"locked": False, "grade": False, "solution": False, "task": False, **mark}
    return {
        "cell_type": "code",
        "id": f"cell{number}",
        "metadata": {"nbgrader": {"schema_version": 3, "grade_id": f"cell{number}", **marks}},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def answer(source):
    return source, {"solution": True}


def checked(source):
    return source, {"grade": True, "locked": True, "points": 1}


def given(source):
    return source, {"locked": True}


def job(*cells, student="ann", flavour="numpy", limits=None, **options):
    """A job of such cells; their ids are cell0, cell1, ..."""
    notebook = {
        "cells": [cell(number, source, **mark) for number, (source, mark) in enumerate(cells)],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    limits = Limits(**{"wall": 60, "cell": 20, "call": 10} | (limits or {}))
    return Job(student, notebook, limits=limits, flavour=flavour, **options)


def printed(result, number):
    """What a cell printed on stdout."""
    outputs = result.outputs[f"cell{number}"]
    return "".join(o["text"] for o in outputs if o.get("name") == "stdout")
