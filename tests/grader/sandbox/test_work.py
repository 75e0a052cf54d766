"""The work of notebooks goes on inside: numpy, torch, plots, data, programs."""

import subprocess
import sys
import sysconfig

import pytest

WORK = """
import json, os, sys, time
from runner import confined
import numpy, matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import torch
torch.set_num_threads(1)
visible, layers = json.load(sys.stdin)
visible = [path for path in visible if os.access(path, os.R_OK)]

TRAIN = '''
import torch
torch.manual_seed(0)
x = torch.linspace(-1, 1, 64)[:, None]
net = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
for _ in range(60):
    loss = ((net(x) - x ** 2) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(net.state_dict(), "net.pt")
torch.load("net.pt")
say(loss.item() < 0.02)
'''
PLOT = '''
import io
import matplotlib.pyplot as plt
plt.plot([1, 3, 2])
plt.title("losses $x^2$ äß")
plt.savefig("figure.png")
plt.savefig("figure.pdf")
say(open("figure.png", "rb").read(4)[1:4].decode())
'''
DATA = '''
import numpy as np
from sklearn.datasets import load_digits
say(load_digits().data.shape)
np.save("a.npy", np.arange(3))
say(np.load("a.npy", mmap_mode="r").tolist())
'''
SYSTEM = '''
import getpass, os, pathlib, pwd, tempfile, threading, time, concurrent.futures
say([getpass.getuser(), os.path.expanduser("~") == os.getcwd(), os.cpu_count() > 0])
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    say(list(pool.map(abs, range(-3, 0))))
'''
PROCESSES = '''
import multiprocessing, pwd, subprocess, os, torch
say(subprocess.run("echo $HOME | tr a-z A-Z", shell=True, capture_output=True, text=True).stdout)
queue = multiprocessing.get_context("fork").Queue()
child = multiprocessing.get_context("fork").Process(target=queue.put, args=(7,))
child.start()
say(queue.get())
child.join()
say(pwd.getpwuid(os.getuid()).pw_name)
data = torch.utils.data.DataLoader(torch.arange(8), batch_size=4, num_workers=1)
say([batch.tolist() for batch in data])
'''
outcomes = {}
for layer in layers:
    sources = {"train": TRAIN, "plot": PLOT, "data": DATA, "system": SYSTEM}
    if layer != "landlock":
        sources["processes"] = PROCESSES
    for name, source in sources.items():
        outcomes[f"{layer} {name}"] = confined(layer, source, visible=visible)
print(json.dumps(outcomes))
"""
EXPECTED = {
    "train": [True],
    "plot": ["PNG"],
    "data": [[1797, 64], [0, 1, 2]],
    "system": [["student", True, True], [3, 2, 1]],
    "processes": ["/PRIVATE/WORK\n", 7, "student", [[0, 1, 2, 3], [4, 5, 6, 7]]],
}


def check(outcomes):
    wrong = {
        name: outcome
        for name, outcome in outcomes.items()
        if outcome["said"] != EXPECTED[name.split()[1]] or outcome["status"] != 0
    }
    assert wrong == {}


def test_notebooks_work_under_root(run, root):
    """With this interpreter, wherever it lies: under root's home, for one."""
    visible = [sys.prefix, sys.base_prefix]
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    options = {"python": sys.executable, "paths": paths, "env": {"OMP_NUM_THREADS": "1"}}
    check(run(root, WORK, visible, ["namespaces"], needs=["namespaces"], **options))


def test_notebooks_work_under_an_ordinary_user(run, user):
    """With an interpreter that the user can run; it must fit the libraries installed here."""
    version = f"import sys; assert sys.version_info[:2] == {sys.version_info[:2]}"
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    script = f"{version}; sys.path[:0] = {paths}; import numpy.random, torch"
    try:
        subprocess.run([user.python, "-I", "-c", script], check=True, **user.options)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no Python that an ordinary user can run fits the libraries installed here")
    visible = [sys.prefix, sys.base_prefix]
    layers = ["namespaces", "landlock"]
    check(run(user, WORK, visible, layers, needs=layers, paths=paths, env={"OMP_NUM_THREADS": "1"}))
