"""Optimizers in PyTorch: the same names, for any number of parameters, on any device.

The classes are `torch.optim.Optimizer`s, so that everything that works with PyTorch's own works
with them: its schedulers, its checkpoints. A step goes through all parameters at once with the
`torch._foreach_` operations, which on a GPU run one kernel for hundreds of tensors; in practice
one calls the class of the same name in `torch.optim`, with fused=True where it is offered.
"""

import torch
from torch import Tensor

from book.optimizers.options import check_nesterov, check_options, check_step, split
from book.optimizers.schedules import (
    CosineAnnealingLR,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearWarmup,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
    lr_range_test,
)

__all__ = [
    "SGD", "Adagrad", "RMSprop", "Adam", "AdamW",
    "sgd_step", "adagrad_step", "rmsprop_step", "adam_step", "adamw_step",
    "ewma", "inverse_time_decay", "sqrt_decay",
    "StepLR", "ExponentialLR", "LambdaLR", "CosineAnnealingLR", "LinearWarmup", "CyclicLR",
    "OneCycleLR", "ReduceLROnPlateau", "lr_range_test",
]  # fmt: skip


def _real(values: Tensor, name: str = "input") -> Tensor:
    """`values`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(values, Tensor) or not values.dtype.is_floating_point:
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return values


# --- averages


def ewma(input: Tensor, beta: float = 0.9, dim: int = -1, bias_correction: bool = False) -> Tensor:
    r"""Exponentially weighted average in $\log_2 T$ passes instead of $T$ steps.

    After k passes each entry holds the weighted sum of the last $2^k$ values; adding
    $\beta^{2^k}$ times the entry $2^k$ places before doubles that number.

    Shapes: input (*, T, *) with T at `dim`; result as input.
    Raises: TypeError if input is not floating point; ValueError if beta is not in [0, 1);
    IndexError if there is no such dim.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta: expected at least 0 and less than 1, got {beta}")
    average = (1 - beta) * _real(input).movedim(dim, -1)
    count, reach, factor = average.shape[-1], 1, beta
    while reach < count:
        sums = average[..., reach:] + factor * average[..., :-reach]
        average = torch.cat([average[..., :reach], sums], -1)
        reach, factor = 2 * reach, factor * factor
    if bias_correction:
        steps = torch.arange(1, count + 1, dtype=torch.float64, device=input.device)
        average = average / (1 - beta**steps).to(average.dtype)
    return average.movedim(-1, dim)


# --- one step, for all parameters of a group at once

NOT_FOR_UPDATE = ("maximize", "differentiable")  # PyTorch adds the second when it loads a state


class Optimizer(torch.optim.Optimizer):
    """What all optimizers here share: PyTorch's groups and state, and a step by `update`."""

    def __init__(self, params, **defaults):
        check_options(**{k: v for k, v in defaults.items() if not isinstance(v, bool)})
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                _real(param, "params")

    @torch.no_grad()
    def step(self, closure=None):
        """Move every parameter that has a gradient; return what closure, called first, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            if not params:
                continue
            grads = [param.grad for param in params]
            if group["maximize"]:
                grads = torch._foreach_neg(grads)
            options = {name: group[name] for name in self.defaults if name not in NOT_FOR_UPDATE}
            self.update(params, grads, [self.state[param] for param in params], **options)
        return loss


def _decayed(grads, params, weight_decay):
    """The gradients with that much of the parameters added to them."""
    return torch._foreach_add(grads, params, alpha=weight_decay) if weight_decay else grads


def _next_steps(states):
    """Count one step more for each parameter, and return the numbers."""
    for state in states:
        state["step"] = int(state.get("step", 0)) + 1
    return [state["step"] for state in states]


def _remembered(states, name, params, value=0.0):
    """The tensor of that name in each state, full of `value` where there is none yet."""
    for state, param in zip(states, params, strict=True):
        if name not in state:
            state[name] = torch.full_like(param, value, memory_format=torch.preserve_format)
    return [state[name] for state in states]


class SGD(Optimizer):
    """Gradient descent with momentum; in practice `torch.optim.SGD`.

    Shapes: params, floating-point tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no floating-point tensor; ValueError if an option is
    negative, nesterov comes without momentum or with dampening, a parameter comes twice, or there
    is none.
    """

    def __init__(self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0,
                 nesterov=False, *, maximize=False):  # fmt: skip
        check_nesterov(momentum, dampening, nesterov)
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
            nesterov=nesterov, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def update(params, grads, states, lr, momentum, dampening, weight_decay, nesterov):
        """Move the parameters in place; what is remembered goes into `states`."""
        grads = _decayed(grads, params, weight_decay)
        if momentum:
            old = [k for k, state in enumerate(states) if "momentum_buffer" in state]
            if old:
                buffers = [states[k]["momentum_buffer"] for k in old]
                torch._foreach_mul_(buffers, momentum)
                torch._foreach_add_(buffers, [grads[k] for k in old], alpha=1 - dampening)
            for state, grad in zip(states, grads, strict=True):
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = grad.clone()
            buffers = [state["momentum_buffer"] for state in states]
            grads = torch._foreach_add(grads, buffers, alpha=momentum) if nesterov else buffers
        torch._foreach_add_(params, grads, alpha=-lr)


class Adagrad(Optimizer):
    """A rate for each weight, from the sum of its squared gradients; `torch.optim.Adagrad`.

    Shapes: params, floating-point tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no floating-point tensor; ValueError if an option is
    negative, a parameter comes twice, or there is none.
    """

    def __init__(self, params, lr=1e-2, lr_decay=0.0, weight_decay=0.0,
                 initial_accumulator_value=0.0, eps=1e-10, *, maximize=False):  # fmt: skip
        super().__init__(
            params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def update(params, grads, states, lr, lr_decay, weight_decay, initial_accumulator_value, eps):
        """Move the parameters in place; what is remembered goes into `states`."""
        grads = _decayed(grads, params, weight_decay)
        rates = [-lr / (1 + (step - 1) * lr_decay) for step in _next_steps(states)]
        sums = _remembered(states, "sum", params, initial_accumulator_value)
        torch._foreach_addcmul_(sums, grads, grads)
        roots = torch._foreach_sqrt(sums)
        torch._foreach_add_(roots, eps)
        torch._foreach_addcdiv_(params, grads, roots, rates)


class RMSprop(Optimizer):
    """Adagrad that forgets: an average of the squares; in practice `torch.optim.RMSprop`.

    Shapes: params, floating-point tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no floating-point tensor; ValueError if an option is
    negative, alpha is not in [0, 1), a parameter comes twice, or there is none.
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0,
                 centered=False, *, maximize=False):  # fmt: skip
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
            centered=centered, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def update(params, grads, states, lr, alpha, eps, weight_decay, momentum, centered):
        """Move the parameters in place; what is remembered goes into `states`."""
        grads = _decayed(grads, params, weight_decay)
        _next_steps(states)
        squares = _remembered(states, "square_avg", params)
        torch._foreach_mul_(squares, alpha)
        torch._foreach_addcmul_(squares, grads, grads, 1 - alpha)
        if centered:
            means = _remembered(states, "grad_avg", params)
            torch._foreach_lerp_(means, grads, 1 - alpha)
            squares = torch._foreach_addcmul(squares, means, means, -1)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, eps)
        if momentum:
            buffers = _remembered(states, "momentum_buffer", params)
            torch._foreach_mul_(buffers, momentum)
            torch._foreach_addcdiv_(buffers, grads, roots)
            torch._foreach_add_(params, buffers, alpha=-lr)
        else:
            torch._foreach_addcdiv_(params, grads, roots, -lr)


class Adam(Optimizer):
    """Averages of gradients and squares, both corrected; `torch.optim.Adam`, best with fused=True.

    Shapes: params, floating-point tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no floating-point tensor; ValueError if an option is
    negative, a beta is not in [0, 1), a parameter comes twice, or there is none.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
                 amsgrad=False, *, maximize=False):  # fmt: skip
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
            maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def update(params, grads, states, lr, betas, eps, weight_decay, amsgrad):
        """Move the parameters in place; what is remembered goes into `states`."""
        beta1, beta2 = betas
        grads = _decayed(grads, params, weight_decay)
        steps = _next_steps(states)
        means = _remembered(states, "exp_avg", params)
        squares = _remembered(states, "exp_avg_sq", params)
        torch._foreach_lerp_(means, grads, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
        if amsgrad:
            largest = _remembered(states, "max_exp_avg_sq", params)
            torch._foreach_maximum_(largest, squares)
            squares = largest
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, [(1 - beta2**t) ** 0.5 for t in steps])
        torch._foreach_add_(roots, eps)
        torch._foreach_addcdiv_(params, means, roots, [-lr / (1 - beta1**t) for t in steps])


class AdamW(Adam):
    """Adam with the decay beside it; in practice `torch.optim.AdamW`, best with fused=True.

    Shapes: params, floating-point tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no floating-point tensor; ValueError if an option is
    negative, a beta is not in [0, 1), a parameter comes twice, or there is none.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2,
                 amsgrad=False, *, maximize=False):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    @staticmethod
    def update(params, grads, states, lr, betas, eps, weight_decay, amsgrad):
        """Move the parameters in place; what is remembered goes into `states`."""
        torch._foreach_mul_(params, 1 - lr * weight_decay)
        Adam.update(params, grads, states, lr, betas, eps, 0.0, amsgrad)


# --- the same steps as functions: everything goes in, everything comes out


def _copies(tensors, *kinds):
    """Copies of the tensors, which a step may change, as one list for each kind."""
    return split([_real(tensor, "tensors").detach().clone() for tensor in tensors], kinds)


def sgd_step(*tensors, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    """One step of :class:`SGD` after the first; PyTorch's own is `sgd` in `torch.optim`.

    Shapes: tensors (*), n parameters, their n gradients and their n momentum buffers; returns the
    n parameters and the n buffers after the step. Without momentum the buffers stay as they are.
    Raises: TypeError if a tensor is not floating point; ValueError if there are not as many of
    each, the shapes do not fit, or an option is out of range.
    """
    check_nesterov(momentum, dampening, nesterov)
    check_options(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
    params, grads, buffers = _copies(tensors, "parameters", "gradients", "momentum buffers")
    states = [{"momentum_buffer": buffer} for buffer in buffers]
    SGD.update(params, grads, states, lr, momentum, dampening, weight_decay, nesterov)
    return (*params, *buffers)


def adagrad_step(step, *tensors, lr=1e-2, lr_decay=0.0, weight_decay=0.0, eps=1e-10):
    """Step number `step` of :class:`Adagrad`; PyTorch's own is `adagrad` in `torch.optim`.

    Shapes: tensors (*), n parameters, their n gradients and the n sums of squares so far; returns
    the n parameters and the n sums after the step.
    Raises: TypeError if a tensor is not floating point; ValueError if there are not as many of
    each, the shapes do not fit, an option is negative, or step is no whole number from 1.
    """
    check_step(step)
    check_options(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
    params, grads, sums = _copies(tensors, "parameters", "gradients", "sums of squares")
    states = [{"step": step - 1, "sum": total} for total in sums]
    Adagrad.update(params, grads, states, lr, lr_decay, weight_decay, 0.0, eps)
    return (*params, *sums)


def rmsprop_step(*tensors, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
    """One step of :class:`RMSprop` without momentum; as `rmsprop` in `torch.optim`.

    Shapes: tensors (*), n parameters, their n gradients and the n averages of the squares; returns
    the n parameters and the n averages after the step.
    Raises: TypeError if a tensor is not floating point; ValueError if there are not as many of
    each, the shapes do not fit, an option is negative, or alpha is not in [0, 1).
    """
    check_options(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)
    params, grads, averages = _copies(tensors, "parameters", "gradients", "averages of squares")
    states = [{"square_avg": average} for average in averages]
    RMSprop.update(params, grads, states, lr, alpha, eps, weight_decay, 0.0, False)
    return (*params, *averages)


def _adam_step(update, step, tensors, lr, betas, eps, weight_decay):
    check_step(step)
    check_options(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    params, grads, means, squares = _copies(
        tensors, "parameters", "gradients", "averages", "averages of squares"
    )
    states = [
        {"step": step - 1, "exp_avg": m, "exp_avg_sq": v}
        for m, v in zip(means, squares, strict=True)
    ]
    update(params, grads, states, lr, betas, eps, weight_decay, False)
    return (*params, *means, *squares)


def adam_step(step, *tensors, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Step number `step` of :class:`Adam`; PyTorch's own is `adam` in `torch.optim`.

    Shapes: tensors (*), n parameters, their n gradients, the n averages of the gradients and the n
    of their squares; returns the n parameters and both sorts of averages after the step.
    Raises: TypeError if a tensor is not floating point; ValueError if there are not as many of
    each, the shapes do not fit, an option is out of range, or step is no whole number from 1.
    """
    return _adam_step(Adam.update, step, tensors, lr, betas, eps, weight_decay)


def adamw_step(step, *tensors, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    """Step number `step` of :class:`AdamW`; PyTorch's own is `adamw` in `torch.optim`.

    Shapes: tensors (*), n parameters, their n gradients, the n averages of the gradients and the n
    of their squares; returns the n parameters and both sorts of averages after the step.
    Raises: TypeError if a tensor is not floating point; ValueError if there are not as many of
    each, the shapes do not fit, an option is out of range, or step is no whole number from 1.
    """
    return _adam_step(AdamW.update, step, tensors, lr, betas, eps, weight_decay)


# --- two schedules that PyTorch leaves to LambdaLR


def _epochs(epoch, first):
    if (_real(epoch, "epoch") < first).any():
        raise ValueError(f"epoch: expected at least {first}, got {epoch.min():g}")
    return epoch.detach()


def inverse_time_decay(epoch: Tensor, lr: float = 1.0, decay_rate: float = 1.0) -> Tensor:
    """The rate lr / (1 + decay_rate epoch); Keras has it as InverseTimeDecay.

    Shapes: epoch (*), numbers from 0; result as epoch.
    Raises: TypeError if epoch is not floating point; ValueError if it is below 0, or lr or
    decay_rate is.
    """
    check_options(lr=lr, decay_rate=decay_rate)
    return lr / (1.0 + decay_rate * _epochs(epoch, 0))


def sqrt_decay(epoch: Tensor, lr: float = 1.0, k: float = 1.0) -> Tensor:
    """The rate k lr / sqrt(epoch), counted from 1; by `LambdaLR` in PyTorch.

    Shapes: epoch (*), numbers from 1; result as epoch.
    Raises: TypeError if epoch is not floating point; ValueError if it is below 1, or lr or k is
    negative.
    """
    check_options(lr=lr, k=k)
    return lr * k / _epochs(epoch, 1).sqrt()
