"""A network, images and a training that take milliseconds."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr_bench.losses import nt_xent
from simclr_bench.training.engine.batches import Batch, batches
from simclr_bench.training.engine.checkpoints import read_newest
from simclr_bench.training.engine.folder import TrainingFolder
from simclr_bench.training.engine.loop import Loss, Training, train
from simclr_bench.training.engine.optimizers import make_optimizer
from simclr_bench.training.engine.processes import World
from simclr_bench.training.engine.recipe import Optimization, rate_at, total_steps

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
IMAGES = 10

RECIPE = Optimization(
    epochs=2,
    batch_size=4,
    optimizer="lars",
    learning_rate=40.0,
    scaling="linear",
    warmup_epochs=0.5,
    momentum=0.9,
    weight_decay=1e-3,
    precision="float32",
    seed=1,
)
STEPS = total_steps(RECIPE, IMAGES)  # 6


class Tiny(nn.Module):
    """Convolutions, batch norms and a classifier: one of everything that is treated apart."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3)
        )
        self.norm = nn.BatchNorm1d(5)
        self.classifier = nn.Linear(5, 3)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 + 0.4 * torch.randn(parameter.shape, generator=generator))
        self.to(memory_format=torch.channels_last)

    def forward(self, views: Tensor) -> Tensor:
        """[B, 3, 6, 6] -> [B, 3]"""
        logits: Tensor = self.classifier(self.norm(self.encoder(views).mean(dim=(2, 3))))
        return logits


def image(number: int) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    return torch.randint(0, 256, (3, 6, 6), dtype=torch.uint8, generator=generator)


def two_views(batch: Batch) -> Tensor:
    """Views that depend on the addresses of the draws."""
    x = torch.stack(batch.images).float() / 255
    tilt = torch.from_numpy(batch.draws % 7).float().view(-1, 1, 1, 1) / 10
    return torch.cat([x + tilt, x.flip(3)])


def contrast(world: World = ALONE) -> Loss:
    """NT-Xent of both views."""

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        first, second = network(two_views(batch)).chunk(2)
        return nt_xent(first, second, 0.5, impl="chunked", group=world.group)

    return loss


def classify(network: nn.Module, batch: Batch) -> Tensor:
    """Cross-entropy of the second half of the numbers against the first."""
    labels = torch.from_numpy(batch.numbers % 3)
    return F.cross_entropy(network(torch.stack(batch.images).float() / 255), labels)


def training(
    recipe: Optimization = RECIPE,
    world: World = ALONE,
    *,
    every: int = 1,
    workers: int = 0,
    network: nn.Module | None = None,
    call: nn.Module | None = None,
    loss: Loss | None = None,
    weight: float = 2.0,
) -> Training:
    network = network or Tiny().train()

    def source(start: int) -> Generator[Batch]:
        return batches(
            image,
            IMAGES,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            start=start,
            steps=total_steps(recipe, IMAGES),
            rank=world.rank,
            size=world.size,
            workers=workers,
            device=world.device,
        )

    return Training(
        network=network,
        call=call or network,
        optimizer=make_optimizer(network, recipe),
        loss=loss or contrast(world),
        weight=weight,
        batches=source,
        steps=total_steps(recipe, IMAGES),
        rate=lambda step: rate_at(recipe, IMAGES, step),
        precision=recipe.precision,
        checkpoint_every=every,
        history=[],
    )


def run(
    out: Path,
    recipe: Optimization = RECIPE,
    *,
    every: int = 1,
    workers: int = 0,
    loss: Loss | None = None,
    weight: float = 2.0,
) -> Training:
    """Continues a training in a directory; each call is as another process."""
    made = training(recipe, every=every, workers=workers, loss=loss, weight=weight)
    folder = TrainingFolder(out)
    with folder.held({"recipe": "tiny"}):
        start = read_newest(folder.checkpoints)
        train(made, folder, ALONE, start=start, advance=lambda amount, note: None)
    return made


def files(out: Path) -> dict[str, bytes]:
    """All that is the same however often a training was stopped."""
    kept = {path.name: path.read_bytes() for path in (out / "checkpoints").iterdir()}
    return {**kept, "losses.jsonl": (out / "losses.jsonl").read_bytes()}


def variants() -> list[Optimization]:
    """Every optimizer and precision."""
    return [
        RECIPE,
        replace(RECIPE, optimizer="sgd", learning_rate=2.0),
        replace(RECIPE, optimizer="sgd", learning_rate=2.0, momentum=0.0),
        replace(RECIPE, optimizer="adamw", learning_rate=0.5),
        replace(RECIPE, precision="bfloat16"),
        replace(RECIPE, precision="float16"),
    ]
