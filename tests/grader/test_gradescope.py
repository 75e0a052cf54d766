"""Gradescope's results.json: valid by its documented format, and what it says."""

import json

import jsonschema
import pytest

from autograder import gradescope, report
from tests.grader.by_hand import MISTAKE, Course, error

VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
SCORED = {"score": {"type": "number"}, "extra_data": {"type": "object"}, "visibility": VISIBILITY,
          "output": {"type": "string"}, "output_format": FORMAT}  # fmt: skip
# gradescope-autograders.readthedocs.io/en/latest/specs: "Output format", the sections on formats,
# visibility and the status of a test. A score stands at the top or on each test.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [
        {"required": ["score"]},
        {"properties": {"tests": {"items": {"required": ["score"]}}}, "required": ["tests"]},
    ],
    "properties": SCORED
    | {
        "execution_time": {"type": "number", "minimum": 0},
        "stdout_visibility": VISIBILITY,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "leaderboard": {"type": "array"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": SCORED
                | {
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "name": {"type": "string"},
                    "name_format": FORMAT,
                    "number": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    made = Course(tmp_path_factory.mktemp("course"))
    made.hand_in("anna", {"test-double": error("CheckFailed", MISTAKE)}, measured={"seconds": 2})
    return made.hand_in("berta", manual=2.5, comment="Good", late=1)


@pytest.fixture(scope="module")
def written(course, tmp_path_factory):
    output = tmp_path_factory.mktemp("output")
    rows = report.rows(course.root, course.assignment, ["anna", "berta", "none"],
                       {"none": "the file is empty"}, {})  # fmt: skip
    folder = gradescope.write(output, course.assignment, rows)
    return {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}


@pytest.mark.parametrize("student", ["anna", "berta", "none"])
def test_results_have_the_documented_format(written, student):
    jsonschema.validate(written[student], SCHEMA)


def test_the_schema_refuses_what_gradescope_does_not_know():
    wrong_ones = [
        {},
        {"score": "3"},
        {"score": 1, "visibility": "later"},
        {"score": 1, "points": 2},
        {"tests": [{"name": "x"}]},
        {"score": 1, "tests": [{"status": "ok"}]},
    ]
    for wrong in wrong_ones:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_each_graded_cell_is_a_test(written):
    results = written["anna"]
    assert (results["score"], results["execution_time"]) == (3, 2)
    assert [
        (t["number"], t["name"], t.get("score"), t["max_score"], t.get("status"))
        for t in results["tests"]
    ] == [
        ("1.1", "1. Twice", 0, 2, "failed"),
        ("1.2", "1. Twice", 1, 1, "passed"),
        ("2", "2. Root", 2, 2, "passed"),
        ("3", "3. Why", None, 3, None),
    ]


def test_what_hidden_inputs_or_a_person_decide_is_shown_when_grades_are_published(written):
    shown = [test["visibility"] for test in written["anna"]["tests"]]
    assert shown == ["after_published", "visible", "after_published", "after_published"]
    assert written["anna"]["stdout_visibility"] == "hidden"


def test_an_answer_that_waits_is_not_zero_of_three(written):
    assert "3 of 5 points.\n3 more wait for a person." in written["anna"]["output"]
    assert written["anna"]["tests"][3]["output"] == "This answer waits for a person."


def test_a_failure_says_why_with_the_hint(written):
    output = written["anna"]["tests"][0]["output"]
    assert "expected  array([2.0, 4.0, 6.0])" in output and "You square each entry." in output


def test_points_and_comment_of_a_person_count(written):
    assert written["berta"]["score"] == 6.5  # 5 and 2.5, without 1 for being late
    essay = written["berta"]["tests"][3]
    assert (essay["score"], essay["output"]) == (2.5, "Comment: Good")


def test_a_submission_without_grades_has_the_reason(written):
    assert (written["none"]["score"], written["none"]["tests"]) == (0, [])
    assert "could not be graded: the file is empty" in written["none"]["output"]
