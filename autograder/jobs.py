"""What goes into the execution of a submission and what comes out, as data that travels as JSON."""

import base64
import dataclasses
import json
from dataclasses import dataclass, field

from autograder.sandbox import Limits

FLAVOURS = ("numpy", "torch")


@dataclass(frozen=True)
class Job:
    """One submission to run.

    student : the student's id, for messages; nothing is looked up by it.
    notebook : a sanitised notebook of nbformat 4 as a dict, hidden tests in place.
    files : the instructor's files beside the notebook, name -> bytes (assignment.json, data).
    limits : what the student's processes may use.
    seed : of all random states, the tests' and the student's.
    imports : the modules that a submission may import; None allows all.
    stubs : the names that the release's answer cells bind; None if unknown.
    classes : the classes that answer cells of the solution or instructor's cells define; None if
        unknown.
    flavour : "torch", or "numpy", where the student process has no torch.

    Raises: ValueError for an unknown flavour or a notebook without cells.
    """

    student: str
    notebook: dict
    files: dict[str, bytes] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    imports: list[str] | None = None
    stubs: frozenset[str] | None = None
    classes: frozenset[str] | None = None
    flavour: str = "torch"

    def __post_init__(self):
        if self.flavour not in FLAVOURS:
            raise ValueError(f"a job's flavour is one of {FLAVOURS}, not {self.flavour!r}")
        if not isinstance(self.notebook, dict) or "cells" not in self.notebook:
            raise ValueError(f"the notebook of {self.student!r} is no dict with cells")

    def to_json(self):
        """The job as one line of JSON text."""
        data = {name: getattr(self, name) for name in _names(Job)}
        data["files"] = {
            name: base64.b64encode(content).decode("ascii") for name, content in self.files.items()
        }
        data["limits"] = self.limits.to_dict()
        for name in ("stubs", "classes"):
            data[name] = None if data[name] is None else sorted(data[name])
        return json.dumps(data)

    @classmethod
    def from_json(cls, text):
        """The job that `to_json` wrote."""
        data = _checked(cls, json.loads(text))
        data["files"] = {name: base64.b64decode(text) for name, text in data["files"].items()}
        data["limits"] = Limits.from_dict(data["limits"])
        for name in ("stubs", "classes"):
            data[name] = None if data[name] is None else frozenset(data[name])
        return cls(**data)


@dataclass(frozen=True)
class Verdict:
    """What became of one test cell.

    passed : whether all of it ran without error.
    error : the type name of what it raised ("CheckFailed", "TimedOut", "NotRun", ...), or "".
    message : what the student may read about it.
    seconds : wall time of the cell.
    score : points where the test grants a part of them; None for all or nothing.
    """

    passed: bool
    error: str = ""
    message: str = ""
    seconds: float = 0.0
    score: float | None = None


@dataclass(frozen=True)
class Result:
    """What became of one submission.

    student : the id in the job.
    outputs : cell id -> list of nbformat outputs; those of test cells come from the proctor.
    verdicts : grade_id of a test cell -> Verdict.
    problem : one sentence on what kept the submission from running as it should, or "".
    timed_out : whether time ran out, for a cell, a call or the whole submission.
    seconds, overhead : wall time inside student code, and the rest of the submission's.
    peak_memory : the most resident bytes that a student process of it had.
    """

    student: str
    outputs: dict[str, list] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    problem: str = ""
    timed_out: bool = False
    seconds: float = 0.0
    overhead: float = 0.0
    peak_memory: int = 0

    def to_json(self):
        """The result as one line of JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text):
        """The result that `to_json` wrote."""
        data = _checked(cls, json.loads(text))
        data["verdicts"] = {name: Verdict(**each) for name, each in data["verdicts"].items()}
        return cls(**data)


def _names(cls):
    return [each.name for each in dataclasses.fields(cls)]


def _checked(cls, data):
    """`data`, if it is a dict with exactly the fields of `cls`; else ValueError."""
    if not isinstance(data, dict) or sorted(data) != sorted(_names(cls)):
        raise ValueError(f"this is no {cls.__name__}: its entries should be {_names(cls)}")
    return data
