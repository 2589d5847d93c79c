"""Figures, drawn from the document."""

import io
from pathlib import Path
from typing import Any

from simclr_bench.paper.spec import Figure
from simclr_bench.results.files import make_directory, write_atomically

JSON = dict[str, Any]

FORMATS = ("png", "svg")
MARKERS = {64: "o", 32: "s"}


def save_classes_against_accuracy(document: JSON, figure: Figure, directory: Path) -> JSON:
    """Draws Figure 6: number of classes against accuracy, a line for each batch size.

    Args:
        document: What report/document.py built; its first table is drawn.
        figure: The paper's figure.
        directory: Where the files go.

    Returns:
        The figure's entry for the document.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    table, label = document["tables"][0], document["profile"]["label"]
    canvas = Canvas(figsize=(9, 4.2), layout="constrained")
    panels = canvas.subplots(1, 2, sharey=True)
    titles = (("as_published", "As published: last training batch"), ("heldout", "Held-out"))
    for panel, (metric, title) in zip(panels, titles, strict=True):
        batch_sizes = dict.fromkeys(row["batch_size"] for row in table["rows"])
        for number, batch_size in enumerate(batch_sizes):
            shift = 0.12 * (number - (len(batch_sizes) - 1) / 2)
            rows = [row for row in table["rows"] if row["batch_size"] == batch_size]
            rows.sort(key=lambda row: row["classes"])
            means = [row[metric]["mean"] for row in rows]
            ends = [row[metric]["interval"] for row in rows]
            panel.errorbar(
                [place + shift for place in range(len(rows))],  # bars side by side
                means,
                yerr=[
                    [mean - low for mean, (low, _) in zip(means, ends, strict=True)],
                    [high - mean for mean, (_, high) in zip(means, ends, strict=True)],
                ],
                marker=MARKERS.get(batch_size, "^"),
                capsize=3,
                label=f"batch size {batch_size}",
            )
            panel.set_xticks(
                range(len(rows)),
                [f"{row['label']}\n{row['classes']}" for row in rows],
                fontsize=8,
            )
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("data set, number of classes")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("top-1 accuracy")
    panels[0].set_ylim(0, 1.02)
    panels[0].legend()
    seeds = table["rows"][0]["as_published"]["n_seeds"]
    canvas.suptitle(
        f"{label}: figure {figure.id} of the paper, on embedded stand-ins\n"
        f"mean and 95 % interval over {seeds} seeds",
        fontsize=11,
    )
    FigureCanvasAgg(canvas)
    make_directory(directory, "the folder for figures", "give another --out")
    files = []
    for kind in FORMATS:
        path = directory / f"figure-{figure.id}.{kind}"
        buffer = io.BytesIO()
        # Neither a date nor random ids: the same document gives the same bytes.
        with matplotlib.rc_context({"svg.hashsalt": f"figure {figure.id}"}):
            canvas.savefig(buffer, format=kind, dpi=150, metadata=_undated(kind))
        write_atomically(path, buffer.getvalue())
        files.append(str(path))
    return {"id": figure.id, "caption": figure.caption, "files": files}


def _undated(kind: str) -> dict[str, None]:
    return {"Date": None} if kind == "svg" else {}
