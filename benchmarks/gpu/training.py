"""Images per second: features, and steps of pretraining, beside lightly's equivalent loop.

    python -m benchmarks.gpu.training OUT SECONDS

ResNet-50 at 224 pixels under bfloat16, channels-last, on synthetic views that lie on the device:
reading and augmenting images is not in it. A step is both views through network and projection
head, NT-Xent, gradients and LARS (ours) or SGD (lightly's examples). Appends a record per cell to
OUT/gpu_training.jsonl. Exit codes: 0 done, 1 ours failed somewhere, 75 no time for all of it.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.gpu.rates import FILE, WORKS, Rate
from benchmarks.gpu.stages import OUT_OF_TIME, say
from benchmarks.grid.cuda import TRAINING_BATCHES
from benchmarks.measuring.machine import environment
from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import canonical_json
from simclr_bench.training.engine.optimizers import make_optimizer
from simclr_bench.training.engine.recipe import Optimization

WARM, ROUNDS = 3, 10

Call = Callable[[], object]


def measure(
    work: str, provider: str, batch: int, device: str, *, shape: ResNetShape, side: int, rounds: int
) -> Rate:
    """Times one loop; not to fit in memory, or not to be installed, is an answer too."""
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    times: tuple[float, ...] = ()
    peak, why_not = None, ""
    try:
        call = BUILDERS[provider](work, batch, device, shape, side)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        times = tuple(_seconds(call, device) for _ in range(WARM + rounds))[WARM:]
        if device == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**20
    except torch.OutOfMemoryError:
        why_not = "out of memory"
    except ImportError as error:
        why_not = f"not installed: {error.name}"
    if device == "cuda":
        torch.cuda.empty_cache()
    return Rate(
        work=work,
        provider=provider,
        batch=batch,
        side=side,
        package=_package(provider),
        times_s=times,
        why_not=why_not,
        peak_mb=peak,
        device=name,
        environment=environment(),
    )


def _package(provider: str) -> str | None:
    name = provider.replace("_", "-")
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None


def _seconds(call: Call, device: str) -> float:
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _ours(work: str, batch: int, device: str, shape: ResNetShape, side: int) -> Call:
    from simclr_bench.losses import nt_xent

    network = nn.Sequential(ResNet(shape), ProjectionHead(shape.features))
    initialize(network, torch.Generator().manual_seed(0))
    network.to(device)
    optimization = Optimization(
        epochs=1,
        batch_size=batch,
        optimizer="lars",
        learning_rate=0.3,
        scaling="linear",
        warmup_epochs=0.0,
        momentum=0.9,
        weight_decay=1e-4,
        precision="bfloat16",
        seed=0,
    )
    optimizer = make_optimizer(network, optimization)
    return _loop(work, network, optimizer, lambda a, b: nt_xent(a, b, 0.1), batch, device, side)


def _lightly(work: str, batch: int, device: str, shape: ResNetShape, side: int) -> Call:
    from lightly.loss import NTXentLoss
    from lightly.models.modules.heads import SimCLRProjectionHead
    from torchvision import models

    body = getattr(models, f"resnet{shape.depth}")()
    body.fc = nn.Identity()
    head = SimCLRProjectionHead(shape.features, shape.features, 128, num_layers=3)
    network = nn.Sequential(body, head).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.06, momentum=0.9, weight_decay=1e-4)
    return _loop(work, network, optimizer, NTXentLoss(temperature=0.1), batch, device, side)


def _loop(
    work: str,
    network: nn.Sequential,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
    batch: int,
    device: str,
    side: int,
) -> Call:
    views = torch.rand(2 * batch, 3, side, side, device=device)
    views = views.to(memory_format=torch.channels_last)

    def features() -> Tensor:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            out: Tensor = network[0](views[:batch])
            return out

    def step() -> None:
        with torch.autocast(device, torch.bfloat16):
            first, second = network(views).chunk(2)
            value = loss(first, second)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    network.train(work == "step")
    return step if work == "step" else features


BUILDERS = {"simclr_bench": _ours, "lightly": _lightly}


def main() -> int:
    out, end = Path(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    failed = False
    for batch in TRAINING_BATCHES:
        for work in WORKS:
            for provider in BUILDERS:
                if time.monotonic() > end:
                    return 1 if failed else OUT_OF_TIME
                rate = measure(
                    work, provider, batch, "cuda", shape=ResNetShape(), side=224, rounds=ROUNDS
                )
                with (out / FILE).open("a") as file:
                    file.write(canonical_json(asdict(rate)) + "\n")
                speed = f"{rate.images_per_s:.0f} images/s" if rate.images_per_s else rate.why_not
                say(f"{work} of {batch}, {provider}: {speed}")
                ours = provider == "simclr_bench"
                failed |= ours and rate.images_per_s is None and rate.why_not != "out of memory"
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
