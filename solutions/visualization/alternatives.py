"""Other right answers: loops, other formulas. Each must score full."""

import numpy as np
import torch

from autograder.misconceptions import alternative


@alternative("saliency")
def one_example_at_a_time(x, w1, b1, w2, k):
    """The chain rule as matrices, in a loop."""
    rows = []
    for row in x:
        jacobian = w2 @ np.diag((w1 @ row + b1 > 0).astype(float)) @ w1
        rows.append(np.abs(jacobian[k]))
    return np.array(rows)


@alternative("saliency")
def einsum_of_three(x, w1, b1, w2, k):
    """All three factors at once."""
    on = np.heaviside(x @ w1.T + b1, 0.0)
    return abs(np.einsum("h,nh,hd->nd", w2[k], on, w1))


@alternative("guided_relu")
def products_of_masks(grad_output, x):
    """Two masks as factors."""
    return grad_output * (grad_output > 0) * (x > 0)


@alternative("guided_relu")
def maximum_then_mask(grad_output, x):
    """The formula as it stands."""
    result = np.maximum(grad_output, 0.0)
    result[x <= 0] = 0.0
    return result


@alternative("grad_cam")
def with_einsum(maps, gradients):
    """One einsum for mean and sum."""
    places = maps.shape[2] * maps.shape[3]
    return np.clip(np.einsum("ncij,nchw->nhw", gradients, maps) / places, 0, None)


@alternative("grad_cam")
def map_by_map(maps, gradients):
    """Loops over examples and maps."""
    result = np.zeros((len(maps), *maps.shape[2:]))
    for i, (stack, slopes) in enumerate(zip(maps, gradients, strict=True)):
        for one, slope in zip(stack, slopes, strict=True):
            result[i] += slope.mean() * one
    return np.where(result > 0, result, 0.0)


def _score(picture, template):
    return max(0.0, float((picture * template).sum()))


@alternative("occlusion_map")
def with_masks(picture, template, size, stride, fill=0.0):
    """A mask for each window, stacked."""
    rows, columns = picture.shape
    masks, falls = [np.zeros((rows, columns))], [0.0]
    i, j = np.indices((rows, columns))
    for top in np.arange(0, rows - size + 1, stride):
        for left in np.arange(0, columns - size + 1, stride):
            mask = (i >= top) & (i < top + size) & (j >= left) & (j < left + size)
            masks.append(mask.astype(float))
            falls.append(
                _score(picture, template) - _score(np.where(mask, fill, picture), template)
            )
    masks = np.array(masks)
    times = masks.sum(axis=0)
    times[times == 0] = 1
    return np.tensordot(falls, masks, 1) / times


@alternative("peak_inside")
def with_a_loop(maps, boxes, height, width):
    """One map at a time, with unravel_index."""
    hits = 0
    for cells, box in zip(maps, boxes, strict=True):
        i, j = np.unravel_index(np.argmax(cells), cells.shape)
        y = (2 * i + 1) * height / (2 * cells.shape[0])
        x = (2 * j + 1) * width / (2 * cells.shape[1])
        hits += bool(box[0] <= y <= box[2] and box[1] <= x <= box[3])
    return hits / len(maps)


@alternative("filter_direction")
def filter_by_filter(weight, noise):
    """A loop over the filters, with norms of flat arrays."""
    result = np.zeros(noise.shape)
    if noise.ndim > 1:
        for f in range(len(noise)):
            length = np.linalg.norm(noise[f].ravel())
            if length:
                result[f] = noise[f] / length * np.linalg.norm(weight[f].ravel())
    return result


@alternative("hooked_cam")
def with_a_tensor_hook(model, layer, x, k):
    """The gradient by a hook on the maps; `grad` asks for the input's."""
    found = {}

    def keep(module, inputs, output):
        found["maps"] = output.detach()
        output.register_hook(lambda gradient: found.update(gradient=gradient))

    handle = layer.register_forward_hook(keep)
    try:
        start = x.clone().requires_grad_()
        torch.autograd.grad(model(start)[:, k].sum(), start)
    finally:
        handle.remove()
    weights = found["gradient"].flatten(2).mean(2)
    return torch.relu(torch.einsum("nc,nchw->nhw", weights, found["maps"]))
