"""The embedded profile: procedural images, and networks that are trained here when missing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from simclr_bench.data.dispositions import EMBEDDED_SETS
from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.experiments.materials.encoders import EmbeddedEncoder
from simclr_bench.experiments.materials.interface import Costs, Execute, Missing
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.planning.resolve import SetSize, Sources
from simclr_bench.experiments.profiles import EMBEDDED
from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.provenance.code import CODE, DATA_CODE
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.training.base_recipe import BASE_RECIPES

SETS = {
    name: SetSize(classes=chosen.classes, train_images=chosen.train_images)
    for name, chosen in EMBEDDED_SETS.items()
}


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Hashes of what jobs read, the same for all embedded sets: these are code.

    Attributes:
        code: Of what executes a job, by kind.
        encoder: Of the encoder.
        bases: Of the students' bases, by name.
    """

    code: Mapping[str, str]
    encoder: str
    bases: Mapping[str, str]

    def of(self, kind: str, dataset: str = "", student: str = "") -> dict[str, str]:
        """The inputs of a job of this kind; with its base where it is a student's."""
        inputs = {"code": self.code[kind], "encoder": self.encoder}
        return inputs | ({"base": self.bases[student]} if student else {})


def embedded_inputs() -> Inputs:
    """The hashes as they are now."""
    return Inputs(
        code={
            kind: source_fingerprint(*modules, *DATA_CODE[EMBEDDED.name])
            for kind, modules in CODE.items()
        },
        encoder=EmbeddedEncoder().key,
        bases={name: EmbeddedBase(name).key for name in BASE_RECIPES},
    )


class EmbeddedMaterials:
    """The embedded profile's side of `interface.Materials`."""

    def __init__(self) -> None:
        self._inputs = embedded_inputs()

    def sources(self) -> Sources:
        return Sources(profile=EMBEDDED.name, sets=SETS, inputs=self._inputs.of)

    def inputs_now(self, job: Job) -> dict[str, str]:
        return self._inputs.of(job.kind, job.dataset, job.settings.get("student", ""))

    def missing(self, jobs: Iterable[Job]) -> list[Missing]:
        return []

    def make(self, jobs: Sequence[Job], progress: Progress) -> None:
        EmbeddedEncoder().obtain(progress)
        for name in dict.fromkeys(job.settings["student"] for job in jobs if job.kind == "student"):
            EmbeddedBase(name).obtain(progress)

    def environment(self) -> dict[str, Any]:
        return EmbeddedEncoder().environment()

    def prepare(self, workers: int) -> Callable[[], Execute]:
        return partial(_executor, workers)

    def fitting(self, jobs: Sequence[Job], most: int) -> int:
        return most

    def costs(self, jobs: Sequence[Job], processes: int) -> Costs:
        from simclr_bench.experiments.materials.embedded_costs import embedded_costs

        return embedded_costs(jobs, processes)


def _executor(workers: int) -> Execute:
    """Reads the encoder from the cache; bases follow when a student asks for them."""
    from simclr_bench.experiments.execution.embedded import embedded_bench
    from simclr_bench.experiments.execution.execute import execute

    return partial(execute, bench=embedded_bench(workers))
