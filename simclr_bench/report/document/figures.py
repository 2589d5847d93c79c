"""Figures 2 and 6 as data, in the paper's form."""

from collections.abc import Mapping, Sequence

from simclr_bench.paper.spec import Figure
from simclr_bench.paper.tables import FIGURES, TABLES
from simclr_bench.report.document.measured import JSON, Measured, current, left_out
from simclr_bench.report.document.measures import title_of

INTERVALS = "Mean and 95 % interval over seeds and examples; "


def build_figures(sections: Mapping[str, Sequence[Measured]]) -> list[JSON]:
    """The figures whose table was measured, without its stale rows."""
    built = []
    for figure in FIGURES.values():
        rows = sections.get(f"table {figure.table}", ())
        if shown := current(rows):
            drawn = _bars(figure, shown) if figure.kind == "bars" else _lines(figure, shown)
            drawn["note"] = " ".join(filter(None, [drawn["note"], left_out(rows)]))
            built.append(drawn)
    return built


def line(name: str, metrics: Sequence[JSON | None]) -> JSON:
    """One series of a figure; None where there is no such point."""
    return {
        "name": name,
        "values": [metric and metric["mean"] for metric in metrics],
        "intervals": [metric and metric["interval"] for metric in metrics],
    }


def _bars(figure: Figure, rows: Sequence[Measured]) -> JSON:
    table = TABLES[figure.table]
    by_label = {row.label: row for row in reversed(rows)}  # the first, if there are several
    labels = [label for label in (*table.rows, *table.added_rows) if label in by_label]
    panels = [
        {
            **_axes("As printed", "", labels),
            "kind": "bars",
            "series": [
                {
                    "name": "the paper",
                    "values": [
                        float(table.scores[label]) if label in table.scores else None
                        for label in labels
                    ],
                    "intervals": [None] * len(labels),
                }
            ],
        }
    ]
    for name in ("progressive", "heldout"):
        title = f"Ours, {title_of(table.id, name)}"
        metrics = [by_label[label].metric(name) for label in labels]
        panels.append(
            {**_axes(title, "", labels), "kind": "bars", "series": [line("ours", metrics)]}
        )
    added = " and ".join(label for label in labels if label in table.added_rows)
    note = INTERVALS + "what the paper measured is unknown, so its bars have none."
    return _figure(figure, panels, note + (f" {added} is ours alone." if added else ""))


def _lines(figure: Figure, rows: Sequence[Measured]) -> JSON:
    table = TABLES[figure.table]
    found = {(row.label, row.settings["batch_size"]): row for row in rows}
    labels = sorted({row.label for row in rows}, key=list(table.rows).index)
    sizes = list(dict.fromkeys(row.settings["batch_size"] for row in rows))
    classes = {row.label: row.classes for row in rows}
    categories = [f"{label}, {classes[label]}" for label in labels]
    panels = []
    for name in ("as_published", "heldout"):
        series = []
        for size in sizes:
            metrics = [
                found[label, size].metric(name) if (label, size) in found else None
                for label in labels
            ]
            series.append(line(f"batch size {size}", metrics))
        title = title_of(table.id, name).capitalize()
        axes = _axes(title, "data set, number of classes", categories)
        panels.append({**axes, "kind": "lines", "series": series})
    return _figure(figure, panels, INTERVALS + "the paper's figure prints no values.")


def _axes(title: str, x_label: str, categories: Sequence[str]) -> JSON:
    return {
        "title": title,
        "x_label": x_label,
        "y_label": "accuracy",
        "categories": list(categories),
    }


def _figure(figure: Figure, panels: Sequence[JSON], note: str) -> JSON:
    return {
        "id": figure.id,
        "caption": figure.caption,
        "source": figure.source,
        "table": figure.table,
        "panels": list(panels),
        "note": note,
        "files": [],
    }
