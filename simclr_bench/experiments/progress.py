"""How long work tells whoever waits for it: the protocols of storage/progress.py."""

from simclr_bench.storage.progress import Progress, Stage

__all__ = ["Progress", "Stage"]
