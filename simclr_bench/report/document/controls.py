"""Controls: what separates a claim from what else changes with it."""

from collections.abc import Mapping, Sequence

from simclr_bench.report.document.comparisons import (
    LARGER,
    REGIMES,
    SMALLER,
    pairs_of_batch_sizes,
)
from simclr_bench.report.document.figures import line
from simclr_bench.report.document.measured import (
    FEWEST_SEEDS,
    JSON,
    Measured,
    chance_normalised,
    common_seeds,
    current,
    difference,
    left_out,
)

DASH = "—"
SOURCE = "a control of ours, not in the paper"
COUNT_REGIMES = ("fixed total", "fixed per class", "converged")

Sections = Mapping[str, Sequence[Measured]]


def build_controls(sections: Sections) -> list[JSON]:
    """The controls that something was measured for, without what is stale."""
    found = []
    for section, build in (
        ("class count", _class_count),
        ("batch size", _batch_size),
        ("table 2", _hard_labels),
    ):
        measured = sections.get(section, ())
        if control := build(current(measured)):
            control["notes"] += filter(None, [left_out(measured)])
            found.append(control)
    return found


def _class_count(section: Sequence[Measured]) -> JSON | None:
    regimes = {
        regime: sorted(
            (each for each in section if each.variant["regime"] == regime),
            key=lambda each: each.variant["class_count"],
        )
        for regime in COUNT_REGIMES
    }
    regimes = {regime: series for regime, series in regimes.items() if series}
    if not regimes:
        return None
    rows, normalised = [], {}
    for regime, series in regimes.items():
        for each in series:
            count = each.variant["class_count"]
            accuracy = each.metric("heldout")
            normalised[regime, count] = chance_normalised(accuracy, count)
            rows.append(
                {
                    "label": each.label,
                    "cells": [regime, 1 / count, accuracy, normalised[regime, count]],
                    "records": each.keys,
                }
            )
    dataset = section[0].dataset
    counts = sorted({count for _, count in normalised})
    changes = [
        _change(normalised, regime, counts) for regime, series in regimes.items() if len(series) > 1
    ]
    return {
        "id": "class-count",
        "title": f"Number of classes within {dataset}",
        "question": "Does accuracy fall with the number of classes if the data set stays the same?",
        "finding": (
            f"From {counts[0]} to {counts[-1]} classes of {dataset}, held-out accuracy above chance"
            f" changes by {'; '.join(changes)}."
            if changes
            else "No two numbers of classes were run alike: nothing to compare yet."
        ),
        "notes": [
            "Classes are drawn by the seed; those of a smaller number are among those of a larger.",
            "Above chance: (accuracy - 1/C) / (1 - 1/C), so that 0 is guessing and 1 is all right.",
            *_images_of_a_class(section),
        ],
        "columns": ["regime", "chance", "held-out", "above chance"],
        "rows": rows,
        "figure": _class_count_figure(dataset, regimes, counts),
    }


def _images_of_a_class(section: Sequence[Measured]) -> list[str]:
    """That few classes are few images, which a fixed total of examples repeats."""
    done = [record for each in section for record in each.done]
    if not done:
        return []
    images = done[0].details["data"]["train_images"] // section[0].jobs[0].classes
    return [
        f"A class has {images} training images, so that few classes are few images: at a fixed"
        " total each is seen many times, at fixed examples per class there are few updates."
    ]


_WORDS = {
    "fixed total": "at a fixed total of examples",
    "fixed per class": "at fixed examples per class",
    "converged": "when trained to convergence",
}


def _change(values: Mapping[tuple[str, int], JSON], regime: str, counts: Sequence[int]) -> str:
    """From the fewest classes to the most, of those that this regime has."""
    own = [count for count in counts if (regime, count) in values]
    change = values[regime, own[-1]]["mean"] - values[regime, own[0]]["mean"]
    span = "" if (own[0], own[-1]) == (counts[0], counts[-1]) else f" ({own[0]} to {own[-1]})"
    return f"{change:+.3f} {_WORDS[regime]}{span}"


def _class_count_figure(
    dataset: str, regimes: Mapping[str, Sequence[Measured]], counts: Sequence[int]
) -> JSON:
    panels = []
    for title, scaled in (("Held-out accuracy", False), ("Above chance", True)):
        series = []
        for regime, measured in regimes.items():
            found = {}
            for each in measured:
                metric = each.metric("heldout")
                count = each.variant["class_count"]
                found[count] = chance_normalised(metric, count) if scaled else metric
            series.append(line(regime, [found.get(count) for count in counts]))
        panels.append(
            {
                "title": title,
                "x_label": f"classes of {dataset}",
                "y_label": "accuracy above chance" if scaled else "top-1 accuracy",
                "kind": "lines",
                "categories": [str(count) for count in counts],
                "series": series,
            }
        )
    return {
        "id": "class-count",
        "caption": f"Number of classes within {dataset} against accuracy",
        "source": SOURCE,
        "table": "4",
        "panels": panels,
        "note": "Mean and 95 % interval over seeds and held-out images.",
        "files": [],
    }


def _batch_size(section: Sequence[Measured]) -> JSON | None:
    rows, lines = [], []
    datasets: list[str] = []
    for regime in REGIMES:
        found = {}
        for label, (larger, smaller) in pairs_of_batch_sizes(section, regime).items():
            gain = difference(larger.ours("heldout"), smaller.ours("heldout"))
            found[label] = gain
            rows.append(
                {
                    "label": label,
                    "cells": [regime, larger.metric("heldout"), smaller.metric("heldout"), gain],
                    "records": list(dict.fromkeys([*larger.keys, *smaller.keys])),
                }
            )
        if found:
            datasets += [label for label in found if label not in datasets]
            lines.append((regime, found))
    if not rows:
        return None
    gains = [_mean_gain(regime, found, len(datasets)) for regime, found in lines]
    return {
        "id": "batch-size",
        "title": f"Batch {LARGER} against {SMALLER}",
        "question": (
            "Is a larger batch better, or does it see more images in the same number of iterations?"
        ),
        "finding": (
            f"Batch {LARGER} over {SMALLER}, held-out, mean over {len(datasets)} data sets:"
            f" {'; '.join(gains)}."
        ),
        "notes": ["The gain is paired by seed; its interval covers seeds alone."],
        "columns": ["regime", f"batch {LARGER}", f"batch {SMALLER}", "gain"],
        "rows": rows,
        "figure": {
            "id": "batch-size",
            "caption": f"Gain of batch {LARGER} over batch {SMALLER}, by data set",
            "source": SOURCE,
            "table": "4",
            "panels": [
                {
                    "title": "Gain in held-out accuracy",
                    "x_label": "data set, by number of classes",
                    "y_label": "gain",
                    "kind": "lines",
                    "categories": datasets,
                    "series": [
                        line(regime, [found.get(label) for label in datasets])
                        for regime, found in lines
                    ],
                }
            ],
            "note": "Mean and 95 % interval over seeds.",
            "files": [],
        },
    }


def _mean_gain(regime: str, found: Mapping[str, JSON], datasets: int) -> str:
    """A regime's mean gain, and over how many data sets if not over all of them."""
    mean = sum(gain["mean"] for gain in found.values()) / len(found)
    some = f" (over {len(found)} of them)" if len(found) < datasets else ""
    return f"{mean:+.3f} at {regime}{some}"


def _hard_labels(section: Sequence[Measured]) -> JSON | None:
    taught = {each.label: each for each in section if each.variant["learns_from"] == "teacher"}
    controls = {each.label: each for each in section if each.variant["learns_from"] == "labels"}
    rows, parts = [], []
    for label in [label for label in taught if label in controls]:
        seeds = common_seeds([taught[label], controls[label]])
        if len(seeds) < FEWEST_SEEDS:
            continue
        ours, theirs = taught[label].only(seeds), controls[label].only(seeds)
        change = difference(ours.ours("label_last"), theirs.ours("label_last"))
        cells = [ours.metric("label_last"), theirs.metric("label_last"), change]
        records = [*ours.keys, *theirs.keys]
        rows.append({"label": label, "cells": cells, "records": records})
        parts.append(f"{change['mean']:+.3f} for {label}")
    if not rows:
        return None
    teacher = next(iter(taught.values()))
    metric = teacher.metric("teacher_label")
    rows.append(
        {"label": "the teacher itself", "cells": [metric, DASH, DASH], "records": teacher.keys}
    )
    return {
        "id": "hard-labels",
        "title": "Students without a teacher",
        "question": "Does a student gain from a teacher, or would labels have done as well?",
        "finding": (
            "The teacher's logits instead of labels change label accuracy by"
            f" {' and '.join(parts)}; the teacher itself has {metric['mean']:.3f}."
        ),
        "notes": [
            "Same base, dense layers, images and epochs; accuracy on labels after the last epoch.",
            "The difference is paired by seed; its interval covers seeds alone.",
        ],
        "columns": ["taught by the teacher", "taught by labels", "difference"],
        "rows": rows,
        "figure": None,
    }
