# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# assignment:
#   title: Losses
#   imports:
#     - functools
#     - itertools
#     - math
#     - numpy
#     - matplotlib
#     - torch
#     - autograder.checks
#     - book.data
#     - book.style
#     - book.training
# ---

# %% [markdown]
# # Losses
#
# You have read the chapter. Now you build with it: a loss that asks for any quantile, a log loss
# that survives any logit, cross-entropy with its gradient, a loss for ordered classes, and a
# PyTorch module that joins two of them. On the way you train a classifier for tumors from nothing
# but your own formulas.
#
# <!-- tasks -->
#
# How it works:
#
# - Each task has one cell for you. Replace `raise NotImplementedError()` with your code.
# - Run the cell below it. It checks your answer on a few inputs, and where something is wrong it
#   says on which input, and often why. You may try as often as you like.
# - When your work is graded, further inputs are tried: random numbers, other shapes, extreme
#   values.
# - The tasks do not need one another. If you are stuck, go on and come back.
# - You need NumPy and, for the last task, PyTorch. Please do not import other libraries.
#
# Some cells draw a picture with your function. They wait until it works.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import style
from book.data import breast_cancer, diabetes
from book.training import fit, mlp

style.use()


# %% [markdown] task="pinball" minutes=10
# ## 1. Ask for a quantile
#
# The squared error asks for the mean, the absolute error for the median. A baker who would rather
# have ten loaves too many than one too few needs something else: a number that demand stays below
# on nine days in ten. The **pinball loss** asks for it. With the error $e = y - \hat y$,
#
# $$\ell = \begin{cases} \tau\, e & e > 0 \quad\text{(predicted too little)} \\
# (\tau - 1)\, e & e \le 0 \quad\text{(predicted too much)} \end{cases}$$
#
# For $\tau = 0.9$ one loaf too few costs nine times as much as one too many. Return the average
# loss and its gradient with respect to the predictions.


# %% solution="pinball"
def pinball(prediction, target, tau):
    """The average pinball loss, and its gradient with respect to each prediction.

    prediction, target : arrays (N,), N >= 1.
    tau                : a number between 0 and 1, the quantile that is asked for.
    Returns (loss, grad): one number, and an array (N,).
    Where a prediction is exactly right, its gradient is 0.

    Example

        pinball(np.array([1.0, 5.0]), np.array([3.0, 4.0]), 0.75)

    returns (0.875, array([-0.375,  0.125])): the losses are 0.75 * 2 = 1.5 and 0.25 * 1 = 0.25.

    Hints
    1. Compute e = target - prediction. `np.where` chooses between the two cases.
    2. The loss falls when a prediction that was too small grows, so its gradient is negative.
    3. The average divides by N. So does its gradient.
    """
    ### BEGIN SOLUTION
    e = target - prediction
    losses = np.where(e > 0, tau * e, (tau - 1) * e)
    slope = np.where(e > 0, -tau, 1 - tau) * (e != 0)
    return losses.mean(), slope / len(e)
    ### END SOLUTION


# %% inputs="pinball"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(1)
inputs = [
    Case("the example", (np.array([1.0, 5.0]), np.array([3.0, 4.0]), 0.75)),
    Case("too little, right, too much", (np.array([1.0, 2.0, 5.0]), np.full(3, 2.0), 0.9)),
    Case("a single prediction", (np.array([4.0]), np.array([1.5]), 0.2)),
    Case("tau of one half", (rng.normal(size=5), rng.normal(size=5), 0.5)),
    Case("large errors", (np.array([1e6, -1e6, 0.0, 3.0]), np.array([0.0, 0.0, 1e6, 3.0]), 0.1)),
]

# %% test="pinball" points=2
check("pinball", pinball)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n in [1, 2, 9, 40]:
    for tau in [0.05, 0.5, rng.uniform(0.6, 0.95)]:
        target = rng.normal(scale=10.0, size=n)
        prediction = target + rng.choice([-3.0, 0.0, 0.5, 100.0], size=n)
        loss, grad = pinball(prediction, target, tau)
        pairs = list(zip(prediction, target, strict=True))
        expected = sum(max(tau * (y - p), (tau - 1) * (y - p)) for p, y in pairs) / n
        slopes = [-tau if y > p else 1 - tau if y < p else 0.0 for p, y in pairs]
        assert_close(float(loss), expected, what=f"loss, N={n}, tau={tau:.2g}")
        assert_close(grad, np.array(slopes) / n, what=f"grad, N={n}, tau={tau:.2g}")
### END HIDDEN TESTS

# %% [markdown]
# Your loss at work. Gradient descent looks for one number that answers for all 442 people of the
# diabetes data, at three values of $\tau$. It finds the value that 10 %, 50 % and 90 % lie below.


# %%
@picture
def _():
    _, y, _ = diabetes()
    plt.hist(y, bins=25, color="#BBBBBB")
    for tau, color in [(0.1, style.BLUE), (0.5, style.GREEN), (0.9, style.RED)]:
        answer = 150.0
        for step in range(800):
            _, grad = pinball(np.full(len(y), answer), y, tau)
            answer -= 40.0 / (1 + step / 50) * grad.sum()
        below = np.mean(y <= answer)
        plt.axvline(answer, color=color, label=f"tau {tau}: {below:.0%} lie below")
    plt.xlabel("progress of the disease")
    plt.ylabel("people")
    plt.legend()


# %% [markdown] task="log_loss" minutes=15
# ## 2. A log loss for any logit
#
# For a logit $z$ and a truth $y$ (0 or 1) the log loss of the probability $\sigma(z)$ is
#
# $$\ell = -\bigl[\, w\, y \ln \sigma(z) + (1 - y) \ln (1 - \sigma(z)) \,\bigr] .$$
#
# The weight $w$ makes missed positives dearer, or cheaper. Written like this the formula breaks
# down at $z = 800$. Write it so that it does not: the check counts an overflow as an error.


# %% solution="log_loss"
def log_loss(logits, targets, pos_weight=1.0):
    """The log loss of each logit, and the gradient of each loss with respect to its logit.

    logits, targets : arrays of one shape, any shape; targets are 0 or 1.
    pos_weight      : the factor on the losses of positive examples, those with target 1.
    Returns (losses, grads): two arrays of that shape. Nothing is averaged.

    Example: sigmoid(log(3)) is 0.75, so

        log_loss(np.array([np.log(3.0), np.log(3.0)]), np.array([1.0, 0.0]))

    returns (array([0.28768207, 1.38629436]), array([-0.25,  0.75])).

    Hints
    1. -ln sigmoid(z) is ln(1 + e^-z). What is -ln(1 - sigmoid(z))?
    2. `np.logaddexp(0, t)` is ln(e^0 + e^t), and it never overflows.
    3. Without the weight the gradient is sigmoid(z) - y. Where does the weight come in?
    4. 0.5 * (1 + np.tanh(0.5 * z)) is a sigmoid that never overflows.
    """
    ### BEGIN SOLUTION
    p = 0.5 * (1.0 + np.tanh(0.5 * logits))
    weight = np.where(targets == 1, pos_weight, 1.0)
    losses = weight * np.logaddexp(0.0, np.where(targets == 1, -logits, logits))
    return losses, weight * (p - targets)
    ### END SOLUTION


# %% inputs="log_loss"
from book.losses.cases import OPS


def visible(name, *wanted):
    """The chapter's cases of one operation, by name, in the order asked for."""
    operation = next(op for op in OPS if op.name == name)
    cases = {case.name: case for case in operation.cases(np.random.default_rng(0))}
    return [cases[case] for case in wanted]


inputs = [
    Case("the example", (np.log([3.0, 3.0]), np.array([1.0, 0.0]))),
    Case("weighted", (np.array([-1.0, 0.5, 2.0, -3.0]), np.array([1.0, 1.0, 0.0, 0.0]), 3.0)),
    *(
        Case(case.name, case.args)
        for case in visible("binary_cross_entropy_with_logits", "ordinary", "empty batch")
    ),
    Case("sure and wrong", (np.array([800.0, -800.0, 30.0]), np.array([0.0, 1.0, 0.0]))),
    Case("sure and right", (np.array([800.0, -800.0, 45.0]), np.array([1.0, 0.0, 1.0]), 2.0)),
]


# %% test="log_loss" points=2
@np.errstate(over="raise", invalid="raise", divide="raise")
def without_overflow(logits, targets, pos_weight=1.0):
    """Your function, with an error where NumPy would only warn."""
    return log_loss(logits, targets, pos_weight)


check("log_loss", without_overflow)
### BEGIN HIDDEN TESTS
from scipy.special import expit, log_expit

from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape, scale in [((7,), 2.0), ((3, 4), 10.0), ((2, 3, 2), 400.0), ((0, 5), 1.0)]:
    for pos_weight in [1.0, rng.uniform(0.1, 0.9), rng.uniform(2.0, 20.0)]:
        logits = rng.normal(scale=scale, size=shape)
        targets = rng.integers(0, 2, shape).astype(float)
        losses, grads = without_overflow(logits, targets, pos_weight)
        right, wrong = -pos_weight * log_expit(logits), -log_expit(-logits)
        case = f"shape {shape}, logits around {scale:g}, pos_weight {pos_weight:.3g}"
        assert_close(losses, np.where(targets == 1, right, wrong), what=f"losses, {case}")
        slopes = np.where(targets == 1, -pos_weight * expit(-logits), expit(logits))
        assert_close(grads, slopes, what=f"grads, {case}")
### END HIDDEN TESTS

# %% [markdown]
# Your losses for a positive and for a negative example, and the squared error beside them: where
# the answer is sure and wrong, one goes on rising, the other gives up.


# %%
@picture
def _():
    z = np.linspace(-8, 8, 200)
    plt.plot(z, log_loss(z, np.ones(200))[0], label="your loss, target 1")
    plt.plot(z, log_loss(z, np.zeros(200))[0], label="your loss, target 0")
    plt.plot(z, (0.5 * (1 + np.tanh(z / 2)) - 1) ** 2, "--", label="squared error, target 1")
    plt.xlabel("logit")
    plt.legend()


# %% [markdown] task="cross_entropy" minutes=20
# ## 3. Cross-entropy and its gradient
#
# Now $K$ classes. The logits of one example are a row $z$, its class is $y$, and
#
# $$\ell = -\sum_c q_c \ln p_c, \qquad p = \mathrm{softmax}(z), \qquad
# q_c = (1 - \varepsilon)\,[c = y] + \frac{\varepsilon}{K} .$$
#
# The share $\varepsilon$ is the label smoothing. Return the average over the examples and its
# gradient with respect to the logits, which is where all the work of deriving softmax pays off.


# %% solution="cross_entropy"
def cross_entropy(logits, classes, smoothing=0.0):
    """The average cross-entropy of a batch, and its gradient with respect to the logits.

    logits    : array (N, K), N >= 1.
    classes   : integer array (N,), values 0..K-1.
    smoothing : the share of the truth that is spread evenly over all K classes.
    Returns (loss, grad): one number, and an array (N, K).

    Example: the softmax of [log(3), 0] is [0.75, 0.25], so

        cross_entropy(np.array([[np.log(3.0), 0.0]]), np.array([1]))

    returns (1.38629436, array([[ 0.75, -0.75]])).

    Hints
    1. ln softmax(z) is z - ln(sum of e^z). Subtract each row's maximum first: `keepdims=True`.
    2. The row `np.eye(K)[classes[i]]` is the one-hot vector of example i.
    3. Never take the logarithm of the softmax: a hopeless class has probability 0.
    4. The gradient of one example's loss is p - q. And the average divides by N.
    """
    ### BEGIN SOLUTION
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n, k = logits.shape
    q = (1.0 - smoothing) * np.eye(k)[classes] + smoothing / k
    return -(q * log_p).sum() / n, (np.exp(log_p) - q) / n
    ### END SOLUTION


# %% inputs="cross_entropy"
rng = np.random.default_rng(3)
inputs = [
    Case("the example", (np.array([[np.log(3.0), 0.0]]), np.array([1]))),
    Case(
        "three examples, three classes",
        (np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [2.0, 2.0, 2.0]]), np.array([1, 0, 2])),
    ),
    Case("smoothed", (rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])), {"smoothing": 0.3}),
    Case("large logits", (np.array([[1000.0, 998.0, 0.0]]), np.array([2]))),
    Case(
        "one row far below the other",
        (np.array([[900.0, 901.0], [-900.0, -901.0]]), np.array([0, 1]), 0.1),
    ),
]

# %% test="cross_entropy" points=3
check("cross_entropy", cross_entropy)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, k in [(1, 2), (5, 5), (7, 3), (3, 10)]:
    for scale in [2.0, 600.0]:
        for smoothing in [0.0, rng.uniform(0.05, 0.5)]:
            logits = rng.normal(scale=scale, size=(k, n)).T  # not contiguous
            classes = rng.integers(0, k, n)
            loss, grad = cross_entropy(logits, classes, smoothing)
            tensor = torch.tensor(logits, requires_grad=True)
            expected = nn.functional.cross_entropy(
                tensor, torch.tensor(classes), label_smoothing=smoothing
            )
            expected.backward()
            case = f"{n} x {k}, logits around {scale:g}, smoothing {smoothing:.3g}"
            assert_close(float(loss), expected.item(), what=f"loss, {case}")
            assert_close(grad, tensor.grad.numpy(), what=f"grad, {case}")
### END HIDDEN TESTS

# %% [markdown]
# How far should the right logit lead? Without smoothing there is no end to it; with smoothing your
# loss has a lowest point.


# %%
@picture
def _():
    lead = np.linspace(0, 9, 100)
    for smoothing in [0.0, 0.1, 0.3]:
        losses = [
            cross_entropy(np.array([[t, 0.0, 0.0, 0.0, 0.0]]), np.array([0]), smoothing)[0]
            for t in lead
        ]
        plt.plot(lead, losses, label=f"smoothing {smoothing}")
    plt.xlabel("lead of the right logit")
    plt.ylabel("cross-entropy, 5 classes")
    plt.legend()


# %% [markdown] task="weighted_mean" minutes=10
# ## 4. Divide by the right number
#
# Some classes count more than others, and some examples, such as the padding of a short sentence,
# count not at all. You get the losses of a batch, one for each example, and turn them into one
# number as PyTorch's `cross_entropy` does: **a weighted mean**, which divides by the sum of the
# weights that came up. If nothing counts, return 0.


# %% solution="weighted_mean"
def weighted_mean(losses, classes, weight, ignored=-1):
    """The mean of the losses, weighted by class, without the examples to be ignored.

    losses  : array (N,).
    classes : integer array (N,): 0..K-1, or `ignored` for an example that does not count.
    weight  : array (K,), the weight of each class.
    ignored : the label of examples that do not count.
    Returns one number; 0.0 if nothing counts, or if all that counts has weight 0.

    Example

        weighted_mean(np.array([1.0, 2.0, 5.0]), np.array([0, 1, -1]), np.array([1.0, 3.0]))

    returns 1.75, which is (1 * 1 + 3 * 2) / (1 + 3).

    Hints
    1. `kept = classes != ignored` says who counts.
    2. `weight[classes]` picks a weight for each example. But what does NumPy do with -1?
    3. Numerator and denominator run over the same examples.
    """
    ### BEGIN SOLUTION
    kept = classes != ignored
    shares = weight[classes[kept]]
    total = shares.sum()
    return (shares * losses[kept]).sum() / total if total > 0 else 0.0
    ### END SOLUTION


# %% inputs="weighted_mean"
inputs = [
    Case("the example", (np.array([1.0, 2.0, 5.0]), np.array([0, 1, -1]), np.array([1.0, 3.0]))),
    Case("all count", (np.array([2.0, 4.0, 3.0]), np.array([1, 0, 1]), np.array([0.5, 2.0]))),
    Case(
        "three classes, two ignored",
        (
            np.array([1.0, 7.0, 2.0, 9.0, 4.0]),
            np.array([2, -1, 0, -1, 2]),
            np.array([1.0, 5.0, 2.0]),
        ),
    ),
    Case(
        "class 0 is ignored",
        (np.array([1.0, 2.0, 3.0]), np.array([0, 1, 2]), np.array([4.0, 1.0, 3.0])),
        {"ignored": 0},
    ),
    Case("nothing counts", (np.array([1.0, 2.0]), np.array([-1, -1]), np.array([1.0, 2.0]))),
]


# %% test="weighted_mean" points=2
@np.errstate(divide="raise", invalid="raise")
def without_division_by_zero(losses, classes, weight, ignored=-1):
    """Your function, with an error where NumPy would only warn."""
    return weighted_mean(losses, classes, weight, ignored)


check("weighted_mean", without_division_by_zero)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, k, ignored in [(1, 2, -1), (30, 4, -1), (50, 3, -100), (40, 5, 2), (12, 1, -1)]:
    losses = rng.exponential(size=n)
    classes = rng.integers(0, k, n)
    classes[rng.random(n) < 0.3] = ignored
    weight = rng.uniform(0.2, 5.0, k)
    pairs = [(weight[c], loss) for c, loss in zip(classes, losses, strict=True) if c != ignored]
    total = sum(share for share, _ in pairs)
    expected = sum(share * loss for share, loss in pairs) / total if total else 0.0
    got = without_division_by_zero(losses, classes, weight, ignored)
    assert_close(float(got), float(expected), what=f"N={n}, K={k}, ignored={ignored}")
got = without_division_by_zero(np.ones(2), np.array([0, -1]), np.array([0.0, 1.0]))
assert_close(float(got), 0.0, what="only a class of weight 0")
### END HIDDEN TESTS

# %% [markdown] task="squared_emd" minutes=15
# ## 5. Classes with an order
#
# A film has one to five stars, and the network predicts a probability for each number of stars.
# Two stars where three were right is a small mistake, five is a large one. The squared earth
# mover's distance knows the difference. With the running sums
# $P_c = p_1 + \dots + p_c$ of the prediction and $Q_c$ of the truth,
#
# $$\ell = \sum_{c=1}^{K} (P_c - Q_c)^2 .$$
#
# Return the average over the examples and its gradient with respect to the probabilities. A
# probability $p_k$ is part of *every* running sum from the $k$-th on.


# %% solution="squared_emd"
def squared_emd(p, classes):
    """The average squared earth mover's distance, and its gradient with respect to p.

    p       : array (N, K), N >= 1; each row holds probabilities that sum to 1.
    classes : integer array (N,), the right classes, values 0..K-1.
    Returns (loss, grad): one number, and an array (N, K).

    Example

        squared_emd(np.array([[0.5, 0.25, 0.25]]), np.array([0]))

    returns (0.3125, array([[-1.5, -0.5,  0. ]])): P - Q is [-0.5, -0.25, 0].

    Hints
    1. `np.cumsum(p, axis=1)` makes the running sums of all rows. The truth is one-hot: its running
       sums are 0 before the right class and 1 from there on.
    2. In the gradient, 2 (P_c - Q_c) arrives at p_k from every c >= k: a running sum from the end.
    3. `a[:, ::-1]` turns the order of the classes round.
    """
    ### BEGIN SOLUTION
    n, k = p.shape
    gap = np.cumsum(p - np.eye(k)[classes], axis=1)
    grad = 2.0 * np.cumsum(gap[:, ::-1], axis=1)[:, ::-1]
    return (gap**2).sum() / n, grad / n
    ### END SOLUTION


# %% inputs="squared_emd"
rng = np.random.default_rng(5)
inputs = [
    Case("the example", (np.array([[0.5, 0.25, 0.25]]), np.array([0]))),
    Case("near and far", (np.array([[0.6, 0.4, 0.0], [0.6, 0.0, 0.4]]), np.array([0, 0]))),
    Case("the middle is right", (np.array([[0.2, 0.5, 0.3], [0.0, 0.0, 1.0]]), np.array([1, 1]))),
    Case("five classes", (rng.dirichlet(np.ones(5), 4), np.array([0, 2, 4, 3]))),
    Case("a perfect answer", (np.eye(3), np.array([0, 1, 2]))),
]

# %% test="squared_emd" points=3
check("squared_emd", squared_emd)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, k in [(1, 2), (4, 4), (6, 3), (3, 8), (2, 1)]:
    p, classes = rng.dirichlet(np.ones(k), n), rng.integers(0, k, n)
    loss, grad = squared_emd(p, classes)
    tensor = torch.tensor(p, requires_grad=True)
    total = 0.0
    for row, right in zip(tensor, classes, strict=True):
        for c in range(k):
            total = total + (row[: c + 1].sum() - float(c >= right)) ** 2
    total = total / n
    total.backward()
    assert_close(float(loss), total.item(), what=f"loss, {n} x {k}")
    assert_close(grad, tensor.grad.numpy(), what=f"grad, {n} x {k}")
### END HIDDEN TESTS

# %% [markdown]
# Five classes, the third is right, and all probability stands on one class. Cross-entropy would
# charge the same, infinity, for each of the four mistakes. Your loss charges by distance.


# %%
@picture
def _():
    losses = [squared_emd(np.eye(5)[[k]], np.array([2]))[0] for k in range(5)]
    plt.bar(range(1, 6), losses)
    plt.xlabel("stars predicted, where 3 are right")
    plt.ylabel("squared EMD")


# %% [markdown] task="fit_logistic" minutes=15
# ## 6. An objective, from the formula to the tumors
#
# Now put the pieces together. Logistic regression predicts $p = \sigma(X w + b)$. Its objective is
# the average log loss plus a price on the weights,
#
# $$J(w, b) = \frac1N \sum_i \ell_i + \frac{\alpha}{2} \sum_j w_j^2 .$$
#
# The bias is free: a penalty on it would only pull the predictions toward one half. Minimize $J$
# by plain gradient descent, starting from zeros.


# %% solution="fit_logistic"
def fit_logistic(x, y, alpha=0.0, lr=0.5, steps=100):
    """Logistic regression with an L2 penalty, by gradient descent from zeros.

    x     : array (N, D).
    y     : array (N,), 0 or 1.
    alpha : strength of the penalty on w; the bias has none.
    lr    : learning rate; steps: number of updates.
    Returns (w, b, objective): array (D,), a number, and an array (steps,) with the objective
    *before* each update; so objective[0] is always log(2).

    Example: one feature, one step, no penalty. p is 1/2 everywhere, so

        fit_logistic(np.array([[1.0], [-3.0]]), np.array([1.0, 0.0]), lr=1.0, steps=1)

    returns (array([1.]), 0.0, array([0.69314718])).

    Hints
    1. Each step: logits, p, objective; then the gradients; then both updates.
    2. The gradient of the mean log loss in z is (p - y) / N. From z to w it passes through x:
       x.T @ ... has the shape (D,).
    3. The gradient of alpha / 2 * sum(w**2) is alpha * w.
    4. np.logaddexp(0, z) - y * z is the log loss of each example, for any z.
    """
    ### BEGIN SOLUTION
    w, b, objective = np.zeros(x.shape[1]), 0.0, []
    for _ in range(steps):
        z = x @ w + b
        losses = np.logaddexp(0.0, z) - y * z
        objective.append(losses.mean() + 0.5 * alpha * (w**2).sum())
        error = (0.5 * (1.0 + np.tanh(0.5 * z)) - y) / len(y)
        w = w - lr * (x.T @ error + alpha * w)
        b = b - lr * error.sum()
    return w, b, np.array(objective)
    ### END SOLUTION


# %% inputs="fit_logistic"
(x_few, y_few), _ = breast_cancer()
x_few, y_few = (
    (x_few[:8, :3] - x_few[:, :3].mean(axis=0)) / x_few[:, :3].std(axis=0),
    1.0 * y_few[:8],
)
inputs = [
    Case("the example", (np.array([[1.0], [-3.0]]), np.array([1.0, 0.0])), {"lr": 1.0, "steps": 1}),
    Case("eight tumors, three steps", (x_few, y_few), {"steps": 3}),
    Case("with a penalty", (x_few, y_few), {"alpha": 0.5, "steps": 4}),
    Case("a strong penalty, a small rate", (x_few, y_few, 3.0, 0.1, 5)),
]

# %% test="fit_logistic" points=2
check("fit_logistic", fit_logistic)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d, alpha, lr in [(6, 1, 0.0, 1.0), (20, 4, 0.3, 0.5), (9, 9, 2.0, 0.2)]:
    x = rng.normal(size=(n, d))
    y = rng.integers(0, 2, n).astype(float)
    w, b, objective = fit_logistic(x, y, alpha, lr, 7)
    weight = torch.zeros(d, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight, bias], lr)
    expected = []
    for _ in range(7):
        optimizer.zero_grad()
        z = torch.tensor(x) @ weight + bias
        loss = nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(y))
        loss = loss + 0.5 * alpha * (weight**2).sum()
        expected.append(loss.item())
        loss.backward()
        optimizer.step()
    case = f"{n} x {d}, alpha {alpha}"
    assert_close(w, weight.detach().numpy(), what=f"w, {case}")
    assert_close(float(b), bias.item(), what=f"b, {case}")
    assert_close(np.asarray(objective), np.array(expected), what=f"objective, {case}")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: 569 tumors with 30 measurements each. Your function learns from 426 of them and is
# tested on the rest. All are standardized with the mean and the spread of those 426.


# %% test="fit_logistic-tumors" points=1
def standardized(seed=0):
    (x, y), (x_test, y_test) = breast_cancer(seed)
    mean, std = x.mean(axis=0), x.std(axis=0)
    return (x - mean) / std, 1.0 * y, (x_test - mean) / std, y_test


x, y, x_test, y_test = standardized()
w, b, objective = fit_logistic(x, y, alpha=0.01, lr=0.5, steps=150)
right = np.mean((x_test @ w + b > 0) == y_test)
assert right > 0.94, f"expected more than 94 % of the unseen tumors right, got {right:.1%}"
assert objective[-1] < 0.15, f"expected an objective below 0.15 in the end, got {objective[-1]:.3f}"
print(f"{right:.1%} of the unseen tumors are right.")
### BEGIN HIDDEN TESTS
x, y, x_test, y_test = standardized(7)
w, b, objective = fit_logistic(x, y, alpha=0.02, lr=0.5, steps=150)
right = np.mean((x_test @ w + b > 0) == y_test)
assert right > 0.94, f"another split: expected more than 94 % right, got {right:.1%}"
from autograder.checks import assert_close

weight, bias = (torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in (30, 1))
optimizer = torch.optim.SGD(
    [{"params": [weight], "weight_decay": 0.02}, {"params": [bias], "weight_decay": 0.0}], lr=0.5
)
for _ in range(150):
    optimizer.zero_grad()
    z = torch.tensor(x) @ weight + bias
    loss = nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(y))
    loss.backward()
    optimizer.step()
assert_close(w, weight.detach().numpy(), what="another split: w after 150 steps")
assert_close(float(b), bias.item(), what="another split: b after 150 steps")
assert_close(float(objective[0]), np.log(2.0), what="another split: the first objective")
### END HIDDEN TESTS


# %%
@picture
def _():
    (x, y), _ = breast_cancer()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    for alpha in [0.0, 0.03, 0.3]:
        w, _, objective = fit_logistic(x, y, alpha, steps=80)
        plt.plot(objective, label=f"alpha {alpha}: size of w {np.linalg.norm(w):.2f}")
    plt.xlabel("step")
    plt.ylabel("objective")
    plt.legend()


# %% [markdown] task="OrderedLoss" minutes=20
# ## 7. Two losses in one module
#
# For ordered classes one can have both: cross-entropy, which learns fast, and the squared earth
# mover's distance, which knows the order:
#
# $$L = \text{cross-entropy}(z, y) + s \cdot \text{squared EMD}(\mathrm{softmax}(z), y) .$$
#
# Write it as a PyTorch module. The cross-entropy has class weights and is the weighted mean of
# task 4; the EMD is averaged over the examples. The class weights belong to the module, so that
# they move with it to any device and dtype, but no optimizer must ever change them. You may use
# everything in `torch.nn.functional`.
#
# When it works, a network learns with it to grade the progress of a disease.


# %%
def learn_grades(loss, x, grades, x_new):
    """Train a network 10-16-5 on grades 0..4; return the grades that it gives to x_new."""
    net = mlp((10, 16, 5), nn.Tanh)
    fit(net, x, grades, steps=60, lr=0.02, loss=loss)
    with torch.no_grad():
        return net(torch.as_tensor(x_new)).argmax(1).numpy()


# %% solution="OrderedLoss"
class OrderedLoss(nn.Module):
    """Weighted cross-entropy plus `strength` times the squared earth mover's distance.

    weight   : tensor (K,), the weight of each class in the cross-entropy.
    strength : the factor on the mean squared EMD.

    Forward takes logits (N, K), floating point, and classes (N,), integers; it returns one number,
    a tensor without dimensions in the dtype and on the device of the logits.

    Example: for logits [[0, 0]], class 0 and weight [1, 1] the probabilities are [1/2, 1/2], the
    cross-entropy is log(2) and the EMD (1/2)**2 + 0, so strength=2 gives 0.6931 + 2 * 0.25.

    Hints
    1. A tensor that belongs to a module without being trained is a *buffer*.
    2. `nn.functional.cross_entropy` takes logits and a weight, and divides as task 4 does.
    3. `nn.functional.one_hot(classes, K)` gives integers; `.to(logits.dtype)` makes them fit.
    4. The EMD is taken of probabilities; autograd must be able to follow all the way.
    """

    def __init__(self, weight, strength=1.0):
        super().__init__()
        ### BEGIN SOLUTION
        self.register_buffer("weight", weight)
        self.strength = strength
        ### END SOLUTION

    def forward(self, logits, classes):
        ### BEGIN SOLUTION
        entropy = nn.functional.cross_entropy(logits, classes, self.weight)
        p = torch.softmax(logits, 1)
        truth = nn.functional.one_hot(classes, p.shape[1]).to(p.dtype)
        gap = torch.cumsum(p - truth, 1)
        return entropy + self.strength * (gap**2).sum(1).mean()
        ### END SOLUTION


def grade_people(weight, strength, x, grades, x_new):
    """Given: your loss in a network that learns grades."""
    loss = OrderedLoss(torch.as_tensor(weight), strength)
    return learn_grades(loss, x, grades, x_new)


# %% inputs="OrderedLoss"
rng = np.random.default_rng(8)


def tensors(name, dtype, weight, strength, *classes):
    """Logits, classes and weights as tensors."""
    logits = torch.tensor(rng.normal(scale=2.0, size=(len(classes), len(weight))), dtype=dtype)
    weight = torch.tensor(weight, dtype=dtype)
    return Case(name, (logits, torch.tensor(classes), weight, strength))


inputs = [
    tensors("three classes, no EMD", torch.float64, [1.0, 1.0, 1.0], 0.0, 0, 2, 1),
    tensors("four classes", torch.float64, [1.0, 1.0, 1.0, 1.0], 2.0, 0, 3, 3, 1),
    tensors("class weights", torch.float64, [0.5, 4.0, 1.0], 1.0, 0, 2, 1, 1),
    tensors("float32", torch.float32, [2.0, 1.0, 0.5], 0.5, 2, 0),
]


# %% test="OrderedLoss" points=3
def use_ordered_loss(logits, classes, weight, strength):
    """A fresh module of yours: what it has, what it returns, what flows back."""
    module = OrderedLoss(weight.float(), strength).to(logits.dtype)
    logits = logits.clone().requires_grad_()
    loss = module(logits, classes)
    loss.backward()
    return {
        "parameters": [name for name, _ in module.named_parameters()],
        "number of buffers": len(list(module.named_buffers())),
        "loss": loss.detach(),
        "gradient of the logits": logits.grad,
    }


check("OrderedLoss", use_ordered_loss)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.losses.pytorch import cross_entropy as book_cross_entropy
from book.losses.pytorch import squared_emd_loss as book_squared_emd

rng = fresh_rng()
for n, k in [(1, 2), (5, 5), (8, 3)]:
    for dtype in [torch.float64, torch.float32]:
        logits = torch.tensor(rng.normal(scale=2.0, size=(n, k)), dtype=dtype)
        classes = torch.tensor(rng.integers(0, k, n))
        weight = torch.tensor(rng.integers(1, 17, k) / 8, dtype=dtype)  # exact in float32
        strength = float(rng.uniform(0.5, 3.0))
        got = use_ordered_loss(logits, classes, weight, strength)
        logits.requires_grad_()
        expected = book_cross_entropy(logits, classes, weight)
        expected = expected + strength * book_squared_emd(torch.softmax(logits, 1), classes)
        expected.backward()
        case = f"{n} x {k}, {dtype}"
        assert_close(got["loss"], expected.detach(), what=f"loss, {case}")
        assert_close(got["gradient of the logits"], logits.grad, what=f"gradient, {case}")
        assert_close(got["parameters"], [], what=f"parameters, {case}")
        assert_close(got["number of buffers"], 1, what=f"number of buffers, {case}")
half = torch.tensor([[1.0, 0.0, -1.0]], dtype=torch.bfloat16)
got = use_ordered_loss(half, torch.tensor([1]), torch.ones(3), 1.0)
assert_close(str(got["loss"].dtype), "torch.bfloat16", what="dtype of the loss for bfloat16")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: 442 people with diabetes, ten measurements each, and the progress of the disease
# in five grades. How many grades is a prediction off, for people whom the network has not seen?

# %% test="OrderedLoss-grades" points=1
x, progress, _ = diabetes()
grades = np.digitize(progress, np.quantile(progress, [0.2, 0.4, 0.6, 0.8]))
order = np.random.default_rng(0).permutation(len(grades))
seen, unseen = order[:300], order[300:]
guess = grade_people(np.ones(5), 1.0, x[seen], grades[seen], x[unseen])
off = np.abs(guess - grades[unseen]).mean()
assert off < 1.15, f"expected to be off by less than 1.15 grades on average, got {off:.2f}"
print(f"Off by {off:.2f} grades on average; guessing the middle grade would be off by 1.2.")
### BEGIN HIDDEN TESTS
order = np.random.default_rng(3).permutation(len(grades))
seen, unseen = order[:300], order[300:]
guess = grade_people(np.ones(5), 1.0, x[seen], grades[seen], x[unseen])
off = np.abs(guess - grades[unseen]).mean()
assert off < 1.15, f"another split: expected less than 1.15 grades off, got {off:.2f}"
worst = np.array([1.0, 1.0, 1.0, 1.0, 50.0])
guess = grade_people(worst, 0.0, x[seen], grades[seen], x[unseen])
share = np.mean(guess == 4)
assert share > 0.5, f"a heavy weight on grade 4: expected it in more than half, got {share:.0%}"
### END HIDDEN TESTS


# %%
@picture
def _():
    x, progress, _ = diabetes()
    grades = np.digitize(progress, np.quantile(progress, [0.2, 0.4, 0.6, 0.8]))
    guess = grade_people(np.ones(5), 1.0, x, grades, x)
    table = np.zeros((5, 5))
    np.add.at(table, (grades, guess), 1)
    plt.figure(figsize=(4.2, 3.4))
    plt.imshow(table)
    plt.grid(False)
    plt.xlabel("predicted grade")
    plt.ylabel("true grade")
    plt.colorbar(label="people")


# %% [markdown]
# ## 8. A loss that will not fall
#
# A friend trains a classifier for ten kinds of clothes. The network ends in a softmax layer, the
# loss is `F.cross_entropy`. After an hour the training loss stands at 1.52, hardly moving, and 94 %
# of the *training* pictures are right. "It has stopped learning," says the friend, "the learning
# rate must be wrong."
#
# Answer in about 150 words:
#
# - What is wrong? Explain the number 1.52: how low could this loss have become at best, and why?
# - What happens to the gradient of an example that the network has almost right?
# - Name one check, before or during training, that would have shown the mistake in a minute.

# %% [markdown] manual="why" points=3 minutes=10
# `F.cross_entropy` expects logits and takes the softmax itself. The network already ends in a
# softmax, so it is taken twice. The second softmax gets numbers between 0 and 1. Even a perfect
# answer, 1 for the right class and 0 for the nine others, becomes $e / (e + 9) = 0.232$, whose
# loss is $-\ln 0.232 = 1.46$. That is the floor, and 1.52 lies only a little above it: the
# network is nearly done, and the learning rate is innocent.
#
# The gradient passes through the first softmax, whose slopes $p_i(\delta_{ij} - p_j)$ vanish as
# the probabilities approach 0 and 1. So does the gradient of an example that is sure and
# *wrong*, which is why the remaining 6 % are not learned.
#
# A check: overfit a handful of examples; the loss must go to 0. Here it stops at 1.46. (Or look
# at the last layer: outputs that sum to 1 are no logits.) The first loss, $\ln 10 = 2.30$,
# would *not* have shown it: both are near 2.30.
#
# **Rubric**
#
# - 1 point: softmax taken twice, and the floor $-\ln \frac{e}{e + 9} = 1.46$ (between 1.4 and
#   1.5) with a reason. Half without the number.
# - 1 point: the gradient vanishes through the first softmax where it is sure; full only if the
#   answer sees that this holds for sure and wrong examples too, or says why that hurts.
# - 1 point: a check that would show it: overfitting a small batch, the range or the sum of the
#   last layer's outputs, a comparison with log-softmax. Half for "read the documentation". None
#   for the loss at the start, which looks right.
