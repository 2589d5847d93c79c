"""`make mutations`: plants bugs one by one and demands that a test notices each.

    python -m tests.mutations [NAME ...]

Works on a copy of the checkout, builds it without CUDA, applies one mutation at a time, rebuilds
where C++ changed, and runs the tests named beside it. Prints a table; exit code 1 if a bug lives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from tests.mutations.planted_cpu import ON_CPU
from tests.mutations.planted_cuda import IN_CUDA
from tests.ptx.emulator.nvcc import why_not

ROOT = Path(__file__).resolve().parents[2]


def prepare(folder: Path) -> None:
    """A copy of the tracked files, with the objects of this checkout's build, if it has one."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def build(folder: Path) -> bool:
    """Compiles the copy in place; what is up to date is left alone."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    environment = {**os.environ, "SIMCLR_BENCH_CUDA": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr[-2000:], file=sys.stderr)
    return done.returncode == 0


def notices(folder: Path, tests: str) -> str | None:
    """The first test that fails in the copy; None if none does."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *tests.split()], cwd=folder, capture_output=True, text=True)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode == 0:
        return None
    return failed[0].split(" ")[1] if failed else f"pytest exit code {done.returncode}"


def capabilities() -> list[str]:
    """What the CPU of this machine can run, and "nvcc" where CUDA kernels can be emulated."""
    import_module("torch")  # whose libraries the module needs loaded
    supported: list[str] = import_module("simclr_bench._C").supported_cpu_capabilities()
    return supported if why_not() else [*supported, "nvcc"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutations")
    parser.add_argument("names", nargs="*", help="words that the name of a mutation holds")
    wanted = parser.parse_args().names
    chosen = [
        m for m in (*ON_CPU, *IN_CUDA) if not wanted or any(word in m.name for word in wanted)
    ]
    for mutation in chosen:
        if mutation.needs not in capabilities():
            print(f"not available  {mutation.name}: this machine has no {mutation.needs}")
    chosen = [m for m in chosen if m.needs in capabilities()]
    for mutation in chosen:
        if (ROOT / mutation.file).read_text().count(mutation.old) != 1:
            raise SystemExit(f"{mutation.name}: {mutation.file} no longer holds its text once")
    lives = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "copy")
        folder.mkdir()
        prepare(folder)
        if not build(folder):
            return 1
        for mutation in chosen:
            path = folder / mutation.file
            sound = path.read_text()
            start = time.monotonic()
            path.write_text(sound.replace(mutation.old, mutation.new))
            if not build(folder):  # also takes back the one before
                return 1
            test = notices(folder, mutation.tests)
            path.write_text(sound)
            lives += test is None
            print(
                f"{'LIVES ' if test is None else 'caught'}  {mutation.name}"
                f"  [{mutation.file}]  {test or ''}  ({time.monotonic() - start:.0f} s)",
                flush=True,
            )
    print(f"{len(chosen) - lives} of {len(chosen)} planted bugs caught")
    return 1 if lives else 0


if __name__ == "__main__":
    raise SystemExit(main())
