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
_TRANSLATED = [
    "-std=c++17",
    "-O1",
    "-g1",
    "-fPIC",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-march=native",
]
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

    def fill(folder: Path) -> None:
        def translated(number: int) -> tuple[Path, list[Path]]:
            source = sources[number]
            compiled = compile_cuda(source, defines=defines, compute=compute)
            report = read_report(compiled.report)
            registers = {name: each.registers for name, each in report.kernels.items()}
            files: list[Path] = []
            try:
                for part in _parts(read(compiled.ptx), only):
                    files.append(folder / f"kernels_{number}_{len(files)}.cpp")
                    files[-1].write_text(translate(part, registers))
            except TranslationError as error:
                raise TranslationError(f"{source.name}: {error}") from None
            return compiled.host, files

        def kernels_of(file: Path) -> Path:
            flags = [*_TRANSLATED, *_SANITIZERS[sanitizer], f"-I{RUNTIME}"]
            run("g++", *flags, "-c", file, "-o", file.with_suffix(".o"))
            return file.with_suffix(".o")

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            runtime = pool.submit(_runtime)
            done = list(pool.map(translated, range(len(sources))))
            hosts = [host for host, _ in done]
            kernels = list(pool.map(kernels_of, (file for _, files in done for file in files)))
        # -Bsymbolic: our runtime's functions, not those of a CUDA that is loaded as well.
        link = ["g++", "-shared", "-Wl,-Bsymbolic"]
        run(*link, "-o", folder / "emulated.so", *hosts, *kernels, *runtime.result())

    words = ["library", *map(str, sources), *defines, compute, sanitizer, only]
    return kept(sources, words, fill) / "emulated.so"


def _parts(module: Module, only: str) -> Iterator[Module]:
    """Modules of about one size with the kernels that are wanted, to compile side by side."""
    wanted = [kernel for kernel in module.kernels if re.search(only, kernel.name)]
    wanted.sort(key=lambda kernel: len(kernel.body))
    parts = min(len(wanted), os.cpu_count() or 1)
    return (replace(module, kernels=wanted[part::parts]) for part in range(parts))


def _runtime() -> list[Path]:
    """The objects of ../runtime."""

    def fill(folder: Path) -> None:
        def compile_one(source: Path) -> None:
            # nvcc knows where the headers of CUDA are.
            flags = ["-std=c++17", "-Xcompiler", ",".join(_RUNTIME_FLAGS)]
            run(nvcc(), *flags, "-c", source, "-o", folder / f"{source.stem}.o")

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(compile_one, RUNTIME.glob("*.cpp")))

    return sorted(kept([], ["runtime"], fill).glob("*.o"))
