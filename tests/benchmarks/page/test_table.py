"""Tables of a race: a line per provider for the terminal, a row per cell for the page."""

import pytest

from benchmarks.grid.cells import ImageCell
from benchmarks.grid.losses import nt_xent
from benchmarks.page import table, words
from benchmarks.page.machines import grids
from tests.benchmarks.invented import ENVIRONMENT, record
from tests.benchmarks.page.measured import GONE, OURS, race, standard

CEILINGS = {**ENVIRONMENT, "ceilings": {"matmul_gflop_s": 100.0, "copy_gb_s": 10.0}}


def test_the_terminal_has_a_line_for_each_provider() -> None:
    records = race(nt_xent(256, 128), eager=3.0, peer=GONE)
    heading, ours, eager, peer = table.races(records)
    assert heading[:5] == ["float32", "provider", "ms", "over ours [95 %]", "gradient"]
    assert "images/s" not in heading
    assert ours[:5] == ["nt_xent N=256 D=128", "fused", "2.00", "ours", "7e-8"]
    assert eager[:5] == ["", "eager", "6.00", "3.00 [3.00, 3.00]", "4e-7"]
    assert peer[:5] == ["", "peer", "", "not installed", ""]
    assert max(len(line) for line in table.aligned(table.races(records))) <= 120


def test_the_terminal_shows_a_wrong_gradient() -> None:
    rows = table.races([record("fused", ratio=1.0, gradient_error=0.3)])
    assert rows[1][4] == "3e-1 WRONG"


def test_another_loss_has_a_dagger_and_is_not_called_wrong() -> None:
    records = [record("fused", ratio=1.0), record("open-clip", ratio=1.4, gradient_error=0.3)]
    assert table.races(records)[2][1:5] == ["open-clip †", "2.80", "1.40 [1.40, 1.40]", "3e-1"]
    (line,) = table.differences(records)
    assert line.startswith("† open-clip: ") and "half" in line


def test_the_terminal_keeps_precision_classes_apart() -> None:
    small = nt_xent(256, 128, "bfloat16")
    records = [
        record("fused", ratio=1.0),
        record("fused", small, ratio=1.0, precision="bfloat16"),
        record("fused-float32", small, ratio=2.0, precision="float32"),
    ]
    column = [row[:2] for row in table.races(records)]
    assert column == [
        ["float32", "provider"],
        ["nt_xent N=256 D=128", "fused"],
        ["bfloat16", "provider"],
        ["nt_xent N=256 D=128", "fused"],
        ["", "fused-float32 (float32)"],
    ]


def test_the_terminal_shows_images_a_second() -> None:
    rows = table.races(race(ImageCell("augment", 64, 32, 48), peer=2.0))
    assert "images/s" in rows[0]
    assert [row[rows[0].index("images/s")] for row in rows[1:]] == ["32000", "16000"]


def test_nothing_raced_is_no_table() -> None:
    assert table.races([record("fused", suite="memory", peak_mb=3.0)]) == []
    assert table.aligned([]) == [] and table.markdown([]) == []


def test_a_grid_has_an_error_beside_every_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "differing", lambda: {"peer": "keeps the diagonal"})
    grid = grids(race(nt_xent(256, 128), eager=3.0, peer=GONE))[0]
    heading, row = table.grid(grid)
    assert heading[:5] == ["size", "ours, ms", "ours, error", "eager", "peer †"]
    assert row[:5] == ["N=256 D=128", "2.00", "7e-8", "3.00 [3.00, 3.00] · 4e-7", "not installed"]


def test_a_grid_shows_what_was_achieved_of_the_ceilings() -> None:
    cell = nt_xent(1024, 128)  # 6 N^2 D operations in 2 ms
    with_ceilings = [record("fused", cell, ratio=1.0, environment=CEILINGS)]
    for records, flops in (
        (with_ceilings, "403 (403 %)"),
        ([record("fused", cell, ratio=1.0)], "403"),
    ):
        heading, row = table.grid(grids(records)[0])
        assert row[heading.index("GFLOP/s")] == flops


def test_a_grid_of_images_has_rates_and_no_blank_columns() -> None:
    heading, row = table.grid(grids(race(ImageCell("augment", 64, 32, 48), peer=2.0))[0])
    assert heading == ["size", "ours, ms", "ours, images/s", "peer", "rounds"]
    assert row == ["B=64 48 to 32 px", "2.00", "32000", "2.00 [2.00, 2.00] · 16000/s", "7/0"]


def test_a_wrong_gradient_is_marked_in_a_training_step_too() -> None:
    wrong = record("eager", ImageCell("train", 128, 32), ratio=1.0, gradient_error=0.3)
    assert table.beside(wrong) == "1.00 [1.00, 1.00] · 64000/s · **✗ 3e-1**"


def test_a_column_holds_one_precision_class_and_names_another() -> None:
    cells = [nt_xent(256, 128), nt_xent(256, 128, "bfloat16")]
    records = [
        record("fused", cells[0], ratio=1.0, **OURS),
        record("fused", cells[1], ratio=1.0, precision="bfloat16", **OURS),
        record("eager", cells[1], ratio=4.0, precision="bfloat16"),
        record("fused-float32", cells[1], ratio=2.0, precision="float32", **OURS),
    ]
    found = [(grid.kind, table.grid(grid)[0][3:5]) for grid in grids(records)]
    assert [kind for kind, _ in found] == ["float32", "bfloat16"]
    assert found[1][1] == ["eager", "fused-float32 (float32)"]


def test_disturbed_rounds_that_were_kept_are_counted() -> None:
    shares = (0.0,) * 5 + (0.07, 0.5)
    ours = record("fused", times_ms=(1.0,) * 7, ratios=(1.0,) * 7, foreign_cpu=shares)
    assert table.races([ours])[1][-1] == "7/0 (2 disturbed)"


def test_a_race_without_ours_shows_times() -> None:
    peer = record("eager", times_ms=(5.0,) * 7)
    assert table.beside(peer) == "5.00 ms"


def test_allocators_and_suites_have_a_table_each() -> None:
    records = [*standard(), *race(nt_xent(64, 32), eager=2.0)]
    tuned = [
        record("fused", ratio=1.0, allocator="tuned"),
        record("x", suite="memory", peak_mb=1.0),
    ]
    found = [(grid.work, grid.suite, grid.allocator) for grid in grids([*records, *tuned])]
    assert found == [
        ("nt_xent", "standard", "default"),
        ("nt_xent", "standard", "tuned"),
        ("distillation", "standard", "default"),
    ]


def test_suites_of_one_name_share_a_table_by_size() -> None:
    records = [*race(nt_xent(512, 128), eager=3.0, peer=7.0), *race(nt_xent(256, 64), eager=2.0)]
    heading, small, large = table.grid(grids(records)[0])
    assert heading[3:5] == ["eager", "peer"]
    assert small[:5] == ["N=256 D=64", "2.00", "7e-8", "2.00 [2.00, 2.00] · 4e-7", ""]
    assert large[4] == "7.00 [7.00, 7.00] · 4e-7"
