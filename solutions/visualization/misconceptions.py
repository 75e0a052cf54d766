"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function. `autograder` records what it returns on
the visible inputs and recognizes it there.
"""

import numpy as np
import torch

from autograder.misconceptions import misconception

# --- 1. saliency ---------------------------------------------------------------------------------


def _on(x, w1, b1):
    return x @ w1.T + b1 > 0


@misconception("saliency")
def relu_forgotten(x, w1, b1, w2, k):
    """Your gradient passes through all hidden units. A ReLU that is off lets nothing through: use
    a mask where W1 x + b1 is above 0."""
    return np.abs(np.ones((len(x), 1)) * (w2[k] @ w1))


@misconception("saliency")
def with_its_sign(x, w1, b1, w2, k):
    """This is the gradient with its sign. Saliency is its size: take the absolute value at the
    end."""
    return (_on(x, w1, b1) * w2[k]) @ w1


@misconception("saliency")
def absolute_too_early(x, w1, b1, w2, k):
    """You take absolute values of the parts and add these up. Parts of different sign cancel: first
    the sum, which is the gradient, then the absolute value."""
    return (_on(x, w1, b1) * np.abs(w2[k])) @ np.abs(w1)


@misconception("saliency")
def hidden_values_as_mask(x, w1, b1, w2, k):
    """You multiply the gradient by the hidden values h. The derivative of a ReLU is 1 where it is
    on, not h."""
    return np.abs((np.maximum(x @ w1.T + b1, 0) * w2[k]) @ w1)


@misconception("saliency")
def bias_left_out(x, w1, b1, w2, k):
    """Your mask looks at W1 x without the bias. The bias has no gradient of its own here, but it
    decides which units are on."""
    return np.abs(((x @ w1.T > 0) * w2[k]) @ w1)


# --- 2. guided_relu ------------------------------------------------------------------------------


@misconception("guided_relu")
def ordinary_relu(grad_output, x):
    """This is the ordinary backward pass of ReLU. The guided one also stops negative gradients."""
    return np.where(x > 0, grad_output, 0.0)


@misconception("guided_relu")
def deconvnet(grad_output, x):
    """You look at the gradient only. That is the rule of the deconvolution of Zeiler and Fergus;
    the guided one also asks whether the input x was positive."""
    return np.maximum(grad_output, 0.0)


@misconception("guided_relu")
def passes_as_one(grad_output, x):
    """Where both are positive you pass a 1. It is the gradient itself that passes."""
    return ((x > 0) & (grad_output > 0)).astype(float)


@misconception("guided_relu")
def zero_counts_as_positive(grad_output, x):
    """At an input of exactly 0 your gradient passes. This book, like PyTorch, takes the slope 0
    there: x > 0, not x >= 0."""
    return np.where((x >= 0) & (grad_output > 0), grad_output, 0.0)


# --- 3. grad_cam ---------------------------------------------------------------------------------


@misconception("grad_cam")
def gradient_times_map(maps, gradients):
    """You multiply place by place and then sum. In Grad-CAM each map has *one* weight, the mean of
    its gradients over all places."""
    return np.maximum((gradients * maps).sum(axis=1), 0.0)


@misconception("grad_cam")
def relu_missing(maps, gradients):
    """Your sum over the maps is right, but it has negative places. Grad-CAM keeps what speaks for
    the class: cut at 0 at the end."""
    return (gradients.mean(axis=(2, 3), keepdims=True) * maps).sum(axis=1)


@misconception("grad_cam")
def relu_too_early(maps, gradients):
    """You cut each weighted map at 0 before the sum. Maps that speak against the class must be
    able to cancel others; the ReLU comes after the sum."""
    return np.maximum(gradients.mean(axis=(2, 3), keepdims=True) * maps, 0.0).sum(axis=1)


@misconception("grad_cam")
def sum_for_mean(maps, gradients):
    """Your weights are sums over the places, not means. The picture looks the same, but the numbers
    depend on the size of the maps."""
    return np.maximum((gradients.sum(axis=(2, 3), keepdims=True) * maps).sum(axis=1), 0.0)


@misconception("grad_cam")
def mean_over_the_maps(maps, gradients):
    """You average over the maps in the end. Grad-CAM is their weighted *sum*."""
    return np.maximum((gradients.mean(axis=(2, 3), keepdims=True) * maps).mean(axis=1), 0.0)


@misconception("grad_cam")
def one_weight_for_the_batch(maps, gradients):
    """Your weights are averaged over the batch, too. Each example has weights of its own: average
    over the last two axes only."""
    weights = gradients.mean(axis=(0, 2, 3)).reshape(1, -1, 1, 1)
    return np.maximum((weights * maps).sum(axis=1), 0.0)


# --- 4. occlusion_map ----------------------------------------------------------------------------


def _score(picture, template):
    return max(0.0, float((picture * template).sum()))


def _slide(picture, template, size, stride, fill, last=0, mean=True, keep=False):
    before = _score(picture, template)
    total, count = np.zeros(picture.shape), np.zeros(picture.shape)
    covered = picture.copy()
    for row in range(0, picture.shape[0] - size + 1 - last, stride):
        for column in range(0, picture.shape[1] - size + 1 - last, stride):
            window = slice(row, row + size), slice(column, column + size)
            covered = covered if keep else picture.copy()
            covered[window] = fill
            total[window] += before - _score(covered, template)
            count[window] += 1
    return total / np.maximum(count, 1) if mean else total


@misconception("occlusion_map")
def sign_turned(picture, template, size, stride, fill=0.0):
    """Your map has the opposite sign. The fall is the score before minus the score after: where
    covering hurts, the map is positive."""
    return -_slide(picture, template, size, stride, fill)


@misconception("occlusion_map")
def summed_over_windows(picture, template, size, stride, fill=0.0):
    """You add the falls up. A pixel in the middle is covered more often than one at the edge:
    divide by how often each was covered."""
    return _slide(picture, template, size, stride, fill, mean=False)


@misconception("occlusion_map")
def last_window_missing(picture, template, size, stride, fill=0.0):
    """The last windows, at the lower and right edge, are missing. There are `H - size + 1` places
    where a window can start."""
    return _slide(picture, template, size, stride, fill, last=1)


@misconception("occlusion_map")
def covers_stay(picture, template, size, stride, fill=0.0):
    """Windows that were covered once stay covered. Begin each time with a fresh copy of the
    picture."""
    return _slide(picture, template, size, stride, fill, keep=True)


@misconception("occlusion_map")
def always_black(picture, template, size, stride, fill=0.0):
    """You cover with 0, whatever `fill` says. In many pictures 0 is not *nothing*; that is why one
    can choose."""
    return _slide(picture, template, size, stride, 0.0)


# --- 5. peak_inside ------------------------------------------------------------------------------


def _share(maps, boxes, height, width, offset=0.5, best=np.argmax, swap=False, strict=False):
    h, w = maps.shape[1:]
    hits = []
    for cells, (top, left, bottom, right) in zip(maps, boxes, strict=True):
        i, j = divmod(int(best(cells)), w)
        y, x = (i + offset) * height / h, (j + offset) * width / w
        y, x = (x, y) if swap else (y, x)
        inside = top <= y <= bottom and left <= x <= right
        hits.append(top < y < bottom and left < x < right if strict else inside)
    return float(np.mean(hits))


@misconception("peak_inside")
def corner_of_the_cell(maps, boxes, height, width):
    """You take the upper left corner of the cell. Its middle is half a cell further:
    (i + 1/2) H / h."""
    return _share(maps, boxes, height, width, offset=0.0)


@misconception("peak_inside")
def cells_as_pixels(maps, boxes, height, width):
    """You compare the cell's numbers with a box in pixels. The map is coarser than the picture:
    scale row and column up first."""
    return _share(maps, boxes, maps.shape[1], maps.shape[2])


@misconception("peak_inside")
def rows_and_columns_swapped(maps, boxes, height, width):
    """Row and column are exchanged: the box is top, left, bottom, right, so the row is compared
    with the first and third number."""
    return _share(maps, boxes, height, width, swap=True)


@misconception("peak_inside")
def peak_by_size(maps, boxes, height, width):
    """You look for the value farthest from 0. The peak is the highest value; a deep hole is
    none."""
    return _share(maps, boxes, height, width, best=lambda cells: np.abs(cells).argmax())


@misconception("peak_inside")
def edges_left_out(maps, boxes, height, width):
    """A peak exactly on the edge of the box does not count for you. Here the edges belong to the
    box: <=, not <."""
    return _share(maps, boxes, height, width, strict=True)


# --- 6. filter_direction -------------------------------------------------------------------------


def _lengths(array):
    table = array.reshape(len(array), -1)
    return np.linalg.norm(table, axis=1).reshape(-1, *[1] * (array.ndim - 1))


def _divided(noise, length):
    return noise / np.where(length > 0, length, 1.0)


@misconception("filter_direction")
def one_length_for_all(weight, noise):
    """The direction is as long as the weights as a whole, not filter by filter. A small filter then
    gets a step that is far too large for it."""
    if weight.ndim == 1:
        return np.zeros_like(noise)
    return noise * np.linalg.norm(weight) / np.linalg.norm(noise)


@misconception("filter_direction")
def unit_filters(weight, noise):
    """Your filters all have the length 1. They must be as long as the filters of the weights:
    multiply by these lengths."""
    return np.zeros_like(noise) if weight.ndim == 1 else _divided(noise, _lengths(noise))


@misconception("filter_direction")
def not_divided(weight, noise):
    """You multiply by the length of the weights' filters, but do not divide by that of the noise. A
    long filter of noise stays long."""
    return np.zeros_like(noise) if weight.ndim == 1 else noise * _lengths(weight)


@misconception("filter_direction")
def biases_move(weight, noise):
    """A bias has a direction in your answer. Arrays with one axis do not move: return zeros for
    them."""
    if weight.ndim == 1:
        return noise * np.linalg.norm(weight) / np.linalg.norm(noise)
    return _divided(noise, _lengths(noise)) * _lengths(weight)


@misconception("filter_direction")
def squared_lengths(weight, noise):
    """You scale by the sums of squares. A length is their square root."""
    if weight.ndim == 1:
        return np.zeros_like(noise)
    return _divided(noise, _lengths(noise) ** 2) * _lengths(weight) ** 2


# --- 7. hooked_cam -------------------------------------------------------------------------------


def _run(model, layer, x, k, remove=True):
    kept = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    scores = model(x)
    if remove:
        handle.remove()
    return kept[0], scores[:, k]


def _map(maps, gradient):
    return (gradient.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0).detach()


@misconception("hooked_cam")
def all_classes(model, layer, x, k):
    """You took the gradient of the sum of all scores. Ask for class k only: `scores[:, k]`."""
    kept = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    total = model(x).sum()
    handle.remove()
    return _map(kept[0], torch.autograd.grad(total, kept[0])[0])


@misconception("hooked_cam")
def hook_stays(model, layer, x, k):
    """The map is right, but your hook is still in the network, and will run at each later call.
    Keep what `register_forward_hook` returns, and call its `remove()`."""
    maps, score = _run(model, layer, x, k, remove=False)
    return _map(maps, torch.autograd.grad(score.sum(), maps)[0])


@misconception("hooked_cam")
def gradients_stay(model, layer, x, k):
    """The map is right, but `backward()` has left gradients in all weights; the next training step
    would add to them. Use `torch.autograd.grad`."""
    maps, score = _run(model, layer, x, k)
    maps.retain_grad()
    score.sum().backward()
    return _map(maps, maps.grad)


@misconception("hooked_cam")
def history_stays(model, layer, x, k):
    """The map is right, but it still holds the whole graph of the forward pass in memory. Detach
    the result."""
    maps, score = _run(model, layer, x, k)
    (gradient,) = torch.autograd.grad(score.sum(), maps, retain_graph=True)
    return (gradient.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0)


@misconception("hooked_cam")
def mode_changed(model, layer, x, k):
    """The map is right, but the network is in evaluation mode afterwards, even if it came in
    training mode. Leave its mode alone."""
    model.eval()
    maps, score = _run(model, layer, x, k)
    return _map(maps, torch.autograd.grad(score.sum(), maps)[0])


@misconception("hooked_cam")
def of_the_softmax(model, layer, x, k):
    """You took the gradient of the probability. Softmax mixes the classes: a class gains there when
    others lose. Ask for the score in front of it."""
    kept = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    score = model(x).softmax(1)[:, k]
    handle.remove()
    return _map(kept[0], torch.autograd.grad(score.sum(), kept[0])[0])
