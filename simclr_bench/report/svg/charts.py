"""Charts: a panel of a figure as bars or lines with intervals, and training curves."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from simclr_bench.report import words
from simclr_bench.report.svg.canvas import (
    Scale,
    bar,
    line,
    marker,
    markup,
    path,
    picture,
    shortened,
    text,
    ticks,
    whisker,
)

JSON = dict[str, Any]

WIDTH = 640
LEFT, RIGHT = 64, 16
PLOT = 220  # height of the plot itself
LEVEL, SLANTED = 24, 96  # room below it for names, by how they stand
LEGEND_LINE = 20
PER_LINE = 3  # names in a line of the legend


def panel_svg(panel: JSON, name: str, title: str) -> str:
    """One panel of a FIGURE.

    Args:
        panel: A panel of the document.
        name: An id that no other drawing of the page has.
        title: The figure and the panel, for those who do not see it.
    """
    description = "; ".join(
        f"{series['name']}: "
        + ", ".join(
            f"{category} {words.number(value)} {words.interval(ends)}"
            for category, value, ends in zip(
                panel["categories"], series["values"], series["intervals"], strict=True
            )
            if value is not None
        )
        for series in panel["series"]
    )
    ends = [end for series in panel["series"] for pair in series["intervals"] for end in pair or ()]
    values = [value for series in panel["series"] for value in series["values"]]
    shown = [value for value in (*values, *ends) if value is not None]
    top = _legend_height(panel["series"])
    names = SLANTED if _are_long(panel["categories"]) else LEVEL
    svg = picture(name, WIDTH, top + PLOT + names + 24, title, description)
    _legend(svg, panel["series"], panel["kind"])
    # An accuracy's axis is all of 0 to 1, so that panels can be compared.
    y = _y_axis(svg, min([0.0, *shown]), max([1.0, *shown]), top, panel["y_label"])
    places = _categories(svg, panel["categories"], top + PLOT)
    draw = _bars if panel["kind"] == "bars" else _lines
    draw(svg, panel["series"], places, y)
    below = top + PLOT + names + 18
    text(svg, (LEFT + WIDTH - RIGHT) / 2, below, panel["x_label"], "middle", "axis")
    return markup(svg)


def curves_svg(curves: JSON, name: str, title: str) -> str:
    """Training curves: a line for each series, over 1, 2, 3, ...

    Args:
        curves: The curves of a row of the document.
        name: An id that no other drawing of the page has.
        title: What they belong to, for those who do not see them.
    """
    shown = [value for series in curves["series"] for value in series["values"]]
    length = max((len(series["values"]) for series in curves["series"]), default=1)
    description = "; ".join(
        f"{series['name']}: {words.number(series['values'][0])} at first,"
        f" {words.number(series['values'][-1])} at last"
        for series in curves["series"]
        if series["values"]
    )
    top = _legend_height(curves["series"])
    svg = picture(name, WIDTH, top + PLOT + 48, title, description)
    _legend(svg, curves["series"], "curves")
    y = _y_axis(svg, min([0.0, *shown]), max(shown, default=1.0), top, curves["y"])
    x = Scale(low=1, high=max(length, 2), start=LEFT + 10, end=WIDTH - RIGHT)
    for tick in sorted({max(1, round(tick)) for tick in ticks(1, length) if tick <= length}):
        text(svg, x(tick), top + PLOT + 18, str(tick), "middle", "tick")
    for number, series in enumerate(curves["series"]):
        points = [(x(place), y(value)) for place, value in enumerate(series["values"], start=1)]
        path(svg, points, _class(number), number)
    text(svg, (LEFT + WIDTH - RIGHT) / 2, top + PLOT + 40, curves["x"], "middle", "axis")
    return markup(svg)


def _class(number: int) -> str:
    return f"s{number % 6}"


def _legend_height(series: Sequence[JSON]) -> int:
    return LEGEND_LINE * math.ceil(len(series) / PER_LINE) + 12


def _legend(svg: Element, series: Sequence[JSON], kind: str) -> None:
    step = (WIDTH - LEFT - RIGHT) / PER_LINE
    for number, each in enumerate(series):
        x, y = LEFT + step * (number % PER_LINE), 14 + LEGEND_LINE * (number // PER_LINE)
        if kind == "bars":
            _fill(bar(svg, x, y - 9, 22, 10, _class(number)), number)
        else:
            path(svg, [(x, y - 4), (x + 22, y - 4)], _class(number), number)
            if kind == "lines":
                marker(svg, x + 11, y - 4, _class(number), number)
        text(svg, x + 28, y, shortened(each["name"], 26), "start", "name")


def _y_axis(svg: Element, low: float, high: float, top: float, label: str) -> Scale:
    marks = ticks(low, high)
    scale = Scale(low=marks[0], high=marks[-1], start=top + PLOT, end=top)
    for mark in marks:
        line(svg, LEFT, scale(mark), WIDTH - RIGHT, scale(mark), "grid")
        text(svg, LEFT - 6, scale(mark) + 4, f"{mark:.6g}", "end", "tick")
    middle = top + PLOT / 2
    turned = text(svg, 14, middle, label, "middle", "axis")
    turned.set("transform", f"rotate(-90 14 {middle:g})")
    return scale


def _categories(svg: Element, names: Sequence[str], bottom: float) -> list[float]:
    step = (WIDTH - LEFT - RIGHT) / max(len(names), 1)
    places = [LEFT + step * (number + 0.5) for number in range(len(names))]
    for place, name in zip(places, names, strict=True):
        if not _are_long(names):
            text(svg, place, bottom + 18, name, "middle", "tick")
            continue
        group = SubElement(svg, "g")
        SubElement(group, "title").text = name
        slanted = text(group, place + 4, bottom + 16, shortened(name, 20), "end", "tick")
        slanted.set("transform", f"rotate(-30 {place + 4:.1f} {bottom + 16:.1f})")
    return places


def _are_long(names: Sequence[str]) -> bool:
    """Whether names side by side would touch, at 7 units a character."""
    step = (WIDTH - LEFT - RIGHT) / max(len(names), 1)
    return any(7 * len(name) > step - 8 for name in names)


def _bars(svg: Element, series: Sequence[JSON], places: Sequence[float], y: Scale) -> None:
    step = (WIDTH - LEFT - RIGHT) / max(len(places), 1)
    width = max(min(0.8 * step / max(len(series), 1), 40), 3)
    for number, each in enumerate(series):
        shift = width * (number - len(series) / 2)
        for place, value, ends in zip(places, each["values"], each["intervals"], strict=True):
            if value is not None:
                low, high = sorted((y(0), y(value)))
                drawn = bar(svg, place + shift + 1, low, width - 2, high - low, _class(number))
                _fill(drawn, number)
            if ends is not None:
                whisker(svg, place + shift + width / 2, y(ends[0]), y(ends[1]), "whisker")


def _lines(svg: Element, series: Sequence[JSON], places: Sequence[float], y: Scale) -> None:
    for number, each in enumerate(series):
        # Side by side, so that one interval does not hide another.
        shift = 8 * (number - (len(series) - 1) / 2)
        points = [
            None if value is None else (place + shift, y(value))
            for place, value in zip(places, each["values"], strict=True)
        ]
        for present, run in groupby(points, key=lambda point: point is not None):
            if present:
                path(svg, [point for point in run if point], _class(number), number)
        for place, ends in zip(places, each["intervals"], strict=True):
            if ends is not None:
                whisker(svg, place + shift, y(ends[0]), y(ends[1]), _class(number))
        for point in points:
            if point is not None:
                marker(svg, *point, _class(number), number)


def _fill(element: Element, number: int) -> None:
    element.set("fill-opacity", ("0.25", "0.85", "0.5", "0.1")[number % 4])
