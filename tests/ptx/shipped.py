"""The kernels that the package ships, emulated, and the element types that they take."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .emulator.build import emulate
from .emulator.library import Library
from .emulator.toolchain import ROOT

Array = np.ndarray

UNIT_ROUNDOFF = 2.0**-24  # of float32, in which all kernels accumulate


CONTRAST = [
    ROOT / "csrc" / "cuda" / "nt_xent" / f"{name}.cu"
    for name in (
        "pack",
        "forward",
        "backward",
        "backward_sm90",
        "labels_backward",
        "labels_forward",
        "rows",
        "slabs_sm90",
        "tiles",
        "tiles_sm90",
        "weights_sm90",
        "wide",
        "small",
    )
]
SOURCES = [*CONTRAST, ROOT / "csrc" / "cuda" / "distillation" / "kernels.cu"]


@cache
def shipped(compute: str = "80") -> Library:
    """The launchers of csrc/cuda; for "90a", those of the contrastive losses."""
    return emulate(*(SOURCES if compute == "80" else CONTRAST), compute=compute)


@dataclass(frozen=True)
class Element:
    """A type of matrix element.

    Attributes:
        code: SimclrBenchElement, as the launchers take it.
        storage: What numpy holds it in; bfloat16 as its bits.
        roundoff: Largest relative error of rounding to it.
        step: Half of its smallest positive number.
    """

    name: str
    code: np.int32
    storage: type
    roundoff: float
    step: float

    def __str__(self) -> str:
        return self.name

    def stored(self, x: Array) -> Array:
        """Rounded to this type, to the nearest."""
        if self.name != "bfloat16":
            return x.astype(self.storage)
        bits = x.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)

    def exact(self, stored: Array) -> Array:
        """The values of stored elements, in float64."""
        if self.name != "bfloat16":
            return stored.astype(np.float64)
        return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)

    def empty(self, *shape: int) -> Array:
        """NaN everywhere: what a kernel does not write is noticed."""
        return np.full(shape, 0xFFFF, np.uint16).view(self.storage) if self.code else empty(*shape)


def empty(*shape: int, dtype: type = np.float32) -> Array:
    """NaN everywhere."""
    return np.full(shape, np.nan, dtype)


ELEMENTS = (
    Element("float32", np.int32(0), np.float32, 2.0**-24, 2.0**-150),
    Element("float16", np.int32(1), np.float16, 2.0**-11, 2.0**-25),
    Element("bfloat16", np.int32(2), np.uint16, 2.0**-8, 2.0**-134),
)
