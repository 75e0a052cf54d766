"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function. `autograder` records what it returns on
the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. triplet_loss -----------------------------------------------------------------------------


def _lengths(anchor, positive, negative):
    return np.linalg.norm(anchor - positive, axis=1), np.linalg.norm(anchor - negative, axis=1)


@misconception("triplet_loss")
def squared_distances(anchor, positive, negative, margin=1.0):
    """You use squared distances, as the FaceNet paper does. Asked for are plain norms: take the
    root of each sum of squares."""
    near, far = _lengths(anchor, positive, negative)
    return np.maximum(near**2 - far**2 + margin, 0.0)


@misconception("triplet_loss")
def positive_and_negative_swapped(anchor, positive, negative, margin=1.0):
    """Positive and negative have changed places: your loss is small where the negative is near.
    The positive's distance counts with a plus, the negative's with a minus."""
    near, far = _lengths(anchor, positive, negative)
    return np.maximum(far - near + margin, 0.0)


@misconception("triplet_loss")
def margin_subtracted(anchor, positive, negative, margin=1.0):
    """You subtract the margin. It is added: even a negative that is a little farther than the
    positive shall still cost something."""
    near, far = _lengths(anchor, positive, negative)
    return np.maximum(near - far - margin, 0.0)


@misconception("triplet_loss")
def below_zero(anchor, positive, negative, margin=1.0):
    """Some of your losses are negative. A triplet that keeps the margin costs 0, however well it
    keeps it; else easy triplets would pay for hard ones."""
    near, far = _lengths(anchor, positive, negative)
    return near - far + margin


@misconception("triplet_loss")
def averaged(anchor, positive, negative, margin=1.0):
    """You return one number, the mean. Asked for is the loss of each triplet, an array (N,)."""
    near, far = _lengths(anchor, positive, negative)
    return np.maximum(near - far + margin, 0.0).mean()


# --- 2. triplet_gradient -------------------------------------------------------------------------


def _directions(anchor, positive, negative, margin):
    near, far = (length[:, None] for length in _lengths(anchor, positive, negative))
    return near, far, near - far + margin > 0


@misconception("triplet_gradient")
def satisfied_triplets_move(anchor, positive, negative, margin=1.0):
    """Triplets that keep the margin move, too. Their loss is 0, and so is its gradient: multiply
    with a mask of those whose loss is above 0."""
    near, far, _ = _directions(anchor, positive, negative, margin)
    u, v = (anchor - positive) / near, (anchor - negative) / far
    return u - v, -u, v


@misconception("triplet_gradient")
def not_unit_vectors(anchor, positive, negative, margin=1.0):
    """Your directions are right, their lengths are not: you left out the division by the distance.
    That would be the gradient of half the squared distances."""
    _, _, active = _directions(anchor, positive, negative, margin)
    u, v = active * (anchor - positive), active * (anchor - negative)
    return u - v, -u, v


@misconception("triplet_gradient")
def signs_turned(anchor, positive, negative, margin=1.0):
    """All signs are turned around: that is the direction of the step. The gradient points uphill;
    the step goes against it."""
    near, far, active = _directions(anchor, positive, negative, margin)
    u, v = active * (anchor - positive) / near, active * (anchor - negative) / far
    return v - u, u, -v


@misconception("triplet_gradient")
def anchor_stands_still(anchor, positive, negative, margin=1.0):
    """The gradients of positive and negative are right, that of the anchor is 0. The anchor is
    in both distances: if all three move together nothing changes, so the three add up to 0."""
    near, far, active = _directions(anchor, positive, negative, margin)
    u, v = active * (anchor - positive) / near, active * (anchor - negative) / far
    return np.zeros_like(u), -u, v


@misconception("triplet_gradient")
def gradient_of_the_mean(anchor, positive, negative, margin=1.0):
    """You differentiate the mean of the losses. Asked for is the gradient of their sum: do not
    divide by N."""
    near, far, active = _directions(anchor, positive, negative, margin)
    u, v = (active * (anchor - x) / d / len(anchor) for x, d in ((positive, near), (negative, far)))
    return u - v, -u, v


# --- 3. semi_hard --------------------------------------------------------------------------------


def _mine(distance, labels, wanted, itself=False):
    same = labels[:, None] == labels
    positive = same if itself else same & ~np.eye(len(labels), dtype=bool)
    near, far = distance[:, :, None], distance[:, None, :]
    return np.argwhere(positive[:, :, None] & ~same[:, None, :] & wanted(near, far))


@misconception("semi_hard")
def hard_ones_too(distance, labels, margin):
    """You take every triplet that violates the margin. The hard ones, whose negative is not farther
    than the positive, do not belong here."""
    return _mine(distance, labels, lambda near, far: far <= near + margin)


@misconception("semi_hard")
def only_hard_ones(distance, labels, margin):
    """These are the hard triplets: the negative is nearer than the positive. Semi-hard are those
    where it is farther, but by no more than the margin."""
    return _mine(distance, labels, lambda near, far: far <= near)


@misconception("semi_hard")
def anchor_as_its_own_positive(distance, labels, margin):
    """Some of your anchors are their own positive. A picture compared with itself has distance 0,
    and teaches nothing: leave the diagonal out."""
    return _mine(distance, labels, lambda n, f: (n < f) & (f <= n + margin), itself=True)


@misconception("semi_hard")
def all_that_are_farther(distance, labels, margin):
    """You take every negative that is farther than the positive. Those beyond the margin are easy:
    they cost nothing."""
    return _mine(distance, labels, lambda near, far: near < far)


@misconception("semi_hard")
def tied_negatives_included(distance, labels, margin):
    """A negative at exactly the positive's distance is hard, not semi-hard: D_AP < D_AN, without
    equality."""
    return _mine(distance, labels, lambda near, far: (near <= far) & (far <= near + margin))


# --- 4. equal_error_rate -------------------------------------------------------------------------


def _rates(distance, same, thresholds, open_at=np.less_equal):
    let_in = np.mean(open_at(distance[same == 0], thresholds[:, None]), axis=1)
    away = np.mean(~open_at(distance[same == 1], thresholds[:, None]), axis=1)
    return let_in, away


def _pick(thresholds, far, frr, cost=lambda far, frr: np.abs(far - frr)):
    best = np.argmin(np.round(cost(far, frr), 12))
    return (far[best] + frr[best]) / 2, thresholds[best]


@misconception("equal_error_rate")
def large_means_same(distance, same):
    """You treat a large number as a sign of the same person. These are distances: the door opens
    where they are small."""
    thresholds = np.unique(distance)
    return _pick(thresholds, *_rates(distance, same, thresholds, np.greater_equal))


@misconception("equal_error_rate")
def closed_at_the_threshold(distance, same):
    """At exactly the threshold your door stays shut. It opens for D <= tau, so a stranger at tau is
    let in and a friend at tau is not turned away."""
    thresholds = np.unique(distance)
    return _pick(thresholds, *_rates(distance, same, thresholds, np.less))


@misconception("equal_error_rate")
def smallest_sum(distance, same):
    """You minimize the sum of both error rates. Asked for is the place where they are equal: the
    smallest difference."""
    thresholds = np.unique(distance)
    return _pick(thresholds, *_rates(distance, same, thresholds), cost=np.add)


@misconception("equal_error_rate")
def counts_instead_of_shares(distance, same):
    """You compare how many friends and how many strangers are judged wrongly. There may be far more
    strangers than friends: divide each count by the number of its kind."""
    thresholds = np.unique(distance)
    far, frr = _rates(distance, same, thresholds)
    friends, strangers = np.sum(same == 1), np.sum(same == 0)
    best = np.argmin(np.abs(far * strangers - frr * friends))
    return (far[best] + frr[best]) / 2, thresholds[best]


# --- 5. open_door --------------------------------------------------------------------------------


def _gaps(on_file, visitors):
    return np.linalg.norm(visitors[:, None] - on_file, axis=2)


@misconception("open_door")
def everybody_comes_in(on_file, names, visitors, threshold):
    """Every visitor gets a name, strangers too. If even the nearest photograph is farther than the
    threshold, the answer is -1."""
    return names[_gaps(on_file, visitors).argmin(axis=1)]


@misconception("open_door")
def places_instead_of_names(on_file, names, visitors, threshold):
    """You return the row of the nearest photograph. Asked for is the name that belongs to it."""
    gaps = _gaps(on_file, visitors)
    return np.where(gaps.min(axis=1) <= threshold, gaps.argmin(axis=1), -1)


@misconception("open_door")
def squares_against_the_threshold(on_file, names, visitors, threshold):
    """The nearest is right, but you compare the squared distance with the threshold."""
    squared = _gaps(on_file, visitors) ** 2
    return np.where(squared.min(axis=1) <= threshold, names[squared.argmin(axis=1)], -1)


@misconception("open_door")
def shut_at_the_threshold(on_file, names, visitors, threshold):
    """A visitor at exactly the threshold stands before a closed door. It opens for D <= tau."""
    gaps = _gaps(on_file, visitors)
    return np.where(gaps.min(axis=1) < threshold, names[gaps.argmin(axis=1)], -1)


# --- 6. style_gradient ---------------------------------------------------------------------------


def _error(features, style_gram):
    flat = features.reshape(len(features), -1)
    return flat, flat @ flat.T / flat.size - style_gram


@misconception("style_gradient")
def one_half_of_the_product_rule(features, style_gram):
    """Your gradient is half of the right one. F stands in G = F Fᵀ twice, and both places count:
    the factor is 4, not 2."""
    flat, error = _error(features, style_gram)
    return (error**2).sum(), (2 * error @ flat / flat.size).reshape(features.shape)


@misconception("style_gradient")
def division_forgotten_in_the_gradient(features, style_gram):
    """The cost is right. The gradient lacks the division by C P that is part of G."""
    flat, error = _error(features, style_gram)
    return (error**2).sum(), (4 * error @ flat).reshape(features.shape)


@misconception("style_gradient")
def gram_not_divided(features, style_gram):
    """You do not divide the Gram matrix by C P, the number of features. A's has been divided."""
    flat = features.reshape(len(features), -1)
    error = flat @ flat.T - style_gram
    return (error**2).sum(), (4 * error @ flat).reshape(features.shape)


@misconception("style_gradient")
def mean_of_squares(features, style_gram):
    """You take the mean of the squared differences. The cost is their sum."""
    flat, error = _error(features, style_gram)
    gradient = 4 * error @ flat / flat.size / error.size
    return (error**2).mean(), gradient.reshape(features.shape)


@misconception("style_gradient")
def divided_by_the_places_only(features, style_gram):
    """You divide by the number of places P. Divide by C P, the number of all features."""
    flat = features.reshape(len(features), -1)
    places = flat.shape[1]
    error = flat @ flat.T / places - style_gram
    return (error**2).sum(), (4 * error @ flat / places).reshape(features.shape)


# --- 7. train_head -------------------------------------------------------------------------------


def _features(body, x, evaluation=True):
    before = body.training
    body.train(not evaluation and before)
    with torch.no_grad():
        features = body(x)
    body.train(before)
    return features


def _learn(parameters, logits, y, steps, lr, clear=True, after=False):
    optimizer, losses = torch.optim.SGD(parameters, lr), []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(logits(), y)
        if clear:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        kept = nn.functional.cross_entropy(logits(), y) if after else loss
        losses.append(kept.item())
    return losses


@misconception("train_head")
def body_learns_too(body, head, x, y, steps=100, lr=0.1):
    """The body's weights have moved. It was to be frozen: give the optimizer the head's parameters
    only, and compute the features without gradients."""
    before = body.training
    body.eval()
    parameters = [*body.parameters(), *head.parameters()]
    losses = _learn(parameters, lambda: head(body(x)), y, steps, lr)
    body.train(before)
    return losses


@misconception("train_head")
def body_in_training_mode(body, head, x, y, steps=100, lr=0.1):
    """The body was called in training mode. With dropout or batch norm its features are then noisy,
    or change its statistics: call `body.eval()` first."""
    features = _features(body, x, evaluation=False)
    return _learn(head.parameters(), lambda: head(features), y, steps, lr)


@misconception("train_head")
def body_left_in_evaluation_mode(body, head, x, y, steps=100, lr=0.1):
    """All numbers are right, but the body stays in evaluation mode. Put it back into the mode in
    which it came."""
    features = _features(body, x)
    body.eval()
    return _learn(head.parameters(), lambda: head(features), y, steps, lr)


@misconception("train_head")
def features_in_each_step(body, head, x, y, steps=100, lr=0.1):
    """The body is asked in each step, and always gives the same answer. Compute the features once,
    before the loop: that is what makes a frozen body so cheap."""
    before = body.training
    body.eval()

    def logits():
        with torch.no_grad():
            features = body(x)
        return head(features)

    losses = _learn(head.parameters(), logits, y, steps, lr)
    body.train(before)
    return losses


@misconception("train_head")
def gradients_add_up(body, head, x, y, steps=100, lr=0.1):
    """The first loss is right, later ones are not: `zero_grad` is missing, so that each step also
    takes all the steps before it again."""
    features = _features(body, x)
    return _learn(head.parameters(), lambda: head(features), y, steps, lr, clear=False)


@misconception("train_head")
def losses_after_the_step(body, head, x, y, steps=100, lr=0.1):
    """Your list holds the loss after each step. Asked for is the one before it, which you have
    computed anyway."""
    features = _features(body, x)
    return _learn(head.parameters(), lambda: head(features), y, steps, lr, after=True)
