"""The first screen: every word about an outcome follows from the records."""

from pathlib import Path

import pytest

from benchmarks.grid.cells import ImageCell
from benchmarks.grid.losses import distillation, nt_xent
from benchmarks.page import summary, words
from benchmarks.records.record import Record
from tests.benchmarks.invented import ENVIRONMENT, record
from tests.benchmarks.page.measured import GONE, OURS, machine, page, point, race, standard, train


def text(records: list[Record]) -> str:
    return "\n".join(summary.render(machine(records))).replace("\N{NBSP}", " ")


def test_it_says_how_much_faster_against_whom_where_how_exactly_and_how_to_check() -> None:
    found = text(standard())
    assert (
        "**NT-Xent, N=4096 D=128: 2.00 ms; the fastest other of the same loss, compile, takes 2.00"
        in found
    )
    assert "On A CPU, 2 threads, avx2 kernels" in found
    assert 'pytest benchmarks -k "nt_xent and cpu" --benchmark-only' in found
    assert "| NT-Xent, D=128 | N=256 | N=4096 | error |" in found
    assert "| **ours** | **2.00 ms** | **2.00 ms** | 7e-8 |" in found
    assert "| peer | 7.00 [7.00, 7.00] | 7.00 [7.00, 7.00] | 4e-7 |" in found
    assert "| Distillation | B=1024 C=1000 | error |" in found


def test_it_fits_a_screen(tmp_path: Path) -> None:
    steps = [*train(128, eager=1.0), *train(512, eager=1.0)]
    found = page(tmp_path, [*standard(), *steps], standard())
    first, _ = found.split("## How it is measured")
    unfolded, _ = first.split("<details>")
    assert len(unfolded.splitlines()) <= 45


def test_it_says_why_somebody_did_not_run() -> None:
    assert "\npeer: runs up to 256 rows.\n" in text(standard(peer="runs up to 256 rows"))
    assert GONE not in text(standard(peer=GONE))  # that is said below the grid, with the remedy


def test_who_is_wrong_or_computes_something_else_is_not_the_fastest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(words, "differing", lambda: {"peer": "keeps the diagonal"})
    wrong = record("compile", nt_xent(4096, 128), ratio=0.5, gradient_error=0.3)
    found = text([*standard(eager=3.0), wrong])
    assert "the fastest other of the same loss, eager, takes 3.00" in found
    assert "| **✗ 3e-1** |" in found and "| peer † |" in found
    assert "†: another loss, or other work: the notes below its grid say which." in found
    assert "the fastest other of the same loss, compile, takes 2.00" in text(standard(peer=1.5))


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((2.0,) * 7, "nobody is faster than ours beyond doubt."),
        ((0.8,) * 7, "faster than ours there: eager."),
        ((0.8,) * 4 + (1.1,) * 3, "nobody is faster than ours beyond doubt."),
    ],
)
def test_where_we_come_off_worst_is_said_and_whether_that_is_a_loss(
    ratios: tuple[float, ...], verdict: str
) -> None:
    cell = nt_xent(64, 32)
    slow = record("eager", cell, suite="sweep", ratios=ratios, times_ms=(2.0,) * 7)
    records = [*standard(), record("fused", cell, suite="sweep", ratio=1.0, **OURS), slow]
    (line,) = [line for line in text(records).splitlines() if "NT-Xent, where" in line]
    assert "compile 2.00 [2.00, 2.00] at N=256 D=128" in line
    assert ("eager 0.800" in line) is (ratios[0] < 1) and line.endswith(verdict)


def test_our_own_other_forms_are_no_peers() -> None:
    chunked = record("chunked", nt_xent(4096, 128), ratio=1.1, **OURS)
    found = text([*standard(), chunked])
    assert "chunked" not in found and "fastest other of the same loss, compile" in found


def test_scaling_says_exponents_and_the_largest_size() -> None:
    points = [
        point("fused", 2**k, 10.0 * 4 ** (k - 10), 30.0 * 2 ** (k - 10)) for k in range(10, 15)
    ]
    points += [point("eager", 1024, 50.0, 90.0), point("eager", 2048, None)]
    slow = "refused: a step would take ~70 s"
    points += [point("compile", 1024, 9.0, 90.0), point("compile", 2048, None, not_run=slow)]
    (line,) = [line for line in text([*standard(), *points]).splitlines() if "as N doubles" in line]
    assert "fused 2.00, 1.00, 16384; eager ?, ?, 1024 (memory); compile ?, ?, 1024 (time)." in line


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((1.2,) * 7, "longer with eager 1.20 [1.20, 1.20]"),
        ((0.9,) * 7, "shorter with eager 0.900 [0.900, 0.900]"),
        ((0.98,) * 3 + (1.04,) * 4, "no difference shown to any of 1"),
    ],
)
def test_a_training_step_says_whether_the_loss_matters(
    ratios: tuple[float, ...], verdict: str
) -> None:
    ours = train(128)
    eager = record("eager", ours[0].cell, ratios=ratios, times_ms=(2.0,) * 7)
    (line,) = [line for line in text([*ours, eager]).splitlines() if "training" in line]
    assert line.endswith(f": r18 B=128 32 px, 2.00 ms, {verdict}.")


def test_a_training_step_says_how_much_of_it_the_loss_is() -> None:
    # A step on 128 images has a loss of 256 rows.
    ours = record("fused", nt_xent(256, 128), times_ms=(0.2,) * 7, ratios=(1.0,) * 7, **OURS)
    assert "r18 B=128 32 px, 2.00 ms (loss 10 %)," in text([ours, *train(128, eager=1.0)])


def test_the_loss_is_what_a_step_takes_beyond_its_network() -> None:
    found = text(train(128, eager=1.0, **{"network-only": 0.95}))
    assert "2.00 ms (loss 5.0 % [5.0, 5.0]), no difference shown to any of 1." in found


def test_who_is_faster_with_images_is_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "differing", lambda: {"peer": "draws once"})
    augment = race(ImageCell("augment", 256, 32, 48), slow=3.0, peer=0.5, gone=GONE)
    quick = [record("peer", ImageCell("augment", 8, 32, 48), suite="quick", ratio=0.1)]
    found = text([*standard(), *augment, *quick])
    line = (
        "- **Augmentation**, times ours: B=256 48 to 32 px, peer † 0.500 [0.500, 0.500], slow 3.00"
    )
    assert line in found and "Feature extraction" not in found


def test_what_was_not_measured_is_said_to_be(tmp_path: Path) -> None:
    found = page(tmp_path, standard())
    assert "- **A training step** with ours, and with another loss: not measured." in found
    assert "- **GPU**: not measured" in found and "GPU: targets" not in found
    assert "No records of a CPU have been committed yet." in page(tmp_path / "empty")


def test_other_machines_are_folded_up_behind_an_answer(tmp_path: Path) -> None:
    newer = {"environment": {**ENVIRONMENT, "cpu": "B CPU"}, "finished": "2026-02-01T00:00:00Z"}
    other = [record("fused", nt_xent(256, 128), ratio=1.0, **OURS, **newer)]
    other += [record("eager", nt_xent(256, 128), ratio=5.0, **newer)]
    found = page(tmp_path, standard(), other)
    assert "On B CPU, 2 threads" in found
    assert "<summary><b>A CPU, 2 threads, avx2 kernels</b>, standard grid, times ours." in found
    assert " NT-Xent: eager 3.00, compile 2.00, peer 7.00. " in found


def test_a_removed_package_changes_its_row_and_column_and_nothing_else(tmp_path: Path) -> None:
    before = page(tmp_path / "before" / "results", standard())
    after = page(tmp_path / "after" / "results", standard(peer=GONE))
    pairs = list(zip(*(_without_notes(found) for found in (before, after)), strict=True))
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    assert len(changed) == 2 + 4  # a row of each table of the first screen, a cell in each grid's
    for old, new in changed:
        cells = list(zip(old.split(" | "), new.split(" | "), strict=True))
        differing = [(was, now) for was, now in cells if was != now]
        if old.startswith("| peer"):
            assert all(now.strip(" |") in {"not installed", ""} for _, now in differing)
        else:
            assert differing == [("7.00 [7.00, 7.00] · 4e-7", "not installed")]
    assert f"- peer: {GONE}" in after and f"- peer: {GONE}" not in before


def _without_notes(found: str) -> list[str]:
    """All lines that are not about the peer by name, or which versions took part."""
    named = ("- peer: ", "- versions: ", "- **NT-Xent, where", "- **Distillation, where", "**")
    return [line for line in found.splitlines() if not line.startswith(named)]


def test_distillation_alone_is_enough() -> None:
    found = text(race(distillation(64, 100), eager=4.0))
    assert "| Distillation | B=64 C=100 | error |" in found and "NT-Xent" not in found
