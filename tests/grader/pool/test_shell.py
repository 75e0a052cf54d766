"""Cells mean what they mean in Jupyter, and what they print is kept in order, up to a limit."""

import base64

import nbformat
import pytest


def streams(run):
    return [(o["name"], o["text"]) for o in run.outputs if o["output_type"] == "stream"]


def printed(run, name="stdout"):
    return "".join(text for stream, text in streams(run) if stream == name)


def error(run):
    (found,) = [o for o in run.outputs if o["output_type"] == "error"]
    return found


def as_notebook(*runs):
    notebook = nbformat.v4.new_notebook()
    for run in runs:
        cell = nbformat.v4.new_code_cell("", outputs=[nbformat.from_dict(o) for o in run.outputs])
        notebook.cells.append(cell)
    return notebook


def test_names_of_one_cell_are_there_in_the_next(run_cells):
    _, second = run_cells("x = 20", "x + 1")
    assert second.outputs[0]["data"] == {"text/plain": "21"}
    assert second.ok


def test_outputs_are_what_nbformat_allows(run_cells):
    runs = run_cells("print('a')\n1", "1 / 0", "import matplotlib.pyplot as plt\nplt.plot([1, 2])")
    nbformat.validate(as_notebook(*runs))


def test_streams_keep_their_order(run_cell):
    run = run_cell(
        "import os, sys\n"
        "print('first')\n"
        "print('second', file=sys.stderr)\n"
        "os.system('echo third')\n"
        "print('fourth')"
    )
    assert streams(run) == [
        ("stdout", "first\n"),
        ("stderr", "second\n"),
        ("stdout", "third\nfourth\n"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "import os; os.write(1, b'found\\n'); None",
        "import ctypes; ctypes.CDLL(None).puts(b'found'); None",
        "import subprocess; subprocess.run(['echo', 'found']); None",
        "!echo found",
        "import sys; sys.stdout.buffer.write(b'found\\n'); None",
        "import sys; sys.__stdout__.write('found\\n'); sys.__stdout__.flush()",
        "%%bash\necho found",
    ],
)
def test_output_of_every_way_to_write_is_kept(run_cell, source):
    assert printed(run_cell(source)) == "found\n"


def test_a_forked_process_prints_into_the_cell(run_cell):
    run = run_cell("import os\nif os.fork() == 0:\n    print('child')\n    os._exit(0)\nos.wait();")
    assert printed(run) == "child\n"


def test_faulthandler_writes_into_the_cell(run_cell):
    run = run_cell("import faulthandler\nfaulthandler.dump_traceback()")
    assert "most recent call first" in printed(run, "stderr")


def test_a_figure_is_a_png(run_cell):
    run = run_cell("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('after')")
    figure, after = run.outputs
    assert base64.b64decode(figure["data"]["image/png"]).startswith(b"\x89PNG")
    assert after["text"] == "after\n"


def test_a_figure_is_shown_at_the_end_of_its_cell_without_a_call_of_show(run_cells):
    first, second = run_cells("import matplotlib.pyplot as plt\nplt.plot([1, 2]);", "1")
    assert ["image/png" in output["data"] for output in first.outputs] == [True]
    assert "image/png" not in second.outputs[0]["data"]


def test_a_display_is_updated_in_place(run_cell):
    run = run_cell(
        "handle = display('old', display_id=True)\nprint('between')\nhandle.update('new')"
    )
    assert run.outputs[0]["data"]["text/plain"] == "'new'"
    assert len(run.outputs) == 2


def test_clear_output_clears_at_once_or_before_the_next_output(run_cell):
    clear = "from IPython.display import clear_output\nprint('old')\nclear_output(wait={})\n"
    assert streams(run_cell(clear.format(False))) == []
    assert printed(run_cell(clear.format(True))) == "old\n"
    assert printed(run_cell(clear.format(True) + "print('new')")) == "new\n"


def test_rich_display_and_magics_work(run_cell):
    run = run_cell("%%time\nfrom IPython.display import HTML\nHTML('<b>x</b>')")
    assert "Wall time" in printed(run)
    assert run.outputs[-1]["data"]["text/html"] == "<b>x</b>"


def test_await_works_at_the_top_level(run_cell):
    run = run_cell("import asyncio\nawait asyncio.sleep(0)\nprint('done')")
    assert (run.ok, printed(run)) == (True, "done\n")


def test_an_error_tells_the_cell_and_the_line_in_plain_text(run_cell):
    run = run_cell("def f():\n    return 1 / 0\nf()")
    found = error(run)
    assert (found["ename"], found["evalue"]) == ("ZeroDivisionError", "division by zero")
    text = "\n".join(found["traceback"])
    assert "Cell cell0, line 2, in f()" in text
    assert "\x1b" not in text
    assert not run.ok


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.linalg.inv(np.zeros((2, 2)))",
        "import json\njson.loads('{')",
        "input()",
        "raise ExceptionGroup('several', [ValueError(1)])",
        "import numpy as np, warnings\nwarnings.warn('careful')\nnp.testing.assert_equal(1, 2)",
    ],
)
def test_no_path_of_the_grader_is_shown(run_cell, source):
    import sys
    from pathlib import Path

    run = run_cell(source)
    assert not run.ok
    for folder in (sys.prefix, str(Path(__file__).resolve().parents[3])):
        assert folder not in str(run.outputs)
    assert "student/shell.py" not in str(error(run))


def test_a_deep_recursion_is_told_briefly(run_cell):
    run = run_cell("def f(n):\n    return f(n + 1)\nf(0)")
    assert error(run)["ename"] == "RecursionError"
    assert len(error(run)["traceback"]) < 100


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("x = (", "SyntaxError"),
        ("%nothing_of_this_name", "UsageError"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E"),
        ("raise ValueError('x' * 10_000_000)", "ValueError"),
        ("class E(Exception):\n    def _render_traceback_(self): return [1]\nraise E", "E"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_every_kind_of_error_is_one_error_output_of_bounded_size(run_cell, source, name):
    run = run_cell(source)
    assert error(run)["ename"] == name
    assert len(str(run.outputs)) < 60_000
    assert not run.ok


@pytest.mark.parametrize("source", ["exit", "quit()", "import sys\nsys.exit(3)"])
def test_exit_ends_the_cell_only(run_cells, source):
    first, second = run_cells(source, "print('still here')")
    assert error(first)["ename"] == "SystemExit"
    assert streams(first) == []
    assert printed(second) == "still here\n"


def test_input_is_refused_with_a_reason(run_cell):
    found = error(run_cell("name = input('Your name: ')"))
    assert found["ename"] == "RuntimeError"
    assert "nobody to ask" in found["evalue"]


def test_a_cell_that_takes_too_long_is_stopped(run_cells):
    first, second = run_cells(
        "while True:\n    try:\n        pass\n    except Exception:\n        pass",
        "print('next')",
        timeout=0.2,
    )
    assert error(first)["ename"] == "TimedOut"
    assert 0.2 <= first.seconds < 2
    assert printed(second) == "next\n"


@pytest.mark.parametrize(
    "source",
    [
        "for i in range(50_000): print(i)",
        "print('x' * 10_000_000)",
        "import os\nfor _ in range(300): os.write(1, b'x' * 1000)",
        "import subprocess\nsubprocess.run('yes | head -c 300000', shell=True);",
        "from IPython.display import HTML\nfor _ in range(300): display(HTML('x' * 1000))",
        "import sys\nfor _ in range(300): print('x' * 1000, file=sys.stderr)",
    ],
)
def test_what_goes_beyond_the_limit_is_dropped_and_said(run_cell, source):
    run = run_cell(source, limit=100_000)
    assert run.outputs[-1]["text"] == "\n[only the first 100,000 bytes of output are kept]\n"
    assert 90_000 < len(str(run.outputs)) < 160_000
    assert run.ok


def test_an_error_is_kept_behind_too_much_output(run_cell):
    run = run_cell("print('x' * 200_000)\n1 / 0", limit=100_000)
    assert error(run)["ename"] == "ZeroDivisionError"


def test_a_progress_bar_of_many_updates_leaves_room_for_the_rest(run_cell):
    run = run_cell(
        "handle = display('x' * 1000, display_id=True)\n"
        "for _ in range(1000): handle.update('y' * 1000)\n"
        "print('done')",
        limit=100_000,
    )
    assert printed(run) == "done\n"


def test_a_background_thread_that_prints_for_ever_neither_blocks_nor_fills(run_cells):
    flood = (
        "import threading, time\n"
        "def flood():\n"
        "    while True: print('x' * 100)\n"
        "threading.Thread(target=flood, daemon=True).start()\n"
        "time.sleep(0.1)"
    )
    memory = "import resource; print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    first, *_, last = run_cells("x = 1", flood, *["sum(range(10_000))"] * 5, memory, limit=50_000)
    assert first.ok and last.ok
    assert len(str(last.outputs)) < 60_000


def test_a_subprocess_that_prints_for_ever_fills_nothing(run_cells):
    flood = "import subprocess\np = subprocess.Popen(['yes'])\nimport time; time.sleep(0.1)"
    _, last = run_cells(flood, "import os\np.kill(); os.fstat(1).st_size", limit=50_000)
    assert int(last.outputs[-1]["data"]["text/plain"]) <= 200_000


def test_an_import_that_is_not_allowed_says_what_is(run_cells):
    allowed = ["numpy", "matplotlib"]
    good, bad, late = run_cells(
        "import numpy.linalg\nfrom matplotlib import pyplot",
        "import json",
        "def f():\n    import json\nf()",
        allowed=allowed,
    )
    assert good.ok
    assert error(bad)["evalue"] == (
        "this assignment does not allow to import `json`. Allowed: numpy, matplotlib."
    )
    assert error(late)["ename"] == "ImportError"


def test_no_history_and_no_profile_folder(run_cell):
    told = run_cell(
        "shell = get_ipython()\n"
        "print(shell.profile_dir, shell.ipython_dir == '', shell.history_manager.enabled)",
    )
    assert printed(told) == "None True False\n"
