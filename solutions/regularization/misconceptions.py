"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function (or is a class with the role of the
task's class). `autograder` records what it returns on the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. split_error ------------------------------------------------------------------------------


@misconception("split_error")
def averaged_before_squaring(predictions, target):
    """Your bias is averaged over the points and then squared. A model that is too high here and too
    low there would come out without bias. Square at each point, then average."""
    average = predictions.mean(axis=0)
    variance = ((predictions - average) ** 2).mean()
    bias2 = (average - target).mean() ** 2
    return bias2, variance, bias2 + variance


@misconception("split_error")
def bias_not_squared(predictions, target):
    """Your variance is right. The bias is not squared: it is the average size of the difference,
    which has another unit than the variance and cannot be added to it."""
    average = predictions.mean(axis=0)
    variance = ((predictions - average) ** 2).mean()
    bias = np.abs(average - target).mean()
    return bias, variance, bias + variance


@misconception("split_error")
def variance_with_one_less(predictions, target):
    """You divide the variance by R - 1 (or use `ddof=1`). That estimates the variance of fits not
    made; here the R fits themselves are described, and only with R does the sum come out."""
    average = predictions.mean(axis=0)
    bias2 = ((average - target) ** 2).mean()
    with np.errstate(invalid="ignore"):  # one fit: 0 / 0, as in NumPy's var
        variance = ((predictions - average) ** 2).mean(axis=1).sum() / (len(predictions) - 1)
    return bias2, variance, bias2 + variance


@misconception("split_error")
def averaged_over_the_points(predictions, target):
    """Your average runs over the points of one fit. What is asked for is the average answer of all
    fits at one point: axis 0."""
    average = predictions.mean(axis=1, keepdims=True)
    bias2 = ((average - target) ** 2).mean()
    variance = ((predictions - average) ** 2).mean()
    return bias2, variance, bias2 + variance


@misconception("split_error")
def variance_around_the_truth(predictions, target):
    """Your variance is measured from the truth. That is the whole error, so the bias is counted
    twice. The variance is measured from the average answer."""
    average = predictions.mean(axis=0)
    bias2 = ((average - target) ** 2).mean()
    variance = ((predictions - target) ** 2).mean()
    return bias2, variance, bias2 + variance


@misconception("split_error")
def spread_of_all_answers(predictions, target):
    """Your variance is that of all answers together, `predictions.var()`. Most of it is the shape
    of the curve. Compare each answer with the average answer at the same point."""
    average = predictions.mean(axis=0)
    bias2 = ((average - target) ** 2).mean()
    return bias2, predictions.var(), bias2 + predictions.var()


# --- 2. lasso_round ------------------------------------------------------------------------------


def _round(x, y, weight, update, fresh=True):
    """One round in which `update(rho, s, old)` gives each new weight."""
    w, n = weight.astype(float), len(x)
    for j in range(len(w)):
        now = w if fresh else weight
        column = x[:, j]
        rho = column @ (y - x @ now + column * now[j]) / n
        w[j] = update(rho, column @ column / n, now[j])
    return w


def _soft(rho, alpha):
    return np.sign(rho) * max(abs(rho) - alpha, 0.0)


@misconception("lasso_round")
def all_at_once(x, y, weight, alpha):
    """You compute all new weights from the old ones. Then two columns that overlap both take what
    only one of them should. Each weight must see the new values of those before it."""
    return _round(x, y, weight, lambda rho, s, old: _soft(rho, alpha) / s, fresh=False)


@misconception("lasso_round")
def own_part_left_in(x, y, weight, alpha):
    """Right from zeros, wrong from other weights. Your residual still has weight j's own part
    subtracted; r is what the *other* weights leave. See hint 2."""
    return _round(x, y, weight, lambda rho, s, old: _soft(rho - s * old, alpha) / s)


@misconception("lasso_round")
def price_after_the_division(x, y, weight, alpha):
    """You divide by s first and take the price off afterwards. Then the price depends on the unit
    in which a column is measured. It comes off rho."""
    return _round(x, y, weight, lambda rho, s, old: _soft(rho / s, alpha))


@misconception("lasso_round")
def hard_threshold(x, y, weight, alpha):
    """You set small ones to zero and leave the large ones as they are. That is a hard threshold.
    Here the large ones also move toward zero, by the price."""
    return _round(x, y, weight, lambda rho, s, old: (rho if abs(rho) > alpha else 0.0) / s)


@misconception("lasso_round")
def not_divided_by_n(x, y, weight, alpha):
    """Your rho and s are sums over the examples. In this objective both are divided by N. In their
    ratio that cancels; against the price it does not."""
    n = len(x)
    return _round(x, y, weight, lambda rho, s, old: _soft(n * rho, alpha) / (n * s))


@misconception("lasso_round")
def sign_forgotten(x, y, weight, alpha):
    """Positive weights are right, negative ones are missing: rho - alpha, cut off at zero, is for
    rho above alpha only. There is a third case, rho below -alpha."""
    return _round(x, y, weight, lambda rho, s, old: max(rho - alpha, 0.0) / s)


@misconception("lasso_round")
def price_always_subtracted(x, y, weight, alpha):
    """Zeros and positive weights are right. You subtract the price from a negative rho as well, and
    so move the weight away from zero. For negative rho the price is added."""
    return _round(x, y, weight, lambda rho, s, old: (rho - alpha if abs(rho) > alpha else 0.0) / s)


@misconception("lasso_round")
def pulled_past_zero(x, y, weight, alpha):
    """You take the price off in the direction of the sign, also where |rho| is smaller than the
    price. Such a weight runs past zero and out on the other side. It has to stop at zero."""
    return _round(x, y, weight, lambda rho, s, old: (rho - alpha * np.sign(rho)) / s)


@misconception("lasso_round")
def ridge_instead(x, y, weight, alpha):
    """You divide by s + alpha: that is the price on the squares, ridge. It makes weights small, and
    none of them zero."""
    return _round(x, y, weight, lambda rho, s, old: rho / (s + alpha))


# --- 3. inverted_dropout -------------------------------------------------------------------------


@misconception("inverted_dropout")
def never_scaled(x, u, p, grad_output, training=True):
    """You drop the right units and leave the others as they are. On average the sum shrinks to 1 -
    p of what it was; the survivors are to be scaled up by 1 / (1 - p)."""
    keep = (u >= p) if training else np.ones(x.shape)
    return x * keep, grad_output * keep


@misconception("inverted_dropout")
def divided_by_p(x, u, p, grad_output, training=True):
    """You divide by p. At one half nobody notices. Who stays with probability 1 - p is scaled by 1
    / (1 - p)."""
    if not training:
        return x, grad_output
    with np.errstate(all="ignore"):
        factor = np.where(u >= p, 1.0 / np.float64(p), 0.0)
    return x * factor, grad_output * factor


@misconception("inverted_dropout")
def p_keeps(x, u, p, grad_output, training=True):
    """You take p for the probability of staying. In this task, as in PyTorch, it is that of being
    dropped: a unit stays where u >= p."""
    if not training:
        return x, grad_output
    with np.errstate(invalid="ignore"):  # a rate of zero: 0 / 0
        factor = (u < p) / np.float64(p)
    return x * factor, grad_output * factor


@misconception("inverted_dropout")
def p_keeps_by_where(x, u, p, grad_output, training=True):
    """You take p for the probability of staying. In this task, as in PyTorch, it is that of being
    dropped: a unit stays where u >= p."""
    if not training:
        return x, grad_output
    factor = np.where(u < p, 1 / p if p else 0.0, 0.0)
    return x * factor, grad_output * factor


@misconception("inverted_dropout")
def the_dropped_stay(x, u, p, grad_output, training=True):
    """You keep where u < p: those are the ones to be dropped. A unit stays where u >= p."""
    if not training:
        return x, grad_output
    factor = (u < p) / (1 - p)
    return x * factor, grad_output * factor


@misconception("inverted_dropout")
def dropped_at_p(x, u, p, grad_output, training=True):
    """Where u is exactly p you drop the unit. It is dropped where u < p, and so stays where u >= p:
    only then are p = 0 and u = 0 in order."""
    if not training:
        return x, grad_output
    factor = (u > p) / (1 - p)
    return x * factor, grad_output * factor


@misconception("inverted_dropout")
def scaled_in_use_too(x, u, p, grad_output, training=True):
    """In training all is right. In use you multiply by 1 - p, as the original form of dropout does.
    The inverted form has scaled in training already, and then does nothing."""
    factor = (u >= p) / (1 - p) if training else np.full(x.shape, 1 - p)
    return x * factor, grad_output * factor


@misconception("inverted_dropout")
def dropping_in_use(x, u, p, grad_output, training=True):
    """You drop units in use as well. Look at `training`: where it is False, nothing is dropped."""
    factor = (u >= p) / (1 - p)
    return x * factor, grad_output * factor


@misconception("inverted_dropout")
def gradient_through_all(x, u, p, grad_output, training=True):
    """Your output is right. Your gradient passes as if nothing had been dropped. A dropped unit had
    no part in the result, so no gradient comes back to it."""
    factor = (u >= p) / (1 - p) if training else np.ones(x.shape)
    return x * factor, grad_output


@misconception("inverted_dropout")
def gradient_not_scaled(x, u, p, grad_output, training=True):
    """Your output is right, and the right gradients are zero. The others lack the factor 1 / (1 -
    p): what is multiplied by a number forward is multiplied by it backward."""
    if not training:
        return x, grad_output
    keep = u >= p
    return x * keep / (1 - p), grad_output * keep


@misconception("inverted_dropout")
def mask_from_the_output(x, u, p, grad_output, training=True):
    """You take the mask of the gradient from the output, y != 0. A unit that was 0 before is not
    dropped by that: it gets its gradient, and can leave 0. Take the mask from u."""
    if not training:
        return x, grad_output
    y = x * (u >= p) / (1 - p)
    return y, grad_output * (y != 0) / (1 - p)


# --- 4. best_in_time -----------------------------------------------------------------------------


def _watch(losses, patience, better, extra=0):
    """(last, best) where `better(new, best, previous)` decides and `extra` shifts the patience."""
    best = waited = 0
    for last in range(1, len(losses)):
        if better(losses[last], losses[best], losses[last - 1]):
            best, waited = last, 0
        else:
            waited += 1
            if waited == patience + extra:
                return last, best
    return len(losses) - 1, best


@misconception("best_in_time")
def weights_of_the_end(losses, weights, patience):
    """Both epochs are right. But you return the weights with which training ended; it went on for
    some epochs after the best. Go back to those of the best epoch."""
    last, best = _watch(losses, patience, lambda new, top, before: new < top)
    return last, best, weights[last]


@misconception("best_in_time")
def compared_with_the_previous(losses, weights, patience):
    """You compare each loss with the one before. After a jump upward, any step down then counts as
    a success. Compare with the best loss so far."""
    last, best = _watch(losses, patience, lambda new, top, before: new < before)
    return last, best, weights[best]


@misconception("best_in_time")
def one_more(losses, weights, patience):
    """You wait one epoch too long. With a patience of 2, training ends at the second epoch in a row
    without a new best, not at the one after it."""
    last, best = _watch(losses, patience, lambda new, top, before: new < top, extra=1)
    return last, best, weights[best]


@misconception("best_in_time")
def equal_is_better(losses, weights, patience):
    """You count a loss that equals the best as a new best. On a plateau the training would then
    never end. Only a smaller loss is better."""
    last, best = _watch(losses, patience, lambda new, top, before: new <= top)
    return last, best, weights[best]


@misconception("best_in_time")
def nan_is_better(losses, weights, patience):
    """A nan slips through your comparison: `not new >= best` is True for it, and after that nothing
    is ever better or worse. Ask for `new < best`, which is False for nan."""
    last, best = _watch(losses, patience, lambda new, top, before: not new >= top)
    return last, best, weights[best]


@misconception("best_in_time")
def not_in_a_row(losses, weights, patience):
    """You count all epochs without a new best, over the whole training. A new best sets the count
    back to zero; the patience is for epochs in a row."""
    best = waited = 0
    for last in range(1, len(losses)):
        if losses[last] < losses[best]:
            best = last
        else:
            waited += 1
            if waited == patience:
                return last, best, weights[best]
    return len(losses) - 1, best, weights[best]


@misconception("best_in_time")
def best_of_the_whole(losses, weights, patience):
    """You look for the best epoch in the whole record. After training has ended there are no
    further epochs; what would have come then is not known."""
    last, _ = _watch(losses, patience, lambda new, top, before: new < top)
    best = int(np.nanargmin(losses))
    return last, best, weights[best]


@misconception("best_in_time")
def best_of_the_whole_and_nan(losses, weights, patience):
    """You look for the best epoch in the whole record. After training has ended there are no
    further epochs. Besides, `np.argmin` takes nan for the smallest of all."""
    last, _ = _watch(losses, patience, lambda new, top, before: new < top)
    best = int(np.argmin(losses))
    return last, best, weights[best]


# --- 5. mixup_batch ------------------------------------------------------------------------------


def _blend(a, lam, order):
    return lam[:, None] * a + (1 - lam[:, None]) * a[order]


@misconception("mixup_batch")
def class_numbers_blended(x, classes, num_classes, lam, order):
    """You blend the class numbers and look up what comes out. Between class 0 and class 2 lies
    class 1, which has nothing to do with either. Make one-hot rows first, then blend."""
    between = np.rint(lam * classes + (1 - lam) * classes[order]).astype(int)
    return _blend(x, lam, order), np.eye(num_classes)[between]


@misconception("mixup_batch")
def own_class_only(x, classes, num_classes, lam, order):
    """The pictures are blended, the targets are not: a picture that is three tenths an eight is
    still called a three with certainty. Blend the one-hot rows with the same shares."""
    return _blend(x, lam, order), np.eye(num_classes)[classes]


@misconception("mixup_batch")
def larger_share_wins(x, classes, num_classes, lam, order):
    """Your targets are those of the example with the larger share. The point of mixup is that the
    target is as mixed as the picture."""
    winner = np.where(lam >= 0.5, classes, classes[order])
    return _blend(x, lam, order), np.eye(num_classes)[winner]


@misconception("mixup_batch")
def shares_exchanged(x, classes, num_classes, lam, order):
    """lam is the share of the example itself; you give it to the partner."""
    one_hot = np.eye(num_classes)[classes]
    return _blend(x, 1 - lam, order), _blend(one_hot, 1 - lam, order)


@misconception("mixup_batch")
def targets_exchanged(x, classes, num_classes, lam, order):
    """The pictures are right. In the targets lam and 1 - lam have changed places."""
    one_hot = np.eye(num_classes)[classes]
    return _blend(x, lam, order), _blend(one_hot, 1 - lam, order)


@misconception("mixup_batch")
def partners_the_wrong_way(x, classes, num_classes, lam, order):
    """Your partners are those that have chosen the example, not those it has chosen: the inverse of
    the order. The partner of example i is x[order[i]], all at once x[order]."""
    other = np.argsort(order)
    one_hot = np.eye(num_classes)[classes]
    return _blend(x, lam, other), _blend(one_hot, lam, other)


@misconception("mixup_batch")
def one_share_for_all(x, classes, num_classes, lam, order):
    """You blend all examples with the first share. Every example has one of its own:
    `lam[:, None]`."""
    same = np.full(len(lam), lam[0])
    one_hot = np.eye(num_classes)[classes]
    return _blend(x, same, order), _blend(one_hot, same, order)


@misconception("mixup_batch")
def classes_up_to_the_largest(x, classes, num_classes, lam, order):
    """Your targets have columns up to the largest class of this batch only. The next batch would
    have another number of them: num_classes says how many there are."""
    one_hot = np.eye(classes.max() + 1)[classes]
    return _blend(x, lam, order), _blend(one_hot, lam, order)


# --- 6. shift_images -----------------------------------------------------------------------------


def _moved(images, right, down):
    """The solution by slices."""
    result = np.zeros(images.shape)
    height, width = images.shape[1:]
    for m, (i, j) in enumerate(zip(down, right, strict=True)):
        rows, columns = slice(max(i, 0), height + min(i, 0)), slice(max(j, 0), width + min(j, 0))
        if abs(i) < height and abs(j) < width:
            back = slice(max(-i, 0), height + min(-i, 0)), slice(max(-j, 0), width + min(-j, 0))
            result[m, rows, columns] = images[m][back]
    return result


@misconception("shift_images")
def round_the_edge(images, right, down):
    """What is pushed over one edge comes back in at the other: that is what `np.roll` does. Set
    those pixels to zero."""
    pairs = zip(images, down, right, strict=True)
    return np.array([np.roll(a, (i, j), (0, 1)) for a, i, j in pairs]).reshape(images.shape)


@misconception("shift_images")
def right_and_down_exchanged(images, right, down):
    """You move by `right` along the rows and by `down` along the columns. An image is indexed [row,
    column]: going down changes the row, going right the column."""
    return _moved(images, down, right)


@misconception("shift_images")
def the_other_way(images, right, down):
    """You move left for right and up for down. The pixel (i, j) of the *result* comes from (i -
    down, j - right) of the old image."""
    return _moved(images, -right, -down)


@misconception("shift_images")
def all_as_the_first(images, right, down):
    """All your images move as the first one does. Each has a shift of its own."""
    if not len(images):
        return np.zeros(images.shape)
    return _moved(images, np.full(len(images), right[0]), np.full(len(images), down[0]))


@misconception("shift_images")
def edge_repeated(images, right, down):
    """You fill with the pixels of the edge, as clipping the index does. Nothing is known there, so
    zeros come in."""
    height, width = images.shape[1:]
    rows = (np.arange(height)[:, None] - down[:, None, None]).clip(0, height - 1)
    columns = (np.arange(width) - right[:, None, None]).clip(0, width - 1)
    return images[np.arange(len(images))[:, None, None], rows, columns]


@misconception("shift_images")
def empty_slices(images, right, down):
    """Right where an image moves in both directions. Where a shift is 0, a slice such as `a[:-0]`
    is empty, and has no place for what you copy. See hint 4."""

    def slices(shift):
        """Where to, and where from."""
        if shift >= 0:
            return slice(shift, None), slice(None, -shift)
        return slice(None, shift), slice(-shift, None)

    result = np.zeros(images.shape)
    for m, (i, j) in enumerate(zip(down, right, strict=True)):
        (rows, rows_from), (columns, columns_from) = slices(i), slices(j)
        result[m, rows, columns] = images[m, rows_from, columns_from]
    return result


@misconception("shift_images")
def slices_that_wrap(images, right, down):
    """All is right until an image moves up or left by more than its size. Then H + down, the end of
    your slice, is negative, and counts from the other edge. Leave such an image empty, or cut the
    end off at 0."""
    result = np.zeros(images.shape)
    height, width = images.shape[1:]
    for m, (i, j) in enumerate(zip(down, right, strict=True)):
        rows, columns = slice(max(i, 0), height + min(i, 0)), slice(max(j, 0), width + min(j, 0))
        back = slice(max(-i, 0), height - max(i, 0)), slice(max(-j, 0), width - max(j, 0))
        result[m, rows, columns] = images[m][back]
    return result


# --- 7. ChannelDropout ---------------------------------------------------------------------------


class _Dropping(nn.Module):
    """The solution in parts, each of which a mistake below replaces."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def numbers(self, x):
        return torch.rand(*x.shape[:2], 1, 1, device=x.device)

    def scale(self):
        return 1 / (1 - self.p)

    def drops(self):
        return self.training

    def forward(self, x):
        if not self.drops():
            return x
        return x * (self.numbers(x) >= self.p).to(x.dtype) * self.scale()


@misconception("ChannelDropout")
class PixelsDropped(_Dropping):
    """You drop single pixels, as nn.Dropout does. Draw one number for each example and channel, in
    the shape (N, C, 1, 1), and let it broadcast."""

    def numbers(self, x):
        return torch.rand(x.shape, device=x.device)


@misconception("ChannelDropout")
class NotScaledUp(_Dropping):
    """The right channels are zero, and the others are as they were. They are to be scaled by 1 / (1
    - p)."""

    def scale(self):
        return 1.0


@misconception("ChannelDropout")
class AlwaysDropping(_Dropping):
    """Your module also drops after `eval()`. Ask `self.training`."""

    def drops(self):
        return True


@misconception("ChannelDropout")
class SameForAllExamples(_Dropping):
    """You draw one number for each channel, and all examples of the batch lose the same channels.
    Draw for each example, too: (N, C, 1, 1)."""

    def numbers(self, x):
        return torch.rand(1, x.shape[1], 1, 1, device=x.device)


@misconception("ChannelDropout")
class WholeExamples(_Dropping):
    """You draw one number for each example and so drop all of its channels or none. Draw for each
    channel, too: (N, C, 1, 1)."""

    def numbers(self, x):
        return torch.rand(len(x), 1, 1, 1, device=x.device)


@misconception("ChannelDropout")
class DrawnOnce(_Dropping):
    """You keep the mask of the first call, or draw it when the module is made. Every step must draw
    a new one."""

    def numbers(self, x):
        if not hasattr(self, "_drawn"):
            self._drawn = super().numbers(x)
        return self._drawn


@misconception("ChannelDropout")
class KeepingWithP(_Dropping):
    """You keep a channel with probability p. It is to be *dropped* with probability p."""

    def forward(self, x):
        if not self.training:
            return x
        return x * (self.numbers(x) < self.p).to(x.dtype) * self.scale()


@misconception("ChannelDropout")
class GradientCutOff(_Dropping):
    """The result is right, but your gradient is not that of the result: somewhere `.detach()`,
    `.data` or `no_grad` cuts it off. Multiply the input itself by the mask."""

    def forward(self, x):
        if not self.training:
            return x
        return x + (super().forward(x) - x).detach()


@misconception("ChannelDropout")
class NoGradientInTraining(_Dropping):
    """The result is right, but no gradient comes back: somewhere `.detach()`, `.data` or `no_grad`
    cuts it off. Multiply the input itself by the mask."""

    def forward(self, x):
        return super().forward(x.detach()) if self.training else x


@misconception("ChannelDropout")
class NoGradientAtAll(_Dropping):
    """The result is right, but no gradient comes back, not even after `eval()`: somewhere
    `.detach()`, `.data` or `no_grad` cuts it off. Multiply the input itself by the mask."""

    def forward(self, x):
        return super().forward(x.detach())


@misconception("ChannelDropout")
class PyTorchsOwn(_Dropping):
    """You call PyTorch's own dropout. Write it: draw a mask with `torch.rand`, and scale."""

    def forward(self, x):
        return nn.functional.dropout2d(x, self.p, self.training)
