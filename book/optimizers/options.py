"""What an optimizer's numbers may be: the same rules for NumPy and PyTorch."""

SHARES = ("betas", "alpha")  # how much of an average is kept: from 0 up to, but not, 1


def check_options(**options):
    """ValueError, naming the first option that is out of range and the range."""
    for name, value in options.items():
        values = value if isinstance(value, tuple | list) else (value,)
        if name == "betas" and len(values) != 2:
            raise ValueError(f"betas: expected two numbers, got {len(values)}")
        for number in values:
            if name in SHARES and not 0 <= number < 1:
                raise ValueError(f"{name}: expected at least 0 and less than 1, got {number}")
            if not number >= 0:
                raise ValueError(f"{name}: expected a number of at least 0, got {number}")


def check_nesterov(momentum, dampening, nesterov):
    """ValueError unless there is something to look ahead with."""
    if nesterov and (momentum <= 0 or dampening != 0):
        raise ValueError(
            "nesterov: expected a momentum above 0 and a dampening of 0, "
            f"got {momentum} and {dampening}"
        )


def check_step(step):
    """ValueError unless it is the number of a step: the first is 1."""
    if isinstance(step, bool) or not isinstance(step, int) or step < 1:
        raise ValueError(f"step: expected a whole number of at least 1, got {step!r}")


def split(tensors, kinds):
    """The tensors as one list for each of the kinds; ValueError unless they divide and fit.

    kinds : the names of what is given, in order; all of the first kind, then all of the second, …
    """
    count, rest = divmod(len(tensors), len(kinds))
    if rest or not count:
        raise ValueError(f"expected {', '.join(kinds)}, as many of each, got {len(tensors)} arrays")
    lists = [list(tensors[k * count : (k + 1) * count]) for k in range(len(kinds))]
    for kind, found in zip(kinds, lists, strict=True):
        for array, param in zip(found, lists[0], strict=True):
            if array.shape != param.shape:
                raise ValueError(
                    f"{kind}: expected the parameter's shape {tuple(param.shape)}, "
                    f"got {tuple(array.shape)}"
                )
    return lists
