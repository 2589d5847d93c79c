"""The bench of the embedded profile: the cached encoder, and sets that are drawn when asked for."""

from simclr_bench.data.embedded import load
from simclr_bench.experiments.execution.features import Bench, LoadedData
from simclr_bench.experiments.materials.encoders import EmbeddedEncoder


def embedded_bench(workers: int) -> Bench:
    """A bench in this process.

    Args:
        workers: Threads that prepare views ahead; 0 for none.

    Raises:
        DataError: The cached encoder is corrupt.
    """
    encoder = EmbeddedEncoder()
    return Bench(encoder.obtain(), encoder.untrained, load_embedded, workers)


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
