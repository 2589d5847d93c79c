"""From .cu files to a library that runs their kernels on this machine's processor.

The host code of the launchers is nvcc's; the kernels are its PTX, translated. Needs nvcc and g++;
neither a device nor its driver nor torch.
"""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from .library import Library
from .machine_code import read_report
from .source import Module, TranslationError, read
from .toolchain import RUNTIME, compile_cuda, kept, nvcc, run
from .translate import translate

# Contraction would fuse products and sums that nvcc has left apart. Kernels alias as they like.
# -O1 compiles twice as long and is a little faster to run: tests take longer with it.
_TRANSLATED = [
    "-std=c++17",
    "-Og",
    "-g1",
    "-fPIC",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-march=native",
]
_CORES = os.cpu_count() or 1
_RUNTIME_FLAGS = [
    "-O2",
    "-ffp-contract=off",
    "-g1",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
]

# The kernels' stacks are the runtime's: the address sanitizer looks at what they point to only.
_SANITIZERS = {
    "": [],
    "address": ["-fsanitize=address", "--param", "asan-stack=0"],
    "thread": ["-fsanitize=thread"],
}


def emulate(*sources: Path, defines: Sequence[str] = (), compute: str = "80") -> Library:
    """Loads what `build` makes of the same arguments."""
    return Library(build(*sources, defines=defines, compute=compute))


def build(
    *sources: Path,
    defines: Sequence[str] = (),
    compute: str = "80",
    sanitizer: str = "",
    only: str = "",
) -> Path:
    """A library with the launchers of these files; built once, then taken from build/ptx.

    Args:
        sources: .cu files.
        defines: Macros, as after -D.
        compute: The architecture, such as "80" or "90a".
        sanitizer: "address" or "thread": what watches the kernels, and only them. A process loads
            such a library only if the sanitizer's own was loaded before all others.
        only: A regular expression: kernels in whose mangled names it is not found are left out, and
            cannot be launched.

    Raises:
        TranslationError: an instruction that the emulator does not know.
        RuntimeError: a compiler refused; with its words.
    """

    options = [*defines, compute, only]

    def object_of(source: Path, file: Path) -> Path:
        """What g++ makes of a part of a file's kernels."""

        def fill(folder: Path) -> None:
            flags = [*_TRANSLATED, *_SANITIZERS[sanitizer], f"-I{RUNTIME}"]
            run("g++", *flags, "-c", file, "-o", folder / "kernels.o")

        words = ["kernels", str(source), *options, sanitizer, file.name]
        return kept([source], words, fill) / "kernels.o"

    def fill(folder: Path) -> None:
        with ThreadPoolExecutor(_CORES) as pool:
            runtime = pool.submit(_runtime)
            files = pool.map(
                lambda source: translated(source, defines=defines, compute=compute, only=only),
                sources,
            )
            parts = [
                (source, file) for source, each in zip(sources, files, strict=True) for file in each
            ]
            kernels = list(pool.map(lambda part: object_of(*part), parts))
        hosts = [compile_cuda(each, defines=defines, compute=compute).host for each in sources]
        objects = [*hosts, *kernels, *runtime.result()]
        # -Bsymbolic: our runtime's functions, not those of a CUDA that is loaded as well.
        run("g++", "-shared", "-Wl,-Bsymbolic", "-o", folder / "emulated.so", *objects)

    words = ["library", *map(str, sources), *options, sanitizer]
    return kept(sources, words, fill) / "emulated.so"


def translated(
    source: Path, *, defines: Sequence[str] = (), compute: str = "80", only: str = ""
) -> list[Path]:
    """C++ for the kernels of a .cu file, in parts to compile side by side; arguments of `build`.

    Raises:
        TranslationError: an instruction that the emulator does not know.
        RuntimeError: nvcc refused; with its words.
    """

    def fill(folder: Path) -> None:
        compiled = compile_cuda(source, defines=defines, compute=compute)
        report = read_report(compiled.report)
        registers = {name: each.registers for name, each in report.kernels.items()}
        for part, module in enumerate(_parts(read(compiled.ptx), only)):
            try:
                text = translate(module, registers)
            except TranslationError as error:
                raise TranslationError(f"{source.name}: {error}") from None
            (folder / f"kernels_{part}.cpp").write_text(text)

    words = ["translated", str(source), *defines, compute, only]
    return sorted(kept([source], words, fill).glob("kernels_*.cpp"))


def _parts(module: Module, only: str) -> Iterator[Module]:
    """Modules with the kernels that are wanted: one for each core, if there are as many."""
    wanted = [kernel for kernel in module.kernels if re.search(only, kernel.name)]
    wanted.sort(key=lambda kernel: len(kernel.body))
    parts = min(len(wanted), _CORES)
    return (replace(module, kernels=wanted[part::parts]) for part in range(parts))


def _runtime() -> list[Path]:
    """The objects of ../runtime."""

    def fill(folder: Path) -> None:
        def compile_one(source: Path) -> None:
            # nvcc knows where the headers of CUDA are.
            flags = ["-std=c++17", "-Xcompiler", ",".join(_RUNTIME_FLAGS)]
            run(nvcc(), *flags, "-c", source, "-o", folder / f"{source.stem}.o")

        with ThreadPoolExecutor(_CORES) as pool:
            list(pool.map(compile_one, RUNTIME.glob("*.cpp")))

    return sorted(kept([], ["runtime"], fill).glob("*.o"))
