"""LARS against a hand-written sequence in float64, and against torch's SGD where they agree."""

import math

import pytest
import torch

from simclr_bench.training.lars import LARS

RATES = (0.5, 0.5, 0.1, 2.0)
START = [3.0, -4.0]
GRADIENTS = ([0.3, 0.1], [-0.2, 0.5], [0.7, 0.0], [0.01, -0.03])


def by_hand(excluded: bool, momentum: float, decay: float, eeta: float) -> list[list[float]]:
    """The tensor after each step, from the formulas and nothing else."""
    w, v, seen = list(START), [0.0, 0.0], []
    for rate, gradient in zip(RATES, GRADIENTS, strict=True):
        g = gradient if excluded else [gradient[k] + decay * w[k] for k in (0, 1)]
        ratio = 1.0 if excluded else eeta * math.hypot(*w) / math.hypot(*g)
        v = [momentum * v[k] + rate * ratio * g[k] for k in (0, 1)]
        w = [w[k] - v[k] for k in (0, 1)]
        seen.append(w)
    return seen


@pytest.mark.parametrize("excluded", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_steps_are_those_of_the_formulas(excluded: bool, decay: float, momentum: float) -> None:
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    groups = [{"params": [w], "excluded": excluded}]
    optimizer = LARS(groups, lr=0.0, momentum=momentum, weight_decay=decay, eeta=0.01)
    expected = by_hand(excluded, momentum, decay, 0.01)
    for rate, gradient, after in zip(RATES, GRADIENTS, expected, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        w.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        assert w.tolist() == pytest.approx(after, rel=1e-14, abs=1e-14)


def test_the_first_step_with_the_paper_numbers() -> None:
    # |w| = 5, |g| = 10: r = 0.001 * 5 / 10, and the step is 0.01 r g = 0.005 * 0.01 in length.
    w = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    optimizer = LARS([w], lr=0.01)
    w.grad = torch.tensor([6.0, 8.0], dtype=torch.float64)
    optimizer.step()
    assert w.tolist() == pytest.approx([3 - 3e-5, 4 - 4e-5], rel=1e-15)


def test_with_exclusion_it_is_heavy_ball_sgd() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(5, 3, dtype=torch.float64, generator=generator)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    lars = LARS([{"params": [ours], "excluded": True}], lr=0.3, momentum=0.8, weight_decay=0.5)
    sgd = torch.optim.SGD([theirs], lr=0.3, momentum=0.8)
    for _ in range(20):
        gradient = torch.randn(5, 3, dtype=torch.float64, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        lars.step()
        sgd.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_size_of_the_gradient_does_not_matter_to_a_tensor_that_is_not_excluded() -> None:
    moved = []
    for size in (1.0, 1e6):
        w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
        optimizer = LARS([w], lr=0.1)
        w.grad = size * torch.tensor([1.0, 2.0], dtype=torch.float64)
        optimizer.step()
        moved.append(w.tolist())
    assert moved[0] == pytest.approx(moved[1], rel=1e-14)


@pytest.mark.parametrize(("start", "gradient"), [(0.0, 2.0), (2.0, 0.0)])
def test_a_norm_of_zero_leaves_the_rate_alone(start: float, gradient: float) -> None:
    w = torch.full((3,), start, requires_grad=True)
    w.grad = torch.full((3,), gradient)
    LARS([w], lr=0.25).step()
    assert w.tolist() == [start - 0.25 * gradient] * 3


def test_a_tensor_without_gradient_and_a_gradient_itself_are_left_alone() -> None:
    still, moving = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    moving.grad = torch.ones(2)
    LARS([still, moving], lr=1.0, weight_decay=0.5).step()
    assert still.tolist() == [1, 1] and moving.grad.tolist() == [1, 1]
    assert moving.tolist() != [1, 1]


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="LARS: step takes no closure"):
        LARS([torch.ones(1, requires_grad=True)], lr=1.0).step(lambda: 1.0)
