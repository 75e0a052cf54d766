"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function. `autograder` records what it returns on
the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. confusion_matrix -------------------------------------------------------------------------


def _counts(y_true, y_pred, num_classes):
    matrix = np.zeros((num_classes, num_classes), dtype=int)
    np.add.at(matrix, (y_true, y_pred), 1)
    return matrix


@misconception("confusion_matrix")
def rows_and_columns_swapped(y_true, y_pred, num_classes):
    """Your matrix is the right one, turned over its diagonal: rows are the true classes here,
    columns what they were called."""
    return _counts(y_pred, y_true, num_classes)


@misconception("confusion_matrix")
def repeated_pairs_lost(y_true, y_pred, num_classes):
    """Every pair that occurs counts only once. With `matrix[rows, columns] += 1` NumPy reads all
    old values first, so that repetitions overwrite each other. See hint 2."""
    matrix = np.zeros((num_classes, num_classes), dtype=int)
    matrix[y_true, y_pred] += 1
    return matrix


@misconception("confusion_matrix")
def classes_that_occur(y_true, y_pred, num_classes):
    """Your matrix has a row only for classes that occur in this data. The result must have
    num_classes rows and columns, or two batches could not be added up."""
    seen = np.unique(np.concatenate([y_true, y_pred]))
    return _counts(y_true, y_pred, num_classes)[np.ix_(seen, seen)]


@misconception("confusion_matrix")
def shares_of_the_rows(y_true, y_pred, num_classes):
    """You divide each row by its sum. Asked for are the counts; shares hide how many examples
    stand behind them."""
    matrix = _counts(y_true, y_pred, num_classes)
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


@misconception("confusion_matrix")
def mistakes_only(y_true, y_pred, num_classes):
    """The diagonal is empty: you count the mistakes only. The right answers belong there; without
    them nobody can say how frequent a mistake is."""
    wrong = y_true != y_pred
    return _counts(y_true[wrong], y_pred[wrong], num_classes)


# --- 2. precision_recall_f1 ----------------------------------------------------------------------


def _share(part, whole):
    return np.where(whole > 0, part / np.maximum(whole, 1), 0.0)


def _parts(matrix):
    return np.diag(matrix).astype(float), matrix.sum(axis=0), matrix.sum(axis=1)


@misconception("precision_recall_f1")
def precision_and_recall_swapped(matrix):
    """Precision and recall stand in each other's place. Precision asks of those *called* a class,
    which is a column here; recall of those that *are* of the class, a row."""
    hits, called, actual = _parts(matrix)
    return _share(hits, actual), _share(hits, called), _share(2 * hits, called + actual)


@misconception("precision_recall_f1")
def f1_as_average(matrix):
    """Your F1 is the average of precision and recall. It is their *harmonic* mean, which stays
    close to the smaller one: with P = 1 and R = 0.2 it is 0.33, not 0.6."""
    hits, called, actual = _parts(matrix)
    precision, recall = _share(hits, called), _share(hits, actual)
    return precision, recall, (precision + recall) / 2


@misconception("precision_recall_f1")
def nan_for_nothing(matrix):
    """0 / 0 gives NaN in your answer. For a class that is never called (or never occurs) the
    result is 0 here. See hint 3."""
    hits, called, actual = _parts(matrix)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / called, hits / actual
        return precision, recall, 2 * precision * recall / (precision + recall)


@misconception("precision_recall_f1")
def f1_as_product(matrix):
    """Precision and recall are right; in F1 the sum in the denominator, or the 2, is missing:
    2 P R / (P + R)."""
    hits, called, actual = _parts(matrix)
    precision, recall = _share(hits, called), _share(hits, actual)
    return precision, recall, precision * recall


@misconception("precision_recall_f1")
def accuracy_of_each_class(matrix):
    """Your precision divides by all examples of the whole matrix. The denominator is the number
    of examples that were called this class, right or wrong."""
    hits, called, actual = _parts(matrix)
    precision, recall = hits / max(matrix.sum(), 1), _share(hits, actual)
    return precision, recall, _share(2 * hits, called + actual)


@misconception("precision_recall_f1")
def floor_of_one(matrix):
    """Precision and recall are right. In F1 you keep P + R from being 0 with a floor of 1. That
    suits counts, which are 0 or at least 1; P + R is often between 0 and 1."""
    hits, called, actual = _parts(matrix)
    precision, recall = _share(hits, called), _share(hits, actual)
    return precision, recall, 2 * precision * recall / np.maximum(precision + recall, 1)


# --- 3. auc --------------------------------------------------------------------------------------


def _gaps(y_true, y_score):
    return y_score[y_true == 1][:, None] - y_score[y_true == 0]


@misconception("auc")
def ties_count_nothing(y_true, y_score):
    """Pairs with equal scores count 0 in your answer. They count half: a coin would decide them."""
    return np.mean(_gaps(y_true, y_score) > 0)


@misconception("auc")
def ties_count_fully(y_true, y_score):
    """Pairs with equal scores count as won in your answer. Then a model that gives everybody the
    same score would be perfect. They count half."""
    return np.mean(_gaps(y_true, y_score) >= 0)


@misconception("auc")
def number_of_pairs(y_true, y_score):
    """You count the pairs in the right order. Asked for is their share of all pairs."""
    gaps = _gaps(y_true, y_score)
    return np.sum(gaps > 0) + 0.5 * np.sum(gaps == 0)


@misconception("auc")
def negatives_on_top(y_true, y_score):
    """You count how often a *negative* example has the higher score; your answer is 1 minus the
    right one."""
    gaps = _gaps(y_true, y_score)
    return np.mean(gaps < 0) + 0.5 * np.mean(gaps == 0)


@misconception("auc")
def all_pairs_in_the_denominator(y_true, y_score):
    """Your denominator counts pairs of two positives or two negatives, too. Only pairs of one of
    each count: the number of positives times the number of negatives."""
    gaps, n = _gaps(y_true, y_score), len(y_true)
    return (np.sum(gaps > 0) + 0.5 * np.sum(gaps == 0)) / (n * (n - 1) / 2)


@misconception("auc")
def accuracy_at_zero(y_true, y_score):
    """You cut the scores at a threshold and count right answers. The AUC knows no threshold: it
    compares scores with each other."""
    return np.mean((y_score > 0) == y_true)


# --- 4. group_split ------------------------------------------------------------------------------


def _taken(groups, order, enough):
    taken, rows = [], 0
    for group in order:
        size = np.sum(groups == group)
        if enough(rows, size):
            break
        taken.append(group)
        rows += size
    return np.isin(groups, taken)


@misconception("group_split")
def cut_through_a_group(groups, order, test_size):
    """Your test set has exactly test_size rows, and the last group is cut in two. Its other rows
    are in the training set: that is the leak. Take the whole group."""
    ranked = np.concatenate([np.flatnonzero(groups == group) for group in order])
    return np.sort(ranked[test_size:]), np.sort(ranked[:test_size])


@misconception("group_split")
def never_above_the_size(groups, order, test_size):
    """You stop before the test set would become larger than test_size. It must have *at least* so
    many rows: the group that crosses the line belongs to it."""
    inside = _taken(groups, order, lambda rows, size: rows + size > test_size)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


@misconception("group_split")
def one_group_too_many(groups, order, test_size):
    """Where the test set has exactly test_size rows you take one group more. Compare with >=, not
    with >."""
    inside = _taken(groups, order, lambda rows, size: rows > test_size)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


@misconception("group_split")
def order_ignored(groups, order, test_size):
    """You take the groups by their number. Take them in the order of `order`, which was shuffled
    for a reason: numbers often follow the time, or the place."""
    inside = _taken(groups, np.unique(groups), lambda rows, size: rows >= test_size)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


@misconception("group_split")
def test_and_train_swapped(groups, order, test_size):
    """The two parts are right, and in the wrong order: the training rows come first."""
    inside = _taken(groups, order, lambda rows, size: rows >= test_size)
    return np.flatnonzero(inside), np.flatnonzero(~inside)


@misconception("group_split")
def number_of_groups(groups, order, test_size):
    """You take test_size groups. test_size counts rows."""
    inside = np.isin(groups, order[:test_size])
    return np.flatnonzero(~inside), np.flatnonzero(inside)


# --- 5. diagnose ---------------------------------------------------------------------------------


def _largest(steps, tolerance):
    name = max(steps, key=steps.get)
    return name if steps[name] > tolerance else "none", steps[name]


@misconception("diagnose")
def bias_from_zero(human, train, train_dev, dev, tolerance=0.01):
    """You take the whole training error for bias. Only what lies above the human error can be
    avoided; if people err in 25 % of the cases, 28 % is good."""
    steps = {"bias": train, "variance": train_dev - train, "mismatch": dev - train_dev}
    return _largest(steps, tolerance)


@misconception("diagnose")
def variance_up_to_dev(human, train, train_dev, dev, tolerance=0.01):
    """Your variance goes from train to dev, so that it contains the mismatch. It ends at the
    train-dev error; that is what the train-dev set is for."""
    steps = {"bias": train - human, "variance": dev - train, "mismatch": dev - train_dev}
    return _largest(steps, tolerance)


@misconception("diagnose")
def steps_without_sign(human, train, train_dev, dev, tolerance=0.01):
    """You take the size of each step without its sign. A step down, an error smaller than the one
    before, is good news and no problem."""
    steps = {
        "bias": abs(train - human), "variance": abs(train_dev - train),
        "mismatch": abs(dev - train_dev),
    }  # fmt: skip
    return _largest(steps, tolerance)


@misconception("diagnose")
def tolerance_forgotten(human, train, train_dev, dev, tolerance=0.01):
    """You always name a problem. A largest step within the tolerance is none."""
    steps = {"bias": train - human, "variance": train_dev - train, "mismatch": dev - train_dev}
    return _largest(steps, -1.0)


@misconception("diagnose")
def all_from_human(human, train, train_dev, dev, tolerance=0.01):
    """You measure every error from the human one. Then the last is nearly always the largest.
    Measure each step from the error just before it."""
    steps = {"bias": train - human, "variance": train_dev - human, "mismatch": dev - human}
    return _largest(steps, tolerance)


@misconception("diagnose")
def as_large_as_the_tolerance(human, train, train_dev, dev, tolerance=0.01):
    """You count a step that is exactly as large as the tolerance. Steps up to this size do not
    count: compare with >, not with >=."""
    steps = {"bias": train - human, "variance": train_dev - train, "mismatch": dev - train_dev}
    problem = max(steps, key=steps.get)
    return problem if steps[problem] >= tolerance else "none", steps[problem]


@misconception("diagnose")
def never_below_zero(human, train, train_dev, dev, tolerance=0.01):
    """Where every step goes down you return the gap 0. Asked for is the largest step as it is; it
    may be negative."""
    steps = {"bias": train - human, "variance": train_dev - train, "mismatch": dev - train_dev}
    problem, gap = _largest(steps, tolerance)
    return problem, max(gap, 0)


# --- 6. halving ----------------------------------------------------------------------------------


def _play(losses, keep=lambda n: (n + 1) // 2, look=lambda r: r, sign=1, cost="once", nan=None):
    table = losses if nan is None else np.nan_to_num(losses, nan=nan)
    alive, spent, r = np.arange(len(losses)), 0, 0
    while len(alive) > 1:
        order = np.argsort(sign * table[alive, look(r)], kind="stable")
        kept = np.sort(alive[order][: max(keep(len(alive)), 1)])
        spent += {"once": (len(alive) - len(kept)), "again": len(alive)}[cost] * 2**r
        alive, r = kept, r + 1
    return int(alive[0]), int(spent + 2**r)


@misconception("halving")
def worse_half_kept(losses):
    """You keep the candidates with the larger loss. A loss is better the smaller it is."""
    return _play(losses, sign=-1)


@misconception("halving")
def rounded_down(losses):
    """You keep too few where an odd number is alive: of 5 the better half are 3, rounded up."""
    return _play(losses, keep=lambda n: n // 2)


@misconception("halving")
def first_losses_forever(losses):
    """You always rank by the losses of the first round. In round r look at column r: the point of
    training on is to learn more about those who are left."""
    return _play(losses, look=lambda r: 0)


@misconception("halving")
def last_losses_at_once(losses):
    """You rank by the last column, which nobody knows before the training is over. In round r only
    column r is known."""
    return _play(losses, look=lambda r: -1)


@misconception("halving")
def every_round_from_scratch(losses):
    """The winner is right. You count the steps of every round in full, as if the survivors began
    again each time. They go on: whoever leaves after round r has cost 2**r steps in all."""
    return _play(losses, cost="again")


@misconception("halving")
def nan_as_zero(losses):
    """NaN gets to the front, and the runs that exploded win: it was turned into 0, a wonderful
    loss, or into -infinity. NaN is worse than any number."""
    return _play(losses, nan=0.0)


def _play_with_sorted(losses, arrange):
    """Halving by Python's own sorting, with NaN as it is."""
    alive, spent, r = list(range(len(losses))), 0, 0
    while len(alive) > 1:
        ranked = sorted(alive, key=lambda i: losses[i, r])
        kept = arrange(ranked[: (len(alive) + 1) // 2])
        spent += (len(alive) - len(kept)) * 2**r
        alive, r = kept, r + 1
    return alive[0], spent + 2**r


@misconception("halving")
def nan_left_to_sorted(losses):
    """Right without NaN. For `sorted` and `min` every comparison with NaN is False, so that it
    stays where it stands, often in front, and spoils the order. Make it infinity, or use
    `np.argsort`."""
    return _play_with_sorted(losses, sorted)


@misconception("halving")
def nan_left_to_sorted_by_rank(losses):
    """For `sorted` and `min` every comparison with NaN is False, so that it stays where it stands,
    often in front: make it infinity, or use `np.argsort`. And list the survivors by their numbers,
    not by their rank, for later ties."""
    return _play_with_sorted(losses, list)


@misconception("halving")
def survivors_in_rank_order(losses):
    """You list the survivors by their rank, so that an equal loss in the next round goes to the one
    that was better before. It goes to the smaller number: sort the numbers of the survivors."""
    alive, spent, r = np.arange(len(losses)), 0, 0
    while len(alive) > 1:
        kept = alive[np.argsort(losses[alive, r], kind="stable")][: (len(alive) + 1) // 2]
        spent += (len(alive) - len(kept)) * 2**r
        alive, r = kept, r + 1
    return int(alive[0]), spent + 2**r


def _misnumber(losses, arrange):
    """Halving that takes places among those alive for numbers of candidates."""
    alive, spent, r = np.arange(len(losses)), 0, 0
    while len(alive) > 1:
        order = np.argsort(losses[alive, r], kind="stable")
        kept = arrange(order[: (len(alive) + 1) // 2])
        spent += (len(alive) - len(kept)) * 2**r
        alive, r = kept, r + 1
    return int(alive[0]), spent + 2**r


@misconception("halving")
def positions_for_numbers(losses):
    """From the second round on you take places for numbers. `order` counts places among those
    alive, not candidates: translate them, `alive[order]`."""
    return _misnumber(losses, np.sort)


@misconception("halving")
def positions_for_numbers_unsorted(losses):
    """From the second round on you take places for numbers. `order` counts places among those
    alive, not candidates: translate them, `alive[order]`, and sort the survivors by number."""
    return _misnumber(losses, lambda order: order)


# --- 7. evaluate ---------------------------------------------------------------------------------


def _loop(net, batches, given=lambda logits: logits):
    """Sum of the losses of `given(logits)`, right answers, examples, and each batch's mean loss."""
    total, right, count, means = 0.0, 0, 0, []
    for inputs, labels in batches:
        logits = net(inputs)
        means.append(nn.functional.cross_entropy(given(logits), labels).item())
        total += means[-1] * len(labels)
        right += (logits.argmax(1) == labels).sum().item()
        count += len(labels)
    return total, right, count, means


def _measured(net, *args):
    """The loop, and around it all is right: evaluation mode, no gradients, the mode put back."""
    before = net.training
    net.eval()
    with torch.no_grad():
        found = _loop(net, *args)
    net.train(before)
    return found


def _batches(x, y, batch_size):
    return list(zip(x.split(batch_size), y.split(batch_size), strict=True))


def _full(batches, batch_size):
    return [batch for batch in batches if len(batch[0]) == batch_size]


@misconception("evaluate")
def still_training(net, x, y, batch_size=64):
    """The network was called in training mode. With dropout or batch norm that is another
    network: call `net.eval()` first."""
    with torch.no_grad():
        total, right, count, _ = _loop(net, _batches(x, y, batch_size))
    return total / count, right / count


@misconception("evaluate")
def left_in_evaluation_mode(net, x, y, batch_size=64):
    """The numbers are right, but the network stays in evaluation mode. If this is called after each
    epoch, dropout is off from the second epoch on, and nobody notices. Put it back."""
    net.eval()
    with torch.no_grad():
        total, right, count, _ = _loop(net, _batches(x, y, batch_size))
    return total / count, right / count


@misconception("evaluate")
def always_back_to_training(net, x, y, batch_size=64):
    """The numbers are right, but afterwards the network is always in training mode, even if it came
    in evaluation mode. Remember the mode before you change it."""
    net.eval()
    with torch.no_grad():
        total, right, count, _ = _loop(net, _batches(x, y, batch_size))
    net.train()
    return total / count, right / count


@misconception("evaluate")
def mean_of_batch_means(net, x, y, batch_size=64):
    """Your loss is the average of the batches' averages. The last batch is smaller, so its examples
    count more than the others. Add up over examples, and divide once."""
    _, right, count, means = _measured(net, _batches(x, y, batch_size))
    return float(np.mean(means)), right / count


@misconception("evaluate")
def both_means_of_batch_means(net, x, y, batch_size=64):
    """Your loss and your accuracy are averages of the batches' averages. The last batch is smaller,
    so its examples count more than the others. Add up over examples, and divide once."""
    before, losses, shares = net.training, [], []
    net.eval()
    with torch.no_grad():
        for inputs, labels in _batches(x, y, batch_size):
            logits = net(inputs)
            losses.append(nn.functional.cross_entropy(logits, labels).item())
            shares.append((logits.argmax(1) == labels).double().mean().item())
    net.train(before)
    return sum(losses) / len(losses), sum(shares) / len(shares)


@misconception("evaluate")
def mean_losses_divided_by_n(net, x, y, batch_size=64):
    """Your loss is far too small: `cross_entropy` has averaged over each batch already, and you
    divide the sum of these averages by the number of examples. Add up losses of examples:
    `reduction="sum"`."""
    _, right, count, means = _measured(net, _batches(x, y, batch_size))
    return sum(means) / count, right / count


@misconception("evaluate")
def last_batch_dropped(net, x, y, batch_size=64):
    """The last, smaller batch is missing, and where there is no other, nothing is left to divide
    by. For training one may drop it; in an evaluation every example counts."""
    total, right, count, _ = _measured(net, _full(_batches(x, y, batch_size), batch_size))
    return total / count, right / count


@misconception("evaluate")
def last_batch_not_added(net, x, y, batch_size=64):
    """The last, smaller batch is missing from both sums, though you divide by the number of all
    examples. For training one may drop it; in an evaluation every example counts."""
    total, right, _, _ = _measured(net, _full(_batches(x, y, batch_size), batch_size))
    return total / len(x), right / len(x)


@misconception("evaluate")
def softmax_twice(net, x, y, batch_size=64):
    """The accuracy is right, the loss is not: you hand probabilities to `cross_entropy`, which
    takes the softmax itself. Hand it the logits as they are."""
    batches = _batches(x, y, batch_size)
    total, right, count, _ = _measured(net, batches, lambda logits: logits.softmax(1))
    return total / count, right / count


@misconception("evaluate")
def right_answers_counted(net, x, y, batch_size=64):
    """The loss is right. Your accuracy is the number of right answers: divide it by the number of
    examples."""
    total, right, count, _ = _measured(net, _batches(x, y, batch_size))
    return total / count, float(right)


@misconception("evaluate")
def accuracy_in_percent(net, x, y, batch_size=64):
    """The loss is right. Your accuracy is in percent. Return the share, a number from 0 to 1."""
    total, right, count, _ = _measured(net, _batches(x, y, batch_size))
    return total / count, 100 * right / count


@misconception("evaluate")
def gradients_recorded(net, x, y, batch_size=64):
    """The numbers are right, but PyTorch records every operation for a backward pass that never
    comes, and memory fills up. Use `with torch.no_grad():`."""
    before = net.training
    net.eval()
    total, right, count, _ = _loop(net, _batches(x, y, batch_size))
    net.train(before)
    return total / count, right / count


@misconception("evaluate")
def sums_returned(net, x, y, batch_size=64):
    """You return sums over all examples. Divide both by the number of examples."""
    total, right, _, _ = _measured(net, _batches(x, y, batch_size))
    return total, float(right)
