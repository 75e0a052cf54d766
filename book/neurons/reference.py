"""Neurons in NumPy: the readable truth, in float64.

Examples are rows: a batch has shape (N, D), and a layer's weight has shape (out, in), as in
`torch.nn.Linear`. A function `f_backward(grad_output, ...)` returns the gradient of each array
argument of `f`, in order.
"""

from itertools import pairwise
from operator import index

import numpy as np

__all__ = [
    "linear", "perceptron", "step_perceptron_train", "logistic_regression_fit",
    "standardize", "mlp_forward", "count_parameters", "one_hot",
]  # fmt: skip


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


def _real_layer(input, weight, bias):
    """All three as float64; ValueError unless they are (*, in), (out, in) or (in,), and (out,)."""
    input, weight = _real(input), _real(weight, "weight")
    if weight.ndim not in (1, 2):
        raise ValueError(f"weight: expected shape (out, in) or (in,), got {weight.shape}")
    if input.shape[-1:] != weight.shape[-1:]:
        raise ValueError(
            f"input: expected {weight.shape[-1]} features in the last dimension, as weight "
            f"{weight.shape} has, got shape {input.shape}"
        )
    if bias is not None:
        bias = _real(bias, "bias")
        if bias.shape != weight.shape[:-1]:
            raise ValueError(f"bias: expected shape {weight.shape[:-1]}, got {bias.shape}")
    return input, weight, bias


def linear(input, weight, bias=None):
    r"""The weighted sums of a layer: $z = x W^\top + b$, one row $x$ for each example.

    Shapes: input (*, in); weight (out, in), or (in,) for one neuron; bias (out,), or () for one;
    result (*, out), or (*).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    Source: documents 001 (matrix dimensions), 002 (matrices) and 004 (forward propagation).
    """
    input, weight, bias = _real_layer(input, weight, bias)
    z = input @ weight.T  # (*, in) @ (in, out) -> (*, out)
    return z if bias is None else z + bias


def linear_backward(grad_output, input, weight, bias=None):
    r"""With $g = \partial L/\partial z$: $g\,W$, $\sum_n g_n x_n^\top$ and $\sum_n g_n$.

    Shapes: grad_output as the result of linear, the others as there; returns the gradients of
    input and weight, and of bias where there is one.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    grad_output = _real(grad_output, "grad_output")
    input, weight, bias = _real_layer(input, weight, bias)
    expected = input.shape[:-1] + weight.shape[:-1]
    if grad_output.shape != expected:
        raise ValueError(f"grad_output: expected shape {expected}, got {grad_output.shape}")
    rows = np.atleast_2d(weight)  # (out, in), also for one neuron
    g = grad_output.reshape(*input.shape[:-1], rows.shape[0])  # (*, out)
    batch = tuple(range(input.ndim - 1))
    grad_weight = np.tensordot(g, input, (batch, batch)).reshape(weight.shape)
    if bias is None:
        return g @ rows, grad_weight
    return g @ rows, grad_weight, g.sum(axis=batch).reshape(bias.shape)


def perceptron(input, weight, bias=None):
    r"""A neuron that fires or not: $1$ where $w \cdot x + b \ge 0$, else $0$.

    Shapes: input (*, in); weight (in,) or (out, in); bias () or (out,); result (*) or (*, out).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    Source: McCulloch and Pitts 1943, Rosenblatt 1958; document 001 (simulated neural networks).
    """
    return np.where(linear(input, weight, bias) >= 0, 1.0, 0.0)


def _real_examples(input, target):
    """Rows and their labels as float64; ValueError unless these are (N, D) and N times 0 or 1."""
    input, target = _real(input), _real(target, "target")
    if input.ndim != 2 or len(input) == 0:
        raise ValueError(f"input: expected shape (N, D) with N >= 1, got {input.shape}")
    if target.shape != input.shape[:1]:
        raise ValueError(f"target: expected shape {input.shape[:1]}, got {target.shape}")
    wrong = target[(target != 0) & (target != 1)]
    if wrong.size:
        raise ValueError(f"target: expected the classes 0 and 1, got {wrong[0]:g}")
    return input, target


def _check_count(count, name):
    if not index(count) >= 1:
        raise ValueError(f"{name}: expected a whole number of at least 1, got {count}")


def _check_rate(lr):
    if not lr > 0:
        raise ValueError(f"lr: expected a positive number, got {lr}")


def step_perceptron_train(input, target, lr=1.0, epochs=100):
    r"""The perceptron rule: after each mistake, $\eta s x$ is added to $w$ and $\eta s$ to $b$.

    Here $s$ is $1$ for class 1 and $-1$ for class 0, and an example is a mistake where
    $s\,(w \cdot x + b) \le 0$: on the wrong side, or on the line itself. Starts from zeros and
    stops after the first pass (epoch) without a mistake.

    Shapes: input (N, D); target (N,) of 0 and 1; returns weight (D,), bias () and the number of
    mistakes in each pass, (passes,), as integers.
    Raises: TypeError if an array is not real; ValueError if shapes or classes do not fit, or if
    lr or epochs is not positive.
    Source: Rosenblatt 1958; Novikoff 1962 proves that it ends if a line separates the classes.
    """
    input, target = _real_examples(input, target)
    _check_rate(lr)
    _check_count(epochs, "epochs")
    weight, bias, mistakes = np.zeros(input.shape[1]), 0.0, []
    for _ in range(epochs):
        mistakes.append(0)
        for x, side in zip(input, 2 * target - 1, strict=True):
            if side * (weight @ x + bias) <= 0:
                weight = weight + lr * side * x
                bias = bias + lr * side
                mistakes[-1] += 1
        if mistakes[-1] == 0:
            break
    return weight, np.array(bias), np.array(mistakes)


def logistic_regression_fit(input, target, lr=0.1, steps=1000):
    r"""Gradient descent on the mean log loss of $p = \sigma(w \cdot x + b)$, from zeros.

    $J = \frac1N \sum_n \ln(1 + e^{z_n}) - y_n z_n$, whose gradients are
    $\frac1N X^\top(p - y)$ and $\frac1N \sum_n (p_n - y_n)$.

    Shapes: input (N, D); target (N,) of 0 and 1; returns weight (D,), bias () and the loss before
    each step, (steps,).
    Raises: TypeError if an array is not real; ValueError if shapes or classes do not fit, or if
    lr or steps is not positive.
    Source: document 001 (logistic regression, vectorization), with errata E18, E19 and E21.
    """
    input, target = _real_examples(input, target)
    _check_rate(lr)
    _check_count(steps, "steps")
    weight, bias, losses = np.zeros(input.shape[1]), 0.0, np.empty(steps)
    for step in range(steps):
        z = input @ weight + bias  # (N,)
        losses[step] = np.mean(np.logaddexp(0.0, z) - target * z)
        error = _sigmoid(z) - target
        weight = weight - lr * (error @ input) / len(input)
        bias = bias - lr * error.mean()
    return weight, np.array(bias), losses


def _sigmoid(z):
    decay = np.exp(-np.abs(z))  # at most 1, whatever the sign
    return np.where(z >= 0, 1.0, decay) / (1.0 + decay)


def _statistics(input, train):
    """Both arrays, and mean (D,), scale (D,) and which columns of train vary, (D,)."""
    input = _real(input)
    train = input if train is None else _real(train, "train")
    if train.ndim != 2 or len(train) == 0:
        raise ValueError(f"train: expected shape (N, D) with N >= 1, got {train.shape}")
    if input.ndim != 2 or input.shape[1] != train.shape[1]:
        raise ValueError(f"input: expected shape (M, {train.shape[1]}), got {input.shape}")
    varies = (train != train[0]).any(axis=0)
    mean = np.where(varies, train.mean(axis=0), train[0])
    return input, train, mean, np.where(varies, train.std(axis=0), 1.0), varies


def standardize(input, train=None):
    r"""Each column less its mean, by its standard deviation: $(x - \mu) / \sigma$.

    $\mu$ and $\sigma$ are those of the training rows, `train`; without them, of input itself. A
    column that is constant there is only shifted.

    Shapes: input (M, D); train (N, D) with N >= 1; result (M, D).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    Source: document 001 (standardize), with erratum E20; scikit-learn's StandardScaler.
    """
    input, _, mean, scale, _ = _statistics(input, train)
    return (input - mean) / scale


def standardize_backward(grad_output, input, train=None):
    r"""$g/\sigma$ for input, and for train
    $-\frac{1}{N\sigma}\bigl(\sum_m g_m + \hat t \sum_m g_m \hat x_m\bigr)$.

    The hats mark standardized values. Where input is its own train, the two add up: then every
    row moves the mean and the deviation of all.

    Shapes: grad_output and input (M, D); train (N, D); returns the gradient of input, and of
    train where it is given.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    grad_output = _real(grad_output, "grad_output")
    given, train_given = input, train is not None
    input, train, mean, scale, varies = _statistics(given, train)
    if grad_output.shape != input.shape:
        raise ValueError(
            f"grad_output: expected the shape of input, {input.shape}, got {grad_output.shape}"
        )
    grad_input = grad_output / scale
    along = (grad_output * (input - mean) / scale).sum(axis=0)  # how the loss answers to ln σ
    spread = np.where(varies, (train - mean) / scale * along, 0.0)
    grad_train = -(grad_output.sum(axis=0) + spread) / (len(train) * scale)
    return (grad_input, grad_train) if train_given else grad_input + grad_train


def mlp_forward(input, *parameters):
    r"""Layer after layer: $h_l = \max(0,\; h_{l-1} W_l^\top + b_l)$, the last one without max.

    Shapes: input (N, D); parameters weight1 (H1, D), bias1 (H1,), weight2 (H2, H1), bias2, …;
    result (N, K) with K the size of the last bias.
    Raises: TypeError if an array is not real; ValueError if a bias is missing or a layer does not
    fit the one before.
    Source: documents 001 (the forward pass), 002 (cascading of matrices) and 003 (dense network).
    """
    if len(parameters) < 2 or len(parameters) % 2:
        raise ValueError(
            f"parameters: expected a weight and a bias for each layer, got {len(parameters)} arrays"
        )
    h = _real(input)
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        h = np.maximum(linear(h, weight, bias), 0.0)
    return linear(h, *parameters[-2:])


def count_parameters(sizes, bias=True):
    r"""How many numbers a fully connected network learns: $\sum_l (n_{l-1} + 1)\,n_l$.

    The 1 is the bias of each neuron; without biases it is 0.

    Shapes: sizes a sequence of at least two whole numbers, inputs first; result a number.
    Raises: TypeError if a size is not a whole number; ValueError if one is not positive or if
    there are fewer than two.
    Source: document 003 (dense network number of weights).
    """
    _check_sizes(sizes)
    return sum((n_in + bool(bias)) * n_out for n_in, n_out in pairwise(sizes))


def _check_sizes(sizes):
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"sizes: expected whole numbers, got {size!r}")
        if size < 1:
            raise ValueError(f"sizes: expected positive numbers, got {size}")
    if len(sizes) < 2:
        raise ValueError(f"sizes: expected inputs and at least one layer, got {list(sizes)}")


def one_hot(input, num_classes=-1):
    """A row of zeros for each class number, with a 1 at that place.

    Shapes: input (*), integers from 0; result (*, K) as integers, with K = num_classes, or, where
    that is -1, one more than the largest number.
    Raises: TypeError if input is not integer; ValueError if a number is negative or too large for
    num_classes, or if that is neither positive nor -1, or is -1 and input is empty.
    Source: document 003 (one-hot encoding); `torch.nn.functional.one_hot`.
    """
    input = np.asarray(input)
    if input.dtype.kind not in "iu":
        raise TypeError(f"input: expected integers, got an array of dtype {input.dtype}")
    if num_classes < 1 and num_classes != -1:
        raise ValueError(f"num_classes: expected a positive number or -1, got {num_classes}")
    if input.size == 0 and num_classes == -1:
        raise ValueError(f"input: expected a class to count from, got shape {input.shape}")
    num_classes = input.max() + 1 if num_classes == -1 else num_classes
    if ((input < 0) | (input >= num_classes)).any():
        low, high = input.min(), input.max()
        raise ValueError(f"input: expected 0 to {num_classes - 1}, got {low} to {high}")
    return (input[..., None] == np.arange(num_classes)).astype(np.int64)  # (*, 1) == (K,)
