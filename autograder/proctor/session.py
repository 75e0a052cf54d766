"""A conversation with one student process: requests out, data and stand-ins back.

Nothing that comes back is believed to be more than data. A session that broke (time-out, dead
process, malformed reply) stays broken: each further request raises the same again, so a test that
swallowed it does not pass.
"""

import builtins
import math
import sys
import time
import warnings
import weakref

import numpy as np

from autograder.proctor import claims
from autograder.proctor.claims import exactly
from autograder.proctor.holdings import Holdings
from autograder.proctor.reading import Reader
from autograder.proctor.standins import Class, link_of
from autograder.wire import CannotCross, Channel, ProtocolError

COULD_CROSS = (
    "What can cross between a test and student code: numbers, text, None, lists, tuples, dicts, "
    "sets, NumPy arrays, dense tensors, functions, modules of torch.nn"
)
NOTHING = object()  # the result of a call that did not return

_EXTRA = 5.0  # seconds beyond a cell's own limit before its process is given up


class Session:
    """One student process, as its proctor sees it.

    socket : connected to the process. limits : its `call`, `cell` and `output` count here.
    dead : what broke the session, or None. refused : the last CannotCross, or None.
    deadline : of the test cell that runs, in seconds of time.monotonic.
    last_call : (name, args, kwargs, result), for messages.
    seconds : the time in which the other side had the word.
    seeds : those that the test set and the student process does not know yet.
    """

    def __init__(self, socket, limits, rules):
        self.rules, self.holdings = rules, Holdings(rules.trusted)
        self.dead = self.refused = self.last_call = None
        self.deadline, self.seconds, self.seeds = math.inf, 0.0, {}
        self._channel, self._limits = Channel(socket), limits
        self._depth = 0  # requests within callbacks within requests
        self._settings = {}

    def run(self, source, name):
        """Run a cell there. Returns what the student process says: outputs, ok, seconds."""
        limit = self._limits.cell
        self._channel.deadline = time.monotonic() + limit + _EXTRA
        cell = {"source": source, "name": name, "timeout": limit}
        reply, _ = self._converse({"do": "run", "cell": cell}, [])
        return reply

    def name(self, name):
        """What a name is bound to there. Raises: NameError, CannotCross."""
        return self.request("name", name, what=f"`{name}`")

    def call(self, function, args, kwargs):
        """Call a student's function, class or module."""
        name = link_of(function).name
        self.last_call = name, args, kwargs, NOTHING
        makes = isinstance(function, Class)  # an object, which may keep what it is given
        what = f"The result of {name}"
        value = self.request("call", function, args, kwargs, what=what, share=makes)
        self.last_call = name, args, kwargs, value
        return value

    def request(self, do, *values, what=None, share=False):
        """Ask for one operation; what student code raises there is raised here.

        what : the value that comes back, in words.
        share : whether arrays and tensors among the values stay linked to their copies there, for
            as long as the result lives: an optimizer's parameters.
        """
        if self.dead is not None:
            raise self.dead
        message, encoder, arguments = self._message(do, values, share)
        if self._depth == 0:
            self._channel.deadline = min(time.monotonic() + self._limits.call, self.deadline)
        try:
            reply, buffers = self._converse(message, encoder.buffers)
            answer = self._understand(do, reply, Reader(self, buffers, arguments))
        except CannotCross as refused:
            own = ", ".join(sorted(self.rules.classes))
            could = f"{COULD_CROSS}, and objects of {own}" if own else COULD_CROSS
            self.refused = CannotCross(f"{what or f'The result of {do}'} is {refused}. {could}.")
            raise self.refused from None
        except BaseException as error:
            self.dead = self.dead or error
            raise
        finally:
            if self._depth == 0:
                self.holdings.callbacks.clear()
        return self._deliver(answer, [number for _, number in message["share"]])

    def broken(self, reason):
        """The session is over; gives the error to raise."""
        self.dead = self.dead or ProtocolError(reason)
        return self.dead

    def close(self):
        self._channel.close()

    def _message(self, do, values, share):
        """A request, its encoder, and the mutable objects among its values."""
        holdings, encoder = self.holdings, self.holdings.encoder()
        try:
            message = {
                "do": do,
                "released": holdings.take_released(),  # before the rest: what it names must live
                "modules": holdings.changed_modules(encoder),
                "shared": holdings.changed_shared(encoder),
            }
            first = len(encoder.objects)
            message["values"] = encoder.encode(values)
        except CannotCross as refused:
            raise CannotCross(f"The test passes {refused}. {COULD_CROSS}.") from None
        arguments = encoder.objects[first:]
        message["share"] = holdings.share(arguments) if share else []
        message["settings"] = encoder.encode(self._changed_settings())
        return message, encoder, arguments

    def _changed_settings(self):
        """NumPy's and torch's switches, and seeds, where they are not as told last."""
        now = {"errors": np.geterr()}
        if torch := sys.modules.get("torch"):
            dtype = str(torch.get_default_dtype()).removeprefix("torch.")
            now |= {"grad": torch.is_grad_enabled(), "dtype": dtype}
        changed = {key: value for key, value in now.items() if self._settings.get(key) != value}
        self._settings = now
        if self.seeds:
            changed["seeds"], self.seeds = self.seeds, {}
        return changed

    def _converse(self, message, buffers):
        """Send a request and wait for its reply, serving callbacks meanwhile."""
        if self.dead is not None:
            raise self.dead
        self._depth += 1
        trusted = 0.0
        start = time.monotonic()
        try:
            self._channel.send(message, buffers)
            while True:
                reply, buffers = self._channel.receive()
                if "callback" not in exactly(dict, reply):
                    return reply, buffers
                began = time.monotonic()
                self._call_back(reply, buffers)
                self._channel.deadline += time.monotonic() - began
                trusted += time.monotonic() - began
        except CannotCross:  # nothing was sent
            raise
        except BaseException as error:
            self.dead = self.dead or error
            raise
        finally:
            self._depth -= 1
            self.seconds += time.monotonic() - start - trusted

    def _call_back(self, message, buffers):
        """Call a function of the test's for the student's code, and send what came of it."""
        callbacks = self.holdings.callbacks
        function = callbacks[claims.index(message["callback"], callbacks)]
        values = Reader(self, buffers).decode(message.get("values"))
        if len(exactly(tuple, values)) != 2:
            raise ProtocolError("a call is malformed")
        args, kwargs = exactly(tuple, values[0]), exactly(dict, values[1])
        try:
            encoder = self.holdings.encoder()
            reply = {"value": encoder.encode(function(*args, **kwargs))}
            self._channel.send(reply, encoder.buffers)
        except StopIteration:
            self._channel.send({"ended": True})
        except (Exception, CannotCross) as error:
            if self.dead is not None:
                raise self.dead from None
            self._channel.send({"raised": [self.holdings.callback(error), *_told(error)]})

    def _understand(self, do, reply, reader):
        """What a reply says; in-place changes are written back. Raises: CannotCross."""
        try:
            answer = _Answer(claims.warnings(reply.get("warnings", [])))
            printed = claims.text(reply.get("printed", ""))
            sys.stdout.write(printed[: self._limits.output])
            if "refused" in reply:
                raise CannotCross(claims.text(reply["refused"]))
            reader.write_back(reply["changed"])
            reader.load_shared(reply["shared"])
            reader.load_modules(reply["modules"])
            if "error" in reply:
                answer.error = reader.error(reply["error"], of_iterator=do == "__next__")
                return answer
            answer.value = reader.decode(reply["value"])
            if reader.computed and reply["graph"] is not None:
                reader.link_gradients(reply["graph"])
            return answer
        except ProtocolError as error:
            raise self.broken(str(error)) from None
        except Exception as error:
            raise self.broken(f"a reply is malformed: {type(error).__name__}") from None

    def _deliver(self, answer, shared):
        """Warn, raise or return as the answer says. `shared` are handles given with the request."""
        for category, text in answer.warnings:
            warnings.warn(text, category, stacklevel=5)
        if answer.error is not None or link_of(answer.value) is None:
            self.holdings.stop_sharing(shared)
        elif shared:
            weakref.finalize(answer.value, self.holdings.stop_sharing, shared)
        if answer.error is not None:
            raise answer.error
        return answer.value


class _Answer:
    """What a reply says: warnings as (category, text), and a value or an error."""

    def __init__(self, warnings):
        self.warnings, self.value, self.error = warnings, None, None


def _told(error):
    """What student code may know of an error in a function of the test: its type and text."""
    name = type(error).__name__
    if isinstance(error, AssertionError) or not isinstance(error, Exception):
        return "RuntimeError", "a function of the test failed"
    known = isinstance(getattr(builtins, name, None), type)
    return (name if known else "RuntimeError"), str(error)
