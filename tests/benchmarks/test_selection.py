"""Which suites a command line runs."""

import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.conftest import (
    chosen_suites,
    planned,
    pytest_collection_modifyitems,
    pytest_report_collectionfinish,
)
from benchmarks.grid import CPU_SUITES
from benchmarks.grid.estimate import TYPICAL
from benchmarks.grid.losses import STANDARD
from benchmarks.measuring import ceilings
from benchmarks.providers.everyone import PROVIDERS
from benchmarks.run import main, suites

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


def test_a_sweep_says_what_it_takes_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ceilings, "ceilings", lambda *_: TYPICAL)
    sweep, quick = (
        next(s for s in CPU_SUITES if s.name == name and s.work == "nt_xent")
        for name in ("sweep", "quick")
    )
    items: list[Any] = [
        SimpleNamespace(
            path=ROOT / "benchmarks" / "test_nt_xent.py",
            callspec=SimpleNamespace(params={"suite": suite, "cell": cell}),
        )
        for suite in (sweep, quick)
        for cell in suite.cells[1:3]
    ]
    only: Any = SimpleNamespace(getoption={"benchmark_only": True}.get)
    skip: Any = SimpleNamespace(getoption={"benchmark_only": False}.get)
    (line,) = pytest_report_collectionfinish(only, items)
    assert line.startswith("sweep: 2 cells x 3 providers x 9 rounds, about ")
    assert pytest_report_collectionfinish(only, items[2:]) == []
    assert pytest_report_collectionfinish(skip, items) == []


def test_without_a_gpu_a_run_on_one_is_refused_before_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    suite = next(s for s in CPU_SUITES if s.name == "quick")
    call = SimpleNamespace(params={"suite": suite, "cell": suite.cells[0]})
    items: list[Any] = [
        SimpleNamespace(path=ROOT / "benchmarks" / "test_nt_xent.py", callspec=call)
    ]
    options = {"benchmark_only": True, "device": "cuda", "suite": ["quick"]}
    config: Any = SimpleNamespace(
        option=SimpleNamespace(keyword="", markexpr=""),
        getoption=options.get,
        hook=SimpleNamespace(pytest_deselected=lambda items: None),
    )
    with pytest.raises(pytest.UsageError, match="finds no CUDA device here; use --device cpu"):
        pytest_collection_modifyitems(config, items)


def test_a_suite_that_lacks_a_loss_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["run", "accuracy", "--loss", "distillation"])
    with pytest.raises(SystemExit) as found:
        main()
    assert found.value.code == 2
    assert "accuracy has no distillation: leave out --loss" in capsys.readouterr().err


def test_a_test_with_a_suite_is_no_benchmark() -> None:
    """Of the tests, which have suites of all names as parameters, none is deselected."""
    call = SimpleNamespace(params={"suite": CPU_SUITES[0]})
    items: list[Any] = [SimpleNamespace(path=Path(__file__), callspec=call)]
    pytest_collection_modifyitems(SimpleNamespace(), items)  # type: ignore[arg-type]
    assert len(items) == 1 and planned(items) == []


def test_the_tuned_allocator_races_nt_xent_at_one_width() -> None:
    (tuned,) = suites("standard", "nt_xent", "tuned")
    assert {cell.columns for cell in tuned.cells} == {128}
    default = suites("standard", "nt_xent", "default")
    assert {cell for suite in default for cell in suite.cells} == {*STANDARD}


def test_a_suite_of_several_works_is_a_race_for_each() -> None:
    works = [suite.work for suite in suites("quick", None, "default")]
    assert works == ["nt_xent", "distillation", "augment", "extract", "train"]


def test_every_peer_is_pinned_in_the_extra_that_its_remedy_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in ("bench", "bench-gpu"):
        pinned = {line.split("==")[0] for line in project["optional-dependencies"][extra]}
        named = {p.package for p in PROVIDERS.values() if p.extra == extra}
        assert pinned == named - {"torch", "torchvision", "simclr-bench"}
