"""The bench of the embedded profile: cached networks, and sets that are drawn when asked for."""

from functools import cache

from simclr_bench.data.embedded import load
from simclr_bench.experiments.execution.features import Bench
from simclr_bench.experiments.execution.inputs import LoadedData, Networks
from simclr_bench.experiments.materials.bases import EmbeddedBase
from simclr_bench.experiments.materials.encoders import EmbeddedEncoder
from simclr_bench.experiments.progress import Progress


def embedded_networks(progress: Progress | None = None) -> Networks:
    """The cached encoder and bases; an encoder that is missing is made now.

    Args:
        progress: Told how that goes.

    Raises:
        DataError: A cached network is corrupt.
    """
    encoder = EmbeddedEncoder()
    untrained = cache(encoder.untrained)  # whatever the data set, it is the same
    return Networks(
        encoder=encoder.obtain(progress),
        untrained=lambda _: untrained(),
        base=lambda student: EmbeddedBase(student).obtain(),
    )


def embedded_bench(workers: int) -> Bench:
    """A bench in this process.

    Args:
        workers: Threads that prepare views ahead; 0 for none.

    Raises:
        DataError: The cached encoder is corrupt.
    """
    return Bench(embedded_networks(), load_embedded, workers)


def load_embedded(name: str) -> LoadedData:
    """An embedded set, with its description."""
    train, heldout = load(name)
    return LoadedData(
        train,
        heldout,
        {
            "train_images": len(train),
            "heldout_images": len(heldout),
            "split": "drawn separately from the same class recipes",
            "skipped": [],
        },
    )
