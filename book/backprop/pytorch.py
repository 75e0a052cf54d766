"""Backpropagation in PyTorch: its own tensors and autograd, checked and spelled out."""

import torch
from torch import nn

from book.backprop.drawing import graph
from book.backprop.network import layers_of

__all__ = ["Tensor", "numerical_gradient", "gradcheck", "mlp_backward", "training_step", "graph"]


class Tensor(torch.Tensor):
    """PyTorch's own tensor, made as the engine's is: all that it can do is `torch.Tensor`'s.

    Shapes: data (*), any shape; integers become floating-point numbers of the default dtype.
    Raises: TypeError if data is not real.
    """

    def __new__(cls, data, requires_grad=False):
        tensor = torch.as_tensor(data)
        if tensor.is_complex():
            raise TypeError(f"data: expected real numbers, got dtype {tensor.dtype}")
        tensor = tensor if tensor.is_floating_point() else tensor.to(torch.get_default_dtype())
        return torch.Tensor._make_subclass(cls, tensor.detach().clone(), requires_grad)

    def __init__(self, data, requires_grad=False):
        super().__init__()


def _real(values: torch.Tensor, name: str = "input") -> torch.Tensor:
    """`values`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(values, torch.Tensor) or not values.dtype.is_floating_point:
        got = values.dtype if isinstance(values, torch.Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return values


@torch.no_grad()
def numerical_gradient(func, input, eps=6e-6):
    """Central differences with all moved copies of the input in one batch (`torch.func.vmap`).

    Shapes: input (*); func maps such a tensor to one number, by operations that can be batched;
    result as input. Computed in float64, whatever the dtype.
    Raises: TypeError if input is not floating point; ValueError if func returns no single number,
    or eps is not above 0.
    """
    point = _real(input).detach().double()
    if not eps > 0:
        raise ValueError(f"eps: expected a step above 0, got {eps}")
    if not point.numel():
        return torch.zeros_like(input)
    steps = eps * torch.eye(point.numel(), dtype=torch.float64, device=point.device)
    up, down = (point + sign * steps.reshape(-1, *point.shape) for sign in (1, -1))
    high, low = (torch.func.vmap(func)(moved) for moved in (up, down))
    if high.numel() != point.numel():
        shape = tuple(high.shape[1:])
        raise ValueError(f"func: expected a function with one number as result, got {shape}")
    width = torch.diagonal((up - down).reshape(point.numel(), -1))
    return ((high - low).reshape(-1) / width).reshape(point.shape).to(input.dtype)


def gradcheck(func, inputs, eps=6e-6, atol=1e-5, rtol=1e-3):
    """Whether autograd and central differences agree; PyTorch's own is `torch.autograd.gradcheck`.

    Shapes: inputs one tensor (*), or a tuple of tensors; func maps as many to one. Returns True.
    Raises: TypeError if an input is not floating point; RuntimeError that names the first entry
    that differs.
    """
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    tensors = [_real(tensor).detach().double().requires_grad_() for tensor in given]
    output = func(*tensors)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(output.shape, generator=generator, dtype=torch.float64).to(output.device)
    analytic = torch.autograd.grad(output, tensors, weights, materialize_grads=True)
    for k, tensor in enumerate(tensors):

        def moved(value, k=k):
            others = [value if j == k else other.detach() for j, other in enumerate(tensors)]
            return (func(*others) * weights).sum()

        numerical = numerical_gradient(moved, tensor, eps)
        wrong = ~((analytic[k] - numerical).abs() <= atol + rtol * numerical.abs())
        if wrong.any():
            at = tuple(wrong.nonzero()[0].tolist())
            raise RuntimeError(
                f"gradcheck: input {k} at {at}: expected {numerical[at]:.6g} by central "
                f"differences, got {analytic[k][at]:.6g} by backpropagation"
            )
    return True


@torch.no_grad()
def mlp_backward(grad_output, input, *parameters):
    """Backpropagation through linear, ReLU, …, linear in matrix form; autograd does it for you.

    Shapes: input (N, D); parameters weight1 (H1, D), bias1 (H1,), weight2 (H2, H1), bias2, …;
    grad_output (N, K). Returns the gradients of input and of each parameter, in this order.
    Raises: TypeError if a tensor is not floating point; ValueError if shapes do not fit.
    """
    grad_output, input = _real(grad_output, "grad_output"), _real(input)
    layers = layers_of(input, parameters, _real)
    hidden = [input]
    for number, (weight, bias) in enumerate(layers, start=1):
        z = torch.addmm(bias, hidden[-1], weight.T)
        hidden.append(z.relu() if number < len(layers) else z)
    if grad_output.shape != hidden[-1].shape:
        raise ValueError(
            f"grad_output: expected the output's shape {tuple(hidden[-1].shape)}, "
            f"got {tuple(grad_output.shape)}"
        )
    delta, gradients = grad_output, []
    for (weight, _), given in zip(reversed(layers), reversed(hidden[:-1]), strict=True):
        gradients = [delta.T @ given, delta.sum(0), *gradients]
        delta = delta @ weight
        if given is not input:
            delta = delta * (given > 0)
    return (delta, *gradients)


class CrossEntropy(torch.autograd.Function):
    """Softmax and cross-entropy as one operation with a rule of its own: (p - [k = y]) / N."""

    @staticmethod
    def forward(ctx, scores, target):
        """The loss; keeps in `ctx` what its gradient needs."""
        log_p = scores.log_softmax(1)
        ctx.save_for_backward(log_p, target)
        return -log_p.gather(1, target[:, None]).mean()

    @staticmethod
    def backward(ctx, grad_output):
        """The gradient of the scores, and none of the classes."""
        log_p, target = ctx.saved_tensors
        blame = log_p.exp() - nn.functional.one_hot(target, log_p.shape[1])
        return grad_output * blame / len(target), None


@torch.enable_grad()
def training_step(input, target, lr, *parameters):
    """One step of gradient descent; in practice `nn.CrossEntropyLoss` and `torch.optim.SGD`.

    Shapes: input (N, D), N at least 1; target (N,), integers from 0 to K - 1; lr a number;
    parameters weight1 (H1, D), bias1 (H1,), …, the last with K units. Returns the loss before the
    step, then each parameter after it, as a new tensor.
    Raises: TypeError if a tensor is not floating point, or target not of integers; ValueError if
    shapes do not fit one another, a class does not exist or lr is not above 0.
    """
    input = _real(input).detach()
    parameters = [_real(tensor).detach().requires_grad_() for tensor in parameters]
    layers = layers_of(input, parameters, _real)
    _check_classes(target, input, layers, lr)
    scores = input
    for number, (weight, bias) in enumerate(layers, start=1):
        z = torch.addmm(bias, scores, weight.T)
        scores = z.relu() if number < len(layers) else z
    loss = CrossEntropy.apply(scores, target)
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        return (
            loss.detach(),
            *(tensor - lr * grad for tensor, grad in zip(parameters, gradients, strict=True)),
        )


def _check_classes(target, input, layers, lr):
    """TypeError or ValueError unless there is a class for each input."""
    if not lr > 0:
        raise ValueError(f"lr: expected a step above 0, got {lr}")
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(f"target: expected integers, got {target.dtype}")
    if target.shape != input.shape[:1] or not len(target):
        raise ValueError(
            f"target: expected a class for each of one or more inputs, got the shape "
            f"{tuple(target.shape)} for {len(input)} inputs"
        )
    num_classes = len(layers[-1][1])
    if not 0 <= target.min() <= target.max() < num_classes:
        raise ValueError(
            f"target: expected classes from 0 to {num_classes - 1}, "
            f"got {target.min()} to {target.max()}"
        )
