"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function (or is a class with the role of the
task's class). `autograder` records what it returns on the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. pinball ----------------------------------------------------------------------------------


def _pinball(e, tau):
    return np.where(e > 0, tau * e, (tau - 1) * e), np.where(e > 0, -tau, 1 - tau) * (e != 0)


@misconception("pinball")
def error_the_other_way_round(prediction, target, tau):
    """Your error is prediction minus target, so that too much and too little have changed
    places. Here e = target - prediction: with tau = 0.9, predicting too little is the dear
    mistake."""
    losses, slope = _pinball(prediction - target, tau)
    return losses.mean(), -slope / len(losses)


@misconception("pinball")
def gradient_of_the_error(prediction, target, tau):
    """Your loss is right, and your gradient has the wrong sign: it is the one with respect to
    e. When the prediction grows, e = target - prediction shrinks."""
    losses, slope = _pinball(target - prediction, tau)
    return losses.mean(), -slope / len(losses)


@misconception("pinball")
def pinball_gradient_not_averaged(prediction, target, tau):
    """Your loss is right. Your gradient is that of the sum of the losses; the loss is their
    average, so its gradient is smaller by the same factor."""
    losses, slope = _pinball(target - prediction, tau)
    return losses.mean(), slope


@misconception("pinball")
def sum_of_pinballs(prediction, target, tau):
    """You add up the losses. Asked for is the average, for the loss and for the gradient."""
    losses, slope = _pinball(target - prediction, tau)
    return losses.sum(), slope


@misconception("pinball")
def tau_left_out(prediction, target, tau):
    """You charge the absolute error, whatever tau is. It asks for the median; tau must make one
    side dearer than the other."""
    e = target - prediction
    return np.abs(e).mean(), -np.sign(e) / len(e)


@misconception("pinball")
def pulled_where_it_is_right(prediction, target, tau):
    """Nearly: only where a prediction is exactly right, your gradient is not 0. `np.where` with
    two cases puts e = 0 into one of them."""
    e = target - prediction
    return _pinball(e, tau)[0].mean(), np.where(e > 0, -tau, 1 - tau) / len(e)


@misconception("pinball")
def negative_price(prediction, target, tau):
    """Some of your losses are negative: for too large a prediction e is negative, and so is (1
    - tau) e. A loss is a price; the factor there is tau - 1."""
    e = target - prediction
    slope = np.where(e > 0, -tau, -(1 - tau)) * (e != 0)
    return np.where(e > 0, tau * e, (1 - tau) * e).mean(), slope / len(e)


# --- 2. log_loss ---------------------------------------------------------------------------------


def _sigmoid(z):
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def _log_loss(logits, targets):
    return np.logaddexp(0.0, np.where(targets == 1, -logits, logits))


@misconception("log_loss")
def through_the_probability(logits, targets, pos_weight=1.0):
    """Right for moderate logits. At 800 the probability is exactly 0 or 1, its logarithm is
    minus infinity, and 0 times infinity is nan. Never form the probability; see hint 1."""
    with np.errstate(all="ignore"):
        p = 1.0 / (1.0 + np.exp(-logits))
        losses = -(pos_weight * targets * np.log(p) + (1 - targets) * np.log(1 - p))
        weight = np.where(targets == 1, pos_weight, 1.0)
        return losses, weight * (p - targets)


@misconception("log_loss")
def clipped_probability(logits, targets, pos_weight=1.0):
    """You clip the probability away from 0 and 1. Nothing overflows, but a logit of 800 that is
    wrong now costs as much as one of 40. The exact loss there is 800; see hint 1."""
    p = np.clip(_sigmoid(logits), 1e-12, 1 - 1e-12)
    losses = -(pos_weight * targets * np.log(p) + (1 - targets) * np.log(1 - p))
    return losses, np.where(targets == 1, pos_weight, 1.0) * (_sigmoid(logits) - targets)


@misconception("log_loss")
def weight_on_everything(logits, targets, pos_weight=1.0):
    """You multiply all losses by pos_weight. It weighs the positive examples only: those with
    target 1."""
    return pos_weight * _log_loss(logits, targets), pos_weight * (_sigmoid(logits) - targets)


@misconception("log_loss")
def weight_not_in_the_gradient(logits, targets, pos_weight=1.0):
    """Your losses are right. Your gradient is p - y without the weight: a loss that is
    multiplied by a factor has a gradient that is multiplied by it too."""
    weight = np.where(targets == 1, pos_weight, 1.0)
    return weight * _log_loss(logits, targets), _sigmoid(logits) - targets


@misconception("log_loss")
def weight_inside_the_target(logits, targets, pos_weight=1.0):
    """Your losses are right. Your gradient is p - w y. But the weight belongs to the whole
    gradient of a positive example, w (p - 1), not to its target."""
    weight = np.where(targets == 1, pos_weight, 1.0)
    return weight * _log_loss(logits, targets), _sigmoid(logits) - pos_weight * targets


@misconception("log_loss")
def weight_left_out(logits, targets, pos_weight=1.0):
    """Right, except that pos_weight changes nothing. Look where it should be used: in the
    losses and in the gradients of the positive examples."""
    return _log_loss(logits, targets), _sigmoid(logits) - targets


@misconception("log_loss")
def labels_exchanged(logits, targets, pos_weight=1.0):
    """You charge for target 1 what target 0 should cost, and the other way round. A large logit
    says yes: where the truth is yes, it must be cheap."""
    weight = np.where(targets == 1, pos_weight, 1.0)
    return weight * _log_loss(logits, 1 - targets), weight * (_sigmoid(logits) - (1 - targets))


@misconception("log_loss")
def slope_of_the_sigmoid_kept(logits, targets, pos_weight=1.0):
    """Your losses are right. Your gradient has a factor p (1 - p) too many. The log loss has 1
    / (p (1 - p)) in its own gradient, and the two cancel: that is the point of it."""
    p, weight = _sigmoid(logits), np.where(targets == 1, pos_weight, 1.0)
    return weight * _log_loss(logits, targets), weight * (p - targets) * p * (1 - p)


@misconception("log_loss")
def gradients_upside_down(logits, targets, pos_weight=1.0):
    """Your losses are right, your gradients have the wrong sign: truth minus prediction is the
    direction to go, and the gradient is the opposite of it."""
    weight = np.where(targets == 1, pos_weight, 1.0)
    return weight * _log_loss(logits, targets), weight * (targets - _sigmoid(logits))


# --- 3. cross_entropy ----------------------------------------------------------------------------


def _log_softmax(x, axis=1):
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _wanted(logits, classes, smoothing):
    k = logits.shape[1]
    return (1 - smoothing) * np.eye(k)[classes] + smoothing / k


@misconception("cross_entropy")
def without_the_shift(logits, classes, smoothing=0.0):
    """Right for small logits. For 1000 the exponential overflows. Each row may be shifted by
    any number without changing the softmax; see hint 1."""
    with np.errstate(all="ignore"):
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        q = _wanted(logits, classes, smoothing)
        return -(q * log_p).sum() / len(q), (np.exp(log_p) - q) / len(q)


@misconception("cross_entropy")
def logarithm_of_the_softmax(logits, classes, smoothing=0.0):
    """You take the softmax first and the logarithm after it. A hopeless class has probability
    0, and its loss becomes infinite, or 0 times infinity. ln softmax(z) = z - ln(sum of
    e^z)."""
    with np.errstate(all="ignore"):
        p = np.exp(_log_softmax(logits))
        q = _wanted(logits, classes, smoothing)
        return -(q * np.log(p)).sum() / len(q), (p - q) / len(q)


@misconception("cross_entropy")
def shifted_by_one_maximum(logits, classes, smoothing=0.0):
    """You shift the whole batch by its largest logit. A row that lies far below it loses all
    its exponentials to zero. Each row needs its own maximum."""
    with np.errstate(all="ignore"):
        shifted = logits - logits.max()
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        q = _wanted(logits, classes, smoothing)
        return -(q * log_p).sum() / len(q), (np.exp(log_p) - q) / len(q)


@misconception("cross_entropy")
def smoothed_over_the_others(logits, classes, smoothing=0.0):
    """You share the smoothing among the K - 1 wrong classes. In the formula it is spread over
    all K, the right one included."""
    k = logits.shape[1]
    q = np.full(logits.shape, smoothing / (k - 1))
    q[np.arange(len(q)), classes] = 1 - smoothing
    log_p = _log_softmax(logits)
    return -(q * log_p).sum() / len(q), (np.exp(log_p) - q) / len(q)


@misconception("cross_entropy")
def smoothing_not_in_the_gradient(logits, classes, smoothing=0.0):
    """Your loss is right. Your gradient is p minus the one-hot vector; the q in p - q is the
    smoothed one."""
    log_p, q = _log_softmax(logits), _wanted(logits, classes, smoothing)
    return -(q * log_p).sum() / len(q), (np.exp(log_p) - _wanted(logits, classes, 0.0)) / len(q)


@misconception("cross_entropy")
def smoothing_left_out(logits, classes, smoothing=0.0):
    """Right without smoothing, but `smoothing` changes nothing. It goes into q, and from there
    into both results."""
    log_p, q = _log_softmax(logits), _wanted(logits, classes, 0.0)
    return -(q * log_p).sum() / len(q), (np.exp(log_p) - q) / len(q)


@misconception("cross_entropy")
def ce_gradient_not_averaged(logits, classes, smoothing=0.0):
    """Your loss is right. Your gradient is p - q, which is that of each example's own loss; the
    average over N examples makes it smaller."""
    log_p, q = _log_softmax(logits), _wanted(logits, classes, smoothing)
    return -(q * log_p).sum() / len(q), np.exp(log_p) - q


@misconception("cross_entropy")
def averaged_over_classes_too(logits, classes, smoothing=0.0):
    """You average over all N x K entries, as `.mean()` does. The losses of one example are
    summed over its classes; only the examples are averaged."""
    log_p, q = _log_softmax(logits), _wanted(logits, classes, smoothing)
    return -(q * log_p).mean(), (np.exp(log_p) - q) / q.size


@misconception("cross_entropy")
def ce_summed(logits, classes, smoothing=0.0):
    """You add up the examples' losses. Asked for is the average, for the loss and for its
    gradient."""
    log_p, q = _log_softmax(logits), _wanted(logits, classes, smoothing)
    return -(q * log_p).sum(), np.exp(log_p) - q


@misconception("cross_entropy")
def truth_minus_prediction(logits, classes, smoothing=0.0):
    """Your loss is right, your gradient has the wrong sign. q - p is the direction in which to
    go; the gradient points uphill."""
    log_p, q = _log_softmax(logits), _wanted(logits, classes, smoothing)
    return -(q * log_p).sum() / len(q), (q - np.exp(log_p)) / len(q)


@misconception("cross_entropy")
def softmax_over_the_batch(logits, classes, smoothing=0.0):
    """Your softmax runs along the wrong axis: each column sums to 1, the examples compete with
    each other. The classes of one example stand in a row, axis 1."""
    log_p, q = _log_softmax(logits, 0), _wanted(logits, classes, smoothing)
    return -(q * log_p).sum() / len(q), (np.exp(log_p) - q) / len(q)


# --- 4. weighted_mean ----------------------------------------------------------------------------


def _ratio(above, below):
    return above / below if below else 0.0


@misconception("weighted_mean")
def divided_by_all_examples(losses, classes, weight, ignored=-1):
    """The numerator is right. You divide by the number of all examples; a weighted mean divides
    by the sum of the weights of those that count."""
    kept = classes != ignored
    return (weight[classes[kept]] * losses[kept]).sum() / len(losses)


@misconception("weighted_mean")
def divided_by_those_that_count(losses, classes, weight, ignored=-1):
    """The numerator is right. You divide by how many examples count; their weights are not all
    1, so divide by the sum of the weights."""
    kept = classes != ignored
    return _ratio((weight[classes[kept]] * losses[kept]).sum(), kept.sum())


@misconception("weighted_mean")
def divided_by_all_weights(losses, classes, weight, ignored=-1):
    """You divide by the sum of the K class weights. Each example brings the weight of its own
    class: a class that came up twice counts twice, one that did not come up, not at all."""
    kept = classes != ignored
    return (weight[classes[kept]] * losses[kept]).sum() / weight.sum()


@misconception("weighted_mean")
def ignored_only_above(losses, classes, weight, ignored=-1):
    """Above the line the ignored examples are gone, below it they still count: weight[-1] is
    the weight of the last class, and NumPy does not complain. Drop them from both."""
    kept = classes != ignored
    shares = weight[classes]
    return _ratio((shares * losses)[kept].sum(), shares.sum())


@misconception("weighted_mean")
def minus_one_is_the_last_class(losses, classes, weight, ignored=-1):
    """You do not leave out the ignored examples. weight[-1] is the weight of the last class,
    and so NumPy takes them for examples of it, without a word."""
    shares = weight[classes]
    return _ratio((shares * losses).sum(), shares.sum())


@misconception("weighted_mean")
def plain_mean(losses, classes, weight, ignored=-1):
    """You leave out the right examples, but average the others without their weights."""
    kept = classes != ignored
    return losses[kept].mean() if kept.any() else 0.0


@misconception("weighted_mean")
def nothing_divided_by_nothing(losses, classes, weight, ignored=-1):
    """Right, as long as something counts. If nothing does, you divide zero by zero. The task
    asks for 0 then."""
    kept = classes != ignored
    shares = weight[classes[kept]]
    with np.errstate(invalid="ignore"):
        return (shares * losses[kept]).sum() / shares.sum()


@misconception("weighted_mean")
def only_minus_one_is_ignored(losses, classes, weight, ignored=-1):
    """Right for -1. But `ignored` may be another label, and you always look for -1."""
    kept = classes != -1
    shares = weight[classes[kept]]
    return _ratio((shares * losses[kept]).sum(), shares.sum())


# --- 5. squared_emd ------------------------------------------------------------------------------


def _gap(p, classes):
    return np.cumsum(p - np.eye(p.shape[1])[classes], axis=1)


def _back(gap):
    return np.cumsum(gap[:, ::-1], axis=1)[:, ::-1]


@misconception("squared_emd")
def without_running_sums(p, classes):
    """You square the differences of the probabilities themselves. That loss does not know the
    order; the differences of the running sums do."""
    difference = p - np.eye(p.shape[1])[classes]
    return (difference**2).sum() / len(p), 2 * difference / len(p)


@misconception("squared_emd")
def not_squared(p, classes):
    """You take the sizes of the gaps, which gives the plain earth mover's distance. Asked for
    is the squared one."""
    gap = _gap(p, classes)
    return np.abs(gap).sum() / len(p), _back(np.sign(gap)) / len(p)


@misconception("squared_emd")
def gradient_stays_in_its_place(p, classes):
    """Your loss is right. Your gradient, 2 (P - Q), is the one with respect to the running
    sums. A probability is part of every running sum from its own place on: one more sum, from
    the end."""
    gap = _gap(p, classes)
    return (gap**2).sum() / len(p), 2 * gap / len(p)


@misconception("squared_emd")
def gradient_summed_forward(p, classes):
    """Your loss is right. In the gradient you sum from the first class on. But p_k reaches the
    sums that come *after* it, so its gradient comes back from there: sum from the end."""
    gap = _gap(p, classes)
    return (gap**2).sum() / len(p), 2 * np.cumsum(gap, axis=1) / len(p)


@misconception("squared_emd")
def own_gap_left_out(p, classes):
    """Your loss is right. Your gradient sums the gaps behind class k but not the one at k
    itself; the running sum P_k contains p_k too."""
    gap = _gap(p, classes)
    return (gap**2).sum() / len(p), 2 * (_back(gap) - gap) / len(p)


@misconception("squared_emd")
def two_forgotten(p, classes):
    """Your loss is right, and your gradient is half of what it should be: the derivative of a
    square brings a factor."""
    gap = _gap(p, classes)
    return (gap**2).sum() / len(p), _back(gap) / len(p)


@misconception("squared_emd")
def emd_gradient_not_averaged(p, classes):
    """Your loss is right. It is an average over the examples, and your gradient is not."""
    gap = _gap(p, classes)
    return (gap**2).sum() / len(p), 2 * _back(gap)


@misconception("squared_emd")
def mean_over_classes_too(p, classes):
    """You average over all entries. The squared gaps of one example are summed; only the
    examples are averaged."""
    gap = _gap(p, classes)
    return (gap**2).mean(), 2 * _back(gap) / gap.size


@misconception("squared_emd")
def summed_over_the_batch(p, classes):
    """Your running sums go down the batch, from example to example. They belong along the
    classes, axis 1."""
    gap = np.cumsum(p - np.eye(p.shape[1])[classes], axis=0)
    return (gap**2).sum() / len(p), 2 * np.cumsum(gap[::-1], axis=0)[::-1] / len(p)


# --- 6. fit_logistic -----------------------------------------------------------------------------


def _descend(x, y, alpha, lr, steps, gradients=None, priced=None):
    """The solution, with what `gradients` and `priced` change in it."""
    w, b, objective = np.zeros(x.shape[1]), 0.0, []
    for _ in range(steps):
        z = x @ w + b
        loss = (np.logaddexp(0.0, z) - y * z).mean()
        objective.append(priced(loss, w, b) if priced else loss + 0.5 * alpha * (w**2).sum())
        p = _sigmoid(z)
        grad_w, grad_b = x.T @ (p - y) / len(y) + alpha * w, (p - y).mean()
        if gradients:
            grad_w, grad_b = gradients(grad_w, grad_b, w, b, p)
        w, b = w - lr * grad_w, b - lr * grad_b
    return w, b, np.array(objective)


@misconception("fit_logistic")
def bias_penalized(x, y, alpha=0.0, lr=0.5, steps=100):
    """You put a price on the bias too. The penalty is on w alone: a penalized bias pulls the
    predictions toward one half."""
    return _descend(
        x, y, alpha, lr, steps,
        lambda gw, gb, w, b, p: (gw, gb + alpha * b),
        lambda loss, w, b: loss + 0.5 * alpha * ((w**2).sum() + b**2),
    )  # fmt: skip


@misconception("fit_logistic")
def gradients_summed(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your objective averages over the examples, your gradients add them up. With N examples
    your steps are N times too long."""
    n = len(y)
    return _descend(
        x, y, alpha, lr, steps,
        lambda gw, gb, w, b, p: (n * (gw - alpha * w) + alpha * w, n * gb),
    )  # fmt: skip


@misconception("fit_logistic")
def penalty_slope_doubled(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your objective is right at first. The gradient of alpha / 2 times w squared is alpha w:
    the half and the two cancel. Yours is twice that."""
    return _descend(x, y, alpha, lr, steps, lambda gw, gb, w, b, p: (gw + alpha * w, gb))


@misconception("fit_logistic")
def penalty_not_in_the_gradient(x, y, alpha=0.0, lr=0.5, steps=100):
    """You charge for the weights in the objective, but the updates know nothing of it: the
    gradient of the penalty is missing."""
    return _descend(x, y, alpha, lr, steps, lambda gw, gb, w, b, p: (gw - alpha * w, gb))


@misconception("fit_logistic")
def penalty_not_in_the_objective(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your weights are right. The objective that you report is the loss without the penalty; J
    has both."""
    return _descend(x, y, alpha, lr, steps, None, lambda loss, w, b: loss)


@misconception("fit_logistic")
def half_forgotten(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your weights are right. In the objective the half of the penalty is missing: alpha /
    2."""
    return _descend(x, y, alpha, lr, steps, None, lambda loss, w, b: loss + alpha * (w**2).sum())


@misconception("fit_logistic")
def bias_never_moves(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your bias stays at 0. It has a gradient too: the mean of p - y."""
    return _descend(x, y, alpha, lr, steps, lambda gw, gb, w, b, p: (gw, 0.0))


@misconception("fit_logistic")
def squared_error_gradient(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your gradient has a factor p (1 - p) in it. That is the sigmoid's slope; with the log
    loss it cancels, and p - y remains."""
    n = len(y)
    return _descend(
        x, y, alpha, lr, steps,
        lambda gw, gb, w, b, p: (
            x.T @ ((p - y) * p * (1 - p)) / n + alpha * w, ((p - y) * p * (1 - p)).mean()
        ),
    )  # fmt: skip


@misconception("fit_logistic")
def uphill(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your objective grows: you add the gradient. It points uphill, so subtract it."""
    return _descend(x, y, alpha, lr, steps, lambda gw, gb, w, b, p: (-gw, -gb))


@misconception("fit_logistic")
def objective_one_step_late(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your weights are right. Your objective is taken after each update; the task asks for it
    before, so that the first one is log(2)."""
    weights = _descend(x, y, alpha, lr, steps)[:2]
    return (*weights, _descend(x, y, alpha, lr, steps + 1)[2][1:])


@misconception("fit_logistic")
def bias_moves_second(x, y, alpha=0.0, lr=0.5, steps=100):
    """Your bias is updated with a prediction that already uses the new weights. Compute both
    gradients at the same place, then take both steps."""
    w, b, objective = np.zeros(x.shape[1]), 0.0, []
    for _ in range(steps):
        z = x @ w + b
        objective.append((np.logaddexp(0.0, z) - y * z).mean() + 0.5 * alpha * (w**2).sum())
        w = w - lr * (x.T @ (_sigmoid(z) - y) / len(y) + alpha * w)
        b = b - lr * (_sigmoid(x @ w + b) - y).mean()
    return w, b, np.array(objective)


# --- 7. OrderedLoss ------------------------------------------------------------------------------


class _Ordered(nn.Module):
    """The solution in parts, for the mistakes to change one of."""

    def __init__(self, weight, strength=1.0):
        super().__init__()
        self.register_buffer("weight", weight)
        self.strength = strength

    def entropy(self, logits, classes):
        return nn.functional.cross_entropy(logits, classes, self.weight)

    def probabilities(self, logits):
        return torch.softmax(logits, 1)

    def emd(self, p, classes):
        truth = nn.functional.one_hot(classes, p.shape[1]).to(p.dtype)
        return (torch.cumsum(p - truth, 1) ** 2).sum(1).mean()

    def forward(self, logits, classes):
        distance = self.emd(self.probabilities(logits), classes)
        return self.entropy(logits, classes) + self.strength * distance


@misconception("OrderedLoss")
class PlainWeight(_Ordered):
    """Your module has nothing that moves along: weight is a plain tensor, and stays behind when
    the module goes to another dtype or device. What registers a tensor with a module?"""

    def __init__(self, weight, strength=1.0):
        nn.Module.__init__(self)
        self.plain = [weight]
        self.strength = strength

    def entropy(self, logits, classes):
        return nn.functional.cross_entropy(logits, classes, self.plain[0].to(logits.dtype))


@misconception("OrderedLoss")
class LearnedWeight(_Ordered):
    """Your weight is a parameter. An optimizer would find it and make the loss small by making
    the weights small. It is data: a buffer."""

    def __init__(self, weight, strength=1.0):
        nn.Module.__init__(self)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.strength = strength


@misconception("OrderedLoss")
class SoftmaxTwice(_Ordered):
    """You give probabilities to `cross_entropy`. It takes logits, and takes the softmax itself:
    now it is taken twice."""

    def entropy(self, logits, classes):
        return nn.functional.cross_entropy(torch.softmax(logits, 1), classes, self.weight)


@misconception("OrderedLoss")
class DistanceOfLogits(_Ordered):
    """Your cross-entropy is right. The earth mover's distance is taken of the logits; they are
    no heaps of earth that add up to 1. It needs probabilities."""

    def probabilities(self, logits):
        return logits


@misconception("OrderedLoss")
class WithoutWeight(_Ordered):
    """Right, except that the class weights do nothing. `cross_entropy` takes them as its third
    argument."""

    def entropy(self, logits, classes):
        return nn.functional.cross_entropy(logits, classes) + 0.0 * self.weight.sum()


@misconception("OrderedLoss")
class WeightsAveragedByN(_Ordered):
    """You weigh the losses yourself and divide by N. A weighted mean divides by the sum of the
    weights that came up, as in task 4; `cross_entropy(..., weight=...)` does it for you."""

    def entropy(self, logits, classes):
        losses = nn.functional.cross_entropy(logits, classes, reduction="none")
        return (self.weight[classes] * losses).mean()


@misconception("OrderedLoss")
class WithoutStrength(_Ordered):
    """The two losses are added as they are; `strength` does nothing. With strength 0 the
    distance must not count at all."""

    def __init__(self, weight, strength=1.0):
        super().__init__(weight, 1.0)


@misconception("OrderedLoss")
class DistanceMovedOnly(_Ordered):
    """You square the differences of the probabilities, not of their running sums. The order of
    the classes does not enter. `torch.cumsum` along dimension 1 is missing."""

    def emd(self, p, classes):
        truth = nn.functional.one_hot(classes, p.shape[1]).to(p.dtype)
        return ((p - truth) ** 2).sum(1).mean()


@misconception("OrderedLoss")
class DistanceSummed(_Ordered):
    """Your distances are added up over the examples, while the cross-entropy is a mean. A
    larger batch would shift the balance between the two. Average both."""

    def emd(self, p, classes):
        return super().emd(p, classes) * len(classes)


@misconception("OrderedLoss")
class DistanceMeanOfEntries(_Ordered):
    """You average the squared gaps over the classes as well. They are summed over the classes
    and averaged over the examples."""

    def emd(self, p, classes):
        return super().emd(p, classes) / p.shape[1]


@misconception("OrderedLoss")
class DistanceDetached(_Ordered):
    """The loss is right, but no gradient flows back from the distance: `.detach()`, `.data`,
    `no_grad` or a new tensor cuts it off. Stay with the tensors you have."""

    def probabilities(self, logits):
        return torch.softmax(logits, 1).detach()
