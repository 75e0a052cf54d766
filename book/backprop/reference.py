"""Backpropagation in NumPy: the engine, its check by finite differences, and a network by hand."""

import numpy as np

from book.backprop.drawing import graph
from book.backprop.engine import Tensor
from book.backprop.network import layers_of

__all__ = ["Tensor", "numerical_gradient", "gradcheck", "mlp_backward", "training_step", "graph"]


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


def numerical_gradient(func, input, eps=6e-6):
    r"""Central differences, $\partial f/\partial x_i \approx (f(x + h e_i) - f(x - h e_i)) / 2h$.

    The error of the cut-off series falls with $h^2$, that of rounding grows with $1/h$; the best
    step for numbers around 1 is the cube root of the precision, $6 \cdot 10^{-6}$. Two calls of
    `func` for each entry: for checking gradients, not for training.

    Shapes: input (*); func maps such an array to one number; result as input.
    Raises: TypeError if input is not real; ValueError if func returns no single number, or eps is
    not above 0.
    Source: document 004; the error analysis is any book's on numerical methods.
    """
    point = _real(input)
    if not eps > 0:
        raise ValueError(f"eps: expected a step above 0, got {eps}")
    gradient = np.zeros(point.shape)
    for index, value in np.ndenumerate(point):
        results = []
        for moved in (value + eps, value - eps):
            point[index] = moved
            results.append(_one_number(func(point.copy())))
        point[index] = value
        # The step as rounded, not as wished: x + h is rarely exactly h away from x.
        gradient[index] = (results[0] - results[1]) / ((value + eps) - (value - eps))
    return gradient


def _one_number(value):
    value = value.data if isinstance(value, Tensor) else np.asarray(value)
    if value.size != 1:
        raise ValueError(f"func: expected a function with one number as result, got {value.shape}")
    return value.item()


def gradcheck(func, inputs, eps=6e-6, atol=1e-5, rtol=1e-3):
    r"""Whether backpropagation and central differences agree: $|a - n| \le atol + rtol\,|n|$.

    The result of func is weighted with random numbers first: a sum of all its entries would hide
    errors, as the entries of a softmax sum to 1 whatever the input.

    Shapes: inputs one array (*), or a tuple of arrays; func maps as many Tensors to one Tensor.
    Returns True.
    Raises: TypeError if an input is not real; RuntimeError that names the first entry that differs.
    Source: the counterpart of `torch.autograd.gradcheck`.
    """
    arrays = [_real(array) for array in (inputs if isinstance(inputs, tuple) else (inputs,))]
    tensors = [Tensor(array, requires_grad=True) for array in arrays]
    output = func(*tensors)
    weights = np.random.default_rng(0).normal(size=output.shape)
    output.backward(weights)
    for k, array in enumerate(arrays):

        def moved(value, k=k):
            others = [Tensor(value if j == k else other) for j, other in enumerate(arrays)]
            return np.sum(func(*others).data * weights)

        numerical = numerical_gradient(moved, array, eps)
        analytic = np.zeros(array.shape) if tensors[k].grad is None else tensors[k].grad
        wrong = ~(np.abs(analytic - numerical) <= atol + rtol * np.abs(numerical))
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise RuntimeError(
                f"gradcheck: input {k} at {at}: expected {numerical[at]:.6g} by central "
                f"differences, got {analytic[at]:.6g} by backpropagation"
            )
    return True


def mlp_backward(grad_output, input, *parameters):
    r"""Backpropagation through linear, ReLU, linear, ReLU, …, linear, in matrix form.

    With $z_l = h_{l-1} W_l^\top + b_l$, $h_l = \max(z_l, 0)$ and
    $\delta_l = \partial L/\partial z_l$: $\partial L/\partial W_l = \delta_l^\top h_{l-1}$,
    $\partial L/\partial b_l = \sum_n \delta_{l,n}$,
    $\delta_{l-1} = (\delta_l W_l) \odot [z_{l-1} > 0]$.

    Shapes: input (N, D); parameters weight1 (H1, D), bias1 (H1,), weight2 (H2, H1), bias2, …;
    grad_output (N, K), the gradient of the last layer's output. Returns the gradients of input and
    of each parameter, in this order.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit one another.
    Source: documents 001 and 003, "allocate the error".
    """
    grad_output, input = _real(grad_output, "grad_output"), _real(input)
    layers = layers_of(input, parameters, _real)
    hidden = [input]  # what each layer was given
    for number, (weight, bias) in enumerate(layers, start=1):
        z = hidden[-1] @ weight.T + bias
        hidden.append(np.maximum(z, 0.0) if number < len(layers) else z)
    if grad_output.shape != hidden[-1].shape:
        raise ValueError(
            f"grad_output: expected the output's shape {hidden[-1].shape}, got {grad_output.shape}"
        )
    delta, gradients = grad_output, []
    for (weight, _), given in zip(reversed(layers), reversed(hidden[:-1]), strict=True):
        gradients = [delta.T @ given, delta.sum(axis=0), *gradients]
        delta = delta @ weight
        if given is not input:
            delta = delta * (given > 0)
    return (delta, *gradients)


def cross_entropy(scores, target):
    """Softmax and cross-entropy as one operation of the engine: its rule is (p - [k = y]) / N."""
    rows = np.arange(len(target))
    shifted = scores.data - scores.data.max(axis=1, keepdims=True)  # no exponential overflows
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    blame = np.exp(log_p)
    blame[rows, target] -= 1.0
    loss = -log_p[rows, target].mean()
    return Tensor._result("cross-entropy", loss, (scores, lambda g: g * blame / len(target)))


def training_step(input, target, lr, *parameters):
    r"""One step of gradient descent for a classifier: linear, ReLU, …, linear, cross-entropy.

    With the scores $s$ of the last layer,
    $L = \frac1N \sum_n (\log \sum_k e^{s_{nk}} - s_{n, y_n})$ and
    $w \leftarrow w - \eta\, \partial L/\partial w$ for every parameter; the engine finds the
    gradients.

    Shapes: input (N, D), N at least 1; target (N,), the right classes, integers from 0 to K - 1; lr
    a number; parameters weight1 (H1, D), bias1 (H1,), …, the last with K units. Returns the loss
    before the step, then each parameter after it, as a new array.
    Raises: TypeError if an array is not real, or target not of integers; ValueError if shapes do
    not fit one another, a class does not exist or lr is not above 0.
    Source: documents 001 and 004, gradient descent.
    """
    input = _real(input)
    layers = layers_of(input, parameters, _real)
    target = _classes(target, input, layers, lr)
    layers = [[Tensor(array, requires_grad=True) for array in layer] for layer in layers]
    scores = input
    for number, (weight, bias) in enumerate(layers, start=1):
        z = scores @ weight.T + bias
        scores = z.relu() if number < len(layers) else z
    loss = cross_entropy(scores, target)
    loss.backward()
    return (loss.data, *(tensor.data - lr * tensor.grad for layer in layers for tensor in layer))


def _classes(target, input, layers, lr):
    """The classes as an array; TypeError or ValueError unless there is one for each input."""
    if not lr > 0:
        raise ValueError(f"lr: expected a step above 0, got {lr}")
    target, num_classes = np.asarray(target), len(layers[-1][1])
    if target.dtype.kind not in "iu":
        raise TypeError(f"target: expected integers, got an array of dtype {target.dtype}")
    if target.shape != (len(input),) or not target.size:
        raise ValueError(
            f"target: expected a class for each of one or more inputs, got the shape "
            f"{target.shape} for {len(input)} inputs"
        )
    if target.min() < 0 or target.max() >= num_classes:
        raise ValueError(
            f"target: expected classes from 0 to {num_classes - 1}, "
            f"got {target.min()} to {target.max()}"
        )
    return target
