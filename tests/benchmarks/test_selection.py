"""Which suites a command line runs."""

import tomllib
from pathlib import Path

import pytest

from benchmarks.conftest import chosen_suites
from benchmarks.grid.losses import STANDARD
from benchmarks.providers import PROVIDERS
from benchmarks.run import suites

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("option", "expression", "names"),
    [
        (None, " ", {"standard", "bfloat16"}),
        (None, "nt_xent and cpu ", {"standard", "bfloat16"}),
        (None, "quick ", {"quick"}),
        (None, "quick or sweep ", {"quick", "sweep"}),
        (None, "gpu_race and not quick ", {"gpu_race"}),
        (None, "nt_xent and sweep ", {"sweep"}),
        (None, " sweep", {"sweep"}),
        (None, "nt_xent and not sweep ", {"standard", "bfloat16"}),
        (["quick", "sweep"], "nt_xent ", {"quick", "sweep"}),
    ],
)
def test_a_bare_run_is_standard_and_the_others_are_asked_for(
    option: list[str] | None, expression: str, names: set[str]
) -> None:
    assert chosen_suites(option, expression) == names


def test_the_tuned_allocator_races_nt_xent_at_one_width() -> None:
    (tuned,) = suites("standard", "nt_xent", "tuned")
    assert {cell.columns for cell in tuned.cells} == {128}
    default = suites("standard", "nt_xent", "default")
    assert {cell for suite in default for cell in suite.cells} == {*STANDARD}


def test_a_suite_of_both_losses_is_two_races() -> None:
    assert [suite.work for suite in suites("quick", None, "default")] == ["nt_xent", "distillation"]


def test_every_peer_is_pinned_in_the_extra_that_its_remedy_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in ("bench", "bench-gpu"):
        pinned = {line.split("==")[0] for line in project["optional-dependencies"][extra]}
        named = {p.package for p in PROVIDERS.values() if p.extra == extra}
        assert pinned == named - {"torch", "torchvision", "simclr-bench"}
