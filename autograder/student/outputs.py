"""What the cells of a process print and show, in order, as nbformat outputs."""

import base64
import ctypes
import fcntl
import io
import os
import re
import sys
import sysconfig
from pathlib import Path

_STREAMS = ("stdout", "stderr")  # of descriptors 1 and 2
_LONGEST_MESSAGE, _LONGEST_TRACEBACK = 4_000, 20_000  # characters of an error
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_fflush = ctypes.CDLL(None).fflush


class Recorder:
    """The outputs since the last `take`, in the order in which they came.

    No lock: a thread of the student may print at any moment, also while another one forks. Each
    method works on a batch that it fetched once, so at worst a line goes lost.
    """

    def __init__(self, limit):
        self.limit = limit
        self._batch = _Batch()
        self._files = {}  # stream -> the memory file that its descriptor points to
        self._before = None  # what to give back on `close`
        os.register_at_fork(after_in_child=self._write_through)

    def open(self):
        self._batch = _Batch()
        self._files = {name: _capture_file(4 * self.limit) for name in _STREAMS}
        self._attached = False
        self._pass_through = False
        return list(self._files.values())

    def attach(self):
        """Point the streams and descriptors of this process here."""
        if not self._files:
            self.open()
        if not self._attached:
            self._attached = True
            sys.stdout.flush(), sys.stderr.flush()
            self._before = os.dup(1), os.dup(2), sys.stdout, sys.stderr
            for descriptor, (name, file) in enumerate(self._files.items(), start=1):
                os.dup2(file, descriptor)
                setattr(sys, name, _Stream(self, name, descriptor))

    def close(self):
        if self._before is not None:
            *saved, sys.stdout, sys.stderr = self._before
            for descriptor, file in enumerate(saved, start=1):
                os.dup2(file, descriptor)
                os.close(file)
        for file in self._files.values():
            os.close(file)
        self._files, self._before = {}, None

    def take(self):
        """The outputs so far, as nbformat dicts."""
        _fflush(None)
        self._drain()
        batch, self._batch = self._batch, _Batch()
        return batch.finish(self.limit)

    def write(self, stream, text):
        if self._pass_through:
            os.write(1 + _STREAMS.index(stream), text.encode("utf-8", "replace"))
            return
        self._drain()
        self._batch.print(stream, text, self.limit)

    def show(self, output, display_id=None):
        self._drain()
        self._batch.show(output, display_id, self.limit)

    def update(self, output, display_id):
        self._batch.update(output, display_id, self.limit)

    def clear(self, wait):
        self._drain()
        self._batch.clear(wait)

    def _drain(self):
        """Fetch what came in through the descriptors meanwhile."""
        for stream, file in self._files.items():
            if size := os.lseek(file, 0, os.SEEK_CUR):
                content = os.pread(file, min(size, self.limit + 1), 0)
                os.lseek(file, 0, os.SEEK_SET)
                self._batch.print(stream, content.decode("utf-8", "replace"), self.limit)

    def _write_through(self):
        """A process that student code forks has no other way to its parent's outputs."""
        self._pass_through = True


class _Batch:
    """Outputs with their sizes; beyond the limit they are counted and dropped."""

    def __init__(self):
        self.entries = []  # [output, bytes, display_id]; the text of a stream is a StringIO
        self.size = 0
        self.full = False
        self.clear_first = False

    def print(self, stream, text, limit):
        size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if (fitting := self._room(size, limit)) < size:
            text = text.encode("utf-8", "replace")[:fitting].decode("utf-8", "ignore")
        if not text:
            return
        entries = self.entries
        last = entries[-1] if entries else None
        if last is None or last[0].get("name") != stream:
            last = [{"output_type": "stream", "name": stream, "text": io.StringIO()}, 0, None]
            entries.append(last)
        last[0]["text"].write(text)
        last[1] += fitting

    def show(self, output, display_id, limit):
        size = _size(output)
        if output["output_type"] == "error" or self._room(size, limit) == size:
            self.entries.append([output, size, display_id])

    def update(self, output, display_id, limit):
        for entry in self.entries:
            if entry[2] == display_id:
                size = _size(output)
                if self._room(size - entry[1], limit) == size - entry[1]:
                    entry[0], entry[1] = {**entry[0], **output}, size

    def clear(self, wait):
        self.clear_first = wait
        if not wait:
            self.entries, self.size, self.full = [], 0, False

    def finish(self, limit):
        outputs = []
        for output, _, _ in self.entries:
            if output["output_type"] == "stream":
                text = output["text"].getvalue()
                output["text"] = _tidy(text) if output["name"] == "stderr" else text
            outputs.append(output)
        if self.full:
            note = f"\n[only the first {limit:,} bytes of output are kept]\n"
            outputs.append({"output_type": "stream", "name": "stdout", "text": note})
        return outputs

    def _room(self, size, limit):
        """How many of `size` bytes are still kept; they are counted."""
        if self.clear_first:
            self.clear(wait=False)
        fitting = min(size, limit - self.size)
        if fitting < size:
            self.full = True
            self.size = limit
            return max(fitting, 0)
        self.size += size
        return size


class _Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of the cells."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, recorder, name, descriptor):
        self.name = f"<{name}>"
        self._recorder, self._stream, self._descriptor = recorder, name, descriptor

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._recorder.write(self._stream, text)
        return len(text)

    @property
    def buffer(self):
        return _Bytes(self)

    def fileno(self):
        return self._descriptor

    def writable(self):
        return True

    def close(self):
        """Nothing: later cells print too."""


class _Bytes(io.RawIOBase):
    """What `sys.stdout.buffer` takes."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, data):
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def writable(self):
        return True


def _capture_file(size):
    """A file in memory of a fixed size: what writes on and on gets an error, and fills nothing."""
    file = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, size)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    return file


def error_output(kind, error, lines):
    """An nbformat error output; no colors, and no paths of this machine, in its traceback lines."""
    try:
        message = str(error)
    except BaseException:  # student code
        message = "(its message cannot be shown: __str__ fails)"
    message = _shorten(_tidy(message), _LONGEST_MESSAGE)
    text = _shorten(_tidy("\n".join(map(str, lines))), _LONGEST_TRACEBACK)
    shown = text.split("\n") if lines else [f"{kind.__name__}: {message}"]
    return {
        "output_type": "error",
        "ename": kind.__name__,
        "evalue": message,
        "traceback": shown,
    }


def _tidy(text):
    text = _COLOR.sub("", text)
    for folder in _folders():
        text = text.replace(f"{folder}/", "")
    return text


def _folders():
    """Where this Python and this package are, inner folders first."""
    paths = sysconfig.get_paths()
    project = str(Path(__file__).resolve().parents[2])
    found = {paths["purelib"], paths["platlib"], paths["stdlib"], project, sys.prefix}
    return sorted(found, key=len, reverse=True)


def _shorten(text, longest):
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def as_text(data):
    """A MIME bundle as JSON holds it: bytes in base64."""
    return {
        kind: base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for kind, value in data.items()
    }


def _size(output):
    values = [*output.get("data", {}).values(), *output.get("traceback", [])]
    return sum(len(value) if isinstance(value, str) else len(repr(value)) for value in values)
