"""The first screen: how much faster, against whom, at what size and error, on what machine."""

from collections.abc import Sequence

from benchmarks.grid.cells import Cell, LossCell
from benchmarks.page import table, with_images, words
from benchmarks.page.machines import Machine, Race, grids, ours_of, peers, ratio_of, standard
from benchmarks.page.points import Curve, curves
from benchmarks.records.record import Record

# What is asked first, of each loss; float32, as the suite `standard` has it.
SIZES = {
    "nt_xent": ((256, 128), (1024, 128), (4096, 128), (8192, 128)),
    "distillation": ((64, 100), (1024, 1000), (1024, 21841)),
}
HEADLINES = {"nt_xent": (4096, 128), "distillation": (1024, 1000)}
COMMAND = 'pytest benchmarks -k "nt_xent and cpu" --benchmark-only'


def render(machine: Machine) -> list[str]:
    """Tables, and a line for each question that they leave open."""
    lines = [
        *(line for loss in SIZES for line in headline(machine, loss)),
        f"On {machine.title}, float32, N = 2 x batch rows, tau = 0.1",
        "(distillation: T = 4). Each number below is how many times as long as ours another takes",
        "for a loss and its gradients, median [95 % interval]; above 1, ours is faster. The error",
        "is the gradient's, relative to float64, the largest of the row. `eager` is the plain",
        "formula in PyTorch, `compile` that under torch.compile. Memory is had as glibc has it by",
        "default, which costs those who make N x N buffers page faults: `tuned`, in the grids,",
        f"spares them that. Check it (peers are in `[bench]`): `{COMMAND}`",
        "(or `distillation`).",
    ]
    for loss in SIZES:
        rows = loss_table(machine, loss)
        lines += ["", *table.markdown(rows)] if rows else []
    shown = [r for loss in SIZES for race in standard(machine, loss) for r in race.values()]
    notes = [line for line in table.left_out(shown) if words.NOT_INSTALLED not in line]
    if any(record.provider in words.differing() for record in shown):
        notes.append("†: another loss, or other work: the notes below its grid say which")
    lines += ["", f"{'; '.join(notes)}."] if notes else []
    points = [*closest(machine), *scaling(machine), *with_images.training(machine)]
    points += with_images.views_and_features(machine)
    return [*lines, "", *points]


def headline(machine: Machine, loss: str) -> list[str]:
    """One sentence: our time at one size, and who comes next with a right gradient."""
    wanted = HEADLINES[loss]
    for race in standard(machine, loss):
        ours = ours_of(race)
        others = [
            record for record in _same_work(race) if record.ratio and not words.is_wrong(record)
        ]
        if _size(ours.cell) != wanted or not others:
            continue
        next_one = min(others, key=ratio_of)
        assert next_one.ratio is not None
        place = f"{words.name_of(loss)}, {words.size_of(ours.cell)}"
        return [
            f"**{place}: {_time(ours)}; the fastest other of the same loss, {next_one.provider},"
            f" takes {words.ratio(next_one.ratio)} times as long.**",
            "",
        ]
    return []


def loss_table(machine: Machine, loss: str) -> table.Rows:
    """A row per provider and a column per size; a heading first, nothing where nothing is known.

    The last column is the largest error of the row.
    """
    races = {_size(next(iter(race.values())).cell): race for race in standard(machine, loss)}
    sizes = [size for size in SIZES[loss] if size in races]
    if not sizes:
        return []
    letters = "ND" if loss == "nt_xent" else "BC"
    titles = [f"{letters[0]}={rows} {letters[1]}={columns}" for rows, columns in sizes]
    name = words.name_of(loss)
    if len(sizes) > 1 and len({columns for _, columns in sizes}) == 1:  # said once
        name, titles = f"{name}, {titles[0].split()[1]}", [title.split()[0] for title in titles]
    ours = [ours_of(races[size]) for size in sizes]
    times = [f"**{_time(record)}**" for record in ours]
    names = dict.fromkeys(peer.provider for size in sizes for peer in peers(races[size]))
    rows = [
        [name, *titles, "error"],
        ["**ours**", *times, _largest_error(ours)],
    ]
    for peer in names:
        found = [races[size].get(peer) for size in sizes]
        cells = (table.over_ours(record) for record in found)
        worst = _largest_error([record for record in found if record is not None])
        rows.append([peer + table.dagger(peer), *cells, worst])
    return rows


def _largest_error(records: Sequence[Record]) -> str:
    """NaN is the largest of all."""
    known = [record for record in records if record.gradient_error is not None]
    worst = max(known, key=lambda r: (words.is_wrong(r), r.gradient_error), default=None)
    return "" if worst is None else words.gradient_error(worst)


def _size(cell: Cell) -> tuple[int, int] | None:
    return (cell.rows, cell.columns) if isinstance(cell, LossCell) else None


def _same_work(race: Race) -> list[Record]:
    """The peers that do what the cell says."""
    return [peer for peer in peers(race) if peer.provider not in words.differing()]


def _time(record: Record) -> str:
    return f"{words.number(record.median_ms)} ms"


def closest(machine: Machine) -> list[str]:
    """Where each peer comes closest to us or beats us, over all cells of a loss."""
    lines = []
    for loss in SIZES:
        worst: dict[str, Record] = {}
        cells: set[Cell] = set()
        for race in (race for grid in grids(machine.records) for race in grid.races):
            for peer in _same_work(race):
                if peer.cell.work != loss or peer.ratio is None:
                    continue
                cells.add(peer.cell)
                least = worst.setdefault(peer.provider, peer).ratio
                if least is not None and peer.ratio.median < least.median:
                    worst[peer.provider] = peer
        if not worst:
            continue
        found = sorted(worst.values(), key=ratio_of)
        faster = [record for record in found if record.ratio and record.ratio.high < 1]
        text = "; ".join(_closest(record) for record in found)
        verdict = f"faster than ours there: {', '.join(r.provider for r in faster)}"
        none = "nobody is faster than ours beyond doubt"
        lines.append(
            f"- **{words.name_of(loss)}, where each comes closest** in {len(cells)} cells: {text};"
            f" {verdict if faster else none}."
        )
    return lines


def _closest(record: Record) -> str:
    assert record.ratio is not None
    allocator = "" if record.allocator == "default" else f" ({record.allocator} allocator)"
    dtype = "" if record.cell.dtype == "float32" else f" {record.cell.dtype}"
    at = f"{words.size_of(record.cell)}{dtype}{allocator}"
    return f"{record.provider} {words.ratio(record.ratio)} at {at}"


def scaling(machine: Machine) -> list[str]:
    """A line per loss: exponents, the largest size that each ran, and what twice it lacked."""
    lines = []
    for loss in SIZES:
        found = [curve for curve in curves(machine.records, loss) if curve.times]
        if found:
            letter = "N" if loss == "nt_xent" else "B"
            texts = "; ".join(_curve(curve) for curve in found)
            lines.append(
                f"- **{words.name_of(loss)}, as {letter} doubles**, exponents of time and memory,"
                f" the largest {letter} that ran, and what was too short for the next: {texts}."
            )
    return lines


def _curve(curve: Curve) -> str:
    powers = [
        f"{power.value:.2f}" if power else "?"
        for power in (curve.time_exponent, curve.memory_exponent)
    ]
    largest = max(rows for rows, _ in curve.times)
    lacking = f" ({curve.lacking})" if curve.lacking else ""
    return f"{curve.provider} {', '.join(powers)}, {largest}{lacking}"


def other_machine(machine: Machine) -> list[str]:
    """The same tables, folded up behind a line that answers."""
    texts, body = [], []
    for loss in SIZES:
        rows = loss_table(machine, loss)
        if rows:
            body += ["", *table.markdown(rows)]
        ranges = _ranges(standard(machine, loss))
        if ranges:
            texts.append(f"{words.name_of(loss)}: {', '.join(ranges)}")
    if not body:
        return []
    summary = f"<b>{machine.title}</b>, standard grid, times ours. {'. '.join(texts)}."
    return ["<details>", f"<summary>{summary}</summary>", *body, "", "</details>"]


def _ranges(races: Sequence[Race]) -> list[str]:
    """Per peer the smallest and the largest median ratio."""
    found: dict[str, list[float]] = {}
    for race in races:
        for peer in peers(race):
            if peer.ratio:
                found.setdefault(peer.provider, []).append(peer.ratio.median)
    return [f"{name} {_range(values)}" for name, values in found.items()]


def _range(values: Sequence[float]) -> str:
    """From the least to the largest; one number where both are the same in print."""
    return " to ".join(dict.fromkeys(words.number(end) for end in (min(values), max(values))))
