"""What the PyTorch implementations of distillation share: targets, weights, reductions."""

import torch
from torch import Tensor

from simclr_bench.losses.distillation.options import Options


def check_target(target: Tensor, classes: int, ignore_index: int) -> None:
    """Raises IndexError for a target that is no class; on the CPU only, elsewhere it would wait."""
    if target.device.type != "cpu" or torch.compiler.is_compiling():
        return
    wrong = ((target < 0) | (target >= classes)) & (target != ignore_index)
    if wrong.any():
        raise IndexError(
            f"distillation_loss: target must be in [0, {classes}) or ignore_index {ignore_index}, "
            f"got {target[wrong][0].item()}"
        )


def term_weights(
    rows: int, target: Tensor | None, options: Options, dtype: torch.dtype
) -> tuple[float, float | Tensor]:
    """What multiplies each row's soft and hard term; the reduced loss is then their plain sum."""
    if options.reduction != "batchmean":
        return options.soft_weight, options.hard_weight
    soft = options.soft_weight / rows if rows else torch.nan
    if target is None:
        return soft, 0.0
    kept = (target != options.ignore_index).sum().clamp(min=1)
    return soft, options.hard_weight / kept.to(dtype)


def reduce(soft: Tensor, hard: Tensor | None, target: Tensor | None, options: Options) -> Tensor:
    """The loss of row terms; a hard term of an ignored row is 0 already. [B], [B] -> [] or [B]"""
    rows = soft.shape[0]
    if options.reduction == "batchmean" and rows == 0:
        return soft.sum() + torch.nan
    soft_weight, hard_weight = term_weights(rows, target, options, soft.dtype)
    total = soft * soft_weight
    if hard is not None:
        total = total + hard * hard_weight
    return total if options.reduction == "none" else total.sum()
