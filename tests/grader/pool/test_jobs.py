"""Jobs and results travel as JSON text and arrive as they were."""

import pytest

from autograder.jobs import Job, Result, Verdict
from autograder.sandbox import Limits

NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_a_job_arrives_as_it_was():
    job = Job(
        student="ann",
        notebook=NOTEBOOK,
        files={"assignment.json": b"{}", "data.bin": bytes(range(256))},
        limits=Limits(cell=7.5),
        seed=3,
        imports=["numpy"],
        stubs=frozenset({"relu"}),
        classes=frozenset(),
        flavour="numpy",
    )
    assert Job.from_json(job.to_json()) == job


def test_what_is_unknown_stays_unknown():
    job = Job.from_json(Job("ann", NOTEBOOK).to_json())
    assert (job.imports, job.stubs, job.classes) == (None, None, None)


def test_a_result_arrives_as_it_was():
    result = Result(
        "ann",
        outputs={"c1": [{"output_type": "stream", "name": "stdout", "text": "é\n"}]},
        verdicts={"t": Verdict(False, "CheckFailed", "wrong", 0.5, score=1.5)},
        problem="It ran longer than 3 s and was stopped.",
        timed_out=True,
        seconds=1.5,
        overhead=0.25,
        peak_memory=10**9,
    )
    assert Result.from_json(result.to_json()) == result


@pytest.mark.parametrize("text", ["[]", "{}", '{"student": "ann"}'])
@pytest.mark.parametrize("kind", [Job, Result])
def test_text_of_something_else_is_refused(kind, text):
    with pytest.raises(ValueError, match=f"no {kind.__name__}"):
        kind.from_json(text)


def test_a_job_is_refused_for_an_unknown_flavour_or_no_cells():
    with pytest.raises(ValueError, match="'jax'"):
        Job("ann", NOTEBOOK, flavour="jax")
    with pytest.raises(ValueError, match="cells"):
        Job("ann", {})
