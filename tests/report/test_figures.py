"""Figures as files."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from simclr_bench.errors import DataError
from simclr_bench.report.figures import save_figures
from tests.report import invented_document


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    directory = tmp_path_factory.mktemp("figures") / "made" / "here"
    return save_figures(invented_document.document(), directory)


def test_every_figure_is_saved_twice(saved: dict[str, list[str]]) -> None:
    names = {figure: [Path(file).name for file in files] for figure, files in saved.items()}
    assert names == {
        "2": ["figure-2.png", "figure-2.svg"],
        "6": ["figure-6.png", "figure-6.svg"],
        "class-count": ["figure-class-count.png", "figure-class-count.svg"],
    }
    for png, svg in saved.values():
        assert Image.open(png).size == (1350, 690)
        ElementTree.parse(svg)


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (
            "2",
            ["EMBEDDED", "Figure 2. The invented figure 2", "ours, held-out", "$x_1$", "Held-out"],
        ),
        ("6", ["batch size 64", "batch size 32", "As published", "a &amp; b_c%$#{}", "tf_flowers"]),
        ("class-count", ["The invented figure class-count (EMBEDDED)"]),
    ],
)
def test_a_figure_names_what_it_shows(
    saved: dict[str, list[str]], figure: str, words: list[str]
) -> None:
    # matplotlib draws text as outlines and keeps the words as comments.
    text = Path(saved[figure][1]).read_text()
    for each in words:
        assert each in text


def test_the_same_document_gives_the_same_bytes(
    saved: dict[str, list[str]], tmp_path: Path
) -> None:
    again = save_figures(invented_document.document(), tmp_path)
    for figure, files in saved.items():
        for one, other in zip(files, again[figure], strict=True):
            assert Path(one).read_bytes() == Path(other).read_bytes()


def test_another_number_gives_another_picture(saved: dict[str, list[str]], tmp_path: Path) -> None:
    document = invented_document.document()
    document["figures"][0]["panels"][0]["series"][1]["intervals"][4] = [0.417, 0.698]
    other = save_figures(document | {"figures": document["figures"][:1]}, tmp_path)
    assert Path(other["2"][0]).read_bytes() != Path(saved["2"][0]).read_bytes()


def test_dollars_in_a_name_are_no_formula(tmp_path: Path) -> None:
    document = invented_document.document()
    document |= {"controls": [], "figures": document["figures"][:1]}
    figure = document["figures"][0]
    figure["panels"][0]["categories"][0] = r"$\nothing{$"
    figure |= {"note": r"$\x$", "id": "../2"}
    (files,) = save_figures(document, tmp_path).values()
    assert [Path(file).parent for file in files] == [tmp_path, tmp_path]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the folder for figures"):
        save_figures(invented_document.document(), tmp_path / "file" / "figures")
