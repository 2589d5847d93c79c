"""The student bases of the embedded profile: what determines each, and how it is obtained.

Torch is imported where a base is made or read, not here: its key is known without.
"""

from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.training.base_recipe import BASE_RECIPES
from simclr_bench.training.encoder_cache import State, encoder_key, obtain_encoder

if TYPE_CHECKING:
    from simclr_bench.training.bases import Base


class EmbeddedBase:
    """A small network that stands in for one of the paper's student bases, trained here."""

    def __init__(self, student: str) -> None:
        """
        Args:
            student: "vgg16" or "resnet50".

        Raises:
            ValueError: There is no such base.
        """
        if student not in BASE_RECIPES:
            raise ValueError(
                f"EmbeddedBase: student must be one of {', '.join(BASE_RECIPES)}, got {student}"
            )
        self._student = student
        self.recipe = BASE_RECIPES[student]
        # Everything that determines the weights on one machine.
        self._identity: dict[str, Any] = {
            "student": student,
            "recipe": asdict(self.recipe),
            "code": source_fingerprint("simclr_bench.training.bases"),
            "torch": version("torch"),
        }

    @property
    def key(self) -> str:
        """The base's name in the cache, a hash of all that determines it."""
        return encoder_key(self._identity)

    def obtain(self, progress: Progress | None = None) -> "Base":
        """The trained base, frozen: from the cache, or made now.

        Args:
            progress: Told how the training goes.

        Raises:
            DataError: The cache is corrupt or cannot be written.
        """
        from simclr_bench.networks.small_residual import freeze
        from simclr_bench.training.bases import Base

        cached = obtain_encoder(self._identity, lambda: self._make(progress))
        base = Base(self.recipe.shape)
        base.load_state_dict(cached.state)
        return freeze(base)

    def _make(self, progress: Progress | None) -> tuple[State, dict[str, Any]]:
        from simclr_bench.training.bases import train_base

        losses: list[float] = []
        recipe = self.recipe
        words = f"training the student base {self._student} (with labels)"
        with progress.stage(words, recipe.steps) if progress else nullcontext() as stage:

            def on_step(step: int, steps: int, loss: float) -> None:
                losses.append(loss)
                if stage is not None:
                    stage.advance(1, f"loss {loss:.3f}")

            base = train_base(recipe, progress=on_step)
        per_epoch = recipe.steps // recipe.epochs
        epochs = [losses[at : at + per_epoch] for at in range(0, len(losses), per_epoch)]
        return base.state_dict(), {"loss_by_epoch": [sum(e) / len(e) for e in epochs]}
