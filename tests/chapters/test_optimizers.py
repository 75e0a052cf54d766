"""Optimizers and schedules step by step against PyTorch and Optax, and what the documents say.

The worked examples and errata are computed here. The experiments run on the page, whose stored
outputs nbval verifies; here their outcome is held against the claim.
"""

import copy
import math

import jax
import numpy as np
import optax
import pytest
import torch
from torch.optim import lr_scheduler

from book.backprop.engine import Tensor
from book.backprop.reference import training_step
from book.optimizers import pytorch, reference
from book.optimizers.reference import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    CosineAnnealingLR,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearWarmup,
    OneCycleLR,
    ReduceLROnPlateau,
    RMSprop,
    StepLR,
    ewma,
    inverse_time_decay,
    lr_range_test,
    sqrt_decay,
)
from book.optimizers.training import batches, loss_of, network, set_gradients, train
from tests.chapters.glued import glued

SHAPES = [(3, 4), (4,), (), (2, 1, 3)]
STEPS = 100

# --- optimizers against torch.optim, step by step

OPTIMIZERS = {
    "SGD": [
        {}, {"lr": 0.1}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "dampening": 0.5}, {"weight_decay": 0.1}, {"lr": 0.0},
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01, "maximize": True},
    ],
    "Adagrad": [
        {}, {"lr": 0.1, "lr_decay": 0.01}, {"weight_decay": 0.1, "initial_accumulator_value": 0.5},
        {"eps": 0.1}, {"maximize": True},
    ],
    "RMSprop": [
        {}, {"alpha": 0.9, "momentum": 0.9}, {"centered": True}, {"weight_decay": 0.1, "eps": 0.01},
        {"lr": 0.003, "centered": True, "momentum": 0.5, "maximize": True},
    ],
    "Adam": [
        {}, {"lr": 0.1}, {"betas": (0.5, 0.9)}, {"amsgrad": True}, {"weight_decay": 0.1},
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "amsgrad": True, "maximize": True},
    ],
    "AdamW": [
        {}, {"lr": 0.1, "weight_decay": 0.5}, {"weight_decay": 0.0}, {"amsgrad": True},
        {"maximize": True, "betas": (0.5, 0.9)},
    ],
}  # fmt: skip
SETTINGS = [(name, options) for name, found in OPTIMIZERS.items() for options in found]
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def engine(arrays):
    return [Tensor(array) for array in arrays]


def torch_parameters(arrays):
    return [torch.nn.Parameter(torch.tensor(array)) for array in arrays]


def start_and_gradients(seed=0, steps=STEPS, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    start = [rng.normal(size=shape) for shape in shapes]
    return start, [[rng.normal(size=shape) for shape in shapes] for _ in range(steps)]


def give(params, grads):
    """Put the gradients where optimizers look for them; a None leaves a parameter without."""
    for param, grad in zip(params, grads, strict=True):
        tensor = isinstance(param, torch.Tensor) and grad is not None
        param.grad = torch.tensor(grad).to(param) if tensor else grad


def number(value):
    return np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)


def assert_same(ours, theirs, what):
    """Parameters and everything in the state, under PyTorch's names."""
    mine, right = (
        [param for group in side.param_groups for param in group["params"]]
        for side in (ours, theirs)
    )
    for k, (param, other) in enumerate(zip(mine, right, strict=True)):
        np.testing.assert_allclose(
            number(param.data), number(other), **EXACT, err_msg=f"{what}, {k}"
        )
        kept = {name: v for name, v in theirs.state[other].items() if v is not None}
        state = ours.state.get(param, {})
        assert set(state) == set(kept), f"{what}, state of parameter {k}"
        for name, value in kept.items():
            np.testing.assert_allclose(
                number(state[name]), number(value), **EXACT, err_msg=f"{what}, {name}"
            )


@pytest.mark.parametrize("side", [reference, pytorch], ids=["numpy", "pytorch"])
@pytest.mark.parametrize("name, options", SETTINGS, ids=lambda value: str(value))
def test_a_hundred_steps_are_those_of_torch_optim(side, name, options):
    start, gradients = start_and_gradients()
    params = (engine if side is reference else torch_parameters)(start)
    peers = torch_parameters(start)
    ours, theirs = getattr(side, name)(params, **options), getattr(torch.optim, name)(
        peers, **options
    )  # fmt: skip
    for step, grads in enumerate(gradients, start=1):
        if step % 7 == 0:  # now and then a parameter has no gradient, and keeps its place
            grads = [None, *grads[1:]]
        give(params, grads)
        give(peers, grads)
        ours.step()
        theirs.step()
        assert_same(ours, theirs, f"{name} {options}, step {step}")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_first_step_without_a_gradient_moves_nothing(name):
    start, (grads,) = start_and_gradients(steps=1)
    params, peers = torch_parameters(start), torch_parameters(start)
    numpy_params = engine(start)
    sides = [
        getattr(pytorch, name)(params, lr=0.1), getattr(reference, name)(numpy_params, lr=0.1),
        getattr(torch.optim, name)(peers, lr=0.1),
    ]  # fmt: skip
    for optimizer, tensors in zip(sides, (params, numpy_params, peers), strict=True):
        give(tensors, [None, *grads[1:]])
        optimizer.step()
    for tensors in (params, numpy_params):
        for mine, right in zip(tensors, peers, strict=True):
            np.testing.assert_allclose(number(mine.data), number(right), **EXACT)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_have_options_of_their_own(name):
    start, gradients = start_and_gradients(steps=20)
    sides = []
    for module, make in (
        (reference, engine), (pytorch, torch_parameters), (torch.optim, torch_parameters)
    ):  # fmt: skip
        params = make(start)
        groups = [{"params": params[:1], "lr": 0.5, "weight_decay": 0.1}, {"params": params[1:3]}]
        optimizer = getattr(module, name)(groups, lr=0.01)
        optimizer.add_param_group({"params": params[3:], "lr": 0.2})
        for grads in gradients:
            give(params, grads)
            optimizer.step()
        sides.append(optimizer)
    for ours in sides[:2]:
        assert_same(ours, sides[2], name)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("side", [reference, pytorch], ids=["numpy", "pytorch"])
def test_training_goes_on_from_a_state_dict(side, name):
    start, gradients = start_and_gradients(steps=30)
    make = engine if side is reference else torch_parameters
    params = make(start)
    optimizer = getattr(side, name)(params, lr=0.1)
    for grads in gradients[:15]:
        give(params, grads)
        optimizer.step()
    saved = copy.deepcopy(optimizer.state_dict())
    others = make([number(param.data).copy() for param in params])
    resumed = getattr(side, name)(others, lr=7.0)
    resumed.load_state_dict(saved)
    for grads in gradients[15:]:
        for tensors, one in ((params, optimizer), (others, resumed)):
            give(tensors, grads)
            one.step()
    for mine, right in zip(others, params, strict=True):
        np.testing.assert_array_equal(number(mine.data), number(right.data))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_checkpoint_of_torch_optim_can_be_read_and_the_other_way_round(name):
    start, gradients = start_and_gradients(steps=20)
    params = torch_parameters(start)
    optimizer = getattr(torch.optim, name)(params, lr=0.1)
    for step, grads in enumerate(gradients):
        give(params, grads)
        optimizer.step()
        if step % 5 == 4:  # change sides, with all that is remembered
            module = pytorch if isinstance(optimizer, getattr(torch.optim, name)) else torch.optim
            successor = getattr(module, name)(params, lr=0.1)
            successor.load_state_dict(optimizer.state_dict())
            optimizer = successor
    peers = torch_parameters(start)
    right = getattr(torch.optim, name)(peers, lr=0.1)
    for grads in gradients:
        give(peers, grads)
        right.step()
    for mine, other in zip(params, peers, strict=True):
        np.testing.assert_allclose(number(mine), number(other), **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_keep_their_dtype(name, dtype):
    param = torch.nn.Parameter(torch.ones(3, dtype=dtype))
    optimizer = getattr(pytorch, name)([param], lr=0.5)
    param.grad = torch.full((3,), 0.5, dtype=dtype)
    optimizer.step()
    assert param.dtype == dtype
    assert (param < 1).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_step_calls_the_closure_and_zero_grad_forgets(name):
    for module, params in (
        (reference, [Tensor([1.0, 2.0], requires_grad=True)]),
        (pytorch, torch_parameters([np.array([1.0, 2.0])])),
    ):
        optimizer = getattr(module, name)(params, lr=0.1)

        def closure(params=params, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (params[0] * params[0]).sum()
            loss.backward()
            return loss

        assert optimizer.step(closure).item() == 5.0
        assert optimizer.step(closure).item() < 5.0
        optimizer.zero_grad()
        assert params[0].grad is None


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_refuse_what_makes_no_sense(name):
    for module, param in (
        (reference, Tensor([1.0])),
        (pytorch, torch.nn.Parameter(torch.ones(1))),
    ):
        kind = getattr(module, name)
        with pytest.raises(ValueError, match=r"empty|expected"):
            kind([])
        with pytest.raises(ValueError, match=r"lr: expected .* got -0.1"):
            kind([param], lr=-0.1)
        with pytest.raises(ValueError, match="lr: expected"):
            kind([param], lr=math.nan)
        with pytest.raises(TypeError):
            kind([np.ones(2)])
        with pytest.raises(ValueError):
            kind([{"params": [param]}, {"params": [param]}])
    with pytest.raises(TypeError, match="floating-point"):
        getattr(pytorch, name)([torch.ones(2, dtype=torch.int64)])
    param = Tensor([1.0, 2.0])
    optimizer = getattr(reference, name)([param])
    param.grad = np.ones(3)
    with pytest.raises(ValueError, match=r"grad: expected .* got \(3,\)"):
        optimizer.step()
    with pytest.raises(ValueError, match="state_dict: expected"):
        optimizer.load_state_dict(getattr(reference, name)([Tensor(1.0), Tensor(2.0)])
                                  .state_dict())  # fmt: skip


def test_single_options_are_refused():
    for module, param in ((reference, Tensor([1.0])), (pytorch, torch.nn.Parameter(torch.ones(1)))):
        for name, options in (
            ("SGD", {"nesterov": True}),
            ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
            ("RMSprop", {"alpha": 1.0}),
            ("Adam", {"betas": (0.9, 1.0)}),
            ("AdamW", {"betas": (0.9,)}),
            ("Adagrad", {"initial_accumulator_value": -1.0}),
        ):
            with pytest.raises(ValueError, match=r"expected.* got"):
                getattr(module, name)([param], **options)


def test_the_classifier_of_the_page_has_the_gradients_of_the_chapter_before():
    rng = np.random.default_rng(0)
    x, y, params = rng.normal(size=(7, 5)), rng.integers(0, 3, 7), network([5, 6, 4, 3])
    arrays = [param.data for param in params]
    loss, *after = training_step(x, y, 0.5, *arrays)
    assert set_gradients(params, x, y) == pytest.approx(loss) == loss_of(params, x, y)
    for param, right in zip(params, after, strict=True):
        np.testing.assert_allclose(param.data - 0.5 * param.grad, right, **EXACT)
    (only,) = train(reference.SGD(params, lr=0.5), x, y, 7, 1)
    assert only == pytest.approx(loss)
    for param, right in zip(params, after, strict=True):
        np.testing.assert_allclose(param.data, right, **EXACT)


# --- Optax: another library, other names

OPTAX = {
    "SGD": (lambda ox: ox.sgd(0.1), {"lr": 0.1}),
    "momentum": (lambda ox: ox.sgd(0.1, momentum=0.9), {"lr": 0.1, "momentum": 0.9}),
    "Nesterov": (
        lambda ox: ox.sgd(0.1, momentum=0.9, nesterov=True),
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    "Adagrad": (
        # eps stands under the root there: 0 makes the two the same.
        lambda ox: ox.adagrad(0.1, initial_accumulator_value=0.5, eps=0.0),
        {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 0.0},
    ),
    "RMSprop": (
        lambda ox: ox.rmsprop(0.1, decay=0.9, eps=1e-8, eps_in_sqrt=False),
        {"lr": 0.1, "alpha": 0.9},
    ),
    "Adam": (lambda ox: ox.adam(0.1, b1=0.8, b2=0.99), {"lr": 0.1, "betas": (0.8, 0.99)}),
    "AdamW": (lambda ox: ox.adamw(0.1, weight_decay=0.2), {"lr": 0.1, "weight_decay": 0.2}),
}


@pytest.mark.parametrize("name", OPTAX)
def test_a_hundred_steps_are_those_of_optax(name):
    make, options = OPTAX[name]
    kind = {"momentum": "SGD", "Nesterov": "SGD"}.get(name, name)
    start, gradients = start_and_gradients(seed=1)
    with jax.enable_x64(True):
        theirs, rule = [jax.numpy.asarray(array) for array in start], make(optax)
        state = rule.init(theirs)
        params = engine(start)
        ours = getattr(reference, kind)(params, **options)
        for grads in gradients:
            give(params, grads)
            ours.step()
            moves, state = rule.update([jax.numpy.asarray(g) for g in grads], state, theirs)
            theirs = optax.apply_updates(theirs, moves)
            for mine, right in zip(params, theirs, strict=True):
                np.testing.assert_allclose(mine.data, np.asarray(right), **EXACT)


# --- schedules against torch.optim.lr_scheduler, over their whole course

SCHEDULES = {
    "StepLR": ("StepLR", [{"step_size": 30}, {"step_size": 7, "gamma": 0.5}]),
    "ExponentialLR": ("ExponentialLR", [{"gamma": 0.95}, {"gamma": 1.01}]),
    "LambdaLR": ("LambdaLR", [{"lr_lambda": lambda n: 1 / (1 + n)}]),
    "CosineAnnealingLR": (
        "CosineAnnealingLR", [{"T_max": 120}, {"T_max": 40, "eta_min": 0.01}, {"T_max": 1}],
    ),
    "LinearWarmup": (
        "LinearLR",
        [{}, {"start_factor": 0.01, "total_iters": 50},
         {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 100}],
    ),
    "CyclicLR": (
        "CyclicLR",
        [{"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 10},
         {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 10, "step_size_down": 25,
          "mode": "triangular2"},
         {"base_lr": [0.01, 0.02], "max_lr": [0.1, 0.5], "step_size_up": 8, "mode": "exp_range",
          "gamma": 0.99, "base_momentum": 0.5, "max_momentum": 0.99},
         {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": 5, "cycle_momentum": False,
          "scale_fn": lambda n: 1 / (1 + n), "scale_mode": "iterations"}],
    ),
    "OneCycleLR": (
        "OneCycleLR",
        [{"max_lr": 0.3, "total_steps": STEPS + 1},
         {"max_lr": [0.3, 0.1], "epochs": 21, "steps_per_epoch": 5, "anneal_strategy": "linear"},
         {"max_lr": 0.3, "total_steps": 150, "three_phase": True, "pct_start": 0.4,
          "base_momentum": 0.5, "max_momentum": 0.9},
         {"max_lr": 0.3, "total_steps": 120, "div_factor": 5.0, "final_div_factor": 100.0,
          "cycle_momentum": False}],
    ),
}  # fmt: skip
COURSES = [
    pytest.param(name, peer, options, id=f"{name}-{number}")
    for name, (peer, found) in SCHEDULES.items()
    for number, options in enumerate(found)
]


def two_groups(module, kind="SGD", **options):
    """An optimizer with two groups of different rates, of NumPy's or PyTorch's parameters."""
    make = engine if module is reference else torch_parameters
    first, second = make([np.ones(2), np.ones(1)])
    groups = [{"params": [first], "lr": 0.1}, {"params": [second], "lr": 0.5}]
    return getattr(module, kind)(groups, **options)


def quiet(optimizer):
    """Take a step, so that PyTorch's schedule does not warn; there are no gradients to apply."""
    optimizer.step()


@pytest.mark.parametrize("kind, options", [("SGD", {"momentum": 0.9}), ("Adam", {})])
@pytest.mark.parametrize("name, peer, course", COURSES)
def test_a_schedule_is_that_of_pytorch_over_its_whole_course(name, peer, course, kind, options):
    sides = [two_groups(module, kind, **options) for module in (reference, pytorch, torch.optim)]
    schedules = [getattr(reference, name)(optimizer, **course) for optimizer in sides[:2]]
    right = getattr(lr_scheduler, peer)(sides[2], **course)
    for n in range(STEPS + 1):
        for ours, schedule in zip(sides, schedules, strict=False):
            rates = schedule.get_last_lr()
            np.testing.assert_allclose(rates, right.get_last_lr(), rtol=1e-12, atol=1e-14)
            for group, other in zip(ours.param_groups, sides[2].param_groups, strict=True):
                for key in ("lr", "momentum", "betas"):
                    if key in other:
                        np.testing.assert_allclose(group[key], other[key], rtol=1e-12, atol=1e-14)
        quiet(sides[2])
        if n < STEPS:
            for schedule in (*schedules, right):
                schedule.step()


PLATEAUS = [
    {"patience": 2}, {"factor": 0.5, "patience": 0, "threshold": 0.0},
    {"factor": 0.5, "patience": 1, "threshold": 0.05, "threshold_mode": "abs"},
    {"mode": "max", "patience": 1, "threshold": 0.1}, {"patience": 0, "cooldown": 3},
    {"mode": "max", "threshold_mode": "abs", "patience": 0, "min_lr": [0.01, 0.05]},
    {"factor": 0.1, "patience": 0, "eps": 1e-3},
]  # fmt: skip


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_reduce_on_plateau_is_that_of_pytorch(options):
    rng = np.random.default_rng(4)
    measures = np.exp(-np.arange(STEPS) / 30) + 0.1 * rng.normal(size=STEPS)
    sides = [two_groups(module) for module in (reference, pytorch, torch.optim)]
    ours = [ReduceLROnPlateau(optimizer, **options) for optimizer in sides[:2]]
    right = lr_scheduler.ReduceLROnPlateau(sides[2], **options)
    for measure in measures:
        for schedule in (*ours, right):
            schedule.step(measure)
        for schedule in ours:
            assert schedule.get_last_lr() == pytest.approx(right.get_last_lr(), rel=1e-12)
            for name in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch"):
                assert getattr(schedule, name) == getattr(right, name)
    assert ours[0].get_last_lr()[0] < 0.1  # it did something


@pytest.mark.parametrize("name", ["inverse_time_decay", "sqrt_decay"])
def test_formulas_of_the_documents_are_pytorchs_lambda(name):
    formula = getattr(reference, name)
    optimizer, other = two_groups(reference), two_groups(torch.optim)
    ours = LambdaLR(optimizer, lambda n: formula(n + 1))
    right = lr_scheduler.LambdaLR(other, lambda n: float(formula(n + 1)))
    for _ in range(50):
        assert ours.get_last_lr() == right.get_last_lr()
        quiet(other)
        ours.step()
        right.step()


def test_pytorchs_schedulers_drive_our_optimizers():
    ours, theirs = two_groups(pytorch), two_groups(torch.optim)
    for optimizer in (ours, theirs):
        schedule = lr_scheduler.StepLR(optimizer, 2)
        for _ in range(5):
            quiet(optimizer)
            schedule.step()
    assert [g["lr"] for g in ours.param_groups] == [g["lr"] for g in theirs.param_groups]


def test_a_schedule_goes_on_where_it_stopped():
    make = (
        lambda o: StepLR(o, 4), lambda o: CosineAnnealingLR(o, 30),
        lambda o: OneCycleLR(o, 0.3, 40), lambda o: ExponentialLR(o, 0.9),
        lambda o: CyclicLR(o, 0.1, 0.2, 5), lambda o: LinearWarmup(o),
    )  # fmt: skip
    for start in make:
        whole = two_groups(reference, momentum=0.9)
        schedule = start(whole)
        for _ in range(20):
            schedule.step()
        part = two_groups(reference, momentum=0.9)
        first = start(part)
        for _ in range(8):
            first.step()
        resumed = start(part)
        resumed.load_state_dict(first.state_dict())
        for _ in range(12):
            resumed.step()
        assert resumed.get_last_lr() == schedule.get_last_lr()


def test_last_epoch_needs_the_first_rates():
    optimizer = two_groups(reference)
    with pytest.raises(KeyError, match="initial_lr"):
        StepLR(optimizer, 2, last_epoch=3)
    StepLR(optimizer, 2)
    assert StepLR(optimizer, 2, last_epoch=3).get_last_lr() == pytest.approx([1e-3, 5e-3])


@pytest.mark.parametrize(
    "error, make",
    [
        (TypeError, lambda o: StepLR("no optimizer", 3)),
        (TypeError, lambda o: ReduceLROnPlateau(None)),
        (TypeError, lambda o: CyclicLR(3, 0.1, 0.2)),
        (TypeError, lambda o: LambdaLR(o, 0.5)),
        (ValueError, lambda o: StepLR(o, 0)),
        (ValueError, lambda o: StepLR(o, 2.5)),
        (ValueError, lambda o: CosineAnnealingLR(o, 0)),
        (ValueError, lambda o: LinearWarmup(o, start_factor=0.0)),
        (ValueError, lambda o: LinearWarmup(o, end_factor=1.5)),
        (ValueError, lambda o: LinearWarmup(o, total_iters=0)),
        (ValueError, lambda o: CyclicLR(o, 0.1, 0.2, mode="square")),
        (ValueError, lambda o: CyclicLR(o, 0.1, 0.2, step_size_up=0)),
        (ValueError, lambda o: CyclicLR(o, [0.1], 0.2)),
        (ValueError, lambda o: CyclicLR(two_groups(reference, "Adagrad"), 0.1, 0.2)),
        (ValueError, lambda o: OneCycleLR(o, 0.1)),
        (ValueError, lambda o: OneCycleLR(o, 0.1, 10, pct_start=1.5)),
        (ValueError, lambda o: OneCycleLR(o, 0.1, 10, anneal_strategy="steep")),
        (ValueError, lambda o: ReduceLROnPlateau(o, factor=1.0)),
        (ValueError, lambda o: ReduceLROnPlateau(o, mode="best")),
        (ValueError, lambda o: ReduceLROnPlateau(o, threshold_mode="both")),
        (ValueError, lambda o: ReduceLROnPlateau(o, min_lr=[0.1])),
        (TypeError, lambda o: lr_range_test(o, None)),
        (TypeError, lambda o: lr_range_test(None, float)),
        (ValueError, lambda o: lr_range_test(o, float, start_lr=1.0, end_lr=0.1)),
        (ValueError, lambda o: lr_range_test(o, float, num_iter=1)),
        (ValueError, lambda o: lr_range_test(o, float, diverge_th=1.0)),
    ],
)
def test_schedules_refuse_what_makes_no_sense(error, make):
    with pytest.raises(error, match=r"expected.*got"):
        make(two_groups(reference))


def test_one_cycle_ends():
    schedule = OneCycleLR(two_groups(reference), 0.1, 3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="at most 3 steps, got 4"):
        schedule.step()


@pytest.mark.parametrize("module", [reference, pytorch], ids=["numpy", "pytorch"])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_the_range_test_finds_where_it_diverges_and_puts_everything_back(module, name):
    start = [np.array([3.0, -2.0])]
    if module is reference:
        params = [Tensor(start[0], requires_grad=True)]
    else:
        params = torch_parameters(start)
    optimizer = getattr(module, name)(params, lr=0.123)

    def closure():
        optimizer.zero_grad()
        loss = (params[0] * params[0]).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    before, state = number(params[0].data).copy(), copy.deepcopy(optimizer.state_dict())
    lrs, losses = lr_range_test(optimizer, closure, 1e-4, 1e3, 60)
    assert len(lrs) == len(losses) < 60
    assert lrs[0] == pytest.approx(1e-4)
    ratios = lrs[1:] / lrs[:-1]
    assert ratios == pytest.approx(ratios[0])
    assert losses[-1] > 5 * losses.min()
    np.testing.assert_array_equal(number(params[0].data), before)
    assert optimizer.param_groups[0]["lr"] == 0.123
    for key, value in state["state"].get(0, {}).items():
        np.testing.assert_array_equal(
            number(optimizer.state_dict()["state"][0][key]), number(value)
        )


def test_the_range_test_ends_at_a_loss_that_is_no_number():
    optimizer = two_groups(reference)
    losses = iter([1.0, 0.9, math.nan, 0.5])
    lrs, found = lr_range_test(optimizer, lambda: np.float64(next(losses)), num_iter=10)
    assert len(lrs) == 3
    assert math.isnan(found[-1])
    lrs, _ = lr_range_test(optimizer, lambda: 1.0, num_iter=10)
    assert len(lrs) == 10


# --- what the documents say


@pytest.fixture(scope="module")
def page():
    return glued("optimizers/chapter.ipynb")


def descend(kind, gradient, start, steps, **options):
    """Where one of our optimizers gets to."""
    w = Tensor(start)
    optimizer = kind([w], **options)
    for _ in range(steps):
        w.grad = gradient(w.data)
        optimizer.step()
    return w.data


def test_w40(page):
    theta = np.random.default_rng(3).random(50)
    weights = 0.1 * 0.9 ** np.arange(50)
    assert ewma(theta)[-1] == pytest.approx(weights @ theta[::-1], rel=1e-12)
    assert page["opt-w40"] == page["opt-w40-sum"]
    assert page["opt-w40-weights"] == "0.1000, 0.4095, 0.6513, 0.9948"


def test_w41(page):
    """The average with ten times the rate is PyTorch's sum."""
    assert page["opt-w41"] == "-0.175835 -0.175835"
    w, v = 1.0, 0.0
    for _ in range(30):
        v = 0.9 * v + 0.1 * 2 * w
        w -= 0.1 * v
    assert w == pytest.approx(-0.175835, abs=1e-6)
    assert descend(SGD, lambda w: 2 * w, 1.0, 30, lr=0.01, momentum=0.9) == pytest.approx(w)


def test_w42(page):
    ours, theirs = page["opt-w42"].split()
    assert ours == theirs
    found = descend(SGD, lambda w: 2 * w, 1.0, 30, lr=0.01, momentum=0.9, nesterov=True)
    assert found == pytest.approx(-0.132237, abs=1e-6)


def test_w43(page):
    assert page["opt-w43"] == "True"
    assert descend(RMSprop, lambda w: 0 * w, 2.0, 1) == 2.0


def test_w44(page):
    assert page["opt-w44-right"] == "True"
    assert page["opt-w44-factor"] == pytest.approx(2.465, abs=1e-3)
    assert (page["opt-w44-power"], page["opt-w44-torch"]) == (4.834, 3.06)
    assert descend(Adam, lambda w: 2 * w, 5.0, 20, lr=0.1) == pytest.approx(3.060, abs=1e-3)


def test_w45(page):
    np.testing.assert_allclose(
        inverse_time_decay(np.arange(1, 5), 0.2), [0.1, 0.067, 0.05, 0.04], atol=5e-4
    )
    assert page["opt-w45"] == "[0.1, 0.0667, 0.05, 0.04]"


def test_w46(page):
    assert page["opt-w46"] == page["opt-w46-exp"] == "[0.2, 0.19, 0.1805, 0.17148, 0.1629]"
    optimizer = two_groups(reference)
    schedule = ExponentialLR(optimizer, math.exp(-0.3))
    for n in range(5):
        assert schedule.get_last_lr()[0] == pytest.approx(0.1 * math.exp(-0.3 * n))
        schedule.step()


def test_w47(page):
    assert page["opt-w47"] == "[0.2, 0.14142, 0.11547, 0.1]"
    with pytest.raises(ValueError, match="epoch: expected at least 1, got 0"):
        sqrt_decay(np.array(0))


def test_w48(page):
    assert page["opt-w48"] == "[0.2, 0.1, 0.05]"


def steps_an_epoch(n, size):
    return len(batches(n, size, np.random.default_rng(0)))


def test_w49():
    assert steps_an_epoch(1000, 32) == 32
    assert sum(len(rows) == 32 for rows in batches(1000, 32, np.random.default_rng(0))) == 31


def test_w50():
    for n, steps in ((1_000_000, 1954), (5_000_000, 9766)):
        assert -(-n // 512) == steps
        assert steps_an_epoch(n // 1000, 1) == n // 1000
    assert steps_an_epoch(1_000_000, 512) == 1954


def test_e01(page):
    """A low rate is slow, not quick."""
    assert page["opt-rate-0.0001"] > page["opt-rate-0.01"] > page["opt-rate-0.5"]


def test_e02():
    """An epoch has no size: it is every example once, however the batches are cut."""
    for size in (1, 7, 100, 1000):
        rows = np.concatenate(batches(100, size, np.random.default_rng(0)))
        assert sorted(rows) == list(range(100))


def test_e07():
    loader = torch.utils.data.DataLoader
    assert len(loader(range(1000), 32)) == math.ceil(1000 / 32) == 32
    assert len(loader(range(1000), 32, drop_last=True)) == 1000 // 32 == 31


def test_e29():
    """Iterations and epochs differ by the number of batches."""
    assert steps_an_epoch(1000, 32) == 32 != 1


def test_e36():
    """PyTorch averages at each update: two steps on two gradients are not one on their mean."""
    grads = [np.array(1.0), np.array(-1.0)]
    w = Tensor(0.0)
    optimizer = SGD([w], lr=1.0, momentum=0.5)
    for grad in grads:
        w.grad = grad
        optimizer.step()
    assert w.data == -0.5  # -(1) - (0.5 - 1)
    mean = descend(SGD, lambda w: np.mean(grads), 0.0, 1, lr=1.0, momentum=0.5)
    assert mean == 0.0


def test_e37():
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.array(0.0) / np.sqrt(np.array(0.0)))
    for kind in (RMSprop, Adagrad, Adam, AdamW):
        options = {"weight_decay": 0.0}
        assert descend(kind, lambda w: 0 * w, 1.0, 3, **options) == 1.0


def test_e38():
    """Adam's two averages estimate the first and the second moment."""
    rng, w = np.random.default_rng(0), Tensor(0.0)
    optimizer = Adam([w], betas=(0.999, 0.999))
    for grad in rng.normal(2.0, 1.0, 20_000):
        w.grad = np.array(grad)
        optimizer.step()
    state = optimizer.state[w]
    assert state["exp_avg"] == pytest.approx(2.0, abs=0.15)
    assert state["exp_avg_sq"] == pytest.approx(5.0, abs=0.6)


def test_e39():
    for t, right, factor in ((2, 0.19, 0.2), (10, 0.6513, 1.0), (100, 1.0, 10.0)):
        weights = 0.1 * 0.9 ** np.arange(t)
        assert weights.sum() == pytest.approx(1 - 0.9**t) == pytest.approx(right, abs=1e-4)
        assert (1 - 0.9) * t == pytest.approx(factor)


def test_e40():
    """A staircase counts its own steps, so that it is the same on every machine."""
    optimizer = two_groups(reference)
    schedule = StepLR(optimizer, 10, 0.5)
    found = []
    for _ in range(30):
        found.append(schedule.get_last_lr()[0])
        schedule.step()
    assert found == [0.1] * 10 + [0.05] * 10 + [0.025] * 10


def test_e41():
    """Weight decay moves the minimum; a decaying rate does not."""
    gradient = lambda w: np.array([10.0, 1.0]) * (w - 1.0)  # noqa: E731
    decayed = descend(SGD, gradient, [0.0, 0.0], 500, lr=0.1, weight_decay=0.05)
    np.testing.assert_allclose(decayed, [10 / 10.05, 1 / 1.05], rtol=1e-9)
    w = Tensor([0.0, 0.0])
    optimizer = SGD([w], lr=0.1)
    schedule = ExponentialLR(optimizer, 0.99)
    for _ in range(500):
        w.grad = gradient(w.data)
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(w.data, [1.0, 1.0], atol=1e-3)


def test_e83(page):
    assert page["opt-width-dead"] == pytest.approx(np.log(3), abs=0.01)
    assert float(page["opt-width-2"].split()[0]) > 0.3


def test_e107():
    """The gradient of one example is the one to step along; all of them give another step."""
    x, y = np.array([1.0, 3.0]), np.array([2.0, 0.0])
    one = 2 * (0.5 * x[0] - y[0]) * x[0]
    every = np.mean(2 * (0.5 * x - y) * x)
    assert descend(SGD, lambda w: one, 0.5, 1, lr=0.1) == pytest.approx(0.5 - 0.1 * one)
    assert one != every


def test_x34(page):
    """Too low crawls, right falls, too high is worse than a guess."""
    assert page["opt-rate-0.0001"] > 1.0
    assert page["opt-rate-0.5"] < 0.3
    assert page["opt-rate-5"] > page["opt-guess"]
    assert page["opt-rate-50"] > 2


def test_x35(page):
    black = [float(page[f"opt-cat-{lr}"]) for lr in ("0.01", "0.3", "30")]
    assert black == [0.51, 0.66, 1.0]
    wrong = [float(page[f"opt-cat-wrong-{lr}"]) for lr in ("0.01", "0.3", "30")]
    assert wrong == [0.51, 0.57, 0.0]
    assert float(page["opt-cat-orange-30"]) == 0.0


def test_x36(page):
    """Small rates get stuck; momentum leaves at lower ones, but not always."""
    assert 0 < page["opt-well-0"] < page["opt-well-0.9"] < 6
    assert page["opt-saddle-0.9"] < page["opt-saddle-0"] / 3


def test_x37(page):
    assert page["opt-ravine-plain"] == 346
    assert page["opt-ravine-momentum"] < 100 > page["opt-ravine-Nesterov"]


def test_x38(page):
    steps = {name: page[f"opt-race-{name}"] for name in ("SGD", "momentum", "RMSprop", "Adam")}
    assert steps["SGD"] > steps["RMSprop"] > steps["Adam"]
    assert page["opt-race-first-momentum"] > 4 * page["opt-race-first-Adam"]
    best = {name: page[f"opt-race-end-{name}"] for name in ("momentum", "Nesterov", "Adam")}
    assert max(best.values()) < 0.004, "tuned, all three arrive: none ends clearly best"
    tuned = [value for key, value in page.items() if key.startswith("opt-race-tuned-")]
    assert tuned == ["True"] * 7, "the best rate of each lies between others"


def test_x39(page):
    assert page["opt-adam-first-right"] == 0.01
    assert [page[f"opt-adam-first-none-{k}"] for k in range(3)] == [0.032, 0.042, 0.049]
    assert 5 < page["opt-adam-longest"] < 7


def test_x40(page):
    names = ("inverse time", "exponential", "staircase", "square root", "cosine")
    assert page["opt-quiet-constant"] > 30 * max(page[f"opt-quiet-{name}"] for name in names)


def test_x41(page):
    constant = page["opt-plan-constant 0.3"]
    for name in ("cosine", "one cycle", "exponential"):
        assert page[f"opt-plan-{name}"] < constant / 4
    assert page["opt-plan-warm-up, then constant"] > constant / 2


def test_x42(page):
    assert page["opt-bob-every rise"] > 2 * page["opt-bob-constant"]
    assert page["opt-bob-threshold"] < page["opt-bob-every rise"] / 2
    assert float(page["opt-bob-rate-every rise"]) < 0.01


def test_x43(page):
    assert page["opt-batches-1-1"] < page["opt-batches-1347-10"]
    assert page["opt-batches-32-10"] < page["opt-batches-1347-10"] / 5


def test_x44(page):
    assert page["opt-slow"] > 3
    assert page["opt-seconds-1"] > page["opt-seconds-32"] > page["opt-seconds-256"]


def test_x45(page):
    assert page["opt-noise-spread"] < 1.3
    assert 12 < page["opt-noise-1"] / page["opt-noise-256"] < 21  # the root of 256 is 16


def test_x46(page):
    rates = [page[f"opt-best-rate-{size}"] for size in (1, 4, 32, 256)]
    assert rates == sorted(rates)
    assert page["opt-best-rate-growth"] == pytest.approx(rates[-1] / rates[0])
    assert rates[-1] / rates[0] < 32, "far less than 256 times, nearer to the root of it"


def test_x47(page):
    assert page["opt-large-b"] < 50 < page["opt-large-a"]
    assert abs(page["opt-large-c"] - page["opt-large-a"]) <= 4
    assert abs(page["opt-large-d"] - page["opt-large-a"]) <= 4


def test_x48(page):
    assert page["opt-order-sorted"] < 50 < 85 < page["opt-order-mixed"]


def test_x49(page):
    assert page["opt-rises-all"] == 0
    assert page["opt-rises-mini-batch"] > 0
    assert page["opt-rises-batch-mini-batch"] > 30
    assert page["opt-rises-all, large rate"] > 0


def test_x50(page):
    low, _, high = page["opt-width-2"].split()
    assert float(high) - float(low) > 0.2
    assert page["opt-width-most-64"] == page["opt-width-most-16"] == "below 0.01"
    narrow, wide = ([float(page[f"opt-depth-{w}-{d}"]) for d in (1, 4)] for w in (4, 16))
    assert wide[1] < wide[0] < 0.1, "depth helps where layers are wide enough"
    assert narrow[1] > wide[1] + 0.1, "and cannot make up for narrow ones"


def test_x51(page):
    assert page["opt-memory-4"] < page["opt-memory-16"] < page["opt-memory-256"] == 100


def test_our_figures_of_schedules_and_of_adam_are_pytorchs(page):
    assert page["opt-schedule-gap"] == page["opt-adam-gap"] == "True"


def test_the_range_test_names_the_right_order_of_magnitude(page):
    assert page["opt-range-0.1"] < page["opt-range-0.01"]
    assert page["opt-range-0.1"] < page["opt-range-10"]


def test_minima_are_rare_in_many_dimensions(page):
    shares = [page[f"opt-minima-{n}"] for n in range(1, 6)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 45
    assert shares[-1] < 0.1
    assert page["opt-curved-0"] > page["opt-curved-1000"]
