"""Runs the cells of a notebook in this process, and keeps what they print and show.

Cells mean what they mean in Jupyter: magics, the value of the last line, rich display, figures as
PNG. What is written to descriptors 1 and 2, by C code or a subprocess, is kept too. Nothing here is
a defence: the code that runs can change all of it.
"""

import builtins
import getpass
import inspect
import os
import signal
import time
import warnings
from dataclasses import dataclass

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from autograder.student.outputs import Recorder, as_text, error_output

_MOST_FRAMES = 40  # of a traceback; the middle of a deeper one is left out


@dataclass(frozen=True)
class CellRun:
    """What became of a cell: nbformat outputs, whether no error ended it, and its wall time."""

    outputs: list[dict]
    ok: bool
    seconds: float


class TimedOut(BaseException):
    """A cell took too long; no `except Exception` of it catches this."""


class Shell:
    """An IPython shell whose output is kept, one a process.

    output_limit : bytes kept of what a cell prints and shows; the rest is dropped, with a note.
    """

    def __init__(self, output_limit):
        self._recorder = Recorder(output_limit)
        self._interactive = _make_interactive(self._recorder)
        self._allowed = None
        builtins.input = getpass.getpass = _refuse_input
        builtins.__import__ = self._guard(builtins.__import__)
        # What IPython says to someone at a terminal whose cell called sys.exit().
        warnings.filterwarnings("ignore", message="To exit: use")

    @property
    def namespace(self):
        """The globals of the cells."""
        return self._interactive.user_ns

    def open(self, output_limit):
        """Make this process's own capture files, with nothing in them; return their descriptors.

        To be called before what closes the other descriptors; else the first cell does it.
        """
        self._recorder.limit = output_limit
        return self._recorder.open()

    def close(self):
        """Give descriptors 1 and 2, sys.stdout and sys.stderr back, and forget all names."""
        self._recorder.close()
        self._interactive.reset(new_session=True)

    def restrict(self, modules):
        """Let import statements of the cells name only these modules and what is below them.

        A convenience: it explains early what is refused elsewhere anyhow. None allows all.
        """
        self._allowed = None if modules is None else tuple(modules)

    def run(self, source, name, timeout=None):
        """Run a cell. `name` stands in tracebacks; `timeout` is in seconds, None for no limit."""
        self._recorder.attach()
        self._interactive.compile.cell = name
        # A traceback asks inspect for the module of a cell, which else looks at every module.
        inspect.modulesbyfile[os.path.abspath(f"<{name}>")] = "__main__"
        start = time.perf_counter()
        alarm = _Alarm(timeout)
        try:
            with alarm:
                done = self._interactive.run_cell(source, store_history=True)
            error = done.error_before_exec or done.error_in_exec
        except BaseException as raised:  # an alarm or exit outside the cell's own lines
            error = raised
        seconds = time.perf_counter() - start
        outputs = self._recorder.take()
        if error is not None and not any(o["output_type"] == "error" for o in outputs):
            outputs.append(error_output(type(error), error, []))
        outputs = _with_one_error(outputs)
        return CellRun(outputs, error is None, seconds)

    def capture(self, function):
        """Call `function()`; return its value and the outputs. What it raises passes through."""
        self._recorder.attach()
        try:
            value = function()
        except BaseException:
            self._recorder.take()
            raise
        return value, self._recorder.take()

    def _guard(self, original):
        def guarded(name, globals=None, locals=None, fromlist=(), level=0):
            if globals is self.namespace and self._allowed is not None and level == 0:
                top = name.partition(".")[0]
                if top not in {module.partition(".")[0] for module in self._allowed}:
                    raise ImportError(
                        f"this assignment does not allow to import `{name}`. "
                        f"Allowed: {', '.join(self._allowed)}."
                    )
            return original(name, globals, locals, fromlist, level)

        return guarded


class _Alarm:
    """Raises TimedOut in the main thread after `seconds`, if the code lets it."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        if self.seconds is not None:
            self._before = signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_):
        if self.seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _ring(self, *_):
        raise TimedOut(f"this cell ran longer than {self.seconds:g} s")


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, *, transient=None, update=False, **_):
        recorder = self.shell.recorder
        output = {"data": as_text(data), "metadata": metadata or {}}
        display_id = (transient or {}).get("display_id")
        if update:
            recorder.update(output, display_id)
        else:
            recorder.show({"output_type": "display_data", **output}, display_id)

    def clear_output(self, wait=False):
        self.shell.recorder.clear(wait)


class _LastValue(DisplayHook):
    def write_output_prompt(self):
        """No prompt: the output has its number."""

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.recorder.show(
            {
                "output_type": "execute_result",
                "data": as_text(format_dict),
                "metadata": md_dict or {},
                "execution_count": self.shell.execution_count,
            }
        )

    def finish_displayhook(self):
        """Nothing to flush."""


class _Compiler(CachingCompiler):
    """Names code after its cell."""

    cell = "cell"

    def get_code_name(self, raw_code, transformed_code, number):
        return f"<{self.cell}>"

    def format_code_name(self, name):
        return ("Cell", name[1:-1]) if name in self._filename_map else None


class _Interactive(InteractiveShell):
    """IPython without a terminal, a history or a profile folder."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_LastValue)
    compiler_class = Type(_Compiler)
    recorder = None

    def init_ipython_dir(self, ipython_dir):
        self.ipython_dir = ""

    def init_profile_dir(self, profile_dir):
        self.profile_dir = None

    def init_virtualenv(self):
        """Nothing to look for."""

    def init_io(self):
        """The streams are the recorder's."""

    def enable_gui(self, gui=None):
        """There is no event loop to join."""

    def ask_exit(self):
        raise SystemExit

    def _get_exc_info(self, exc_tuple=None):
        kind, error, trace = super()._get_exc_info(exc_tuple)
        _shorten(trace)
        return kind, error, trace

    def showtraceback(self, *arguments, exception_only=False, **options):
        if exception_only:  # only of SystemExit
            note = "the cell ended itself; the cells below it run all the same"
            self.recorder.show(error_output(SystemExit, SystemExit(note), []))
        else:
            super().showtraceback(*arguments, **options)

    def _showtraceback(self, etype, evalue, stb):
        self.recorder.show(error_output(etype, evalue, stb))

    system = InteractiveShell.system_raw  # the other way needs a terminal


def _make_interactive(recorder):
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 100
    config.Completer.use_jedi = False
    _Interactive.clear_instance()
    interactive = _Interactive.instance(config=config)
    interactive.recorder = recorder
    interactive.display_formatter.active = True  # rich display, without a terminal
    interactive.enable_matplotlib("inline")
    return interactive


def _with_one_error(outputs):
    """Without further errors, such as that of a message that cannot be made."""
    errors = [output for output in outputs if output["output_type"] == "error"]
    return [o for o in outputs if o["output_type"] != "error" or o is errors[0]]


def _shorten(trace):
    """Leave out our own frames, and the middle of a recursion, which takes a second to format."""
    frames = []
    while trace is not None and trace.tb_frame.f_code.co_filename != __file__:
        frames.append(trace)
        trace = trace.tb_next
    if frames:
        frames[-1].tb_next = None
    if len(frames) > _MOST_FRAMES:
        frames[_MOST_FRAMES // 2].tb_next = frames[-_MOST_FRAMES // 2]


def _refuse_input(*_, **__):
    raise RuntimeError("input() has nobody to ask while a notebook is graded: write the value here")
