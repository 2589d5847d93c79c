"""Every choice behind a pretrained encoder: numbers only, so that a plan can hash them."""

from dataclasses import dataclass, field

from simclr_bench.networks.shapes import EncoderShape


@dataclass(frozen=True)
class PretrainRecipe:
    """Every choice behind the pretrained encoder."""

    shape: EncoderShape = field(default_factory=EncoderShape)
    seed: int = 0
    pool: int = 10240  # images
    epochs: int = 10
    batch_size: int = 128  # images, twice as many views
    temperature: float = 0.1
    strength: float = 0.5  # color jitter
    smallest_crop: float = 0.25  # of the image's area
    learning_rate: float = 3e-3
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 1e-2
    warmup_epochs: float = 0.5
    threads: int = 2  # sums are split by thread, so their number is part of the result

    @property
    def steps(self) -> int:
        """Optimizer steps; a pass drops its short last batch."""
        return self.epochs * (self.pool // self.batch_size)
