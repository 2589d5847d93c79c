"""The compilers that the emulator calls, and build/ptx, which keeps what they have made."""

import ast
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .nvcc import find_nvcc

_HERE = Path(__file__).resolve().parent
ROOT = _HERE.parents[2]
RUNTIME = _HERE.parent / "runtime"
_CACHE = ROOT / "build" / "ptx"


@dataclass(frozen=True)
class Compiled:
    """What nvcc makes of a .cu file.

    Attributes:
        host: The object with its launchers; the machine code of its kernels lies in it.
        ptx: What the machine code is made of.
        report: What ptxas says of each kernel, with -v.
    """

    host: Path
    ptx: str
    report: str


def compile_cuda(source: Path, *, defines: Sequence[str] = (), compute: str = "80") -> Compiled:
    """Compiles a .cu file for one architecture, with the flags of the product.

    Args:
        source: The file.
        defines: Macros, as after -D.
        compute: The architecture, such as "80" or "90a".

    Raises:
        RuntimeError: nvcc refused; with its words.
    """

    def fill(folder: Path) -> None:
        architecture = f"arch=compute_{compute},code=sm_{compute}"
        report = run(
            *(nvcc(), "-c", *nvcc_flags(), "-gencode", architecture, "-Xcompiler", "-fPIC"),
            *("-Xptxas", "-v", *(f"-D{define}" for define in defines)),
            *("--keep", "--keep-dir", folder, "-o", folder / "host.o", source),
        )
        (folder / "ptxas.txt").write_text(report)

    folder = kept([source], ["nvcc", str(source), *defines, compute], fill)
    (ptx,) = folder.glob("*.ptx")
    return Compiled(folder / "host.o", ptx.read_text(), (folder / "ptxas.txt").read_text())


def nvcc_flags() -> list[str]:
    """NVCC_FLAGS of setup.py: kernels are compiled as in the product."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NVCC_FLAGS":
            return list(ast.literal_eval(node.value))
    raise AssertionError("setup.py has no NVCC_FLAGS")


def nvcc() -> str:
    path = find_nvcc()
    assert path is not None, "the emulator needs nvcc"
    return path


def run(*command: str | Path) -> str:
    """Runs a compiler; returns what it has said on stderr."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}\n{done.stderr[:4000]}")
    return done.stderr


def kept(sources: Sequence[Path], words: Sequence[str], fill: Callable[[Path], None]) -> Path:
    """The folder of build/ptx for what these files and words make; `fill` writes it, once.

    It gets its name when all of it has been written. Processes that want the same wait for the one
    that began.
    """
    folder = _CACHE / _key(_with_included(sources), words)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
            try:
                fill(unfinished)
                os.replace(unfinished, folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _with_included(sources: Sequence[Path]) -> set[Path]:
    """The files, and what they include by a path from where they are, and so on."""
    found: set[Path] = set()
    new = [source.resolve() for source in sources]
    while new:
        path = new.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        names = re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE)
        new += [(path.parent / name).resolve() for name in names]
    return found


def _key(files: set[Path], words: Sequence[str]) -> str:
    """A name for what these files and words, the compilers and the emulator itself make."""
    own = {*_HERE.glob("*.py"), *RUNTIME.iterdir()}
    digest = hashlib.sha256("\0".join(words).encode())
    digest.update(subprocess.run([nvcc(), "--version"], capture_output=True, check=True).stdout)
    processor = Path("/proc/cpuinfo").read_text().split("flags", 2)[1].split("\n")[0]
    digest.update(processor.encode())  # -march=native
    for path in sorted(files | own):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
