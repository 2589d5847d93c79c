"""The plots of the page as SVG; the same records give the same bytes."""

import hashlib
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.page import words
from benchmarks.page.machines import Machine
from benchmarks.page.points import (
    COLUMNS,
    ROWS,
    Curve,
    Spot,
    curves,
    speedups,
    spots,
    temperatures,
)

# Okabe and Ito's colours, which colour-blind people tell apart; yellow is lost on white.
COLORS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#0072B2")
MARKERS = ("s", "D", "^", "v", "P", "X", "*", "<", ">")
# Ours are black and grey. Peers look the same in every plot; those that are not listed follow.
OURS = {"fused": ("black", "o"), "chunked": ("#777777", "o"), "auto": ("#777777", "d")}
PEERS = (
    *("eager", "compile", "lightly", "pytorch-metric-learning", "pytorch-metric-learning-supcon"),
    *("supcontrast-formula", "open-clip", "cut-cross-entropy", "torchdistill"),
)
WIDTH = 9.0
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.hashsalt": "simclr-bench",
}

Temperatures = dict[str, dict[float, float]]

# A figure's data, and what draws them on a figure.
Drawing = tuple[object, Callable[[Any], None]]


def _drawings(machine: Machine) -> dict[str, tuple[str, Drawing]]:
    """Per file: what it shows in words, its data, and its drawing; only what there are data for."""
    found: dict[str, tuple[str, Drawing]] = {}
    ratios = speedups(machine.records)
    if ratios:
        text = f"Speed-up over N, NT-Xent, D = {COLUMNS}, float32"
        data: object = (ratios, [name for name in ratios if name in words.differing()])
        found["speedup"] = text, (data, lambda figure: _draw_speedups(figure, ratios))
    for loss in ("nt_xent", "distillation"):
        curved = [curve for curve in curves(machine.records, loss) if curve.times]
        if curved:
            text = f"Time and memory of {words.name_of(loss)} as its rows double"
            found[f"scaling-{loss}"] = text, (curved, _scaling(loss, curved))
    at_one, by_tau = spots(machine.records), temperatures(machine.records)
    if at_one:
        text = f"Error and time, NT-Xent, N = {ROWS}, D = {COLUMNS}, float32"
        marked = [spot.provider for spot in at_one if spot.provider in words.differing()]
        data = (at_one, by_tau, marked)
        found["error"] = text, (data, lambda figure: _draw_errors(figure, at_one, by_tau))
    return found


def links(machine: Machine, folder: str) -> list[str]:
    """The Markdown that shows them."""
    lines: list[str] = []
    for name, (text, _) in _drawings(machine).items():
        title = f"{text}: {machine.title}"
        lines += ["", f"![{title}]({folder}/{machine.name}-{name}.svg)"]
    return lines


def draw(machine: Machine) -> dict[str, bytes]:
    """Every plot of a machine, by the name of its file."""
    return {
        f"{machine.name}-{name}.svg": _svg(drawing)
        for name, (_, drawing) in _drawings(machine).items()
    }


def digest(data: object) -> str:
    """What tells whether two plots show the same, whichever matplotlib drew them."""
    # Five digits: the last ones of a fitted exponent depend on the CPU.
    rounded = re.sub(r"\d+\.\d+(e[-+]\d+)?", lambda found: f"{float(found[0]):.5g}", repr(data))
    return hashlib.sha256(rounded.encode()).hexdigest()


def _svg(drawing: Drawing) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure

    data, paint = drawing
    buffer = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        paint(figure)
        # No date, so that nothing changes but with the data.
        about = {"Date": None, "Description": digest(data)}
        figure.savefig(buffer, format="svg", metadata=about)
    return buffer.getvalue()


def _looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each provider is drawn."""
    peers = [*PEERS, *(name for name in names if name not in (*PEERS, *OURS))]
    looks = OURS | {
        name: (COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)])
        for number, name in enumerate(peers)
    }
    return {
        name: {"color": color, "marker": marker, "markersize": 5, "linewidth": 1.6}
        for name, (color, marker) in looks.items()
    }


def _by_doublings(axes: Any, rows: Sequence[int]) -> None:
    """A logarithmic axis with the sizes themselves at its ticks."""
    axes.set_xscale("log", base=2)
    shown = sorted(set(rows))
    shown = shown[:: 1 + len(shown) // 10]
    axes.set_xticks(shown, [_short(row) for row in shown])
    axes.minorticks_off()


def _short(rows: int) -> str:
    for unit, letter in ((1 << 20, "M"), (1 << 10, "k")):
        if rows >= unit and rows % unit == 0:
            return f"{rows // unit}{letter}"
    return str(rows)


def _plain(axis: Any) -> None:
    """Plain numbers on a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(LogLocator(subs=()))
    axis.set_minor_formatter(NullFormatter())


# The legend where no data are.
BESIDE: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}


def _label(name: str) -> str:
    return f"{name} (another loss)" if name in words.differing() else name


def _draw_speedups(figure: Any, ratios: dict[str, dict[int, Any]]) -> None:
    axes, looks = figure.subplots(), _looks(list(ratios))
    for number, (name, points) in enumerate(ratios.items()):
        # Side by side, so that one interval does not hide another.
        shift = 2 ** (0.05 * (number - (len(ratios) - 1) / 2))
        x = [rows * shift for rows in points]
        y = [ratio.median for ratio in points.values()]
        below = [ratio.median - ratio.low for ratio in points.values()]
        above = [ratio.high - ratio.median for ratio in points.values()]
        axes.errorbar(x, y, yerr=(below, above), label=_label(name), capsize=2, **looks[name])
    axes.axhline(1, color="black", linewidth=1)
    axes.annotate("ours", (0.005, 1), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
    _by_doublings(axes, [rows for points in ratios.values() for rows in points])
    axes.set_yscale("log")
    _plain(axes.yaxis)
    axes.set_xlabel("N, rows")
    axes.set_ylabel("time over ours, 95 % interval")
    axes.set_title(f"NT-Xent, D = {COLUMNS}, float32: times as long as ours")
    axes.legend(**BESIDE)


def _scaling(loss: str, found: Sequence[Curve]) -> Callable[[Any], None]:
    return lambda figure: _draw_scaling(figure, loss, found)


def _draw_scaling(figure: Any, loss: str, found: Sequence[Curve]) -> None:
    letter = "N" if loss == "nt_xent" else "B"
    figure.set_size_inches(WIDTH, 4.9)
    looks = _looks([curve.provider for curve in found])
    every = {rows for curve in found for rows, _ in (*curve.times, *curve.peaks)}
    every |= {curve.refused for curve in found if curve.refused}
    panels = figure.subplots(1, 2)
    for axes, of, title in (
        (panels[0], "times", "time of a step, ms"),
        (panels[1], "peaks", "peak memory above the inputs, MB"),
    ):
        for curve in found:
            _draw_curve(axes, getattr(curve, of), curve.refused, looks[curve.provider])
        _by_doublings(axes, sorted(every))
        axes.set_yscale("log")
        axes.set_xlabel(f"{letter}, rows; a cross: refused at this size")
        axes.set_title(f"{words.name_of(loss)}, float32: {title}")
    handles = [_handle(looks[curve.provider]) for curve in found]
    labels = [_growth(curve, letter) for curve in found]
    figure.legend(handles, labels, loc="outside lower left", ncols=2, fontsize=8)


def _handle(look: dict[str, Any]) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)


def _growth(curve: Curve, letter: str) -> str:
    """A provider with the exponents of both panels."""
    found = ("time", curve.time_exponent), ("memory", curve.memory_exponent)
    texts = [f"{what} ${letter}^{{{power.value:.2f}}}$" for what, power in found if power]
    return f"{curve.provider}: {', '.join(texts)}" if texts else curve.provider


def _draw_curve(
    axes: Any, points: Sequence[tuple[int, float]], refused: int | None, look: dict[str, Any]
) -> None:
    """A curve, and dotted where it would have gone had the machine not refused."""
    if not points:
        return
    axes.plot([rows for rows, _ in points], [value for _, value in points], **look)
    if refused and len(points) > 1 and points[-1][0] < refused:
        (before, less), (last, value) = points[-2:]
        slope = math.log(value / less) / math.log(last / before)
        end = value * (refused / last) ** slope
        dotted = {"color": look["color"], "linestyle": ":", "linewidth": 1}
        axes.plot([last, refused], [value, end], **dotted)
        axes.plot(refused, end, marker="x", color=look["color"], markersize=7)


def _draw_errors(figure: Any, found: Sequence[Spot], by_tau: Temperatures) -> None:
    panels = figure.subplots(1, 2 if by_tau else 1, squeeze=False, sharey=True)[0]
    looks = _looks([*(spot.provider for spot in found), *by_tau])
    names = dict.fromkeys([*(spot.provider for spot in found), *by_tau])
    for spot in reversed(found):  # ours last, on top
        dot = {**looks[spot.provider], "linestyle": "none", "markersize": 8}
        panels[0].plot(spot.ratio, spot.error, **dot)
    panels[0].set_xscale("log")
    _plain(panels[0].xaxis)
    panels[0].set_xlabel("time over ours")
    panels[0].set_ylabel("relative error of the gradient")
    panels[0].set_title(f"NT-Xent, N = {ROWS}, D = {COLUMNS}, float32")
    if by_tau:
        for name, points in by_tau.items():
            panels[1].plot(list(points), list(points.values()), **looks[name])
        shown = sorted({tau for points in by_tau.values() for tau in points})
        panels[1].set_xscale("log")
        panels[1].set_xticks(shown, [f"{tau:g}" for tau in shown], rotation=45)
        panels[1].minorticks_off()
        panels[1].set_xlabel("temperature")
        panels[1].set_title("the same by temperature")
    for axes in panels:
        axes.set_yscale("log")
        axes.axhline(words.BOUNDS["float32"], color="black", linewidth=1, linestyle="--")
    place = {"xycoords": ("axes fraction", "data"), "va": "bottom", "fontsize": 8}
    panels[0].annotate("wrong above", (0.01, words.BOUNDS["float32"]), **place)
    labels = [_label(name) for name in names]
    panels[-1].legend([_handle(looks[name]) for name in names], labels, **BESIDE)
