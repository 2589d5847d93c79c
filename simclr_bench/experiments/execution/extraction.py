"""From views to features: a frozen network on a device, in pieces that its memory holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from simclr_bench.errors import JobError

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Viewing:
    """How images are shown to networks.

    Attributes:
        size: Side of a view in pixels.
        kernel: Of the resize: a key of data.resample.KERNELS.
        block: Images in a block of features. Blocks have fixed places, so that a job's numbers do
            not depend on what else is computed; batch sizes that divide it need no part of one.
        device: Where views are made.
    """

    size: int
    kernel: str
    block: int
    device: str = "cpu"


class Extractor:
    """Runs frozen networks.

    Where memory does not suffice, and for that error alone, it runs half as many images at a time,
    from then on. That is the same mathematics: batch norms are in evaluation mode, and no image
    knows of another. The last bits may differ, as another size may be another algorithm: measured
    on one CPU core, ResNet-50 gives the same bits at 224 pixels, and differs by 2e-7 of the
    features' norm at 64. So the size is fixed for a device, and records say what it became.
    """

    def __init__(
        self, *, device: str = "cpu", precision: str = "float32", most: int | None = None
    ) -> None:
        """
        Args:
            device: "cpu" or "cuda".
            precision: "float32", or "bfloat16" for mixed precision.
            most: Images at a time; None for all that are handed over.
        """
        self.device = device
        self.precision = precision
        self.at_a_time = most

    def __call__(self, network: Network, views: Tensor) -> Tensor:
        """Features of a batch, on the CPU.

        Args:
            network: Frozen, on the device.
            views: float32 in [0, 1]. [B, 3, S, S]

        Returns:
            float32. [B, F]

        Raises:
            JobError: A single image is too much for the device's memory.
        """
        return self._extract(network, views, self.precision)

    def error(self, network: Network, views: Tensor) -> float:
        """How far these features are from float32's, relative to them, in the Frobenius norm.

        Args:
            network: Frozen, on the device.
            views: float32 in [0, 1]. [B, 3, S, S]
        """
        if self.precision == "float32":
            return 0.0
        exact = self._extract(network, views, "float32").double()
        return float((self(network, views).double() - exact).norm() / exact.norm())

    def _extract(self, network: Network, views: Tensor, precision: str) -> Tensor:
        rows: list[Tensor] = []
        done = 0
        while done < len(views):
            size = min(self.at_a_time or len(views), len(views) - done)
            try:
                with torch.inference_mode(), _arithmetic(self.device, precision):
                    part = views[done : done + size].to(self.device, non_blocking=True)
                    rows.append(network(part).float().cpu())
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise JobError(
                        f"{self.device}: its memory does not hold one image's activations; free"
                        " some of it, use fewer --jobs, or --device cpu"
                    ) from error
                self.at_a_time = size // 2
            else:
                done += size
                continue
            # Here and not where it was caught: the error holds what could not be finished.
            if self.device == "cuda":
                torch.cuda.empty_cache()
        # Out of inference mode, in which nothing could be trained on them.
        return torch.cat(rows).clone()


def machine(device: str) -> str:
    """Whose arithmetic a device does: what changes bits when nothing of this program does."""
    if device == "cuda":
        return f"torch {torch.__version__}, {torch.cuda.get_device_name()}"
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"


@contextmanager
def _arithmetic(device: str, precision: str) -> Iterator[None]:
    """float32 that is float32: by default convolutions on CUDA round their inputs to 10 bits."""
    with (
        torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ),
        torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bfloat16"),
    ):
        yield
