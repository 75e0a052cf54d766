"""A student's nn.Module and autograd, used in a test as if they were here."""

import pytest
from torch import nn

from autograder.proctor.holdings import Holdings
from tests.grader.apart.harness import SETUP, check, given, graded, student

ANSWER = (
    SETUP
    + '''
class Net(nn.Module):
    """Two layers."""
    def __init__(self, n, hidden=4):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n))
        self.layers = nn.Sequential(nn.Linear(n, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.n = n
    def forward(self, x):
        self.calls += 1
        return self.layers(x * self.scale)
    def last(self):
        return self.layers[-1]
    def grow(self):
        self.extra = nn.Linear(2, 2)
class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1))
    def forward(self, x):
        return x * self.beta.detach()
class Blocks(nn.Sequential):
    pass
def blocks(): return Blocks(nn.Linear(2, 2), nn.ReLU())
def square(x): return x * x
def two(x, y): return {"sum": x + y, "list": [x * y, 3]}
def shifted(x): return torch.relu(x), x.detach()
def train(net, x, y, steps=40):
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        optimizer.step()
    return net
def size(net): return sum(p.numel() for p in net.parameters())
def init(tensor): torch.nn.init.constant_(tensor, 5.0)
class Descent:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
    @torch.no_grad()
    def step(self):
        for p in self.params:
            p -= self.lr * p.grad
    def zero_grad(self):
        for p in self.params:
            p.grad = None
'''
)


GOOD = {
    "it is a module": """
        net = Net(3)
        assert isinstance(net, nn.Module) and isinstance(net, Net) and issubclass(Net, nn.Module)
        assert [name for name, _ in net.named_parameters()] == [
            "scale", "layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]
        assert all(isinstance(p, nn.Parameter) for p in net.parameters())
        assert list(net.state_dict())[1] == "calls" and "scratch" not in net.state_dict()
        assert isinstance(net.layers, nn.Sequential) and len(net.layers) == 3
        assert isinstance(net.layers[0], nn.Linear) and not isinstance(net.layers[0], nn.Tanh)
        assert net.layers[0].in_features == 3 and net.n == 3 and net.last() is net.layers[2]
        assert isinstance(blocks(), nn.Sequential) and len(blocks()) == 2
        assert sum(p.numel() for p in net.parameters()) == 3 + 16 + 5 == size(net)
        assert not hasattr(net, "nothing") and repr(net).startswith("Net(")
        net.n = 4
        assert net.n == 4""",
    "gradients reach inputs and parameters": """
        net, x = Net(3), torch.randn(5, 3, requires_grad=True)
        net(2 * x).sum().backward()
        twin = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        twin.load_state_dict(net.layers.state_dict())
        y, scale = x.detach().clone().requires_grad_(), torch.ones(3, requires_grad=True)
        twin(2 * y * scale).sum().backward()
        torch.testing.assert_close(x.grad, y.grad)
        torch.testing.assert_close(net.scale.grad, scale.grad)
        torch.testing.assert_close(net.layers[0].weight.grad, twin[0].weight.grad)
        before = net.scale.grad.clone()
        net(2 * x).sum().backward()
        torch.testing.assert_close(net.scale.grad, 2 * before)
        net.zero_grad()
        assert net.scale.grad is None and x.grad is not None
        with torch.no_grad(): assert not net(x).requires_grad
        assert net(x).grad_fn is not None""",
    "gradients of functions": """
        x = torch.tensor([3.0], requires_grad=True)
        square(square(x)).backward()
        assert x.grad.item() == 108.0
        a, b = (torch.tensor([v], requires_grad=True, dtype=torch.float64) for v in (2.0, 5.0))
        out = two(a, b)
        (out["sum"] + out["list"][0]).backward()
        assert (a.grad.item(), b.grad.item()) == (6.0, 3.0)
        c = torch.tensor([-1.0, 2.0], requires_grad=True)
        value, plain = shifted(c)
        assert not plain.requires_grad
        value.backward(torch.tensor([1.0, 7.0]))
        assert c.grad.tolist() == [0.0, 7.0]
        d = torch.randn(3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(square, (d,))
        assert not square(torch.ones(1)).requires_grad""",
    "what is cut off gets no gradient": """
        net, x = Detached(), torch.ones(2, requires_grad=True)
        net(x).sum().backward()
        assert net.beta.grad is None and x.grad.tolist() == [1.0, 1.0]""",
    "changes go both ways": """
        net, x = Net(2), torch.ones(1, 2)
        net(x)
        assert net.calls.item() == 1
        with torch.no_grad():
            for p in net.parameters(): p.zero_()
        assert net(x).item() == 0.0 and net.calls.item() == 2
        net.layers[2].bias.data.fill_(3.0)
        assert net(x).item() == 3.0
        net.load_state_dict({"layers.2.bias": torch.tensor([4.0])}, strict=False)
        assert net(x).item() == 4.0
        init(net.scale)
        assert net.scale.tolist() == [5.0, 5.0]
        same = net.scale
        train(net, x, torch.ones(1, 1), steps=1)
        assert net.scale is same and net.layers[2].bias.item() != 4.0 and same.grad is not None
        net.scale.requires_grad_(False)
        net.zero_grad()
        net(x).sum().backward()
        assert net.scale.grad is None
        assert net.training and not net.eval().training and not net.layers.training
        net.grow()
        assert net.extra.weight.shape == (2, 2)
        net.layers[2].bias.data.fill_(1.5)
        assert net.layers[2].bias.item() == 1.5 == net.last().bias.item()""",
    "dtypes and devices": """
        net = Net(2).to(torch.float64)
        assert net(torch.ones(1, 2, dtype=torch.float64)).dtype == torch.float64
        half = torch.ones(1, 2, dtype=torch.bfloat16)
        assert Net(2).to(torch.bfloat16)(half).dtype == torch.bfloat16
        assert Net(2).to("meta")(torch.empty(1, 2, device="meta")).device.type == "meta"
        assert Net(2).half().double().scale.dtype == torch.float64""",
    "optimizers and containers of the test": """
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 3), Net(3))
        x = torch.randn(16, 2)
        y = x[:, :1]
        optimizer = torch.optim.Adam(net.parameters(), 0.05)
        losses = []
        for _ in range(40):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.3 * losses[0]
        other = copy.deepcopy(net)
        assert torch.equal(other(x), net(x)) and other[1] is not net[1]
        with torch.no_grad(): other[1].scale.zero_()
        assert net[1].scale.abs().min() > 0""",
    "modules of the test in student code": """
        torch.manual_seed(0)
        x = torch.randn(16, 2)
        net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))
        y, first = x[:, :1], net[0]
        before = nn.functional.mse_loss(net(x), y).item()
        assert train(net, x, y) is net and net[0] is first
        assert nn.functional.mse_loss(net(x), y).item() < 0.5 * before
        assert net[1].num_batches_tracked.item() == 40 + 2
        for module in [nn.Conv2d(1, 2, 3, padding=1), nn.LSTM(2, 3), nn.GRU(2, 3, 2), nn.Dropout(),
                       nn.MultiheadAttention(4, 2), nn.LayerNorm(3), nn.Embedding(3, 4)]:
            assert size(module) == sum(p.numel() for p in module.parameters())""",
    "optimizers of the student": """
        w = torch.zeros(2, requires_grad=True)
        for parameters, loss in (([w], lambda: ((w - 1) ** 2).sum()),):
            optimizer = Descent(parameters, lr=0.5)
            loss().backward()
            optimizer.step()
            assert w.tolist() == [1.0, 1.0]
            optimizer.zero_grad()
            assert w.grad is None
        net, x = Net(2), torch.ones(1, 2)
        optimizer, before = Descent(net.parameters(), lr=0.1), net(x).item()
        net(x).sum().backward()
        optimizer.step()
        assert net(x).item() < before""",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_modules(name):
    source = "\n".join(line[8:] for line in GOOD[name].lstrip("\n").split("\n"))
    setup = given(f"{SETUP}\nimport copy")
    found = graded(setup, student(ANSWER), check(source), classes=frozenset({"Descent"}))
    assert found.verdicts["test"].passed, found.verdicts["test"]


def test_an_error_in_a_backward_pass_is_the_students():
    answer = f"""{SETUP}
class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, grad): raise ValueError("in backward")
def f(x): return Bad.apply(x)
"""
    test = "f(torch.ones(2, requires_grad=True)).sum().backward()"
    found = graded(given(SETUP), student(answer), check(test)).verdicts["test"]
    assert (found.error, "in backward" in found.message) == ("ValueError", True)


def test_a_time_out_in_a_backward_pass_is_one():
    from autograder.sandbox import Limits

    answer = f"""{SETUP}
import time
class Slow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, grad): time.sleep(60)
def f(x): return Slow.apply(x)
"""
    test = "f(torch.ones(2, requires_grad=True)).sum().backward()"
    limits = Limits(call=0.3)
    found = graded(given(SETUP), student(answer), check(test), limits=limits).verdicts["test"]
    assert found.error == "TimedOut"


def test_modules_that_come_and_go_are_forgotten_on_both_sides():
    """Also where the collector frees one while a request is being written."""
    test = """
import gc
gc.set_threshold(5)
for _ in range(80):
    net = Net(2)
    with torch.no_grad():
        net.scale.add_(1.0)
    ring = [net]
    ring.append(ring)
    del net, ring
gc.set_threshold(700, 10, 10)
gc.collect()
assert Net(2)(torch.ones(1, 2)).shape == (1, 1)
"""
    found = graded(given(SETUP), student(ANSWER), check(test))
    assert found.verdicts["test"].passed, found.verdicts["test"]


def test_a_module_that_dies_while_a_message_is_written_is_released_by_the_next():
    """Or a tensor of the message, at the place of a dead parameter, would be taken for it."""
    holdings, module = Holdings({"Plain": nn.Linear}.get), nn.Linear(2, 3)
    first = holdings.encoder()
    tag, number, *_ = holdings._lend(module, first)
    assert tag == "lent"
    del first
    message = holdings.encoder()
    del module
    assert holdings.take_released() == []
    assert message.encode([1]) == ["list", [1]]
    del message
    assert holdings.take_released() == [number]
