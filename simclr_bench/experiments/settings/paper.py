"""Every key with its value and origin, where nothing was set the paper's."""

from dataclasses import asdict, dataclass
from typing import Any

from simclr_bench.experiments.settings.sources import BUILT_IN, Resolved
from simclr_bench.experiments.settings.tree import values_of
from simclr_bench.paper.tables import TABLES

# The tables that a section speaks of, the one with the paper's own values first.
TABLES_OF = {"probe": ("4", "1"), "distillation": ("2",)}

# Where the paper states what no table had to choose.
STATED = {"probe": "section 6.3.1 of the paper", "distillation": "table 3 of the paper"}

# Why the networks are these where nothing was set; the paper names no checkpoint and no kernel.
NETWORK = {
    "weights": (
        "section 6.1 says fine-tuned on 1 % of the labels, section 6.2 ResNet-50; the official"
        " notebook has simclrv2/finetuned_100pct/r50_1x_sk0"
    ),
    "vgg16": "the paper names no weights; torchvision's were trained on ImageNet, as Keras' were",
    "resnet50": (
        "the paper names no weights; torchvision's first are nearer to Keras' of 2021 than its"
        " second, torchvision/resnet50-v2"
    ),
    "image_size": "the official notebooks' size",
    "resize": (
        "the official notebooks resize with TensorFlow 1's bicubic kernel; tf2/data_util.py with"
        " half_pixel"
    ),
    "precision": (
        "the notebooks compute in float32; a record under bfloat16 says how far its features are"
        " from those of float32"
    ),
}


@dataclass(frozen=True)
class Line:
    """One key.

    Attributes:
        key: Section and key, such as "probe.iterations".
        value: As JSON has it; None where the table decides.
        origin: Where it came from.
    """

    key: str
    value: Any
    origin: str


def explain(resolved: Resolved) -> list[Line]:
    """Every key, in the order of the sections."""
    return [
        _from_paper(key)
        if value is None and key.partition(".")[0] in TABLES_OF
        else Line(key, _as_json(value), _why(key, resolved.origins[key]))
        for key, value in values_of(resolved.settings).items()
    ]


def _why(key: str, origin: str) -> str:
    section, _, name = key.partition(".")
    if section == "network" and origin == BUILT_IN:
        return f"chosen: {NETWORK[name]}"
    return origin


def _from_paper(key: str) -> Line:
    section, _, name = key.partition(".")
    tables = [TABLES[number] for number in TABLES_OF[section]]
    base = asdict(tables[0].base)
    value = _as_json(base.get(name))
    if name not in base:
        return Line(key, value, BUILT_IN)
    if name not in tables[0].choices:
        return Line(key, value, STATED[section])
    # The last: table 4 has no use for what table 1 needs chosen, such as the color strength.
    reasons = [table.choices[name] for table in tables if name in table.choices]
    return Line(key, value, f"chosen: {reasons[-1]}")


def _as_json(value: Any) -> Any:
    if isinstance(value, range):
        return f"{value.start}:{value.stop}"
    return list(value) if isinstance(value, tuple) else value
