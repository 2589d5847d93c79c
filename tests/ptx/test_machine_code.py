"""What ptxas makes of the kernels: registers, local memory, the instructions that were meant."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from .emulator.build import translated
from .emulator.machine_code import instructions, read_report
from .emulator.source import read
from .emulator.toolchain import compile_cuda
from .shipped import SOURCES
from .test_ring import BUGS

KERNELS = Path(__file__).parent / "kernels"
ARCHITECTURES = ("80", "90a")

# Threads of a block where no __launch_bounds__ says so: kThreads of csrc/cuda/block.cuh.
THREADS = 256
# One block computes while another one waits for memory, unless __launch_bounds__ says otherwise.
BLOCKS_PER_MULTIPROCESSOR = 2
REGISTERS_OF_A_MULTIPROCESSOR = 65536

AMPERE = {"HMMA", "LDSM", "LDGSTS"}
HOPPER = {"HGMMA", "UTMALDG"}
HOPPER_BULK = {"HGMMA", "UBLKCP"}  # copies of contiguous bytes
# Tensor and copy instructions that a shipped kernel was written for, by its file, a part of its
# mangled name and the architecture.
SHIPPED: Mapping[tuple[str, str, str], set[str]] = {
    ("tiles", "add_tiles", "80"): AMPERE,
    ("backward", "add_gradients", "80"): AMPERE,
    ("wide", "make_weights", "80"): AMPERE,
    ("wide", "add_slabs", "80"): AMPERE,
    ("tiles_sm90", "add_tiles", "90a"): HOPPER_BULK,
    ("weights_sm90", "make_weights", "90a"): HOPPER_BULK,
    ("backward_sm90", "add_gradients", "90a"): HOPPER_BULK,
    ("slabs_sm90", "add_slabs", "90a"): HOPPER_BULK,
    **{
        (file, kernel, compute): AMPERE
        for file, kernel in (
            ("labels_forward", "add_labelled_tiles"),
            ("labels_backward", "make_labelled_weights"),
        )
        for compute in ARCHITECTURES
    },
    **{
        ("small", kernel, compute): {"HMMA", "LDSM"}
        for kernel in ("small_losses", "small_gradients")
        for compute in ARCHITECTURES
    },
}


def problems(source: Path, compute: str, wanted: Mapping[str, set[str]]) -> list[str]:
    """What is wrong with the machine code of a .cu file; `wanted` names instructions by kernel."""
    compiled = compile_cuda(source, compute=compute)
    report, code = read_report(compiled.report), instructions(compiled.host)
    kernels = {kernel.name: kernel for kernel in read(compiled.ptx).kernels}
    assert code.keys() == report.kernels.keys() == kernels.keys()
    found = [f"tensor instructions wait for each other: {line}" for line in report.serialised]
    for name, resources in report.kernels.items():
        if resources.stack_bytes or resources.spill_bytes:
            found.append(f"{name}: {resources}")
        if local := {"LDL", "STL"} & code[name].keys():
            found.append(f"{name}: local memory: {sorted(local)}")
        # A thread has a multiple of 8 of them.
        threads = kernels[name].max_threads or THREADS
        blocks = kernels[name].min_blocks or BLOCKS_PER_MULTIPROCESSOR
        registers = -(-resources.registers // 8) * 8 * threads
        if registers * blocks > REGISTERS_OF_A_MULTIPROCESSOR:
            found.append(f"{name}: {resources.registers} registers in {threads} threads")
        for part, opcodes in wanted.items():
            if part in name and not opcodes <= code[name].keys():
                found.append(f"{name}: without {sorted(opcodes - code[name].keys())}")
    missing = [part for part in wanted if not any(part in name for name in report.kernels)]
    return found + [f"no kernel {part}" for part in missing]


@pytest.mark.parametrize("compute", ARCHITECTURES)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_shipped_kernels(source: Path, compute: str) -> None:
    wanted = {
        part: opcodes
        for (file, part, each), opcodes in SHIPPED.items()
        if (file, each) == (source.stem, compute)
    }
    assert problems(source, compute, wanted) == []
    # The emulator knows the PTX of both.
    kernels = read_report(compile_cuda(source, compute=compute).report).kernels
    texts = [file.read_text() for file in translated(source, compute=compute)]
    assert sum(text.count("\nvoid kernel_") for text in texts) == len(kernels)


def of(kernel: str, found: list[str]) -> str:
    """What is said of one kernel."""
    return "\n".join(line for line in found if kernel in line)


@pytest.mark.parametrize("compute", ARCHITECTURES)
def test_what_machine_code_must_not_have(compute: str) -> None:
    found = problems(KERNELS / "machine_code.cu", compute, {})
    assert "local memory: ['LDL', 'STL']" in of("spills", found)
    assert "local memory: ['LDL', 'STL']" in of("stack_frame", found)
    assert "stack_bytes=256, spill_bytes=0" in of("stack_frame", found)
    assert "stack_bytes=0" not in of("spills", found) and "spill_bytes=0" not in of("spills", found)
    assert "32 registers in 1024 threads" not in of("spills", found)
    assert of("many_registers", found) == ""


@pytest.mark.parametrize("compute", ARCHITECTURES)
def test_tensor_instructions_that_were_meant(compute: str) -> None:
    source = KERNELS / "tensor.cu"
    found = problems(
        source, compute, {"product": AMPERE, "registers": {"HMMA", "LDSM"}, "none": set()}
    )
    assert of("product", found) == ""
    assert "without ['LDSM']" in of("registers", found)
    assert "no kernel none" in found


def test_products_that_wait_for_each_other() -> None:
    found = problems(KERNELS / "ring.cu", "90a", {"ring": HOPPER})
    # Where wgmma.fence or wait_group is missing, ptxas makes every product wait.
    waiting = [re.search(r"ringILi(\d+)E", line) for line in found]
    assert {BUGS[int(each[1])] for each in waiting if each} == {"kNoProductsFence", "kNotAwaited"}
    assert all("C75" in line and "wait for each other" in line for line in found)
    assert "without ['LDSM']" in problems(KERNELS / "ring.cu", "90a", {"ring": {"LDSM"}})[-1]
