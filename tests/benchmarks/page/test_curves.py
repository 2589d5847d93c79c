"""A table of invented curves."""

from benchmarks.grid.losses import nt_xent
from benchmarks.page.curves import curves
from tests.benchmarks.invented import record


def test_a_curve_is_shown_up_to_its_refusal_with_its_exponents() -> None:
    sizes = (1024, 2048, 4096)
    ours = [
        record("fused", nt_xent(n, 128), times_ms=(6.0 * (n / 1024) ** 2,), peak_mb=1.2)
        for n in sizes
    ]
    eager = [
        record("eager", nt_xent(1024, 128), times_ms=(12.0,), peak_mb=34.5),
        record("eager", nt_xent(2048, 128), not_run="refused: out of memory"),
    ]
    absent = record("lightly", nt_xent(1024, 128), not_run="not installed (no module): pip install")
    assert curves([*ours, *eager, absent]) == [
        ["rows", "fused", "eager", "lightly"],
        ["1024", "6 ms, 1 MB", "12 ms, 34 MB", "not installed (no module)"],
        ["2048", "24 ms, 1 MB", "refused", ""],
        ["4096", "96 ms, 1 MB", "", ""],
        ["time exponent", "2.00 [2.00, 2.00], 1024 to 4096", "", ""],
        ["memory exponent", "", "", ""],
    ]
    assert curves([]) == []
