"""The whole grader against the corpus, in one run: nothing earned, learnt, broken or taken away."""

import hashlib
import json
import os
import re
import socket
import threading
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.grade import grade
from tests.grader.attacks import ALL, assignment, inject
from tests.grader.attacks.assignment import FULL, NAME
from tests.grader.attacks.known import PORT, VICTIM

VICTIMS = ["anna", "mia", VICTIM]  # before, between and after the attackers
ENVIRONMENT_CANARY = "canary_of_the_environment"
HOME_CANARY = "canary_of_the_home_folder"
VICTIM_CANARY = "canary_of_the_victims"
LEFT_OVER = "LEFT OVER"  # what one submission writes for another
SECRETS = [
    assignment.HIDDEN_CANARY,
    assignment.SOLUTION_CANARY,
    ENVIRONMENT_CANARY,
    HOME_CANARY,
    VICTIM_CANARY,
    LEFT_OVER,
]
HONEST = [attack for attack in ALL if attack.kind == "honest"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return assignment.write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return assignment.release(tmp_path_factory.mktemp("release"))


def victims_work(release):
    answers = dict(assignment.REFERENCE)
    answers["mse_grad"] += f"\n# {VICTIM_CANARY}"
    return nbformat.writes(assignment.answered(release, answers))


def hand_in(folder, release, attacks):
    for victim in VICTIMS:
        path = folder / victim / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(victims_work(release))
    for attack in attacks:
        attack.hand_in(folder, release)


class Listener:
    """Takes connections and datagrams on all addresses that attacks try, and counts them."""

    def __init__(self):
        self.calls = []
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
        self.sockets[0].bind(("127.0.0.1", PORT))
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", PORT)),
            (socket.AF_UNIX, "\0grader"),
        ):
            server = socket.socket(family)
            server.bind(address)
            server.listen()
            self.sockets.append(server)
        for server in self.sockets:
            threading.Thread(target=self._listen, args=(server,), daemon=True).start()

    def _listen(self, server):
        while True:
            try:
                if server.type == socket.SOCK_DGRAM:
                    self.calls.append(server.recvfrom(1000))
                else:
                    self.calls.append(server.accept())
            except OSError:  # closed
                return

    def close(self):
        for server in self.sockets:
            server.close()


def digests(folder):
    """What stands in a folder: contents of files, targets of links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path] = os.readlink(path)
        elif path.is_file():
            found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def processes():
    """The command lines of all processes by id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[path.parent.name] = (
                path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.fixture(scope="module")
def run(project, release, tmp_path_factory):
    """All submissions graded in one run; rows by student, and the world before and after."""
    folder, output = tmp_path_factory.mktemp("handed_in"), tmp_path_factory.mktemp("grades")
    home = tmp_path_factory.mktemp("home")
    (home / "secret.json").write_text(HOME_CANARY)
    hand_in(folder, release, ALL)
    listener = Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in ("GRADER_TOKEN", "PGPASSWORD"):
            patch.setenv(name, ENVIRONMENT_CANARY)
        watched = [folder, project, home]
        before = [digests(each) for each in watched]
        running = set(processes())
        result = grade(project, NAME, folder, output, seed=5, workers=2)
        after = [digests(each) for each in watched]
    listener.close()
    return SimpleNamespace(
        rows={row.student: row for row in result.rows},
        result=result,
        output=output,
        calls=listener.calls,
        before=before,
        after=after,
        new_processes={k: v for k, v in processes().items() if k not in running},
    )


def autograded(run):
    """The autograded notebooks by student."""
    paths = (run.output / "course" / "autograded").glob(f"*/{NAME}/{NAME}.ipynb")
    return {path.parts[-3]: path for path in paths}


def pages(run):
    """The pages of feedback by student."""
    paths = (run.output / "course" / "feedback").glob(f"*/{NAME}/{NAME}.html")
    return {path.parts[-3]: path for path in paths}


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.id)
def test_a_submission_has_the_points_that_it_deserves(run, attack):
    row = run.rows[attack.id]
    if attack.refused:
        assert row.status == "not graded"
        assert re.search(attack.refused, row.message)
    assert attack.least <= (row.total or 0) <= attack.most
    assert row.max in (0, FULL)  # 0 where it was not graded


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_victim_keeps_its_points(run, victim):
    row = run.rows[victim]
    assert (row.total, row.max) == (FULL, FULL)
    assert row.points == assignment.POINTS


def test_the_run_ends_with_a_row_for_each(run):
    assert set(run.rows) == {attack.id for attack in ALL} | set(VICTIMS)
    assert run.result.ignored == []
    assert all(row.message.replace("\n", " ").isprintable() for row in run.rows.values())


def test_honest_work_is_graded_among_hostile_as_alone(run, project, release, tmp_path):
    folder = tmp_path / "handed_in"
    hand_in(folder, release, HONEST)
    alone = grade(project, NAME, folder, tmp_path / "grades", seed=5, workers=2)
    assert len(alone.rows) == len(HONEST) + len(VICTIMS)
    for row in alone.rows:
        among = run.rows[row.student]
        assert (among.points, among.status) == (row.points, row.status)


@pytest.mark.parametrize("secret", SECRETS)
def test_no_output_holds_a_secret(run, secret):
    notebooks = autograded(run)
    assert len(notebooks) > len(ALL) / 2
    for student, path in notebooks.items():
        cells = nbformat.read(path, as_version=4).cells
        outputs = json.dumps([cell.get("outputs", []) for cell in cells])
        assert secret not in outputs, student


@pytest.mark.parametrize("secret", SECRETS)
def test_no_page_of_feedback_and_no_table_holds_a_secret(run, secret):
    assert len(pages(run)) > len(ALL) / 2
    for student, path in pages(run).items():
        own_source = secret == LEFT_OVER and student.startswith("leave_behind")
        if not own_source and not (secret == VICTIM_CANARY and student in VICTIMS):
            assert secret not in path.read_text(), student
    assert secret not in (run.output / "grades.csv").read_text()


def test_nobody_was_called(run):
    assert run.calls == []


def test_no_process_is_left(run):
    marks = ("sleep 47", "sleep(47)")  # as in the attacks, and nowhere else
    left = {k: v for k, v in run.new_processes.items() if any(mark in v for mark in marks)}
    assert left == {}


def test_submissions_source_and_home_are_as_they_were(run):
    for before, after in zip(run.before, run.after, strict=True):
        assert {path: after.get(path) for path in before} == before
    home = run.after[2]
    assert not any("poison" in path.name or path.parent.name == "startup" for path in home)


def test_nothing_is_left_in_shared_folders(run):
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        assert list(Path(folder).glob("*poison*")) == []


def test_nobody_has_extra_credit_and_the_tests_have_their_points(run):
    with Gradebook(f"sqlite:///{run.output}/course/gradebook.db") as gradebook:
        assert gradebook.find_assignment(NAME).max_score == FULL
        for submission in gradebook.assignment_submissions(NAME):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            assert not any(grade.extra_credit or grade.manual_score for grade in grades)
            assert {g.cell.name: g.max_score for g in grades} == {
                f"test-{name}": points for name, points in assignment.POINTS.items()
            }


def test_no_file_of_the_result_is_huge(run):
    for path in run.output.rglob("*"):
        if path.is_file() and path.suffix != ".db":
            assert path.stat().st_size < 10_000_000, path


class Page(HTMLParser):
    """Collects what a browser would run, load or leave for."""

    FORBIDDEN = frozenset({"script", "iframe", "object", "embed", "base", "form", "link"})
    LOADING = frozenset({"src", "srcset", "data", "action", "formaction", "background", "poster"})

    def __init__(self, text):
        super().__init__()
        self.found, self.in_style = [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.in_style = tag == "style"
        if tag in self.FORBIDDEN:
            self.found.append(f"<{tag}>")
        for name, value in attributes:
            value = re.sub(r"[\s\x00-\x1f]", "", value or "").lower()
            loads = name in self.LOADING or (name.endswith("href") and tag != "a")
            if (
                name.startswith("on")
                or "javascript:" in value
                or (loads and not value.startswith(("data:image/", "#")))
                or (name == "style" and ("url(" in value or "position:fixed" in value))
                or (name == "http-equiv" and value == "refresh")
            ):
                self.found.append(f"<{tag} {name}={value[:80]}>")

    def handle_endtag(self, tag):
        self.in_style = False

    def handle_data(self, data):
        if self.in_style and (inject.ELSEWHERE in data or "@import" in data):
            self.found.append(data[:200])


def test_the_check_of_pages_finds_what_it_should():
    harmless = [text for text in inject.MARKUP if not Page(text).found]
    assert [text[:11] for text in harmless] == ["![picture](", "$$\\input{/e", "{{ 7 * 7 }}"]


def test_pages_of_feedback_run_nothing_and_load_nothing(run):
    for student, path in pages(run).items():
        assert Page(path.read_text()).found == [], student
