"""What the plots draw, and that the same records give the same bytes."""

from pathlib import Path

import pytest

from benchmarks.grid.losses import nt_xent
from benchmarks.page import page, plots, points, words
from benchmarks.records.record import append
from tests.benchmarks.invented import record
from tests.benchmarks.page.measured import OURS, machine, point, standard
from tests.test_benchmarks_page import digest


def test_the_same_records_give_the_same_bytes_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, again = (plots.draw(machine(standard())) for _ in range(2))
    assert first == again
    assert set(first) == {"a-machine-speedup.svg", "a-machine-error.svg"}
    other = plots.draw(machine(standard(eager=3.1)))
    monkeypatch.setattr(words, "differing", lambda: {"peer": "keeps the diagonal"})
    marked = plots.draw(machine(standard()))
    for name in first:
        assert first[name] != marked[name] != other[name] and digest(first[name]) != digest(
            other[name]
        )


def test_speedups_are_of_peers_at_one_width_in_one_precision() -> None:
    records = [
        *standard(),
        record("chunked", nt_xent(256, 128), ratio=2.0, **OURS),
        record("fused", nt_xent(512, 128), suite="sweep", ratio=1.0, **OURS),
        record("eager", nt_xent(512, 128), suite="sweep", ratio=2.5),
        record("fused", nt_xent(256, 128), allocator="tuned", ratio=1.0, **OURS),
        record("eager", nt_xent(256, 128), allocator="tuned", ratio=1.5),
    ]
    found = points.speedups(records)
    assert list(found) == ["eager", "compile", "peer"]
    assert {rows: ratio.median for rows, ratio in found["eager"].items()} == {
        256: 3.0,
        512: 2.5,
        4096: 3.0,
    }


def test_a_curve_knows_where_it_was_refused() -> None:
    records = [point("eager", 1024, 50.0, 90.0), point("eager", 2048, None)]
    (found,) = points.curves(records, "nt_xent")
    assert (found.times, found.peaks) == (((1024, 50.0),), ((1024, 90.0),))
    assert (found.refused, found.lacking) == (2048, "memory")


def test_errors_are_of_one_size_with_their_dependence_on_temperature() -> None:
    sharp = nt_xent(4096, 128, temperature=0.02)
    records = [*standard(), record("eager", sharp, suite="accuracy", gradient_error=2e-2)]
    spots = [(spot.provider, spot.ratio, spot.error) for spot in points.spots(records)]
    assert spots == [
        ("fused", 1.0, 7e-8),
        ("eager", 3.0, 4e-7),
        ("compile", 2.0, 4e-7),
        ("peer", 7.0, 4e-7),
    ]
    assert points.temperatures(records) == {"eager": {0.02: 2e-2}}


def test_everything_is_drawn_and_linked() -> None:
    doubled = [point("fused", 2**k, 4.0 ** (k - 8), 2.0 ** (k - 8)) for k in range(8, 13)]
    doubled += [point("eager", 2**k, 5 * 4.0 ** (k - 8), 4.0 ** (k - 8)) for k in range(8, 11)]
    sharp = record(
        "eager", nt_xent(4096, 128, temperature=0.02), suite="accuracy", gradient_error=2e-2
    )
    found = machine([*standard(), *doubled, point("eager", 2048, None), sharp])
    drawn = plots.draw(found)
    names = {f"a-machine-{name}.svg" for name in ("speedup", "scaling-nt_xent", "error")}
    assert set(drawn) == names
    text = "\n".join(plots.links(found, "results/plots"))
    assert all(f"(results/plots/{name})" in text for name in names)


def test_a_plot_that_no_record_asks_for_any_more_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path / "cpu" / "a-machine", standard())
    stale = tmp_path / page.PLOTS / "gone-speedup.svg"
    stale.parent.mkdir()
    stale.write_text("<svg/>")
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "BENCHMARKS.md")
    assert page.main() == 0
    written = {path.name for path in stale.parent.iterdir()}
    assert written == {"a-machine-speedup.svg", "a-machine-error.svg"}
    assert "a-machine-speedup.svg" in (tmp_path / "BENCHMARKS.md").read_text()


@pytest.mark.parametrize(
    ("rows", "text"),
    [(256, "256"), (1024, "1k"), (1536, "1536"), (1 << 19, "512k"), (3 << 20, "3M")],
)
def test_sizes_at_an_axis_are_short_and_exact(rows: int, text: str) -> None:
    assert plots._short(rows) == text
