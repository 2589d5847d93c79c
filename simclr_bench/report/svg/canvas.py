"""Elements of SVG, and scales from values to places."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

# Series differ in shape and in dash as well as in colour.
DASHES = ("none", "7 3", "2 3", "9 3 2 3")
SHAPES = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A straight line from values to places on the page, in user units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def picture(name: str, width: float, height: float, title: str, description: str) -> Element:
    """An empty drawing that screen readers announce by its title and description.

    Args:
        name: An id that no other drawing of the page has.
        width, height: In user units; the page's styles say how large it is shown.
        title: What it is.
        description: What it shows, for those who do not see it.
    """
    svg = Element(
        "svg",
        {
            "viewBox": f"0 0 {_text(width)} {_text(height)}",
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-description",
        },
    )
    SubElement(svg, "title", {"id": f"{name}-title"}).text = title
    SubElement(svg, "desc", {"id": f"{name}-description"}).text = description
    return svg


def markup(svg: Element) -> str:
    """A drawing as text, all names in it escaped."""
    return ElementTree.tostring(svg, encoding="unicode")


def line(parent: Element, x1: float, y1: float, x2: float, y2: float, name: str) -> Element:
    """A straight line of a class."""
    places = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return _add(parent, "line", name, places, {"stroke": "currentColor"})


def bar(parent: Element, x: float, y: float, width: float, height: float, name: str) -> Element:
    """A rectangle of a class."""
    places = {"x": x, "y": y, "width": width, "height": height}
    return _add(parent, "rect", name, places, {"fill": "currentColor", "stroke": "currentColor"})


def path(parent: Element, points: Sequence[tuple[float, float]], name: str, dash: int) -> Element:
    """A line through points, dashed by the number of its series."""
    found = {
        "points": " ".join(f"{_text(x)},{_text(y)}" for x, y in points),
        "fill": "none",
        "stroke": "currentColor",
        "stroke-width": "1.5",
        "stroke-dasharray": DASHES[dash % len(DASHES)],
    }
    return _add(parent, "polyline", name, {}, found)


def marker(parent: Element, x: float, y: float, name: str, shape: int, size: float = 4) -> Element:
    """A point, in the shape of its series."""
    filled = {"fill": "currentColor"}
    match SHAPES[shape % len(SHAPES)]:
        case "circle":
            return _add(parent, "circle", name, {"cx": x, "cy": y, "r": size}, filled)
        case "square":
            side = size * 1.8
            places = {"x": x - side / 2, "y": y - side / 2, "width": side, "height": side}
            return _add(parent, "rect", name, places, filled)
        case "diamond":
            corners = [(x, y - size), (x + size, y), (x, y + size), (x - size, y)]
        case _:
            corners = [(x, y - size), (x + size, y + size), (x - size, y + size)]
    points = " ".join(f"{_text(a)},{_text(b)}" for a, b in corners)
    return _add(parent, "polygon", name, {}, {"points": points, **filled})


def whisker(parent: Element, x: float, low: float, high: float, name: str) -> None:
    """An upright interval with caps, between two places."""
    for ends in ((x, low, x, high), (x - 3, low, x + 3, low), (x - 3, high, x + 3, high)):
        line(parent, *ends, name)


def text(parent: Element, x: float, y: float, words: str, anchor: str, name: str) -> Element:
    """A piece of text; `anchor` is "start", "middle" or "end"."""
    found = {"text-anchor": anchor, "font-size": "12", "fill": "currentColor"}
    element = _add(parent, "text", name, {"x": x, "y": y}, found)
    element.text = words
    return element


def shortened(words: str, length: int) -> str:
    """A name that has room: its first characters and an ellipsis where it is longer."""
    return words if len(words) <= length else words[: length - 1] + "…"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values from the last at or below `low` to the first at or above `high`."""
    if not high > low:
        high = low + 1
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _add(
    parent: Element, tag: str, name: str, places: dict[str, float], others: dict[str, str]
) -> Element:
    attributes = {key: _text(value) for key, value in places.items()}
    return SubElement(parent, tag, {"class": name, **attributes, **others})


def _text(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
