"""From .cu files to a library that runs their kernels on this machine's processor.

The host code of the launchers is nvcc's; the kernels are its PTX, translated. Needs nvcc and g++;
neither a device nor its driver nor torch.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .library import Library
from .machine_code import read_report
from .source import TranslationError
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
        compute: The architecture, such as "80" or "90a".
        sanitizer: "address" or "thread": what watches the kernels, and only them. A process loads
            such a library only if the sanitizer's own was loaded before all others.

    Raises:
        TranslationError: an instruction that the emulator does not know.
        RuntimeError: a compiler refused; with its words.
    """

    def fill(folder: Path) -> None:
        def objects_of(number: int) -> list[Path]:
            source = sources[number]
            compiled = compile_cuda(source, defines=defines, compute=compute)
            translated = folder / f"kernels_{number}.cpp"
            report = read_report(compiled.report)
            registers = {name: each.registers for name, each in report.kernels.items()}
            try:
                translated.write_text(translate(compiled.ptx, registers))
            except TranslationError as error:
                raise TranslationError(f"{source.name}: {error}") from None
            kernels = translated.with_suffix(".o")
            flags = [*_TRANSLATED, *_SANITIZERS[sanitizer], f"-I{RUNTIME}"]
            run("g++", *flags, "-c", translated, "-o", kernels)
            return [compiled.host, kernels]

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            runtime = pool.submit(_runtime)
            objects = [
                path for paths in pool.map(objects_of, range(len(sources))) for path in paths
            ]
        # -Bsymbolic: our runtime's functions, not those of a CUDA that is loaded as well.
        link = ["g++", "-shared", "-Wl,-Bsymbolic"]
        run(*link, "-o", folder / "emulated.so", *objects, *runtime.result())

    words = ["library", *map(str, sources), *defines, compute, sanitizer]
    return kept(sources, words, fill) / "emulated.so"


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
