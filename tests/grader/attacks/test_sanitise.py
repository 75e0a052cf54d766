"""What reading and repair, which run nothing, make of every submission of the corpus."""

import re
import time

import nbformat
import pytest

from autograder import submissions
from tests.grader.attacks import ALL, assignment
from tests.grader.attacks.known import VICTIM


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return assignment.release(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def victim(release):
    return nbformat.writes(assignment.answered(release, assignment.REFERENCE)).encode()


@pytest.fixture(scope="module")
def prepared(release, victim, tmp_path_factory):
    """What became of each submission in one folder: Prepared, or the reason; and the seconds."""
    folder = tmp_path_factory.mktemp("handed_in")
    path = folder / VICTIM / assignment.NAME / f"{assignment.NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(victim)
    for attack in ALL:
        attack.hand_in(folder, release)
    found, ignored = submissions.find(folder, assignment.NAME)
    assert ignored == []
    results = {}
    for submission in found:
        before = time.process_time()
        try:
            result = submissions.prepare(submission, release)
        except submissions.Refused as refused:
            result = str(refused)
        results[submission.student] = (result, time.process_time() - before)
    return results


def test_every_submission_has_a_row_and_ids_are_unique(prepared):
    assert len(ALL) == len({attack.id for attack in ALL})
    assert set(prepared) == {attack.id for attack in ALL} | {VICTIM}


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.id)
def test_a_submission_is_refused_or_made_whole(prepared, release, attack):
    result, seconds = prepared[attack.id]
    assert seconds < 3
    if attack.refused:
        assert re.search(attack.refused, result)
        assert result.isprintable() and len(result) < 250
        return
    notebook = nbformat.reads(result.notebook.decode(), as_version=4)
    kept = [cell for cell in notebook.cells if not cell.id.startswith("own-")]
    for cell, original in zip(kept, release.cells, strict=True):
        assert cell.metadata == original.metadata
        assert original.metadata.nbgrader.solution or cell == original
    own = [cell for cell in notebook.cells if cell.id.startswith("own-")]
    assert all(cell.metadata == {} and not cell.get("outputs") for cell in own)
    assert all(note.isprintable() for note in result.notes)


@pytest.mark.parametrize(
    "attack", [a for a in ALL if a.least == assignment.FULL], ids=lambda attack: attack.id
)
def test_right_work_keeps_its_answers(prepared, attack):
    result, _ = prepared[attack.id]
    notebook = nbformat.reads(result.notebook.decode(), as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells)
    for name in assignment.REFERENCE:
        answer = attack.answers[name].replace("\n# MARK", "")
        assert answer in code


def test_a_victim_is_as_it_handed_in(prepared, victim, release, tmp_path):
    path = tmp_path / f"{VICTIM}.ipynb"
    path.write_bytes(victim)
    alone = submissions.prepare(submissions.Submission(VICTIM, path), release)
    assert prepared[VICTIM][0].notebook == alone.notebook


def test_the_corpus_is_small_and_of_many_kinds():
    own = [attack for attack in ALL if not re.match("[A-Z][0-9]{2}_", attack.id)]
    assert sum(attack.kind != "honest" for attack in own) >= 25
    kinds = {attack.kind for attack in ALL}
    assert kinds == {"points", "leak", "corrupt", "dos", "struct", "inject", "honest"}
    assert all(attack.least <= attack.most <= assignment.FULL for attack in ALL)
