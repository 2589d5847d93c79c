"""Strips: the interval of a printed number above that of ours, on one axis from 0 to 1."""

from typing import Any

from simclr_bench.report import words
from simclr_bench.report.reading import printed_of, widest
from simclr_bench.report.svg.canvas import Scale, line, marker, markup, picture

JSON = dict[str, Any]

WIDTH, HEIGHT = 180, 40


def strip_svg(row: JSON, title: str, metric: JSON, name: str) -> str:
    """One row of a table.

    Args:
        row: The row; its printed number is drawn where there is one, and chance as a thin line.
        title: What the metric is called.
        metric: What we measured.
        name: An id that no other drawing of the page has.
    """
    candidate = widest(row["paper"])
    ours = f"ours {words.number(metric['mean'])} {words.interval(metric['interval'])}"
    said = [ours, f"chance {words.number(row['chance'])}"]
    if candidate is not None:
        said.insert(0, f"paper {printed_of(row)} {words.interval(candidate['interval'])}")
    svg = picture(name, WIDTH, HEIGHT, f"{row['label']}, {title}", "; ".join(said))
    x = Scale(low=0, high=1, start=8, end=WIDTH - 8)
    line(svg, x(0), HEIGHT - 6, x(1), HEIGHT - 6, "grid")
    for tick in (0, 0.25, 0.5, 0.75, 1):
        line(svg, x(tick), HEIGHT - 9, x(tick), HEIGHT - 3, "grid")
    line(svg, x(row["chance"]), 4, x(row["chance"]), HEIGHT - 6, "chance")
    if candidate is not None:
        low, high = candidate["interval"]
        line(svg, x(low), 12, x(high), 12, "paper").set("stroke-width", "3")
        marker(svg, x(float(row["paper"]["printed"])), 12, "paper", 2, 5)
    low, high = metric["interval"]
    line(svg, x(low), 24, x(high), 24, "ours").set("stroke-width", "3")
    marker(svg, x(metric["mean"]), 24, "ours", 0, 4.5)
    return markup(svg)
