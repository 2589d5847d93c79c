"""The paper profile: its data sets, published weights, networks at full size."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from simclr_bench.datasets.catalog import DATASETS
from simclr_bench.datasets.library import Manifest, read_manifest
from simclr_bench.errors import UsageError
from simclr_bench.experiments.materials.interface import Costs, Execute, Missing
from simclr_bench.experiments.materials.machine import compiled_losses
from simclr_bench.experiments.materials.paper_weights import (
    check_name,
    identify,
    label_of,
    missing_weights,
    seed_of,
)
from simclr_bench.experiments.materials.process_memory import process_memory
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.planning.resolve import SetSize, Sources
from simclr_bench.experiments.profiles import PAPER
from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.provenance.code import CODE, DATA_CODE
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.experiments.settings.tree import NetworkSettings
from simclr_bench.results.environment import describe_environment

if TYPE_CHECKING:
    from simclr_bench.experiments.execution.features import Bench
    from simclr_bench.experiments.execution.inputs import LoadedData

BASES = ("vgg16", "resnet50")


@dataclass(frozen=True, kw_only=True)
class FullSize:
    """What a process must know to run jobs of this profile; nothing of it is read before.

    Attributes:
        network: Which networks, and what they are shown.
        device: "auto", "cpu" or "cuda".
    """

    network: NetworkSettings
    device: str

    def place(self) -> str:
        """Where networks run.

        Raises:
            UsageError: CUDA is asked for, and there is none.
        """
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise UsageError(
                "run.device=cuda, but torch finds no CUDA device; `simclr-bench doctor` says what"
                " is there, and --device cpu runs without"
            )
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device


class PaperMaterials:
    """The paper profile's side of `interface.Materials`."""

    def __init__(self, full_size: FullSize) -> None:
        """
        Args:
            full_size: Networks and device.

        Raises:
            UsageError: A name is of no weights.
        """
        self._full_size = full_size
        self._names = {"weights": full_size.network.weights}
        self._names |= {base: getattr(full_size.network, base) for base in BASES}
        for key, name in self._names.items():
            check_name(name, f"network.{key}")

    def sources(self) -> Sources:
        return Sources(
            profile=PAPER.name,
            sets={name: _size_of(name) for name in DATASETS},
            inputs=partial(paper_inputs, self._full_size.network),
            settings=self._settings,
        )

    def inputs_now(self, job: Job) -> dict[str, str]:
        student = job.settings.get("student", "")
        return paper_inputs(self._full_size.network, job.kind, job.dataset, student)

    def missing(self, jobs: Iterable[Job]) -> list[Missing]:
        found: dict[str, Missing | None] = {}
        for job in jobs:
            if job.dataset not in found:
                found[job.dataset] = _missing_data(job.dataset)
            for key in ("weights", *([job.settings["student"]] if job.kind == "student" else [])):
                name = self._names[key]
                if name not in found:
                    found[name] = missing_weights(name)
        return [each for each in found.values() if each is not None]

    def make(self, jobs: Sequence[Job], progress: Progress) -> None:
        from simclr_bench.weights.load import load_base, load_encoder

        device = self._full_size.place()
        progress.say(f"full-size networks on {device}")
        students = {job.settings["student"] for job in jobs if job.kind == "student"}
        # Their golden values: a wrong network must not cost hours.
        if seed_of(self._names["weights"]) is None:
            load_encoder(self._names["weights"])
        for student in sorted(students):
            load_base(self._names[student])

    def environment(self) -> dict[str, Any]:
        return full_size_environment(self._full_size)

    def prepare(self, workers: int) -> Callable[[], Execute]:
        return partial(_executor, self._full_size, workers)

    def fitting(self, jobs: Sequence[Job], most: int) -> int:
        needed = process_memory(jobs, self.sources())
        return max(1, min(most, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // needed))

    def costs(self, jobs: Sequence[Job], processes: int) -> Costs:
        from simclr_bench.experiments.materials.paper_costs import paper_costs

        full_size = self._full_size
        return paper_costs(jobs, self.sources(), full_size.network, full_size.place(), processes)

    def _settings(self, kind: str, dataset: str, student: str) -> dict[str, Any]:
        return {"network": network_settings(self._full_size.network, student)}


def paper_inputs(network: NetworkSettings, kind: str, dataset: str, student: str) -> dict[str, str]:
    """What a job reads, as far as it is here.

    Args:
        network: Names of the weights; those of no file and no published weights are left out.
        kind: Of the job.
        dataset: Its data set.
        student: Its student's base, or "".
    """
    inputs = {"code": source_fingerprint(*CODE[kind], *DATA_CODE[PAPER.name])}
    if (manifest := read_manifest(dataset)) is not None:
        inputs |= {
            "data": manifest.source["sha256"] or manifest.content_sha256,
            "data_origin": data_origin(manifest),
            "pixels": manifest.content_sha256,
        }
    for what, key in (("encoder", "weights"), ("base", student)):
        if key and (found := identify(getattr(network, key))) is not None:
            inputs |= {what: found.sha256, f"{what}_origin": found.origin}
    return inputs


def full_size_environment(full_size: FullSize) -> dict[str, Any]:
    """Describes this process for a record: the device too."""
    described = describe_environment(compiled_losses()["build_info"])
    return {**described, "device": full_size.place()}


def network_settings(network: NetworkSettings, student: str = "") -> dict[str, Any]:
    """What a job's settings hold of its networks: all that changes results, no path.

    Args:
        network: Which networks, and what they are shown.
        student: The student's base, or "".
    """
    used = ["weights", *([student] if student else [])]
    return {
        **{key: label_of(getattr(network, key)) for key in used},
        "image_size": network.image_size,
        "resize": network.resize,
        "precision": network.precision,
    }


def data_origin(manifest: Manifest) -> str:
    """How official a data set is: "official archive", or what else, and if its counts differ."""
    source = manifest.source
    if source["official"]:
        return "official archive"
    what = {"archive": "unofficial archive", "folder": "folder", "tfds": "TFDS records"}
    said = what.get(source["kind"], str(source["kind"]))
    return f"{said}, its counts differ" if manifest.deviations else said


def _size_of(name: str) -> SetSize:
    """Of the data as imported; as published where they are not."""
    if (manifest := read_manifest(name)) is not None:
        return SetSize(classes=len(manifest.classes), train_images=sum(manifest.counts["train"]))
    published = DATASETS[name]
    if published.heldout:  # what is neither, dtd's validation split, is left alone
        images = sum(published.counts["train"])
    else:
        images = round(published.images * (1 - (published.heldout_fraction or 0.0)))
    return SetSize(classes=len(published.classes), train_images=images)


def _missing_data(name: str) -> Missing | None:
    if read_manifest(name) is not None:
        return None
    archive = DATASETS[name].archives[0]
    return Missing(
        what=f"data set {name}",
        bytes=archive.size or 0,
        published=True,
        command=f"simclr-bench data fetch {name}",
    )


def _executor(full_size: FullSize, workers: int) -> Execute:
    """Loads the encoder; bases and data follow when a job asks for them."""
    from simclr_bench.experiments.execution.execute import execute
    from simclr_bench.experiments.execution.full_size import load_imported

    return partial(execute, bench=bench_of(full_size, load_imported, workers))


def bench_of(full_size: FullSize, load: Callable[[str], "LoadedData"], workers: int) -> "Bench":
    """A bench with full-size networks, in this process.

    Args:
        full_size: Networks and device.
        load: Gets a data set by name.
        workers: Threads that prepare views ahead; 0 for none.

    Raises:
        DataError: Weights are missing or corrupt.
        UsageError: There is no such device.
    """
    from simclr_bench.experiments.execution.extraction import Viewing
    from simclr_bench.experiments.execution.full_size import BLOCK, full_size_bench

    network = full_size.network
    bases = {base: getattr(network, base) for base in BASES}
    identities = {name: identify(value) for name, value in bases.items()}
    identities["encoder"] = identify(network.weights)
    return full_size_bench(
        weights=network.weights,
        bases=bases,
        hashes={name: found.sha256 for name, found in identities.items() if found is not None},
        viewing=Viewing(
            size=network.image_size,
            kernel=network.resize,
            block=BLOCK,
            device=full_size.place(),
        ),
        precision=network.precision,
        load=load,
        workers=workers,
    )
