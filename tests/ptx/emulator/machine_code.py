"""What ptxas makes of kernels: the registers and memory they take, and their instructions."""

import importlib.util
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .toolchain import nvcc


@dataclass(frozen=True)
class Resources:
    """What a thread of a kernel takes: registers, and bytes of local memory by cause."""

    registers: int
    stack_bytes: int
    spill_bytes: int


@dataclass(frozen=True)
class Report:
    """What ptxas says, with -v.

    Attributes:
        kernels: By mangled name.
        serialised: Messages that tensor instructions wait for each other.
    """

    kernels: dict[str, Resources]
    serialised: list[str]


_KERNEL = re.compile(
    r"Function properties for (\S+)\s+"
    r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\s+"
    r"(?:ptxas info\s*:\s*)Used (\d+) registers"
)


def read_report(text: str) -> Report:
    """Reads what ptxas says of the kernels of one file, for one architecture."""
    kernels = {}
    for name, stack, stores, loads, registers in _KERNEL.findall(text):
        kernels[name] = Resources(int(registers), int(stack), int(stores) + int(loads))
    assert len(kernels) == text.count("Compiling entry function"), text
    serialised = [line for line in text.splitlines() if re.search("wgmma.*serializ", line)]
    return Report(kernels, serialised)


def instructions(host: Path) -> dict[str, Counter[str]]:
    """The instructions of each kernel in an object, without modifiers: how often each stands there.

    Names of opcodes are those of the disassembler: HMMA, LDSM, LDL, ...
    """
    tool = _disassembler()
    done = subprocess.run(
        [tool, "-sass", str(host)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": str(Path(tool).parent)},  # where nvdisasm is, which it calls
    )
    kernels: dict[str, Counter[str]] = {}
    for part in done.stdout.split("Function : ")[1:]:
        name, _, body = part.partition("\n")
        opcodes = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?(\w+)", body, re.MULTILINE)
        assert opcodes, f"no instructions of {name}"
        kernels[name.strip()] = Counter(opcodes)
    return kernels


def _disassembler() -> str:
    """cuobjdump, with nvdisasm beside it: nvcc's own, or those of the packages on PyPI."""
    packages = importlib.util.find_spec("nvidia")
    locations = packages.submodule_search_locations if packages else None
    folders = [Path(nvcc()).parent, *(Path(each, "cu13", "bin") for each in locations or [])]
    for folder in folders:
        if all((folder / tool).is_file() for tool in ("cuobjdump", "nvdisasm")):
            return str(folder / "cuobjdump")
    raise AssertionError(f"no cuobjdump and nvdisasm in {folders}: make installs them")
