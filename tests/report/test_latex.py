"""LaTeX: every name as text, every number in its line, tables that close."""

import re
from typing import Any

import pytest

from simclr_bench.report.latex import render_latex
from tests.report import invented_document

JSON = dict[str, Any]

GAP = r"+0.013 {[}$-$0.043,~0.069{]} \\"


@pytest.fixture(scope="module")
def text() -> str:
    return render_latex(invented_document.document())


def line_of(text: str, beginning: str) -> list[str]:
    (line,) = [each for each in text.splitlines() if each.startswith(f"{beginning} & 0.84")]
    return line.removesuffix(r" \\").split(" & ")


def test_a_line_reads_like_this(text: str) -> None:
    assert line_of(text, "Flipping only") == [
        "Flipping only",
        "0.841 {[}0.829,~0.853{]}",
        "0.837 {[}0.789,~0.881{]}",
        "0.726 {[}0.684,~0.766{]}",
        "0.870 {[}0.826,~0.894{]}",
        "equivalent",
    ]


def test_what_has_no_room_is_continued(text: str) -> None:
    line = r"cats\_vs\_dogs, batch 32 & "
    assert line + GAP in text.splitlines()
    assert text.count("continued}") == 2  # tables 2 and 4
    assert all(line.count(" & ") < 6 for line in text.splitlines())


def test_minus_is_a_minus_and_a_hyphen_a_hyphen(text: str) -> None:
    assert f"& {GAP}" in text and "Held-out" in text


def test_special_characters_are_text(text: str) -> None:
    assert r"a \& b\_c\%\$\#\{\}, batch 64 (ours alone)" in text
    assert r"\textless{}script\textgreater{}" in text
    assert r"{[}bold{]}x{[}/bold{]} \$x\_1\$ \textbar{} \textasciigrave{}y" in text
    assert r"\textasciigrave{} {*}z{*}" in text


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("a--b---c", "a-{}-b-{}-{}-c"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("[1pt]", "{[}1pt{]}"),
        ("two\n\nlines", "two lines"),
        ("%", r"\%"),
    ],
)
def test_a_name_is_text(name: str, written: str) -> None:
    document = invented_document.document()
    for row in document["tables"][2]["rows"]:
        row["cells"] = [name, "1"]
    document["profile"] |= {"label": "X\ny", "notice": "a\nb"}
    text = render_latex(document)
    assert text.splitlines().count(f"{written} & 1 \\\\") == 3
    assert "% X y: a b" in text.splitlines()


def test_environments_close_and_lines_have_their_columns(text: str) -> None:
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    opened: list[str] = []
    for verb, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if verb == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    plain = re.sub(r"\\[{}]", "", body)
    assert plain.count("{") == plain.count("}")
    for view in re.findall(r"\\toprule\n(.*?)\\bottomrule", body, re.DOTALL):
        lines = [line for line in view.splitlines() if line != r"\midrule"]
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in lines}) == 1
        assert all(line.endswith(r" \\") for line in lines)


def test_words_and_remarks_are_there(text: str) -> None:
    for word in ("different", "equivalent", "consistent", "inconclusive"):
        assert f"& {word} \\\\" in text
    for said in (
        "mixed (mechanism check)",
        "Cells: not comparable (procedural images; trained here).",
        "not testable & the paper prints no numbers for it",
        "seed 1 diverged (loss is not finite)",
        "food\\_101 is stale: the code has changed.",
        "\\caption{Classes subsampled within one data set (EMBEDDED). Accuracy falls",
    ):
        assert said in text


def test_a_users_own_folder_has_a_table_of_its_own() -> None:
    text = render_latex(invented_document.transfer())
    line = r"tf\_flowers, batch 64 & 0.734 {[}0.644,~0.825{]} & 0.722 {[}0.681,~0.763{]} & "
    assert line + GAP in text.splitlines()
    assert r"Dataset & As published & Held-out & Gap \\" in text.splitlines()
