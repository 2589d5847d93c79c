"""Imports a data set in processes that die where they are told to.

    python -m tests.datasets.importer NAME

For each line that it reads (a number, an archive and a cache directory, with tabs between them), it
forks a process that imports the set and is killed before the write, sync, rename or removal of that
number, and prints how the process ended: -9, or 100 more than the dangerous moments that there
were if the number was never reached.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simclr_bench.cli.progress import SilentProgress
from simclr_bench.datasets import (
    build,  # noqa: F401  (loads torch before the first fork)
    importing,
    shards,
)
from simclr_bench.datasets.catalog import Dataset
from simclr_bench.datasets.library import import_dataset
from simclr_bench.storage import files
from tests.datasets.miniature import make_miniature


def main() -> None:
    """Reads lines, prints exits."""
    dataset = make_miniature(sys.argv[1], per_class=2).dataset
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            fatal, archive, os.environ["SIMCLR_BENCH_CACHE"] = line.rstrip("\n").split("\t")
            os._exit(100 + import_until(int(fatal), dataset, Path(archive)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def import_until(fatal: int, dataset: Dataset, archive: Path) -> int:
    """Imports, and returns the number of dangerous moments, unless it is killed at one."""
    done = 0

    def dangerous(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            if done == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return function(*arguments, **options)

        return wrapped

    for call in ("fsync", "replace"):
        setattr(os, call, dangerous(getattr(os, call)))
    shards.ShardWriter.write = dangerous(shards.ShardWriter.write)  # type: ignore[method-assign]
    importing.shutil.rmtree = dangerous(importing.shutil.rmtree)  # type: ignore[assignment]
    sync = dangerous(files.sync_directory)
    for module in (importing, files):
        module.sync_directory = sync  # type: ignore[attr-defined]
    import_dataset(dataset, archive, progress=SilentProgress())
    return done


if __name__ == "__main__":
    main()
