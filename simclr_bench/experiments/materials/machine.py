"""What the losses run on here, asked once: the answer costs the import of torch."""

import json
import os
import platform
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simclr_bench.storage.cache import cache_directory
from simclr_bench.storage.files import make_directory, sha256_of, write_atomically


def compiled_losses() -> dict[str, Any]:
    """The build information of the compiled extension, or None, and its CPU kernels' name.

    The answer is kept in the cache directory, under a hash of all that it depends on.

    Returns:
        {"build_info", "cpu_capability"}
    """
    path = cache_directory() / "machine" / f"{sha256_of(_circumstances())[:24]}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        if found.keys() == {"build_info", "cpu_capability"}:
            return found
    except (OSError, ValueError, AttributeError):
        pass
    from simclr_bench.losses import compiled_extension

    extension = compiled_extension()
    found = {"build_info": extension.build_info, "cpu_capability": extension.cpu_capability}
    make_directory(path.parent, "the cache", "set SIMCLR_BENCH_CACHE to another")
    write_atomically(path, json.dumps(found).encode())
    return found


def _circumstances() -> dict[str, Any]:
    module = find_spec("simclr_bench._C")
    origin = module.origin if module else None
    stamp = Path(origin).stat() if origin else None
    return {
        "extension": [origin, stamp.st_mtime_ns, stamp.st_size] if stamp else None,
        "wanted": os.environ.get("SIMCLR_BENCH_CPU_CAPABILITY"),
        "torch": version("torch"),
        "python": platform.python_version(),
        "cpu": _cpu_flags(),
    }


def _cpu_flags() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
