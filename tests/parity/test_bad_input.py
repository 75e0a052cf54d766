"""Bad input: the error that the docstrings promise, with a message that helps."""

import re

import pytest

from tests.parity.compare import FLOAT64, call, for_torch

pytestmark = pytest.mark.bad_input

# Ours and PyTorch's messages say "expected ..., got ..."; the other is NumPy's for a missing axis.
EXPLAINS = re.compile(
    r"expected.*\bgot\b|axis -?\d+ is out of bounds for array of dimension \d+", re.DOTALL
)


@pytest.mark.parametrize("side", ["reference", "pytorch"])
def test_bad_input_raises_the_documented_error(chapter, op, case, side):
    function = getattr(getattr(chapter, side), op.name)
    given = for_torch(case, FLOAT64) if side == "pytorch" else case
    with pytest.raises(case.raises) as caught:
        call(function, given)
    message = str(caught.value)
    assert EXPLAINS.search(message), f"does not say what was expected and what came: {message!r}"
    promised = function.__doc__.partition("Raises:")[2]
    assert case.raises.__name__ in promised, f"not in the docstring's Raises: {promised!r}"
