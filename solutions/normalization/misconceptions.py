"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function (or is a class with the role of the
task's class). `autograder` records what it returns on the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. scaled_start -----------------------------------------------------------------------------


def _fans(noise):
    kernel = int(np.prod(noise.shape[2:]))
    return noise.shape[1] * kernel, noise.shape[0] * kernel


def _choose(mode, fan_in, fan_out, both):
    if mode not in ("fan_in", "fan_out", "fan_avg"):
        raise ValueError(mode)
    return {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": both}[mode]


@misconception("scaled_start")
def fans_swapped(noise, gain=1.0, mode="fan_in"):
    """You took the first number of the shape for the inputs. A weight is (out, in, *kernel), as in
    `nn.Linear`: one row for each unit."""
    b, a = _fans(noise)
    return noise * gain * _choose(mode, a, b, (a + b) / 2) ** -0.5


@misconception("scaled_start")
def kernel_not_counted(noise, gain=1.0, mode="fan_in"):
    """Right for linear layers. A unit of a convolution reads `in` channels at *each place* of its
    kernel: the places belong to the fans."""
    b, a = noise.shape[:2]
    return noise * gain * _choose(mode, a, b, (a + b) / 2) ** -0.5


@misconception("scaled_start")
def variance_for_deviation(noise, gain=1.0, mode="fan_in"):
    """You divide by n. That would be right for the variance; numbers are multiplied by a standard
    deviation, its root."""
    a, b = _fans(noise)
    return noise * gain / _choose(mode, a, b, (a + b) / 2)


@misconception("scaled_start")
def gain_under_the_root(noise, gain=1.0, mode="fan_in"):
    """Your gain stands under the square root. It is a factor of the standard deviation: gain
    divided by the root of n."""
    a, b = _fans(noise)
    return noise * (gain / _choose(mode, a, b, (a + b) / 2)) ** 0.5


@misconception("scaled_start")
def sum_for_mean(noise, gain=1.0, mode="fan_in"):
    """Right for one fan. For "fan_avg" you take the sum of both fans. Xavier's variance is 2
    divided by the sum, which is 1 divided by the mean."""
    a, b = _fans(noise)
    return noise * gain * _choose(mode, a, b, a + b) ** -0.5


@misconception("scaled_start")
def modes_not_checked(noise, gain=1.0, mode="fan_in"):
    """Right, except that an unknown mode is taken for one of the three. It needs a ValueError: a
    misspelt mode would otherwise go unnoticed."""
    a, b = _fans(noise)
    n = {"fan_in": a, "fan_out": b}.get(mode, (a + b) / 2)
    return noise * gain * n**-0.5


# --- 2. layer_sizes ------------------------------------------------------------------------------


def _walk(x, weights, grad_output, slope=lambda h: 1.0 - h**2, turn=lambda w: w):
    states = [x]
    for w in weights:
        states.append(np.tanh(states[-1] @ w.T))
    grads = [grad_output]
    for k in range(len(weights) - 1, 0, -1):
        grads.append((grads[-1] * slope(states[k + 1])) @ turn(weights[k]))
    return states[1:], grads[::-1]


def _stds(arrays):
    return np.array([np.std(values) for values in arrays])


@misconception("layer_sizes")
def backward_from_the_end(x, weights, grad_output):
    """Your forward is right, and your backward has the right numbers, the last layer first. Both
    results begin with the first layer."""
    states, grads = _walk(x, weights, grad_output)
    return _stds(states), _stds(grads[::-1])


@misconception("layer_sizes")
def slope_of_tanh_forgotten(x, weights, grad_output):
    """Your forward is right. On the way back you multiply by the weights only; the gradient must
    also pass each tanh, whose derivative is 1 - h**2."""
    states, grads = _walk(x, weights, grad_output, slope=lambda h: 1.0)
    return _stds(states), _stds(grads)


@misconception("layer_sizes")
def slope_at_the_output(x, weights, grad_output):
    """Your forward is right. For the slope of tanh you take 1 - tanh(h)**2, but h has been through
    the tanh already: in terms of the output the slope is 1 - h**2."""
    states, grads = _walk(x, weights, grad_output, slope=lambda h: 1.0 - np.tanh(h) ** 2)
    return _stds(states), _stds(grads)


@misconception("layer_sizes")
def before_the_activation(x, weights, grad_output):
    """Your sizes are those before the tanh (in the gradients, too). Asked for are the outputs of
    the layers."""
    h, before, slopes = x, [], []
    for w in weights:
        z = h @ w.T
        before.append(z)
        h = np.tanh(z)
        slopes.append(1.0 - h * h)
    _, grads = _walk(x, weights, grad_output)
    return _stds(before), _stds([g * s for g, s in zip(grads, slopes, strict=True)])


@misconception("layer_sizes")
def input_counted_as_layer(x, weights, grad_output):
    """Your results have an entry too many: that of the input. They begin with the output of the
    first layer."""
    states, grads = _walk(x, weights, grad_output)
    first = (grads[0] * (1.0 - states[0] ** 2)) @ weights[0]
    return _stds([x, *states]), _stds([first, *grads])


@misconception("layer_sizes")
def root_mean_square(x, weights, grad_output):
    """You return the root of the mean square. A standard deviation is measured around the mean,
    which is not quite zero: np.std does that."""
    states, grads = _walk(x, weights, grad_output)
    return tuple(np.array([(a**2).mean() ** 0.5 for a in some]) for some in (states, grads))


# --- 3. batch_norm_step --------------------------------------------------------------------------


def _memorize(
    x, running_mean, running_var, training, momentum, eps,
    axes=None, ddof=0, kept=1, alpha=None, use_memory=None, learn=None,
):  # fmt: skip
    """Batch norm with one thing changed."""
    axes = (0, *range(2, x.ndim)) if axes is None else axes
    alpha = momentum if alpha is None else alpha
    use_memory = not training if use_memory is None else use_memory
    learn = training if learn is None else learn
    shape = (1, -1, *[1] * (x.ndim - 2))
    center, spread = np.mean(x, axis=axes), np.var(x, axis=axes, ddof=ddof)
    if use_memory:
        center, spread = running_mean, running_var
    y = (x - center.reshape(shape)) / (spread.reshape(shape) + eps) ** 0.5
    if learn:
        new = np.mean(x, axis=axes), np.var(x, axis=axes, ddof=kept)
        running_mean = running_mean + alpha * (new[0] - running_mean)
        running_var = running_var + alpha * (new[1] - running_var)
    return y, running_mean, running_var


@misconception("batch_norm_step")
def biased_memory(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Your y and your mean are right. The variance that goes into the memory is divided by m -
    1, not by m: see hint 3. Many a hand-made batch norm has this slip."""
    return _memorize(x, running_mean, running_var, training, momentum, eps, kept=0)


@misconception("batch_norm_step")
def unbiased_in_y(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Your memory is right. The variance that normalizes is divided by m; m - 1 is for the memory
    only."""
    return _memorize(x, running_mean, running_var, training, momentum, eps, ddof=1)


@misconception("batch_norm_step")
def momentum_the_other_way(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Your y is right. In your memory the momentum weighs the old value. Here, as in PyTorch, it
    weighs the new one: 0.1 moves a tenth of the way."""
    return _memorize(x, running_mean, running_var, training, momentum, eps, alpha=1 - momentum)


@misconception("batch_norm_step")
def memory_used_in_training(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Your memory is right, but you normalize by it in training, too. In training the statistics
    of the batch at hand normalize."""
    return _memorize(x, running_mean, running_var, training, momentum, eps, use_memory=True)


@misconception("batch_norm_step")
def batch_used_in_evaluation(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Right in training. In evaluation you normalize by the batch: then an answer depends on who
    else is asked. Use what the layer remembers."""
    return _memorize(x, running_mean, running_var, training, momentum, eps, use_memory=False)


@misconception("batch_norm_step")
def learns_in_evaluation(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Right in training, and your y is right. In evaluation the memory stays as it is; yours moves
    on."""
    return _memorize(x, running_mean, running_var, training, momentum, eps, learn=True)


@misconception("batch_norm_step")
def epsilon_beside_the_root(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Your memory is right. You add eps to the standard deviation; it stands under the root, beside
    the variance. You see the difference where values are small."""
    _, *moved = _memorize(x, running_mean, running_var, training, momentum, eps)
    y, *_ = _memorize(x, running_mean, running_var, training, momentum, 0.0)
    shape = (1, -1, *[1] * (x.ndim - 2))
    axes = (0, *range(2, x.ndim))
    spread = (np.var(x, axis=axes) if training else running_var).reshape(shape) ** 0.5
    return y * spread / (spread + eps), *moved


@misconception("batch_norm_step")
def each_place_by_itself(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Right for vectors. In a picture all places of a channel share one mean and one variance: the
    axes are all but axis 1."""
    if x.ndim == 2 or not training:
        return _memorize(x, running_mean, running_var, training, momentum, eps)
    _, *moved = _memorize(x, running_mean, running_var, training, momentum, eps)
    center, spread = x.mean(axis=0), x.var(axis=0)
    return (x - center) / (spread + eps) ** 0.5, *moved


# --- 4. batch_norm_gradients ---------------------------------------------------------------------


def _back(grad_output, x, gamma, eps, first=1.0, second=1.0, factor=True):
    spread = (np.var(x, axis=0) + eps) ** 0.5
    unit = (x - np.mean(x, axis=0)) / spread
    g = grad_output * gamma if factor else grad_output
    inner = g - first * np.mean(g, axis=0) - second * unit * np.mean(g * unit, axis=0)
    return inner / spread, np.sum(grad_output * unit, axis=0), np.sum(grad_output, axis=0)


@misconception("batch_norm_gradients")
def statistics_as_constants(grad_output, x, gamma, eps=1e-5):
    """Your grad_gamma and grad_beta are right. In grad_x you treat mean and variance as given
    numbers, as they are in evaluation. In training they come from x, and so pass gradient to it."""
    return _back(grad_output, x, gamma, eps, first=0.0, second=0.0)


@misconception("batch_norm_gradients")
def variance_as_constant(grad_output, x, gamma, eps=1e-5):
    """Your grad_x takes away the mean of the gradient, but not its part along x_hat. That part
    comes through the variance; most people forget it."""
    return _back(grad_output, x, gamma, eps, second=0.0)


@misconception("batch_norm_gradients")
def mean_as_constant(grad_output, x, gamma, eps=1e-5):
    """Your grad_x takes away the part along x_hat, but not the mean of the gradient, which comes
    through the mean of x. Look at hint 4."""
    return _back(grad_output, x, gamma, eps, first=0.0)


@misconception("batch_norm_gradients")
def gamma_forgotten(grad_output, x, gamma, eps=1e-5):
    """Your grad_gamma and grad_beta are right. In grad_x the factor gamma is missing: y is gamma
    times x_hat."""
    return _back(grad_output, x, gamma, eps, factor=False)


@misconception("batch_norm_gradients")
def parameters_averaged(grad_output, x, gamma, eps=1e-5):
    """Your grad_x is right. You average the gradients of gamma and beta over the examples. The
    chain rule sums; a mean in the loss is in grad_output already."""
    grad_x, grad_gamma, grad_beta = _back(grad_output, x, gamma, eps)
    return grad_x, grad_gamma / len(x), grad_beta / len(x)


@misconception("batch_norm_gradients")
def gamma_meets_raw_input(grad_output, x, gamma, eps=1e-5):
    """Your grad_gamma multiplies with x. What gamma is multiplied by is x_hat, the normalized x."""
    grad_x, _, grad_beta = _back(grad_output, x, gamma, eps)
    return grad_x, np.sum(grad_output * x, axis=0), grad_beta


@misconception("batch_norm_gradients")
def means_over_features(grad_output, x, gamma, eps=1e-5):
    """Your statistics run over the features of an example. That is layer norm; here each feature is
    normalized over the examples, along axis 0."""
    spread = (np.var(x, axis=1, keepdims=True) + eps) ** 0.5
    unit = (x - np.mean(x, axis=1, keepdims=True)) / spread
    g = grad_output * gamma
    inner = g - np.mean(g, axis=1, keepdims=True)
    inner = inner - unit * np.mean(g * unit, axis=1, keepdims=True)
    return inner / spread, np.sum(grad_output * unit, axis=0), np.sum(grad_output, axis=0)


# --- 5. group_norm -------------------------------------------------------------------------------


def _grouped(x, num_groups, gamma, beta, eps, axes=2, ddof=0):
    if x.shape[1] % num_groups:
        raise ValueError(num_groups)
    table = np.reshape(x, (x.shape[0], num_groups, -1))
    center = np.mean(table, axis=axes, keepdims=True)
    spread = np.var(table, axis=axes, ddof=ddof, keepdims=True)
    unit = np.reshape((table - center) / (spread + eps) ** 0.5, x.shape)
    shape = (-1, *[1] * (x.ndim - 2))
    return unit * gamma.reshape(shape) + beta.reshape(shape)


@misconception("group_norm")
def over_the_batch_too(x, num_groups, gamma, beta, eps=1e-5):
    """Your statistics run over the examples as well. Group norm never looks at the others in the
    batch."""
    return _grouped(x, num_groups, gamma, beta, eps, axes=(0, 2))


@misconception("group_norm")
def interleaved_groups(x, num_groups, gamma, beta, eps=1e-5):
    """You deal the channels out like cards: every G-th channel is in one group. Neighbors belong
    together: the first C / G channels are the first group."""
    order = np.argsort(np.arange(x.shape[1]) % num_groups, kind="stable")
    back = np.argsort(order)
    dealt = _grouped(x[:, order], num_groups, gamma[order], beta[order], eps)
    return dealt[:, back]


@misconception("group_norm")
def all_channels_together(x, num_groups, gamma, beta, eps=1e-5):
    """Right for one group. You normalize all channels of an example together, which is layer norm;
    num_groups changes nothing."""
    if x.shape[1] % num_groups:
        raise ValueError(num_groups)
    return _grouped(x, 1, gamma, beta, eps)


@misconception("group_norm")
def each_place_of_a_group(x, num_groups, gamma, beta, eps=1e-5):
    """Right for vectors. In pictures you normalize each place by itself. A group takes its channels
    and all their places together."""
    if x.shape[1] % num_groups:
        raise ValueError(num_groups)
    table = x.reshape(x.shape[0], num_groups, x.shape[1] // num_groups, *x.shape[2:])
    center, spread = table.mean(axis=2, keepdims=True), table.var(axis=2, keepdims=True)
    unit = ((table - center) / (spread + eps) ** 0.5).reshape(x.shape)
    shape = (-1, *[1] * (x.ndim - 2))
    return unit * gamma.reshape(shape) + beta.reshape(shape)


@misconception("group_norm")
def sizes_for_groups(x, num_groups, gamma, beta, eps=1e-5):
    """You took num_groups for the number of channels in a group. It is the number of groups."""
    if x.shape[1] % num_groups:
        raise ValueError(num_groups)
    return _grouped(x, x.shape[1] // num_groups, gamma, beta, eps)


@misconception("group_norm")
def group_epsilon_beside_the_root(x, num_groups, gamma, beta, eps=1e-5):
    """You add eps to the standard deviation; it stands under the root, beside the variance. You see
    the difference where values are small."""
    if x.shape[1] % num_groups:
        raise ValueError(num_groups)
    table = x.reshape(x.shape[0], num_groups, -1)
    spread = table.std(axis=2, keepdims=True)
    unit = ((table - table.mean(axis=2, keepdims=True)) / (spread + eps)).reshape(x.shape)
    shape = (-1, *[1] * (x.ndim - 2))
    return unit * gamma.reshape(shape) + beta.reshape(shape)


# --- 6. clip_gradients ---------------------------------------------------------------------------


def _limit(max_norm):
    if max_norm <= 0:
        raise ValueError(max_norm)
    return max_norm


def _length(gradients):
    return float(np.linalg.norm(np.concatenate([np.ravel(g) for g in gradients])))


@misconception("clip_gradients")
def each_by_itself(gradients, max_norm):
    """You clip each gradient by its own norm. Then short ones stay and long ones shrink, and the
    direction of the step as a whole changes. There is one norm, and one factor, for all."""
    _limit(max_norm)
    return _length(gradients), [
        g * min(1.0, max_norm / max(_length([g]), 1e-12)) for g in gradients
    ]


@misconception("clip_gradients")
def by_value(gradients, max_norm):
    """You cut off each number at the limit. That is clipping by value; it bends the direction.
    Clipping by norm multiplies all numbers by one factor."""
    _limit(max_norm)
    return _length(gradients), [np.clip(g, -max_norm, max_norm) for g in gradients]


@misconception("clip_gradients")
def always_to_the_limit(gradients, max_norm):
    """You bring every gradient to the limit, short ones too. Clipping only shortens: what is within
    the limit stays as it is."""
    _limit(max_norm)
    length = _length(gradients)
    return length, [g * (max_norm / length if length else 1.0) for g in gradients]


@misconception("clip_gradients")
def root_forgotten(gradients, max_norm):
    """Your norm is the sum of the squares: the root is missing, and with it your factor is
    wrong."""
    _limit(max_norm)
    square = _length(gradients) ** 2
    return square, [g * min(1.0, max_norm / max(square, 1e-12)) for g in gradients]


@misconception("clip_gradients")
def norms_added_up(gradients, max_norm):
    """Your norm is the sum of the norms of the arrays. Add up the squares of all numbers, and take
    the root once."""
    _limit(max_norm)
    total = sum(_length([g]) for g in gradients)
    return total, [g * min(1.0, max_norm / max(total, 1e-12)) for g in gradients]


@misconception("clip_gradients")
def norm_after_clipping(gradients, max_norm):
    """Your gradients are right. The norm you return is that of the clipped ones; asked for is the
    one before, which tells how wild training is."""
    _limit(max_norm)
    length = _length(gradients)
    clipped = [g * min(1.0, max_norm / max(length, 1e-12)) for g in gradients]
    return _length(clipped), clipped


# --- 7. ResidualBlock ----------------------------------------------------------------------------


class _Block(nn.Module):
    def __init__(self, num_features, num_hidden):
        super().__init__()
        self.first = nn.Linear(num_features, num_hidden)
        self.second = nn.Linear(num_hidden, num_features)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)


@misconception("ResidualBlock")
class WayAroundForgotten(_Block):
    """Your block is two plain layers: what came in is not added. A fresh one returns zeros, and no
    gradient gets around it."""

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))))


@misconception("ResidualBlock")
class AddedAfterTheRelu(_Block):
    """You add x after the last ReLU. Then nothing that has come in can become smaller again. The
    sum comes first, then the ReLU."""

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x)))) + x


@misconception("ResidualBlock")
class ReluInTheMiddleForgotten(_Block):
    """The ReLU between your two layers is missing. Without it they are one linear layer, however
    many hidden units there are."""

    def forward(self, x):
        return torch.relu(self.second(self.first(x)) + x)


@misconception("ResidualBlock")
class ReluAtTheEndForgotten(_Block):
    """The last ReLU is missing: negative sums come out as they are."""

    def forward(self, x):
        return self.second(torch.relu(self.first(x))) + x


@misconception("ResidualBlock")
class Multiplied(_Block):
    """You multiply by x where it should be added. With a second layer of zeros everything is zero,
    forward and backward."""

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) * x)


@misconception("ResidualBlock")
class CutOff(_Block):
    """The output is right, but what you add is detached: no gradient takes the way around. That was
    the point of it. Add x itself."""

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + x.detach())


@misconception("ResidualBlock")
class NotAtZero(nn.Module):
    """With given weights your block is right. A fresh one does not hand on its input: weight and
    bias of `second` have to start at zero."""

    def __init__(self, num_features, num_hidden):
        super().__init__()
        self.first = nn.Linear(num_features, num_hidden)
        self.second = nn.Linear(num_hidden, num_features)
        nn.init.constant_(self.second.weight, 0.1)
        nn.init.constant_(self.second.bias, 0.1)
        nn.init.constant_(self.first.weight, 0.1)
        nn.init.zeros_(self.first.bias)

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + x)
