"""What single instructions give on a device, kept in a file for the emulator to repeat.

A case is one call of a launcher of kernels/*.cu: its arguments, and the array it has filled. A
device records them (benchmarks/gpu/conformance.py, the last stage of `make gpu`), and
test_conformance.py has the emulator make the same calls: results have to be equal in every bit, or
within what the PTX manual promises of an instruction that is approximate on a device (`ALLOWED`).

A file is an .npz of arrays under their digests, so that operands that many cases share lie there
once, and an index in JSON.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import test_floats, test_integers, test_warpgroup
from .emulator.build import emulate
from .emulator.library import Argument, Library
from .instructions import operands
from .shipped import ELEMENTS, Array

KERNELS = Path(__file__).parent / "kernels"
RECORDS = Path(__file__).parent / "conformance"
INDEX = "index"

# Random operands of each type, and as many pairs of its edges.
OPERANDS = 192

# Calls a launcher of kernels/<source>.cu, which fills arrays in place.
Call = Callable[[str, str, Sequence[Argument]], None]


@dataclass(frozen=True)
class Case:
    """One call of a launcher.

    Attributes:
        source: kernels/<source>.cu.
        launcher: Its C name.
        arguments: As it takes them; arrays that it fills hold what they held before.
        filled: Which of them it fills.
    """

    source: str
    launcher: str
    arguments: tuple[Argument, ...]
    filled: int

    def results(self, call: Call) -> Array:
        """What the call has filled."""
        arguments = [x.copy() if isinstance(x, np.ndarray) else x for x in self.arguments]
        call(self.source, self.launcher, arguments)
        found = arguments[self.filled]
        assert isinstance(found, np.ndarray)
        return found


def poisoned(dtype: type, *shape: int) -> Array:
    """Bytes that no result consists of: what is not written is noticed."""
    return np.full((*shape, np.dtype(dtype).itemsize), 0xA5, np.uint8).view(dtype)[..., 0].copy()


def cases(*, hopper: bool = True) -> Iterator[Case]:
    """All that is recorded; wgmma is of Hopper alone."""
    yield from _instructions()
    yield from _collectives()
    yield from _products()
    if hopper:
        yield from _warpgroup_products()


@cache
def emulated(source: str) -> Library:
    """kernels/<source>.cu, for the architecture that it needs."""
    compute = "90a" if source == "warpgroup" else "80"
    return emulate(KERNELS / f"{source}.cu", compute=compute)


def emulator(source: str, launcher: str, arguments: Sequence[Argument]) -> None:
    """Makes a call without a device."""
    emulated(source).call(launcher, *arguments)


def _instructions() -> Iterator[Case]:
    rng = np.random.default_rng(0)
    types: tuple[type, ...] = (np.uint16, np.uint32, np.uint64, np.float32, np.float64)
    pairs = {dtype: _some(operands(dtype, rng), rng) for dtype in types}
    thirds = {dtype: rng.permutation(pair[1]) for dtype, pair in pairs.items()}
    counts = rng.integers(0, 70, 2 * OPERANDS).astype(np.uint32)
    for name, (out, in_, third) in signatures().items():
        a, b = pairs[in_]
        if name.startswith(("div_s", "div_u", "rem")):
            b = np.where(b == 0, b.dtype.type(1), b)  # by 0, a device may give anything
        c = counts if name.startswith(test_integers.COUNTS) else thirds[third]
        yield Case("instructions", name, (a, b, c, poisoned(out, a.size), a.size), 3)


def signatures() -> dict[str, tuple[type, type, type]]:
    """Types of result, first two and third operand of each launcher of instructions.cu."""
    found = {
        name: (row[0], row[1], row[2])
        for table in (test_integers.INTEGERS, test_floats.FLOATS)
        for name, row in table.items()
    }
    found |= {name: (row[0],) * 3 for name, row in test_floats.APPROXIMATE.items()}
    f32, f64 = np.float32, np.float64
    return found | {"cvt_rz_f32_f64": (f32, f64, f64), "rcp_ftz_f64": (f64, f64, f64)}


def _some(pair: list[Array], rng: np.random.Generator) -> list[Array]:
    """Some pairs of edges, and some of the random numbers that follow them."""
    edges = pair[0].size - 1000
    chosen = np.concatenate(
        [rng.choice(edges, OPERANDS), edges + rng.choice(1000, OPERANDS, replace=False)]
    )
    return [np.ascontiguousarray(x[chosen]) for x in pair]


def _collectives() -> Iterator[Case]:
    rng = np.random.default_rng(1)
    i32 = np.int32

    def numbers(count: int) -> Array:
        return rng.integers(-3, 8, count).astype(i32)

    for width in (32, 16, 4):
        for by in (0, 1, 3, 8):
            arguments = i32(width), numbers(64), i32(by), poisoned(i32, 4, 64)
            yield Case("collectives", "run_shuffles", arguments, 3)
    for mask in (0xFFFFFFFF, 0x0000FFFF, 0x80000101, 0x10):
        votes = numbers(32), np.uint32(mask), poisoned(np.uint32, 9, 32)
        yield Case("collectives", "run_votes", votes, 2)
    yield Case("collectives", "run_halves", (numbers(64), poisoned(i32, 64)), 1)
    for x in (numbers(100), np.full(100, 1, i32), np.full(100, -1, i32)):
        yield Case("collectives", "run_barriers", (x, i32(100), poisoned(i32, 4, 100)), 2)
    yield Case("collectives", "run_producer", (numbers(1), poisoned(i32, 32)), 1)


def _products() -> Iterator[Case]:
    rng, n = np.random.default_rng(2), 80
    for element in ELEMENTS[1:]:
        half = element.name == "float16"
        for transposed in (False, True):
            a, b = (element.stored(rng.standard_normal((rows, n)).astype("f4")) for rows in (16, 8))
            memory = np.ascontiguousarray(b.T) if transposed else b
            product = (np.int32(0), transposed, half, a, memory, np.int32(n))
            yield Case("tensor", "run_product", (*product, poisoned(np.float32, 16, 8)), 6)
    for tf32 in (True, False):
        words = [rng.standard_normal(size).astype("f4") for size in ((32, 4), (32, 2))]
        if not tf32:
            pairs = [ELEMENTS[2].stored(rng.standard_normal((32, k)).astype("f4")) for k in (8, 4)]
            words = [pair.view(np.uint32) for pair in pairs]
        a, b = (word.view(np.uint32) for word in words)
        d = rng.standard_normal((32, 4)).astype(np.float32)
        yield Case("tensor", "run_registers", (tf32, a, b, d), 3)


def _warpgroup_products() -> Iterator[Case]:
    """Of every form, in every layout."""
    rng = np.random.default_rng(3)
    d = rng.standard_normal((128, 32)).astype(np.float32)
    for form in test_warpgroup.FORMS:
        columns, depth = test_warpgroup.shape(form)
        for line in test_warpgroup.KINDS:
            left, right = (rng.standard_normal((n, depth)).astype("f4") for n in (64, columns))
            words = test_warpgroup.arguments(form, line, line, left, right, d, accumulate=True)
            yield Case("warpgroup", "run_product", words, 7)


def _within(ulps: float = 0.0, relative: float = 0.0, absolute: float = 0.0) -> Callable[..., Any]:
    def allowed(got: Array, want: Array) -> Array:
        size = np.abs(want.astype(np.float64))
        spacing = np.spacing(np.abs(want)).astype(np.float64)
        return np.maximum(ulps * spacing, relative * size) + absolute

    return allowed


# By launcher: how far a device may be off, as the PTX manual has it; the emulator, which rounds the
# exact result, adds an ulp. Products: sums of 80 or 8 terms of about 1, each cut to float32;
# warpgroup.cu's have 17.
ALLOWED: Mapping[str, Callable[..., Any]] = {
    "ex2_f32": _within(ulps=3),
    "ex2_ftz_f32": _within(ulps=3),
    "lg2_f32": _within(relative=2.0**-22, absolute=2.0**-22),
    "rcp_f32": _within(ulps=2),
    "rsqrt_f32": _within(relative=2.0**-21.9),
    "tanh_f32": _within(relative=2.0**-10.9),
    "rcp_ftz_f64": _within(relative=2.0**-18),
    "run_product": _within(absolute=80 * 80 * 2.0**-24),
    "run_registers": _within(absolute=8 * 9 * 2.0**-22),
}


def differences(launcher: str, got: Array, want: Array) -> int:
    """How many results differ by more than they may.

    A NaN is one whatever its bits. Approximate results that are flushed below the normal numbers
    may lie on either side of that edge.
    """
    if got.dtype.kind != "f":
        return int((got != want).sum())
    with np.errstate(all="ignore"):
        bits = f"u{got.itemsize}"
        same = (got.view(bits) == want.view(bits)) | (np.isnan(got) & np.isnan(want))
        if launcher in ALLOWED:
            off = np.abs(got.astype(np.float64) - want.astype(np.float64))
            near = off <= ALLOWED[launcher](got, want)
            edge = np.finfo(got.dtype).tiny * ("ftz" in launcher)
            same |= near | (np.maximum(np.abs(got), np.abs(want)) <= edge)
    return int((~same).sum())


def record(path: Path, call: Call, facts: Mapping[str, Any], chosen: Sequence[Case]) -> None:
    """Makes the calls and writes the file.

    Args:
        path: Of the file.
        call: Who makes them.
        facts: What is worth knowing of the device.
        chosen: The calls.
    """
    arrays: dict[str, Array] = {}

    def kept(value: Argument) -> dict[str, Any]:
        if not isinstance(value, np.ndarray):
            assert isinstance(value, np.integer | int)
            dtype = value.dtype.str if isinstance(value, np.integer) else type(value).__name__
            return {"type": dtype, "value": int(value)}
        name = hashlib.sha256(value.dtype.str.encode() + value.tobytes()).hexdigest()[:16]
        arrays[name] = value.reshape(-1)
        return {"array": name, "shape": value.shape}

    rows = [
        {
            "source": case.source,
            "launcher": case.launcher,
            "arguments": [kept(value) for value in case.arguments],
            "filled": case.filled,
            "result": kept(case.results(call)),
        }
        for case in chosen
    ]
    index = json.dumps({"facts": dict(facts), "cases": rows})
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path, allow_pickle=False, **{INDEX: np.frombuffer(index.encode(), np.uint8), **arrays}
    )


def read(path: Path) -> tuple[dict[str, Any], list[tuple[Case, Array]]]:
    """What is known of the device, and each call with its result.

    Raises:
        ValueError: An array is not what its digest says.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    index = json.loads(arrays.pop(INDEX).tobytes())
    for name, array in arrays.items():
        digest = hashlib.sha256(array.dtype.str.encode() + array.tobytes()).hexdigest()[:16]
        if digest != name:
            raise ValueError(f"{path.name}: array {name} has been changed")

    def value(kept: Mapping[str, Any]) -> Any:
        if "array" in kept:
            return arrays[kept["array"]].reshape(kept["shape"])
        if kept["type"] in {"bool", "int"}:
            return {"bool": bool, "int": int}[kept["type"]](kept["value"])
        return np.dtype(kept["type"]).type(kept["value"])

    return index["facts"], [
        (
            Case(
                row["source"],
                row["launcher"],
                tuple(value(kept) for kept in row["arguments"]),
                row["filled"],
            ),
            value(row["result"]),
        )
        for row in index["cases"]
    ]


def replay(path: Path, call: Call) -> list[str]:
    """The launchers whose results differ from the file's, with how many do."""
    found = []
    for case, want in read(path)[1]:
        if wrong := differences(case.launcher, case.results(call), want):
            found.append(f"{case.source} {case.launcher}: {wrong} of {want.size} differ")
    return found
