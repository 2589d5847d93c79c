"""From .cu files to a library that runs their kernels on this machine's processor.

nvcc compiles each file once, for a virtual architecture: that gives the PTX and the host code of
the same launchers. Needs nvcc and g++; neither a device nor its driver nor torch.
"""

import ast
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .library import Library
from .nvcc import find_nvcc
from .source import TranslationError
from .translate import translate

_HERE = Path(__file__).resolve().parent
ROOT = _HERE.parents[2]
_RUNTIME = _HERE.parent / "runtime"
_CACHE = ROOT / "build" / "ptx"

# Contraction would fuse products and sums that nvcc has left apart. Kernels alias as they like.
_TRANSLATED = [
    "-std=c++17",
    "-O1",
    "-g1",
    "-fPIC",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-march=native",
]
_RUNTIME_FLAGS = ["-std=c++17", "-O2", "-g1", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]


def nvcc_flags() -> list[str]:
    """NVCC_FLAGS of setup.py: kernels are compiled as in the product."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NVCC_FLAGS":
            return list(ast.literal_eval(node.value))
    raise AssertionError("setup.py has no NVCC_FLAGS")


# The kernels' stacks are the runtime's: the address sanitizer looks at what they point to only.
_SANITIZERS = {
    "": [],
    "address": ["-fsanitize=address", "--param", "asan-stack=0"],
    "thread": ["-fsanitize=thread"],
}


def emulate(
    *sources: Path, defines: Sequence[str] = (), compute: str = "80", sanitizer: str = ""
) -> Library:
    """Loads what `build` makes of the same arguments."""
    return Library(build(*sources, defines=defines, compute=compute, sanitizer=sanitizer))


def build(
    *sources: Path, defines: Sequence[str] = (), compute: str = "80", sanitizer: str = ""
) -> Path:
    """A library with the launchers of these files; built once, then taken from build/ptx.

    Args:
        sources: .cu files.
        defines: Macros, as after -D.
        compute: The virtual architecture, such as "80" or "90a".
        sanitizer: "address" or "thread": what watches the kernels, and only them. A process loads
            such a library only if the sanitizer's own was loaded before all others.

    Raises:
        TranslationError: an instruction that the emulator does not know.
        RuntimeError: a compiler refused; with its words.
    """
    files = {path for source in sources for path in source.parent.glob("*.*")}
    key = _key(files, [*map(str, sources), *defines, compute, sanitizer])
    library = _CACHE / key / "emulated.so"
    if not library.is_file():
        runtime = _runtime()
        with _finished(library.parent) as folder:
            objects = [
                each
                for number, source in enumerate(sources)
                for each in _compile(source, folder / str(number), defines, compute, sanitizer)
            ]
            # -Bsymbolic: our runtime's functions, not those of a CUDA that is loaded as well.
            link = ["g++", "-shared", "-Wl,-Bsymbolic"]
            _run(*link, "-o", folder / library.name, *objects, *runtime)
    return library


def _compile(
    source: Path, folder: Path, defines: Sequence[str], compute: str, sanitizer: str
) -> tuple[Path, Path]:
    """The host code of a .cu file, and its kernels."""
    folder.mkdir()
    architecture = f"arch=compute_{compute},code=compute_{compute}"
    host = folder / "host.o"
    _run(
        *(_nvcc(), "-c", *nvcc_flags(), "-gencode", architecture, "-Xcompiler", "-fPIC"),
        *(f"-D{define}" for define in defines),
        *("--keep", "--keep-dir", folder, "-o", host, source),
    )
    (ptx,) = folder.glob("*.ptx")
    translated = folder / "kernels.cpp"
    try:
        translated.write_text(translate(ptx.read_text()))
    except TranslationError as error:
        raise TranslationError(f"{source.name}: {error}") from None
    kernels = folder / "kernels.o"
    _run(
        "g++",
        *_TRANSLATED,
        *_SANITIZERS[sanitizer],
        "-I",
        _RUNTIME,
        "-c",
        translated,
        "-o",
        kernels,
    )
    return host, kernels


def _runtime() -> list[Path]:
    """The objects of ../runtime."""
    names = sorted(_RUNTIME.glob("*.cpp"))
    folder = _CACHE / _key(set(), ["runtime"])
    if not folder.is_dir():
        with _finished(folder) as unfinished:
            for source in names:
                # nvcc knows where the headers of CUDA are.
                flags = ",".join(_RUNTIME_FLAGS[1:])
                output = unfinished / f"{source.stem}.o"
                _run(_nvcc(), "-std=c++17", "-Xcompiler", flags, "-c", source, "-o", output)
    return [folder / f"{source.stem}.o" for source in names]


@contextmanager
def _finished(folder: Path) -> Iterator[Path]:
    """A folder to write to, which gets its name when all of it has been written."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        yield unfinished
        if not folder.exists():  # else another process was faster
            os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _nvcc() -> str:
    path = find_nvcc()
    assert path is not None, "the emulator needs nvcc"
    return path


def _key(files: set[Path], words: list[str]) -> str:
    """A name for what these files and words, the compilers and the emulator itself make."""
    own = {*_HERE.glob("*.py"), *_RUNTIME.iterdir()}
    digest = hashlib.sha256("\0".join(words).encode())
    digest.update(subprocess.run([_nvcc(), "--version"], capture_output=True, check=True).stdout)
    processor = Path("/proc/cpuinfo").read_text().split("flags", 2)[1].split("\n")[0]
    digest.update(processor.encode())  # -march=native
    for path in sorted(files | own):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}\n{done.stderr[:4000]}")
