"""Calls the launchers of an emulated library on numpy arrays."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Argument = np.ndarray | np.generic | bool | int | float | None


class EmulationError(Exception):
    """What a device would have refused, or what it would have left undefined."""


@dataclass(frozen=True)
class Schedule:
    """In which order threads run between their barriers, and blocks within a launch.

    Attributes:
        order: 0: by number; 1: backwards; 2: at random, interrupted between memory accesses.
        seed: Of the random order.
    """

    order: int = 0
    seed: int = 0

    def __str__(self) -> str:
        return ("in order", "reversed", f"seed {self.seed}")[self.order]


IN_ORDER = Schedule(0)
REVERSED = Schedule(1)
SCHEDULES = (IN_ORDER, REVERSED, *(Schedule(2, seed) for seed in range(1, 6)))


class Library:
    """An emulated library. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._library = ctypes.CDLL(str(path))
        self._library.ptx_error.restype = ctypes.c_char_p

    def call(self, launcher: str, *arguments: Argument, schedule: Schedule = IN_ORDER) -> None:
        """Runs a launcher to its end.

        Args:
            launcher: Its C name.
            arguments: An array is passed as its address, an int as int64_t, a float as double, None
                as a null pointer (and the stream); for other types, numpy's scalars.

        Raises:
            EmulationError: with the thread, the instruction and its line in the .cu file.
        """
        self._library.ptx_clear_error()
        self._library.ptx_schedule(schedule.order, ctypes.c_uint64(schedule.seed))
        code = self._library[launcher](*map(as_c, arguments))
        message = self._library.ptx_error().decode()
        if message or code != 0:
            raise EmulationError(f"[{schedule}] {message or f'{launcher}: cudaError {code}'}")


def as_c(argument: Argument) -> object:
    """An argument as a C function takes it."""
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    if isinstance(argument, np.generic):
        return np.ctypeslib.as_ctypes(np.asarray(argument))
    if isinstance(argument, bool):
        return ctypes.c_bool(argument)
    return ctypes.c_int64(argument) if isinstance(argument, int) else ctypes.c_double(argument)
