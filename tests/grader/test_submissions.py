"""Reading submissions without trust: what is mended, what is refused, what never happens."""

import copy
import itertools
import json
import os
import re
import socket
import time
import tracemalloc

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from autograder import cells, submissions
from autograder.submissions import Refused, Submission
from tests.grader.attacks import assignment

CANARY = "canary-of-the-submission"


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    """The release notebook, with a question in words and its answer cell at the end."""
    notebook = assignment.release(tmp_path_factory.mktemp("project"))

    def cell(id, source, **mark):
        mark = {"grade": False, "solution": False, "locked": True, "task": False} | mark
        mark |= {"grade_id": id, "schema_version": 3}
        return new_markdown_cell(source, id=id, metadata={"nbgrader": mark})

    answer = {"grade": True, "solution": True, "locked": False, "points": 2}
    notebook.cells += [cell("text-2", "## Why?"), cell("manual-why", "YOUR ANSWER HERE", **answer)]
    return notebook


@pytest.fixture
def handed_in(master):
    """A fully answered notebook, free to change."""
    notebook = assignment.answered(master, assignment.REFERENCE)
    notebook.cells[-1].source = "Because."
    return notebook


@pytest.fixture
def prepare(master, tmp_path):
    """Prepare a notebook, or JSON data, or bytes; returns the restored notebook and the notes."""

    def run(submitted):
        if not isinstance(submitted, bytes):
            submitted = json.dumps(submitted).encode("utf-8", errors="surrogatepass")
        path = tmp_path / "hw1.ipynb"
        path.write_bytes(submitted)
        prepared = submissions.prepare(Submission("anna", path), master)
        return nbformat.reads(prepared.notebook.decode(), as_version=4), prepared.notes

    return run


def index(notebook, id):
    return [cell.id for cell in notebook.cells].index(id)


def source(notebook, id):
    return notebook.cells[index(notebook, id)].source


def assert_whole(notebook, master):
    """Each cell of the instructor's is there once, in order, and only answers differ."""
    own = [cell for cell in notebook.cells if cell.id.startswith("own-")]
    kept = [cell for cell in notebook.cells if not cell.id.startswith("own-")]
    assert [cell.id for cell in kept] == [cell.id for cell in master.cells]
    for cell, original in zip(kept, master.cells, strict=True):
        assert cell.metadata == original.metadata and cell.cell_type == original.cell_type
        assert original.metadata.nbgrader.solution or cell.source == original.source
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", id) for id in ids)
    assert all(cell.metadata == {} for cell in own)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in own)
    assert notebook.metadata == master.metadata
    nbformat.validate(notebook)


def stripped(notebook):
    """As a tool saves it that knows neither metadata nor ids."""
    for cell in notebook.cells:
        cell.metadata = {}
        del cell["id"]
    return notebook


# Nothing to mend


def test_a_clean_submission_is_restored_without_a_note(prepare, handed_in, master):
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert notes == []
    for name, answer in assignment.REFERENCE.items():
        assert source(notebook, f"solution-{name}") == answer
    assert source(notebook, "manual-why") == "Because."


def test_own_cells_stay_after_the_cell_they_followed_and_at_the_start(prepare, handed_in, master):
    handed_in.cells.insert(4, new_code_cell("helper = 1", metadata={"tags": ["skip-execution"]}))
    handed_in.cells.insert(5, new_markdown_cell("A thought."))
    handed_in.cells.insert(0, new_code_cell("first = 0"))
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert notes == []
    assert [cell.source for cell in notebook.cells[5:7]] == ["helper = 1", "A thought."]
    assert notebook.cells[0].source == "first = 0"


def test_nothing_of_metadata_outputs_and_kernel_survives(prepare, handed_in, master):
    handed_in.metadata = {"kernelspec": {"name": CANARY, "display_name": CANARY}, CANARY: CANARY}
    handed_in.cells.append(new_code_cell("mine = 1"))
    for cell in handed_in.cells:
        cell.metadata |= {"tags": ["skip-execution", CANARY], "jupyter": {"source_hidden": True}}
        cell.metadata.setdefault("nbgrader", {}).update(points=1000, locked=False, checksum=CANARY)
        cell.attachments = {CANARY: {"image/png": CANARY}}
        if cell.cell_type == "code":
            cell.execution_count = 99
            cell.outputs = [{"output_type": CANARY}]
    notebook, _ = prepare(handed_in)
    assert_whole(notebook, master)
    assert CANARY not in json.dumps(notebook)


# What is mended


def test_a_copy_of_an_answer_is_kept_after_it(prepare, handed_in, master):
    second = copy.deepcopy(handed_in.cells[index(handed_in, "solution-softmax")])
    second.source = "def softmax(x):\n    return 'another'"
    handed_in.cells.append(second)
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert source(notebook, "solution-softmax") == assignment.REFERENCE["softmax"]
    assert notebook.cells[-1].source == second.source
    assert notes == ["answers in several cells, kept in order: solution-softmax"]


@pytest.mark.parametrize("stub_first", [True, False])
def test_an_unchanged_stub_beside_its_answer_is_dropped(prepare, handed_in, master, stub_first):
    stub = copy.deepcopy(master.cells[index(master, "solution-softmax")])
    handed_in.cells.insert(0 if stub_first else len(handed_in.cells), stub)
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert len(notebook.cells) == len(master.cells)
    assert source(notebook, "solution-softmax") == assignment.REFERENCE["softmax"]
    assert notes[0] == "unchanged copies left out: solution-softmax"


def test_a_split_answer_keeps_both_parts_in_order(prepare, handed_in, master):
    place = index(handed_in, "solution-mse_grad")
    whole = handed_in.cells[place]
    part = copy.deepcopy(whole)
    whole.source, part.source, part.id = (
        "def residual(w, X, y):\n    return X @ w - y",
        whole.source,
        "x",
    )
    handed_in.cells.insert(place + 1, part)
    notebook, _ = prepare(handed_in)
    assert_whole(notebook, master)
    assert notebook.cells[place].source.startswith("def residual")
    assert notebook.cells[place + 1].source == assignment.REFERENCE["mse_grad"]


def test_a_copy_never_comes_before_the_answer_it_redefines(prepare, handed_in, master):
    second = copy.deepcopy(handed_in.cells[index(handed_in, "solution-train_mlp")])
    second.source = "train_mlp = None"
    moved = handed_in.cells.pop(0)
    handed_in.cells += [moved, second]  # after a cell that belongs to the start
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    redefined = [cell.source for cell in notebook.cells].index("train_mlp = None")
    assert redefined > index(notebook, "solution-train_mlp")
    assert "moved cells put back in their places" in notes


@pytest.mark.parametrize("type", ["markdown", "raw", "heading", "", None, 7])
def test_an_answer_of_another_type_is_read_as_code(prepare, handed_in, master, type):
    handed_in.cells[index(handed_in, "solution-softmax")].cell_type = type
    notebook, _ = prepare(handed_in)
    assert_whole(notebook, master)
    assert assignment.REFERENCE["softmax"] in source(notebook, "solution-softmax")


def test_an_answer_in_words_that_was_made_code_is_read_as_text(prepare, handed_in, master):
    handed_in.cells[-1].cell_type = "code"
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert source(notebook, "manual-why") == "Because."
    assert notes == ["cells of another type read: manual-why as markdown"]


def test_a_grader_is_told_of_pasted_pictures(prepare, handed_in, master):
    handed_in.cells[-1].source = "![image.png](attachment:image.png)"
    handed_in.cells[-1].attachments = {"image.png": {"image/png": CANARY}}
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert CANARY not in json.dumps(notebook)
    assert notes == ["pasted pictures are only in the file handed in: manual-why"]


def test_moved_cells_go_back(prepare, handed_in, master):
    handed_in.cells.reverse()
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert notes == ["moved cells put back in their places"]


def test_changed_and_emptied_tests_are_put_back(prepare, handed_in, master):
    handed_in.cells[index(handed_in, "test-softmax")].source = "pass"
    handed_in.cells[index(handed_in, "test-mse_grad")].cell_type = "markdown"
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert notes == ["changed instructor's cells put back: test-softmax, test-mse_grad"]


def test_deleted_cells_are_put_back_an_answer_as_the_stub(prepare, handed_in, master):
    gone = {"solution-softmax", "test-mse_grad", "text-1"}
    handed_in.cells = [cell for cell in handed_in.cells if cell.id not in gone]
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert source(notebook, "solution-softmax") == source(master, "solution-softmax")
    assert notes == ["missing cells put back: solution-softmax, test-mse_grad"]


def test_copies_of_tests_go_and_edited_copies_stay_as_own_cells(prepare, handed_in, master):
    test = copy.deepcopy(handed_in.cells[index(handed_in, "test-softmax")])
    bare = new_code_cell(f"\n{test.source}  \n")
    edited = copy.deepcopy(test)
    edited.source = "print('my test')"
    handed_in.cells += [test, bare, edited, new_code_cell("  \n")]
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert [c.source for c in notebook.cells[len(master.cells) :]] == ["print('my test')"]
    assert notes == ["unchanged copies left out: test-softmax"]


def test_a_notebook_without_metadata_is_known_by_its_ids(prepare, handed_in, master):
    for cell in handed_in.cells:
        cell.metadata = {}
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert notes == []
    assert source(notebook, "solution-train_mlp") == assignment.REFERENCE["train_mlp"]


def test_a_notebook_without_metadata_and_ids_is_known_by_what_it_holds(prepare, handed_in, master):
    handed_in.cells.insert(4, new_code_cell("helper = 1"))
    notebook, notes = prepare(stripped(handed_in))
    assert_whole(notebook, master)
    for name, answer in assignment.REFERENCE.items():
        assert source(notebook, f"solution-{name}") == answer
    assert source(notebook, "manual-why") == "Because."
    assert notebook.cells[4].source == "helper = 1"
    assert notes == [
        "cells without nbgrader's marks found by what they hold: "
        "solution-softmax, solution-mse_grad, solution-train_mlp, manual-why"
    ]


def test_an_answer_rewritten_in_a_new_cell_counts_as_the_answer(prepare, handed_in, master):
    place = index(handed_in, "solution-softmax")
    handed_in.cells[place] = new_code_cell("# mine\nasync def f(): pass\nsoftmax = lambda x: x")
    notebook, _ = prepare(handed_in)
    assert_whole(notebook, master)
    assert len(notebook.cells) == len(master.cells)
    assert "softmax = lambda" in source(notebook, "solution-softmax")


def test_a_raw_cell_becomes_text_and_is_never_run(prepare, handed_in, master):
    handed_in.cells.append(new_raw_cell("<b>raw</b>", metadata={"format": "text/html"}))
    notebook, _ = prepare(handed_in)
    assert_whole(notebook, master)
    assert (notebook.cells[-1].cell_type, notebook.cells[-1].source) == ("markdown", "<b>raw</b>")


def test_another_assignments_notebook_is_refused(prepare, handed_in):
    for cell in handed_in.cells:
        cell.metadata.nbgrader.grade_id = f"other-{cell.id}"
    with pytest.raises(Refused, match="another notebook"):
        prepare(handed_in)


# Damaged data


def as_version_3(notebook):
    sheet = [
        {"cell_type": "code", "input": c.source, "language": "python", "metadata": c.metadata}
        if c.cell_type == "code"
        else {"cell_type": "markdown", "source": c.source, "metadata": c.metadata}
        for c in notebook.cells
    ]
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": sheet}]}


def with_text(old, new):
    """The file with one text replaced by another, which need not be JSON."""
    return lambda notebook: json.dumps(notebook).replace(old, new).encode()


@pytest.mark.parametrize(
    "change",
    [
        as_version_3,
        lambda nb: nb | {"nbformat_minor": 99},
        lambda nb: nb | {"nbformat": "four", "metadata": [1, None]},
        lambda nb: {"cells": nb.cells},
        lambda nb: {"cells": [dict(c) | {"source": c.source.splitlines(True)} for c in nb.cells]},
        lambda nb: json.dumps(nb).encode("utf-16"),
        lambda nb: b"\xef\xbb\xbf" + json.dumps(nb).encode(),
        with_text('"outputs": []', '"outputs": [NaN, {"a": 1e999]]'),
        with_text('"metadata": {', '"metadata": {"x": Infinity, '),
        lambda nb: {"cells": [dict(c) | {"outputs": 5, "attachments": "x"} for c in nb.cells]},
        lambda nb: {"cells": [dict(c) | {"id": ["x"], "execution_count": {}} for c in nb.cells]},
    ],
    ids=["worksheets", "newer", "odd format", "bare", "lines", "utf-16", "bom", "nan", "infinity",
         "outputs", "ids"],
)  # fmt: skip
def test_odd_files_are_read_where_the_sources_are_clear(prepare, handed_in, master, change):
    notebook, notes = prepare(change(handed_in))
    assert_whole(notebook, master)
    assert notes == []
    for name, answer in assignment.REFERENCE.items():
        assert source(notebook, f"solution-{name}") == answer


def test_characters_that_are_no_text_are_taken_out(prepare, handed_in, master):
    own = new_code_cell('a = "\ud800 \x00 \udfff 😀"')
    handed_in.cells.append(own)
    notebook, notes = prepare(handed_in)
    assert_whole(notebook, master)
    assert notebook.cells[-1].source == 'a = "   😀"'
    assert notes == ["characters that are no text were removed"]


def test_what_is_not_utf_8_is_shown_as_such(prepare, handed_in, master):
    handed_in.cells.append(new_code_cell("name = 'MARK'"))
    notebook, notes = prepare(json.dumps(handed_in).encode().replace(b"MARK", b"J\xfcrgen"))
    assert_whole(notebook, master)
    assert notebook.cells[-1].source == "name = 'J\ufffdrgen'"
    assert notes == ["some characters were not saved as UTF-8 and cannot be read"]


def test_of_an_entry_that_stands_twice_the_last_counts(prepare, handed_in, master):
    text = json.dumps(handed_in)
    answer = json.dumps(assignment.REFERENCE["softmax"])
    assert text.count(answer) == 1
    text = text.replace(answer, f'"first", "source": {answer}')
    notebook, notes = prepare(text.encode())
    assert_whole(notebook, master)
    assert source(notebook, "solution-softmax") == assignment.REFERENCE["softmax"]
    assert notes == ["an entry stands twice in the file: the last one counts"]


def test_damaged_cells_that_no_answer_needs_are_left_out(prepare, handed_in, master):
    data = json.loads(json.dumps(handed_in))
    data["cells"] += [5, None, [[]], {}, {"source": 3}, {"cell_type": "code", "source": ["a", 1]}]
    notebook, notes = prepare(data)
    assert_whole(notebook, master)
    assert len(notebook.cells) == len(master.cells)
    assert notes == [
        "3 damaged cells left out",
        "3 added cells without readable text left out",
    ]


@pytest.mark.parametrize("damaged", [None, 5, {}, [["x"]], [1], True])
def test_an_answer_without_readable_text_is_refused(prepare, handed_in, damaged):
    handed_in.cells[index(handed_in, "solution-softmax")]["source"] = damaged
    with pytest.raises(Refused, match="the cell solution-softmax holds no readable text"):
        prepare(handed_in)


BRACKETS = b"[" * 3_000_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"cells": {}}', "holds no list of cells"),
        (b'{"cells": 3, "worksheets": [3]}', "holds no list of cells"),
        (b'{"worksheets": {"cells": []}}', "holds no list of cells"),
        (b"null", "holds no list of cells"),
        (b'{"cells": []', "the file is not JSON \\(expected a comma, line 1\\)"),
        (b'{"cells": []} {}', "the file is not JSON \\(more text after the end"),
        (b'{"cells": [,]}', "the file is not JSON \\(expected a value"),
        (b'{"cells": [1,]}', "the file is not JSON \\(expected a value"),
        (b'{\n"cells" []}', "the file is not JSON \\(expected a colon, line 2"),
        (b'{cells: []}', "the file is not JSON \\(expected a name in quotes"),
        (b'{"cells": [{"source": "\\x"}]}', "the file is not JSON \\(Invalid"),
        (b'{"cells": [{"source": "ab', "the file is not JSON \\(Unterminated"),
        (b'{"cells": [{"outputs": ["ab', "the file is not JSON \\(the text ends inside a value"),
        (b"<<<<<<< HEAD\n{}", "the file is not JSON"),
        (b'{"cells": ' + BRACKETS, "nested too deeply"),
        (b'{"cells": [{"source": ' + BRACKETS, "not"),
        (b'{"cells": [{"metadata": ' + BRACKETS, "nested too deeply"),
        (b'{"cells": [{"metadata": {"nbgrader": {"grade_id": ' + b'{"a":' * 100_000, "too deeply"),
        (b'{"cells": [{"outputs": [' + b"[]," * 1_000_000, "too many parts"),
        (b'{"cells": [' + b"0," * 1_000_000, "too many parts"),
        (b'{"cells": [{' + b'"a":0,' * 1_000_000, "too many parts"),
        (b'{"cells": [' + b"{}," * 2000 + b"0]}", "2001 cells, at most 513 are graded"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_what_is_no_notebook_is_refused_with_a_reason_and_soon(prepare, content, reason):
    before = time.process_time()
    with pytest.raises(Refused, match=reason) as refused:
        prepare(content)
    assert time.process_time() - before < 5
    assert len(str(refused.value)) < 200 and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ([new_code_cell("1")] * 501, "at most 513 are graded"),
        ([new_code_cell("1" * 200_001)], "cell 14 has 200 thousand characters"),
        ([new_code_cell("1" * 190_000)] * 11, "2.1 million characters, at most 2 million"),
    ],
)
def test_too_many_cells_and_too_much_text_are_refused(prepare, handed_in, master, own, reason):
    assert len(master.cells) + cells.MOST_CELLS == 513
    handed_in.cells += own
    with pytest.raises(Refused, match=reason):
        prepare(handed_in)


@pytest.mark.parametrize("filler", ['"x"', "[1,2]", '{"a": 1}'])
def test_outputs_cost_no_memory(prepare, handed_in, filler):
    handed_in.cells[3]["outputs"] = ["FILLER"]
    most = {'"x"': 1_000_000, "[1,2]": 200_000, '{"a": 1}': 200_000}[filler]
    content = json.dumps(handed_in).replace('"FILLER"', ",".join([filler] * most)).encode()
    tracemalloc.start()
    try:
        _, notes = prepare(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert notes == []
    assert peak < 3 * len(content) + 2_000_000  # the bytes, the text, and what is needed


# Files


def test_links_pipes_sockets_and_folders_are_refused_at_once(tmp_path, master):
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("{}")
    (tmp_path / "link.ipynb").symlink_to(ordinary)
    (tmp_path / "zero.ipynb").symlink_to("/dev/zero")
    (tmp_path / "loop.ipynb").symlink_to("loop.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "pipe.ipynb")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # the path of a socket is short
        try:
            server.bind("socket.ipynb")
        finally:
            os.chdir(here)
    before = len(os.listdir("/proc/self/fd"))
    found, _ = submissions.find(tmp_path, "hw1")
    assert len(found) == 6
    for submission in found:
        with pytest.raises(Refused, match=r"not an ordinary file|cannot be read"):
            submissions.prepare(submission, master)
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_link_below_the_folder_of_submissions_is_followed(tmp_path, handed_in, master):
    victim = tmp_path / "victim" / "hw1" / "hw1.ipynb"
    victim.parent.mkdir(parents=True)
    nbformat.write(handed_in, victim)
    (tmp_path / "eve").symlink_to(victim.parent.parent)
    (tmp_path / "ida").mkdir()
    (tmp_path / "ida" / "hw1").symlink_to(victim.parent)
    (tmp_path / "uma" / "hw1").mkdir(parents=True)
    (tmp_path / "uma" / "hw1" / "hw1.ipynb").symlink_to(victim)
    found, _ = submissions.find(tmp_path, "hw1")
    reasons = {}
    for submission in found:
        try:
            submissions.prepare(submission, master)
        except Refused as refused:
            reasons[submission.student] = str(refused)
    link = "the notebook is not an ordinary file but a link, folder or device"
    assert reasons == {"eve": "the folder is a link", "ida": link, "uma": link}


def hand_in(folder, student, notebook):
    path = folder / student / "hw1.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)
    return path


def test_a_hard_link_to_another_submission_is_refused_and_the_owner_graded(
    tmp_path, handed_in, master
):
    victim = hand_in(tmp_path, "victim", handed_in)
    (tmp_path / "eve").mkdir()
    os.link(victim, tmp_path / "eve" / "hw1.ipynb")
    while (tmp_path / "eve").stat().st_ctime_ns <= victim.parent.stat().st_ctime_ns:
        (tmp_path / "eve").chmod(0o755)  # the clock of the file system ticks each few ms
    found = {s.student: s for s in submissions.find(tmp_path, "hw1")[0]}
    assert "another student's (a hard link)" in found["eve"].problem
    notes = submissions.prepare(found["victim"], master).notes
    assert notes == ["the file has a second name elsewhere (a hard link)"]


def test_where_the_owner_of_a_shared_file_cannot_be_told_all_are_refused(tmp_path, handed_in):
    nbformat.write(handed_in, tmp_path / "anna.ipynb")
    os.link(tmp_path / "anna.ipynb", tmp_path / "berta.ipynb")
    found, _ = submissions.find(tmp_path, "hw1")
    assert all("(a hard link)" in submission.problem for submission in found)


def test_a_hard_link_from_elsewhere_is_only_a_note(tmp_path, handed_in, master):
    (tmp_path / "in").mkdir()
    path = hand_in(tmp_path / "in", "anna", handed_in)
    os.link(path, tmp_path / "backup")
    [submission] = submissions.find(tmp_path / "in", "hw1")[0]
    assert submissions.prepare(submission, master).notes == [
        "the file has a second name elsewhere (a hard link)"
    ]


def test_a_timestamp_that_is_a_pipe_or_a_link_is_not_read(tmp_path, handed_in, master):
    path = hand_in(tmp_path, "anna", handed_in)
    os.mkfifo(path.with_name("timestamp.txt"))
    assert submissions.prepare(Submission("anna", path), master).timestamp is None
    path.with_name("timestamp.txt").unlink()
    path.with_name("timestamp.txt").symlink_to("/dev/zero")
    assert submissions.prepare(Submission("anna", path), master).timestamp is None


@pytest.mark.parametrize(
    "name",
    ["-rf", "x'; DROP TABLE grade;--", "{student_id}", "%s%n", "\x1b[31mred", "a\nb", "zed..", "*",
     "[zed]", "$(id)", "a" * 101, "<script>", b"\xff\xfe".decode(errors="surrogateescape")],
)  # fmt: skip
def test_odd_names_are_refused_and_shown_without_control_characters(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "hw1.ipynb").write_text("{}")
    [submission] = submissions.find(tmp_path, "hw1")[0]
    assert submission.problem.startswith("the name of a student")
    assert submission.student.isprintable() and len(submission.student) <= 100
    submission.student.encode()


def test_names_of_files_are_shown_without_control_characters(tmp_path):
    (tmp_path / "anna").mkdir()
    for name in ("\x1b[2J.ipynb", "a\nb.ipynb"):
        (tmp_path / "anna" / name).write_text("{}")
    (tmp_path / "\x1b]0;title\x07").write_text("")
    [submission], ignored = submissions.find(tmp_path, "hw1")
    assert submission.problem.startswith("several notebooks") and submission.problem.isprintable()
    assert all(name.isprintable() for name in ignored)


def test_names_in_all_scripts_are_kept_and_composed(tmp_path):
    for name in ("名前", "Jose\u0301", "ana.b@uni-x.edu"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    found, _ = submissions.find(tmp_path, "hw1")
    assert {s.student for s in found} == {"名前", "José", "ana.b@uni-x.edu"}
    assert [s.problem for s in found] == [""] * 3


# Whatever is handed in


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**20)
    | st.floats()
    | st.sampled_from(["", "code", "markdown", "raw", "solution-softmax", "test-softmax",
                       "def softmax(x): pass", "\ud800", "\x00", "own-start-1"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["source", "cell_type", "id"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def places(data, path=()):
    """The path to each value in JSON data."""
    yield path
    members = data.items() if isinstance(data, dict) else ()
    for key, value in enumerate(data) if isinstance(data, list) else members:
        yield from places(value, (*path, key))


def replaced(data, path, value):
    if not path:
        return value
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


@st.composite
def broken(draw, notebook):
    """A valid submission after a few things have happened to it, as bytes."""
    data = json.loads(json.dumps(notebook))
    for _ in range(draw(st.integers(0, 4))):
        many = data.get("cells") if isinstance(data, dict) else None
        many = many if isinstance(many, list) and many else None
        step = draw(st.sampled_from(["drop", "copy", "move", "retype", "text", "strip", "value"]))
        if step == "value" or many is None:
            path = draw(st.sampled_from(list(places(data))))
            data = replaced(data, path, draw(VALUES))
            continue
        at = draw(st.integers(0, len(many) - 1))
        other = draw(st.integers(0, len(many) - 1))
        if step == "drop":
            del many[at]
        elif step == "copy":
            many.insert(other, copy.deepcopy(many[at]))
        elif step == "move":
            many.insert(other, many.pop(at))
        elif isinstance(many[at], dict):
            if step == "retype":
                many[at]["cell_type"] = draw(st.sampled_from(["code", "markdown", "raw", "x"]))
            elif step == "text":
                many[at]["source"] = draw(st.text(max_size=20) | st.just("def softmax(x):\n  1"))
            else:
                many[at].pop("id", None)
                many[at]["metadata"] = {}
    content = json.dumps(data).encode("utf-8", errors="surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 50))
        splice = draw(st.binary(max_size=8) | st.sampled_from([b"[" * 200, b'"', b"]}", b"\\"]))
        content = content[:start] + splice + content[start + length :]
    if draw(st.integers(0, 9)) == 0:
        content = content[: draw(st.integers(0, len(content)))]
    return content


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_broken_notebook_is_whole_again_or_refused(data, prepare, handed_in, master):
    content = data.draw(broken(handed_in))
    try:
        notebook, notes = prepare(content)
    except Refused as refused:
        assert str(refused) and str(refused).isprintable()
        return
    assert_whole(notebook, master)
    assert all(note.isprintable() for note in notes)
    again, notes = prepare(json.loads(nbformat.writes(notebook)))
    assert again == notebook
    assert notes == []


def test_a_submission_is_prepared_in_a_few_milliseconds(prepare, handed_in):
    prepare(handed_in)
    before = time.process_time()
    for _ in range(10):
        prepare(handed_in)
    assert (time.process_time() - before) / 10 < 0.05
