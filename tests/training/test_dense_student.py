"""Distillation into dense layers: against a float64 loop of torch's own parts, and its promises."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from simclr_bench.data.randomness import permutation
from simclr_bench.training.dense_student import (
    StudentHistory,
    StudentSettings,
    train_dense_student,
)
from simclr_bench.training.notebook_probe import glorot_uniform

SETTINGS = StudentSettings(
    learns_from="teacher",
    widths=(16,),
    batch_size=32,
    epochs=5,
    learning_rate=0.05,
    momentum=0.9,
    weight_decay=1e-4,
    temperature=1.0,
    optimizer="sgd",
    seed=0,
)
VIEWS, N, M, WIDTH, CLASSES = 3, 150, 90, 12, 4


@dataclasses.dataclass(frozen=True)
class Case:
    """Features of three views, a linear teacher, and labels of its own."""

    features: Tensor
    teacher: Tensor
    labels: Tensor
    heldout: Tensor
    heldout_teacher: Tensor


@pytest.fixture(scope="module")
def case() -> Case:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(VIEWS, N, WIDTH, generator=generator)
    heldout = torch.randn(M, WIDTH, generator=generator)
    kernel = torch.randn(WIDTH, CLASSES, generator=generator)
    labels = torch.randint(CLASSES, (N,), generator=generator)
    return Case(features, features @ kernel, labels, heldout, heldout @ kernel)


def train(case: Case, **changes: object) -> StudentHistory:
    settings = dataclasses.replace(SETTINGS, **changes)
    return train_dense_student(case.features, case.teacher, case.labels, case.heldout, settings)


def oracle(case: Case, settings: StudentSettings) -> tuple[list[float], list[Tensor]]:
    """Losses and held-out logits by epoch of a float64 loop over nn.Linear and torch.optim."""
    widths = [WIDTH, *settings.widths, CLASSES]
    layers: list[torch.nn.Module] = []
    for at in range(len(widths) - 1):
        linear = torch.nn.Linear(widths[at], widths[at + 1], dtype=torch.float64)
        kernel = glorot_uniform(widths[at], widths[at + 1], settings.seed, f"student: dense {at}")
        with torch.no_grad():
            linear.weight.copy_(kernel.T)
            linear.bias.zero_()
        layers += [linear, torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    t = settings.temperature
    losses, logits = [], []
    for epoch in range(settings.epochs):
        view, order = epoch % VIEWS, permutation(N, settings.seed, epoch, "student: order")
        rows = []
        for start in range(0, N, settings.batch_size):
            index = order[start : start + settings.batch_size]
            student = network(case.features[view, index].double())
            if settings.learns_from == "teacher":
                soft = (case.teacher[view, index].double() / t).softmax(1)
                row = -t * t * (soft * (student / t).log_softmax(1)).sum(1)
            else:
                row = F.cross_entropy(student, case.labels[index], reduction="none")
            optimizer.zero_grad()
            row.mean().backward()
            optimizer.step()
            rows.append(row.detach())
        losses.append(torch.cat(rows).mean().item())
        logits.append(network(case.heldout.double()).detach())
    return losses, logits


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 4.0, "learning_rate": 0.01},
        {"widths": ()},
        {"widths": (8, 6), "weight_decay": 0.05},
        {"learns_from": "labels", "temperature": 4.0},
        {"batch_size": 1000},
    ],
    ids=str,
)
def test_the_training_is_that_of_torch_in_float64(case: Case, changes: dict[str, object]) -> None:
    settings = dataclasses.replace(SETTINGS, **changes)
    history = train(case, **changes)
    losses, logits = oracle(case, settings)
    assert history.losses == pytest.approx(losses, rel=1e-4)
    assert history.predictions.shape == (settings.epochs, M)
    for ours, exact in zip(history.predictions, logits, strict=True):
        best, second = exact.topk(2, dim=1).values.T
        clear = best - second > 1e-3  # nearer than float32 can tell after so many updates
        assert clear.sum() > 0.95 * M
        assert np.array_equal(ours[clear], exact.argmax(1)[clear].numpy())
    widths = [WIDTH, *settings.widths, CLASSES]
    assert history.parameters == sum(
        (widths[at] + 1) * widths[at + 1] for at in range(len(widths) - 1)
    )


def test_a_student_comes_to_agree_with_a_linear_teacher(case: Case) -> None:
    history = train(case, epochs=60)
    agreement = (torch.from_numpy(history.predictions) == case.heldout_teacher.argmax(1)).float()
    assert agreement.mean(dim=1)[-1] > 0.85 > 0.6 > agreement.mean(dim=1)[0]
    entropy = -(case.teacher.softmax(2) * case.teacher.log_softmax(2)).sum(2).mean().item()
    assert entropy < history.losses[-1] < entropy + 0.1  # the cross-entropy's floor


def test_only_the_control_learns_from_labels(case: Case) -> None:
    other = dataclasses.replace(case, labels=(case.labels + 1) % CLASSES)
    assert train(case).losses == train(other).losses
    hard = train(case, learns_from="labels")
    assert hard.losses != train(other, learns_from="labels").losses
    wrong_teacher = dataclasses.replace(case, teacher=-case.teacher)
    assert train(wrong_teacher, learns_from="labels").losses == hard.losses


def test_the_control_comes_to_predict_the_labels(case: Case) -> None:
    # The labels are the held-out images' own here, so that they can be learned by heart.
    features = case.features[:1]
    learned = dataclasses.replace(
        case, features=features, teacher=case.teacher[:1], heldout=features[0]
    )
    history = train(learned, learns_from="labels", epochs=200, widths=(64,))
    right = (torch.from_numpy(history.predictions) == case.labels).float().mean(dim=1)
    assert right[0] < 0.5 and right[-1] > 0.95


def test_lars_has_a_rate_for_kernels_and_plain_sgd_for_biases(case: Case) -> None:
    # A linear student, one batch an epoch, the formulas of LARS in float64.
    rate, momentum, decay = 0.5, 0.9, 0.1
    kernel = glorot_uniform(WIDTH, CLASSES, 0, "student: dense 0").double()
    bias = torch.zeros(CLASSES, dtype=torch.float64)
    kernel_velocity, bias_velocity = torch.zeros_like(kernel), torch.zeros_like(bias)
    losses = []
    for epoch in range(12):
        x, soft = case.features[epoch % VIEWS].double(), case.teacher[epoch % VIEWS].softmax(1)
        logits = x @ kernel + bias
        losses.append(-(soft * logits.log_softmax(1)).sum(1).mean().item())
        slope = (logits.softmax(1) - soft) / N
        gradient = x.T @ slope + decay * kernel
        trust = 0.001 * kernel.norm() / gradient.norm()
        kernel_velocity = momentum * kernel_velocity + rate * trust * gradient
        bias_velocity = momentum * bias_velocity + rate * slope.sum(0)
        kernel, bias = kernel - kernel_velocity, bias - bias_velocity
    history = train(
        case,
        optimizer="lars",
        widths=(),
        batch_size=N,
        epochs=12,
        learning_rate=rate,
        momentum=momentum,
        weight_decay=decay,
    )
    assert history.losses == pytest.approx(losses, rel=1e-5)


def test_each_epoch_sees_its_own_view_in_its_own_order(case: Case) -> None:
    alone = dataclasses.replace(case, features=case.features[:1], teacher=case.teacher[:1])
    assert train(alone, epochs=1).losses == train(case, epochs=1).losses
    assert train(alone, epochs=2).losses != train(case, epochs=2).losses
    # With a rate of zero the loss of an epoch is that of its view alone.
    still = train(case, learning_rate=0.0, epochs=2 * VIEWS).losses
    assert still[:VIEWS] == pytest.approx(still[VIEWS:], rel=1e-6)
    assert len({round(loss, 4) for loss in still}) == VIEWS


@pytest.mark.parametrize("optimizer", ["sgd", "lars"])
def test_the_same_bits_twice_whatever_ran_before(case: Case, optimizer: str) -> None:
    first = train(case, optimizer=optimizer)
    torch.rand(100)  # moves the global generator
    train(case, seed=5, optimizer=optimizer, learns_from="labels")
    with torch.inference_mode():  # where executors call it
        second = train(
            dataclasses.replace(case, features=case.features.clone(), heldout=case.heldout.clone()),
            optimizer=optimizer,
        )
    assert first.losses == second.losses
    assert np.array_equal(first.predictions, second.predictions)


@pytest.mark.parametrize(
    "change",
    [
        {"learns_from": "labels"},
        {"widths": (17,)},
        {"batch_size": 16},
        {"learning_rate": 0.04},
        {"momentum": 0.5},
        {"weight_decay": 0.1},
        {"temperature": 2.0},
        {"optimizer": "lars"},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_setting_matters(case: Case, change: dict[str, object]) -> None:
    assert train(case).losses[-1] != pytest.approx(train(case, **change).losses[-1], rel=1e-6)


def test_one_class_costs_nothing_and_is_always_right(case: Case) -> None:
    one = dataclasses.replace(
        case, teacher=case.teacher[..., :1], labels=torch.zeros(N, dtype=torch.long)
    )
    for source in ("teacher", "labels"):
        history = train(one, learns_from=source)
        assert history.losses == (0.0,) * SETTINGS.epochs
        assert not history.predictions.any()


@pytest.mark.parametrize("source", ["teacher", "labels"])
def test_a_rate_of_a_million_is_reported_with_its_place(case: Case, source: str) -> None:
    with pytest.raises(FloatingPointError, match=r"the loss became \S+ at epoch \d+, step \d+"):
        train(case, learning_rate=1e6, learns_from=source, epochs=40)


def test_weights_ruined_by_the_last_update_are_reported(case: Case) -> None:
    with pytest.raises(FloatingPointError, match="a held-out logit is not finite after epoch 1"):
        train(case, learning_rate=3e38, batch_size=N, epochs=1)


def test_a_loss_that_is_not_finite_names_its_step(case: Case) -> None:
    teacher = case.teacher.clone()
    teacher[1, int(permutation(N, 0, 1, "student: order")[40])] = torch.nan
    with pytest.raises(FloatingPointError, match="became nan at epoch 2, step 2"):
        train(dataclasses.replace(case, teacher=teacher))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(N, WIDTH)}, r"features must be \[views, n, F\], got \[150, 12\]"),
        ({"teacher": torch.zeros(VIEWS, N - 1, 4)}, r"teacher_logits must be \[3, 150, C\]"),
        ({"labels": torch.zeros(N - 1, dtype=torch.long)}, r"labels must be \[150\]"),
        ({"heldout": torch.zeros(M, WIDTH + 1)}, r"heldout must be \[m, 12\]"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(
    case: Case, change: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=f"train_dense_student: {message}"):
        train(dataclasses.replace(case, **change))
