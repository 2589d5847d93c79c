"""The embedded encoder: what determines it, and how it is obtained.

Torch is imported where an encoder is made or read, not here: its key is known without.
"""

from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from simclr_bench.experiments.materials.machine import compiled_losses
from simclr_bench.experiments.progress import Progress
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.results.environment import describe_environment
from simclr_bench.training.encoder_cache import State, encoder_key, obtain_encoder
from simclr_bench.training.recipe import PretrainRecipe

if TYPE_CHECKING:
    from simclr_bench.losses.dispatch import Impl
    from simclr_bench.networks.small_residual import Encoder

RECIPE = PretrainRecipe()


class EmbeddedEncoder:
    """The small encoder that stands in for the paper's, pretrained here with NT-Xent."""

    def __init__(self) -> None:
        losses = compiled_losses()
        self._extension: dict[str, Any] | None = losses["build_info"]
        # Everything that determines the weights on one machine. The implementations of NT-Xent
        # agree to rounding, not to the bit, so the one used is part of it.
        self._impl: Impl = "fused" if self._extension else "chunked"
        self._identity: dict[str, Any] = {
            "recipe": asdict(RECIPE),
            "code": source_fingerprint(
                "simclr_bench.training.pretrain", "simclr_bench.data.embedded"
            ),
            "nt_xent": self._impl,
            "extension": self._extension["source_hash"] if self._extension else None,
            "instructions": losses["cpu_capability"],
            "torch": version("torch"),
        }

    @property
    def key(self) -> str:
        """The encoder's name in the cache, a hash of all that determines it."""
        return encoder_key(self._identity)

    def environment(self) -> dict[str, Any]:
        """The environment of this process, for records."""
        return describe_environment(self._extension)

    def obtain(self, progress: Progress | None = None) -> "Encoder":
        """The pretrained encoder, frozen: from the cache, or made now.

        Args:
            progress: Told how the training goes.

        Raises:
            DataError: The cache is corrupt or cannot be written.
        """
        from simclr_bench.networks.small_residual import Encoder, freeze

        cached = obtain_encoder(self._identity, lambda: self._make(progress))
        encoder = Encoder(RECIPE.shape)
        encoder.load_state_dict(cached.state)
        return freeze(encoder)

    def untrained(self) -> "Encoder":
        """The control, frozen: initial weights, batch-norm statistics of the same images."""
        from simclr_bench.data.embedded import pretraining_pool
        from simclr_bench.networks.small_residual import freeze
        from simclr_bench.training.pretrain import untrained

        return freeze(untrained(RECIPE, pretraining_pool(RECIPE.pool)))

    def _make(self, progress: Progress | None) -> tuple[State, dict[str, Any]]:
        from simclr_bench.data.embedded import pretraining_pool
        from simclr_bench.training.pretrain import pretrain

        if self._impl == "chunked" and progress:
            progress.say(
                "the compiled extension is not in use: NT-Xent runs on its pure-PyTorch path"
                " (`simclr-bench doctor` says why)"
            )
        losses: list[float] = []
        images = pretraining_pool(RECIPE.pool)
        words = f"pretraining the encoder (NT-Xent, {self._impl})"
        with progress.stage(words, RECIPE.steps) if progress else nullcontext() as stage:

            def on_step(step: int, steps: int, loss: float) -> None:
                losses.append(loss)
                if stage is not None:
                    stage.advance(1, f"loss {loss:.3f}")

            encoder = pretrain(RECIPE, images, impl=self._impl, progress=on_step)
        per_epoch = RECIPE.steps // RECIPE.epochs
        epochs = [losses[at : at + per_epoch] for at in range(0, len(losses), per_epoch)]
        return encoder.state_dict(), {"loss_by_epoch": [sum(e) / len(e) for e in epochs]}
