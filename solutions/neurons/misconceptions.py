"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function (or is a class with the role of the
task's class). `autograder` records what it returns on the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. decide -----------------------------------------------------------------------------------


def _norm(weight):
    return np.linalg.norm(weight)


@misconception("decide")
def silent_on_the_line(x, weight, bias):
    """Right everywhere but on the line itself. There z is 0, and the task says that the neuron
    fires where z is 0 or more: look at your > and >=."""
    z = x @ weight + bias
    return (z > 0).astype(int), z / _norm(weight)


@misconception("decide")
def bias_forgotten(x, weight, bias):
    """You compute w x and leave the bias out. Without it every line goes through the origin."""
    z = x @ weight
    return (z >= 0).astype(int), z / _norm(weight)


@misconception("decide")
def bias_as_threshold(x, weight, bias):
    """You subtract the bias, as if it were the threshold. It is added: the threshold is -b."""
    z = x @ weight - bias
    return (z >= 0).astype(int), z / _norm(weight)


@misconception("decide")
def z_is_not_a_distance(x, weight, bias):
    """Your decisions are right. Your distance is z itself, which doubles when weight and bias
    double, though the line stays where it is. What do you have to divide by?"""
    z = x @ weight + bias
    return (z >= 0).astype(int), z


@misconception("decide")
def bias_not_divided(x, weight, bias):
    """Your decisions are right. In the distance you divide only w x by the length of w, and add
    the bias as it is. Mind the brackets: all of z is divided."""
    z = x @ weight + bias
    return (z >= 0).astype(int), x @ weight / _norm(weight) + bias


@misconception("decide")
def length_squared(x, weight, bias):
    """Your decisions are right. You divide by the sum of squares of w; the length of w is its
    square root."""
    z = x @ weight + bias
    return (z >= 0).astype(int), z / (weight @ weight)


@misconception("decide")
def distance_without_sign(x, weight, bias):
    """Your decisions are right, and so is the size of your distances. But they have a sign:
    negative where the neuron does not fire."""
    z = x @ weight + bias
    return (z >= 0).astype(int), np.abs(z) / _norm(weight)


# --- 2. perceptron_pass --------------------------------------------------------------------------


def _pass(x, y, weight, bias, wrong, step, move_bias=True):
    mistakes = 0
    for row, label in zip(x, y, strict=True):
        side = 2 * label - 1
        if wrong(side, row @ weight + bias):
            weight = weight + step(side, label) * row
            bias = bias + step(side, label) * move_bias
            mistakes += 1
    return weight, bias, mistakes


@misconception("perceptron_pass")
def on_the_line_is_right(x, y, weight, bias):
    """You leave an example alone that lies exactly on the line. Here it counts as a mistake, for
    both classes: from zeros, nothing would move else."""
    return _pass(x, y, weight, bias, lambda s, z: s * z < 0, lambda s, y: s)


@misconception("perceptron_pass")
def step_decides(x, y, weight, bias):
    """You compare the class with the step's output, z >= 0. Then an example of class 1 on the line
    counts as right. The task asks for s * z <= 0, which is stricter."""
    return _pass(x, y, weight, bias, lambda s, z: (z >= 0) != (s > 0), lambda s, y: s)


@misconception("perceptron_pass")
def class_zero_never_pulls(x, y, weight, bias):
    """You multiply by y itself. For class 0 that is 0, so its mistakes change nothing. Turn the
    classes 0 and 1 into the sides -1 and 1 first."""
    return _pass(x, y, weight, bias, lambda s, z: s * z <= 0, lambda s, y: y)


@misconception("perceptron_pass")
def bias_never_moves(x, y, weight, bias):
    """Your weights move, but the bias stays where it was. It is a weight like the others, with an
    input that is always 1."""
    return _pass(x, y, weight, bias, lambda s, z: s * z <= 0, lambda s, y: s, move_bias=False)


@misconception("perceptron_pass")
def away_from_the_example(x, y, weight, bias):
    """After a mistake you move the wrong way: the example gets even further on the wrong side. If
    the neuron should have fired, z has to grow."""
    return _pass(x, y, weight, bias, lambda s, z: s * z <= 0, lambda s, y: -s)


@misconception("perceptron_pass")
def every_example_moves(x, y, weight, bias):
    """You move the weights after every example. The rule leaves the neuron alone where it is
    right."""
    mistakes = _pass(x, y, weight, bias, lambda s, z: s * z <= 0, lambda s, y: s)[2]
    return *_pass(x, y, weight, bias, lambda s, z: True, lambda s, y: s)[:2], mistakes


@misconception("perceptron_pass")
def all_at_once(x, y, weight, bias):
    """You test all examples with the weights from before the pass, and add up all corrections. In
    the perceptron rule each example meets the weights that the one before it left."""
    side = 2 * y - 1
    wrong = side * (x @ weight + bias) <= 0
    return weight + (side * wrong) @ x, bias + (side * wrong).sum(), int(wrong.sum())


# --- 3. from_columns -----------------------------------------------------------------------------


def _rows(W, b, X):
    return (W.T @ X + b).T


@misconception("from_columns")
def weight_reshaped(W, b, X):
    """Your weight has the right shape and the wrong order: reshape reads on row by row. To turn
    columns into rows, transpose."""
    weight = W.reshape(W.shape[::-1])
    return weight, b[:, 0], X.T, X.T @ weight.T + b[:, 0]


@misconception("from_columns")
def batch_reshaped(W, b, X):
    """Your batch has the right shape, but its rows are not the examples: reshape mixes the
    numbers of several examples. To turn columns into rows, transpose."""
    batch = X.reshape(X.shape[::-1])
    return W.T, b[:, 0], batch, batch @ W + b[:, 0]


@misconception("from_columns")
def bias_still_a_column(W, b, X):
    """Your bias is still a column, (K, 1). Added to a batch of rows it would go to examples instead
    of neurons, or to a square. It should be flat: (K,)."""
    return W.T, b, X.T, _rows(W, b, X)


@misconception("from_columns")
def output_in_columns(W, b, X):
    """The first three are right. Your output still has one example a column; compute it from
    the new arrays, or transpose it as well."""
    return W.T, b[:, 0], X.T, W.T @ X + b


@misconception("from_columns")
def weight_as_in_keras(W, b, X):
    """You leave the weight as it is, (D, K), which is Keras's way. PyTorch has one neuron a row:
    (K, D)."""
    return W, b[:, 0], X.T, _rows(W, b, X)


@misconception("from_columns")
def no_bias_in_the_output(W, b, X):
    """The first three are right. Your output lacks the bias."""
    return W.T, b[:, 0], X.T, (W.T @ X).T


@misconception("from_columns")
def batch_left_in_columns(W, b, X):
    """Your batch still has one example a column. PyTorch wants one a row, so it is X transposed."""
    return W.T, b[:, 0], X, _rows(W, b, X)


# --- 4. standardize_both -------------------------------------------------------------------------


def _by(rows, mean, std):
    return (rows - mean) / np.where(std == 0, 1.0, std)


@misconception("standardize_both")
def test_by_itself(train, test):
    """Your training rows are right. Your test rows are standardized by their own mean and
    deviation, as document 001 does it: then the answer to one row depends on the others. Use
    the statistics of the training rows."""
    return tuple(_by(rows, rows.mean(axis=0), rows.std(axis=0)) for rows in (train, test))


@misconception("standardize_both")
def both_together(train, test):
    """Your mean and deviation come from training and test rows together. At the time of
    training the test rows do not exist yet: leave them out."""
    rows = np.concatenate([train, test])
    return tuple(_by(part, rows.mean(axis=0), rows.std(axis=0)) for part in (train, test))


@misconception("standardize_both")
def one_mean_for_all(train, test):
    """You use one mean and one deviation for the whole table. Each column has its own unit, so each
    needs its own: say axis=0."""
    return tuple(_by(rows, train.mean(), train.std()) for rows in (train, test))


@misconception("standardize_both")
def divided_by_n_minus_one(train, test):
    """Your deviations are a little too large: you divide the squares by N - 1. The task, NumPy and
    scikit-learn divide by N here. (PyTorch's std divides by N - 1 unless told otherwise.)"""
    std = train.std(axis=0, ddof=1)
    return tuple(_by(rows, train.mean(axis=0), std) for rows in (train, test))


@misconception("standardize_both")
def divided_by_the_variance(train, test):
    """You divide by the variance. The standard deviation is its square root."""
    return tuple(_by(rows, train.mean(axis=0), train.var(axis=0)) for rows in (train, test))


@misconception("standardize_both")
def zero_by_zero(train, test):
    """Right, but for a column that is constant in training: there you divide by 0. Only shift
    such a column."""
    mean, std = train.mean(axis=0), train.std(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (train - mean) / std, (test - mean) / std


@misconception("standardize_both")
def only_scaled(train, test):
    """You divide by the deviation, but you do not subtract the mean first."""
    return tuple(_by(rows, 0.0, train.std(axis=0)) for rows in (train, test))


# --- 5. logistic_gradient ------------------------------------------------------------------------


def _parts(x, y, weight, bias):
    z = x @ weight + bias
    p = 0.5 * (1.0 + np.tanh(0.5 * z))
    return z, p, np.mean(np.logaddexp(0, z) - y * z)


@misconception("logistic_gradient")
def sum_instead_of_mean(x, y, weight, bias):
    """Your loss is a mean, but your gradients are sums, just as in document 001: N times too long.
    With more data the same learning rate would then take longer steps. Divide by N."""
    _, p, loss = _parts(x, y, weight, bias)
    return loss, (p - y) @ x, (p - y).sum()


@misconception("logistic_gradient")
def everything_summed(x, y, weight, bias):
    """You sum over the examples everywhere; the task asks for the mean. Loss and gradients are N
    times too large."""
    _, p, loss = _parts(x, y, weight, bias)
    return loss * len(x), (p - y) @ x, (p - y).sum()


@misconception("logistic_gradient")
def wrong_sign(x, y, weight, bias):
    """Your gradients point downhill: they have the opposite sign. The gradient points to where the
    loss grows; whoever trains subtracts it."""
    _, p, loss = _parts(x, y, weight, bias)
    return loss, (y - p) @ x / len(x), (y - p).mean()


@misconception("logistic_gradient")
def slope_of_the_sigmoid_left_in(x, y, weight, bias):
    """Your gradients have a factor p (1 - p) too many. With the squared error it would belong
    there; the log loss cancels it, and that is why one takes it."""
    _, p, loss = _parts(x, y, weight, bias)
    error = (p - y) * p * (1 - p)
    return loss, error @ x / len(x), error.mean()


@misconception("logistic_gradient")
def loss_of_probabilities(x, y, weight, bias):
    """Right for moderate z. But where the neuron is very sure, p is rounded to 0 or 1, and the
    logarithm of 0 ruins the loss. Compute the loss from z: ln(1 + e^z) - y z, with np.logaddexp."""
    _, p, _ = _parts(x, y, weight, bias)
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    return loss, (p - y) @ x / len(x), (p - y).mean()


@misconception("logistic_gradient")
def bias_summed(x, y, weight, bias):
    """Loss and grad_weight are right. Your grad_bias is a sum, not a mean."""
    _, p, loss = _parts(x, y, weight, bias)
    return loss, (p - y) @ x / len(x), (p - y).sum()


@misconception("logistic_gradient")
def divided_by_the_features_too(x, y, weight, bias):
    """Loss and grad_bias are right. In grad_weight you divide by the number of all entries of x,
    examples times features (as .mean() over everything does), instead of by N."""
    _, p, loss = _parts(x, y, weight, bias)
    return loss, (p - y) @ x / x.size, (p - y).mean()


# --- 6. network ----------------------------------------------------------------------------------


def _count(layers):
    return sum(weight.size + bias.size for weight, bias in layers)


def _run(x, layers, after=lambda z, last: z if last else np.maximum(z, 0.0)):
    for k, (weight, bias) in enumerate(layers, start=1):
        x = after(x @ weight.T + bias, k == len(layers))
    return x


@misconception("network")
def relu_at_the_end(x, layers):
    """You apply ReLU after the last layer too. Then the network can never say anything negative."""
    return _run(x, layers, lambda z, last: np.maximum(z, 0.0)), _count(layers)


@misconception("network")
def no_relu(x, layers):
    """There is no ReLU between your layers, so the whole network is one linear layer."""
    return _run(x, layers, lambda z, last: z), _count(layers)


@misconception("network")
def biases_not_counted(x, layers):
    """Your output is right. In the count the biases are missing: each neuron has one."""
    return _run(x, layers), sum(weight.size for weight, _ in layers)


@misconception("network")
def neurons_counted(x, layers):
    """Your output is right. But you count neurons; a parameter is a number that is learned, and a
    neuron has one for each of its inputs, and a bias."""
    return _run(x, layers), sum(bias.size for _, bias in layers)


@misconception("network")
def bias_after_relu(x, layers):
    """You add the bias after the ReLU. It belongs into the sum, before: it sets the threshold."""
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight.T, 0.0) + bias
    return x @ layers[-1][0].T + layers[-1][1], _count(layers)


@misconception("network")
def absolute_instead_of_relu(x, layers):
    """Your bend is |z|. ReLU makes 0 of negative sums, it does not turn their sign."""
    return _run(x, layers, lambda z, last: z if last else np.abs(z)), _count(layers)


# --- 7. TumorNet ---------------------------------------------------------------------------------


class _Net(nn.Module):
    """What the wrong answers share; each overrides what it gets wrong."""

    def __init__(self, mean, std, num_hiddens):
        super().__init__()
        self.keep(mean, std)
        self.hidden = nn.Linear(len(mean), num_hiddens)
        self.out = nn.Linear(num_hiddens, 1)

    def keep(self, mean, std):
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def scaled(self, input):
        return (input - self.mean) / self.std

    def forward(self, input):
        return self.out(torch.relu(self.hidden(self.scaled(input)))).squeeze(1)


@misconception("TumorNet")
class OutputIsAColumn(_Net):
    """Your result has the shape (N, 1). Against targets of shape (N,) a loss may broadcast it
    to N by N. Drop the last dimension."""

    def forward(self, input):
        return self.out(torch.relu(self.hidden(self.scaled(input))))


@misconception("TumorNet")
class StatisticsLearned(_Net):
    """Your mean and std are parameters, so training would change them. They are data, not weights:
    register them as buffers."""

    def keep(self, mean, std):
        self.mean, self.std = nn.Parameter(mean), nn.Parameter(std)


@misconception("TumorNet")
class StatisticsUnregistered(_Net):
    """Your results are right, but mean and std are plain attributes. They would stay behind
    when the module moves to a GPU, and be missing when it is saved. Use register_buffer."""

    def keep(self, mean, std):
        self.mean, self.std = mean, std


@misconception("TumorNet")
class EverythingSqueezed(_Net):
    """Right, but for a batch of one: `.squeeze()` drops every dimension of size 1, the batch
    too. Say which one: `.squeeze(1)`."""

    def forward(self, input):
        return super().forward(input).squeeze()


@misconception("TumorNet")
class NoBend(_Net):
    """Between your two layers there is no ReLU, so they are one linear layer."""

    def forward(self, input):
        return self.out(self.hidden(self.scaled(input))).squeeze(1)


@misconception("TumorNet")
class SigmoidAtTheEnd(_Net):
    """You return probabilities. The loss expects logits, and applies the sigmoid itself; twice is
    once too often."""

    def forward(self, input):
        return torch.sigmoid(super().forward(input))


@misconception("TumorNet")
class RawMeasurements(_Net):
    """You keep mean and std, but the input goes into the first layer as it comes. Standardize it
    first."""

    def scaled(self, input):
        return input


@misconception("TumorNet")
class MeanOfTheBatch(_Net):
    """You standardize by the batch's own mean and deviation. The module has those of the training
    rows: with the batch's, the answer to one example depends on the others."""

    def scaled(self, input):
        return (input - input.mean(0)) / (input.std(0, correction=0) + 1e-12)
