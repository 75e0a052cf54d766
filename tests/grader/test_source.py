"""Reading and converting an assignment's source."""

import nbformat
import pytest

from autograder import convert, source
from autograder.errors import AssignmentError
from tests.grader.made_up import SOURCE


def read(tmp_path, text):
    path = tmp_path / "tiny.py"
    path.write_text(text)
    return source.read(path)


@pytest.fixture
def converted(tmp_path):
    return convert.convert(read(tmp_path, SOURCE))


def cell(notebook, id):
    return next(cell for cell in notebook.cells if cell.id == id)


def test_tasks_have_title_minutes_and_the_points_of_their_tests(tmp_path):
    tasks = read(tmp_path, SOURCE).tasks
    assert [(t.id, t.title, t.points, t.minutes, t.manual) for t in tasks.values()] == [
        ("double", "1. Twice", 3, 5, False),
        ("root", "2. Root", 2, 10, False),
        ("why", "3. Why", 3, 5, True),
    ]


def test_the_notebook_is_valid_and_each_cell_id_is_its_grade_id(converted):
    nbformat.validate(converted)
    assert [cell.id for cell in converted.cells] == [
        "text-1", "code-1", "task-double", "solution-double", "test-double", "test-double-more",
        "task-root", "solution-root", "test-root", "text-2", "manual-why",
    ]  # fmt: skip
    assert all(cell.id == cell.metadata.nbgrader.grade_id for cell in converted.cells)
    assert converted.metadata.kernelspec.name == "python3"


def test_marks_become_nbgrader_metadata(converted):
    locked = {"schema_version": 3, "grade": False, "solution": False, "locked": True, "task": False}
    expected = {
        "code-1": locked,
        "solution-double": locked | {"solution": True, "locked": False},
        "test-double": locked | {"grade": True, "points": 2},
        "manual-why": locked | {"grade": True, "solution": True, "locked": False, "points": 3},
    }
    for id, metadata in expected.items():
        assert cell(converted, id).metadata.nbgrader == metadata | {"grade_id": id}


def test_points_and_minutes_are_shown_with_each_question_and_in_the_table(converted):
    assert cell(converted, "task-double").source.endswith("*3 points · about 5 minutes*")
    assert cell(converted, "text-2").source.endswith("*3 points · about 5 minutes*")
    assert "| 2. Root | 2 | 10 |" in cell(converted, "text-1").source
    assert "| **All** | **8** | **20** |" in cell(converted, "text-1").source


def test_one_point_is_singular(tmp_path):
    text = SOURCE.replace('test="root" points=2', 'test="root" points=1')
    assert "*1 point · " in cell(convert.convert(read(tmp_path, text)), "task-root").source


MARKS = [
    ('test="double" points=2', 'test="double"', "needs points=NUMBER"),
    ('test="double" points=2', 'test="double" points=-1', "needs points=NUMBER"),
    ('test="double" points=2', 'test="double" points="2"', "needs points=NUMBER"),
    ('test="double" points=2', 'test="double" points=2 oops=1', "unknown mark oops"),
    ('test="double" points=2', 'tset="double" points=2', "unknown mark points, tset"),
    ('test="double" points=2', 'test="double" solution="double" points=2', "several marks"),
    ('test="double" points=2', 'test="no such" points=2', "expected letters"),
    ('test="double" points=2', 'test="other" points=2', "belongs to no task"),
    ('test="double-more"', 'test="double"', "duplicate id"),
    ('task="root" minutes=10', 'task="root"', "needs minutes=NUMBER"),
    ('task="root" minutes=10', 'task="double" minutes=10', "duplicate id"),
    ('[markdown] task="root"', 'task="root"', "must be a markdown cell"),
    ('solution="double"', 'solution="double" points=1', "unknown mark points"),
    ("    ### BEGIN SOLUTION\n    answer", "    answer", "does not pair up"),
    ("    ### END SOLUTION\n\n# %% inputs", "\n# %% inputs", "has no `END SOLUTION`"),
    ("### END HIDDEN TESTS\n\n# %% test", "\n# %% test", "has no `END HIDDEN TESTS`"),
    ("# %%\nimport", "# %%\n### BEGIN HIDDEN TESTS\nimport", "not marked test="),
    ("# ## 2. Root", "# Root", "needs a heading"),
]


@pytest.mark.parametrize(("old", "new", "message"), MARKS)
def test_a_bad_mark_is_refused_with_file_and_line(tmp_path, old, new, message):
    assert old in SOURCE
    with pytest.raises(AssignmentError, match=message) as caught:
        read(tmp_path, SOURCE.replace(old, new, 1))
    place = str(caught.value).split(": ")[0]
    path, line = place.rsplit(":", 1)
    assert path == str(tmp_path / "tiny.py")
    assert SOURCE.split("\n")[int(line) - 1].startswith("# %%")


@pytest.mark.parametrize("mark", ["solution", "test"])
def test_a_task_needs_a_solution_and_a_test(tmp_path, mark):
    cells = SOURCE.split("\n# %%")
    kept = [cell for cell in cells if not cell.startswith(f' {mark}="root')]
    assert len(kept) < len(cells)
    with pytest.raises(AssignmentError, match=f"task='root' has no {mark} cell"):
        read(tmp_path, "\n# %%".join(kept))


def test_a_solution_without_its_region_is_refused(tmp_path):
    text = SOURCE.replace("    ### BEGIN SOLUTION\n", "", 1).replace(
        "    ### END SOLUTION\n", "", 1
    )
    with pytest.raises(AssignmentError, match="solution='double' has no `### BEGIN SOLUTION`"):
        read(tmp_path, text)


HEADERS = [
    ("# ---\n", "", "expected front matter"),
    ("#   title: Tiny\n", "", "`title` and `imports`"),
    ("[numpy, os, sys, autograder.checks]", "numpy", "expected a list of module names"),
    ("title: Tiny", "title: [", "not YAML"),
    ("title: Tiny", "title: Tiny\n#   limits: {memory: much}", "`limits`: memory: expected"),
    ("title: Tiny", "title: Tiny\n#   limits: {disk: 1 GB}", "`limits`: disk: no such limit"),
    ("title: Tiny", "title: Tiny\n#   limits: 3", "`limits`: .* got 3"),
    ("title: Tiny", "title: Tiny\n#   limit: {cell: 3}", "and perhaps `limits`"),
]


def test_limits_are_carried_only_if_they_are_given(tmp_path):
    assert read(tmp_path, SOURCE).limits == {}
    text = SOURCE.replace("title: Tiny", "title: Tiny\n#   limits: {memory: 1 GB, cell: 90}")
    assert read(tmp_path, text).limits == {"memory": "1 GB", "cell": 90}


@pytest.mark.parametrize(("old", "new", "message"), HEADERS)
def test_bad_front_matter_is_refused(tmp_path, old, new, message):
    with pytest.raises(AssignmentError, match=message):
        read(tmp_path, SOURCE.replace(old, new, 1))
