"""The document's figures as files, for those who want them outside the page."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simclr_bench.report import words
from simclr_bench.report.reading import all_figures
from simclr_bench.storage.files import make_directory, write_atomically

JSON = dict[str, Any]

FORMATS = ("png", "svg")
MARKERS = ("o", "s", "D", "^")
DASHES = ("-", "--", ":", "-.")


def save_figures(document: JSON, directory: Path) -> dict[str, list[str]]:
    """Draws every figure of a document, those of its controls included, as PNG and as SVG.

    The same document gives the same bytes.

    Args:
        document: What report/document built.
        directory: Where the files go; made if it is not there.

    Returns:
        The files of each figure, by its id.

    Raises:
        DataError: The files cannot be written.
    """
    make_directory(directory, "the folder for figures", "give another --out")
    label = document["profile"]["label"]
    return {figure["id"]: _save(figure, label, directory) for figure in all_figures(document)}


def _save(figure: JSON, label: str, directory: Path) -> list[str]:
    # Imported here: matplotlib takes longer than all that needs no figure.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas
    from matplotlib.text import Text

    panels = figure["panels"]
    canvas = Canvas(figsize=(4.5 * max(len(panels), 2), 4.6), layout="constrained")
    FigureCanvasAgg(canvas)
    places = canvas.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(places, panels, strict=True):
        _draw(axes, panel)
    places[0].legend(fontsize=8)
    canvas.suptitle(f"{words.figure_title(figure)} ({label})\n{figure['note']}", fontsize=10)
    for text in canvas.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)  # a dollar in a data set's name is a dollar
    name = re.sub(r"[^A-Za-z0-9-]+", "-", figure["id"])
    files = []
    for kind in FORMATS:
        path = directory / f"figure-{name}.{kind}"
        buffer = io.BytesIO()
        # Neither a date nor random ids.
        with matplotlib.rc_context({"svg.hashsalt": f"figure {figure['id']}"}):
            undated = {"Date": None} if kind == "svg" else {}
            canvas.savefig(buffer, format=kind, dpi=150, metadata=undated)
        write_atomically(path, buffer.getvalue())
        files.append(str(path))
    return files


def _draw(axes: Any, panel: JSON) -> None:
    count = len(panel["series"])
    for number, series in enumerate(panel["series"]):
        values, intervals = series["values"], series["intervals"]
        # Side by side, so that one interval does not hide another.
        step = 0.8 / count if panel["kind"] == "bars" else 0.08
        shift = step * (number - (count - 1) / 2)
        kept = [place for place, value in enumerate(values) if value is not None]
        if panel["kind"] == "bars":
            axes.bar(
                [place + shift for place in kept],
                [values[place] for place in kept],
                width=0.9 * step,
                label=series["name"],
                alpha=0.8,
            )
            color = "black"
        else:
            (line,) = axes.plot(
                [place + shift for place in range(len(values))],
                [float("nan") if value is None else value for value in values],
                marker=MARKERS[number % len(MARKERS)],
                linestyle=DASHES[number % len(DASHES)],
                label=series["name"],
            )
            color = line.get_color()
        _whiskers(axes, shift, values, intervals, color)
    names = [re.sub(r"(.{24}).+", r"\1…", name) for name in panel["categories"]]
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=30, ha="right")
    axes.set_title(panel["title"], fontsize=10)
    axes.set_xlabel(panel["x_label"])
    axes.set_ylabel(panel["y_label"])
    axes.grid(alpha=0.3)
    if all(0 <= value <= 1 for s in panel["series"] for value in s["values"] if value is not None):
        axes.set_ylim(0, 1.02)


def _whiskers(
    axes: Any,
    shift: float,
    values: Sequence[float | None],
    intervals: Sequence[Sequence[float] | None],
    color: str,
) -> None:
    for place, (value, ends) in enumerate(zip(values, intervals, strict=True)):
        if value is not None and ends is not None:
            axes.vlines(place + shift, *ends, colors=color, linewidth=1)
            for end in ends:
                axes.hlines(end, place + shift - 0.03, place + shift + 0.03, colors=color)
