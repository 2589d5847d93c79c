"""`list`, `show` and `--help`: the paper as data, without torch."""

import subprocess
import sys

import pytest

from simclr_bench.paper.tables import FIGURES, TABLES
from tests.command import Command


@pytest.mark.parametrize("number", TABLES)
def test_show_prints_every_printed_cell_and_every_claim(command: Command, number: str) -> None:
    result = command("show", number)
    assert result.code == 0 and result.stderr == ""
    words = " ".join(result.stdout.split())
    table = TABLES[number]
    for line in table.cells:
        for cell in line:
            assert cell in words
    for claim in table.claims:
        assert claim.id in words
    for reason in table.choices.values():
        assert reason in words


def test_list_names_all_tables_and_what_runs(command: Command) -> None:
    result = command("list")
    assert result.code == 0
    for table in TABLES.values():
        assert table.caption.split(" (")[0].split(" ")[0] in result.stdout
    for table in TABLES:
        assert f"reproduce --table {table}" in result.stdout
    for figure in FIGURES:
        assert f"reproduce --figure {figure}" in result.stdout
    words = " ".join(result.stdout.split())
    assert "8, 5 testable" in words
    assert "'tf_flowers' are one experiment; the paper prints 0.873 and 0.906" in words


def test_json_is_one_document(command: Command) -> None:
    assert [table["id"] for table in command("list", "--json").json["tables"]] == list(TABLES)
    shown = command("show", "4", "--json").json
    assert shown["printed"][2] == ["tf_flowers", "5", "Varied (250x500)", "0.906"]
    assert shown["claims"][0]["statement"]["kind"] == "ordered"


@pytest.mark.parametrize("words", [["--help"], ["list"], ["show", "4"], ["--version"]])
def test_no_torch_is_imported_for(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from simclr_bench.cli.main import main\n"
        "try:\n"
        f"    code = main({words!r})\n"
        "except SystemExit as end:\n"
        "    code = end.code\n"
        "sys.exit(code or 'torch' in sys.modules or 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_help_lists_the_exit_codes(command: Command) -> None:
    text = command("--help").stdout
    for code in ("0 done", "1 only by", "2 usage", "3 data", "4 a job", "5 run", "130/143"):
        assert code in " ".join(text.split())
