"""Activation functions in NumPy: the readable truth, in float64.

Each differentiable function `f` is followed by `f_backward(grad_output, ...)`, which multiplies
the gradient of the loss with respect to the output by the derivative of `f` and so returns the
gradient with respect to the input (and to each learnable parameter).
"""

import numpy as np
from scipy.special import erf

__all__ = [
    "identity", "binary_step", "sigmoid", "tanh", "arctan",
    "relu", "leaky_relu", "prelu", "elu", "softplus",
    "silu", "swish", "gelu", "softmax", "log_softmax", "hardmax",
]  # fmt: skip


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


def _real_pair(grad_output, input):
    """Both as float64 arrays; ValueError unless they have one shape."""
    grad_output, input = _real(grad_output, "grad_output"), _real(input)
    if grad_output.shape != input.shape:
        raise ValueError(
            f"grad_output: expected the shape of input, {input.shape}, got {grad_output.shape}"
        )
    return grad_output, input


def identity(input):
    r"""The input unchanged: $f(x) = x$, the output of a regression network.

    Shapes: input (*), any shape; result the same.
    Raises: TypeError if input is not real.
    Source: document 000, table of activation functions.
    """
    return _real(input)


def identity_backward(grad_output, input):
    r"""$f'(x) = 1$. Shapes: grad_output and input (*); result the same.

    Raises: TypeError if an array is not real; ValueError if the shapes differ.
    """
    grad_output, input = _real_pair(grad_output, input)
    return grad_output


def binary_step(input):
    r"""$f(x) = 1$ where $x \ge 0$, else $0$: the neuron of 1943. Its derivative is 0 or undefined.

    Shapes: input (*); result the same.
    Raises: TypeError if input is not real.
    Source: McCulloch and Pitts 1943; document 000, table of activation functions.
    """
    return np.where(_real(input) >= 0, 1.0, 0.0)


def sigmoid(input):
    r"""$\sigma(x) = 1 / (1 + e^{-x})$, computed so that no exponential overflows.

    Shapes: input (*); result the same, in [0, 1].
    Raises: TypeError if input is not real.
    Source: documents 000, 002, 003 and 004.
    """
    input = _real(input)
    decay = np.exp(-np.abs(input))  # at most 1, whatever the sign
    return np.where(input >= 0, 1.0, decay) / (1.0 + decay)


def sigmoid_backward(grad_output, input):
    r"""$\sigma'(x) = \sigma(x)\,(1 - \sigma(x)) = \sigma(x)\,\sigma(-x)$, at most 1/4.

    Shapes: grad_output and input (*); result the same.
    Raises: TypeError if an array is not real; ValueError if the shapes differ.
    """
    grad_output, input = _real_pair(grad_output, input)
    return grad_output * sigmoid(input) * sigmoid(-input)


def tanh(input):
    r"""$\tanh(x) = (e^x - e^{-x}) / (e^x + e^{-x}) = 2\sigma(2x) - 1$.

    Shapes: input (*); result the same, in [-1, 1].
    Raises: TypeError if input is not real.
    Source: documents 000, 002 and 004. Document 003 prints tanh(x/2) instead: erratum E100.
    """
    return np.tanh(_real(input))


def tanh_backward(grad_output, input):
    r"""$\tanh'(x) = 1 - \tanh^2(x)$.

    Shapes: grad_output and input (*); result the same.
    Raises: TypeError if an array is not real; ValueError if the shapes differ.
    """
    grad_output, input = _real_pair(grad_output, input)
    return grad_output * (1.0 - np.tanh(input) ** 2)


def arctan(input):
    r"""$f(x) = \arctan(x)$: like tanh, but it saturates much more slowly.

    Shapes: input (*); result the same, in [-π/2, π/2].
    Raises: TypeError if input is not real.
    Source: document 000, table of activation functions.
    """
    return np.arctan(_real(input))


def arctan_backward(grad_output, input):
    r"""$f'(x) = 1 / (1 + x^2)$.

    Shapes: grad_output and input (*); result the same.
    Raises: TypeError if an array is not real; ValueError if the shapes differ.
    """
    grad_output, input = _real_pair(grad_output, input)
    return grad_output / (1.0 + input**2)


def relu(input):
    r"""Rectified linear unit: $f(x) = \max(0, x)$.

    Shapes: input (*); result the same.
    Raises: TypeError if input is not real.
    Source: Nair and Hinton 2010; documents 000, 002, 003 and 004.
    """
    return np.maximum(_real(input), 0.0)


def relu_backward(grad_output, input):
    r"""$f'(x) = 1$ where $x > 0$, else $0$; at the kink we take 0, as PyTorch does.

    Shapes: grad_output and input (*); result the same.
    Raises: TypeError if an array is not real; ValueError if the shapes differ.
    """
    grad_output, input = _real_pair(grad_output, input)
    return np.where(input > 0, grad_output, 0.0)


def leaky_relu(input, negative_slope=0.01):
    r"""$f(x) = x$ where $x > 0$, else $\alpha x$ with a small fixed slope $\alpha$.

    Shapes: input (*); negative_slope a number; result as input.
    Raises: TypeError if input is not real.
    Source: Maas, Hannun and Ng 2013; documents 002 and 003.
    """
    input = _real(input)
    return np.where(input > 0, input, negative_slope * input)


def leaky_relu_backward(grad_output, input, negative_slope=0.01):
    r"""$f'(x) = 1$ where $x > 0$, else $\alpha$.

    Shapes: grad_output and input (*); negative_slope a number; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes differ.
    """
    grad_output, input = _real_pair(grad_output, input)
    return np.where(input > 0, grad_output, negative_slope * grad_output)


def _per_channel(weight, input):
    """`weight` of shape (1,) or (C,), reshaped to broadcast along the channel dimension 1."""
    weight = _real(weight, "weight")
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.shape not in {(1,), (channels,)}:
        raise ValueError(
            f"weight: expected shape (1,) or ({channels},) for an input of shape {input.shape}, "
            f"got {weight.shape}"
        )
    shape = (-1, *[1] * (input.ndim - 2)) if input.ndim else ()
    return weight.reshape(shape)  # (C,) -> (C, 1, ..., 1)


def prelu(input, weight):
    r"""Parametric ReLU: leaky ReLU whose slope is learned, one for all or one a channel.

    $f(x) = x$ where $x > 0$, else $w_c\,x$.

    Shapes: input (N, C, *) or any; weight (1,) or (C,); result as input.
    Raises: TypeError if an array is not real; ValueError if weight has another shape.
    Source: He et al. 2015; document 000, table of activation functions.
    """
    input = _real(input)
    return np.where(input > 0, input, _per_channel(weight, input) * input)


def prelu_backward(grad_output, input, weight):
    r"""Gradients with respect to input and weight: $w_c$ and $\sum x$ where $x \le 0$.

    Shapes: grad_output and input (N, C, *) or any; weight (1,) or (C,); result a pair shaped
    as (input, weight).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    grad_output, input = _real_pair(grad_output, input)
    slope = _per_channel(weight, input)
    grad_input = np.where(input > 0, grad_output, slope * grad_output)
    grad_slope = np.where(input > 0, 0.0, input * grad_output)
    if slope.size == 1:
        return grad_input, grad_slope.sum().reshape(1)
    return grad_input, grad_slope.sum(axis=tuple(a for a in range(input.ndim) if a != 1))


def elu(input, alpha=1.0):
    r"""Exponential linear unit: $f(x) = x$ where $x > 0$, else $\alpha\,(e^x - 1)$.

    Shapes: input (*); alpha a number; result as input.
    Raises: TypeError if input is not real.
    Source: Clevert, Unterthiner and Hochreiter 2016; document 000, table.
    """
    input = _real(input)
    return np.where(input > 0, input, alpha * np.expm1(np.minimum(input, 0.0)))


def elu_backward(grad_output, input, alpha=1.0):
    r"""$f'(x) = 1$ where $x > 0$, else $\alpha e^x$.

    Shapes: grad_output and input (*); alpha a number; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes differ.
    """
    grad_output, input = _real_pair(grad_output, input)
    return grad_output * np.where(input > 0, 1.0, alpha * np.exp(np.minimum(input, 0.0)))


def _check_beta(beta):
    if not beta > 0:
        raise ValueError(f"beta: expected a positive number, got {beta}")


def softplus(input, beta=1.0, threshold=20.0):
    r"""A smooth ReLU: $f(x) = \frac{1}{\beta}\ln(1 + e^{\beta x})$.

    Where $\beta x$ exceeds the threshold the result is $x$ itself, as in PyTorch: with the
    default threshold the two differ by less than 2.1e-9 / beta.

    Shapes: input (*); beta and threshold numbers; result as input.
    Raises: TypeError if input is not real; ValueError unless beta is positive.
    Source: Dugas et al. 2001; document 000, table of activation functions.
    """
    _check_beta(beta)
    input = _real(input)
    return np.where(beta * input > threshold, input, np.logaddexp(0.0, beta * input) / beta)


def softplus_backward(grad_output, input, beta=1.0, threshold=20.0):
    r"""$f'(x) = \sigma(\beta x)$, and 1 above the threshold.

    Shapes: grad_output and input (*); beta and threshold numbers; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes differ or beta is not
    positive.
    """
    _check_beta(beta)
    grad_output, input = _real_pair(grad_output, input)
    return grad_output * np.where(beta * input > threshold, 1.0, sigmoid(beta * input))


def swish(input, beta=1.0):
    r"""$f(x) = x\,\sigma(\beta x)$; $\beta$ may be learned. $\beta \to \infty$ gives ReLU.

    Shapes: input (*); beta a number or an array of one element; result as input.
    Raises: TypeError if input or beta is not real; ValueError if beta has several elements.
    Source: Ramachandran, Zoph and Le 2017, equation 1; document 002.
    """
    input = _real(input)
    return input * sigmoid(_scalar(beta, "beta") * input)


def swish_backward(grad_output, input, beta=1.0):
    r"""Gradients with respect to input and beta, with $s = \sigma(\beta x)$.

    $\partial f/\partial x = s + \beta x\,s(1-s)$ and $\partial f/\partial\beta = x^2 s(1-s)$,
    the latter summed over all elements.

    Shapes: grad_output and input (*); beta one number; result a pair shaped as (input, beta).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    grad_output, input = _real_pair(grad_output, input)
    b = _scalar(beta, "beta")
    s = sigmoid(b * input)
    slope = s * sigmoid(-b * input)  # s (1 - s), exact in both tails
    grad_beta = np.sum(grad_output * input**2 * slope)
    return grad_output * (s + b * input * slope), grad_beta.reshape(np.shape(beta))


def _scalar(values, name):
    """One real number, given bare or in an array of one element."""
    array = _real(values, name)
    if array.size != 1:
        raise ValueError(f"{name}: expected one number, got an array of shape {array.shape}")
    return array.reshape(())


def silu(input):
    r"""Sigmoid linear unit: $f(x) = x\,\sigma(x)$, which is swish with $\beta = 1$.

    Shapes: input (*); result the same, at least -0.2785.
    Raises: TypeError if input is not real.
    Source: Elfwing, Uchibe and Doya 2018; document 002 (as swish).
    """
    return swish(input)


def silu_backward(grad_output, input):
    r"""$f'(x) = \sigma(x)\,(1 + x\,(1 - \sigma(x)))$.

    Shapes: grad_output and input (*); result the same.
    Raises: TypeError if an array is not real; ValueError if the shapes differ.
    """
    return swish_backward(grad_output, input)[0]


def _check_approximate(approximate):
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate: expected 'none' or 'tanh', got {approximate!r}")


def gelu(input, approximate="none"):
    r"""Gaussian error linear unit: $f(x) = x\,\Phi(x)$, $\Phi$ the normal distribution function.

    $\Phi(x) = \frac12(1 + \mathrm{erf}(x/\sqrt2))$; with approximate='tanh',
    $\frac12(1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715\,x^3)))$.

    Shapes: input (*); result the same.
    Raises: TypeError if input is not real; ValueError for another value of approximate.
    Source: Hendrycks and Gimpel 2016.
    """
    _check_approximate(approximate)
    input = _real(input)
    if approximate == "none":
        return 0.5 * input * (1.0 + erf(input / np.sqrt(2.0)))
    return 0.5 * input * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (input + 0.044715 * input**3)))


def gelu_backward(grad_output, input, approximate="none"):
    r"""$f'(x) = \Phi(x) + x\,\varphi(x)$, $\varphi$ the normal density; or that of the tanh form.

    Shapes: grad_output and input (*); result the same.
    Raises: TypeError if an array is not real; ValueError if the shapes differ or for another
    value of approximate.
    """
    _check_approximate(approximate)
    grad_output, input = _real_pair(grad_output, input)
    if approximate == "none":
        density = np.exp(-0.5 * input**2) / np.sqrt(2.0 * np.pi)
        return grad_output * (0.5 * (1.0 + erf(input / np.sqrt(2.0))) + input * density)
    scale = np.sqrt(2.0 / np.pi)
    t = np.tanh(scale * (input + 0.044715 * input**3))
    slope = scale * (1.0 + 3 * 0.044715 * input**2)
    return grad_output * (0.5 * (1.0 + t) + 0.5 * input * (1.0 - t**2) * slope)


def _along(input, dim):
    """`input` as float64; an error unless it has something along dimension dim."""
    input = _real(input)
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"dim: expected one of the {input.ndim} dimensions of input, got {dim}")
    if input.shape[dim] == 0:
        raise ValueError(f"input: expected entries along dim {dim}, got shape {input.shape}")
    return input


def softmax(input, dim):
    r"""$\mathrm{softmax}(x)_i = e^{x_i - m} / \sum_j e^{x_j - m}$ with $m = \max_j x_j$.

    The shift by the maximum cancels in the fraction and keeps every exponential in [0, 1].

    Shapes: input (*), at least one dimension; dim the one that sums to 1; result as input.
    Raises: TypeError if input is not real; IndexError if it has no dimension dim; ValueError
    if that is empty.
    Source: Bridle 1990; documents 001 and 002.
    """
    input = _along(input, dim)
    exponential = np.exp(input - input.max(axis=dim, keepdims=True))
    return exponential / exponential.sum(axis=dim, keepdims=True)


def softmax_backward(grad_output, input, dim):
    r"""$\partial L/\partial x = p \odot (g - \sum_j g_j p_j)$ for $p = \mathrm{softmax}(x)$.

    This is the product with the Jacobian $\mathrm{diag}(p) - p p^\top$, which is never built.

    Shapes: grad_output and input (*); result the same.
    Raises: TypeError if an array is not real; ValueError if the shapes differ or dimension dim
    is empty; IndexError if there is none.
    """
    grad_output, input = _real_pair(grad_output, input)
    p = softmax(input, dim)
    return p * (grad_output - (grad_output * p).sum(axis=dim, keepdims=True))


def log_softmax(input, dim):
    r"""$\ln \mathrm{softmax}(x)_i = x_i - m - \ln\sum_j e^{x_j - m}$, finite where softmax is 0.

    Shapes: input (*), at least one dimension; dim the one that sums to 1; result as input.
    Raises: TypeError if input is not real; IndexError if it has no dimension dim; ValueError
    if that is empty.
    Source: the logarithm of softmax, taken before it can underflow.
    """
    input = _along(input, dim)
    shifted = input - input.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def log_softmax_backward(grad_output, input, dim):
    r"""$\partial L/\partial x = g - \mathrm{softmax}(x) \sum_j g_j$.

    Shapes: grad_output and input (*); result the same.
    Raises: TypeError if an array is not real; ValueError if the shapes differ or dimension dim
    is empty; IndexError if there is none.
    """
    grad_output, input = _real_pair(grad_output, input)
    return grad_output - softmax(input, dim) * grad_output.sum(axis=dim, keepdims=True)


def hardmax(input, dim=-1):
    r"""1 at the largest value along dim (the first of equals), 0 elsewhere.

    Shapes: input (*), at least one dimension; result the same.
    Raises: TypeError if input is not real; IndexError if it has no dimension dim; ValueError
    if that is empty.
    Source: document 001; the ONNX operator Hardmax.
    """
    input = _along(input, dim)
    largest = np.expand_dims(input.argmax(axis=dim), dim)
    result = np.zeros_like(input)
    np.put_along_axis(result, largest, 1.0, axis=dim)
    return result
