"""Whole training steps of SimCLR: our network and optimizer with the loss of anybody who has one.

Beside these, `network-only` has next to no loss, and `lightly-loop` is another network too. Views
lie on the device, channels-last.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.grid.cells import ImageCell, LossCell
from benchmarks.providers.networks import arithmetic, torchvision_network, views_in
from benchmarks.providers.provider import Builder, LossFunction, Provider
from simclr_bench.networks import small_residual
from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.networks.shapes import EncoderShape
from simclr_bench.training.engine.optimizers import make_optimizer
from simclr_bench.training.engine.recipe import Optimization, peak_rate
from simclr_bench.training.full_size.recipes import parse_network

PROJECTION = 128
MLP_WIDTH = 256


def simclr_network(cell: ImageCell) -> nn.Sequential:
    """Network and projection head: of the embedded profile ("small"), a ResNet, or an MLP."""
    generator = torch.Generator().manual_seed(0)
    if cell.network == "small":
        shape = EncoderShape()
        parts = small_residual.Encoder(shape), small_residual.ProjectionHead(shape)
        network = nn.Sequential(*parts)
        small_residual.initialize(network, generator)
        return network.to(cell.device)
    if cell.network == "mlp":
        flat = nn.Linear(3 * cell.side**2, MLP_WIDTH)
        body = nn.Sequential(nn.Flatten(), flat, nn.ReLU(inplace=True))
        network = nn.Sequential(body, ProjectionHead(MLP_WIDTH, layers=2, output=PROJECTION))
    else:
        encoder = ResNet(parse_network(cell.network, cell.side))
        network = nn.Sequential(encoder, ProjectionHead(encoder.features, output=PROJECTION))
    initialize(network, generator)
    return network.to(cell.device)


def loss_of(cell: ImageCell) -> LossCell:
    """The NT-Xent within a training step."""
    columns = EncoderShape().projection if cell.network == "small" else PROJECTION
    rows = 2 * cell.images
    return LossCell("nt_xent", rows, columns, cell.dtype, threads=cell.threads, device=cell.device)


def our_optimizer(cell: ImageCell, network: nn.Module) -> torch.optim.Optimizer:
    """What our trainings take: LARS for ResNets, AdamW for small networks."""
    lars = cell.network not in ("small", "mlp")
    optimization = Optimization(
        epochs=1,
        batch_size=cell.images,
        optimizer="lars" if lars else "adamw",
        learning_rate=0.3 if lars else 3e-3,
        scaling="linear" if lars else "none",
        warmup_epochs=0.0,
        momentum=0.9,
        weight_decay=1e-4,
        precision="float32",
        seed=0,
    )
    optimizer = make_optimizer(network, optimization)
    for group in optimizer.param_groups:
        group["lr"] = peak_rate(optimization)
    return optimizer


def training_step(
    cell: ImageCell, network: nn.Module, loss: LossFunction, optimizer: torch.optim.Optimizer
) -> Callable[[], Tensor]:
    """A call that takes one step, and returns the loss before it."""
    views = views_in(cell)
    network.train()
    if cell.device == "cuda":
        torch.backends.cudnn.benchmark = True  # as our training does: shapes never change

    def call() -> Tensor:
        with arithmetic(cell):
            first, second = network(views).chunk(2)
            value = loss(first, second)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value.detach()

    return call


def training_with(build: Builder) -> Builder:
    """Steps of our network with a loss of NT-Xent's form."""

    def builder(cell: ImageCell) -> Callable[[], Tensor]:
        network = simclr_network(cell)
        return training_step(cell, network, build(loss_of(cell)), our_optimizer(cell, network))

    return builder


def with_training(provider: Provider) -> Provider:
    """The provider, able to train where it has NT-Xent."""
    if "nt_xent" not in provider.builders:
        return provider
    build = provider.builders["nt_xent"]
    return replace(provider, builders={**provider.builders, "train": training_with(build)})


def _weighted_sum(cell: LossCell) -> LossFunction:
    # The plain sum has no gradient: batch norm takes it out.
    size = 2, cell.rows // 2, cell.columns
    generator = torch.Generator(cell.device).manual_seed(0)
    weights = torch.randn(size, generator=generator, device=cell.device) / cell.rows
    return lambda z0, z1: (z0 * weights[0]).sum() + (z1 * weights[1]).sum()


def lightly_loop(cell: ImageCell) -> Callable[[], Tensor]:
    """The loop of lightly's examples, on torchvision's network."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules.heads import SimCLRProjectionHead

    features = parse_network(cell.network, cell.side).features
    head = SimCLRProjectionHead(features, features, PROJECTION, num_layers=3)
    network = nn.Sequential(torchvision_network(cell), head.to(cell.device))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.06, momentum=0.9, weight_decay=1e-4)
    loss = NTXentLoss(temperature=loss_of(cell).temperature)
    return training_step(cell, network, loss, optimizer)


PROVIDERS = (
    Provider(
        "network-only",
        {"train": training_with(_weighted_sum)},
        package="simclr-bench",
        module="simclr_bench",
        differs="no loss but a weighted sum of the projections",
    ),
    Provider(
        "lightly-loop",
        {"train": lightly_loop},
        package="lightly",
        module="lightly.models.modules.heads",
        differs="torchvision's network, lightly's head and loss, SGD",
    ),
)
