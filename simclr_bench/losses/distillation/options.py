"""What one call of the distillation loss is to compute, beside its tensors."""

from typing import Literal, NamedTuple, get_args

Kind = Literal["ce", "kl", "reverse_kl", "jsd"]
Reduction = Literal["batchmean", "sum", "none"]
KINDS: tuple[str, ...] = get_args(Kind)
REDUCTIONS: tuple[str, ...] = get_args(Reduction)


class Options(NamedTuple):
    """Checked options of a distillation loss.

    Attributes:
        temperature: tau > 0; divides both logits.
        kind: The soft term.
        soft_weight: Multiplies the soft term; includes tau^2 where it is wanted.
        hard_weight: Multiplies the hard term.
        label_smoothing: Of the hard term, in [0, 1].
        ignore_index: A target that stands for "no hard term in this row".
        reduction: How row losses become the result.
    """

    temperature: float = 1.0
    kind: Kind = "ce"
    soft_weight: float = 1.0
    hard_weight: float = 0.0
    label_smoothing: float = 0.0
    ignore_index: int = -100
    reduction: Reduction = "none"
