"""Initialization and normalization in NumPy: the readable truth, in float64.

An initializer returns new weights in the shape of `tensor`. Its random numbers come from
`generator`: a seed or a NumPy generator gives the same weights here and in PyTorch. Each
differentiable function `f` is followed by `f_backward(grad_output, ...)`, which returns the
gradient of each array argument.
"""

from operator import index

import numpy as np

from book.activations import reference as activations
from book.neurons import reference as neurons

__all__ = [
    "calculate_gain", "kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform",
    "orthogonal", "delta_orthogonal", "batch_norm", "BatchNorm", "layer_norm", "group_norm",
    "clip_grad_norm", "residual_block",
]  # fmt: skip


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


# --- initialization


def calculate_gain(nonlinearity, param=None):
    r"""What an activation function shrinks a layer's numbers by, turned over.

    1 for 'linear' and 'sigmoid', 5/3 for 'tanh', $\sqrt2$ for 'relu', $\sqrt{2/(1 + a^2)}$ for
    'leaky_relu' with slope $a$ = param (0.01 if None), 3/4 for 'selu'.

    Shapes: nonlinearity a word, param a number; result a number.
    Raises: ValueError for another word, or if the slope is not a number.
    Source: PyTorch, `nn.init`; for ReLU He et al. 2015, equation 10.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"param: expected a number, the slope, got {slope!r}")
        return float(np.sqrt(2.0 / (1.0 + slope**2)))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": float(np.sqrt(2)), "selu": 0.75}
    if nonlinearity not in gains:
        expected = ", ".join([*gains, "leaky_relu"])
        raise ValueError(f"nonlinearity: expected one of {expected}, got {nonlinearity!r}")
    return gains[nonlinearity]


def _fans(tensor):
    """How many numbers a unit reads and how many units read a number: (fan_in, fan_out).

    A weight is (out, in, *kernel): a convolution reads `in` channels at each place of its kernel.
    """
    shape = _real(tensor, "tensor").shape
    if len(shape) < 2:
        raise ValueError(f"tensor: expected at least 2 dimensions (out, in, ...), got {shape}")
    places = int(np.prod(shape[2:]))
    return shape[1] * places, shape[0] * places


def _generator(generator):
    """A NumPy generator: the given one, one started from a seed, or one nobody can foresee."""
    if generator is None or isinstance(generator, np.random.Generator):
        return generator or np.random.default_rng()
    if isinstance(generator, bool) or not isinstance(generator, int | np.integer):
        got = type(generator).__name__
        raise TypeError(f"generator: expected a seed, a NumPy generator or None, got {got}")
    if generator < 0:
        raise ValueError(f"generator: expected a seed of at least 0, got {generator}")
    return np.random.default_rng(generator)


def _normal(tensor, std, generator):
    return std * _generator(generator).standard_normal(np.shape(tensor))


def _uniform(tensor, std, generator):
    """Even between -bound and bound; the bound sqrt(3) std makes the standard deviation std."""
    return np.sqrt(3.0) * std * _generator(generator).uniform(-1.0, 1.0, np.shape(tensor))


def _kaiming_std(tensor, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode: expected 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / np.sqrt(max(fan, 1))  # without weights, any will do


def _xavier_std(tensor, gain):
    return gain * np.sqrt(2.0 / max(sum(_fans(tensor)), 1))


def kaiming_normal(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    r"""Normal weights with standard deviation $\text{gain} / \sqrt{\text{fan}}$.

    With the gain of ReLU, $\sqrt2$, they keep the size of what flows forward (mode 'fan_in') or
    of the gradient that flows back ('fan_out').

    Shapes: tensor (out, in, *), of which only the shape counts; a, the slope of a leaky ReLU, a
    number; generator a seed, a NumPy generator or None; result as tensor.
    Raises: TypeError if tensor is not real or generator is something else; ValueError if tensor
    has fewer than 2 dimensions, or for another mode, nonlinearity or a negative seed.
    Source: He et al. 2015; document 002. Document 001 has it in its listings.
    """
    return _normal(tensor, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def kaiming_uniform(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    r"""Weights even between $\pm\text{gain}\,\sqrt{3 / \text{fan}}$: the same spread, no tails.

    Shapes: tensor (out, in, *), of which only the shape counts; a a number; generator a seed, a
    NumPy generator or None; result as tensor.
    Raises: TypeError if tensor is not real or generator is something else; ValueError if tensor
    has fewer than 2 dimensions, or for another mode, nonlinearity or a negative seed.
    Source: He et al. 2015; `nn.Linear` and `nn.Conv2d` start like this, with a = sqrt(5).
    """
    return _uniform(tensor, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def xavier_normal(tensor, gain=1.0, generator=None):
    r"""Normal weights with standard deviation
    $\text{gain}\,\sqrt{2 / (\text{fan}_\text{in} + \text{fan}_\text{out})}$.

    A compromise between keeping the size of the signal and that of the gradient.

    Shapes: tensor (out, in, *), of which only the shape counts; gain a number; generator a seed,
    a NumPy generator or None; result as tensor.
    Raises: TypeError if tensor is not real or generator is something else; ValueError if tensor
    has fewer than 2 dimensions or the seed is negative.
    Source: Glorot and Bengio 2010, equation 12.
    """
    return _normal(tensor, _xavier_std(tensor, gain), generator)


def xavier_uniform(tensor, gain=1.0, generator=None):
    r"""Weights even between
    $\pm\text{gain}\,\sqrt{6 / (\text{fan}_\text{in} + \text{fan}_\text{out})}$.

    Shapes: tensor (out, in, *), of which only the shape counts; gain a number; generator a seed,
    a NumPy generator or None; result as tensor.
    Raises: TypeError if tensor is not real or generator is something else; ValueError if tensor
    has fewer than 2 dimensions or the seed is negative.
    Source: Glorot and Bengio 2010, equation 16. Document 002 prints another one: erratum E87.
    """
    return _uniform(tensor, _xavier_std(tensor, gain), generator)


def orthogonal(tensor, gain=1.0, generator=None):
    r"""A random matrix $Q$ whose rows, or columns if these are fewer, are orthonormal, times gain.

    $A = QR$ for a matrix $A$ of normal numbers; flipping signs so that $\mathrm{diag}(R) > 0$
    makes $Q$ evenly distributed over all such matrices.

    Shapes: tensor (out, in, *), taken as a matrix (out, in · …), of which only the shape counts;
    gain a number; generator a seed, a NumPy generator or None; result as tensor.
    Raises: TypeError if tensor is not real or generator is something else; ValueError if tensor
    has fewer than 2 dimensions or the seed is negative.
    Source: Saxe, McClelland and Ganguli 2014; Mezzadri 2007 for the signs.
    """
    _fans(tensor)
    shape = np.shape(tensor)
    if 0 in shape:
        return np.zeros(shape)
    a = _generator(generator).standard_normal((shape[0], int(np.prod(shape[1:]))))
    wide = a.shape[0] < a.shape[1]
    q, r = np.linalg.qr(a.T if wide else a)
    q = q * np.sign(np.diag(r))
    return gain * (q.T if wide else q).reshape(shape)


def delta_orthogonal(tensor, gain=1.0, generator=None):
    r"""A kernel that is an orthogonal matrix at its center and zero everywhere else.

    Convolving with it turns the channels of each place and mixes no places, so that it keeps the
    length of every signal, whatever the size of the picture.

    Shapes: tensor (out, in, *kernel) with out >= in and odd sides, of which only the shape
    counts; gain a number; generator a seed, a NumPy generator or None; result as tensor.
    Raises: TypeError if tensor is not real or generator is something else; ValueError if tensor
    has fewer than 3 dimensions, more inputs than outputs or an even side, or for a negative seed.
    Source: Xiao et al. 2018, algorithm 2; document 002.
    """
    _fans(tensor)
    out, channels, *kernel = np.shape(tensor)
    if not kernel or out < channels or any(side % 2 == 0 for side in kernel):
        raise ValueError(
            "tensor: expected (out, in, *kernel) with out >= in and odd sides, "
            f"got {np.shape(tensor)}"
        )
    weight = np.zeros(np.shape(tensor))
    center = (..., *[side // 2 for side in kernel])
    weight[center] = orthogonal(np.empty((out, channels)), gain, generator)
    return weight


# --- normalization


def _channels(input, weight, bias):
    """weight and bias, one number a channel, ready to broadcast along dimension 1; or None."""
    shape = (input.shape[1], *[1] * (input.ndim - 2))
    return tuple(
        None if values is None else _shaped(values, name, (input.shape[1],)).reshape(shape)
        for name, values in (("weight", weight), ("bias", bias))
    )


def _shaped(values, name, shape):
    values = _real(values, name)
    if values.shape != tuple(shape):
        raise ValueError(f"{name}: expected shape {tuple(shape)}, got {values.shape}")
    return values


def _check_grad(grad_output, input):
    grad_output = _real(grad_output, "grad_output")
    if grad_output.shape != input.shape:
        raise ValueError(
            f"grad_output: expected the shape of input, {input.shape}, got {grad_output.shape}"
        )
    return grad_output


def _check_eps(eps, positive=False):
    if not (eps > 0 if positive else eps >= 0):
        raise ValueError(
            f"eps: expected a {'positive' if positive else 'nonnegative'} number, got {eps}"
        )


def _standardized(input, axes, eps):
    r"""$\hat x = (x - \mu) / \sqrt{\sigma^2 + \varepsilon}$ over axes, and the divisor."""
    centered = input - input.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centered**2).mean(axis=axes, keepdims=True) + eps)
    return centered / deviation, deviation


def _standardized_backward(grad, normal, deviation, axes):
    r"""Back through $\hat x$: take from $g$ its mean and what of it lies along $\hat x$.

    $(g - \bar g - \hat x\,\overline{g \hat x}) / \sqrt{\sigma^2 + \varepsilon}$, bars for means.
    """
    along = (grad * normal).mean(axis=axes, keepdims=True)
    return (grad - grad.mean(axis=axes, keepdims=True) - normal * along) / deviation


def _scaled(normal, weight, bias):
    scaled = normal if weight is None else normal * weight
    return scaled if bias is None else scaled + bias


def _gradients(grad_output, normal, grad_input, weight, bias, axes):
    """(grad_input, and for weight and bias where there are some, summed over all that share it)."""
    found = [grad_input]
    if weight is not None:
        found.append((grad_output * normal).sum(axis=axes))
    if bias is not None:
        found.append(grad_output.sum(axis=axes))
    return tuple(found)


def _check_batch(input, running_mean, running_var, training, eps):
    """`input` as float64, once everything fits together."""
    input = _real(input)
    if input.ndim < 2:
        raise ValueError(f"input: expected shape (N, C, *), got {input.shape}")
    _check_eps(eps, training)
    if (running_mean is None) != (running_var is None) or (running_mean is None and not training):
        need = "both or none" if training else "both, without training"
        got = [n for n, v in (("mean", running_mean), ("var", running_var)) if v is not None]
        raise ValueError(f"running_mean and running_var: expected {need}, got {got or 'none'}")
    if training and input.size < 2 * max(input.shape[1], 1):
        raise ValueError(
            f"input: expected more than 1 value for each channel in training, got {input.shape}"
        )
    if running_mean is not None:
        _shaped(running_mean, "running_mean", (input.shape[1],))
        _shaped(running_var, "running_var", (input.shape[1],))
    return input


def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    r"""Each channel with mean 0 and variance 1, then scaled and shifted.

    $y = \gamma\,(x - \mu)/\sqrt{\sigma^2 + \varepsilon} + \beta$, $\gamma$ the weight, $\beta$ the
    bias. In training, $\mu$ and $\sigma^2$ (divided by the number of values $m$) are those of the
    batch; the running statistics, where given, are moved **in place** as $r \leftarrow (1 -
    \alpha)\,r + \alpha\,s$ with $\alpha$ = momentum, towards the mean and the variance divided by
    $m - 1$. Otherwise $\mu$ and $\sigma^2$ are the running statistics.

    Shapes: input (N, C, *); running_mean, running_var, weight and bias (C,) or None; result as
    input.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, eps is negative (in
    training: not positive), running statistics are missing, or a channel has a single value in
    training.
    Source: Ioffe and Szegedy 2015, algorithms 1 and 2; documents 001, 002 and 003.
    """
    input = _check_batch(input, running_mean, running_var, training, eps)
    gamma, beta = _channels(input, weight, bias)
    if not training:
        mean, var = _channels(input, running_mean, running_var)
        return _scaled((input - mean) / np.sqrt(var + eps), gamma, beta)
    axes = (0, *range(2, input.ndim))
    normal, _ = _standardized(input, axes, eps)
    if running_mean is not None:
        _move(running_mean, input.mean(axis=axes), momentum)
        _move(running_var, input.var(axis=axes, ddof=1), momentum)  # unbiased: m - 1
    return _scaled(normal, gamma, beta)


def _move(running, new, momentum):
    running *= 1.0 - momentum  # in place
    running += momentum * new


def batch_norm_backward(
    grad_output,
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    r"""$g_\gamma = \sum g \hat x$, $g_\beta = \sum g$, and with $h = \gamma g$ for the input

    $(h - \bar h - \hat x\,\overline{h \hat x}) / \sqrt{\sigma^2 + \varepsilon}$ in training, since
    every value also moves $\mu$ and $\sigma^2$; $h / \sqrt{\sigma^2 + \varepsilon}$ otherwise.

    Shapes: grad_output as input; returns the gradients of input, and of weight and bias where
    there are some. The running statistics stay as they are and have no gradient.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input = _check_batch(input, running_mean, running_var, training, eps)
    grad_output = _check_grad(grad_output, input)
    gamma, _ = _channels(input, weight, bias)
    axes = (0, *range(2, input.ndim))
    grad = grad_output if gamma is None else grad_output * gamma
    if training:
        normal, deviation = _standardized(input, axes, eps)
        grad_input = _standardized_backward(grad, normal, deviation, axes)
    else:
        mean, var = _channels(input, running_mean, running_var)
        normal = (input - mean) / np.sqrt(var + eps)
        grad_input = grad / np.sqrt(var + eps)
    return _gradients(grad_output, normal, grad_input, weight, bias, axes)


class BatchNorm:
    r"""A batch-norm layer with its memory: $\gamma$, $\beta$ and the running statistics.

    It starts with weight 1, bias 0, running_mean 0 and running_var 1. `train()` and `eval()` switch
    its mode. momentum=None averages over all batches so far, $\alpha = 1/t$ in the t-th;
    affine=False leaves out weight and bias; track_running_stats=False keeps no statistics and
    normalizes by the batch in both modes.

    Shapes: num_features C; called with (N, C, *), returns the same.
    Raises: ValueError if num_features is not positive; what `batch_norm` raises when called.
    Source: `torch.nn.BatchNorm1d`, 2d and 3d.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        if index(num_features) < 1:
            raise ValueError(f"num_features: expected at least 1, got {num_features}")
        self.eps, self.momentum, self.training = eps, momentum, True
        self.weight = np.ones(num_features) if affine else None
        self.bias = np.zeros(num_features) if affine else None
        self.running_mean = np.zeros(num_features) if track_running_stats else None
        self.running_var = np.ones(num_features) if track_running_stats else None
        self.num_batches_tracked = 0

    def train(self, mode=True):
        self.training = mode
        return self

    def eval(self):
        return self.train(False)

    def __call__(self, input):
        tracks = self.running_mean is not None
        momentum = self.momentum
        if self.training and tracks:
            self.num_batches_tracked += 1
            if momentum is None:
                momentum = 1.0 / self.num_batches_tracked  # the plain average of all batches
        return batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not tracks, momentum, self.eps,
        )  # fmt: skip


def _last_axes(input, normalized_shape, weight, bias, eps):
    """input, weight and bias as float64, and the axes that normalized_shape names."""
    input, shape = _real(input), tuple(normalized_shape)
    _check_eps(eps)
    if not shape or input.shape[-len(shape) :] != shape:
        raise ValueError(
            f"normalized_shape: expected the last sides of input, {input.shape}, got {shape}"
        )
    weight = None if weight is None else _shaped(weight, "weight", shape)
    bias = None if bias is None else _shaped(bias, "bias", shape)
    return input, weight, bias, tuple(range(-len(shape), 0))


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    r"""Each example by itself: $y = \gamma\,(x - \mu)/\sqrt{\sigma^2 + \varepsilon} + \beta$.

    $\mu$ and $\sigma^2$ run over the last sides, those that normalized_shape names.

    Shapes: input (*, *normalized_shape), normalized_shape a sequence of sides; weight and bias as
    normalized_shape, or None; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit or eps is
    negative.
    Source: Ba, Kiros and Hinton 2016; document 002.
    """
    input, weight, bias, axes = _last_axes(input, normalized_shape, weight, bias, eps)
    if input.size == 0:
        return input
    return _scaled(_standardized(input, axes, eps)[0], weight, bias)


def layer_norm_backward(grad_output, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    r"""As for batch norm in training, with means over the last sides instead of the batch.

    Shapes: grad_output as input; returns the gradients of input, and of weight and bias where
    there are some.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, weight, bias, axes = _last_axes(input, normalized_shape, weight, bias, eps)
    grad_output = _check_grad(grad_output, input)
    batch = tuple(range(input.ndim - len(axes)))
    if input.size == 0:
        return _gradients(grad_output, input, input, weight, bias, batch)
    normal, deviation = _standardized(input, axes, eps)
    grad = grad_output if weight is None else grad_output * weight
    grad_input = _standardized_backward(grad, normal, deviation, axes)
    return _gradients(grad_output, normal, grad_input, weight, bias, batch)


def _grouped(input, num_groups, eps):
    """`input` as float64 (N, G, C / G * places): a group a row."""
    input = _real(input)
    _check_eps(eps)
    if input.ndim < 2 or index(num_groups) < 1 or input.shape[1] % num_groups:
        raise ValueError(
            f"input: expected shape (N, C, *) with C divisible by num_groups={num_groups}, "
            f"got {input.shape}"
        )
    return input, (input.shape[0], num_groups, input.size // max(input.shape[0] * num_groups, 1))


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    r"""Each example's channels in groups, each group with mean 0 and variance 1.

    Then each channel is scaled and shifted by its $\gamma$ and $\beta$.

    One group is layer norm over channels and places; a group for each channel is instance norm.

    Shapes: input (N, C, *), num_groups a divisor of C; weight and bias (C,) or None; result as
    input.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit or eps is
    negative.
    Source: Wu and He 2018.
    """
    input, groups = _grouped(input, num_groups, eps)
    gamma, beta = _channels(input, weight, bias)
    if input.size == 0:
        return input
    normal, _ = _standardized(input.reshape(groups), 2, eps)  # (N, C, *) -> (N, G, rest)
    return _scaled(normal.reshape(input.shape), gamma, beta)


def group_norm_backward(grad_output, input, num_groups, weight=None, bias=None, eps=1e-5):
    r"""As for batch norm in training, with means over each group of each example.

    Shapes: grad_output as input; returns the gradients of input, and of weight and bias where
    there are some.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, groups = _grouped(input, num_groups, eps)
    grad_output = _check_grad(grad_output, input)
    gamma, _ = _channels(input, weight, bias)
    shared = (0, *range(2, input.ndim))
    if input.size == 0:
        return _gradients(grad_output, input, input, weight, bias, shared)
    normal, deviation = _standardized(input.reshape(groups), 2, eps)
    grad = grad_output if gamma is None else grad_output * gamma
    grad_input = _standardized_backward(grad.reshape(groups), normal, deviation, 2)
    normal, grad_input = normal.reshape(input.shape), grad_input.reshape(input.shape)
    return _gradients(grad_output, normal, grad_input, weight, bias, shared)


# --- gradients that are too long, and a way around a layer


def clip_grad_norm(*grads, max_norm, norm_type=2.0, error_if_nonfinite=False):
    r"""All gradients times $\min(1, c / (\lVert g \rVert + 10^{-6}))$: the direction stays.

    $\lVert g \rVert$ is the norm of all their numbers together, $c$ is max_norm.

    Shapes: grads arrays of any shapes; max_norm and norm_type (a p of at least 1, also inf)
    numbers; returns (norm before clipping, *clipped gradients).
    Raises: TypeError if an array is not real; ValueError without gradients, or if max_norm is
    negative or norm_type less than 1; RuntimeError if the norm is not finite and
    error_if_nonfinite is true.
    Source: Pascanu, Mikolov and Bengio 2013; document 002; in PyTorch `nn.utils` has it.
    """
    grads = [_real(grad, "grads") for grad in grads]
    if not grads or not max_norm >= 0 or not norm_type >= 1:
        raise ValueError(
            "expected at least one gradient, max_norm >= 0 and norm_type >= 1, "
            f"got {len(grads)} gradients, max_norm={max_norm}, norm_type={norm_type}"
        )
    flat = np.abs(np.concatenate([grad.ravel() for grad in grads]))
    if norm_type == np.inf:
        norm = flat.max(initial=0.0)
    else:
        norm = (flat**norm_type).sum() ** (1.0 / norm_type)
    if error_if_nonfinite and not np.isfinite(norm):
        raise RuntimeError(f"grads: expected a finite norm, got {norm}")
    factor = np.minimum(max_norm / (norm + 1e-6), 1.0)
    with np.errstate(invalid="ignore"):  # zero times infinity
        return np.asarray(norm), *(factor * grad for grad in grads)


def residual_block(input, weight1, bias1, weight2, bias2, projection=None):
    r"""Two layers and a way around them.

    $y = \mathrm{relu}(W_2\,\mathrm{relu}(W_1 x + b_1) + b_2 + P x)$. Without a projection, $P$ is
    the identity: with all weights zero a block passes on what entered, if that is not negative.

    Shapes: input (*, in); weight1 (hidden, in), bias1 (hidden,); weight2 (out, hidden), bias2
    (out,); projection (out, in), or None if out = in; result (*, out).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    Source: He et al. 2016, equations 1 and 2; documents 001, 002 and 003, E63.
    """
    _check_block(input, weight2, projection)
    shortcut = _real(input) if projection is None else neurons.linear(input, projection)
    return activations.relu(
        neurons.linear(activations.relu(neurons.linear(input, weight1, bias1)), weight2, bias2)
        + shortcut
    )


def residual_block_backward(grad_output, input, weight1, bias1, weight2, bias2, projection=None):
    r"""The gradient goes both ways, through the two layers and straight through, and adds up.

    $g_x = W_1^\top(\mathrm{relu}'(z_1) \odot W_2^\top g) + P^\top g$, with $g$ past the last ReLU.

    Shapes: grad_output as the result; returns the gradients of input, weight1, bias1, weight2,
    bias2, and of projection where there is one.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    _check_block(input, weight2, projection)
    z1 = neurons.linear(input, weight1, bias1)
    h1 = activations.relu(z1)
    shortcut = _real(input) if projection is None else neurons.linear(input, projection)
    g = activations.relu_backward(grad_output, neurons.linear(h1, weight2, bias2) + shortcut)
    grad_h1, grad_weight2, grad_bias2 = neurons.linear_backward(g, h1, weight2, bias2)
    grad_z1 = activations.relu_backward(grad_h1, z1)
    grad_input, grad_weight1, grad_bias1 = neurons.linear_backward(grad_z1, input, weight1, bias1)
    found = (grad_weight1, grad_bias1, grad_weight2, grad_bias2)
    if projection is None:
        return grad_input + g, *found
    through, grad_projection = neurons.linear_backward(g, input, projection)
    return grad_input + through, *found, grad_projection


def _check_block(input, weight2, projection):
    """ValueError unless what goes around fits what comes out: it must never broadcast."""
    arrays = [("input", input), ("weight2", weight2)]
    arrays += [] if projection is None else [("projection", projection)]
    for name, values in arrays:
        _real(values, name)
    came = np.shape(input)[-1:] if projection is None else np.shape(projection)[:1]
    if np.ndim(weight2) != 2 or came != np.shape(weight2)[:1]:
        raise ValueError(
            f"weight2: expected as many rows as the way around has numbers, {came}, "
            f"got shape {np.shape(weight2)}"
        )
