"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function (or is a class with the role of the
task's class). `autograder` records what it returns on the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. collapse ---------------------------------------------------------------------------------


@misconception("collapse")
def last_bias_only(layers):
    """Your weight is right, but only the last bias arrives. What do the later layers do to the
    bias of an earlier one?"""
    weight, bias = layers[0]
    for next_weight, next_bias in layers[1:]:
        weight, bias = next_weight @ weight, next_bias
    return weight, bias


@misconception("collapse")
def biases_only_added(layers):
    """You add the biases as they are. But what the first layer adds passes through every later
    layer, just as x does."""
    weight, bias = layers[0]
    for next_weight, next_bias in layers[1:]:
        weight, bias = next_weight @ weight, bias + next_bias
    return weight, bias


@misconception("collapse")
def product_in_reading_order(layers):
    """Your product of the weights begins with the first layer on the left. The layer that meets x
    first stands next to x, so it is the rightmost factor."""
    weight, bias = layers[0]
    for next_weight, next_bias in layers[1:]:
        weight, bias = weight @ next_weight, next_weight @ bias + next_bias
    return weight, bias


@misconception("collapse")
def bias_through_earlier_layer(layers):
    """Your weight is right. In the bias you multiply the later bias by an earlier weight. Which of
    the two biases has a layer still to come?"""
    weight, bias = layers[0]
    for next_weight, next_bias in layers[1:]:
        weight, bias = next_weight @ weight, weight @ next_bias + bias
    return weight, bias


@misconception("collapse")
def weight_transposed(layers):
    """Your weight is the transpose of the one expected. Its shape is (outputs, inputs), as in
    `nn.Linear`; the layer itself transposes it when it multiplies x."""
    weight, bias = layers[0]
    for next_weight, next_bias in layers[1:]:
        weight, bias = next_weight @ weight, next_weight @ bias + next_bias
    return weight.T, bias


@misconception("collapse")
def bias_from_the_wrong_side(layers):
    """Your weight is right. But the earlier bias goes through the later weight from the wrong side:
    in x @ W.T the W is transposed, and a bias goes the same way as x."""
    weight, bias = layers[0]
    for next_weight, next_bias in layers[1:]:
        weight, bias = next_weight @ weight, bias @ next_weight + next_bias
    return weight, bias


# --- 2. sigmoid_and_tanh -------------------------------------------------------------------------


def _sigmoid(z):
    return 0.5 * (1.0 + np.tanh(0.5 * z))


@misconception("sigmoid_and_tanh")
def tanh_of_half(z):
    """Your sigmoid is right. Your tanh is (1 - e^-z) / (1 + e^-z), which one of the slide decks
    behind this course prints. That is tanh(z / 2): try it at z = log(3), where tanh is 0.8. How
    large is the exponent in tanh?"""
    return _sigmoid(z), np.tanh(0.5 * z)


@misconception("sigmoid_and_tanh")
def exponential_overflows(z):
    """Right for moderate z, but for very negative z the exponential of -z overflows, and infinity
    divided by infinity is nan. Take the exponential of -|z| only."""
    with np.errstate(over="ignore", invalid="ignore"):
        q = np.exp(-z)
        return 1.0 / (1.0 + q), (1.0 - q**2) / (1.0 + q**2)


@misconception("sigmoid_and_tanh")
def sign_lost(z):
    """Right for positive z. With |z| alone, z and -z give the same result. The sign of z has to
    come back in: differently in the sigmoid and in tanh."""
    return _sigmoid(np.abs(z)), np.tanh(np.abs(z))


@misconception("sigmoid_and_tanh")
def sign_lost_in_tanh(z):
    """Your sigmoid is right, and so is your tanh for positive z. But tanh is odd: below zero it is
    negative."""
    return _sigmoid(z), np.tanh(np.abs(z))


@misconception("sigmoid_and_tanh")
def tanh_not_centered(z):
    """Your sigmoid is right. Your tanh runs from 0 to 2: the sigmoid is stretched, but not yet
    moved down to be centered at zero."""
    return _sigmoid(z), 2.0 * _sigmoid(2.0 * z)


@misconception("sigmoid_and_tanh")
def sigmoid_squared(z):
    """Your sigmoid is right. For tanh you need the sigmoid of twice z, and that is not the square
    of the sigmoid of z."""
    return _sigmoid(z), 2.0 * _sigmoid(z) ** 2 - 1.0


@misconception("sigmoid_and_tanh")
def input_clipped(z):
    """Nothing overflows any more, but you cut z off on the way, and so the tails are wrong: the
    sigmoid of -1000 is 0 to every digit. Find a form that needs no clipping."""
    z = np.clip(z, -10.0, 10.0)
    return _sigmoid(z), np.tanh(z)


# --- 3. leaky_relu6 ------------------------------------------------------------------------------


def _value(x, slope):
    middle = np.clip(x, 0.0, 6.0)
    return middle + slope * (x - middle)


def _derivative(x, slope):
    return np.where((x > 0) & (x < 6), 1.0, slope)


@misconception("leaky_relu6")
def grad_output_forgotten(grad_output, x, slope=0.01):
    """Your value is right, and you return the derivative of f. The gradient of the loss has one
    more factor from the chain rule: how strongly the loss answers to f."""
    return _value(x, slope), _derivative(x, slope)


@misconception("leaky_relu6")
def jump_at_six(grad_output, x, slope=0.01):
    """At 6 your function jumps: above it you return slope * x. A leaky end goes on from where the
    middle piece stopped."""
    value = np.where((x > 0) & (x < 6), x, slope * x)
    return value, grad_output * _derivative(x, slope)


@misconception("leaky_relu6")
def one_at_the_kinks(grad_output, x, slope=0.01):
    """Right everywhere except at the kinks. At exactly 0 and exactly 6 the task asks for the
    derivative `slope`; look at your < and <=."""
    return _value(x, slope), grad_output * np.where((x >= 0) & (x <= 6), 1.0, slope)


@misconception("leaky_relu6")
def flat_above_six(grad_output, x, slope=0.01):
    """The lower end is right, but above 6 your function is flat: this is where ReLU6 dies. The
    upper end leaks as well, in the value and in the gradient."""
    value = np.where(x > 0, np.minimum(x, 6.0), slope * x)
    return value, grad_output * np.where(x >= 6, 0.0, _derivative(x, slope))


@misconception("leaky_relu6")
def flat_gradient_above_six(grad_output, x, slope=0.01):
    """Your value is right. Above 6 it still rises a little, so the gradient there is not zero."""
    return _value(x, slope), grad_output * np.where(x >= 6, 0.0, _derivative(x, slope))


@misconception("leaky_relu6")
def mask_from_the_gradient(grad_output, x, slope=0.01):
    """Your value is right. For the gradient you ask whether grad_output lies between 0 and 6. The
    derivative depends on where x lies, not on the gradient that comes in."""
    return _value(x, slope), grad_output * _derivative(grad_output, slope)


@misconception("leaky_relu6")
def no_upper_end(grad_output, x, slope=0.01):
    """This is a leaky ReLU: right below 6. Above 6 the third line of the formula begins."""
    return np.where(x > 0, x, slope * x), grad_output * np.where(x > 0, 1.0, slope)


# --- 4. softmax ----------------------------------------------------------------------------------


def _check(temperature):
    if not temperature > 0:
        raise ValueError("temperature")


def _softmax(x, axis):
    exponential = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponential / exponential.sum(axis=axis, keepdims=True)


@misconception("softmax")
def temperature_multiplied(x, axis=-1, temperature=1.0):
    """You multiply the scores by the temperature. That makes a high temperature sharp; it should
    make it mild."""
    _check(temperature)
    return _softmax(x * temperature, axis)


@misconception("softmax")
def temperature_after(x, axis=-1, temperature=1.0):
    """Your probabilities do not sum to 1, because the temperature divides the result. It belongs
    with the scores, before the exponential."""
    _check(temperature)
    return _softmax(x, axis) / temperature


@misconception("softmax")
def temperature_ignored(x, axis=-1, temperature=1.0):
    """A good softmax, but the temperature changes nothing in it."""
    _check(temperature)
    return _softmax(x, axis)


@misconception("softmax")
def not_shifted(x, axis=-1, temperature=1.0):
    """Right for small scores. For large ones the exponential overflows to infinity, and for very
    negative ones every exponential is 0: both give nan. Shift the scores first; see hint 1."""
    _check(temperature)
    with np.errstate(over="ignore", invalid="ignore"):
        exponential = np.exp(x / temperature)
        return exponential / exponential.sum(axis=axis, keepdims=True)


@misconception("softmax")
def one_shift_for_all(x, axis=-1, temperature=1.0):
    """You shift by the largest score of the whole array. A line whose scores are all far below it
    then has only zeros left to divide by. Each line needs its own maximum."""
    _check(temperature)
    with np.errstate(invalid="ignore"):
        exponential = np.exp((x - x.max(initial=-np.inf)) / temperature)
        return exponential / exponential.sum(axis=axis, keepdims=True)


@misconception("softmax")
def always_the_last_axis(x, axis=-1, temperature=1.0):
    """Right along the last axis, but `axis` changes nothing. Look for a number where it should
    be used: in the maximum and in the sum."""
    _check(temperature)
    return _softmax(x / temperature, -1)


@misconception("softmax")
def always_the_first_axis(x, axis=-1, temperature=1.0):
    """You always work along the first axis. `axis` says along which one the result sums to 1."""
    _check(temperature)
    return _softmax(x / temperature, 0)


@misconception("softmax")
def sum_over_everything(x, axis=-1, temperature=1.0):
    """Your whole array sums to 1. Each line along `axis` is a set of probabilities of its own."""
    _check(temperature)
    with np.errstate(invalid="ignore"):
        exponential = np.exp((x - x.max(axis=axis, keepdims=True)) / temperature)
        return exponential / exponential.sum()


@misconception("softmax")
def dimension_lost(x, axis=-1, temperature=1.0):
    """Your maximum or your sum has lost the dimension `axis`, so NumPy lines it up with another
    one, or refuses. In a square array you would not even notice. See hint 2."""
    _check(temperature)
    with np.errstate(over="ignore", invalid="ignore"):
        exponential = np.exp((x - x.max(axis=axis)) / temperature)
        return exponential / exponential.sum(axis=axis)


@misconception("softmax")
def temperature_unchecked(x, axis=-1, temperature=1.0):
    """Right, except that a temperature of zero is not refused. It needs a ValueError; the task
    asks for a number above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _softmax(np.divide(x, temperature), axis)


# --- 5. softmax_gradients ------------------------------------------------------------------------


def _through_softmax(grad_output, p, axis):
    return p * (grad_output - (grad_output * p).sum(axis=axis, keepdims=True))


@misconception("softmax_gradients")
def diagonal_only(grad_output, x, axis=-1, temperature=1.0):
    """You use p (1 - p), the diagonal of the matrix. But a score also lowers the probabilities of
    all the others: the entries beside the diagonal are missing."""
    p = _softmax(x / temperature, axis)
    grad_z = grad_output * p * (1.0 - p)
    return grad_z / temperature, -(grad_z * x).sum() / temperature**2


@misconception("softmax_gradients")
def temperature_factor_forgotten(grad_output, x, axis=-1, temperature=1.0):
    """Your grad_temperature is right. Your grad_x is the gradient with respect to z = x / T. One
    more step of the chain rule leads from z to x."""
    grad_z = _through_softmax(grad_output, _softmax(x / temperature, axis), axis)
    return grad_z, -(grad_z * x).sum() / temperature**2


@misconception("softmax_gradients")
def temperature_gradient_sign(grad_output, x, axis=-1, temperature=1.0):
    """Your grad_x is right, and grad_temperature has the right size but the wrong sign. What is
    the derivative of 1 / T?"""
    grad_z = _through_softmax(grad_output, _softmax(x / temperature, axis), axis)
    return grad_z / temperature, (grad_z * x).sum() / temperature**2


@misconception("softmax_gradients")
def temperature_not_squared(grad_output, x, axis=-1, temperature=1.0):
    """Your grad_x is right. In grad_temperature a factor 1 / T is missing: look again at the
    derivative of x / T with respect to T."""
    grad_z = _through_softmax(grad_output, _softmax(x / temperature, axis), axis)
    return grad_z / temperature, -(grad_z * x).sum() / temperature


@misconception("softmax_gradients")
def temperature_gradient_not_summed(grad_output, x, axis=-1, temperature=1.0):
    """Your grad_x is right. Your grad_temperature is an array with one entry a score. There is only
    one temperature, and every score uses it. What happens to gradients of a number used often?"""
    grad_z = _through_softmax(grad_output, _softmax(x / temperature, axis), axis)
    return grad_z / temperature, -(grad_z * x) / temperature**2


@misconception("softmax_gradients")
def one_sum_for_all(grad_output, x, axis=-1, temperature=1.0):
    """You subtract one number from the whole array. Each line along `axis` has its own softmax,
    and so its own sum of g p."""
    p = _softmax(x / temperature, axis)
    grad_z = p * (grad_output - (grad_output * p).sum())
    return grad_z / temperature, -(grad_z * x).sum() / temperature**2


@misconception("softmax_gradients")
def plain_sum_subtracted(grad_output, x, axis=-1, temperature=1.0):
    """You subtract the plain sum of the incoming gradients. In the sum over i each g_i comes
    with a p_i; look at hint 2."""
    p = _softmax(x / temperature, axis)
    grad_z = p * (grad_output - grad_output.sum(axis=axis, keepdims=True))
    return grad_z / temperature, -(grad_z * x).sum() / temperature**2


@misconception("softmax_gradients")
def probabilities_without_temperature(grad_output, x, axis=-1, temperature=1.0):
    """Your p is the softmax of x. The probabilities here are the softmax of x / T."""
    grad_z = _through_softmax(grad_output, _softmax(x, axis), axis)
    return grad_z / temperature, -(grad_z * x).sum() / temperature**2


@misconception("softmax_gradients")
def gradient_always_last_axis(grad_output, x, axis=-1, temperature=1.0):
    """Right along the last axis, but `axis` changes nothing. It is needed in the softmax and in
    the sum of g p."""
    grad_z = _through_softmax(grad_output, _softmax(x / temperature, -1), -1)
    return grad_z / temperature, -(grad_z * x).sum() / temperature**2


# --- 6. swish_gradients --------------------------------------------------------------------------


def _swish_parts(x, beta):
    s = _sigmoid(beta * x)
    return s, s * (1.0 - s)


@misconception("swish_gradients")
def beta_gradient_not_summed(grad_output, x, beta):
    """Your value and grad_x are right. Your grad_beta still has one row for each example. The same
    beta serves all examples; what happens to their contributions?"""
    s, slope = _swish_parts(x, beta)
    return x * s, grad_output * (s + beta * x * slope), grad_output * x**2 * slope


@misconception("swish_gradients")
def beta_gradient_summed_over_all(grad_output, x, beta):
    """Your value and grad_x are right. Your grad_beta is one number for all features. Every
    feature has its own beta, so only the examples are summed."""
    s, slope = _swish_parts(x, beta)
    return x * s, grad_output * (s + beta * x * slope), (grad_output * x**2 * slope).sum()


@misconception("swish_gradients")
def beta_gradient_averaged(grad_output, x, beta):
    """Your value and grad_x are right. You average grad_beta over the examples. The chain rule
    sums; if the loss is a mean, the 1 / N is in grad_output already."""
    s, slope = _swish_parts(x, beta)
    total = (grad_output * x**2 * slope).sum(axis=0)
    return x * s, grad_output * (s + beta * x * slope), total / max(len(x), 1)


@misconception("swish_gradients")
def product_rule_forgotten(grad_output, x, beta):
    """Your value and grad_beta are right. Your grad_x is grad_output times the sigmoid: that is
    only the first half of the product rule, since the sigmoid depends on x too."""
    s, slope = _swish_parts(x, beta)
    return x * s, grad_output * s, (grad_output * x**2 * slope).sum(axis=0)


@misconception("swish_gradients")
def inner_beta_forgotten(grad_output, x, beta):
    """Your value and grad_beta are right. In grad_x a factor is missing: the inside of the sigmoid
    is beta x, and its derivative with respect to x is not 1."""
    s, slope = _swish_parts(x, beta)
    return x * s, grad_output * (s + x * slope), (grad_output * x**2 * slope).sum(axis=0)


@misconception("swish_gradients")
def inner_x_forgotten(grad_output, x, beta):
    """Your value and grad_x are right. In grad_beta one factor x is missing: one x stands before
    the sigmoid, and the chain rule brings another from inside it."""
    s, slope = _swish_parts(x, beta)
    return (
        x * s,
        grad_output * (s + beta * x * slope),
        (grad_output * x * slope).sum(axis=0),
    )


@misconception("swish_gradients")
def slope_at_the_wrong_place(grad_output, x, beta):
    """Your value is right. In the gradients you take s (1 - s) with the sigmoid of x. The
    derivative belongs at the place where the sigmoid was taken: at beta x."""
    s, _ = _swish_parts(x, beta)
    slope = _sigmoid(x) * (1.0 - _sigmoid(x))
    return x * s, grad_output * (s + beta * x * slope), (grad_output * x**2 * slope).sum(axis=0)


@misconception("swish_gradients")
def swish_grad_output_forgotten(grad_output, x, beta):
    """You return the derivatives of swish itself. Each of them still needs grad_output, the factor
    that the chain rule brings from behind."""
    s, slope = _swish_parts(x, beta)
    return x * s, s + beta * x * slope, (x**2 * slope).sum(axis=0)


@misconception("swish_gradients")
def beta_outside(grad_output, x, beta):
    """Your beta stands before the sigmoid: beta x sigmoid(x). That only scales the function. In
    swish it stands inside and changes the shape."""
    s, slope = _swish_parts(x, 1.0)
    return beta * x * s, grad_output * beta * (s + x * slope), (grad_output * x * s).sum(axis=0)


# --- 7. dead_units -------------------------------------------------------------------------------


@misconception("dead_units")
def dead_for_one_example(x, weight, bias):
    """You call a unit dead as soon as it gives 0 for one example. That is how a healthy unit
    chooses. Dead is one that gives 0 for every example."""
    dead = (x @ weight.T + bias <= 0).any(axis=0)
    return dead, dead.mean()


@misconception("dead_units")
def share_of_zeros(x, weight, bias):
    """Your first result is right. The second is the share of zeros among all outputs. Asked for is
    the share of units that are dead."""
    zero = x @ weight.T + bias <= 0
    return zero.all(axis=0), zero.mean()


@misconception("dead_units")
def number_of_dead_units(x, weight, bias):
    """Your first result is right. The second counts the dead units; the share is that number
    divided by something."""
    dead = (x @ weight.T + bias <= 0).all(axis=0)
    return dead, dead.sum()


@misconception("dead_units")
def dead_examples(x, weight, bias):
    """You found the examples for which no unit wakes up. The question is the other one: the units
    that no example wakes up. Look at the axis."""
    dead = (x @ weight.T + bias <= 0).all(axis=1)
    return dead, dead.mean()


@misconception("dead_units")
def bias_forgotten(x, weight, bias):
    """The bias is missing. With a very negative one a unit never wakes up."""
    dead = (x @ weight.T <= 0).all(axis=0)
    return dead, dead.mean()


@misconception("dead_units")
def negative_on_average(x, weight, bias):
    """You look at the average over the examples. A unit may be negative on average and still wake
    up for a few examples."""
    dead = (x @ weight.T + bias).mean(axis=0) <= 0
    return dead, dead.mean()


@misconception("dead_units")
def zero_counts_as_alive(x, weight, bias):
    """Nearly: you ask for numbers below zero. What does the ReLU give for a number that is exactly
    zero, and what gradient flows there?"""
    dead = (x @ weight.T + bias < 0).all(axis=0)
    return dead, dead.mean()


@misconception("dead_units")
def living_units(x, weight, bias):
    """You found the units that are alive. True stands for dead here."""
    alive = (x @ weight.T + bias > 0).any(axis=0)
    return alive, alive.mean()


# --- 8. ChannelSwish -----------------------------------------------------------------------------


class _Base(nn.Module):
    def __init__(self, num_channels, beta=1.0):
        super().__init__()
        self.beta = nn.Parameter(torch.full((num_channels,), float(beta)))

    def lined_up(self, input):
        return self.beta.reshape(-1, *[1] * (input.ndim - 2))


@misconception("ChannelSwish")
class PlainTensor(_Base):
    """Your module has no parameter: beta is a plain tensor. No optimizer will find it and `.to`
    will not move it. What turns a tensor into a part of a module?"""

    def __init__(self, num_channels, beta=1.0):
        nn.Module.__init__(self)
        self.beta = torch.full((num_channels,), float(beta))

    def forward(self, input):
        return input * torch.sigmoid(self.lined_up(input) * input)


@misconception("ChannelSwish")
class Buffer(_Base):
    """Your beta is a buffer. It moves with the module, but it is no parameter: no gradient is
    kept for it and no optimizer finds it."""

    def __init__(self, num_channels, beta=1.0):
        nn.Module.__init__(self)
        self.register_buffer("beta", torch.full((num_channels,), float(beta)))

    def forward(self, input):
        return input * torch.sigmoid(self.lined_up(input) * input)


@misconception("ChannelSwish")
class OneBetaForAll(nn.Module):
    """Your module has a single beta, so betas of shape (C,) do not fit in. Each channel needs one
    of its own."""

    def __init__(self, num_channels, beta=1.0):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(float(beta)))

    def forward(self, input):
        return input * torch.sigmoid(self.beta * input)


@misconception("ChannelSwish")
class Detached(_Base):
    """The output is right, but no gradient reaches beta: it is used through `.detach()`, `.data`,
    `.item()` or a new tensor made from it. Compute with the parameter itself."""

    def forward(self, input):
        return input * torch.sigmoid(self.lined_up(input).detach() * input)


@misconception("ChannelSwish")
class LastDimension(_Base):
    """Right for vectors. For inputs with more dimensions your betas line up with the last one; the
    channel is dimension 1. See hint 2."""

    def forward(self, input):
        return input * torch.sigmoid(self.beta * input)


@misconception("ChannelSwish")
class CastToFloat32(_Base):
    """Your result is float32 for an input of float64. A network in double precision, or in half
    precision, would break here. The result keeps the dtype of the input."""

    def forward(self, input):
        input = input.float()
        return input * torch.sigmoid(self.lined_up(input).float() * input)


@misconception("ChannelSwish")
class BetaOutside(_Base):
    """Your beta stands before the sigmoid and only scales the output. In swish it stands inside:
    x * sigmoid(beta * x)."""

    def forward(self, input):
        return self.lined_up(input) * input * torch.sigmoid(input)


@misconception("ChannelSwish")
class XForgotten(_Base):
    """You return the sigmoid alone. Swish is x times the sigmoid of beta x."""

    def forward(self, input):
        return torch.sigmoid(self.lined_up(input) * input)
