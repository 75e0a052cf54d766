"""The small assignment that the attacks are made against: three functions, 2 + 3 + 5 points.

`write_project` makes a project of it that `autograder` grades. `release` gives the notebook that
students get, without running anything.
"""

from pathlib import Path

import nbformat

from autograder import convert, source
from autograder.regions import HIDDEN, SOLUTION, regions

NAME = "hw1"
POINTS = {"softmax": 2, "mse_grad": 3, "train_mlp": 5}
FULL = sum(POINTS.values())

# Texts that stand in what no submission may see; found in an output, they prove a leak.
HIDDEN_CANARY = "canary_of_hidden_tests"
SOLUTION_CANARY = "canary_of_solutions"

# Enough for the reference, and short enough that endless loops do not hold up the tests.
LIMITS = "{cpu: 30, wall: 30, cell: 5, call: 3, memory: 1 GB, processes: 32, files: 64 MB}"

# All that attacks use may be imported: the sandbox has to hold without the list of imports.
IMPORTS = (
    "__future__, IPython, atexit, autograder, builtins, collections, contextlib, ctypes, "
    "dataclasses, enum, faulthandler, fractions, functools, gc, glob, inspect, io, itertools, "
    "json, jupyter_client, logging, math, matplotlib, multiprocessing, numpy, operator, os, "
    "pathlib, pickle, random, re, resource, shutil, signal, site, socket, sqlite3, statistics, "
    "struct, subprocess, sys, tempfile, threading, time, torch, typing, urllib, warnings, weakref"
)

_SOURCE = '''\
# ---
# jupyter:
#   kernelspec:
#     name: python3
# assignment:
#   title: Homework 1
#   imports: [IMPORTS]
#   LIMITS
# ---

# %% [markdown]
# # Homework 1
#
# <!-- tasks -->

# %%
import numpy as np
import torch
from torch import nn

# %% [markdown] task="softmax" minutes=5
# ## softmax

# %% solution="softmax"
def softmax(x):
    """Row-wise softmax of a 2-d array, numerically stable."""
    ### BEGIN SOLUTION
    canary_of_solutions = np.exp(x - x.max(axis=1, keepdims=True))
    return canary_of_solutions / canary_of_solutions.sum(axis=1, keepdims=True)
    ### END SOLUTION

# %% test="softmax" points=2
p = softmax(np.array([[0.0, 0.0], [1.0, 1.0]]))
np.testing.assert_allclose(p, 0.5)
### BEGIN HIDDEN TESTS
canary_of_hidden_tests = np.random.default_rng(7).normal(size=(5, 4)) * 300
_r = np.exp(canary_of_hidden_tests - canary_of_hidden_tests.max(1, keepdims=True))
_r /= _r.sum(1, keepdims=True)
np.testing.assert_allclose(softmax(canary_of_hidden_tests), _r, rtol=1e-7)
assert isinstance(softmax(canary_of_hidden_tests), np.ndarray)
assert softmax(canary_of_hidden_tests).shape == (5, 4)
### END HIDDEN TESTS

# %% [markdown] task="mse_grad" minutes=5
# ## mse_grad

# %% solution="mse_grad"
def mse_grad(w, X, y):
    """Gradient of mean((X @ w - y)**2) with respect to w."""
    ### BEGIN SOLUTION
    return 2.0 / len(y) * X.T @ (X @ w - y)
    ### END SOLUTION

# %% test="mse_grad" points=3
assert np.allclose(mse_grad(np.zeros(2), np.eye(2), np.ones(2)), [-1, -1])
### BEGIN HIDDEN TESTS
def _ref_grad(w, X, y):
    canary_of_hidden_tests = X @ w - y
    return 2.0 / len(y) * X.T @ canary_of_hidden_tests
for _s in range(5):
    _g = np.random.default_rng(_s)
    _w, _X, _y = _g.normal(size=3), _g.normal(size=(6, 3)), _g.normal(size=6)
    np.testing.assert_allclose(mse_grad(_w, _X, _y), _ref_grad(_w, _X, _y))
### END HIDDEN TESTS

# %% [markdown] task="train_mlp" minutes=10
# ## train_mlp

# %% solution="train_mlp"
def train_mlp(X, y, hidden=8, steps=50, lr=0.1, seed=0):
    """Train a 1-hidden-layer tanh MLP by full-batch SGD on MSE.
    Returns (model, list of losses before every step)."""
    ### BEGIN SOLUTION
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(X.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1))
    opt = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        opt.zero_grad()
        loss = ((model(X).squeeze(1) - y) ** 2).mean()
        losses.append(loss.item())
        loss.backward()
        opt.step()
    return model, losses
    ### END SOLUTION

# %% test="train_mlp" points=5
_X = torch.linspace(-1, 1, 32).unsqueeze(1); _t = 2 * _X.squeeze(1)
_m, _l = train_mlp(_X, _t, steps=100)
assert len(_l) == 100 and _l[-1] < 0.5 * _l[0]
### BEGIN HIDDEN TESTS
_m, _l = train_mlp(_X, _t, hidden=32, steps=400, seed=3)
assert sum(p.numel() for p in _m.parameters()) == 32 * 3 + 1
with torch.no_grad():
    canary_of_hidden_tests = ((_m(_X).squeeze(1) - _t) ** 2).mean().item()
assert canary_of_hidden_tests < 0.1, "model does not fit"
torch.testing.assert_close(
    torch.tensor(_l[-1]), torch.tensor(canary_of_hidden_tests), rtol=0.2, atol=0.01
)
### END HIDDEN TESTS
'''

REFERENCE = {
    "softmax": '''\
def softmax(x):
    """Row-wise softmax of a 2-d array, numerically stable."""
    z = x - x.max(axis=1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)''',
    "mse_grad": '''\
def mse_grad(w, X, y):
    """Gradient of mean((X @ w - y)**2) with respect to w."""
    return 2.0 / len(y) * X.T @ (X @ w - y)''',
    "train_mlp": '''\
def train_mlp(X, y, hidden=8, steps=50, lr=0.1, seed=0):
    """Train a 1-hidden-layer tanh MLP by full-batch SGD on MSE.
    Returns (model, list of losses before every step)."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(X.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1))
    opt = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        opt.zero_grad()
        loss = ((model(X).squeeze(1) - y) ** 2).mean()
        losses.append(loss.item())
        loss.backward()
        opt.step()
    return model, losses''',
}


def text(limits=LIMITS):
    """The assignment's source in percent format; without `limits` the defaults hold."""
    limits = f"#   limits: {limits}\n" if limits else ""
    return _SOURCE.replace("IMPORTS", IMPORTS).replace("#   LIMITS\n", limits)


def write_project(root: Path, limits=LIMITS):
    """A project folder with this one assignment."""
    folder = root / "solutions" / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.py").write_text(text(limits))
    return root


def release(root: Path):
    """The notebook that students get, made as nbgrader makes it; `root` is an empty folder."""
    project = write_project(root, limits=None)
    notebook = convert.convert(source.read(project / "solutions" / NAME / f"{NAME}.py"))
    for cell in notebook.cells:
        kind = SOLUTION if cell.metadata.nbgrader.solution else HIDDEN
        shown, taken_out = regions(cell.source, kind)
        if taken_out and kind == SOLUTION:
            shown += "\n    # YOUR CODE HERE\n    raise NotImplementedError()"
        cell.source = shown
    return notebook


def answered(notebook, answers, after=()):
    """A copy of the release with these answers by function, and code cells added at the end."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        name = cell.id.removeprefix("solution-")
        if name != cell.id and name in answers:
            cell.source = answers[name]
    notebook.cells += [nbformat.v4.new_code_cell(code) for code in after]
    return notebook
