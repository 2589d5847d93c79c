"""The materials of a profile: for a run that is asked for, and for records that are there."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from simclr_bench.experiments.materials.embedded import EmbeddedMaterials
from simclr_bench.experiments.materials.interface import Materials
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.profiles import EMBEDDED, FOLDER, PAPER
from simclr_bench.experiments.provenance.code import CODE, DATA_CODE
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.experiments.settings.tree import NetworkSettings, Settings


def materials_for(settings: Settings) -> Materials:
    """The materials that settings ask for.

    Raises:
        UsageError: They name weights that there are not.
    """
    if settings.run.profile == EMBEDDED.name:
        return EmbeddedMaterials()
    from simclr_bench.experiments.materials.paper import FullSize, PaperMaterials

    return PaperMaterials(FullSize(network=settings.network, device=settings.run.device))


def current_inputs(profile: str) -> Callable[[Job], Mapping[str, str]]:
    """What jobs of a profile read, as it is now; what cannot be known is left out.

    Args:
        profile: Name of the profile.
    """
    if profile == PAPER.name:
        return _paper_inputs()
    embedded = EmbeddedMaterials()
    if profile == FOLDER.name:
        code = source_fingerprint(*CODE["head"], *DATA_CODE[profile])
        return lambda job: {
            "code": code,
            **(_encoder_now(job) or {"encoder": embedded.inputs_now(job)["encoder"]}),
        }
    return embedded.inputs_now


def _encoder_now(job: Job) -> dict[str, str]:
    """A folder's full-size encoder, if it has one and that is here."""
    if "network" not in job.settings:
        return {}
    from simclr_bench.experiments.materials.paper_weights import identify

    found = identify(job.settings["network"]["weights"])
    return {"encoder": found.sha256 if found else job.inputs["encoder"]}


def _paper_inputs() -> Callable[[Job], Mapping[str, str]]:
    from simclr_bench.experiments.materials.paper import paper_inputs

    @cache  # most jobs differ in their seed alone
    def found(
        network: tuple[tuple[str, Any], ...], kind: str, dataset: str, student: str
    ) -> Mapping[str, str]:
        return paper_inputs(NetworkSettings(**dict(network)), kind, dataset, student)

    def of(job: Job) -> Mapping[str, str]:
        network = tuple(sorted(job.settings["network"].items()))
        return found(network, job.kind, job.dataset, job.settings.get("student", ""))

    return of
