"""The page: what it may load, that its numbers are the document's, and that no name breaks it."""

import base64
import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from simclr_bench.report.html import render_html
from tests.report import invented_document
from tests.report.pages import Element, read

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> JSON:
    return invented_document.document()


@pytest.fixture(scope="module")
def page(document: JSON) -> str:
    return render_html(document)


@pytest.fixture(scope="module")
def root(page: str) -> Element:
    return read(page)


def three(value: float | None, sign: str = "") -> str:
    return "—" if value is None else f"{value:{sign}z.3f}"


def ends(interval: list[float] | None) -> str:
    return "—" if interval is None else f"[{interval[0]:z.3f}, {interval[1]:z.3f}]"


def shown(metric: JSON, sign: str = "") -> str:
    return f"{three(metric['mean'], sign)} {ends(metric['interval'])}"


def as_shown(rows: list[JSON]) -> list[JSON]:
    """Rows of batch 64 stand above those of batch 32."""
    return sorted(rows, key=lambda row: -row["batch_size"])


def test_the_policy_forbids_all_but_the_pages_own_style(page: str, root: Element) -> None:
    (policy,) = [
        meta.attributes["content"]
        for meta in root.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["style-src"] == f"'sha256-{digest}'"
    assert set(rules) == {"default-src", "style-src", "base-uri", "form-action"}


def test_the_policy_comes_before_what_it_governs(page: str) -> None:
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_the_page_keeps_its_own_policy(root: Element) -> None:
    elements = root.all()
    assert not {"script", "link", "img", "iframe", "object", "base", "form", "image", "use"} & {
        element.tag for element in elements
    }
    for element in elements:
        assert "style" not in element.attributes and "src" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]


def test_nothing_is_outside(page: str, root: Element) -> None:
    ids = [element.attributes["id"] for element in root.all() if "id" in element.attributes]
    assert len(set(ids)) == len(ids) > 90
    links = [element.attributes["href"] for element in root.all() if "href" in element.attributes]
    assert links and all(link[0] == "#" and link[1:] in ids for link in links)
    assert "://" not in page and "url(" not in page and "@import" not in page
    labels = [e.attributes["aria-labelledby"].split() for e in root.all("svg")]
    assert all(label in ids for pair in labels for label in pair)


def test_a_long_run_still_makes_a_small_page() -> None:
    """Twenty seeds, and in each row two curves a seed of 100 epochs."""
    document = invented_document.document()
    values = [0.5 + 0.4321 * (-1) ** epoch / (epoch + 1) for epoch in range(100)]
    names = [f"{name}, seed {seed}" for name in ("agreement", "label") for seed in range(20)]
    series = [{"name": name, "values": values} for name in names]
    for table in document["tables"]:
        for row in table["rows"]:
            row |= {"curves": {"x": "epoch", "y": "accuracy", "series": series}}
            row |= {"seeds": list(range(20)), "records": ["0123456789abcdef01234567"] * 20}
            for metric in row["measures"].values():
                metric |= {"per_seed": values[:20], "n_seeds": 20}
    assert len(render_html(document).encode()) < 2_000_000


def test_no_name_becomes_markup(page: str, root: Element) -> None:
    assert "<script" not in page
    for name in invented_document.HOSTILE:
        assert " ".join(name.split()) in root.words


def test_each_number_stands_in_its_row_and_column(document: JSON, root: Element) -> None:
    views = root.all("table", "results")
    tables = [table for table in document["tables"] if table["measures"]]
    assert len(views) == len(tables) == 3
    compared = 0
    for view, table in zip(views, tables, strict=True):
        titles = [cell.words for cell in view.all("tr")[1].children]
        lines = [line for line in view.all("tr") if line.all("td", "metric")]
        for line, row in zip(lines, as_shown(table["rows"]), strict=True):
            cells = dict(zip(titles, line.children, strict=True))
            assert line.children[0].words.startswith(" ".join(row["cells"][0].split()))
            for title, cell in zip(table["header"][1:-1], row["cells"][1:-1], strict=True):
                assert cells[title].words == cell
            for measure in table["measures"]:
                sign = "+" if measure["name"] == "gap" else ""
                metric = row["measures"][measure["name"]]
                assert cells[measure["title"]].words == shown(metric, sign)
                compared += 1
            printed = cells[table["header"][-1]].words
            intervals = [each["interval"] for each in row["paper"]["candidates"]]
            widest = max(intervals, key=lambda pair: pair[1] - pair[0], default=None)
            assert printed == (f"{row['paper']['printed']} {ends(widest)}" if widest else "—")
            if row["verdict"] and row["verdict"]["word"] != "not comparable":
                assert row["verdict"]["word"] in cells["Verdict"].words
            assert ("Verdict" in cells) == (table["id"] == "1")
    assert compared == 5 * 3 + 2 * 7 + 11 * 3


def test_controls_figures_and_the_encoders_check_show_their_numbers(
    document: JSON, root: Element
) -> None:
    expected = [
        shown(cell)
        for control in document["controls"]
        for row in control["rows"]
        for cell in row["cells"]
        if isinstance(cell, dict)
    ]
    found = [c.words for view in root.all("table", "control") for c in view.all("td", "metric")]
    assert found == expected
    check = document["encoder"]["check"][0]
    (view,) = root.all("table", "encoder")
    assert [cell.words for cell in view.all("td", "metric")] == [
        shown(check["untrained"]),
        shown(check["pretrained"]),
        shown(check["difference"], "+"),
    ]
    controls = [c["figure"] for c in document["controls"] if c["figure"]]
    numbers = [
        f"{three(series['values'][place])} {ends(series['intervals'][place])}"
        for figure in [*document["figures"], *controls]
        for panel in figure["panels"]
        for place in range(len(panel["categories"]))
        for series in panel["series"]
    ]
    assert [c.words for f in root.all("figure") for c in f.all("td", "metric")] == numbers


def numbers_in(value: Any) -> Iterator[str]:
    """Every number of a document as a page may write it."""
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, str):
        yield from re.findall(r"\d+\.\d+", value)
    elif isinstance(value, int | float):
        yield from (f"{abs(value):.3f}", f"{value:.2g}", f"{value:.6g}", str(value))


def test_no_number_is_the_pages_own(document: JSON, page: str) -> None:
    known = set(numbers_in(document))
    drawn = re.compile(r'<style>.*?</style>|<text class="tick".*?</text>', re.DOTALL)
    ours = read(drawn.sub("", page)).words
    found = re.findall(r"\d+\.\d+", ours)
    assert len(found) > 500
    assert {number for number in found if number not in known} <= {"2108.00587"}  # the title


def test_every_seed_is_shown(document: JSON, root: Element) -> None:
    expected = [
        " ".join(three(value, "+" if measure["name"] == "gap" else "") for value in values)
        for table in document["tables"]
        for row in table["rows"]
        for measure in table["measures"]
        for values in [row["measures"][measure["name"]]["per_seed"]]
    ]
    assert [cell.words for cell in root.all("td", "seeds")] == expected
    assert "0.863 — —" in expected


def test_every_verdict_has_its_word_and_symbol(root: Element) -> None:
    chips = {chip.words for chip in root.all("span", "chip")}
    assert chips >= {
        "≠ different",
        "= equivalent",
        "≈ consistent",
        "? inconclusive",
        "∅ not comparable",
        "✓ holds",
        "✗ fails",
        "? undecided",
        "± mixed",
        "∅ not testable",
    }
    counts = [count.words for count in root.all("span", "count")]
    assert counts == ["1", "1", "1", "1", "5"]


def test_the_summary_has_a_word_for_every_claim(root: Element) -> None:
    (section,) = [s for s in root.all("section") if s.attributes["aria-labelledby"] == "summary"]
    (view,) = section.all("table")
    lines = [[cell.words for cell in line.children[:3]] for line in view.all("tr")[1:]]
    assert lines == [
        ["1", f"singles-equal {_said('1', 0)}", "✗ fails mechanism check"],
        ["1", f"all-is-best {_said('1', 1)}", "✓ holds mechanism check"],
        ["1", f"none-is-worst {_said('1', 2)}", "? undecided mechanism check"],
        ["2", f"same-architecture-wins {_said('2', 0)}", "± mixed mechanism check"],
        ["4", f"fewer-classes-higher-accuracy {_said('4', 0)}", "± mixed mechanism check"],
        ["4", f"memory-stops-above-64 {_said('4', 1)}", "∅ not testable"],
    ]


def _said(table: str, place: int) -> str:
    (found,) = [t for t in invented_document.document()["tables"] if t["id"] == table]
    return f"“{found['claims'][place]['sentence']}”"


def test_every_cell_leads_to_its_command(document: JSON, root: Element) -> None:
    by_id = {e.attributes["id"]: e for e in root.all("div") if "id" in e.attributes}
    for view, table in zip(
        root.all("table", "results"),
        [table for table in document["tables"] if table["measures"]],
        strict=True,
    ):
        lines = [line for line in view.all("tr") if line.all("td", "metric")]
        for line, row in zip(lines, as_shown(table["rows"]), strict=True):
            for link in line.all("a", "mean"):
                place = by_id[link.attributes["href"][1:]]
                (command,) = place.all("code", "command")
                assert command.text == row["command"]
                assert all(key in place.words for key in row["records"])


@pytest.mark.parametrize(
    "words",
    [
        "EMBEDDED: Procedural images and an encoder trained here",
        "2 seeds failed or diverged; they count as 0.",
        "seed 1 diverged (loss is not finite)",
        "Stale: the code has changed 101 Varied",
        "Table 4: food_101, the code has changed.",
        "Cells: not comparable (procedural images; trained here).",
        "mechanism check",
        "Table 1 prints .873 and Table 4 .906 for the same run.",
        "holds as printed; as evidence: not enough at n = 64",
        "Not testable: the authors' Colab runtime of 2021",
        "n = 64 (one training batch): 54/64 = 0.843750, interval [0.731, 0.922]",
        "not n = 100 (a hundred images): 90/100 and 91/100 do not",
        "SimCLR v1, table 8, linear evaluation: 0.942",
        "for the claim p = 0.012; against it p = 0.98; trend p = 0.0083",
        "two of three seeds failed",
        "for cats_vs_dogs, tf_flowers alone",
        "1 comparison All minus Flipping only +0.026, for the claim p = 0.04",
        "They compare: Held-out, margin 0.05.",
        "Table 1, Flipping + Cropping: 0.873 and table 4, tf_flowers: 0.906.",
        "(power 18% at 0.05; no number of seeds would settle it)",
        "Same team, same setup.",
        "Are seeds recorded? ✓ yes Every record.",
        "Accuracy falls from 0.950 to 0.404",
    ],
)
def test_the_page_says(root: Element, words: str) -> None:
    assert words in root.words


def test_headings_go_down_one_level_at_a_time(root: Element) -> None:
    levels = [int(e.tag[1]) for e in root.all() if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_have_captions_and_scopes(root: Element) -> None:
    for view in root.all("table"):
        assert view.children[0].tag == "caption" and view.children[0].words
        assert all("scope" in cell.attributes for cell in view.all("th"))


def test_a_users_own_folder_has_a_page_without_a_paper() -> None:
    root = read(render_html(invented_document.transfer()))
    assert root.all("h1")[0].words == "The protocol on your images"
    (view,) = root.all("table", "results")
    assert [cell.words for cell in view.all("tr")[1].children] == [
        "Dataset", "As published", "0 to 1: ● ours", "Held-out", "Gap",
    ]  # fmt: skip
    assert len(view.all("td", "metric")) == 11 * 3 and not view.all("td", "printed")
    for word in ("Table transfer", "Verdict", "paper", "Claims", "Cells", "Controls"):
        assert word not in root.all("main")[0].words.split("Reproducibility")[0]


def test_a_name_may_be_anything(document: JSON) -> None:
    name = "</title></style></svg><b onclick=x>&lt;\"'{{ 7*7 }}{% raw %}"
    changed = invented_document.document()
    for table in changed["tables"]:
        for row in table["rows"]:
            row["label"] = row["command"] = row["dataset"] = name
            row["cells"][0] = name
    changed["profile"]["label"] = changed["run_directory"] = name
    changed["figures"][0]["panels"][0]["categories"][0] = name
    page = render_html(changed)
    root = read(page)
    assert not root.all("b") and name in root.words and "49" not in root.all("title")[0].words


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours (WCAG 2.1)."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_contrast_on_light_and_on_dark(page: str) -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    schemes = [
        dict(re.findall(r"--(\w+): (#\w{6})", b))
        for b in re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    ]
    schemes = [scheme for scheme in schemes if scheme]
    assert len(schemes) == 2 and set(schemes[0]) == set(schemes[1])
    for scheme in schemes:
        for name in scheme.keys() - {"page", "panel", "rule"}:
            assert contrast(scheme[name], scheme["page"]) >= 4.5, name
            assert contrast(scheme[name], scheme["panel"]) >= 4.5, name
