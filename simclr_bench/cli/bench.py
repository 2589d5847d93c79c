"""`bench`: runs the benchmarks of the checkout that this package lies in.

They are no part of the package: pytest runs them, or benchmarks/comparing, in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import simclr_bench
from simclr_bench.cli.output import print_json
from simclr_bench.errors import DataError, Interrupted, JobError, UsageError

# The files under benchmarks/ of each kind of work.
MODULES = {
    "loss": ("test_nt_xent.py", "test_distillation.py"),
    "augment": ("test_augment.py",),
    "extract": ("test_extract.py",),
    "train": ("test_train.py",),
}

# pytest's exit codes, and ours: failed, interrupted, a fault in pytest, usage, nothing selected.
CODES = {0: 0, 1: 4, 2: 130, 3: 4, 4: 2, 5: 2}

LAST_WORDS_S = 10.0


def run(options: argparse.Namespace) -> int:
    """Runs `bench`."""
    checkout = find_checkout()
    if options.compare is not None:
        return _run(
            comparison_command(options), checkout, if_terminated="nothing of the comparison is kept"
        )
    for value, name in ((options.factor, "--factor"), (options.rounds, "--rounds")):
        if value is not None:
            raise UsageError(f"{name} is for --compare: add --compare BASE, or leave it out")
    missing = [name for name in ("pytest", "pytest_benchmark") if find_spec(name) is None]
    if missing:
        raise DataError(f"bench needs {' and '.join(missing)}: pip install pytest pytest-benchmark")
    if not options.json:
        code = _run(pytest_command(options, checkout), checkout)
        return CODES.get(code, code)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "benchmarks.json")
        command = [*pytest_command(options, checkout), f"--benchmark-json={path}"]
        code = _run(command, checkout, quiet=True)
        # pytest-benchmark's own document; it writes none where nothing ran.
        text = path.read_text() if path.exists() else ""
        print_json(json.loads(text) if text else {"benchmarks": []})
    return CODES.get(code, code)


def find_checkout() -> Path:
    """The folder of the checkout that this package lies in.

    Raises:
        DataError: The package is installed, and the benchmarks are not.
    """
    root = Path(simclr_bench.__file__).resolve().parents[1]
    if not ((root / "benchmarks").is_dir() and (root / "setup.py").is_file()):
        raise DataError(
            "bench runs the benchmarks of a checkout, which an installed package does not have:"
            " git clone the repository, and run `make bench` there"
        )
    return root


def pytest_command(options: argparse.Namespace, checkout: Path) -> list[str]:
    """The command that runs what was asked for."""
    modules = selection(options)
    _check_modules(checkout, modules)
    command = [sys.executable, "-m", "pytest", "--benchmark-only", *modules]
    for suite, wanted in (("quick", options.quick), ("sweep", options.sweep)):
        if wanted:
            command.append(f"--suite={suite}")
    if options.device:
        command.append(f"--device={options.device}")
    if options.record:
        command.append(f"--record={options.record.absolute()}")
    return [*command, *options.pytest]


def selection(options: argparse.Namespace) -> list[str]:
    """The files that hold what was asked for."""
    works = list(dict.fromkeys(options.works)) or list(MODULES)
    return [f"benchmarks/{name}" for work in works for name in MODULES[work]]


def _check_modules(checkout: Path, modules: Sequence[str]) -> None:
    for name in modules:
        if not (checkout / name).is_file():
            raise DataError(f"{checkout} has no {name}: check it out again")


def comparison_command(options: argparse.Namespace) -> list[str]:
    """The command that races this checkout against another build."""
    if {*options.works} - {"loss"}:
        raise UsageError("--compare races the losses: leave out other work")
    for given, name in (
        (options.sweep, "--sweep"),
        (options.device == "cuda", "--device cuda"),
        (bool(options.pytest), "what follows `--`"),
    ):
        if given:
            raise UsageError(f"{name} is not for --compare")
    folder = Path(options.compare).expanduser()
    base = str(folder.absolute()) if folder.is_dir() else options.compare
    command = [sys.executable, "-m", "benchmarks.comparing", f"--base={base}"]
    if options.factor is not None:
        command.append(f"--factor={options.factor}")
    if options.rounds is not None:
        command.append(f"--rounds={options.rounds}")
    if options.record:
        command.append(f"--record={options.record.absolute()}")
    return [*command, "--json"] if options.json else command


def _run(
    command: Sequence[str],
    checkout: Path,
    quiet: bool = False,
    if_terminated: str = "records of finished benchmarks are kept",
) -> int:
    """Runs a command in the checkout; quiet: what it prints goes to stderr."""
    environment = dict(os.environ)
    # The command line sets this for itself, and timings are of OpenMP as users have it.
    if environment.get("GOMP_SPINCOUNT") == "10000":
        del environment["GOMP_SPINCOUNT"]
    sys.stdout.flush()
    process = subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=sys.stderr if quiet else None
    )
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = _ended(process)
    except Interrupted as error:
        process.terminate()
        process.wait()
        raise Interrupted(f"terminated; {if_terminated}") from error
    if code < 0:
        raise JobError(f"the benchmarks were ended by signal {-code}")
    return code


def _ended(process: subprocess.Popen[bytes]) -> int:
    """130, once a process that had the same signal as we, as a terminal sends it, has ended."""
    try:
        process.wait(LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
    return 130
