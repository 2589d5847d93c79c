"""The first screen's lines about works with images: a training step, views, features."""

from benchmarks.grid.cells import ImageCell, LossCell
from benchmarks.page import table, words
from benchmarks.page.machines import Machine, Race, by_cell, ours_of, peers, ratio_of, standard

# In a training step: next to no loss, so that what ours takes beyond it is the loss.
NETWORK_ONLY = "network-only"


def training(machine: Machine) -> list[str]:
    """When the loss matters in a training step: its share, and whose makes it longer or shorter."""
    races = [
        race
        for race in by_cell(r for r in machine.records if isinstance(r.cell, ImageCell))
        if _is(race, "train")
    ]
    texts = [_step(machine, race) for race in races] or ["not measured"]
    return [f"- **A training step** with ours, and with another loss: {'; '.join(texts)}."]


def views_and_features(machine: Machine) -> list[str]:
    """A line for each other work with images: who is slower than ours, and who is faster."""
    lines = []
    for work in ("augment", "extract"):
        races = [race for race in by_cell(machine.records) if _is(race, work)]
        texts = [_beside_ours(race) for race in races]
        if texts:
            lines.append(f"- **{words.name_of(work)}**, times ours: {'; '.join(texts)}.")
    return lines


def _beside_ours(race: Race) -> str:
    ours = ours_of(race)
    dtype = "" if ours.cell.dtype == "float32" else f" {ours.cell.dtype}"
    found = sorted((r for name, r in race.items() if r.ratio and name != r.ours), key=ratio_of)
    texts = [f"{r.provider}{table.dagger(r.provider)} {table.over_ours(r)}" for r in found]
    return f"{words.size_of(ours.cell)}{dtype}, {', '.join(texts)}"


def _is(race: Race, work: str) -> bool:
    """Whether it is a race of a work, not a quick one, that ours took part in."""
    first = next(iter(race.values()))
    wanted = first.cell.work == work and first.suite != "quick" and first.ours in race
    return wanted and bool(ours_of(race).times_ms)


def _step(machine: Machine, race: Race) -> str:
    ours = ours_of(race)
    others = [r for r in peers(race) if r.ratio and r.provider != NETWORK_ONLY]
    slower = [f"{r.provider} {words.ratio(r.ratio)}" for r in others if r.ratio and r.ratio.low > 1]
    faster = [
        f"{r.provider} {words.ratio(r.ratio)}" for r in others if r.ratio and r.ratio.high < 1
    ]
    verdict = [f"longer with {', '.join(slower)}"] if slower else []
    verdict += [f"shorter with {', '.join(faster)}"] if faster else []
    none = f"no difference shown to any of {len(others)}" if others else "no other was run"
    dtype = "" if ours.cell.dtype == "float32" else f" {ours.cell.dtype}"
    share = _share(machine, race)
    return (
        f"{words.size_of(ours.cell)}{dtype}, {words.number(ours.median_ms)} ms"
        f"{f' (loss {share})' if share else ''}, {' and '.join(verdict) or none}"
    )


def _share(machine: Machine, race: Race) -> str:
    """The part of our step that is the loss: beyond a network without one, else as raced alone."""
    step, bare = ours_of(race), race.get(NETWORK_ONLY)
    if bare and bare.ratio:
        found = [
            100 * (1 - ratio) for ratio in (bare.ratio.median, bare.ratio.high, bare.ratio.low)
        ]
        return f"{found[0]:.1f} % [{found[1]:.1f}, {found[2]:.1f}]"
    assert isinstance(step.cell, ImageCell)
    for other in standard(machine, "nt_xent"):
        ours = ours_of(other)
        assert isinstance(ours.cell, LossCell)
        same_size = (ours.cell.rows, ours.cell.columns) == (2 * step.cell.images, 128)
        if same_size and ours.median_ms and step.median_ms:
            return f"{words.percent(ours.median_ms / step.median_ms)}"
    return ""
