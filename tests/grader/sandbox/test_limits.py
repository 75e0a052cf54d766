"""What can be written as a limit, and that texts and numbers mean what they say."""

import pytest

from autograder.sandbox import Limits


def test_what_is_not_given_keeps_its_default():
    assert Limits.from_dict({}) == Limits()
    assert Limits.from_dict({"cpu": 5}) == Limits(cpu=5)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2 GB", 2 * 10**9),
        ("512 MB", 512 * 10**6),
        ("512MiB", 512 << 20),
        ("1.5 GiB", 3 << 29),
        ("1 gb", 10**9),
        ("100000 K", 102_400_000),
        ("70000000 B", 70_000_000),
        (1 << 30, 1 << 30),
        (1e9, 10**9),
    ],
)
def test_sizes_are_numbers_or_texts_with_a_unit(text, size):
    memory = Limits.from_dict({"memory": text}).memory
    assert memory == size
    assert isinstance(memory, int)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"memroy": 1}, "memroy: no such limit; expected one of cpu, wall, cell"),
        ({1: 1}, "1: no such limit"),
        ({"cpu": 0}, "cpu: expected a positive number of seconds, got 0"),
        ({"wall": -1}, "wall: expected a positive"),
        ({"cell": float("nan")}, "cell: expected a positive"),
        ({"call": float("inf")}, "call: expected a positive"),
        ({"cpu": "60"}, "cpu: expected a positive"),
        ({"cpu": True}, "cpu: expected a positive"),
        ({"cpu": None}, "cpu: expected a positive"),
        ({"memory": "much"}, "memory: expected a number of bytes or a text such as '512 MB'"),
        ({"memory": "5 parsecs"}, "memory: expected a number of bytes"),
        ({"memory": "1024"}, "memory: expected a number of bytes"),
        ({"memory": 5}, "memory: .* from 67108864 to"),
        ({"memory": 1e300}, "memory: .* from"),
        ({"memory": True}, "memory: expected"),
        ({"files": []}, "files: expected"),
        ({"processes": 2.5}, "processes: expected a number, got 2.5"),
        ({"processes": "many"}, "processes: expected a number, got 'many'"),
        ({"processes": 0}, "processes: .* from 4 to 4096"),
        ({"open_files": 10**9}, "open_files: .* to 4096"),
        ({"output": float("nan")}, "output: expected"),
        ([], "limits: expected a dict"),
        (None, "limits: expected a dict"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(data, message):
    with pytest.raises(ValueError, match=message):
        Limits.from_dict(data)


def test_a_dict_of_limits_reads_back_as_the_same():
    limits = Limits(cpu=1.5, memory=1 << 30, processes=8)
    assert Limits.from_dict(limits.to_dict()) == limits
    assert limits.to_dict()["memory"] == 1 << 30
