"""What is measured for each table, and which of it the printed number may be."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Measure:
    """A way to score a run.

    Attributes:
        name: As in the records' metrics.
        title: Heading of a column.
        meaning: What is counted, in a sentence.
    """

    name: str
    title: str
    meaning: str


GAP = "gap"

_AS_PUBLISHED = Measure(
    "as_published",
    "as published",
    "accuracy of the last training batch, scored before its update",
)
_HELDOUT = Measure(
    "heldout",
    "held-out",
    "top-1 accuracy on the whole held-out split, after the last update",
)
_TRAIN_PASS = Measure(
    "train_pass",
    "training pass",
    "top-1 accuracy on every training image, not augmented, after the last update",
)
_PROGRESSIVE = Measure(
    "progressive",
    "progressive",
    "accuracy of all training batches together, each scored before its update",
)
_GAP = Measure(
    GAP,
    "gap",
    "as published minus held-out, seed by seed (the batch is augmented, held-out images are not;"
    " its interval covers seeds alone)",
)

_SCORED = {
    "label": "right answers of the student on held-out images",
    "agreement": "held-out images on which student and teacher give one answer",
}
_EPOCHS = {
    "last": "after the last epoch",
    "best": "at the best epoch by this very measure: optimistic, as the paper stopped",
    "selected": "at the epoch that is best on the other half of these images, halves pooled",
}
_NAMES = {"label": "label accuracy", "agreement": "agreement"}

MEASURES = {
    # One batch cannot give what table 1 prints.
    "1": (_HELDOUT, _TRAIN_PASS, _PROGRESSIVE, replace(_AS_PUBLISHED, title="last batch")),
    "2": tuple(
        Measure(f"{scored}_{epoch}", f"{_NAMES[scored]}, {epoch}", f"{what}, {when}")
        for epoch, when in _EPOCHS.items()
        for scored, what in _SCORED.items()
    ),
    "3": (),
    "4": (_AS_PUBLISHED, _HELDOUT, _TRAIN_PASS, _PROGRESSIVE, _GAP),
}
MEASURES["transfer"] = MEASURES["4"]

# What the printed numbers may be. Where it may be several, the weakest verdict is shown.
JUDGED = {
    "1": ("progressive", "heldout"),
    "2": ("agreement_best", "label_best"),
    "4": ("as_published",),
}

# What a seed of ours draws; all else is the same for all of them.
_DRAWN = "each draws head, order and augmentation; the encoder is fixed"
_DRAWN_BY_STUDENTS = (
    "each draws dense layers, order and a teacher; the augmented views, the bases and the encoder"
    " are fixed"
)
PAPER_INTERVALS = "; for the paper Clopper-Pearson, for each n that can print the number"


def intervals_of(table: str) -> str:
    """What the intervals of a table's measures cover, and how they are computed."""
    drawn = _DRAWN_BY_STUDENTS if table == "2" else _DRAWN
    return (
        f"95 %, over seeds and examples: Student's t over seeds ({drawn}) and Clopper-Pearson over"
        " examples, combined as the root of squares where seeds share examples, the wider of both"
        " for the last training batch, of which each seed has its own; a failed seed counts as 0"
    )


def title_of(table: str, name: str) -> str:
    """Title of a table's measure."""
    return next(measure.title for measure in MEASURES[table] if measure.name == name)
