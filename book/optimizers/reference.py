"""Optimizers in NumPy: the readable truth, in float64.

The classes step through parameters of the engine of the chapter before, :class:`Tensor`: whatever
has put a gradient into `grad`, `step` moves `data`. Arguments, defaults and the names of the state
are those of `torch.optim`. Schedules and the range test only set the learning rate of an
optimizer, NumPy's or PyTorch's, so both implementations share them.
"""

import copy

import numpy as np

from book.backprop.engine import Tensor
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


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


# --- averages


def _check_beta(beta):
    if not 0 <= beta < 1:
        raise ValueError(f"beta: expected at least 0 and less than 1, got {beta}")


def _correction(beta, count, ndim):
    """The sum of the weights after 1, 2, … values: what an average is divided by."""
    return (1 - beta ** np.arange(1.0, count + 1)).reshape(-1, *[1] * (ndim - 1))


def ewma(input, beta=0.9, dim=-1, bias_correction=False):
    r"""Exponentially weighted average: $W_t = \beta W_{t-1} + (1 - \beta)\,\theta_t$, $W_0 = 0$.

    The weights of the values so far sum to $1 - \beta^t$; with bias_correction the average is
    divided by that, so that it does not start too small.

    Shapes: input (*, T, *) with T at `dim`; result as input.
    Raises: TypeError if input is not real; ValueError if beta is not in [0, 1); IndexError if
    there is no such dim.
    Source: document 001, the EWMA; the correction is that of Adam.
    """
    values = np.moveaxis(_real(input), dim, 0)  # (T, *)
    _check_beta(beta)
    averages, average = np.empty_like(values), 0.0
    for t, value in enumerate(values):
        average = beta * average + (1 - beta) * value
        averages[t] = average
    if bias_correction:
        averages /= _correction(beta, len(values), values.ndim)
    return np.moveaxis(averages, 0, dim)


def ewma_backward(grad_output, input, beta=0.9, dim=-1, bias_correction=False):
    r"""The same average, from the end: $\sum_{t \ge s} (1 - \beta)\,\beta^{t-s} g_t$.

    With bias_correction $g_t$ is divided by $1 - \beta^t$ first.

    Shapes: grad_output and input (*, T, *); returns the gradient of input.
    Raises: TypeError if an array is not real; ValueError if the shapes differ or beta is not in
    [0, 1); IndexError if there is no such dim.
    """
    grad_output, shape = _real(grad_output, "grad_output"), _real(input).shape
    if grad_output.shape != shape:
        raise ValueError(f"grad_output: expected input's shape {shape}, got {grad_output.shape}")
    g = np.moveaxis(grad_output, dim, 0)
    _check_beta(beta)
    if bias_correction:
        g = g / _correction(beta, len(g), g.ndim)
    return np.moveaxis(ewma(g[::-1], beta, dim=0)[::-1], 0, dim)


# --- one step: what becomes of parameters, given their gradients and what is remembered


class Optimizer:
    """What all optimizers share: groups of parameters, each with its options, and the step.

    `param_groups` is a list of dictionaries with "params" and the options; `state` maps each
    parameter to what is remembered of its gradients. `defaults` are the options of a new group.
    """

    def __init__(self, params, **defaults):
        check_options(**{k: v for k, v in defaults.items() if not isinstance(v, bool)})
        params = list(params)
        if not params:
            raise ValueError("params: expected at least one parameter, got none")
        self.defaults, self.state, self.param_groups = defaults, {}, []
        for group in params if isinstance(params[0], dict) else [{"params": params}]:
            self.add_param_group(group)

    def add_param_group(self, group):
        """Parameters with options of their own, such as another learning rate."""
        group = {**self.defaults, **group, "params": list(group["params"])}
        known = self._params()
        for param in group["params"]:
            if not isinstance(param, Tensor):
                raise TypeError(f"params: expected Tensors, got {type(param).__name__}")
            if any(param is other for other in known):
                raise ValueError("params: expected each parameter once, got one of them twice")
            known.append(param)
        self.param_groups.append(group)

    def zero_grad(self):
        """Forget the gradients; `backward` adds to what it finds."""
        for group in self.param_groups:
            for param in group["params"]:
                param.grad = None

    def step(self, closure=None):
        """Move every parameter that has a gradient; return what closure, called first, returns."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            options = {name: group[name] for name in self.defaults if name != "maximize"}
            for param in group["params"]:
                if param.grad is None:
                    continue
                grad = _real(param.grad, "grad")
                if grad.shape != param.shape:
                    raise ValueError(
                        f"grad: expected the parameter's shape {param.shape}, got {grad.shape}"
                    )
                grad = -grad if group["maximize"] else grad
                state = self.state.setdefault(param, {})
                param.data = self.update(param.data, grad, state, **options)
        return loss

    def state_dict(self):
        """All that is needed to go on later; parameters appear as numbers, in order."""
        numbers = {param: k for k, param in enumerate(self._params())}
        groups = [
            {**group, "params": [numbers[param] for param in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers[param]: values for param, values in self.state.items()}
        return copy.deepcopy({"state": state, "param_groups": groups})

    def load_state_dict(self, state_dict):
        """Go on from a `state_dict` of an optimizer with as many parameters."""
        saved, params = copy.deepcopy(state_dict), self._params()
        sizes, found = (
            [len(group["params"]) for group in groups]
            for groups in (self.param_groups, saved["param_groups"])
        )
        if sizes != found:
            raise ValueError(f"state_dict: expected groups of {sizes} parameters, got {found}")
        for group, new in zip(self.param_groups, saved["param_groups"], strict=True):
            group.update({**new, "params": group["params"]})
        self.state = {params[k]: values for k, values in saved["state"].items()}

    def _params(self):
        return [param for group in self.param_groups for param in group["params"]]


class SGD(Optimizer):
    r"""Momentum: $b \leftarrow \mu b + (1 - \tau)\,g$, $w \leftarrow w - \eta b$.

    $\eta$ is lr, $\mu$ momentum and $\tau$ dampening; weight_decay $\lambda$ adds $\lambda w$ to
    $g$. With nesterov $w \leftarrow w - \eta (g + \mu b)$. At the first step $b = g$, undampened;
    without momentum it is $g$ always.

    Shapes: params, Tensors of any shapes, or groups of them: {"params": […], "lr": …}.
    Raises: TypeError if a parameter is no Tensor; ValueError if an option is negative, nesterov
    comes without momentum or with dampening, a parameter comes twice, or there is none.
    Source: PyTorch's `SGD`; Polyak 1964; Sutskever et al. 2013; documents 001 and 002.
    """

    def __init__(self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0,
                 nesterov=False, *, maximize=False):  # fmt: skip
        check_nesterov(momentum, dampening, nesterov)
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
            nesterov=nesterov, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def update(param, grad, state, lr, momentum, dampening, weight_decay, nesterov):
        """The parameter after the step; what is remembered goes into `state`."""
        grad = grad + weight_decay * param
        if momentum:
            if "momentum_buffer" in state:
                buffer = momentum * state["momentum_buffer"] + (1 - dampening) * grad
            else:
                buffer = grad
            state["momentum_buffer"] = buffer
            grad = grad + momentum * buffer if nesterov else buffer
        return param - lr * grad


class Adagrad(Optimizer):
    r"""A rate for each weight: $s \leftarrow s + g^2$, $w \leftarrow w - \eta\, g / \sqrt{s}$.

    To the root a small eps is added. With lr_decay $\gamma$ the rate at step $t$ is $\eta / (1 + (t
    - 1)\,\gamma)$; $s$ starts at initial_accumulator_value; weight_decay $\lambda$ adds $\lambda w$
    to $g$.

    Shapes: params, Tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no Tensor; ValueError if an option is negative, a parameter
    comes twice, or there is none.
    Source: PyTorch's `Adagrad`; Duchi, Hazan and Singer 2011; documents 002 and 004.
    """

    def __init__(self, params, lr=1e-2, lr_decay=0.0, weight_decay=0.0,
                 initial_accumulator_value=0.0, eps=1e-10, *, maximize=False):  # fmt: skip
        super().__init__(
            params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def update(param, grad, state, lr, lr_decay, weight_decay, initial_accumulator_value, eps):
        """The parameter after the step; what is remembered goes into `state`."""
        grad = grad + weight_decay * param
        state["step"] = state.get("step", 0) + 1
        state["sum"] = state.get("sum", initial_accumulator_value) + grad**2
        lr = lr / (1 + (state["step"] - 1) * lr_decay)
        return param - lr * grad / (np.sqrt(state["sum"]) + eps)


class RMSprop(Optimizer):
    r"""Adagrad that forgets: $s \leftarrow \alpha s + (1 - \alpha)\,g^2$.

    $w \leftarrow w - \eta\, g / (\sqrt{s} + \varepsilon)$. With centered the square of the averaged
    gradient is taken off $s$ first; with momentum $\mu$, $b \leftarrow \mu b + g / (\sqrt{s} +
    \varepsilon)$ and $w \leftarrow w - \eta b$.

    Shapes: params, Tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no Tensor; ValueError if an option is negative, alpha is
    not in [0, 1), a parameter comes twice, or there is none.
    Source: PyTorch's `RMSprop`; Hinton's lecture 6e, 2012; document 001 with erratum E37.
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0,
                 centered=False, *, maximize=False):  # fmt: skip
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
            centered=centered, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def update(param, grad, state, lr, alpha, eps, weight_decay, momentum, centered):
        """The parameter after the step; what is remembered goes into `state`."""
        grad = grad + weight_decay * param
        state["step"] = state.get("step", 0) + 1
        square = alpha * state.get("square_avg", 0.0) + (1 - alpha) * grad**2
        state["square_avg"] = square
        if centered:
            state["grad_avg"] = alpha * state.get("grad_avg", 0.0) + (1 - alpha) * grad
            square = square - state["grad_avg"] ** 2
        move = grad / (np.sqrt(square) + eps)
        if momentum:
            move = state["momentum_buffer"] = momentum * state.get("momentum_buffer", 0.0) + move
        return param - lr * move


class Adam(Optimizer):
    r"""Averages of the gradient and of its square, both corrected for their start.

    $m \leftarrow \beta_1 m + (1 - \beta_1)\,g$ and
    $v \leftarrow \beta_2 v + (1 - \beta_2)\,g^2$ start at 0 and are corrected for it:
    $w \leftarrow w - \eta\, \hat m / (\sqrt{\hat v} + \varepsilon)$ with
    $\hat m = m / (1 - \beta_1^t)$ and $\hat v = v / (1 - \beta_2^t)$. With amsgrad the largest
    $v$ so far takes the place of $v$; weight_decay $\lambda$ adds $\lambda w$ to $g$.

    Shapes: params, Tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no Tensor; ValueError if an option is negative, a beta is
    not in [0, 1), a parameter comes twice, or there is none.
    Source: PyTorch's `Adam`; Kingma and Ba 2015; document 001 with errata E38 and E39.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
                 amsgrad=False, *, maximize=False):  # fmt: skip
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
            maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def update(param, grad, state, lr, betas, eps, weight_decay, amsgrad):
        """The parameter after the step; what is remembered goes into `state`."""
        beta1, beta2 = betas
        grad = grad + weight_decay * param
        t = state["step"] = state.get("step", 0) + 1
        m = state["exp_avg"] = beta1 * state.get("exp_avg", 0.0) + (1 - beta1) * grad
        v = state["exp_avg_sq"] = beta2 * state.get("exp_avg_sq", 0.0) + (1 - beta2) * grad**2
        if amsgrad:
            v = state["max_exp_avg_sq"] = np.maximum(state.get("max_exp_avg_sq", 0.0), v)
        m, v = m / (1 - beta1**t), v / (1 - beta2**t)
        return param - lr * m / (np.sqrt(v) + eps)


class AdamW(Adam):
    r"""Adam with the decay beside it: first $w \leftarrow (1 - \eta\lambda)\,w$, then Adam's step.

    The decay does not pass through the averages, so that it pulls equally at every weight.

    Shapes: params, Tensors of any shapes, or groups of them.
    Raises: TypeError if a parameter is no Tensor; ValueError if an option is negative, a beta is
    not in [0, 1), a parameter comes twice, or there is none.
    Source: PyTorch's `AdamW`; Loshchilov and Hutter 2019.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2,
                 amsgrad=False, *, maximize=False):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    @staticmethod
    def update(param, grad, state, lr, betas, eps, weight_decay, amsgrad):
        """The parameter after the step; what is remembered goes into `state`."""
        param = (1 - lr * weight_decay) * param
        return Adam.update(param, grad, state, lr, betas, eps, 0.0, amsgrad)


# --- the same steps as functions: everything goes in, everything comes out


def _arrays(tensors, *kinds):
    return split([_real(array, "tensors") for array in tensors], kinds)


def sgd_step(*tensors, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    """One step of :class:`SGD` after the first, as a function of all that it depends on.

    Shapes: tensors (*), n parameters, their n gradients and their n momentum buffers; returns the
    n parameters and the n buffers after the step. Without momentum the buffers stay as they are.
    Raises: TypeError if an array is not real; ValueError if there are not as many of each, the
    shapes do not fit, or an option is out of range.
    Source: PyTorch's `sgd`.
    """
    check_nesterov(momentum, dampening, nesterov)
    check_options(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
    params, grads, buffers = _arrays(tensors, "parameters", "gradients", "momentum buffers")
    states = [{"momentum_buffer": buffer} for buffer in buffers]
    params = [
        SGD.update(param, grad, state, lr, momentum, dampening, weight_decay, nesterov)
        for param, grad, state in zip(params, grads, states, strict=True)
    ]
    return (*params, *(state["momentum_buffer"] for state in states))


def adagrad_step(step, *tensors, lr=1e-2, lr_decay=0.0, weight_decay=0.0, eps=1e-10):
    """Step number `step` of :class:`Adagrad` as a function of all that it depends on.

    Shapes: tensors (*), n parameters, their n gradients and the n sums of squares so far; returns
    the n parameters and the n sums after the step.
    Raises: TypeError if an array is not real; ValueError if there are not as many of each, the
    shapes do not fit, an option is negative, or step is no whole number from 1.
    Source: PyTorch's `adagrad`.
    """
    check_step(step)
    check_options(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
    params, grads, sums = _arrays(tensors, "parameters", "gradients", "sums of squares")
    states = [{"step": step - 1, "sum": total} for total in sums]
    params = [
        Adagrad.update(param, grad, state, lr, lr_decay, weight_decay, 0.0, eps)
        for param, grad, state in zip(params, grads, states, strict=True)
    ]
    return (*params, *(state["sum"] for state in states))


def rmsprop_step(*tensors, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
    """One step of :class:`RMSprop`, without momentum, as a function of all that it depends on.

    Shapes: tensors (*), n parameters, their n gradients and the n averages of the squares; returns
    the n parameters and the n averages after the step.
    Raises: TypeError if an array is not real; ValueError if there are not as many of each, the
    shapes do not fit, an option is negative, or alpha is not in [0, 1).
    Source: PyTorch's `rmsprop`.
    """
    check_options(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)
    params, grads, averages = _arrays(tensors, "parameters", "gradients", "averages of squares")
    states = [{"square_avg": average} for average in averages]
    params = [
        RMSprop.update(param, grad, state, lr, alpha, eps, weight_decay, 0.0, False)
        for param, grad, state in zip(params, grads, states, strict=True)
    ]
    return (*params, *(state["square_avg"] for state in states))


def _adam_step(update, step, tensors, lr, betas, eps, weight_decay):
    check_step(step)
    check_options(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    params, grads, *moments = _arrays(
        tensors, "parameters", "gradients", "averages", "averages of squares"
    )
    states = [
        {"step": step - 1, "exp_avg": m, "exp_avg_sq": v} for m, v in zip(*moments, strict=True)
    ]
    params = [
        update(param, grad, state, lr, betas, eps, weight_decay, False)
        for param, grad, state in zip(params, grads, states, strict=True)
    ]
    remembered = [[state[name] for state in states] for name in ("exp_avg", "exp_avg_sq")]
    return (*params, *remembered[0], *remembered[1])


def adam_step(step, *tensors, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Step number `step` of :class:`Adam` as a function of all that it depends on.

    Shapes: tensors (*), n parameters, their n gradients, the n averages of the gradients and the n
    of their squares; returns the n parameters and both sorts of averages after the step.
    Raises: TypeError if an array is not real; ValueError if there are not as many of each, the
    shapes do not fit, an option is out of range, or step is no whole number from 1.
    Source: PyTorch's `adam`.
    """
    return _adam_step(Adam.update, step, tensors, lr, betas, eps, weight_decay)


def adamw_step(step, *tensors, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    """Step number `step` of :class:`AdamW` as a function of all that it depends on.

    Shapes: tensors (*), n parameters, their n gradients, the n averages of the gradients and the n
    of their squares; returns the n parameters and both sorts of averages after the step.
    Raises: TypeError if an array is not real; ValueError if there are not as many of each, the
    shapes do not fit, an option is out of range, or step is no whole number from 1.
    Source: PyTorch's `adamw`.
    """
    return _adam_step(AdamW.update, step, tensors, lr, betas, eps, weight_decay)


# --- two schedules that PyTorch leaves to LambdaLR


def _epochs(epoch, first):
    epoch = _real(epoch, "epoch")
    if (epoch < first).any():
        raise ValueError(f"epoch: expected at least {first}, got {epoch.min():g}")
    return epoch


def inverse_time_decay(epoch, lr=1.0, decay_rate=1.0):
    r"""The rate $\eta_0 / (1 + k n)$ in epoch $n$, with the decay rate $k$.

    Shapes: epoch (*), numbers from 0; result as epoch.
    Raises: TypeError if epoch is not real; ValueError if it is below 0, or lr or decay_rate is.
    Source: document 001, learning rate decay.
    """
    check_options(lr=lr, decay_rate=decay_rate)
    return lr / (1.0 + decay_rate * _epochs(epoch, 0))


def sqrt_decay(epoch, lr=1.0, k=1.0):
    r"""The rate $k\,\eta_0 / \sqrt{n}$ in epoch $n$, counted from 1.

    Shapes: epoch (*), numbers from 1; result as epoch.
    Raises: TypeError if epoch is not real; ValueError if it is below 1, or lr or k is negative.
    Source: document 001, learning rate decay by the epoch number.
    """
    check_options(lr=lr, k=k)
    return lr * k / np.sqrt(_epochs(epoch, 1))
