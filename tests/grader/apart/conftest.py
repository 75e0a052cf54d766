"""What `run` does to its process must not stay in pytest's."""

import random

import numpy as np
import pytest
import torch

from autograder import checks


@pytest.fixture(autouse=True)
def _own_process(monkeypatch):
    monkeypatch.setenv(checks.SEED, "0")
    monkeypatch.setattr(checks, "_seed", None)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
