"""What is said of the GPU: whether the targets are met, and all grids of `results/gpu`."""

from collections.abc import Sequence

from benchmarks.gpu.stages import Outcome
from benchmarks.gpu.targets import judge_all
from benchmarks.page import sections, table
from benchmarks.page.machines import Machine
from benchmarks.records.record import Record, latest

TEXT = """\
What the CUDA operators have to reach, judged by the records under `results/gpu/`: correctness (4),
NT-Xent (5), distillation (6). Times are the device's, by events, forward and backward if not said
otherwise, with a cold cache and with launches queued ahead, so that no gap between them counts; a
ratio is as above. An error is a norm over rows, against float64, beside that of the plain formula
in the same precision. A bandwidth counts each logit read once and the student's gradient written
once, over what a copy moves on the same device. Of several cells the worst is shown."""


def line(outcomes: Sequence[Outcome], records: Sequence[Record]) -> list[str]:
    """What the first screen says of it."""
    if not outcomes and not records:
        return ["- **GPU**: not measured (`make gpu` on a machine that has one)."]
    judged = judge_all(outcomes, records)
    counts = [
        f"{sum(each.verdict == verdict for each in judged)} {verdict}"
        for verdict in ("met", "NOT met", "not measured")
    ]
    devices = dict.fromkeys(each.device for each in judged if each.device)
    return [f"- **GPU**, {', '.join(devices)}: of {len(judged)} targets {', '.join(counts)}."]


def section(outcomes: Sequence[Outcome], records: Sequence[Record]) -> list[str]:
    """The targets, then a table per suite; nothing without records."""
    if not outcomes and not records:
        return []
    rows = [["target", "line", "bound", "verdict", "measured", "n", "on"]]
    rows += [
        [
            *(judged.text, str(judged.line), judged.bound, judged.verdict, judged.value),
            *("" if judged.n is None else str(judged.n), judged.device),
        ]
        for judged in judge_all(outcomes, records)
    ]
    lines = ["", "## GPU: targets", "", *TEXT.splitlines(), "", *table.markdown(rows)]
    by_device: dict[str, list[Record]] = {}
    for record in latest(records):
        by_device.setdefault(record.environment.get("gpu") or "GPU", []).append(record)
    for name, found in by_device.items():
        lines += sections.of_machine(Machine(name, tuple(found)))
    return lines
