"""Figure 6, as PNG and SVG."""

from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from simclr_bench.paper.tables import FIGURE_6
from simclr_bench.report.figures import save_classes_against_accuracy
from tests.report import invented


def test_the_figure_is_saved_twice_and_names_what_it_shows(tmp_path: Path) -> None:
    entry = save_classes_against_accuracy(invented.document(), FIGURE_6, tmp_path / "figures")
    png, svg = map(Path, entry["files"])
    assert Image.open(png).size == (1350, 630)
    text = svg.read_text()
    ElementTree.fromstring(text)
    for words in ("EMBEDDED", "batch size 64", "batch size 32", "food_101", "101"):
        assert f"<!-- {words}" in text or words in text


def test_the_same_document_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        save_classes_against_accuracy(invented.document(), FIGURE_6, tmp_path / name)["files"]
        for name in ("a", "b")
    )
    for one, other in zip(first, second, strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()
