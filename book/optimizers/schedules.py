"""Learning-rate schedules and the range test, for the optimizers of NumPy and of PyTorch alike.

A schedule touches nothing but the numbers in `optimizer.param_groups`, so one implementation
serves both. Each is a formula of the epoch (or step) number n: `lr_at(n, group)` computes it,
`step()` moves on to the next n. Arguments and defaults are those of `torch.optim.lr_scheduler`,
which computes most rates from the one before; the formula needs no memory.
"""

import copy
import math

import numpy as np

__all__ = [
    "Schedule", "StepLR", "ExponentialLR", "LambdaLR", "CosineAnnealingLR", "LinearWarmup",
    "CyclicLR", "OneCycleLR", "ReduceLROnPlateau", "lr_range_test",
]  # fmt: skip


def _check_optimizer(optimizer):
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(f"optimizer: expected an optimizer, got {type(optimizer).__name__}")


def _check_count(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")


def _for_groups(name, value, optimizer):
    """One value for each group of the optimizer; ValueError unless there are as many."""
    count = len(optimizer.param_groups)
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        raise ValueError(f"{name}: expected one number or {count}, got {len(values)}")
    return values


class Schedule:
    """What all schedules share: they count, and set the learning rate of each group.

    `last_epoch` is the number of the current epoch, 0 after construction. A rate is a formula of
    that number and of the group's first rate, "initial_lr".
    """

    def __init__(self, optimizer, last_epoch=-1):
        _check_optimizer(optimizer)
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError("initial_lr: expected it in each group to go on from, got none")
        self.optimizer = optimizer
        self.last_epoch = last_epoch
        self.step()

    def lr_at(self, epoch, group):
        """The learning rate of that group in that epoch."""
        raise NotImplementedError

    def step(self):
        """Go on to the next epoch; call it after the optimizer's step or epoch."""
        self.last_epoch += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr_at(self.last_epoch, group)

    def get_last_lr(self):
        """The learning rates as they are now, one a group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        """All that is needed to go on later, but for the optimizer."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict):
        """Go on from a `state_dict`."""
        vars(self).update(state_dict)


class StepLR(Schedule):
    r"""A staircase: $\eta_n = \eta_0\, \gamma^{\lfloor n / s \rfloor}$ with $s$ = step_size.

    Shapes: optimizer, one with `param_groups`; the rest are numbers.
    Raises: TypeError if optimizer is none; ValueError if step_size is no whole number from 1;
    KeyError if last_epoch is given and a group has no "initial_lr".
    Source: PyTorch's `StepLR`; document 001 (staircase), 002 (step decay).
    """

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        _check_count("step_size", step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def lr_at(self, epoch, group):
        """The learning rate of that group in that epoch."""
        return group["initial_lr"] * self.gamma ** (epoch // self.step_size)


class ExponentialLR(Schedule):
    r"""The same factor each epoch: $\eta_n = \eta_0\, \gamma^n$.

    Shapes: optimizer, one with `param_groups`; the rest are numbers.
    Raises: TypeError if optimizer is none; KeyError if last_epoch is given and a group has no
    "initial_lr".
    Source: PyTorch's `ExponentialLR`; documents 001 and 002, whose
    $e^{-kn}$ is $\gamma = e^{-k}$.
    """

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def lr_at(self, epoch, group):
        """The learning rate of that group in that epoch."""
        return group["initial_lr"] * self.gamma**epoch


class LambdaLR(Schedule):
    r"""Any formula: $\eta_n = \eta_0\, f(n)$ with $f$ = lr_lambda.

    Shapes: optimizer, one with `param_groups`; lr_lambda a function of the epoch.
    Raises: TypeError if optimizer is none or lr_lambda no function; KeyError if last_epoch is
    given and a group has no "initial_lr".
    Source: PyTorch's `LambdaLR`.
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        if not callable(lr_lambda):
            raise TypeError(f"lr_lambda: expected a function, got {type(lr_lambda).__name__}")
        self.lr_lambda = lr_lambda
        super().__init__(optimizer, last_epoch)

    def lr_at(self, epoch, group):
        """The learning rate of that group in that epoch."""
        return group["initial_lr"] * float(self.lr_lambda(epoch))


class CosineAnnealingLR(Schedule):
    r"""Half a cosine: $\eta_{\min} + \frac{\eta_0 - \eta_{\min}}{2}(1 + \cos\frac{\pi n}{T})$.

    $\eta_{\min}$ is eta_min, $T$ is T_max; after it the rate rises again, as the cosine does.

    Shapes: optimizer, one with `param_groups`; the rest are numbers.
    Raises: TypeError if optimizer is none; ValueError if T_max is no whole number from 1; KeyError
    if last_epoch is given and a group has no "initial_lr".
    Source: PyTorch's `CosineAnnealingLR`; Loshchilov and Hutter 2017.
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        _check_count("T_max", T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def lr_at(self, epoch, group):
        """The learning rate of that group in that epoch."""
        share = (1 + math.cos(math.pi * epoch / self.T_max)) / 2
        return self.eta_min + (group["initial_lr"] - self.eta_min) * share


class LinearWarmup(Schedule):
    r"""A ramp: $\eta_n = \eta_0 \bigl(a + (b - a) \min(n, T) / T\bigr)$, then level.

    $a$ is start_factor, $b$ end_factor and $T$ total_iters.

    Shapes: optimizer, one with `param_groups`; the rest are numbers.
    Raises: TypeError if optimizer is none; ValueError if start_factor is not in (0, 1], end_factor
    not in [0, 1], or total_iters no whole number from 1; KeyError if last_epoch is given and a
    group has no "initial_lr".
    Source: PyTorch's `LinearLR`; Goyal et al. 2017; document 002 (warm up).
    """

    def __init__(self, optimizer, start_factor=1.0 / 3, end_factor=1.0, total_iters=5,
                 last_epoch=-1):  # fmt: skip
        if not 0 < start_factor <= 1:
            raise ValueError(f"start_factor: expected above 0 and at most 1, got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"end_factor: expected a number from 0 to 1, got {end_factor}")
        _check_count("total_iters", total_iters)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def lr_at(self, epoch, group):
        """The learning rate of that group in that epoch."""
        done = min(epoch, self.total_iters) / self.total_iters
        return group["initial_lr"] * (
            self.start_factor + (self.end_factor - self.start_factor) * done
        )


class _Cycle(Schedule):
    """A schedule that moves the momentum too: high where the learning rate is low."""

    def _start(self, optimizer, cycle_momentum, base_momentum, max_momentum):
        """Note in each group between which values its momentum moves."""
        defaults = optimizer.defaults if cycle_momentum else {"momentum": 0.0}
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                "cycle_momentum: expected an optimizer with momentum or betas, "
                f"got {type(optimizer).__name__}"
            )
        self.cycle_momentum = cycle_momentum
        low = _for_groups("base_momentum", base_momentum, optimizer)
        high = _for_groups("max_momentum", max_momentum, optimizer)
        if cycle_momentum:
            for group, least, most in zip(optimizer.param_groups, low, high, strict=True):
                group["base_momentum"], group["max_momentum"] = least, most

    def momentum_at(self, epoch, group):
        """The momentum of that group in that epoch."""
        raise NotImplementedError

    def step(self):
        """Go on to the next step: set learning rate and momentum; call it after each batch."""
        super().step()
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                momentum = self.momentum_at(self.last_epoch, group)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum


class CyclicLR(_Cycle):
    r"""A saw between two rates: $\eta_{\text{base}} + (\eta_{\max} - \eta_{\text{base}})\, h_n$.

    The height $h_n$ rises from 0 to 1 in step_size_up steps and falls in step_size_down. Its teeth
    stay as they are ("triangular"), are halved each cycle ("triangular2") or shrink by gamma each
    step ("exp_range"); scale_fn is any other factor, of the cycle's or the step's number as
    scale_mode says. Momentum moves the other way.

    Shapes: optimizer, one with `param_groups`; base_lr, max_lr and both momenta a number, or a
    list with one for each group; the rest are numbers.
    Raises: TypeError if optimizer is none; ValueError if a size is not positive, mode is unknown,
    a list has another length, or cycle_momentum finds no momentum; KeyError if last_epoch is given
    and a group has no "initial_lr".
    Source: PyTorch's `CyclicLR`; Smith 2017; document 002.
    """

    def __init__(self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None,
                 mode="triangular", gamma=1.0, scale_fn=None, scale_mode="cycle",
                 cycle_momentum=True, base_momentum=0.8, max_momentum=0.9,
                 last_epoch=-1):  # fmt: skip
        _check_optimizer(optimizer)
        step_size_down = step_size_up if step_size_down is None else step_size_down
        for name, size in (("step_size_up", step_size_up), ("step_size_down", step_size_down)):
            if not size > 0:
                raise ValueError(f"{name}: expected a number above 0, got {size}")
        scales = {
            "triangular": (lambda cycle: 1.0, "cycle"),
            "triangular2": (lambda cycle: 0.5 ** (cycle - 1), "cycle"),
            "exp_range": (lambda step: gamma**step, "iterations"),
        }
        if scale_fn is None and mode not in scales:
            raise ValueError(f"mode: expected one of {list(scales)}, got {mode!r}")
        self.scale_fn, self.scale_mode = (scale_fn, scale_mode) if scale_fn else scales[mode]
        self.up, self.total = step_size_up, step_size_up + step_size_down
        base = _for_groups("base_lr", base_lr, optimizer)
        high = _for_groups("max_lr", max_lr, optimizer)
        for group, least, most in zip(optimizer.param_groups, base, high, strict=True):
            group["initial_lr"], group["max_lr"] = least, most
        self._start(optimizer, cycle_momentum, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def height(self, epoch):
        """How far up the tooth that step is, times the scale of the tooth."""
        cycle, position = divmod(epoch, self.total)
        if position <= self.up:
            height = position / self.up
        else:
            height = (self.total - position) / (self.total - self.up)
        return height * self.scale_fn(cycle + 1 if self.scale_mode == "cycle" else epoch)

    def lr_at(self, epoch, group):
        """The learning rate of that group at that step."""
        return group["initial_lr"] + (group["max_lr"] - group["initial_lr"]) * self.height(epoch)

    def momentum_at(self, epoch, group):
        """The momentum of that group at that step."""
        low, high = group["base_momentum"], group["max_momentum"]
        return high - (high - low) * self.height(epoch)


class OneCycleLR(_Cycle):
    r"""One cycle for a whole training: up to max_lr, then far down, along cosines or lines.

    The rate starts at max_lr / div_factor, reaches max_lr after the share pct_start of the steps,
    and ends at the first rate / final_div_factor. With three_phase it falls as it rose and only
    then goes far down. Momentum moves the other way.

    Shapes: optimizer, one with `param_groups`; max_lr and both momenta a number, or a list with one
    for each group; the rest are numbers.
    Raises: TypeError if optimizer is none; ValueError if neither total_steps nor epochs and
    steps_per_epoch are whole numbers from 1, pct_start is not in [0, 1], anneal_strategy is
    unknown, a list has another length, cycle_momentum finds no momentum, or there are more steps
    than announced; KeyError if last_epoch is given and a group has no "initial_lr".
    Source: PyTorch's `OneCycleLR`; Smith and Topin 2018; document 002.
    """

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None,
                 pct_start=0.3, anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85,
                 max_momentum=0.95, div_factor=25.0, final_div_factor=1e4, three_phase=False,
                 last_epoch=-1):  # fmt: skip
        _check_optimizer(optimizer)
        if total_steps is None:
            _check_count("epochs", epochs)
            _check_count("steps_per_epoch", steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        _check_count("total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start: expected a number from 0 to 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy: expected 'cos' or 'linear', got {anneal_strategy!r}"
            )
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        top, last = pct_start * total_steps - 1, total_steps - 1
        if three_phase:
            self.phases = [
                (top, "initial_lr", "max_lr"),
                (2 * top, "max_lr", "initial_lr"),
                (last, "initial_lr", "min_lr"),
            ]
        else:
            self.phases = [(top, "initial_lr", "max_lr"), (last, "max_lr", "min_lr")]
        high = _for_groups("max_lr", max_lr, optimizer)
        for group, most in zip(optimizer.param_groups, high, strict=True):
            group["initial_lr"], group["max_lr"] = most / div_factor, most
            group["min_lr"] = group["initial_lr"] / final_div_factor
        self._start(optimizer, cycle_momentum, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def _between(self, epoch, group, stations):
        """The value on the way from one station of a phase to the next."""
        if epoch > self.total_steps:
            raise ValueError(f"step: expected at most {self.total_steps} steps, got {epoch}")
        earlier = [ends for ends, *_ in self.phases[:-1] if ends < epoch]
        began = earlier[-1] if earlier else 0.0
        ends, *names = self.phases[len(earlier)]
        share = (epoch - began) / (ends - began) if ends > began else 1.0
        start, end = (group[stations.get(name, name)] for name in names)
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def lr_at(self, epoch, group):
        """The learning rate of that group at that step."""
        return self._between(epoch, group, {})

    def momentum_at(self, epoch, group):
        """The momentum of that group at that step."""
        high, low = "max_momentum", "base_momentum"
        return self._between(epoch, group, {"initial_lr": high, "max_lr": low, "min_lr": high})


class ReduceLROnPlateau:
    r"""New-bob and its relatives: $\eta \leftarrow \gamma \eta$ once a measure gets no better.

    A value counts as better than the best so far if it beats it by threshold, relative ("rel") or
    as a number ("abs"); "min" wants small values, "max" large ones. After more than patience
    values in a row that are not better the rates are multiplied by factor, but not below min_lr;
    then cooldown values are not counted. A change of less than eps is not made.
    factor=0.5, patience=0, threshold=0 is close to the rule that document 002 calls new bob,
    which compares with the epoch before instead of the best.

    Shapes: optimizer, one with `param_groups`; min_lr a number, or a list with one for each group.
    Raises: TypeError if optimizer is none; ValueError if factor is not below 1, mode or
    threshold_mode is unknown, or min_lr has another length.
    Source: PyTorch's `ReduceLROnPlateau`; document 002 (new bob).
    """

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4,
                 threshold_mode="rel", cooldown=0, min_lr=0, eps=1e-8):  # fmt: skip
        _check_optimizer(optimizer)
        if not factor < 1:
            raise ValueError(f"factor: expected a number below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode: expected 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode: expected 'rel' or 'abs', got {threshold_mode!r}")
        self.optimizer, self.mode, self.factor = optimizer, mode, factor
        self.patience, self.cooldown, self.eps = patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.min_lrs = _for_groups("min_lr", min_lr, optimizer)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def is_better(self, value):
        """Whether that value beats the best so far by the threshold."""
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "abs":
            bar = self.best + sign * self.threshold
        else:
            bar = self.best * (1 + sign * self.threshold)
        return sign * value > sign * bar

    def step(self, metrics):
        """Take note of the epoch's measure, and reduce the rates if it is time."""
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(group["lr"] * self.factor, least)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    get_last_lr = Schedule.get_last_lr
    state_dict = Schedule.state_dict
    load_state_dict = Schedule.load_state_dict


def lr_range_test(optimizer, closure, start_lr=1e-6, end_lr=10.0, num_iter=100, diverge_th=5.0):
    r"""The loss as the rate grows: step k is made at $\eta_0 (\eta_1 / \eta_0)^{k / (K - 1)}$.

    $\eta_0$ is start_lr, $\eta_1$ end_lr and $K$ num_iter. closure clears the gradients, computes
    the loss of its next mini-batch and the gradients, and returns the loss. The test ends early
    where the loss is not a number or above diverge_th times the smallest. Parameters, rates and
    state of the optimizer are put back.

    Shapes: optimizer, one with `param_groups`; returns the rates that were tried and the loss
    before the step at each, two arrays (k,) with k at most num_iter.
    Raises: TypeError if optimizer is none or closure no function; ValueError unless
    0 < start_lr < end_lr, num_iter is a whole number from 2, and diverge_th is above 1.
    Source: Smith 2017; document 000 (finding a learning rate).
    """
    _check_optimizer(optimizer)
    if not callable(closure):
        raise TypeError(f"closure: expected a function, got {type(closure).__name__}")
    if not 0 < start_lr < end_lr:
        raise ValueError(f"start_lr: expected 0 < start_lr < end_lr, got {start_lr} and {end_lr}")
    _check_count("num_iter", num_iter)
    if num_iter < 2 or not diverge_th > 1:
        raise ValueError(
            f"expected num_iter of at least 2 and diverge_th above 1, got {num_iter} and "
            f"{diverge_th}"
        )
    groups = optimizer.param_groups
    before = [group["lr"] for group in groups]
    values = [(param, copy.deepcopy(param.data)) for group in groups for param in group["params"]]
    state = {param: copy.deepcopy(kept) for param, kept in optimizer.state.items()}
    lrs, losses = np.geomspace(start_lr, end_lr, num_iter), []
    for lr in lrs.tolist():
        for group in groups:
            group["lr"] = lr
        loss = optimizer.step(closure)
        losses.append(float(loss.item() if hasattr(loss, "item") else loss))
        if not losses[-1] <= diverge_th * min(losses):
            break
    for group, lr in zip(groups, before, strict=True):
        group["lr"] = lr
    for param, value in values:
        param.data = value
    optimizer.state.clear()
    optimizer.state.update(state)
    return lrs[: len(losses)], np.array(losses)
