"""A whole document invented by hand, for the tests of what is made from documents.

It holds what is rare in a real one: every verdict, failed and diverged seeds, a stale row, and
names that break a careless rendering. Its numbers mean nothing.
"""

import copy
from typing import Any

from tests.report import invented
from tests.report.parts import candidate, claim, judgement, metric, paper, row, table, verdict

JSON = dict[str, Any]

SCRIPT = "<script>alert(1)</script>"
FORMULA = "=cmd()"
SPECIAL = "a & b_c%$#{}"
LONG = "birds-of-north-america-and-the-caribbean-" * 3
BRACKETS = "[bold]x[/bold] $x_1$ | `y` *z*"
HOSTILE = (SCRIPT, FORMULA, SPECIAL, LONG, BRACKETS)

ENVIRONMENT = {**invented.ENVIRONMENT, "distinct_environments": 2}


def _table_1() -> JSON:
    def measured(middle: float, **changes: Any) -> JSON:
        return {
            "progressive": metric(middle - 0.111, middle - 0.153, middle - 0.071, n=1920),
            "train_pass": metric(middle + 0.033, middle - 0.011, middle + 0.057, n=2000),
            "heldout": metric(middle, middle - 0.048, middle + 0.044, **changes),
        }

    seen = {"x": "iteration", "y": "loss", "series": [
        {"name": "seed 0", "values": [1.609, 1.202, 0.951, 0.844]},
        {"name": "seed 1", "values": [1.611, 1.307, 0.902, 0.801]},
    ]}  # fmt: skip
    inconclusive = "inconclusive (power 18% at 0.05; no number of seeds would settle it)"
    rows = [
        row("Cropping only", ["Cropping only", "0.84"],
            paper=paper("0.84", candidate(64, 54, 54, 0.731, 0.922),
                        candidate(3670, 3065, 3100, 0.823, 0.856)),
            measures=measured(0.6113), verdict=verdict("different", "heldout"), curves=seen),
        row("Flipping only", ["Flipping only", "0.841"],
            paper=paper("0.841", candidate(3670, 3085, 3088, 0.829, 0.8527)),
            measures=measured(0.8371), verdict=verdict("equivalent", "heldout")),
        row("Color distortion only", ["Color distortion only", "0.839"],
            paper=paper("0.839", candidate(3670, 3078, 3080, 0.827, 0.851)),
            measures=measured(0.8293), verdict=verdict("consistent", "heldout")),
        row("All", ["All", "0.898"],
            paper=paper("0.898", candidate(128, 115, 115, 0.8325, 0.9447)),
            measures=measured(0.8629, per_seed=(0.8629, None, None)),
            verdict=verdict("inconclusive", "heldout", inconclusive),
            failed=[{"seed": 1, "status": "diverged", "reason": "loss is not finite"},
                    {"seed": 2, "status": "failed", "reason": f"OSError: {SCRIPT}"}]),
        row("Flipping + Color distortion", ["Flipping + Color distortion", ""],
            ours_alone=True, measures=measured(0.8561)),
    ]  # fmt: skip
    return table(
        "1", "Effect of data augmentation operations on SimCLR fine-tuning",
        ["Operations", "Accuracy"], rows,
        measures=[
            {"name": "progressive", "title": "Progressive", "meaning": "all batches pooled"},
            {"name": "train_pass", "title": "Clean training pass", "meaning": "every image, after"},
            {"name": "heldout", "title": "Held-out", "meaning": "top-1 on the held-out split"},
        ],
        claims=[
            claim("singles-equal", "the accuracy is about the same when applied separately",
                  judgement("heldout", "", "fails", p_fails=0.00321),
                  judgement("progressive", "", "fails")),
            claim("all-is-best", "the accuracy is highest when all operations are applied",
                  judgement("heldout", "", "holds", note="two of three seeds failed",
                            comparisons=[{"first": "All", "second": "Flipping only",
                                          "difference": 0.0258, "p_holds": 0.0401,
                                          "p_fails": 0.7205}])),
            claim("none-is-worst", "the accuracy is worst when no operation is used",
                  judgement("heldout", "", "undecided", p_holds=0.3127)),
        ],
        choices={"batch_size": "section 6.1 gives none; section 6.3 has 64"},
        notes=["The metric is not defined."],
        inconsistencies=["Table 1 prints .873 and Table 4 .906 for the same run."],
    )  # fmt: skip


def _table_2() -> JSON:
    names = ("agreement_last", "label_last", "agreement_best", "label_best",
             "agreement_selected", "label_selected", "teacher_label")  # fmt: skip

    def measured(middle: float) -> JSON:
        return {
            name: metric(middle + 0.017 * i, middle + 0.017 * i - 0.0406, middle + 0.017 * i + 0.03)
            for i, name in enumerate(names)
        }

    curves = {"x": "epoch", "y": "agreement", "series": [
        {"name": "seed 0", "values": [0.2, 0.41, 0.553, 0.612]}]}  # fmt: skip
    reason = "other weights"
    rows = [
        row(label, [label, "ResNet50", printed],
            paper=paper(printed, candidate(64, correct, correct, low, high)),
            measures=measured(middle), curves=curves,
            verdict=verdict(
                "not comparable", "agreement_last", f"not comparable: {reason}", reason))
        for label, printed, correct, low, high, middle in (
            ("VGG16", "0.65", 42, 0.5274, 0.7705, 0.5547),
            ("ResNet50", "0.71", 45, 0.5764, 0.8103, 0.6649))
    ]  # fmt: skip
    return table(
        "2", "Teacher-student architecture effect on knowledge distillation",
        ["Student", "SimCLR Teacher", "Accuracy"], rows,
        measures=[{"name": name, "title": name.replace("_", " ").capitalize(),
                   "meaning": f"the invented {name}"} for name in names],
        claims=[claim("same-architecture-wins", "the same architecture is better",
                      judgement("agreement_last", "", "holds"),
                      judgement("label_last", "", "undecided"))],
        inconsistencies=["'Accuracy' may be agreement with the teacher."],
    )  # fmt: skip


def _table_3() -> JSON:
    printed = {"Epoch": "100", "Learning rate": "0.01", "Temperature": "1.0"}
    rows = [row(name, [name, value], paper=paper(value) | {"excluded": [], "quote": ""})
            for name, value in printed.items()]  # fmt: skip
    return table("3", "Hyper-parameters", ["Parameter", "Value"], rows,
                 notes=["Not a table of results: it is the base of table 2."])  # fmt: skip


def _table_4() -> JSON:
    sets = {
        "cats_vs_dogs": ("2", "Varied", "1.0", 64, 64, 0.944, 1.0, 0.9219),
        "tf_flowers": ("5", "Varied (250x500)", "0.906", 58, 58, 0.807, 0.9648, 0.7344),
        "food_101": ("101", "Varied (512 x 512)", "0.125", 8, 8, 0.0555, 0.2315, 0.0313),
    }
    imagenet = {"source": "SimCLR v1, table 8", "what": "linear evaluation", "value": 0.9421}
    reason = "procedural images; trained here"
    rows = []
    for batch_size in (64, 32):
        for name, (classes, size, printed, least, most, low, high, middle) in sets.items():
            shift = middle if batch_size == 64 else middle - 0.0206
            has = batch_size == 64
            rows.append(
                row(
                    name, [name, classes, size, printed if has else ""],
                    dataset=name, classes=int(classes), chance=1 / int(classes),
                    batch_size=batch_size,
                    paper=paper(printed, candidate(64, least, most, low, high),
                                candidate(32, least // 2, most // 2, low - 0.052,
                                          min(high + 0.05, 1.0)),
                                references=(imagenet,)) if has else paper(None),
                    measures=_transfer(shift, batch_size),
                    verdict=verdict("not comparable", "as_published", f"not comparable: {reason}",
                                    reason) if has else None,
                    stale="the code has changed" if name == "food_101" else None,
                )
            )  # fmt: skip
    rows += [
        row(name, [name, "7", "Varied", ""], ours_alone=True, dataset=name, classes=7,
            chance=1 / 7, measures=_transfer(0.5078 + 0.0101 * i, 64))
        for i, name in enumerate(HOSTILE)
    ]  # fmt: skip
    broken = {"first": "tf_flowers", "second": SCRIPT, "difference": -0.0117,
              "p_holds": 0.834, "p_fails": 0.00047}  # fmt: skip
    return table(
        "4", "Transfer learning accuracy (batch size 64)",
        ["Dataset", "Classes", "Image Size", "Accuracy"], rows,
        measures=[
            {"name": "as_published", "title": "As published", "meaning": "the last batch"},
            {"name": "heldout", "title": "Held-out", "meaning": "the whole held-out split"},
            {"name": "gap", "title": "Gap", "meaning": "as published minus held-out"},
        ],
        claims=[
            claim("fewer-classes-higher-accuracy", "the number of classes is inversely correlated",
                  judgement("as_published", "batch 64", "holds", trend_p=1 / 120, rows_p=0.0273,
                            rows=["cats_vs_dogs", "tf_flowers"]),
                  judgement("heldout", "batch 32", "fails", comparisons=[broken],
                            rows=["cats_vs_dogs", "tf_flowers", "food_101"]),
                  statement={"kind": "ordered", "text": "cats_vs_dogs > tf_flowers > food_101"}),
            claim("memory-stops-above-64", "we could not train with batch size larger than 64",
                  testable=False, reason="the authors' Colab runtime of 2021",
                  paper={"verdict": None, "evidence": "", "details": []}),
        ],
        notes=["Every printed number is k/64 (and k/32)."],
        inconsistencies=["Section 6.3.2 says 30 iterations, figure 5 shows 40."],
    )  # fmt: skip


def _transfer(middle: float, n: int) -> JSON:
    heldout = max(middle - 0.0127, 0.0041)
    return {
        "as_published": metric(middle, max(middle - 0.0906, 0), min(middle + 0.0906, 1), n=n),
        "heldout": metric(heldout, max(heldout - 0.041, 0), min(heldout + 0.041, 1)),
        "gap": metric(0.0127, -0.0432, 0.0686, n=None, per_seed=(-0.0021, 0.0127, 0.0275)),
    }


def _figure(id: str, source: str, kind: str, x: str, panels: dict[str, JSON]) -> JSON:
    return {
        "id": id,
        "caption": f"The invented figure {id}",
        "source": "arXiv:2108.00587v1, section 6",
        "table": source,
        "panels": [
            {"title": title, "x_label": x, "y_label": "top-1 accuracy", "kind": kind, **panel}
            for title, panel in panels.items()
        ],
        "note": "mean and 95 % interval over 3 seeds",
        "files": [],
    }


def _figures() -> list[JSON]:
    two = {
        "categories": ["Cropping only", "Flipping only", "Color distortion only", "All", BRACKETS],
        "series": [
            {"name": "paper", "values": [0.84, 0.841, 0.839, 0.898, None],
             "intervals": [[0.731, 0.922], [0.829, 0.8527], [0.827, 0.851], None, None]},
            {"name": "ours, held-out", "values": [0.6113, 0.8371, 0.8293, 0.8629, 0.5078],
             "intervals": [[0.563, 0.655], [0.789, 0.881], [0.781, 0.873], [0.815, 0.907],
                           [0.417, 0.598]]},
        ],
    }  # fmt: skip
    six = {
        "categories": ["cats_vs_dogs (2)", "tf_flowers (5)", SPECIAL, LONG],
        "series": [
            {"name": "batch size 64", "values": [0.9219, 0.7344, 0.0313, 0.5],
             "intervals": [[0.83, 1.0], [0.644, 0.825], [0.0, 0.122], None]},
            {"name": "batch size 32", "values": [0.9013, 0.7138, None, 0.4],
             "intervals": [[0.81, 0.992], [0.623, 0.804], None, [0.3, 0.5]]},
        ],
    }  # fmt: skip
    return [
        _figure("2", "1", "bars", "operations", {"Held-out": two}),
        _figure("6", "4", "lines", "data set (classes)", {"As published": six, "Held-out": six}),
    ]


def _controls() -> list[JSON]:
    curve = {"categories": ["2", "10", "47"], "series": [
        {"name": "accuracy", "values": [0.95, 0.702, 0.404],
         "intervals": [[0.9, 1.0], [0.65, 0.75], [0.35, 0.45]]}]}  # fmt: skip
    return [
        {
            "id": "class-count",
            "title": "Classes subsampled within one data set",
            "question": "Do fewer classes help when the images stay the same?",
            "finding": "Accuracy falls from 0.950 to 0.404 as classes go from 2 to 47.",
            "notes": ["Classes are nested."],
            "columns": ["Classes", "Fixed total", "To convergence"],
            "rows": [
                {"label": "dtd, 2 classes", "cells": [2, metric(0.9501, 0.9002, 0.9903), "same"],
                 "records": ["c0"]},
                {"label": SCRIPT, "cells": [47, metric(0.4041, 0.3502, 0.4503),
                                            metric(0.5213, 0.4808, 0.5609)], "records": ["c1"]},
            ],
            "figure": _figure("class-count", "4", "lines", "classes", {"Held-out": curve}),
        },
        {
            "id": "hard-labels",
            "title": "The same dense layers on hard labels",
            "question": "Does the teacher help?",
            "finding": "Labels alone give 0.613, the teacher's logits 0.555.",
            "notes": [],
            "columns": ["Label accuracy"],
            "rows": [{"label": "VGG16", "cells": [metric(0.6127, 0.5713, 0.6525)], "records": []}],
            "figure": None,
        },
    ]  # fmt: skip


def transfer() -> JSON:
    """The document of a user's own folder: one table, nothing of the paper's."""
    found = document()
    (table,) = [table for table in found["tables"] if table["id"] == "4"]
    table |= {"id": "transfer", "caption": "The protocol on your images", "header": ["Dataset"]}
    table |= {"claims": [], "notes": [], "inconsistencies": [], "intervals": "95 %, over seeds"}
    for each in table["rows"]:
        each |= {"cells": [each["label"]], "paper": paper(None), "verdict": None, "stale": None}
        each |= {"ours_alone": False}
    found |= {"tables": [table], "figures": [], "controls": [], "equal_runs": [], "stale": []}
    found["encoder"]["check"] = []
    return found


def document() -> JSON:
    """The document; the caller may change it."""
    experiment = {"dataset": "tf_flowers", "augment": ["crop", "flip"], "batch_size": 64}
    same = [{"table": "1", "label": "Flipping + Cropping", "printed": "0.873"},
            {"table": "4", "label": "tf_flowers", "printed": "0.906"}]  # fmt: skip
    described = [{"dataset": name, "train_images": 2000, "heldout_images": 1000,
                  "split": "invented", "skipped": []}
                 for name in ("tf_flowers", *HOSTILE)]  # fmt: skip
    described[1]["skipped"] = [{"file": f"a/{BRACKETS}.png", "reason": "the file is empty"}]
    checked = {
        "dataset": "tf_flowers", "classes": 5, "chance": 0.2,
        "pretrained": metric(0.7108, 0.6511, 0.7609), "untrained": metric(0.4306, 0.3807, 0.4902),
        "difference": metric(0.2802, 0.2204, 0.3405, n=None),
    }  # fmt: skip
    return copy.deepcopy({
        "schema_version": 2,
        "profile": {"name": "embedded", "label": "EMBEDDED",
                    "notice": "Procedural images and an encoder trained here: a check of the"
                              " mechanism, not of the paper's numbers."},
        "run_directory": "runs/invented",
        "words": {"repeatability": "same team, same setup",
                  "reproducibility": "different team, same setup",
                  "replication": "different team, different setup",
                  "this_run": "replication"},
        "environment": ENVIRONMENT,
        "encoder": {"key": "abcdef0123456789abcdef01", "check": [checked]},
        "data": described,
        "tables": [_table_1(), _table_2(), _table_3(), _table_4()],
        "figures": _figures(),
        "controls": _controls(),
        "equal_runs": [{"runs": same, "experiment": experiment,
                        "note": "one experiment, printed as two numbers"}],
        "checklist": [
            {"question": "Are seeds recorded?", "answer": "yes", "where": "every record"},
            {"question": "Are intervals given?", "answer": "no", "where": "nowhere"},
            {"question": "Is there a GPU?", "answer": "n/a", "where": "environment"},
        ],
        "stale": [{"section": "table 4", "label": "food_101", "variant": {"batch_size": 64},
                   "seeds": [0, 1, 2], "reason": "the code has changed"}],
    })  # fmt: skip
