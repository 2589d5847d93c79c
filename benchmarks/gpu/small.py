"""Every CUDA operator in small and ragged sizes, for compute-sanitizer to watch; judges nothing."""

from itertools import cycle, product

import torch
from torch import Tensor

from benchmarks.gpu.stages import say
from simclr_bench import decoupled_nt_xent, distillation_loss, info_nce, nt_xent
from simclr_bench.losses.dispatch import Impl
from simclr_bench.losses.distillation.options import Kind
from simclr_bench.losses.precision import Precision

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
PRECISIONS: tuple[Precision, ...] = ("highest", "high", "medium")
KINDS: tuple[Kind, ...] = ("ce", "kl", "reverse_kl", "jsd")

# Ragged tiles of rows; one pass and several over the columns; strides that no vector divides.
NT_XENT = ((67, 50), (150, 128), (67, 333), (40, 1000))
# A row by a thread, a warp, a block, in registers, in shared memory, twice.
DISTILLATION = ((300, 5), (33, 100), (9, 1001), (5, 5000), (3, 30000), (2, 151936))


def run(device: str = "cuda", impl: Impl = "fused") -> int:
    """Losses and gradients of every size and dtype, the variants in turn; returns how many."""
    cases = 0
    objectives = cycle((nt_xent, decoupled_nt_xent, info_nce))
    for size, dtype in product(NT_XENT, DTYPES):
        for precision in PRECISIONS if dtype == torch.float32 else PRECISIONS[:1]:
            for z in (_pair(size, dtype, device), _pair(size, dtype, device)):
                tau = torch.tensor(0.2, device=device, requires_grad=True)
                loss = next(objectives)(
                    z[0], z[1], tau, impl=impl, precision=precision, workspace_mb=1
                )
                torch.autograd.grad(loss, [*z, tau])
                cases += 1
    kinds = cycle(KINDS)
    for size, dtype in product(DISTILLATION, DTYPES):
        for unaligned in (False, True):
            x = _pair((size[0], size[1] + 3), dtype, device)
            logits = [each[:, 1:-2] if unaligned else each for each in x]
            target = torch.randint(logits[0].shape[1], size[:1], device=device)
            loss = distillation_loss(
                logits[0], logits[1], target, kind=next(kinds), alpha=0.7, impl=impl
            )
            torch.autograd.grad(loss, x)
            cases += 1
    return cases


def _pair(size: tuple[int, int], dtype: torch.dtype, device: str) -> list[Tensor]:
    return [torch.randn(size, device=device, dtype=dtype).requires_grad_() for _ in range(2)]


def main() -> int:
    cases = run()
    torch.cuda.synchronize()
    say(f"{cases} small cases ran")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
