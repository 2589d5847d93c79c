"""`reproduce --dry-run`: what would be run, how long it would take, and the room that it needs."""

import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from simclr_bench.cli.output import print_json, print_text
from simclr_bench.experiments.materials.interface import Materials
from simclr_bench.experiments.planning.estimate import Estimate, estimate
from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.experiments.planning.plan import Request, plan_reproduction
from simclr_bench.experiments.reproduction import Resources, unfinished


def print_dry_run(
    request: Request, materials: Materials, out: Path, resources: Resources, as_json: bool
) -> None:
    """Prints the jobs of every section, what is missing, an estimate of time, and disk."""
    plan = plan_reproduction(request, materials.sources())
    left = {job.key for job in unfinished(plan, out)}
    to_run = [job for job in plan.jobs if job.key in left]
    processes = resources.processes_for(materials, to_run)
    found = estimate(materials, plan, left, processes=processes)
    missing = materials.missing(plan.jobs)
    free = shutil.disk_usage(_existing(out)).free
    sections = {
        name: (len(keys), len(keys & left)) for name, keys in _keys_by_section(plan).items()
    }
    if as_json:
        print_json(
            {
                "jobs": len(plan.jobs),
                "to_run": len(left),
                "sections": {n: {"jobs": a, "to_run": b} for n, (a, b) in sections.items()},
                "processes": processes,
                "seconds": round(found.seconds),
                "bytes": found.bytes,
                "bytes_free": free,
                "to_make": list(found.to_make),
                "cache_bytes": found.cache_bytes,
                "memory_bytes": found.memory_bytes,
                "missing": [asdict(each) for each in missing],
            }
        )
    else:
        print_text(_shown(plan, sections, found, processes, free, len(left)))
        for each in missing:
            print_text(Text(f"Missing: {each}"))


def _keys_by_section(plan: Plan) -> dict[str, set[str]]:
    """Jobs of each section; one that several sections want counts in each."""
    found: dict[str, set[str]] = {}
    for series in plan.series:
        found.setdefault(series.section, set()).update(job.key for job in series.jobs)
    return found


def _shown(
    plan: Plan,
    sections: dict[str, tuple[int, int]],
    found: Estimate,
    processes: int,
    free: int,
    left: int,
) -> RenderableType:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Section", "Jobs", "To run"):
        grid.add_column(heading, justify="left" if heading == "Section" else "right")
    for name, (jobs, missing) in sections.items():
        grid.add_row(name, str(jobs), str(missing))
    wanted = Counter(job.key for series in plan.series for job in series.jobs)
    shared = sum(1 for times in wanted.values() if times > 1)
    lines = [f"{len(plan.jobs)} jobs in all ({shared} serve several sections), {left} to run."]
    if found.to_make:
        lines.append(f"To be trained first: {', '.join(found.to_make)}.")
    if left:
        lines += [
            f"Time: {_duration(found.seconds)} with --jobs {processes}, within a factor of two;"
            " from a probe of this machine.",
            f"Disk: {found.bytes / 2**20:.1f} MiB, {free / 2**30:.1f} GiB free.",
        ]
        if found.cache_bytes:
            lines.append(
                f"Features in the cache: at most {found.cache_bytes / 2**30:.1f} GiB. Memory:"
                f" about {found.memory_bytes / 2**30:.1f} GiB for each of the {processes} processes"
                " (--jobs); fewer need less."
            )
    else:
        lines.append("Everything has a record: the answer takes seconds.")
    return Group(grid, *map(Text, lines))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 5 * 60:
        return f"about {round(minutes / 60)} h"
    return f"about {minutes} min" if minutes else "less than a minute"


def _existing(path: Path) -> Path:
    """The nearest ancestor that exists."""
    path = path.absolute()
    return path if path.exists() or path == path.parent else _existing(path.parent)
