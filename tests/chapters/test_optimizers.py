"""Optimizers and schedules step by step against PyTorch and Optax, and what the documents say.

The worked examples and errata are computed here. The experiments run on the page, whose stored
outputs nbval verifies; here their outcome is held against the claim.
"""

import copy
import math

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from book.backprop.engine import Tensor
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
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
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
COURSES = [(name, peer, options) for name, (peer, found) in SCHEDULES.items() for options in found]


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
@pytest.mark.parametrize("name, peer, course", COURSES, ids=lambda value: str(value)[:60])
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
