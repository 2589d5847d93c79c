"""Builds the one extension module, simclr_bench._C; everything else is in pyproject.toml.

C++ sources always; CUDA sources when nvcc is found (on PATH or in $CUDA_HOME) and its major version
is that of the installed torch.

    SIMCLR_BENCH_CUDA      0: never; 1: CUDA or an error; auto or unset: when possible
    TORCH_CUDA_ARCH_LIST   default "8.0+PTX;9.0a"
    MAX_JOBS               default: the cores this process may use

Without any usable compiler the package is installed without the extension and runs on its
pure-PyTorch path. A compiler that works but fails on these sources is an error. Nothing is
downloaded.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import setuptools

ROOT = Path(__file__).resolve().parent
ARCHITECTURES = "8.0+PTX;9.0a"
SETUPTOOLS = 77  # the first to read pyproject.toml's license field; brings its own bdist_wheel

# Listed, not globbed: a forgotten file should be a link error.
CPP_SOURCES = [
    "csrc/build_info.cpp",
    "csrc/contrast_autograd.cpp",
    "csrc/cpu/capability.cpp",
    "csrc/cpu/contrast.cpp",
    "csrc/cpu/contrast_kernels.cpp",
    "csrc/cpu/distillation.cpp",
    "csrc/cpu/isa/avx2.cpp",
    "csrc/cpu/isa/avx512.cpp",
    "csrc/cpu/isa/avx512_bf16.cpp",
    "csrc/cpu/isa/baseline.cpp",
    "csrc/distillation_autograd.cpp",
    "csrc/module.cpp",
    "csrc/schemas.cpp",
]
CUDA_SOURCES = [
    "csrc/cuda/distillation/distillation.cpp",
    "csrc/cuda/distillation/kernels.cu",
    "csrc/cuda/nt_xent/nt_xent.cpp",
    "csrc/cuda/nt_xent/backward.cu",
    "csrc/cuda/nt_xent/backward_sm90.cu",
    "csrc/cuda/nt_xent/forward.cu",
    "csrc/cuda/nt_xent/labels_backward.cu",
    "csrc/cuda/nt_xent/labels_forward.cu",
    "csrc/cuda/nt_xent/pack.cu",
    "csrc/cuda/nt_xent/rows.cu",
    "csrc/cuda/nt_xent/slabs_sm90.cu",
    "csrc/cuda/nt_xent/small.cu",
    "csrc/cuda/nt_xent/tiles.cu",
    "csrc/cuda/nt_xent/tiles_sm90.cu",
    "csrc/cuda/nt_xent/weights_sm90.cu",
    "csrc/cuda/nt_xent/wide.cu",
]

# No -march=native: a wheel runs on other machines. No fast-math in either compiler: NaN, infinity
# and the order of sums are part of what the operators promise. -fopenmp is for at::parallel_for.
CXX_FLAGS = ["-O3", "-g0", "-fopenmp", "-fvisibility=hidden", "-Wall"]
NVCC_FLAGS = ["-O3", "-lineinfo"]


def say(text: str) -> None:
    print(f"simclr-bench: {text}", file=sys.stderr, flush=True)


def stop(text: str) -> None:
    sys.exit(f"simclr-bench: {text}")


def nvcc_release(nvcc: Path) -> str | None:
    """The toolkit release an nvcc belongs to, such as "13.0"; None if it does not run."""
    try:
        output = subprocess.run(
            [nvcc, "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"release (\d+\.\d+)", output)
    return match.group(1) if match else None


def toolkit_of(nvcc: Path, release: str) -> Path | None:
    """The folder that holds nvcc's headers; not always nvcc's parent, since it may be a wrapper."""
    candidates = [nvcc.parent.parent, nvcc.resolve().parent.parent]
    dry_run = subprocess.run([nvcc, "--dryrun", "-c", "x.cu"], capture_output=True, text=True)
    if match := re.search(r"^#\$ TOP=(.+)$", dry_run.stderr, re.MULTILINE):
        candidates.append(Path(match.group(1).strip()))
    candidates += [Path(f"/usr/local/cuda-{release}"), Path("/usr/local/cuda")]
    for folder in candidates:
        if not (folder / "include" / "cuda_runtime.h").is_file():
            continue
        if nvcc_release(folder / "bin" / "nvcc") == release:
            return folder.resolve()
    return None


def find_cuda(torch_cuda: str | None) -> tuple[Path, str] | None:
    """The toolkit to build with and its release, or None; obeys SIMCLR_BENCH_CUDA."""
    switch = os.environ.get("SIMCLR_BENCH_CUDA", "auto").strip() or "auto"
    if switch not in {"0", "1", "auto"}:
        stop(f"SIMCLR_BENCH_CUDA must be 0, 1 or auto, got {switch!r}")
    if switch == "0":
        return None

    def without(reason: str) -> None:
        if switch == "1":
            stop(f"SIMCLR_BENCH_CUDA=1, but {reason}")
        say(f"building without CUDA: {reason}")

    if torch_cuda is None:
        return without("the installed torch is a CPU build")
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    in_home = Path(home, "bin", "nvcc") if home else None
    on_path = shutil.which("nvcc")
    if in_home and in_home.is_file():
        nvcc = in_home
    elif on_path:
        nvcc = Path(on_path)
    else:
        return without("no nvcc on PATH or in $CUDA_HOME/bin")
    release = nvcc_release(nvcc)
    if release is None:
        return without(f"{nvcc} --version failed")
    if release.split(".")[0] != torch_cuda.split(".")[0]:
        return without(f"nvcc is {release} and torch was built for CUDA {torch_cuda}")
    toolkit = toolkit_of(nvcc, release)
    if toolkit is None:
        return without(f"no cuda_runtime.h found for {nvcc}; set CUDA_HOME to the toolkit's folder")
    return toolkit, release


def compiler_works() -> bool:
    """Whether the C++ compiler turns one line into an object file."""
    command = shlex.split(os.environ.get("CXX", "c++"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.cpp")
        source.write_text("#include <vector>\nint main() { return std::vector<int>(1)[0]; }\n")
        try:
            done = subprocess.run(
                [*command, "-c", source, "-o", Path(folder, "probe.o")], capture_output=True
            )
        except OSError:
            return False
        return done.returncode == 0


def source_hash() -> str:
    """Identifies the content of csrc/: the first 16 digits of a SHA-256 over names and bytes."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "csrc").rglob("*")):
        if path.is_file():
            name = path.relative_to(ROOT).as_posix().encode()
            digest.update(b"%d %s %d " % (len(name), name, path.stat().st_size))
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def write_if_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if int(setuptools.__version__.split(".")[0]) < SETUPTOOLS:
    stop(
        f"setuptools {setuptools.__version__} is too old to build this; "
        "run: pip install 'setuptools>=77,<82' ninja pybind11"
    )

try:
    import torch
except ImportError as error:
    stop(
        f"torch is not importable in the environment that builds ({error}); install torch, then "
        "run: pip install --no-build-isolation ."
    )

try:
    import pybind11

    PYBIND11 = [pybind11.get_include()]
except ImportError:
    PYBIND11 = []  # torch brings the headers along

try:
    import ninja

    os.environ["PATH"] = os.pathsep.join([ninja.BIN_DIR, os.environ.get("PATH", "")])
except ImportError:
    pass  # a ninja on PATH serves as well; torch says so if there is none

CUDA = find_cuda(torch.version.cuda)
if CUDA:
    os.environ["CUDA_HOME"] = str(CUDA[0])  # before torch guesses its own
    os.environ.setdefault("TORCH_CUDA_ARCH_LIST", ARCHITECTURES)
os.environ.setdefault("MAX_JOBS", str(len(os.sched_getaffinity(0))))

from torch.utils.cpp_extension import (  # noqa: E402
    BuildExtension,
    CppExtension,
    CUDAExtension,
)


class BuildExtensionIfPossible(BuildExtension):
    """Writes the header with the build's facts, then builds; without a compiler, builds nothing."""

    def run(self) -> None:
        if not compiler_works():
            if CUDA and os.environ.get("SIMCLR_BENCH_CUDA") == "1":
                stop("SIMCLR_BENCH_CUDA=1, but no working C++ compiler was found")
            self._remove_earlier_builds()
            self.extensions = []
            say(
                "NOTICE: no working C++ compiler (tried "
                f"{os.environ.get('CXX', 'c++')!r}); installing without the compiled operators. "
                "The losses run on the pure-PyTorch path. To have the compiled ones, install g++ "
                "or set CXX, and install again."
            )
            return
        if getattr(self, "editable_mode", False):
            # pip gives a temporary folder; here the objects of `make build` are up to date.
            name = f"temp.{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
            self.build_temp = str(Path("build", name))
        self._write_build_info()
        super().run()

    def _remove_earlier_builds(self) -> None:
        """An extension left by an earlier build would otherwise be packed or imported as if new."""
        folders = [Path(self.build_lib)]
        if self.inplace or self.editable_mode:
            folders.append(ROOT)
        for extension in self.extensions:
            for folder in folders:
                (folder / self.get_ext_filename(extension.name)).unlink(missing_ok=True)

    def _write_build_info(self) -> None:
        generated = Path(self.build_temp).resolve() / "generated"
        values = {
            "FLAGS": quoted(" ".join(CXX_FLAGS)),
            "CUDA_VERSION": quoted(CUDA[1]) if CUDA else "nullptr",
            "CUDA_FLAGS": quoted(" ".join(NVCC_FLAGS) if CUDA else ""),
            "ARCHITECTURES": quoted(";".join(architectures())),
            "SOURCE_HASH": quoted(source_hash()),
            "TORCH": quoted(torch.__version__),
        }
        lines = [f"#define SIMCLR_BENCH_{name} {value}\n" for name, value in values.items()]
        write_if_changed(generated / "build_info_values.h", "#pragma once\n\n" + "".join(lines))
        for extension in self.extensions:
            extension.include_dirs.insert(0, str(generated))


def architectures() -> list[str]:
    """Of TORCH_CUDA_ARCH_LIST, such as "8.0+PTX"; none without CUDA."""
    return re.split(r"[;\s]+", os.environ["TORCH_CUDA_ARCH_LIST"].strip()) if CUDA else []


def extension() -> object:
    make = CUDAExtension if CUDA else CppExtension
    hopper = any(each.startswith("9.0a") for each in architectures())
    return make(
        "simclr_bench._C",
        sorted(CPP_SOURCES + CUDA_SOURCES) if CUDA else CPP_SOURCES,
        include_dirs=list(PYBIND11),
        define_macros=[("SIMCLR_BENCH_SM90A", None)] if hopper else [],
        extra_compile_args={"cxx": CXX_FLAGS, "nvcc": NVCC_FLAGS},
        extra_link_args=["-fopenmp"],
    )


setuptools.setup(ext_modules=[extension()], cmdclass={"build_ext": BuildExtensionIfPossible})
