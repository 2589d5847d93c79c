"""A run directory knows what it was asked for."""

from pathlib import Path

import pytest

from simclr_bench.errors import DataError
from simclr_bench.experiments.planning.plan_file import NAME, load_plan, write_plan
from tests.experiments.provenance.test_standing import plan


def test_a_plan_comes_back_with_its_margin(tmp_path: Path) -> None:
    write_plan(tmp_path, plan(), 0.03)
    assert load_plan(tmp_path) == (plan(), 0.03)


def test_an_empty_directory_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"no run is here; give another with --out, or run `simclr-bench reproduce --all",
    ):
        load_plan(tmp_path)


@pytest.mark.parametrize("at", [0, 1, 500, 5000, -2])
def test_a_flipped_byte_is_noticed(tmp_path: Path, at: int) -> None:
    write_plan(tmp_path, plan(), 0.05)
    path = tmp_path / NAME
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"plan\.json: corrupt"):
        load_plan(tmp_path)
