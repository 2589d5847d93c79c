"""From .cu files to a library that runs their kernels on this machine's processor.

The host code of the launchers is nvcc's; the kernels are its PTX, translated. Needs nvcc and g++;
neither a device nor its driver nor torch.
"""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

from .library import Library
from .machine_code import read_report
from .source import Module, TranslationError, read
from .toolchain import RUNTIME, compile_cuda, kept, nvcc, run
from .translate import translate

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
_CORES = os.cpu_count() or 1
_RUNTIME_FLAGS = ["-O2", "-g1", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]

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

    options = [*defines, compute, sanitizer, only]

    def kernels_of(source: Path, part: int) -> list[Path]:
        """The object of one part of a file's kernels; none if it has fewer."""

        def fill(folder: Path) -> None:
            compiled = compile_cuda(source, defines=defines, compute=compute)
            report = read_report(compiled.report)
            registers = {name: each.registers for name, each in report.kernels.items()}
            for module in islice(_parts(read(compiled.ptx), only), part, part + 1):
                file = folder / "kernels.cpp"
                try:
                    file.write_text(translate(module, registers))
                except TranslationError as error:
                    raise TranslationError(f"{source.name}: {error}") from None
                flags = [*_TRANSLATED, *_SANITIZERS[sanitizer], f"-I{RUNTIME}"]
                run("g++", *flags, "-c", file, "-o", folder / "kernels.o")

        words = ["kernels", str(source), *options, str(part)]
        return sorted(kept([source], words, fill).glob("*.o"))

    def fill(folder: Path) -> None:
        with ThreadPoolExecutor(_CORES) as pool:
            runtime = pool.submit(_runtime)
            compiled = pool.map(
                lambda source: compile_cuda(source, defines=defines, compute=compute), sources
            )
            hosts = [each.host for each in compiled]
            tasks = [(source, part) for source in sources for part in range(_CORES)]
            kernels = list(pool.map(lambda task: kernels_of(*task), tasks))
        # -Bsymbolic: our runtime's functions, not those of a CUDA that is loaded as well.
        objects = [*hosts, *(each for part in kernels for each in part), *runtime.result()]
        run("g++", "-shared", "-Wl,-Bsymbolic", "-o", folder / "emulated.so", *objects)

    words = ["library", *map(str, sources), *options]
    return kept(sources, words, fill) / "emulated.so"


def _parts(module: Module, only: str) -> Iterator[Module]:
    """Modules of about one size with the kernels that are wanted, to compile side by side."""
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
