"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function (or is a class with the role of the
task's class). `autograder` records what it returns on the visible inputs and recognizes it there.
"""

from collections import deque

import numpy as np
import torch

from autograder.misconceptions import misconception
from book.activations.reference import sigmoid

# --- 1. neuron -----------------------------------------------------------------------------------


def _walk(x, w, b, y, to_z):
    """The neuron's results for a gradient in z as a function of h."""
    h = sigmoid(w @ x + b)
    delta = to_z(h)
    return (h - y) ** 2, delta * x, delta, delta * w


@misconception("neuron")
def slope_of_the_sigmoid_forgotten(x, w, b, y):
    """Your loss is right, but your walk back jumps over the sigmoid: from h you go straight to w.
    Each step between has its own factor; this one is h (1 - h)."""
    return _walk(x, w, b, y, lambda h: 2.0 * (h - y))


@misconception("neuron")
def two_forgotten(x, w, b, y):
    """Your loss is right. All your gradients are half of what they should be: what is the
    derivative of a square?"""
    return _walk(x, w, b, y, lambda h: (h - y) * h * (1.0 - h))


@misconception("neuron")
def opposite_sign(x, w, b, y):
    """Your loss is right, and your gradients have the wrong sign: they say how to make the loss
    smaller. A gradient points uphill; the minus comes in later, when one learns from it."""
    return _walk(x, w, b, y, lambda h: 2.0 * (y - h) * h * (1.0 - h))


@misconception("neuron")
def gradient_of_the_log_loss(x, w, b, y):
    """h - y is the gradient in z of the log loss, where the slope of the sigmoid cancels. With the
    squared loss it does not cancel: take the two steps one after the other."""
    return _walk(x, w, b, y, lambda h: h - y)


@misconception("neuron")
def slope_at_the_wrong_place(x, w, b, y):
    """Your loss is right. You take the slope of the sigmoid at h. Its slope belongs to its own
    input z; written with its output it is h (1 - h), without another sigmoid."""
    return _walk(x, w, b, y, lambda h: 2.0 * (h - y) * sigmoid(h) * (1.0 - sigmoid(h)))


@misconception("neuron")
def each_gets_itself(x, w, b, y):
    """Loss and grad_b are right. But you give w the factor w, and x the factor x. A product passes
    back the *other* value: the more input a weight meets, the more it matters."""
    loss, _, delta, _ = _walk(x, w, b, y, lambda h: 2.0 * (h - y) * h * (1.0 - h))
    return loss, delta * w, delta, delta * x


@misconception("neuron")
def bias_times_its_gradient(x, w, b, y):
    """Everything but grad_b is right. The bias is added, not multiplied, and a sum passes on what
    arrives, whatever the value of b."""
    loss, grad_w, delta, grad_x = _walk(x, w, b, y, lambda h: 2.0 * (h - y) * h * (1.0 - h))
    return loss, grad_w, delta * b, grad_x


# --- 2. unbroadcast ------------------------------------------------------------------------------


def _without_extra(gradient, shape):
    return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))


def _ones(shape):
    return tuple(axis for axis, size in enumerate(shape) if size == 1)


@misconception("unbroadcast")
def only_the_missing_dimensions(gradient, shape):
    """You sum over the dimensions that were missing. Now look at the other rule: a dimension of
    size 1 was copied as well, and it is still stretched in your result."""
    return _without_extra(gradient, shape)


@misconception("unbroadcast")
def only_the_ones(gradient, shape):
    """You sum where `shape` has a 1. But your result has more dimensions than `shape`: those that
    were missing, on the left, are still there."""
    extra = gradient.ndim - len(shape)
    return gradient.sum(axis=tuple(extra + axis for axis in _ones(shape)), keepdims=True)


@misconception("unbroadcast")
def dimensions_lost(gradient, shape):
    """The sums are right, but a dimension of size 1 has vanished: (4,) is not (4, 1). `keepdims`
    keeps it."""
    gradient = _without_extra(gradient, shape)
    return gradient.sum(axis=_ones(shape))


@misconception("unbroadcast")
def averaged(gradient, shape):
    """You average over the copies. But every copy moves the loss, and when the one original moves,
    all its copies do: their shares add up."""
    with np.errstate(invalid="ignore"):
        total = _without_extra(gradient, shape).sum(axis=_ones(shape), keepdims=True)
        return total * (total.size / gradient.size if gradient.size else 1.0)


@misconception("unbroadcast")
def one_copy(gradient, shape):
    """You return the gradient of the first copy only. The other copies were used too."""
    if not gradient.size:
        return np.zeros(shape)
    gradient = gradient[(0,) * (gradient.ndim - len(shape))]
    return gradient[tuple(slice(1) if size == 1 else slice(None) for size in shape)]


@misconception("unbroadcast")
def lined_up_on_the_left(gradient, shape):
    """You take the missing dimensions to be the last ones. NumPy lines shapes up on the right:
    (3,) next to (4, 3) is a row that is copied four times."""
    extra = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(len(shape), len(shape) + extra)))
    return gradient.sum(axis=_ones(shape), keepdims=True)


@misconception("unbroadcast")
def all_the_way_down(gradient, shape):
    """You sum over everything and fill the shape with the total. Only what was copied is added
    up; different entries keep their own gradients."""
    return np.full(shape, gradient.sum())


# --- 3. walk_back --------------------------------------------------------------------------------


def _order(graph, output):
    order, seen = [], set()

    def visit(name):
        if name not in seen:
            seen.add(name)
            for source, _ in graph[name]:
                visit(source)
            order.append(name)

    visit(output)
    return order


def _pass_on(graph, output, order):
    gradient = dict.fromkeys(order, 0.0)
    gradient[output] = 1.0
    for name in order:
        for source, slope in graph[name]:
            gradient[source] = gradient.get(source, 0.0) + gradient[name] * slope
    return gradient


@misconception("walk_back")
def last_share_only(graph, output):
    """A node that is used more than once has only its last share: you write = where += belongs."""
    order = _order(graph, output)
    gradient = dict.fromkeys(order, 0.0) | {output: 1.0}
    for name in reversed(order):
        for source, slope in graph[name]:
            gradient[source] = gradient[name] * slope
    return gradient


@misconception("walk_back")
def passed_on_too_early(graph, output):
    """You visit the nodes in the order in which you come across them. A node that is near the
    output on one way and far on another is then passed on before all of its gradient has arrived.
    You need the order of hint 1."""
    order, seen, queue = [], {output}, deque([output])
    while queue:
        order.append(queue.popleft())
        for source, _ in graph[order[-1]]:
            if source not in seen:
                seen.add(source)
                queue.append(source)
    return _pass_on(graph, output, order)


@misconception("walk_back")
def passed_on_again_and_again(graph, output):
    """Each time a share arrives at a node you pass on all that it has so far. The early shares are
    then passed on several times. Pass on once, when everything is there."""
    gradient = dict.fromkeys(_order(graph, output), 0.0) | {output: 1.0}

    def visit(name):
        for source, slope in graph[name]:
            gradient[source] += gradient[name] * slope
            visit(source)

    visit(output)
    return gradient


@misconception("walk_back")
def local_slopes_only(graph, output):
    """You add up the local derivatives, but nothing is multiplied by what arrives from above. It
    is right for the nearest nodes only. See hint 3."""
    order = _order(graph, output)
    gradient = dict.fromkeys(order, 0.0) | {output: 1.0}
    for name in order:
        for source, slope in graph[name]:
            gradient[source] += slope
    return gradient


@misconception("walk_back")
def in_the_order_of_the_keys(graph, output):
    """You rely on the order of the keys, and they are in no particular order. Where a node stands
    in the dictionary says nothing about when its turn is."""
    names = _order(graph, output)
    keys = [name for name in reversed(graph) if name in names]
    return {name: slope for name, slope in _pass_on(graph, output, keys).items() if name in names}


@misconception("walk_back")
def from_the_inputs(graph, output):
    """The order is good, but you walk it from the inputs to the output. Their gradients are still
    0 then, and nothing is passed on. Turn it around."""
    return _pass_on(graph, output, _order(graph, output))


@misconception("walk_back")
def every_node_of_the_graph(graph, output):
    """The derivatives are right, but nodes that the output does not depend on should not be in
    the dictionary at all."""
    gradient = _pass_on(graph, output, _order(graph, output)[::-1])
    return dict.fromkeys(graph, 0.0) | gradient


@misconception("walk_back")
def inputs_only(graph, output):
    """The derivatives are right, but only the inputs are there. The task asks for every node, also
    for those in between and for the output itself."""
    gradient = _pass_on(graph, output, _order(graph, output)[::-1])
    return {name: value for name, value in gradient.items() if not graph[name]}


# --- 4. central_differences ----------------------------------------------------------------------


def _entry_by_entry(f, point, step, quotient):
    """A gradient from a quotient of f(x + h), f(x), f(x - h)."""
    gradient = np.zeros(point.shape)
    for index in np.ndindex(point.shape):
        value = point[index]
        results = []
        for moved in (value + step, value, value - step):
            point[index] = moved
            results.append(f(point))
        point[index] = value
        gradient[index] = quotient(*results)
    return gradient


@misconception("central_differences")
def one_sided(f, x, step=6e-6):
    """You compare f(x + h) with f(x). That is a slope to one side, and its error is about h, not
    h squared. Go one step to each side."""
    point = x.astype(float)
    return _entry_by_entry(f, point, step, lambda above, here, below: (above - here) / step)


@misconception("central_differences")
def divided_by_one_step(f, x, step=6e-6):
    """Twice as large as it should be: from x - h to x + h it is two steps."""
    point = x.astype(float)
    return _entry_by_entry(f, point, step, lambda above, here, below: (above - below) / step)


@misconception("central_differences")
def upside_down(f, x, step=6e-6):
    """Every sign is wrong: which of the two values comes first?"""
    point = x.astype(float)
    return _entry_by_entry(f, point, step, lambda above, here, below: (below - above) / (2 * step))


@misconception("central_differences")
def all_entries_at_once(f, x, step=6e-6):
    """You move the whole array at once. That gives one number, the sum of all derivatives, in every
    place. Move one entry at a time."""
    change = f(x + step) - f(x - step)
    return np.full(x.shape, change / (2.0 * step))


@misconception("central_differences")
def not_put_back(f, x, step=6e-6):
    """Your first entry is right. For the next ones, those before them are still moved: put each
    entry back before you go on."""
    point = x.astype(float)
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        point[index] += step
        above = f(point)
        point[index] -= 2 * step
        gradient[index] = (above - f(point)) / (2.0 * step)
    return gradient


@misconception("central_differences")
def whole_numbers_stay_whole(f, x, step=6e-6):
    """Right for floating-point numbers. In an array of whole numbers, 3.000006 becomes 3 again, and
    nothing has moved. See hint 1."""
    return _entry_by_entry(f, x.copy(), step, lambda up, here, down: (up - down) / (2.0 * step))


@misconception("central_differences")
def shape_lost(f, x, step=6e-6):
    """The numbers are right, but they are all in one row. The result has the shape of x."""
    point = x.astype(float)
    gradient = _entry_by_entry(f, point, step, lambda up, here, down: (up - down) / (2.0 * step))
    return gradient.reshape(-1)


# --- 5. shortcut_backward ------------------------------------------------------------------------


def _delta(grad_output, x, weight, bias):
    return grad_output * (x @ weight.T + bias > 0)


@misconception("shortcut_backward")
def shortcut_forgotten(grad_output, x, weight, bias):
    """grad_weight and grad_bias are right. grad_x is what comes through the layer; the shortcut
    passes something back to x as well."""
    delta = _delta(grad_output, x, weight, bias)
    return delta @ weight, delta.T @ x, delta.sum(axis=0)


@misconception("shortcut_backward")
def shortcut_passes_one(grad_output, x, weight, bias):
    """grad_weight and grad_bias are right. The derivative of the shortcut is 1, but what it passes
    back is that times what arrives."""
    delta = _delta(grad_output, x, weight, bias)
    return 1.0 + delta @ weight, delta.T @ x, delta.sum(axis=0)


@misconception("shortcut_backward")
def shortcut_behind_the_relu(grad_output, x, weight, bias):
    """grad_weight and grad_bias are right. You close the shortcut where the ReLU is closed; but the
    shortcut goes around the ReLU and is always open."""
    delta = _delta(grad_output, x, weight, bias)
    return delta + delta @ weight, delta.T @ x, delta.sum(axis=0)


@misconception("shortcut_backward")
def weight_turned(grad_output, x, weight, bias):
    """Only grad_x is wrong: forward you multiply by weight.T, and you do so again on the way back.
    weight[i, j] joins input j with unit i; which of the two does delta know?"""
    delta = _delta(grad_output, x, weight, bias)
    return grad_output + delta @ weight.T, delta.T @ x, delta.sum(axis=0)


@misconception("shortcut_backward")
def weight_gradient_turned(grad_output, x, weight, bias):
    """Your grad_weight is the transpose of what it should be. Row i belongs to unit i, as in the
    weight itself."""
    delta = _delta(grad_output, x, weight, bias)
    return grad_output + delta @ weight, x.T @ delta, delta.sum(axis=0)


@misconception("shortcut_backward")
def mask_from_the_result(grad_output, x, weight, bias):
    """You ask whether the result h is positive. But x is in it too. The ReLU was open where *its*
    argument was positive."""
    h = x + np.maximum(x @ weight.T + bias, 0.0)
    delta = grad_output * (h > 0)
    return grad_output + delta @ weight, delta.T @ x, delta.sum(axis=0)


@misconception("shortcut_backward")
def relu_forgotten(grad_output, x, weight, bias):
    """You walk back as if there were no ReLU. Where its argument is not positive, nothing comes
    through the layer."""
    return grad_output + grad_output @ weight, grad_output.T @ x, grad_output.sum(axis=0)


@misconception("shortcut_backward")
def open_at_the_kink(grad_output, x, weight, bias):
    """Right, except exactly at the kink, where the task asks for the derivative 0: look at your
    >=."""
    delta = grad_output * (x @ weight.T + bias >= 0)
    return grad_output + delta @ weight, delta.T @ x, delta.sum(axis=0)


@misconception("shortcut_backward")
def averaged_over_the_batch(grad_output, x, weight, bias):
    """You divide by the number of examples. If the loss is a mean, the division is already in
    grad_output; here the shares of the examples just add up."""
    delta = _delta(grad_output, x, weight, bias)
    n = max(len(x), 1)
    return grad_output + delta @ weight, delta.T @ x / n, delta.sum(axis=0) / n


# --- 6. network_gradients ------------------------------------------------------------------------


def _network(x, y, w1, b1, w2, b2, delta_of=None, slope=lambda h: 1.0 - h**2):
    """The right answer but for the gradient of the scores or the slope of tanh."""
    h = np.tanh(x @ w1.T + b1)
    scores = h @ w2.T + b2
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    truth = np.eye(len(b2))[y]
    n = len(x)
    delta = (np.exp(log_p) - truth) / n if delta_of is None else delta_of(np.exp(log_p), truth, n)
    below = delta @ w2 * slope(h)
    loss = -(log_p * truth).sum() / n
    return loss, below.T @ x, below.sum(axis=0), delta.T @ h, delta.sum(axis=0)


@misconception("network_gradients")
def batch_not_averaged(x, y, w1, b1, w2, b2):
    """Your loss is right, but your gradients are N times as large as they should be: the loss is a
    mean over the batch."""
    return _network(x, y, w1, b1, w2, b2, lambda p, truth, n: p - truth)


@misconception("network_gradients")
def averaged_over_classes_too(x, y, w1, b1, w2, b2):
    """Your loss is right. For the gradient you divide by the number of all scores, N times K. The
    loss is a mean over the N examples only."""
    return _network(x, y, w1, b1, w2, b2, lambda p, truth, n: (p - truth) / p.size)


@misconception("network_gradients")
def what_should_be_there(x, y, w1, b1, w2, b2):
    """Your loss is right. The gradient of the scores is p alone; the 1 of the right class is not
    taken off."""
    return _network(x, y, w1, b1, w2, b2, lambda p, truth, n: p / n)


@misconception("network_gradients")
def truth_minus_guess(x, y, w1, b1, w2, b2):
    """Your loss is right, and all your gradients have the wrong sign: it is what is there, minus
    what should be there."""
    return _network(x, y, w1, b1, w2, b2, lambda p, truth, n: (truth - p) / n)


@misconception("network_gradients")
def through_the_softmax_twice(x, y, w1, b1, w2, b2):
    """Your loss is right. You multiply p minus the truth by p (1 - p) once more. The derivative of
    the softmax is already in that simple formula."""
    return _network(x, y, w1, b1, w2, b2, lambda p, truth, n: (p - truth) * p * (1.0 - p) / n)


@misconception("network_gradients")
def slope_of_tanh_forgotten(x, y, w1, b1, w2, b2):
    """The gradients of the second layer are right. On the way to the first you jump over tanh: a
    factor is missing there."""
    return _network(x, y, w1, b1, w2, b2, slope=np.ones_like)


@misconception("network_gradients")
def slope_of_the_sigmoid(x, y, w1, b1, w2, b2):
    """The gradients of the second layer are right. h (1 - h) is the slope of a sigmoid; here the
    hidden layer is tanh."""
    return _network(x, y, w1, b1, w2, b2, slope=lambda h: h * (1.0 - h))


@misconception("network_gradients")
def tanh_of_tanh(x, y, w1, b1, w2, b2):
    """The gradients of the second layer are right. In the slope 1 - tanh**2 you take tanh of h. But
    h is the tanh already."""
    return _network(x, y, w1, b1, w2, b2, slope=lambda h: 1.0 - np.tanh(h) ** 2)


@misconception("network_gradients")
def scores_not_shifted(x, y, w1, b1, w2, b2):
    """Right for small scores. For scores in the hundreds the exponential overflows, and infinity
    divided by infinity is nan. See hint 1."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        n = len(x)
        h = np.tanh(x @ w1.T + b1)
        exponential = np.exp(h @ w2.T + b2)
        p = exponential / exponential.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(n), y]).mean()
        delta = (p - np.eye(len(b2))[y]) / n
        below = delta @ w2 * (1.0 - h**2)
        return loss, below.T @ x, below.sum(axis=0), delta.T @ h, delta.sum(axis=0)


@misconception("network_gradients")
def logarithm_of_zero(x, y, w1, b1, w2, b2):
    """Right for small scores, and the gradients always. But where a probability is rounded to 0,
    its logarithm is infinite, and so is your loss. See hint 5."""
    _, *gradients = _network(x, y, w1, b1, w2, b2)
    scores = np.tanh(x @ w1.T + b1) @ w2.T + b2
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return -np.log(p[np.arange(len(x)), y]).mean(), *gradients


# --- 7. hard_step --------------------------------------------------------------------------------


def _forward(ctx, input, width):
    ctx.save_for_backward(input)
    ctx.width = width
    return (input > 0).to(input.dtype)


def _backward(ctx, g):
    (input,) = ctx.saved_tensors
    return g * (input.abs() < ctx.width) / (2 * ctx.width), None


def _apply(input, width, forward=_forward, backward=_backward):
    """A Function of these two methods, applied."""
    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Step", (torch.autograd.Function,), methods).apply(input, width)


@misconception("hard_step")
def true_slope(input, width):
    """Forward it is right. Backward you pass the true slope of a step, which is zero. That is
    honest, and nothing is ever learned from it: here we want the slope of the ramp."""
    return _apply(input, width, backward=lambda ctx, g: (torch.zeros_like(g), None))


@misconception("hard_step")
def straight_through(input, width):
    """Forward it is right. Backward you pass everything straight through. The ramp passes nothing
    outside of its corners, and inside less the wider it is."""
    return _apply(input, width, backward=lambda ctx, g: (g, None))


@misconception("hard_step")
def inside_unscaled(input, width):
    """Almost: the right places pass a gradient, but it is not multiplied by the slope of the ramp,
    which rises by 1 over a length of 2 w."""

    def backward(ctx, g):
        return g * (ctx.saved_tensors[0].abs() < ctx.width), None

    return _apply(input, width, backward=backward)


@misconception("hard_step")
def half_the_length(input, width):
    """Your slope is twice too steep. From -w to +w the length of the ramp is 2 w."""

    def backward(ctx, g):
        return g * (ctx.saved_tensors[0].abs() < ctx.width) / ctx.width, None

    return _apply(input, width, backward=backward)


@misconception("hard_step")
def slope_everywhere(input, width):
    """Right inside the ramp. Outside it is flat: there nothing passes."""
    return _apply(input, width, backward=lambda ctx, g: (g / (2 * ctx.width), None))


@misconception("hard_step")
def arrival_forgotten(input, width):
    """You return the slope of the ramp. The gradient of the input is that times what arrives,
    grad_output."""
    return _apply(input, width, backward=lambda ctx, g: _backward(ctx, torch.ones_like(g)))


@misconception("hard_step")
def mask_from_the_gradient(input, width):
    """You ask whether the *gradient* lies within the ramp. Where the unit stood on the ramp depends
    on its input, which forward has to save."""

    def backward(ctx, g):
        return g * (g.abs() < ctx.width) / (2 * ctx.width), None

    return _apply(input, width, backward=backward)


@misconception("hard_step")
def ramp_forward(input, width):
    """Your gradients are right, but your forward gives the ramp itself. The lie is for the way back
    only: forward, a unit is on or off."""

    def forward(ctx, input, width):
        _forward(ctx, input, width)
        return ((input + width) / (2 * width)).clamp(0, 1)

    return _apply(input, width, forward)


@misconception("hard_step")
def on_at_zero(input, width):
    """Your gradients are right. At exactly 0 the step is still off; look at your >=."""

    def forward(ctx, input, width):
        _forward(ctx, input, width)
        return (input >= 0).to(input.dtype)

    return _apply(input, width, forward)


@misconception("hard_step")
def open_corners(input, width):
    """Right, except exactly at the corners, where |x| equals w. The task lets nothing pass
    there."""

    def backward(ctx, g):
        return g * (ctx.saved_tensors[0].abs() <= ctx.width) / (2 * ctx.width), None

    return _apply(input, width, backward=backward)


@misconception("hard_step")
def one_gradient_only(input, width):
    """PyTorch wants one gradient for each argument of forward, and yours returns one for two. Give
    None for width."""
    return _apply(input, width, backward=lambda ctx, g: _backward(ctx, g)[0])
