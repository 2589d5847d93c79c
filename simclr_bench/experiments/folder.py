"""Table 4's protocol on a folder of the user's images: from files to records."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclr_bench.data.folder import FolderListing, fingerprint, list_folder, printable, read_folder
from simclr_bench.errors import DataError, UsageError
from simclr_bench.experiments.execution.outcome import Outcome
from simclr_bench.experiments.materials.encoders import EmbeddedEncoder
from simclr_bench.experiments.materials.paper import (
    FullSize,
    bench_of,
    full_size_environment,
    network_settings,
)
from simclr_bench.experiments.materials.paper_weights import (
    check_name,
    identify,
    missing_weights,
)
from simclr_bench.experiments.metrics import metrics_of
from simclr_bench.experiments.planning.jobs import Job, Plan, share_key
from simclr_bench.experiments.planning.plan import plan_folder
from simclr_bench.experiments.planning.plan_file import write_plan
from simclr_bench.experiments.profiles import FOLDER
from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.provenance.code import CODE, DATA_CODE
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.experiments.reproduction import unfinished
from simclr_bench.experiments.running.runner import Records, run_jobs
from simclr_bench.experiments.settings.tree import VerdictSettings, usable_cores
from simclr_bench.networks.small_residual import IMAGE_SIZE
from simclr_bench.results.store import RunDirectory
from simclr_bench.storage.files import sha256_of

if TYPE_CHECKING:
    from simclr_bench.experiments.execution.features import Bench
    from simclr_bench.experiments.execution.inputs import LoadedData

# Twice the encoder's input: a crop of a quarter of the area is still not enlarged.
LARGER = 2


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """What the user asked for.

    Attributes:
        directory: A folder of class folders.
        batch_sizes: Batch sizes to run.
        seeds: Seeds of each batch size.
        heldout_fraction: Share of each class held out, where the folder has no test split.
        split_seed: Draws that share.
        single_pass: End after one pass, as the notebook's iterator does.
        skip_corrupt: Leave out files that do not decode.
        full_size: The encoder and its device; None for the embedded one.
    """

    directory: Path
    batch_sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    heldout_fraction: float
    split_seed: int
    single_pass: bool
    skip_corrupt: bool
    full_size: FullSize | None = None


def transfer_to_folder(
    options: FolderOptions, out: Path, progress: Progress
) -> tuple[Plan, Records]:
    """Obtains every record that a folder asks for.

    Args:
        options: What the user asked for.
        out: Run directory.
        progress: Told how it goes.

    Raises:
        UsageError: The run directory lies inside the folder.
        DataError: The folder, a file in it, the cached encoder or a record is missing or corrupt,
            or a directory is not writable.
        JobError: A job failed.
        StoreError: The run directory is in use, or newer than this version.
    """
    if out.resolve().is_relative_to(options.directory.resolve()):
        raise UsageError(
            f"--out {out} lies inside --data {options.directory}, where its files would be taken"
            " for images; give an --out elsewhere"
        )
    listing = list_folder(options.directory)
    store = RunDirectory(out)
    with store.held():
        encoder = _encoder_of(options.full_size)
        plan = plan_folder(
            printable(Path(options.directory.resolve().name)),
            len(listing.classes),
            {
                "code": source_fingerprint(*CODE["head"], *DATA_CODE[FOLDER.name]),
                "data": fingerprint(listing),
                **encoder.inputs,
            },
            batch_sizes=options.batch_sizes,
            seeds=options.seeds,
            single_pass=options.single_pass,
            choices={
                "heldout_fraction": options.heldout_fraction,
                "split_seed": options.split_seed,
                "skip_corrupt": options.skip_corrupt,
                "shorter_side": encoder.shorter_side,
                **encoder.settings,
            },
        )

        keep = partial(write_plan, out, plan, VerdictSettings().margin)
        if not unfinished(plan, out):
            keep()  # and otherwise once all is read: what is refused makes no older record stale

        def prepare() -> Callable[[Job], Outcome]:
            from simclr_bench.experiments.execution.execute import execute

            # The images first: a file that does not decode must not cost the encoder's minutes.
            data = _read(listing, options, encoder.shorter_side, progress)
            bench = encoder.bench(data, progress)
            keep()
            return partial(execute, bench=bench)

        records = run_jobs(
            plan.jobs,
            store,
            prepare,
            encoder.environment,
            progress,
            measure=metrics_of,
            share_key=share_key,
            workers=1,
        )
    return plan, records


@dataclass(frozen=True, kw_only=True)
class _Encoder:
    """What an encoder means for a folder's jobs.

    Attributes:
        inputs: Its hash, and where it came from.
        settings: What a job's settings say of it.
        shorter_side: Larger images are reduced to this shorter side, in pixels.
        environment: Describes this process for a record.
        bench: From the images to a bench.
    """

    inputs: dict[str, str]
    settings: dict[str, Any]
    shorter_side: int
    environment: Callable[[], dict[str, Any]]
    bench: Callable[["LoadedData", Progress], "Bench"]


def _encoder_of(full_size: FullSize | None) -> _Encoder:
    """The encoder that is asked for.

    Raises:
        UsageError: There are no such weights.
        DataError: They are not here.
    """
    if full_size is None:
        encoder = EmbeddedEncoder()
        return _Encoder(
            inputs={"encoder": encoder.key},
            settings={},
            shorter_side=LARGER * IMAGE_SIZE,
            environment=encoder.environment,
            bench=_embedded_bench,
        )
    weights = full_size.network.weights
    check_name(weights, "--weights")
    identity = identify(weights)
    if identity is None:
        raise DataError(f"this run needs what is not here: {missing_weights(weights)}")
    return _Encoder(
        inputs={"encoder": identity.sha256, "encoder_origin": identity.origin},
        settings={"network": network_settings(full_size.network)},
        shorter_side=LARGER * full_size.network.image_size,
        environment=partial(full_size_environment, full_size),
        bench=lambda data, progress: bench_of(full_size, lambda _: data, usable_cores() - 1),
    )


def _embedded_bench(data: "LoadedData", progress: Progress) -> "Bench":
    from simclr_bench.experiments.execution.embedded import embedded_networks
    from simclr_bench.experiments.execution.features import Bench

    return Bench(embedded_networks(progress), lambda _: data, usable_cores() - 1)


def _read(
    listing: FolderListing, options: FolderOptions, shorter_side: int, progress: Progress
) -> "LoadedData":
    from simclr_bench.experiments.execution.inputs import LoadedData

    with progress.stage(f"reading {options.directory}", listing.file_count) as stage:
        images = read_folder(
            listing,
            shorter_side=shorter_side,
            heldout_fraction=options.heldout_fraction,
            split_seed=options.split_seed,
            skip_corrupt=options.skip_corrupt,
            progress=stage.advance,
        )
    return LoadedData(
        images.train,
        images.heldout,
        {
            "train_images": len(images.train),
            "heldout_images": len(images.heldout),
            "split": images.split,
            "skipped": [{"file": f, "reason": why} for f, why in images.skipped],
        },
        # Of files that were listed and chosen so; features of them may be kept.
        sha256_of(
            [
                fingerprint(listing),
                shorter_side,
                options.heldout_fraction,
                options.split_seed,
                options.skip_corrupt,
            ]
        ),
    )
