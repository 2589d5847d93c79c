"""setup.py: what the extension was built with, and what happens where it cannot be built."""

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

from simclr_bench.losses import compiled_extension

ROOT = Path(__file__).resolve().parent.parent


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs build_ext out of place; variables given as "" are taken away."""
    merged = {**os.environ, **environment}
    for name in ("SIMCLR_BENCH_CUDA", "CXX", "CUDA_HOME", "CUDA_PATH"):
        if not environment.get(name):
            merged.pop(name, None)
    command = [sys.executable, "setup.py", "-q", "build_ext"]
    command += ["--build-lib", str(folder / "lib"), "--build-temp", str(folder / "temp")]
    return subprocess.run(command, cwd=ROOT, env=merged, capture_output=True, text=True)


def our_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("simclr-bench: ")]


def path_without_nvcc() -> str:
    """PATH without the folders that hold an nvcc."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not Path(folder, "nvcc").exists())


def compiler(folder: Path, script: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_extension_was_built() -> None:
    extension = compiled_extension()
    assert extension.built, "run: make build"
    assert extension.error is None


def test_the_extension_was_built_with_cuda_where_nvcc_fits_torch() -> None:
    nvcc = shutil.which("nvcc")
    info = compiled_extension().build_info
    assert info is not None
    if nvcc is None or torch.version.cuda is None:
        assert info["cuda"] is None
        return
    output = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    release = re.search(r"release (\d+)\.", output)
    assert release is not None
    if release.group(1) == torch.version.cuda.split(".")[0]:
        assert info["cuda"].split(".")[0] == release.group(1)
        assert info["architectures"]


def test_without_a_compiler_the_build_succeeds_with_one_notice(tmp_path: Path) -> None:
    name = "_C" + sysconfig.get_config_var("EXT_SUFFIX")
    in_place = [path.stat().st_mtime_ns for path in ROOT.glob(f"simclr_bench/{name}")]
    stale = tmp_path / "lib" / "simclr_bench" / name
    stale.parent.mkdir(parents=True)
    stale.write_text("left by an earlier build")
    done = build(tmp_path, CXX="/nonexistent", SIMCLR_BENCH_CUDA="0")
    assert done.returncode == 0, done.stderr
    (notice,) = our_lines(done.stderr)
    assert "NOTICE: no working C++ compiler (tried '/nonexistent')" in notice
    assert "pure-PyTorch path" in notice
    assert not list(tmp_path.rglob("_C*"))
    assert [path.stat().st_mtime_ns for path in ROOT.glob(f"simclr_bench/{name}")] == in_place


def test_a_compiler_that_cannot_compile_one_line_counts_as_none(tmp_path: Path) -> None:
    done = build(tmp_path, CXX=compiler(tmp_path, "exit 1"), SIMCLR_BENCH_CUDA="0")
    assert done.returncode == 0, done.stderr
    assert "NOTICE: no working C++ compiler" in done.stderr


def test_a_compiler_that_fails_on_our_sources_is_an_error(tmp_path: Path) -> None:
    script = 'case "$*" in *csrc/schemas.cpp*) echo planted >&2; exit 1;; esac\n'
    script += 'case "$*" in *csrc/*) for last; do :; done; exit 0;; esac\nexec c++ "$@"'
    done = build(tmp_path, CXX=compiler(tmp_path, script), SIMCLR_BENCH_CUDA="0")
    assert done.returncode != 0
    assert "planted" in done.stdout + done.stderr
    assert "NOTICE" not in done.stderr
    assert not list(tmp_path.rglob("_C*.so"))


def test_cuda_asked_for_without_nvcc_is_one_line(tmp_path: Path) -> None:
    done = build(tmp_path, SIMCLR_BENCH_CUDA="1", PATH=path_without_nvcc())
    assert done.returncode == 1
    assert done.stderr.splitlines() == our_lines(done.stderr)
    (line,) = our_lines(done.stderr)
    assert line.startswith("simclr-bench: SIMCLR_BENCH_CUDA=1, but ")


@pytest.mark.parametrize("switch", ["1", "auto"])
def test_an_nvcc_of_another_major_version_is_not_used(tmp_path: Path, switch: str) -> None:
    (tmp_path / "bin").mkdir()
    nvcc = Path(compiler(tmp_path / "bin", "echo 'Cuda compilation tools, release 9.1, V9.1.85'"))
    nvcc.rename(nvcc.parent / "nvcc")
    # No compiler, so that "auto" ends at the notice instead of building.
    done = build(tmp_path, CXX="/nonexistent", SIMCLR_BENCH_CUDA=switch, CUDA_HOME=str(tmp_path))
    reason = "nvcc is 9.1 and torch was built for CUDA"
    if torch.version.cuda is None:
        reason = "the installed torch is a CPU build"
    if switch == "1":
        assert done.returncode == 1
        (line,) = our_lines(done.stderr)
        assert line.startswith(f"simclr-bench: SIMCLR_BENCH_CUDA=1, but {reason}")
    else:
        assert done.returncode == 0, done.stderr
        assert f"simclr-bench: building without CUDA: {reason}" in done.stderr


def test_an_unknown_switch_is_one_line(tmp_path: Path) -> None:
    done = build(tmp_path, SIMCLR_BENCH_CUDA="yes")
    assert done.returncode == 1
    want = "simclr-bench: SIMCLR_BENCH_CUDA must be 0, 1 or auto, got 'yes'"
    assert done.stderr.splitlines() == [want]


def test_without_torch_the_build_names_the_flag(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')\n")
    done = build(tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("simclr-bench: torch is not importable")
    assert "pip install --no-build-isolation ." in line


def test_the_listed_sources_are_the_files_that_exist() -> None:
    listed = set(re.findall(r'"(csrc/[^"]+)"', (ROOT / "setup.py").read_text()))
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "csrc").rglob("*")
        if path.suffix in {".cpp", ".cu"}
    }
    assert listed == found


def test_kernels_never_include_torch_and_no_source_includes_all_of_it() -> None:
    for path in (ROOT / "csrc").rglob("*.*"):
        text = path.read_text()
        assert "torch/extension.h" not in text and "ATen/ATen.h" not in text, path
        if path.suffix in {".cu", ".cuh"} or path.name == "launchers.h":
            assert not re.search(r"#include\s+[<\"](torch|ATen|c10)/", text), path
