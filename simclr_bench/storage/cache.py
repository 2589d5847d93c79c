"""Where everything is kept that can be made or fetched again: networks, data sets, features."""

import os
from pathlib import Path

from simclr_bench.errors import DataError


def cache_directory() -> Path:
    """$SIMCLR_BENCH_CACHE, or simclr-bench in the user's cache directory."""
    if chosen := os.environ.get("SIMCLR_BENCH_CACHE"):
        return Path(chosen)
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "simclr-bench"
    try:
        return Path.home() / ".cache" / "simclr-bench"
    except RuntimeError as error:
        raise DataError("no home directory for the cache; set SIMCLR_BENCH_CACHE") from error
