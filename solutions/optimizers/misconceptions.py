"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function (or is a class with the role of the
task's class). `autograder` records what it returns on the visible inputs and recognizes it there.
"""

import numpy as np
import torch

from autograder.misconceptions import misconception

# --- 1. running_average --------------------------------------------------------------------------


def _averages(values, beta, mix, report):
    """The averages by a rule for the next one and a rule for what is written down."""
    result, average = np.zeros(values.shape), 0.0
    for t, value in enumerate(values, start=1):
        average = mix(average, value, t)
        result[t - 1] = report(average, t)
    return result


@misconception("running_average")
def weights_swapped(values, beta, corrected=False):
    """You have beta and 1 - beta the wrong way round. beta is what is *kept*: with 0.9 nine tenths
    of the old average stay."""
    return _averages(
        values, beta,
        lambda a, value, t: (1 - beta) * a + beta * value,
        lambda a, t: a / (1 - beta**t) if corrected else a,
    )  # fmt: skip


@misconception("running_average")
def started_at_the_first_value(values, beta, corrected=False):
    """You start with the first value itself. A good idea in practice, but here W_0 is 0, and the
    first average is (1 - beta) times the first value."""
    return _averages(
        values, beta,
        lambda a, value, t: value if t == 1 else beta * a + (1 - beta) * value,
        lambda a, t: a / (1 - beta**t) if corrected else a,
    )  # fmt: skip


@misconception("running_average")
def t_as_a_factor(values, beta, corrected=False):
    """You divide by (1 - beta) * t. The t is an exponent of beta: 1 - beta**t. The weights so far
    sum to that, and never to more than 1."""
    return _averages(
        values, beta,
        lambda a, value, t: beta * a + (1 - beta) * value,
        lambda a, t: a / ((1 - beta) * t) if corrected else a,
    )  # fmt: skip


@misconception("running_average")
def correction_carried_on(values, beta, corrected=False):
    """The first average is right, then it drifts: you carry the corrected average on to the next
    step. Correct what you report, and carry on what you had."""
    rule = (lambda t: 1 - beta**t) if corrected else (lambda t: 1.0)
    return _averages(
        values, beta,
        lambda a, value, t: (beta * a + (1 - beta) * value) / rule(t),
        lambda a, t: a,
    )  # fmt: skip


@misconception("running_average")
def never_corrected(values, beta, corrected=False):
    """The plain averages are right. With corrected=True they stay as they are: divide each by
    1 - beta**t."""
    return _averages(
        values, beta, lambda a, value, t: beta * a + (1 - beta) * value, lambda a, t: a
    )


@misconception("running_average")
def one_minus_beta_forgotten(values, beta, corrected=False):
    """Your averages grow beyond the values: each value is added whole. Only the share 1 - beta of
    it is mixed in."""
    return _averages(
        values, beta,
        lambda a, value, t: beta * a + value,
        lambda a, t: a / (1 - beta**t) if corrected else a,
    )  # fmt: skip


# --- 2. cut --------------------------------------------------------------------------------------


def _pieces(order, size):
    return [order[start : start + size] for start in range(0, len(order), size)]


@misconception("cut")
def always_dropped(order, size, drop_last=False):
    """The short last batch is always missing. It is left out only with drop_last=True; otherwise
    these examples would never be seen in this epoch."""
    return [piece for piece in _pieces(order, size) if len(piece) == size]


@misconception("cut")
def never_dropped(order, size, drop_last=False):
    """The short last batch is always there. With drop_last=True it is left out."""
    return _pieces(order, size)


@misconception("cut")
def last_batch_always_dropped(order, size, drop_last=False):
    """With drop_last=True you leave out the last batch also where it is full. Look at its length
    first."""
    pieces = _pieces(order, size)
    return pieces[:-1] if drop_last else pieces


@misconception("cut")
def so_many_batches(order, size, drop_last=False):
    """You make `size` batches. `size` is the number of examples in each batch."""
    pieces = np.array_split(order, size)
    return pieces[:-1] if drop_last else list(pieces)


@misconception("cut")
def sorted_again(order, size, drop_last=False):
    """Your batches have the examples in sorted order. They were shuffled on purpose: a network that
    sees them sorted learns one class after the other."""
    pieces = _pieces(np.sort(order), size)
    return [piece for piece in pieces if len(piece) == size or not drop_last]


@misconception("cut")
def places_instead_of_examples(order, size, drop_last=False):
    """You return the places 0, 1, 2, ... in the list instead of the numbers that stand there. Use
    the places to cut `order`."""
    pieces = _pieces(np.arange(len(order)), size)
    return [piece for piece in pieces if len(piece) == size or not drop_last]


# --- 3. momentum_path ----------------------------------------------------------------------------


def _path(start, gradients, buffer_rule, move):
    """The path by a rule for the buffer and one for the step."""
    w, buffer, path = start, np.zeros(start.shape), np.zeros(gradients.shape)
    for t, g in enumerate(gradients):
        old, buffer = buffer, buffer_rule(buffer, g)
        w = w + move(g, buffer, old)
        path[t] = w
    return path


@misconception("momentum_path")
def averaged(start, gradients, lr, momentum, nesterov=False):
    """You mix in only the share 1 - momentum of each gradient. That is the other convention;
    PyTorch adds the whole gradient, and its rates are smaller in return."""
    return _path(
        start, gradients, lambda b, g: momentum * b + (1 - momentum) * g,
        lambda g, b, old: -lr * (g + momentum * b if nesterov else b),
    )  # fmt: skip


@misconception("momentum_path")
def forgetful(start, gradients, lr, momentum, nesterov=False):
    """Every step is plain gradient descent: your buffer does not survive the step. It has to be
    carried on from one gradient to the next."""
    return _path(
        start, gradients, lambda b, g: g,
        lambda g, b, old: -lr * (g + momentum * b if nesterov else b),
    )  # fmt: skip


@misconception("momentum_path")
def uphill(start, gradients, lr, momentum, nesterov=False):
    """You walk uphill. The gradient points to where the loss grows: subtract."""
    return _path(
        start, gradients, lambda b, g: momentum * b + g,
        lambda g, b, old: lr * (g + momentum * b if nesterov else b),
    )  # fmt: skip


@misconception("momentum_path")
def old_buffer(start, gradients, lr, momentum, nesterov=False):
    """Your step uses the buffer from before this gradient, so the first step goes nowhere. Update
    the buffer first."""
    return _path(
        start, gradients, lambda b, g: momentum * b + g,
        lambda g, b, old: -lr * (g + momentum * old if nesterov else old),
    )  # fmt: skip


@misconception("momentum_path")
def no_look_ahead(start, gradients, lr, momentum, nesterov=False):
    """Plain momentum is right. With nesterov=True nothing changes yet: the step is then
    g + momentum * b, with the new b."""
    return _path(start, gradients, lambda b, g: momentum * b + g, lambda g, b, old: -lr * b)


@misconception("momentum_path")
def gradient_forgotten_in_the_look_ahead(start, gradients, lr, momentum, nesterov=False):
    """Plain momentum is right. With nesterov=True you step along momentum * b alone; the gradient
    itself is missing from the sum."""
    return _path(
        start, gradients, lambda b, g: momentum * b + g,
        lambda g, b, old: -lr * (momentum * b if nesterov else b),
    )  # fmt: skip


@misconception("momentum_path")
def rate_forgotten(start, gradients, lr, momentum, nesterov=False):
    """Your steps do not depend on the learning rate. Multiply the buffer by lr when you step."""
    return _path(
        start, gradients, lambda b, g: momentum * b + g,
        lambda g, b, old: -(g + momentum * b if nesterov else b),
    )  # fmt: skip


# --- 4. adam_step --------------------------------------------------------------------------------


def _averaged(g, m, v, beta1, beta2):
    return beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2


@misconception("adam_step")
def not_corrected(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """m and v are right, but you do not correct them. At first v is far too small, more so than m,
    and the steps are several times too long."""
    m, v = _averaged(g, m, v, beta1, beta2)
    return w - lr * m / (np.sqrt(v) + eps), m, v


@misconception("adam_step")
def times_t(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """m and v are right. You correct by (1 - beta) * t; some notes print it like that, but the t
    is an exponent of beta: 1 - beta**t."""
    m, v = _averaged(g, m, v, beta1, beta2)
    m_hat, v_hat = m / ((1 - beta1) * t), v / ((1 - beta2) * t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


@misconception("adam_step")
def corrected_and_kept(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """w is right. But you return the corrected averages, and the next step would correct them
    again. What is remembered is m and v without hats."""
    m, v = _averaged(g, m, v, beta1, beta2)
    m, v = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m / (np.sqrt(v) + eps), m, v


@misconception("adam_step")
def epsilon_in_the_root(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """Nearly right: your epsilon stands inside the root. It belongs outside, where it counts in the
    same unit as the gradient."""
    m, v = _averaged(g, m, v, beta1, beta2)
    return w - lr * (m / (1 - beta1**t)) / np.sqrt(v / (1 - beta2**t) + eps), m, v


@misconception("adam_step")
def root_forgotten(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """m and v are right. You divide by v itself; v is an average of squares, and only its root has
    the size of a gradient."""
    m, v = _averaged(g, m, v, beta1, beta2)
    return w - lr * (m / (1 - beta1**t)) / (v / (1 - beta2**t) + eps), m, v


@misconception("adam_step")
def square_forgotten(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """Your v averages the size of the gradient, |g|. It is the square that is averaged."""
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * np.abs(g)
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


@misconception("adam_step")
def the_gradient_itself(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """m and v are right, but you step along g instead of the corrected m. That is RMSprop with a
    correction: the momentum is missing."""
    m, v = _averaged(g, m, v, beta1, beta2)
    return w - lr * g / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


# --- 5. warmup_cosine ----------------------------------------------------------------------------


def _along(steps, total, warmup):
    return np.minimum((steps - warmup) / (total - warmup), 1.0)


@misconception("warmup_cosine")
def first_step_of_zero(steps, total, warmup, peak):
    """Your ramp starts at 0, so that the first step does nothing. Step 0 has the rate peak / W: one
    W-th, not zero W-ths."""
    cosine = 0.5 * (1 + np.cos(np.pi * _along(steps, total, warmup)))
    return peak * np.where(steps < warmup, steps / max(warmup, 1), cosine)


@misconception("warmup_cosine")
def cosine_from_the_start(steps, total, warmup, peak):
    """After the ramp your rate jumps down: you count the cosine from step 0. It starts at its top
    when the warm-up ends: (n - W) / (T - W)."""
    cosine = 0.5 * (1 + np.cos(np.pi * np.minimum(steps / total, 1.0)))
    return peak * np.where(steps < warmup, (steps + 1) / max(warmup, 1), cosine)


@misconception("warmup_cosine")
def twice_the_peak(steps, total, warmup, peak):
    """Your cosine part starts at twice the peak. 1 + cos goes from 2 to 0: take half of it."""
    cosine = 1 + np.cos(np.pi * _along(steps, total, warmup))
    return peak * np.where(steps < warmup, (steps + 1) / max(warmup, 1), cosine)


@misconception("warmup_cosine")
def up_again(steps, total, warmup, peak):
    """Until step T all is right. After it your rate rises again, as a cosine does: there it has to
    stay at 0."""
    cosine = 0.5 * (1 + np.cos(np.pi * (steps - warmup) / (total - warmup)))
    return peak * np.where(steps < warmup, (steps + 1) / max(warmup, 1), cosine)


@misconception("warmup_cosine")
def straight_down(steps, total, warmup, peak):
    """The ends of your second part are right, but it is a straight line between them. Take half a
    cosine: slow at first, fast in the middle, slow at the end."""
    line = 1.0 - _along(steps, total, warmup)
    return peak * np.where(steps < warmup, (steps + 1) / max(warmup, 1), line)


@misconception("warmup_cosine")
def a_quarter_of_the_wave(steps, total, warmup, peak):
    """You take the cosine itself, and it ends at minus the peak: a negative rate walks uphill. Half
    of 1 + cos stays between 0 and 1."""
    cosine = np.cos(np.pi * _along(steps, total, warmup))
    return peak * np.where(steps < warmup, (steps + 1) / max(warmup, 1), cosine)


# --- 6. new_bob ----------------------------------------------------------------------------------


def _rates(losses, lr, factor, falls):
    """Rates by a rule that says whether the rate of epoch k is lower than that before."""
    rates = np.full(len(losses), float(lr))
    for k in range(1, len(losses)):
        rates[k] = rates[k - 1] * (factor if falls(k) else 1.0)
    return rates


@misconception("new_bob")
def only_while_the_gain_is_small(losses, lr, threshold, factor=0.5):
    """You halve after each epoch of small gain, and stop when the gain is large again. In new-bob
    the first small gain starts the decay for good."""
    return _rates(losses, lr, factor, lambda k: k > 1 and losses[k - 2] - losses[k - 1] < threshold)


@misconception("new_bob")
def only_when_it_rises(losses, lr, threshold, factor=0.5):
    """Your decay begins when the loss rises. That is too late: it begins when the *gain* is smaller
    than the threshold, though the loss still falls a little."""
    return _rates(losses, lr, factor, lambda k: any(np.diff(losses[:k]) > 0))


@misconception("new_bob")
def one_epoch_early(losses, lr, threshold, factor=0.5):
    """Each of your rates is an epoch early: it uses the loss after the very epoch that it is for.
    The rate of an epoch is decided before the epoch runs."""
    gains = -np.diff(losses)
    return _rates(losses, lr, factor, lambda k: any(gains[:k] < threshold))


@misconception("new_bob")
def one_epoch_late(losses, lr, threshold, factor=0.5):
    """Your decay begins an epoch late. The gain is known when an epoch ends, so the very next epoch
    already has the lower rate."""
    gains = -np.diff(losses)
    return _rates(losses, lr, factor, lambda k: any(gains[: max(k - 2, 0)] < threshold))


@misconception("new_bob")
def once(losses, lr, threshold, factor=0.5):
    """You lower the rate once and leave it there. After the first small gain *every* epoch has a
    lower rate than the one before."""
    gains = -np.diff(losses)
    small = np.flatnonzero(gains < threshold)
    return _rates(losses, lr, factor, lambda k: bool(small.size) and k == small[0] + 2)


@misconception("new_bob")
def gain_with_the_wrong_sign(losses, lr, threshold, factor=0.5):
    """Your decay begins where much is gained: the sign of the gain is turned. A gain is the loss
    before minus the loss now."""
    return _rates(losses, lr, factor, lambda k: any(-np.diff(losses[:k]) > threshold))


# --- 7. Lion -------------------------------------------------------------------------------------


class _Lion(torch.optim.Optimizer):
    """The loop around a step; each mistake writes its own `move`."""

    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.99, weight_decay=0.0):
        defaults = {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            options = group["lr"], group["beta1"], group["beta2"], group["weight_decay"]
            for p in group["params"]:
                if p.grad is not None:
                    m = self.state[p].get("m", torch.zeros_like(p))
                    self.state[p]["m"] = self.move(p, p.grad, m, *options)

    def move(self, p, g, m, lr, beta1, beta2, decay):
        """Move p in place and return the new m."""
        raise NotImplementedError


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


class _SignForgotten(_Lion):
    def move(self, p, g, m, lr, beta1, beta2, decay):
        p.sub_(lr * (beta1 * m + (1 - beta1) * g + decay * p))
        return beta2 * m + (1 - beta2) * g


@misconception("lion_path")
def sign_forgotten(*args):
    """You step along the average itself. Lion takes only its sign, so that every weight moves by
    lr."""
    return _run(_SignForgotten, *args)


class _UpdatedFirst(_Lion):
    def move(self, p, g, m, lr, beta1, beta2, decay):
        m = beta2 * m + (1 - beta2) * g
        p.sub_(lr * (torch.sign(m) + decay * p))
        return m


@misconception("lion_path")
def updated_first(*args):
    """You update m first and step along the sign of the new m. The step uses the *old* m, mixed
    with the gradient by beta1; m is updated after it, with beta2."""
    return _run(_UpdatedFirst, *args)


class _BetasSwapped(_Lion):
    def move(self, p, g, m, lr, beta1, beta2, decay):
        p.sub_(lr * (torch.sign(beta2 * m + (1 - beta2) * g) + decay * p))
        return beta1 * m + (1 - beta1) * g


@misconception("lion_path")
def betas_swapped(*args):
    """The two betas are the wrong way round: beta1 is for the step, beta2 for what is
    remembered."""
    return _run(_BetasSwapped, *args)


class _DecayInTheGradient(_Lion):
    def move(self, p, g, m, lr, beta1, beta2, decay):
        g = g + decay * p
        p.sub_(lr * torch.sign(beta1 * m + (1 - beta1) * g))
        return beta2 * m + (1 - beta2) * g


@misconception("lion_path")
def decay_in_the_gradient(*args):
    """You add the weight decay to the gradient, and there the sign swallows it. It stands beside
    the sign: sign(...) + weight_decay * w."""
    return _run(_DecayInTheGradient, *args)


class _DecayForgotten(_Lion):
    def move(self, p, g, m, lr, beta1, beta2, decay):
        p.sub_(lr * torch.sign(beta1 * m + (1 - beta1) * g))
        return beta2 * m + (1 - beta2) * g


@misconception("lion_path")
def decay_forgotten(*args):
    """Without weight decay all is right. With it, nothing changes yet: add weight_decay * w to the
    sign."""
    return _run(_DecayForgotten, *args)


class _NotInPlace(_Lion):
    def move(self, p, g, m, lr, beta1, beta2, decay):
        p = p - lr * (torch.sign(beta1 * m + (1 - beta1) * g) + decay * p)
        return beta2 * m + (1 - beta2) * g


@misconception("lion_path")
def not_in_place(*args):
    """Your parameters do not move. `p = p - ...` makes a new tensor and gives it the old name; the
    network still has the old one. Change it in place, with `p.sub_(...)`."""
    return _run(_NotInPlace, *args)


class _NothingRemembered(_Lion):
    def move(self, p, g, m, lr, beta1, beta2, decay):
        p.sub_(lr * (torch.sign(beta1 * m + (1 - beta1) * g) + decay * p))
        return torch.zeros_like(m)


@misconception("lion_path")
def nothing_remembered(*args):
    """Your m is zero at every step: it is not kept in self.state[p], so that each step sees only
    its own gradient."""
    return _run(_NothingRemembered, *args)


class _OneRateForAll(_Lion):
    def move(self, p, g, m, lr, beta1, beta2, decay):
        lr = self.param_groups[0]["lr"]
        p.sub_(lr * (torch.sign(beta1 * m + (1 - beta1) * g) + decay * p))
        return beta2 * m + (1 - beta2) * g


@misconception("lion_path")
def one_rate_for_all(*args):
    """The first parameter is right. The second one has a group with a rate of its own, and you step
    with the rate of the first: read the options from `group`, inside the loop."""
    return _run(_OneRateForAll, *args)
