"""Every choice behind the student bases: numbers only, so that a plan can hash them."""

from dataclasses import dataclass

from simclr_bench.networks.shapes import EncoderShape, PlainShape


@dataclass(frozen=True, kw_only=True)
class BaseRecipe:
    """Every choice behind a student base; `shape` says of which architecture it is."""

    shape: EncoderShape | PlainShape
    seed: int = 1  # another than the teacher's, whose architecture starts from other weights
    classes: int = 64
    per_class: int = 160  # images
    epochs: int = 5
    batch_size: int = 128
    smallest_crop: float = 0.5  # of the image's area
    learning_rate: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 1e-2
    warmup_epochs: float = 0.5
    threads: int = 2  # sums are split by thread, so their number is part of the result

    @property
    def steps(self) -> int:
        """Optimizer steps; a pass drops its short last batch."""
        return self.epochs * (self.classes * self.per_class // self.batch_size)


BASE_RECIPES = {
    "vgg16": BaseRecipe(shape=PlainShape()),
    "resnet50": BaseRecipe(shape=EncoderShape()),
}
