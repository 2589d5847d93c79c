"""Stand-ins for packages that need not be installed: their signatures, and plain formulas.

A call whose arguments the package would take for something else gives another value here too.
"""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional


def install(monkeypatch: pytest.MonkeyPatch, module: str, *members: Any) -> None:
    """Puts a module of that name with these classes and functions where it would be imported."""
    made = ModuleType(module)
    for member in members:
        setattr(made, member.__name__, member)
    monkeypatch.setitem(sys.modules, module, made)


def sums(logits: Tensor, targets: Tensor, keep: Tensor | None = None) -> Tensor:
    """Each row's log-sum-exp over what is kept, less its target."""
    kept = logits if keep is None else logits.masked_fill(~keep, -torch.inf)
    return kept.logsumexp(dim=1) - logits[torch.arange(len(logits)), targets]


class NTXentLoss:
    """lightly's."""

    def __init__(self, temperature: float = 0.5, memory_bank_size: int = 0) -> None:
        assert memory_bank_size == 0
        self.temperature = temperature

    def __call__(self, out0: Tensor, out1: Tensor) -> Tensor:
        z = functional.normalize(torch.cat([out0, out1]), dim=1)
        mates = torch.arange(len(z)).roll(len(out0))
        others = ~torch.eye(len(z), dtype=torch.bool)
        return sums(z @ z.T / self.temperature, mates, others).mean()


class SelfSupervisedLoss:
    """pytorch-metric-learning's, round a loss that is as good as lightly's."""

    def __init__(self, loss: NTXentLoss, symmetric: bool = True) -> None:
        assert symmetric
        self.loss = loss

    def __call__(self, embeddings: Tensor, ref_emb: Tensor) -> Tensor:
        return self.loss(embeddings, ref_emb)


class SupConLoss(NTXentLoss):
    """pytorch-metric-learning's; says twice the value, to be told from its NTXentLoss."""

    def __call__(self, out0: Tensor, out1: Tensor) -> Tensor:
        return 2 * super().__call__(out0, out1)


class ClipLoss(nn.Module):
    """open_clip's, which does not normalise."""

    def forward(self, image_features: Tensor, text_features: Tensor, logit_scale: float) -> Tensor:
        logits, own = (
            logit_scale * image_features @ text_features.T,
            torch.arange(len(image_features)),
        )
        return (sums(logits, own).mean() + sums(logits.T, own).mean()) / 2


class MemoryEfficientQwen3Loss:
    """memeff's: one view's rows against the other view and, if asked for, against each other."""

    def __init__(
        self,
        temperature: float = 0.07,
        margin: float = 0.1,
        use_qq_negatives: bool = False,
        use_dd_negatives: bool = False,
        normalized_inputs: bool = False,
        stable: bool = True,
        tau_plus: float = 0.0,
        label_smoothing: float = 0.0,
    ) -> None:
        assert tau_plus == label_smoothing == 0 and not use_dd_negatives
        self.temperature, self.margin, self.qq = temperature, margin, use_qq_negatives
        self.normalized, self.stable = normalized_inputs, stable

    def __call__(self, query_features: Tensor, doc_features: Tensor) -> Tensor:
        pair = query_features, doc_features
        q, d = pair if self.normalized else (functional.normalize(x, dim=-1) for x in pair)
        own, size = torch.arange(len(q)), len(q)
        cosines = torch.cat([q @ d.T, q @ q.T], dim=1) if self.qq else q @ d.T
        mask = cosines <= cosines[own, own][:, None] + self.margin
        mask[own, own] = True
        if self.qq:
            mask[own, own + size] = False
        loss = sums(cosines / self.temperature, own, mask).mean()
        scale = (size / self.temperature) ** 0.5 * self.temperature if self.stable else 1.0
        return scale * loss + (1 - scale) * loss.detach()


def cal_flash_loss(
    q: Tensor,
    k: Tensor,
    labels: Tensor | None = None,
    scale: float | None = None,
    head_dim: int = 256,
) -> Tensor:
    """inf_cl's, per row."""
    heads = q.view(len(q), -1, head_dim)
    assert heads.shape[1] * head_dim == q.shape[1] and head_dim in (16, 32, 64, 128, 256)
    own = torch.arange(len(q))
    return sums((1.0 if scale is None else scale) * q @ k.T, own if labels is None else labels)


def linear_cross_entropy(
    e: Tensor,
    c: Tensor,
    targets: Tensor,
    ignore_index: int = -100,
    softcap: float | None = None,
    reduction: str = "mean",
    shift: bool = False,
    filter_eps: float | str | None = "high",
    impl: str = "cce",
) -> Tensor:
    """cut_cross_entropy's; of the CPU's implementation it says twice the value."""
    assert softcap is None and reduction == "mean" and not shift and filter_eps is None
    return {"cce": 1, "torch_compile": 2}[impl] * sums(e @ c.T, targets).mean()


def fused_siglip_loss(
    img_features: Tensor,
    txt_features: Tensor,
    log_temperature: Tensor,
    bias: Tensor,
    use_fp8: bool = False,
    backend: str = "auto",
) -> Tensor:
    """siglip_kernel's, which does not normalise; its temperature multiplies."""
    assert not use_fp8 and backend == "chunked_bf16"
    logits = img_features @ txt_features.T * log_temperature.exp() + bias
    signs = 2 * torch.eye(len(logits)) - 1
    return -functional.logsigmoid(signs * logits).sum() / len(logits)


class KDLoss:
    """torchdistill's."""

    def __init__(
        self,
        student_module_path: str,
        student_module_io: str,
        teacher_module_path: str,
        teacher_module_io: str,
        temperature: float,
        alpha: float | None = None,
        beta: float | None = None,
        reduction: str = "batchmean",
    ) -> None:
        self.student = student_module_path, student_module_io
        self.teacher = teacher_module_path, teacher_module_io
        self.t, self.alpha, self.reduction = temperature, alpha, reduction
        self.beta = 1 - (alpha or 0) if beta is None else beta

    def __call__(
        self,
        student_io_dict: dict[str, dict[str, Tensor]],
        teacher_io_dict: dict[str, dict[str, Tensor]],
        targets: Tensor | None = None,
    ) -> Tensor:
        student = student_io_dict[self.student[0]][self.student[1]]
        teacher = teacher_io_dict[self.teacher[0]][self.teacher[1]]
        soft = functional.kl_div(
            (student / self.t).log_softmax(dim=1),
            (teacher / self.t).softmax(dim=1),
            reduction=self.reduction,
        )
        if not self.alpha or targets is None:
            return soft
        return (
            self.alpha * functional.cross_entropy(student, targets) + self.beta * self.t**2 * soft
        )


class LigerKLDIVLoss(nn.KLDivLoss):
    """liger_kernel's: its first argument is no reduction."""

    def __init__(self, eps: float = 1e-10, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert isinstance(eps, float)


class LigerJSD:
    """liger_kernel's, at the end of its range that is a KL; from log-probabilities."""

    def __init__(self, beta: float = 0.5, ignore_index: int = -100) -> None:
        assert beta == 0

    def __call__(self, log_q: Tensor, log_p: Tensor) -> Tensor:
        return (log_p.exp() * (log_p - log_q)).sum() / len(log_p)
