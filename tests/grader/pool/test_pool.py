"""Many submissions at once: each as if alone, whatever happens to the processes of another."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from autograder import host, sandbox
from autograder.pool import Pool, warmed
from tests.grader.pool.notebooks import answer, checked, given, job, printed
from tests.grader.pool.processes import (
    alive,
    children,
    descendants,
    descriptors,
    private_memory,
    until,
)

LAYER = sandbox.choose(unsafe=True)
PASSING = answer("def f(x):\n    return 2 * x"), checked("assert f(3) == 6")
ENDLESS = (
    answer("import time\nprint('begun')\nwhile True: time.sleep(0.01)"),
    checked("assert True"),
)


@pytest.fixture(scope="class")
def shared_pool():
    """A pool for the tests of a class, which leave its processes alone."""
    with Pool(2, layer=LAYER) as running:
        yield running


def run_one(running, *cells, **options):
    (result,) = running.run([job(*cells, **options)])
    return result


def roots():
    """The pids of the zygotes that fork zygotes."""
    names = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in children(os.getpid())}
    return [pid for pid, line in names.items() if "autograder.warm" in line]


def zygotes():
    """The pids of the zygotes that fork students and proctors, in this order."""
    names = {pid: _name(pid) for root in roots() for pid in children(root)}
    ours = [pid for pid, name in names.items() if name in {"student", "proctor"}]
    return sorted(ours, key=names.get, reverse=True)


def _name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:  # it has just ended
        return ""


def when(condition, action):
    """A thread that waits for a condition, then acts."""
    thread = threading.Thread(target=lambda: action(until(condition)))
    thread.start()
    return thread


class TestResults:
    def test_a_right_answer_passes_and_a_wrong_one_fails(self, shared_pool):
        right = run_one(shared_pool, *PASSING)
        wrong = run_one(shared_pool, answer("def f(x): return 0"), PASSING[1])
        assert right.verdicts["cell1"].passed
        assert not wrong.verdicts["cell1"].passed
        assert wrong.verdicts["cell1"].error == "AssertionError"
        assert right.problem == wrong.problem == ""

    def test_each_of_many_gets_its_own_result(self, shared_pool):
        jobs = [job(answer(f"x = {n}\nprint(x)"), student=str(n)) for n in range(20)]
        printouts = {r.student: printed(r, 0) for r in shared_pool.run(jobs)}
        assert printouts == {str(n): f"{n}\n" for n in range(20)}

    def test_names_of_one_are_not_there_for_the_next(self, shared_pool):
        leave = job(answer("import builtins, numpy\nbuiltins.leak = numpy.leak = 1"))
        look = job(
            answer("import numpy\nprint(hasattr(numpy, 'leak'), 'leak' in dir(__builtins__))")
        )
        (_,), (result,) = shared_pool.run([leave]), shared_pool.run([look])
        assert printed(result, 0) == "False False\n"

    def test_jobs_are_read_as_there_is_room(self, shared_pool):
        taken = []

        def jobs():
            for number in range(12):
                taken.append(number)
                yield job(answer("pass"), student=str(number))

        results = shared_pool.run(jobs())
        next(results)
        assert len(taken) <= 5  # twice two in flight, and the one after that which is done
        assert len(list(results)) == 11

    def test_times_and_memory_are_told(self, shared_pool):
        result = run_one(shared_pool, answer("import time\ntime.sleep(0.3)"))
        assert 0.3 <= result.seconds < 0.6
        assert 0 < result.overhead < 1
        assert 20e6 < result.peak_memory < 1e9

    def test_the_instructors_files_lie_beside_both(self, shared_pool):
        read = "print(open('data/a.txt').read(), sorted(__import__('os').listdir('data')))"
        result = run_one(
            shared_pool,
            answer(read),
            checked("assert open('data/a.txt').read() == 'hello'"),
            files={"data/a.txt": b"hello"},
        )
        assert printed(result, 0) == "hello ['a.txt']\n"
        assert result.verdicts["cell1"].passed


class TestSurroundings:
    def test_random_numbers_come_from_the_seed(self, shared_pool):
        draw = answer("import random, numpy as np\nprint(random.random(), np.random.rand())")
        seen = {
            seed: {printed(run_one(shared_pool, draw, seed=seed), 0) for _ in range(2)}
            for seed in (1, 2)
        }
        assert len(seen[1]) == len(seen[2]) == 1
        assert seen[1] != seen[2]

    def test_torch_is_absent_for_numpy_tasks(self, shared_pool):
        look = answer(
            "import os, sys, numpy\n"
            "folder = os.path.dirname(os.path.dirname(numpy.__file__))\n"
            "readable = os.access(f'{folder}/torch/__init__.py', os.R_OK)\n"
            "print('torch' in sys.modules, readable)\n"
            "import torch"
        )
        result = run_one(shared_pool, look)
        assert printed(result, 0) == f"False {LAYER == 'none'}\n"
        assert result.outputs["cell0"][-1]["ename"] == "ModuleNotFoundError"

    def test_torch_tasks_have_it_warm_with_its_own_random_state(self, shared_pool):
        draw = answer(
            "import sys\nprint('torch._dynamo' in sys.modules)\n"
            "import torch\nprint(torch.get_num_threads(), torch.rand(1).item())"
        )
        first, second = (
            printed(run_one(shared_pool, draw, flavour="torch", seed=seed), 0) for seed in (1, 2)
        )
        assert first.startswith("True\n1 0.")
        assert first != second

    def test_no_environment_variable_and_no_folder_of_the_host_is_there(
        self, monkeypatch, shared_pool
    ):
        monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
        project = str(Path(__file__).resolve().parents[3])
        look = answer("import os, sys\nprint(dict(os.environ), sys.path)")
        solutions = answer(f"import os\nprint(os.access({project!r} + '/solutions', os.R_OK))")
        result = run_one(shared_pool, look, solutions)
        assert "SECRET" not in printed(result, 0)
        assert f"'{project}'" not in printed(result, 0)
        assert printed(result, 1) == f"{LAYER == 'none'}\n"

    def test_one_thread_runs(self, shared_pool):
        look = answer("import os\nprint(len(os.listdir('/proc/self/task')))")
        assert printed(run_one(shared_pool, look), 0) == "1\n"

    def test_imports_are_those_of_the_assignment_and_of_given_cells(self, shared_pool):
        result = run_one(
            shared_pool,
            given("import json"),
            answer("import json, numpy"),
            answer("import socket"),
            imports=["numpy"],
        )
        assert result.outputs["cell1"] == []
        assert "does not allow to import `socket`" in result.outputs["cell2"][-1]["evalue"]


class TestTrouble:
    def test_a_crash_costs_its_own_cell_only(self, shared_pool):
        crash = answer("import os\nos._exit(0)")
        good, _ = PASSING
        result = run_one(shared_pool, good, crash, PASSING[1])
        assert result.verdicts["cell2"].passed

    def test_the_clock_of_the_submission_ends_it_and_it_is_tried_again(self, shared_pool):
        start = time.monotonic()
        result = run_one(shared_pool, *PASSING, *ENDLESS, limits={"wall": 1})
        assert time.monotonic() - start < 2 * 6
        assert result.timed_out
        assert "It ran longer than 1 s and was stopped." in result.problem
        assert "It was run a second time, alone." in result.problem

    def test_a_second_run_that_is_in_time_counts(self, shared_pool):
        # A cell that outlives its limit only where another one runs beside it.
        result = run_one(shared_pool, answer("import time\ntime.sleep(1.5)"), limits={"cell": 0.5})
        assert result.timed_out
        assert "alone" in result.problem

    def test_memory_is_limited(self, shared_pool):
        take = answer("import numpy as np\nx = [np.ones(2**24) for _ in range(16)]")  # 2 GiB
        result = run_one(shared_pool, take, PASSING[0], PASSING[1], limits={"memory": 2**29})
        assert result.peak_memory < 1.5 * 2**30
        assert result.verdicts["cell2"].passed

    def test_a_proctor_that_dies_is_told_and_the_next_submission_is_fine(self, shared_pool):
        result = run_one(shared_pool, checked("import os\nos._exit(3)"))
        assert "(exit 3)" in result.problem
        assert run_one(shared_pool, *PASSING).verdicts["cell1"].passed

    def test_one_bad_job_does_not_end_the_run(self, shared_pool):
        bad = job(*ENDLESS, student="bad", limits={"wall": 0.5})
        good = [job(*PASSING, student=str(n)) for n in range(4)]
        results = {r.student: r for r in shared_pool.run([bad, *good])}
        assert all(results[str(n)].verdicts["cell1"].passed for n in range(4))
        assert results["bad"].timed_out


class TestKilled:
    @pytest.mark.parametrize("which", ["root", "student", "proctor"])
    def test_a_zygote_that_is_killed_is_replaced_and_the_job_is_run_again(self, which):
        slow = answer("import time\ntime.sleep(0.5)\nprint('done')")
        with Pool(1, layer=LAYER) as running:
            run_one(running, *PASSING)
            student, proctor = zygotes()
            before = {"root": roots()[0], "student": student, "proctor": proctor}
            busy = when(
                lambda: children(student) and children(proctor),
                lambda _: os.kill(before[which], signal.SIGKILL),
            )
            result = run_one(running, slow, *PASSING)
            busy.join()
            assert printed(result, 0) == "done\n"
            assert result.verdicts["cell2"].passed
            assert result.problem == ""
            assert before[which] not in (*roots(), *zygotes())

    def test_a_student_process_that_is_killed_from_outside_is_run_again_alone(self):
        slow = answer("import time\ntime.sleep(0.5)\nprint('done')")
        with Pool(1, layer=LAYER) as running:
            run_one(running, *PASSING)
            students, _ = zygotes()
            busy = when(
                lambda: descendants(students),
                lambda found: os.kill(found[-1], signal.SIGKILL),
            )
            result = run_one(running, slow)
            busy.join()
        assert printed(result, 0) == "done\n"
        assert result.problem.startswith("One of its processes was killed from outside.")
        assert result.problem.endswith("It was run a second time, alone.")

    def test_a_zygote_killed_again_and_again_ends_in_a_problem(self, monkeypatch):
        monkeypatch.setattr(host, "_TRIES", 2)
        stop = threading.Event()

        def kill_all():
            while not stop.is_set():
                for pid in zygotes():
                    if children(pid):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)

        with Pool(1, layer=LAYER) as running:
            killer = threading.Thread(target=kill_all)
            killer.start()
            result = run_one(running, *ENDLESS)
            stop.set()
            killer.join()
            assert "killed 2 times" in result.problem
            assert run_one(running, *PASSING).verdicts["cell1"].passed


class TestNothingIsLeft:
    @pytest.fixture(autouse=True)
    def nothing_new(self, monkeypatch, tmp_path):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        processes, open_before = descendants(os.getpid()), descriptors()
        yield
        assert descendants(os.getpid()) == processes
        assert descriptors() <= open_before  # another test's may be closed late
        assert [
            t.name for t in threading.enumerate() if t.name.startswith(("slot", "zygote"))
        ] == []
        assert list(tmp_path.iterdir()) == []

    def test_after_a_run(self):
        with Pool(2, layer=LAYER) as running:
            assert len(list(running.run(job(*PASSING) for _ in range(4)))) == 4

    def test_after_warming_for_nothing(self):
        with warmed("numpy"):
            assert len(roots()) == 1

    def test_after_warming_for_a_run_that_uses_what_was_warmed(self):
        with warmed("numpy"), Pool(1, layer=LAYER) as running:
            before = roots()
            assert run_one(running, *PASSING).verdicts["cell1"].passed
            assert roots() == before

    def test_after_a_pool_without_jobs(self):
        with Pool(layer=LAYER):
            pass

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    def test_after_an_error_between_results(self, error):
        with pytest.raises(error), Pool(2, layer=LAYER) as running:
            for _ in running.run([job(*PASSING), job(*ENDLESS), job(*ENDLESS), job(*ENDLESS)]):
                raise error

    def test_after_ctrl_c_while_it_waits(self, request):
        # A shell starts what runs in the background with the signal ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
        with pytest.raises(KeyboardInterrupt), Pool(1, layer=LAYER) as running:
            ready = lambda: [pid for pid in zygotes() if children(pid)]  # noqa: E731
            ctrl_c = when(ready, lambda _: os.kill(os.getpid(), signal.SIGINT))
            list(running.run([job(*ENDLESS), job(*ENDLESS)]))
        ctrl_c.join()

    def test_after_an_error_of_the_jobs(self):
        def jobs():
            yield job(*PASSING)
            raise OSError("cannot read")

        with pytest.raises(OSError, match="cannot read"), Pool(2, layer=LAYER) as running:
            list(running.run(jobs()))

    def test_nothing_grows_with_the_number_of_jobs(self):
        def some(number):
            return (job(answer("x = 1"), files={"data": bytes(100_000)}) for _ in range(number))

        with Pool(2, layer=LAYER) as running:
            assert len(list(running.run(some(20)))) == 20
            watched = [os.getpid(), *zygotes()]
            before = descriptors(), [private_memory(pid) for pid in watched]
            assert len(list(running.run(some(200)))) == 200
            assert descriptors() == before[0]
            grown = [private_memory(p) - b for p, b in zip(watched, before[1], strict=True)]
            assert max(grown) < 200 * 30_000  # less than a third of what a job holds
            assert all(len(os.listdir(f"/proc/{pid}/fd")) < 12 for pid in zygotes())


def test_kill_9_of_the_supervisor_ends_all_its_processes(tmp_path):
    script = (
        "from tests.grader.pool import test_pool as t\n"
        "with t.Pool(1, layer=t.LAYER) as running:\n"
        "    list(running.run([t.job(*t.ENDLESS)]))\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as supervisor:
        try:
            until(lambda: len(descendants(supervisor.pid)) >= 5)  # three zygotes, two children
            below = descendants(supervisor.pid)
        finally:
            supervisor.kill()
    until(lambda: not any(map(alive, below)))


def test_an_assignment_whose_files_do_not_fit_ends_the_run_with_the_reason():
    big = job(*PASSING, files={"data": bytes(2 << 20)}, limits={"files": 1 << 20})
    with (
        pytest.raises(RuntimeError, match="the sandbox cannot be set up"),
        Pool(1, layer=LAYER) as p,
    ):
        list(p.run([big]))


def test_what_a_killed_run_has_left_is_removed_by_the_next(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f"{host._FOLDER}abc"
    (left / "inner").mkdir(parents=True)
    with Pool(1, layer=LAYER) as running:
        run_one(running, *PASSING)
        assert not left.exists()


def test_a_zygote_that_cannot_start_ends_the_run_with_the_reason():
    with pytest.raises(RuntimeError, match="cannot start"), Pool(1, layer="no such layer") as p:
        list(p.run([job(*PASSING)]))
