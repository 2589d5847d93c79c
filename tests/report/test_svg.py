"""Drawings: marks where the numbers are, names for those who do not see them."""

import re
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from simclr_bench.report.svg import curves_svg, panel_svg, strip_svg
from simclr_bench.report.svg.canvas import ticks
from tests.report import invented_document

JSON = dict[str, Any]


@pytest.fixture
def document() -> JSON:
    return invented_document.document()


def drawn(text: str) -> Element:
    """A drawing, after checks that all of them pass."""
    svg = ElementTree.fromstring(text)
    width, height = map(float, svg.attrib["viewBox"].split()[2:])
    assert [child.tag for child in svg[:2]] == ["title", "desc"] and svg.attrib["role"] == "img"
    labels = svg.attrib["aria-labelledby"].split()
    assert labels == [child.attrib["id"] for child in svg[:2]]
    for element in svg.iter():
        assert not {"style", "href", "onload", "id"} & element.attrib.keys() or element in svg[:2]
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(name, 0)) <= width
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(name, 0)) <= height
    return svg


def axis(svg: Element) -> dict[float, float]:
    """Where the axis puts each of its ticks, upwards."""
    lines = [float(line.attrib["y1"]) for line in svg.iter("line") if line.get("class") == "grid"]
    names = [t.text for t in svg.iter("text") if t.get("class") == "tick" and t.get("x") == "58"]
    return {float(name or ""): place for name, place in zip(names, lines, strict=True)}


def test_bars_reach_their_values(document: JSON) -> None:
    panel = document["figures"][0]["panels"][0]
    svg = drawn(panel_svg(panel, "f", "Figure 2"))
    at = axis(svg)
    assert list(at) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    bars = [r for r in svg.iter("rect") if r.get("class") == "s1"][1:]  # the first is the legend's
    assert len(bars) == 5
    for bar, value in zip(bars, panel["series"][1]["values"], strict=True):
        top = float(bar.attrib["y"])
        assert top == pytest.approx(at[0] + value * (at[1] - at[0]), abs=0.06)
        assert top + float(bar.attrib["height"]) == pytest.approx(at[0], abs=0.11)
    assert len([r for r in svg.iter("rect") if r.get("class") == "s0"]) == 1 + 4  # one is missing


def test_whiskers_span_their_intervals(document: JSON) -> None:
    panel = document["figures"][0]["panels"][0]
    svg = drawn(panel_svg(panel, "f", "Figure 2"))
    at = axis(svg)
    upright = [
        line.attrib
        for line in svg.iter("line")
        if line.get("class") == "whisker" and line.get("x1") == line.get("x2")
    ]
    spans = [
        [(float(line[end]) - at[0]) / (at[1] - at[0]) for end in ("y1", "y2")] for line in upright
    ]
    expected = [e for series in panel["series"] for e in series["intervals"] if e is not None]
    assert len(spans) == len(expected) == 8
    for span, interval in zip(spans, expected, strict=True):
        assert span == pytest.approx(interval, abs=3e-4)


def test_lines_break_where_a_value_is_missing(document: JSON) -> None:
    panel = document["figures"][1]["panels"][0]
    svg = drawn(panel_svg(panel, "f", "Figure 6"))
    # The legend's line, then: four points; two points and one.
    counts = {
        name: [
            len(p.attrib["points"].split()) for p in svg.iter("polyline") if p.get("class") == name
        ]
        for name in ("s0", "s1")
    }
    assert counts == {"s0": [2, 4], "s1": [2, 2, 1]}
    dashes = {p.get("class"): p.get("stroke-dasharray") for p in svg.iter("polyline")}
    assert dashes["s0"] != dashes["s1"]
    assert len([c for c in svg.iter("circle") if c.get("class") == "s0"]) == 1 + 4
    assert len([r for r in svg.iter("rect") if r.get("class") == "s1"]) == 1 + 3


def test_long_names_are_shortened_and_kept_in_full(document: JSON) -> None:
    svg = drawn(panel_svg(document["figures"][1]["panels"][0], "f", "Figure 6"))
    texts = [text.text or "" for text in svg.iter("text")]
    assert "birds-of-north-amer…" in texts and max(map(len, texts)) <= 26
    assert invented_document.LONG in [title.text for title in svg.iter("title")]
    assert [t for t in svg.iter("text") if "rotate(-30" in t.get("transform", "")]


def test_short_names_stand_level(document: JSON) -> None:
    svg = drawn(panel_svg(document["controls"][0]["figure"]["panels"][0], "f", "Classes"))
    assert not [t for t in svg.iter("text") if "rotate(-30" in t.get("transform", "")]


def test_the_description_tells_the_numbers(document: JSON) -> None:
    svg = drawn(panel_svg(document["figures"][0]["panels"][0], "f", "Figure 2, Held-out"))
    assert svg[0].text == "Figure 2, Held-out"
    assert "paper: Cropping only 0.840 [0.731, 0.922], Flipping only 0.841" in (svg[1].text or "")


def test_an_axis_reaches_what_lies_beyond_zero_and_one(document: JSON) -> None:
    panel = document["figures"][0]["panels"][0]
    panel["series"][0]["intervals"][0] = [-0.3, 1.4]
    at = axis(drawn(panel_svg(panel, "f", "t")))
    assert min(at) <= -0.3 and max(at) >= 1.4


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_an_empty_panel_is_drawn(kind: str) -> None:
    panel = {
        "title": "",
        "x_label": "",
        "y_label": "",
        "kind": kind,
        "categories": [],
        "series": [],
    }
    drawn(panel_svg(panel, "f", "t"))


def test_curves_go_through_every_value(document: JSON) -> None:
    curves = document["tables"][0]["rows"][0]["curves"]
    svg = drawn(curves_svg(curves, "c", "loss"))
    at = axis(svg)
    lines = [p.attrib["points"].split() for p in svg.iter("polyline") if p.get("class") == "s1"][1:]
    ((*points,),) = lines
    heights = [float(point.split(",")[1]) for point in points]
    span = at[2] - at[0]
    assert [(y - at[0]) / span * 2 for y in heights] == pytest.approx(
        curves["series"][1]["values"], abs=1e-3
    )
    assert "seed 0: 1.609 at first, 0.844 at last" in (svg[1].text or "")


def test_curves_without_a_value_are_drawn() -> None:
    drawn(curves_svg({"x": "epoch", "y": "loss", "series": []}, "c", "t"))
    drawn(curves_svg({"x": "epoch", "y": "l", "series": [{"name": "a", "values": []}]}, "c", "t"))
    drawn(curves_svg({"x": "e", "y": "l", "series": [{"name": "a", "values": [0.0]}]}, "c", "t"))


def test_a_strip_puts_the_paper_above_ours_on_one_axis(document: JSON) -> None:
    row = document["tables"][0]["rows"][0]
    svg = drawn(strip_svg(row, "Held-out", row["measures"]["heldout"], "s"))
    scale = [float(t.attrib["x1"]) for t in svg.iter("line") if t.get("class") == "grid"][1:]
    assert len(scale) == 5
    share = {
        line.get("class"): [
            (float(line.attrib[end]) - scale[0]) / (scale[-1] - scale[0]) for end in ("x1", "x2")
        ]
        for line in svg.iter("line")
    }
    # The widest interval of the printed number, our own, and chance.
    assert share["paper"] == pytest.approx([0.731, 0.922], abs=4e-4)
    assert share["ours"] == pytest.approx(row["measures"]["heldout"]["interval"], abs=4e-4)
    assert share["chance"] == pytest.approx([0.2, 0.2], abs=4e-4)
    height = {line.get("class"): float(line.attrib["y1"]) for line in svg.iter("line")}
    assert height["paper"] < height["ours"]
    assert (
        svg[1].text or ""
    ) == "paper 0.84 [0.731, 0.922]; ours 0.611 [0.563, 0.655]; chance 0.200"


def test_a_strip_without_a_printed_number_shows_ours_alone(document: JSON) -> None:
    row = document["tables"][0]["rows"][4]
    text = strip_svg(row, "Held-out", row["measures"]["heldout"], "s")
    drawn(text)
    assert 'class="ours"' in text and 'class="paper"' not in text and "paper" not in text


def test_names_cannot_leave_the_drawing(document: JSON) -> None:
    row = document["tables"][0]["rows"][0] | {"label": '</title><script>"'}
    text = strip_svg(row, "x", row["measures"]["heldout"], "s")
    assert "<script" not in text and drawn(text)[0].text == '</title><script>", x'


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 1.611, [0, 0.5, 1, 1.5, 2]),
        (-0.3, 1, [-0.5, 0, 0.5, 1]),
        (1, 30, [0, 10, 20, 30]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.004, [0, 0.001, 0.002, 0.003, 0.004]),
    ],
)
def test_ticks_are_round_and_cover_the_range(
    low: float, high: float, expected: list[float]
) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_colours_are_the_pages(document: JSON) -> None:
    text = panel_svg(document["figures"][0]["panels"][0], "f", "t")
    assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', text)) <= {"currentColor", "none"}
