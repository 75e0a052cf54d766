"""What the processes of one submission may use."""

import dataclasses
import math
import re
from dataclasses import dataclass

_UNITS = {"b": 1} | {
    letter + suffix: base**power
    for power, letter in enumerate("kmg", start=1)
    for suffix, base in (("", 1024), ("b", 1000), ("ib", 1024))
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_SIZES = ("memory", "files", "output")
_LEAST = {"memory": 64 << 20, "processes": 4, "files": 1 << 20, "output": 1 << 10, "open_files": 32}
_MOST = {"open_files": 4096, "processes": 4096}


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    cpu : CPU seconds of a student process.
    wall : seconds of the submission.
    cell : wall seconds of a cell or a test cell.
    call : wall seconds of one call into student code.
    memory : bytes, resident, of all its processes together.
    processes : processes and threads.
    files : bytes in its scratch folder, /tmp and /dev/shm together.
    output : bytes kept of what a cell prints and shows.
    open_files : file descriptors of a process.
    """

    cpu: float = 120
    wall: float = 300
    cell: float = 60
    call: float = 20
    memory: int = 2 << 30
    processes: int = 64
    files: int = 256 << 20
    output: int = 1 << 20
    open_files: int = 256

    @classmethod
    def from_dict(cls, data):
        """The limits in a dict of numbers, or texts such as "2 GB" and "512 MiB" for sizes.

        What is not there keeps its default. Raises: ValueError that names the entry.
        """
        if not isinstance(data, dict):
            raise ValueError(f"limits: expected a dict, got {data!r}")
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        if unknown := sorted(str(name) for name in data if name not in kinds):
            raise ValueError(f"{unknown[0]}: no such limit; expected one of {', '.join(kinds)}")
        read = {float: _seconds, int: _whole}
        return cls(**{name: read[kinds[name]](name, value) for name, value in data.items()})

    def to_dict(self):
        """The limits as a dict of numbers, which `from_dict` reads."""
        return dataclasses.asdict(self)


def _seconds(name, value):
    if not _is_number(value) or not 0 < value <= 1e6:
        raise ValueError(f"{name}: expected a positive number of seconds, got {value!r}")
    return value


def _whole(name, value):
    expected = "a number of bytes or a text such as '512 MB'" if name in _SIZES else "a number"
    number = value
    if name in _SIZES and isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        unit = _UNITS.get(match[2].lower()) if match else None
        number = round(float(match[1]) * unit) if unit else None
    if not _is_number(number) or number != int(number):
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    least, most = _LEAST[name], _MOST.get(name, 1 << 50)
    if not least <= number <= most:
        raise ValueError(f"{name}: expected {expected} from {least} to {most}, got {value!r}")
    return int(number)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
