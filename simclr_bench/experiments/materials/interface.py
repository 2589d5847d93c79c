"""What planning, running and reporting ask of a profile, and nothing else of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.planning.resolve import Sources
from simclr_bench.experiments.progress import Progress

Execute = Callable[[Job], Outcome]


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Something that only the user can bring here.

    Attributes:
        what: In words, such as "data set dtd".
        bytes: How much there is to download.
        published: Whether that is its publisher's number; otherwise it is about so much.
        command: Gets it.
    """

    what: str
    bytes: int
    published: bool
    command: str

    def __str__(self) -> str:
        about = "" if self.published else "about "
        return f"{self.what} ({about}{self.bytes / 2**20:,.0f} MiB): `{self.command}`"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What jobs cost on this machine, before they are run.

    Attributes:
        seconds: Wall-clock time of the jobs and of what has to be made first, roughly.
        record_bytes: Room that records and predictions take, at most.
        to_make: Networks that have to be trained first.
        cache_bytes: Room that features will take in the cache.
        memory_bytes: What one process needs, where that is worth a word.
    """

    seconds: float
    record_bytes: int
    to_make: tuple[str, ...] = ()
    cache_bytes: int = 0
    memory_bytes: int = 0


class Materials(Protocol):
    """A profile's data and networks. Nothing but `prepare`, `make` and `costs` needs torch."""

    def sources(self) -> Sources:
        """What a plan must know, whether or not everything is here."""
        ...

    def inputs_now(self, job: Job) -> dict[str, str]:
        """What a job reads, as it is now; what cannot be known is left out."""
        ...

    def missing(self, jobs: Iterable[Job]) -> list[Missing]:
        """What these jobs need and only the user can bring."""
        ...

    def make(self, jobs: Sequence[Job], progress: Progress) -> None:
        """Makes, or checks, what these jobs need before any of them or a process starts.

        Raises:
            DataError: Something is corrupt, or not what it should be.
        """
        ...

    def environment(self) -> dict[str, Any]:
        """Describes this process for a record."""
        ...

    def prepare(self, workers: int) -> Callable[[], Execute]:
        """A picklable function that makes, in whichever process calls it, what executes jobs.

        Args:
            workers: Threads that prepare views ahead; 0 for none.
        """
        ...

    def fitting(self, jobs: Sequence[Job], most: int) -> int:
        """How many processes this machine's memory holds, from 1 to `most`."""
        ...

    def costs(self, jobs: Sequence[Job], processes: int) -> Costs:
        """What these jobs would cost, from a short probe of this machine."""
        ...
