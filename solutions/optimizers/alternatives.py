"""Other right answers: loops, matrices, another formula. Each must score full."""

import math

import numpy as np
import torch

from autograder.misconceptions import alternative


@alternative("running_average")
def by_a_matrix(values, beta, corrected=False):
    """The weights of all averages as one lower triangular matrix."""
    count = len(values)
    weights = np.zeros((count, count))
    for t in range(count):
        for s in range(t + 1):
            weights[t, s] = (1 - beta) * beta ** (t - s)
        if corrected:
            weights[t] /= weights[t].sum()
    return np.tensordot(weights, values.astype(float), axes=1)


@alternative("running_average")
def by_small_moves(values, beta, corrected=False):
    """Move the average toward each value; keep the sum of the weights in the same way."""
    average, weight, result = np.zeros(values.shape[1:]), 0.0, []
    for value in values:
        average = average + (1 - beta) * (value - average)
        weight = weight + (1 - beta) * (1 - weight)
        result.append(average / weight if corrected else average)
    return np.array(result).reshape(values.shape)


@alternative("cut")
def one_example_at_a_time(order, size, drop_last=False):
    """Fill a batch until it is full."""
    result, batch = [], []
    for example in order:
        batch.append(int(example))
        if len(batch) == size:
            result.append(np.array(batch))
            batch = []
    if batch and not drop_last:
        result.append(np.array(batch))
    return result


@alternative("cut")
def by_splitting(order, size, drop_last=False):
    """Cut off what does not come out even, split the rest by reshaping."""
    whole = len(order) // size * size
    result = list(order[:whole].reshape(-1, size))
    if whole < len(order) and not drop_last:
        result.append(order[whole:])
    return result


@alternative("momentum_path")
def as_sums(start, gradients, lr, momentum, nesterov=False):
    """Each buffer as a weighted sum of all gradients so far, the path as a running sum of steps."""
    count = len(gradients)
    age = np.arange(count)[:, None] - np.arange(count)
    weights = np.where(age >= 0, momentum ** np.maximum(age, 0).astype(float), 0.0)
    buffers = weights @ gradients
    moves = gradients + momentum * buffers if nesterov else buffers
    return start - lr * np.cumsum(moves, axis=0)


@alternative("momentum_path")
def rate_inside(start, gradients, lr, momentum, nesterov=False):
    """The velocity has the rate inside it: the same while the rate is constant."""
    w, velocity, path = list(start), [0.0] * len(start), []
    for g in gradients:
        for i in range(len(w)):
            velocity[i] = momentum * velocity[i] + lr * g[i]
            w[i] = w[i] - (lr * g[i] + momentum * velocity[i] if nesterov else velocity[i])
        path.append(list(w))
    return np.array(path).reshape(gradients.shape)


@alternative("adam_step")
def as_pytorch_does(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """The corrections go into the rate and the root."""
    m = m + (1 - beta1) * (g - m)
    v = v * beta2 + g**2 * (1 - beta2)
    root = np.sqrt(v) / math.sqrt(1 - beta2**t) + eps
    return w - lr / (1 - beta1**t) * m / root, m, v


@alternative("warmup_cosine")
def step_by_step(steps, total, warmup, peak):
    """A loop and three cases."""

    def rate(n):
        if n < warmup:
            return peak * (n + 1) / warmup
        if n >= total:
            return 0.0
        return peak * math.cos(math.pi / 2 * (n - warmup) / (total - warmup)) ** 2

    return np.array([rate(n) for n in steps.ravel()]).reshape(steps.shape)


@alternative("new_bob")
def by_counting(losses, lr, threshold, factor=0.5):
    """Find the first small gain; the rest is a power."""
    start = len(losses)
    for k in range(1, len(losses)):
        if losses[k - 1] - losses[k] < threshold:
            start = k + 1
            break
    return np.array([lr * factor ** max(0, k - start + 1) for k in range(len(losses))])


class _WithForeach(torch.optim.Optimizer):
    """All parameters of a group at once; m is made in advance, the decay comes first."""

    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.99, weight_decay=0.0):
        defaults = {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["average"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            ready = [p for p in group["params"] if p.grad is not None]
            if not ready:
                continue
            grads, means = [p.grad for p in ready], [self.state[p]["average"] for p in ready]
            mixed = torch._foreach_lerp(means, grads, 1 - group["beta1"])
            torch._foreach_mul_(ready, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(ready, torch._foreach_sign(mixed), alpha=-group["lr"])
            torch._foreach_lerp_(means, grads, 1 - group["beta2"])


class _ByComparison(torch.optim.Optimizer):
    """The sign from two comparisons; the new values are copied in."""

    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.99, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay))

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("m", torch.zeros_like(p.data))
                mixed = group["beta1"] * m + p.grad * (1 - group["beta1"])
                sign = (mixed > 0).to(p.dtype) - (mixed < 0).to(p.dtype)
                shrunk = p.data * (1 - group["lr"] * group["weight_decay"])
                p.data.copy_(shrunk - group["lr"] * sign)
                m.mul_(group["beta2"]).add_(p.grad, alpha=1 - group["beta2"])


def _run(kind, w, bias, gradients, bias_gradients, lr, bias_lr, beta1, beta2, weight_decay):
    """What the assignment's lion_path does, with an optimizer of that kind."""
    w, bias = w.clone().requires_grad_(), bias.clone().requires_grad_()
    groups = [{"params": [w]}, {"params": [bias], "lr": bias_lr}]
    optimizer = kind(groups, lr, beta1, beta2, weight_decay)
    for k in range(len(gradients)):
        w.grad = gradients[k].clone()
        bias.grad = None if bias_gradients is None else bias_gradients[k].clone()
        optimizer.step()
    return w.detach(), bias.detach()


@alternative("lion_path")
def with_foreach(*args):
    """All parameters of a group at once."""
    return _run(_WithForeach, *args)


@alternative("lion_path")
def by_comparison(*args):
    """The sign from two comparisons."""
    return _run(_ByComparison, *args)
