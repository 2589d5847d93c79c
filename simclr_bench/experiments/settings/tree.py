"""The settings: sections, keys, what each may be and what it is by default."""

import os
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from simclr_bench.experiments.settings.kinds import (
    FLAG,
    SEEDS,
    Kind,
    choice,
    number,
    weights_name,
    whole,
    wholes,
    words,
)

# More processes than this share little and each holds a copy of torch.
MOST_DEFAULT_JOBS = 8

ABOVE_ZERO = number("a number above 0", lambda x: x > 0)
NOT_NEGATIVE = number("a number, 0 or more", lambda x: x >= 0)
MOMENTUM = number("a number from 0 to below 1", lambda x: 0 <= x < 1)
STRENGTH = number("a number from 0 to 1", lambda x: 0 <= x <= 1)
MARGIN = number("a number above 0, at most 0.5", lambda x: 0 < x <= 0.5)


def usable_cores() -> int:
    """CPU cores that this process may use, at most 8."""
    # macOS has no affinity.
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    return min(cores, MOST_DEFAULT_JOBS)


def _key(kind: Kind, default: Any = None) -> Any:
    return field(default=default, metadata={"kind": kind})


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What is run, and with what; jobs, workers and device change no result.

    Attributes:
        profile: What stands behind the names of data sets and networks.
        device: Where full-size networks run.
        seeds: Seeds of every row.
        jobs: Processes.
        workers: Threads in each that prepare batches ahead; with 0 nothing is prepared ahead.
        rows: Labels of the rows wanted, or None for all.
        batch_size: Batch sizes, or None for the table's.
    """

    profile: str = _key(choice("embedded", "paper"), "embedded")
    device: str = _key(choice("auto", "cpu", "cuda"), "auto")
    seeds: range = _key(SEEDS, range(8))
    jobs: int = field(default_factory=usable_cores, metadata={"kind": whole(1, 1024)})
    workers: int = _key(whole(0, 64), 0)
    rows: tuple[str, ...] | None = _key(words("row labels"))
    batch_size: tuple[int, ...] | None = _key(wholes(1, distinct=True))


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """What differs from the paper's probe; None where nothing does.

    Attributes:
        iterations: Updates of the head.
        learning_rate: Learning rate.
        momentum: Momentum.
        weight_decay: Weight decay.
        framing: What a training view without a crop shows.
        color_strength: Strength of the color distortion.
        single_pass: Whether a head is trained on one pass over the images, as in the notebook.
    """

    iterations: int | None = _key(whole(1))
    learning_rate: float | None = _key(ABOVE_ZERO)
    momentum: float | None = _key(MOMENTUM)
    weight_decay: float | None = _key(NOT_NEGATIVE)
    framing: str | None = _key(choice("center", "whole"))
    color_strength: float | None = _key(STRENGTH)
    single_pass: bool = _key(FLAG, False)

    @property
    def changes(self) -> dict[str, Any]:
        """Fields of paper.spec.Probe that were set, for dataclasses.replace."""
        return {k: v for k, v in asdict(self).items() if v is not None and k != "single_pass"}


@dataclass(frozen=True, kw_only=True)
class DistillationSettings:
    """What differs from the paper's distillation; None where nothing does.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images in a batch.
        learning_rate: Learning rate.
        momentum: Momentum.
        weight_decay: Weight decay.
        temperature: Temperature of both distributions.
        optimizer: Optimizer of the dense layers.
        widths: Widths of the hidden dense layers.
        normalization: What the student's base is fed: its native inputs, or SimCLR's [0, 1].
        views: Fixed augmented views of each training image.
    """

    epochs: int | None = _key(whole(1, 100_000))
    batch_size: int | None = _key(whole(1))
    learning_rate: float | None = _key(ABOVE_ZERO)
    momentum: float | None = _key(MOMENTUM)
    weight_decay: float | None = _key(NOT_NEGATIVE)
    temperature: float | None = _key(ABOVE_ZERO)
    optimizer: str | None = _key(choice("sgd", "lars"))
    widths: tuple[int, ...] | None = _key(wholes(1, 65_536, distinct=False))
    normalization: str | None = _key(choice("native", "simclr"))
    views: int | None = _key(whole(1, 1024))

    @property
    def changes(self) -> dict[str, Any]:
        """Fields of paper.spec.Distillation that were set, for dataclasses.replace."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Networks of the paper profile, and what they are shown.

    Attributes:
        weights: Of the encoder: a published name, a file, or "random:SEED" for a ResNet-50.
        vgg16: Of the student base of that name: a published name, or a file.
        resnet50: Of the student base of that name: a published name, or a file.
        image_size: Side of a view in pixels.
        resize: Kernel of the resize.
        precision: Of the networks' arithmetic.
    """

    weights: str = _key(weights_name(random=True), "simclrv2/finetuned_1pct/r50_1x_sk0")
    vgg16: str = _key(weights_name(random=False), "torchvision/vgg16")
    resnet50: str = _key(weights_name(random=False), "torchvision/resnet50-v1")
    image_size: int = _key(whole(32, 1024), 224)
    resize: str = _key(choice("legacy", "half_pixel"), "legacy")
    precision: str = _key(choice("float32", "bfloat16"), "float32")


@dataclass(frozen=True, kw_only=True)
class VerdictSettings:
    """How a verdict is found.

    Attributes:
        margin: Accuracies that differ by less are the same for every practical purpose.
    """

    margin: float = _key(MARGIN, 0.05)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a user may set."""

    run: RunSettings = field(default_factory=RunSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    distillation: DistillationSettings = field(default_factory=DistillationSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    verdict: VerdictSettings = field(default_factory=VerdictSettings)


SECTIONS: dict[str, Any] = {
    "run": RunSettings,
    "probe": ProbeSettings,
    "distillation": DistillationSettings,
    "network": NetworkSettings,
    "verdict": VerdictSettings,
}

# "probe.iterations" -> its kind, in the order in which a configuration is printed.
KINDS: dict[str, Kind] = {
    f"{section}.{key.name}": key.metadata["kind"]
    for section, kind in SECTIONS.items()
    for key in fields(kind)
}


def values_of(settings: Settings) -> dict[str, Any]:
    """Every key with its value."""
    return {
        f"{section}.{key.name}": getattr(getattr(settings, section), key.name)
        for section, kind in SECTIONS.items()
        for key in fields(kind)
    }


def settings_of(values: dict[str, Any]) -> Settings:
    """The settings with these values, one for every key."""
    by_section: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for key, value in values.items():
        section, name = key.split(".")
        by_section[section][name] = value
    return Settings(**{section: SECTIONS[section](**by_section[section]) for section in SECTIONS})
