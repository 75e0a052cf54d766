"""Right work in odd forms: each of these keeps all its points."""

import nbformat

from tests.grader.attacks.assignment import REFERENCE
from tests.grader.attacks.kinds import Attack

SOFTMAX, MSE_GRAD, TRAIN_MLP = REFERENCE.values()


def _body(source, first):
    """A reference with lines before the body."""
    head, doc, *body = source.split("\n")
    return "\n".join([head, doc, *(f"    {line}" for line in first.split("\n")), *body])


LOUD = _body(
    SOFTMAX,
    """\
import sys, warnings, logging
print("shape", x.shape)
print("careful", file=sys.stderr)
warnings.warn("this is slow")
logging.warning("very slow")
np.log(np.zeros(1))""",
)

PROGRESS = _body(
    MSE_GRAD,
    """\
import sys
for step in range(50):
    sys.stderr.write(f"\\r{2 * step}%|{'█' * (step // 5):10}| {step}/50")
    sys.stderr.flush()""",
)

PLOTS = """\
import matplotlib.pyplot as plt
%matplotlib inline
plt.plot(np.linspace(0, 1)); plt.title("before"); plt.show()
""" + _body(SOFTMAX, "plt.imshow(x); plt.show()")

RENAMED = """\
def softmax(values):
    shifted_to_zero = values - values.max(axis=1, keepdims=True)
    größe = np.exp(shifted_to_zero)
    return größe / größe.sum(axis=1, keepdims=True)"""

BY_ROWS = """\
import math
def _one_row(row):
    top = max(row)
    parts = [math.exp(value - top) for value in row]
    return [part / sum(parts) for part in parts]
def softmax(x):
    return np.array([_one_row(row) for row in x.tolist()])"""

BY_LOGSUMEXP = """\
def softmax(x):
    def logsumexp(z):
        top = np.amax(z, axis=1, keepdims=True)
        return top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))
    return np.exp(x - logsumexp(x))"""

BY_TORCH = """\
def softmax(x):
    return torch.softmax(torch.as_tensor(x, dtype=torch.float64), dim=1).numpy()"""

BY_AUTOGRAD = """\
def mse_grad(w, X, y):
    w = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    ((torch.from_numpy(X) @ w - torch.from_numpy(y)) ** 2).mean().backward()
    return w.grad.numpy()"""

BY_LOOP = """\
def mse_grad(w, X, y):
    n, total = len(y), np.zeros(len(w))
    for row, target in zip(X, y):
        total += 2 * (row @ w - target) * row / n
    return list(total)"""

OWN_CLASS = """\
class MLP(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, 1)
    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))
""" + TRAIN_MLP.replace(
    "nn.Sequential(nn.Linear(X.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1))",
    "MLP(X.shape[1], hidden)",
)

BY_HAND = """\
def train_mlp(X, y, hidden=8, steps=50, lr=0.1, seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(X.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1))
    losses = []
    for _ in range(steps):
        loss = nn.functional.mse_loss(model(X)[:, 0], y)
        losses.append(float(loss))
        grads = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for p, g in zip(model.parameters(), grads): p -= lr * g
    return model, losses"""

DECORATED = """\
from __future__ import annotations
import functools, time
from dataclasses import dataclass
from typing import Callable
@dataclass(frozen=True)
class Timed:
    seconds: float
def timed(function: Callable) -> Callable:
    @functools.wraps(function)
    def run(*args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        run.last = Timed(time.perf_counter() - start)
        return result
    return run
@functools.lru_cache(maxsize=None)
def scale(n: int) -> float:
    return 2.0 / n
@timed
def mse_grad(w: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return scale(len(y)) * X.T @ (X @ w - y)"""

AS_LAMBDA = """\
softmax = lambda x: (lambda e: e / e.sum(1, keepdims=True))(np.exp(x - x.max(1, keepdims=True)))"""

AS_OBJECT = """\
class _Softmax:
    def __call__(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
def softmax(x): return _Softmax()(x)"""

TRIED_OUT = (
    SOFTMAX
    + """
if __name__ == "__main__":
    print(softmax(np.array([[1, 2, 3]])))     # integers are fine too
    assert np.allclose(softmax(np.eye(3)).sum(1), 1)"""
)

MAGICS = SOFTMAX + "\n%timeit -n 1 -r 1 softmax(np.eye(2))\n%time softmax(np.eye(2))\n_ = !echo hi"

LONG = "for n in range(20_000): print('step', n, 'of many')\n" + SOFTMAX

FAILING_CELL = "1 / 0  # tried something, and left it"


def _split(notebook):
    """Each answer cell split in two, both with its metadata, as Jupyter does it."""
    cells = []
    for cell in notebook.cells:
        if cell.id.startswith("solution-"):
            part = nbformat.from_dict(cell)
            part.source, part.id = "helper = 1\n# first my idea", f"{cell.id}-top"
            cells.append(part)
        cells.append(cell)
    notebook.cells = cells
    return notebook


def _edited_texts(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source += "\n\nMy note: $e^x$ never is 0. 🙂"
    notebook.cells.insert(3, nbformat.v4.new_markdown_cell("# My own heading"))
    return notebook


def _honest(id, what, change=None, after=(), **answers):
    answers = REFERENCE | answers
    return Attack(id, "honest", what, answers, after, change, least=10, most=10)


ATTACKS = [
    _honest("loud", "warns, prints and logs", softmax=LOUD),
    _honest("progress", "a progress bar on stderr", mse_grad=PROGRESS),
    _honest("plots", "plots in the function and before it", softmax=PLOTS),
    _honest("renamed", "other names, with letters beyond ASCII", softmax=RENAMED),
    _honest("by_rows", "lists and helper functions", softmax=BY_ROWS),
    _honest("by_logsumexp", "a nested function", softmax=BY_LOGSUMEXP),
    _honest("by_torch", "torch where NumPy was meant", softmax=BY_TORCH, mse_grad=BY_AUTOGRAD),
    _honest("by_loop", "a loop, and a list as result", mse_grad=BY_LOOP),
    _honest("own_class", "a class of its own for the model", train_mlp=OWN_CLASS),
    _honest("by_hand", "no optimizer", train_mlp=BY_HAND),
    _honest("decorated", "decorators, caches, types, dataclasses", mse_grad=DECORATED),
    _honest("as_lambda", "a lambda", softmax=AS_LAMBDA),
    _honest("as_object", "a callable object behind it", softmax=AS_OBJECT),
    _honest("tried_out", "its own trials under __main__", softmax=TRIED_OUT),
    _honest("magics", "%timeit, %time and a shell line", softmax=MAGICS),
    _honest("long_output", "20,000 lines of output", softmax=LONG),
    _honest("extra_cells", "cells of its own, one of which fails",
            after=("x = 3\nx", FAILING_CELL, "import matplotlib.pyplot as plt\nplt.plot([1, 2])")),
    _honest("split", "answers split in two cells", change=_split),
    _honest("edited_texts", "notes in the instructor's texts", change=_edited_texts),
]  # fmt: skip
