"""The devices by name, and what a race asks of one."""

from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.measuring import cpu, cuda

Call = Callable[[], object]


class Sampler(Protocol):
    """Takes samples of a call: each the median of some calls, in ms."""

    def __call__(self) -> float: ...

    @property
    def calls(self) -> int:
        """Calls of a sample."""

    @property
    def takes_ms(self) -> float:
        """About how long a sample takes."""


class Device(Protocol):
    """What cpu.py and cuda.py offer."""

    SLOW_ROUND_MS: float

    def sampler(self, call: Call) -> Sampler:
        """The sampler of a call that has run before."""

    def peak_mb(self, call: Call) -> float | None:
        """The most that a call holds above what is held before it; None where nobody knows."""

    def kernels_of(self, call: Call) -> int | None:
        """Kernels that a call launches; None where there are none."""

    def wait(self) -> None:
        """Until all that was launched is done."""

    def release(self) -> None:
        """Gives memory back that nobody uses."""

    def allocator(self) -> str:
        """How memory is had, as a record names it."""

    def environment(self) -> dict[str, Any]:
        """What a number needs beside it."""


DEVICES: dict[str, Device] = {"cpu": cpu, "cuda": cuda}
