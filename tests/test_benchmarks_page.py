"""BENCHMARKS.md and its plots say what the committed records say."""

from importlib.metadata import version

from benchmarks.page.page import PAGE, PLOTS, RESULTS, ROOT, draw, render

REMEDY = "stale: run `make benchmarks` and commit what it writes"


def test_the_page_is_what_the_records_give() -> None:
    assert PAGE.read_text() == render(RESULTS), REMEDY


def test_the_plots_are_what_the_records_give() -> None:
    drawn = draw(RESULTS)
    kept = {path.name: path.read_bytes() for path in (RESULTS / PLOTS).glob("*.svg")}
    assert kept.keys() == drawn.keys(), REMEDY
    pinned = f"matplotlib=={version('matplotlib')}" in (ROOT / "requirements.lock").read_text()
    for name, svg in drawn.items():
        # Another matplotlib draws other bytes: then what they were drawn from has to be the same.
        same = kept[name] == svg if pinned else digest(kept[name]) == digest(svg)
        assert same, f"{name} is {REMEDY}"


def test_every_plot_is_on_the_page() -> None:
    page = PAGE.read_text()
    for name in draw(RESULTS):
        assert f"({RESULTS.name}/{PLOTS}/{name})" in page


def digest(svg: bytes) -> str:
    """The hash of the data that a plot carries."""
    _, found, rest = svg.decode().partition("<dc:description>")
    assert found
    return rest.partition("<")[0]
