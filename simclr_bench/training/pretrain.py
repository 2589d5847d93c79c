"""SimCLR pretraining of the small encoder on unlabeled images.

AdamW, linear warmup, then a cosine to zero; weight decay on convolution and linear weights only. In
the few hundred steps that fit into minutes AdamW goes further than plain SGD.

Everything that determines the weights is in `PretrainRecipe`, the images and the implementation of
the loss: the same three give the same bits again on the same machine.

Source: SimCLR (arXiv:2002.05709), Algorithm 1 and Appendix B.9.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from simclr_bench.data.augment import simclr_views
from simclr_bench.data.randomness import permutation
from simclr_bench.losses import nt_xent
from simclr_bench.losses.dispatch import Impl
from simclr_bench.networks.small_residual import (
    IMAGE_SIZE,
    Encoder,
    ProjectionHead,
    initialize,
)
from simclr_bench.training.optimization import adamw, fixed_threads, warmup_cosine
from simclr_bench.training.recipe import PretrainRecipe

Progress = Callable[[int, int, float], None]


def pretrain(
    recipe: PretrainRecipe,
    images: Tensor,
    *,
    impl: Impl = "auto",
    progress: Progress | None = None,
) -> Encoder:
    """Train an encoder with NT-Xent.

    Args:
        recipe: The hyper-parameters.
        images: The pool, uint8. [recipe.pool, 3, H, W]
        impl: Implementation of NT-Xent.
        progress: Called after each step with steps done, steps in all and the loss in nats.

    Returns:
        The encoder, without its projection head.

    Raises:
        ValueError: The pool is not of the recipe's size or does not fill one batch.
        FloatingPointError: The loss stopped being finite.
    """
    _check(recipe, images)
    with fixed_threads(recipe.threads):
        encoder, head = _initial(recipe)
        network = nn.Sequential(encoder, head).train()
        optimizer = adamw(
            network,
            learning_rate=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        for step, (first, second) in enumerate(_batches(recipe, images)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step)
            # One pass over both views, so that they share batch-norm statistics.
            z0, z1 = network(torch.cat([first, second])).chunk(2)
            loss = nt_xent(z0, z1, recipe.temperature, impl=impl)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(f"pretrain: loss became {value} at step {step + 1}")
            if progress is not None:
                progress(step + 1, recipe.steps, value)
    return encoder.eval()


def untrained(recipe: PretrainRecipe, images: Tensor) -> Encoder:
    """The control: the same initial weights, batch-norm statistics from the same images.

    Without them the control would lose to its own unset statistics rather than to training.

    Args:
        recipe: The hyper-parameters.
        images: The pool, uint8. [recipe.pool, 3, H, W]

    Returns:
        An encoder that has seen the images but taken no step.
    """
    _check(recipe, images)
    with fixed_threads(recipe.threads), torch.no_grad():
        encoder, _ = _initial(recipe)
        norms = [layer for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = None  # a plain average over batches
        encoder.train()
        for step, (first, second) in enumerate(_batches(recipe, images)):
            if step == recipe.pool // recipe.batch_size:
                break
            encoder(torch.cat([first, second]))
        for norm in norms:
            norm.momentum = 0.1
    return encoder.eval()


def learning_rate(recipe: PretrainRecipe, step: int) -> float:
    """Rate of one step: linear warmup, then a cosine that ends at zero.

    Args:
        recipe: The hyper-parameters.
        step: Steps already taken.

    Returns:
        The learning rate.
    """
    return warmup_cosine(
        step,
        steps=recipe.steps,
        warmup=recipe.warmup_epochs * (recipe.pool // recipe.batch_size),
        peak=recipe.learning_rate,
    )


def _initial(recipe: PretrainRecipe) -> tuple[Encoder, ProjectionHead]:
    generator = torch.Generator().manual_seed(recipe.seed)
    encoder, head = Encoder(recipe.shape), ProjectionHead(recipe.shape)
    for part in (encoder, head):
        initialize(part, generator)
    return encoder, head


def _batches(recipe: PretrainRecipe, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in range(recipe.epochs):
        order = permutation(recipe.pool, recipe.seed, epoch, "pretraining order")
        for start in range(0, recipe.pool - recipe.batch_size + 1, recipe.batch_size):
            index = order[start : start + recipe.batch_size]
            yield simclr_views(
                images[torch.from_numpy(index)],
                index,
                seed=recipe.seed,
                epoch=epoch,
                size=IMAGE_SIZE,
                strength=recipe.strength,
                area_range=(recipe.smallest_crop, 1.0),
                min_coverage=recipe.smallest_crop,
            )


def _check(recipe: PretrainRecipe, images: Tensor) -> None:
    if images.ndim != 4 or len(images) != recipe.pool or images.shape[1] != 3:
        raise ValueError(
            f"pretrain: images must be [{recipe.pool}, 3, H, W], got {list(images.shape)}"
        )
    if not 1 < recipe.batch_size <= recipe.pool:
        raise ValueError(
            f"pretrain: batch_size must be in 2 .. {recipe.pool}, got {recipe.batch_size}"
        )
