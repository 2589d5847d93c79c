"""Widths of the small networks: numbers only, so that a plan can hash them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EncoderShape:
    """Widths of the encoder and its projection head."""

    stem: int = 32
    widths: tuple[int, ...] = (64, 160)
    strides: tuple[int, ...] = (2, 2)
    hidden: int = 128
    projection: int = 64

    @property
    def features(self) -> int:
        """Width of the representation."""
        return self.widths[-1]


@dataclass(frozen=True)
class PlainShape:
    """Widths of the convolutions of each stage of the plain network."""

    stages: tuple[tuple[int, ...], ...] = ((24,), (48,), (96,), (160, 160))

    @property
    def features(self) -> int:
        """Width of the representation."""
        return self.stages[-1][-1]
