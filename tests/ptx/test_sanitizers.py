"""Kernels under the address and the thread sanitizer: bugs that change no value.

A stated subset: every shipped kernel of WATCHED in a small ragged case, and the planted bugs.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .emulator.build import build
from .emulator.toolchain import ROOT
from .shipped import CONTRAST, SOURCES
from .test_planted import SOURCE as PLANTED
from .test_ring import SOURCE as RING
from .test_tensor import SOURCE as TENSOR

OPTIONS = {
    # Python keeps much until it exits; and it is not the program that was linked.
    "address": {"ASAN_OPTIONS": "detect_leaks=0"},
    "thread": {"TSAN_OPTIONS": "report_thread_leaks=0"},
}
LIBRARIES = {"address": "libasan.so", "thread": "libtsan.so"}

# Kernels are compiled for each element and kind of distillation, and for all numbers that rows are
# multiplied in: of every sort of them, two.
WATCHED = "|".join(
    (
        "fLNS_16DistillationKindE1",
        "bfloat16LNS_16DistillationKindE3",
        r"NumbersILb0ELi3ELi3EEE(?!Lb0)",
        r"NumbersILb0ELi1ELi1EEE(?!Lb1)",
        r"^(?!.*(DistillationKindE|Numbers))",
    )
)

WATCHED_OF_HOPPER = rf"^(?!.*(small_|label))(?=.*({WATCHED}))"


def watched(sanitizer: str, *case: str) -> tuple[int, str]:
    """Exit code and output of a process that runs a case of sanitized.py."""
    sources, compute, only = {
        "shipped": (SOURCES, "80", WATCHED),
        "hopper": (CONTRAST, "90a", WATCHED_OF_HOPPER),
        "planted": ([PLANTED], "80", ""),
        "tensor": ([TENSOR], "80", ""),
        "ring": ([RING], "90a", ""),
    }[case[0]]
    library = build(*sources, compute=compute, sanitizer=sanitizer, only=only)
    command = ["g++", f"-print-file-name={LIBRARIES[sanitizer]}"]
    preload = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(preload).is_file(), f"g++ comes without {LIBRARIES[sanitizer]}"
    # numpy's own threads are none of our business.
    environment = {**os.environ, "LD_PRELOAD": preload, "OPENBLAS_NUM_THREADS": "1"}
    environment.update(OPTIONS[sanitizer])
    done = subprocess.run(
        [sys.executable, "-m", "tests.ptx.sanitized", str(library), *case],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def line_of(text: str) -> str:
    """Where a text stands in the planted kernel, as sanitizers write it."""
    lines = PLANTED.read_text().splitlines()
    return f"planted.cu:{next(i for i, line in enumerate(lines, 1) if text in line)}"


@pytest.mark.parametrize("sanitizer", LIBRARIES)
@pytest.mark.parametrize(
    "case", ["shipped", "hopper", "planted kNone", "tensor kNone", "ring kNone"]
)
def test_right_kernels_are_left_in_peace(case: str, sanitizer: str) -> None:
    code, output = watched(sanitizer, *case.split())
    assert code == 0, output
    assert "done" in output and "Sanitizer" not in output, output


def test_a_read_past_the_end_is_seen() -> None:
    code, output = watched("address", "planted", "kReadsPastTheEnd")
    assert code != 0
    assert "heap-buffer-overflow" in output and line_of("const volatile float*") in output, output


@pytest.mark.parametrize(
    ("bug", "text"),
    [
        ("kUpdateIsNotAtomic", "*total = *total + mine;"),
        ("kNoBarrierAfterWriting", "tile[(t + s) % kThreads]"),
        ("kNoBarrierBeforeWriting", "tile[(t + s) % kThreads]"),
        ("kBlocksRace", "out[t] = sum;"),
    ],
)
def test_a_race_is_seen(bug: str, text: str) -> None:
    code, output = watched("thread", "planted", bug)
    assert code != 0
    assert "data race" in output and line_of(text) in output, output


def test_a_race_with_an_asynchronous_copy_is_seen() -> None:
    code, output = watched("thread", "tensor", "kNoBarrier")
    assert code != 0
    assert "data race" in output and "tensor.cu:" in output, output


def test_a_race_with_a_bulk_copy_is_seen() -> None:
    code, output = watched("thread", "ring", "kGivenBackEarly")
    assert code != 0
    assert "data race" in output and "hopper.cuh:" in output, output
