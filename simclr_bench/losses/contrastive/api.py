"""The contrastive losses: public functions and module."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.nn import functional

from simclr_bench.losses.contrastive import chunked, chunked_among, distributed, fused, reference
from simclr_bench.losses.contrastive.reference import Objective
from simclr_bench.losses.dispatch import (
    IMPLS,
    Impl,
    check_choice,
    check_labels,
    check_learnable_temperature,
    check_matrices,
    check_matrix,
    check_workspace,
    choose,
    without_autocast,
)
from simclr_bench.losses.precision import Precision

Reduction = Literal["mean", "sum", "none"]


def nt_xent(
    z0: Tensor,
    z1: Tensor,
    temperature: float | Tensor = 0.1,
    *,
    reduction: Reduction = "mean",
    normalize: bool = True,
    impl: Impl = "auto",
    precision: Precision | None = None,
    workspace_mb: int | None = None,
    group: ProcessGroup | None = None,
) -> Tensor:
    """The normalized temperature-scaled cross-entropy of paired embeddings.

    Row i of `z0` and row i of `z1` are two views of one image: each has to pick the other among the
    2B - 1 rows that are not itself. The mean is over all N = 2B rows, as in the paper and in
    lightly; the official code of google-research/simclr adds up the means of the two halves, which
    is twice this value. With a single pair there is nothing to pick from: loss and gradient are
    exactly 0.

    Args:
        z0: Embeddings of the first views; float16, bfloat16, float32 or float64. [B, D]
        z1: Embeddings of the second views, same shape, dtype and device. [B, D]
        temperature: tau > 0; divides the similarities. A tensor, on the same device or the CPU, may
            require a gradient; whether it is positive is not checked, since reading it would wait
            for the device. []
        reduction: "mean" or "sum" over the N rows, or "none" for z0's rows and then z1's.
        normalize: Whether rows are divided by their length (at least 1e-12) first. Without, rows
            are used as they are.
        impl: "fused" for the compiled operator, "chunked" for pure PyTorch in O(N D) memory,
            "reference" for the formula as printed, "auto" for the first of fused and chunked that
            takes these tensors.
        precision: How the compiled operator multiplies float32 rows on a GPU: "highest" as exactly
            as in float32, "high" with 16 bits of each number, "medium" with 8. By default what the
            program has set for torch's own products of matrices.
        workspace_mb: MiB that the compiled operator may take for what grows with N^2; by default 32
            on the CPU and 256 on a GPU. The CPU keeps tiles of similarities there, for "mean" and
            "sum", so as not to compute them twice; 0 keeps none, and the memory stays with the
            process. A GPU works on as many rows at a time as fit, on 128 at least.
        group: Processes whose rows are negatives too. Each gets its share of the loss, so that the
            mean over processes is the loss of all rows and DistributedDataParallel's mean of the
            gradients is its gradient (for "sum" likewise). Batches may differ in size. All
            processes have to multiply their share by the same number before backward.

    Returns:
        Loss in nats, float64 for float64 inputs and float32 for all others. [] or [2B]

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: Shapes, dtypes or devices differ or are unsupported, or a value is out of range.
        RuntimeError: `impl="fused"`, and there is no compiled operator for these tensors.

    Source: SimCLR (arXiv:2002.05709), Eq. 1 and Algorithm 1.
    """
    # In a group every process has to refuse what one of them has: after they have met.
    check_matrices("nt_xent", "[B, D]", ("z0", "z1"), z0, z1, rows=0 if group is not None else 1)
    return _loss(
        "nt_xent",
        z0,
        z1,
        temperature,
        None,
        reduction,
        normalize,
        impl,
        workspace_mb,
        precision,
        group,
    )


def decoupled_nt_xent(
    z0: Tensor,
    z1: Tensor,
    temperature: float | Tensor = 0.1,
    *,
    reduction: Reduction = "mean",
    normalize: bool = True,
    impl: Impl = "auto",
    precision: Precision | None = None,
    workspace_mb: int | None = None,
) -> Tensor:
    """`nt_xent` without the positive in the denominator, so that easy pairs keep their gradient.

    A row loses log(sum of exp(s/tau) over the 2B - 2 rows of other images) - s_positive/tau, which
    may be negative. Arguments, returns and errors are `nt_xent`'s.

    Raises:
        ValueError: Besides `nt_xent`'s, a single pair, which has nothing in the denominator.

    Source: Decoupled Contrastive Learning (arXiv:2110.06848), L_DC.
    """
    check_matrices("decoupled_nt_xent", "[B, D]", ("z0", "z1"), z0, z1)
    if len(z0) < 2:
        raise ValueError(
            "decoupled_nt_xent: z0 and z1 must have at least 2 rows, since a single pair has no "
            f"negatives, got {list(z0.shape)}"
        )
    return _loss(
        "decoupled", z0, z1, temperature, None, reduction, normalize, impl, workspace_mb, precision
    )


def info_nce(
    z0: Tensor,
    z1: Tensor,
    temperature: float | Tensor = 0.1,
    *,
    reduction: Reduction = "mean",
    normalize: bool = True,
    impl: Impl = "auto",
    precision: Precision | None = None,
    workspace_mb: int | None = None,
) -> Tensor:
    """InfoNCE between two towers, as in CLIP: rows of one never compete with rows of their own.

    Row i of `z0` has to pick row i of `z1` among all rows of `z1`, and the other way round. The
    mean over the 2B rows is CLIP's average of both directions; its logit scale is 1/tau. Arguments,
    returns and errors are `nt_xent`'s; with a single pair loss and gradient are exactly 0.

    Source: CLIP (arXiv:2103.00020), Figure 3; CPC (arXiv:1807.03748), Eq. 4.
    """
    check_matrices("info_nce", "[B, D]", ("z0", "z1"), z0, z1)
    return _loss(
        "info_nce", z0, z1, temperature, None, reduction, normalize, impl, workspace_mb, precision
    )


def supervised_contrastive(
    z: Tensor,
    labels: Tensor,
    temperature: float | Tensor = 0.1,
    *,
    reduction: Reduction = "mean",
    normalize: bool = True,
    impl: Impl = "auto",
    precision: Precision | None = None,
    workspace_mb: int | None = None,
) -> Tensor:
    """The supervised contrastive loss: every other row of one's label is a positive.

    A row loses the mean over its positives p of -log(exp(s_p/tau) / sum of exp(s_a/tau) over all
    other rows a), positives among them: Eq. 2 of the paper, the sum outside the log, without the
    factor tau/base_tau of its code. With two views of each image and labels that tell images apart
    this is `nt_xent`.

    A row without positives has loss 0 and moves nothing as an anchor, but it is a negative of all
    others. "mean" is over the rows that have positives: 0, with gradient 0, if there are none.

    Args:
        z: Embeddings; float16, bfloat16, float32 or float64. [N, D]
        labels: Integers; which ones does not matter. Same device. [N]
        temperature: As in `nt_xent`. []
        reduction: "mean" over the rows that have positives, "sum", or "none".
        normalize: As in `nt_xent`.
        impl: As in `nt_xent`.
        precision: As in `nt_xent`.
        workspace_mb: As in `nt_xent`.

    Returns:
        Loss in nats, float64 for float64 inputs and float32 for all others. [] or [N]

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: A shape, dtype, device or value is not as above.
        RuntimeError: `impl="fused"`, and there is no compiled operator for these tensors.

    Source: Supervised Contrastive Learning (arXiv:2004.11362), Eq. 2.
    """
    name = "supervised_contrastive"
    check_matrix(name, "[N, D]", "z", z)
    labels = check_labels(name, z, labels)
    return _loss(
        "supervised",
        z,
        None,
        temperature,
        labels,
        reduction,
        normalize,
        impl,
        workspace_mb,
        precision,
    )


def _loss(
    objective: Objective,
    z0: Tensor,
    z1: Tensor | None,
    temperature: float | Tensor,
    labels: Tensor | None,
    reduction: Reduction,
    normalize: bool,
    impl: Impl,
    workspace_mb: int | None,
    precision: Precision | None = None,
    group: ProcessGroup | None = None,
) -> Tensor:
    """The rest of every public function, once its embeddings and labels are checked."""
    name = reference.PUBLIC_NAMES[objective]
    check_choice(name, "reduction", reduction, ("mean", "sum", "none"))
    workspace_mb = check_workspace(name, workspace_mb, z0.device)
    if precision is not None:
        check_choice(name, "precision", precision, get_args(Precision))
    temperature = check_learnable_temperature(name, temperature, z0.device)
    tensors = [x for x in (z0, z1, temperature, labels) if isinstance(x, Tensor)]
    why_not = fused.why_not(objective, z0, temperature)
    chosen = choose(name, impl, *tensors, also_not_fused=why_not, stacklevel=3)
    options: dict[str, Any] = {"normalize": normalize}
    if chosen == "fused":
        options |= {"precision": precision, "workspace_mb": workspace_mb}
    mean = reduction == "mean"
    with without_autocast(z0):
        if group is not None and z1 is not None:
            if reduction == "none" or chosen == "reference":
                given = f"impl={impl!r}" if chosen == "reference" else f"reduction={reduction!r}"
                raise ValueError(
                    f"{name}: group goes with a mean or a sum, fused or chunked: {given}"
                )
            implementation = fused if chosen == "fused" else chunked_among
            return distributed.reduced(
                objective,
                z0,
                z1,
                temperature,
                mean=mean,
                group=group,
                implementation=implementation,
                options=options,
            )
        options["labels"] = labels
        if chosen == "fused" and reduction != "none" and z0.device.type == "cpu":
            return fused.reduced(objective, z0, z1, temperature, **options, mean=mean)
        rows_of: dict[str, Callable[..., Tensor]]
        rows_of = {"fused": fused.rows, "chunked": chunked.rows, "reference": reference.rows}
        rows = rows_of[chosen](objective, z0, z1, temperature, **options)
        if reduction == "none":
            return rows
        if mean:
            return rows.mean() if labels is None else rows.sum() / _anchors(labels)
        return rows.sum()


def _anchors(labels: Tensor) -> Tensor:
    """How many rows have a positive, at least 1. []"""
    ordered = labels.sort().values
    same = ordered[1:] == ordered[:-1]
    return (functional.pad(same, (1, 0)) | functional.pad(same, (0, 1))).sum().clamp_min(1)


class NTXentLoss(nn.Module):
    """`nt_xent` as a module, with the arguments and defaults of lightly's class of this name.

    Args:
        temperature: tau > 0. An `nn.Parameter` is learned with the module. []
        memory_bank_size: Only 0: a memory bank of earlier negatives is not supported.
        gather_distributed: Whether the rows of all processes are negatives, where the default
            process group has several: `nt_xent`'s `group`.
        impl: As in `nt_xent`.

    Raises:
        NotImplementedError: A memory bank is asked for.
        TypeError: The temperature is neither a number nor a tensor.
        ValueError: The temperature or `impl` is out of range.

    Source: SimCLR (arXiv:2002.05709), Eq. 1.
    """

    def __init__(
        self,
        temperature: float | Tensor = 0.5,
        memory_bank_size: int | Sequence[int] = 0,
        gather_distributed: bool = False,
        *,
        impl: Impl = "auto",
    ) -> None:
        super().__init__()
        if memory_bank_size != 0:
            raise NotImplementedError(
                f"NTXentLoss: memory_bank_size must be 0, got {memory_bank_size}; "
                "a memory bank is not supported"
            )
        check_choice("NTXentLoss", "impl", impl, IMPLS)
        self.temperature = check_learnable_temperature("NTXentLoss", temperature)
        self.gather_distributed = gather_distributed
        self.impl: Impl = impl

    def forward(self, out0: Tensor, out1: Tensor) -> Tensor:
        """The mean loss of two batches of views. [B, D], [B, D] -> []"""
        group = distributed.default_group() if self.gather_distributed else None
        return nt_xent(out0, out1, self.temperature, impl=self.impl, group=group)

    def extra_repr(self) -> str:
        return (
            f"temperature={float(self.temperature)}, "
            f"gather_distributed={self.gather_distributed}, impl={self.impl!r}"
        )
