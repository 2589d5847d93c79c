"""`doctor`: one line per check of this machine, with its remedy."""

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.text import Text

from simclr_bench.cli.output import print_json, print_line
from simclr_bench.errors import SimclrBenchError

TESTED = {"torch": "2.11.0", "torchvision": "0.26.0"}
REINSTALL = "pip install torch==2.11.0 torchvision==0.26.0, both from the same index"
REBUILD = (
    "pip install --no-build-isolation --force-reinstall --no-deps simclr-bench's source folder"
)

# An encoder, its records and figures take a few MiB; below this something else is about to break.
LEAST_FREE_BYTES = 200 * 2**20

STYLES = {"ok": "green", "note": "yellow", "fault": "bold red"}
FAULTY = 3


@dataclass(frozen=True)
class Check:
    """One line.

    Attributes:
        name: What was looked at.
        status: "ok"; "note" for what limits without stopping; "fault" for what stops a command.
        found: What is there.
        remedy: What to do about it, or "".
    """

    name: str
    status: str
    found: str
    remedy: str = ""


def run(options: argparse.Namespace) -> int:
    """Runs `doctor`."""
    checks = [check() for check in CHECKS]
    faults = [check for check in checks if check.status == "fault"]
    if options.json:
        print_json({"checks": [asdict(check) for check in checks], "faults": len(faults)})
    else:
        for check in checks:
            remedy = f"; {check.remedy}" if check.remedy else ""
            line = Text.assemble(
                (f"{check.status:5}", STYLES[check.status]),
                f"  {check.name}: {check.found}{remedy}",
            )
            print_line(line)
    return FAULTY if faults else 0


def check_python() -> Check:
    """Is this Python recent enough?"""
    found = f"{platform.python_version()} at {sys.executable}"
    return Check("python", "ok", found)


def check_torch() -> Check:
    """Does torch import, in the version that was tested?"""
    return _check_package("torch")


def check_torchvision() -> Check:
    """Does torchvision import beside this torch?"""
    return _check_package("torchvision")


def _check_package(name: str) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(name, "fault", "not installed", REINSTALL)
    try:
        import_module(name)
    except Exception as error:  # a broken pair raises RuntimeError, a broken library OSError
        reason = str(error).strip().split("\n")[0]
        if "torchvision::nms does not exist" in reason:
            pair = f"torchvision {found} is not built for torch {_version('torch')}"
            return Check(name, "fault", f"{pair} ({reason})", REINSTALL)
        return Check(name, "fault", f"{found} does not import ({reason})", REINSTALL)
    if found.split("+")[0] != TESTED[name]:
        return Check(name, "note", f"{found}, not tested; {TESTED[name]} is", REINSTALL)
    return Check(name, "ok", found)


def check_extension() -> Check:
    """Is the compiled extension there, and what was it built with?"""
    try:
        from simclr_bench.losses import compiled_extension

        extension = compiled_extension()
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        return Check("extension", "fault", f"unknown ({reason})", "mend the faults above first")
    if extension.error is not None:
        return Check("extension", "fault", f"does not load ({extension.error})", REBUILD)
    info = extension.build_info
    if info is None:
        found = "not built: the losses run on the slower pure-PyTorch path"
        return Check("extension", "note", found, f"install a C++ compiler, then {REBUILD}")
    cpu = f"CPU kernels ({extension.cpu_capability})"
    if info["cuda"] is None:
        remedy = f"for CUDA kernels put nvcc on PATH, then {REBUILD}"
        return Check("extension", "ok", f"{cpu}, {info['compiler']}", remedy)
    architectures = ", ".join(info["architectures"])
    found = f"{cpu}, CUDA {info['cuda']} kernels for {architectures}, {info['compiler']}"
    return Check("extension", "ok", found)


def check_device() -> Check:
    """Is there a CUDA device?"""
    try:
        import torch

        if torch.cuda.is_available():
            major, minor = torch.cuda.get_device_capability()
            name = torch.cuda.get_device_name()
            return Check("cuda device", "ok", f"{name}, compute capability {major}.{minor}")
    except Exception as error:
        return Check("cuda device", "note", f"unknown, torch does not answer ({error})")
    return Check("cuda device", "note", "none: everything runs on the CPU")


def check_data() -> Check:
    """Are the data there?"""
    embedded = "the embedded sets are drawn when they are needed, no files"
    try:
        from simclr_bench.datasets.catalog import DATASETS
        from simclr_bench.datasets.library import read_manifest

        imported = [name for name in DATASETS if read_manifest(name) is not None]
    except SimclrBenchError as error:
        found, _, remedy = str(error).partition("; ")
        return Check("data", "fault", found, remedy)
    said = ", ".join(imported) or "none of the paper's sets"
    return Check("data", "ok", f"{embedded}; imported for --profile paper: {said}")


def check_weights() -> Check:
    """Are the encoders and bases trained here whole, and the pretrained weights in the library?"""
    try:
        from simclr_bench.experiments.materials.bases import EmbeddedBase
        from simclr_bench.experiments.materials.encoders import EmbeddedEncoder
        from simclr_bench.storage.cache import cache_directory
        from simclr_bench.training.base_recipe import BASE_RECIPES
        from simclr_bench.training.encoder_cache import read_encoder
        from simclr_bench.weights.library import installed

        where = f"encoder cache {cache_directory()}"
        keys = {"encoder": EmbeddedEncoder().key}
        keys |= {f"{name} base": EmbeddedBase(name).key for name in BASE_RECIPES}
        missing = [name for name, key in keys.items() if read_encoder(key) is None]
    except SimclrBenchError as error:
        found, _, remedy = str(error).partition("; ")
        return Check("weights", "fault", found, remedy)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        return Check("weights", "fault", f"unknown ({reason})", "mend the faults above first")
    library = installed(check=True)
    faults = [each.fault for each in library if each.fault]
    if faults:
        found, _, remedy = faults[0].partition("; ")
        return Check("weights", "fault", found, remedy)
    names = ", ".join(each.name for each in library)
    pretrained = f"; pretrained, checksums right: {names}" if library else ""
    if missing:
        found = f"without {', '.join(missing)}; the first reproduce that needs one trains it"
        return Check("weights", "ok", f"{where}: {found}{pretrained}")
    found = f"{', '.join(keys)} are there, checksums right"
    return Check("weights", "ok", f"{where}: {found}{pretrained}")


def check_disk() -> Check:
    """Is there room where results and encoders go?"""
    from simclr_bench.storage.cache import cache_directory

    places = {"here": Path.cwd(), "encoder cache": _existing(cache_directory())}
    free = {name: shutil.disk_usage(place).free for name, place in places.items()}
    found = ", ".join(f"{name} {size / 2**30:.1f} GiB free" for name, size in free.items())
    locked = [str(place) for place in places.values() if not os.access(place, os.W_OK)]
    if locked:
        remedy = "choose others with --out and SIMCLR_BENCH_CACHE"
        return Check("disk", "fault", f"not writable: {', '.join(locked)}", remedy)
    if min(free.values()) < LEAST_FREE_BYTES:
        return Check("disk", "fault", found, "free some, or use --out and SIMCLR_BENCH_CACHE")
    return Check("disk", "ok", found)


CHECKS: tuple[Callable[[], Check], ...] = (
    check_python,
    check_torch,
    check_torchvision,
    check_extension,
    check_device,
    check_data,
    check_weights,
    check_disk,
)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(none)"


def _existing(path: Path) -> Path:
    """The nearest ancestor that exists: where a new directory would be made."""
    return path if path.exists() or path == path.parent else _existing(path.parent)
