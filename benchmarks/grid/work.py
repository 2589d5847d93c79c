"""What a cell has to compute and to move at least, whoever does it; and what of it was achieved.

Nominal work: what the mathematics asks for, not what a provider does. The fused NT-Xent computes
similarities again instead of keeping them, and plain PyTorch goes through memory many times;
neither is counted, so that a higher rate is always a shorter time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.grid.cells import Cell, LossCell
from benchmarks.records.record import Record

ITEM_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}

# Multiply-adds of one image, by network and side, the projection head left out; up to 32 pixels the
# stem has no stride. Counted on our networks by torch's FlopCounterMode; torchvision.models states
# 4.09e9 for ResNet50 too.
MULTIPLY_ADDS = {
    ("small", 32): 9_388_032,
    ("mlp", 32): 786_432,
    ("r18", 32): 559_611_904,
    ("r18", 224): 1_826_406_400,
    ("r50", 32): 1_297_809_408,
    ("r50", 224): 4_087_136_256,
}

# The gradient of a product is two products of its size: to one factor and to the other.
FORWARD, STEP = 1, 3


@dataclass(frozen=True)
class Work:
    """The least that one call of a cell takes.

    Attributes:
        flops: Of products; a multiply-add is two.
        exps: Exponentials.
        bytes: Inputs read and gradients written, each once; None where that is no bound.
    """

    flops: float
    exps: float = 0.0
    bytes: float | None = None


def work_of(cell: Cell) -> Work | None:
    """The work of a call; None where it is no matter of arithmetic (augmentation), or not counted.

    NT-Xent is the product of all rows with all, and two more for the gradient; distillation takes
    the softmax of the student at 1 and at T and of the teacher at T, whose exponentials serve the
    gradient too. Training sees two views of each image.
    """
    if isinstance(cell, LossCell):
        return _loss(cell)
    images = cell.images * {"extract": FORWARD, "train": 2 * STEP}.get(cell.work, 0)
    adds = MULTIPLY_ADDS.get((cell.network, cell.side))
    return Work(2.0 * adds * images) if adds and images else None


def _loss(cell: LossCell) -> Work:
    n, width, learns = float(cell.rows), cell.columns, cell.mode != "forward"
    elements = n * width * ITEM_BYTES[cell.dtype]
    if cell.loss == "nt_xent":
        products = STEP if learns else FORWARD
        return Work(2 * products * n * n * width, n * n, (2 if learns else 1) * elements)
    return Work(0.0, 3 * n * width, (3 if learns else 2) * elements)


@dataclass(frozen=True)
class Achieved:
    """Rates of the nominal work; a share is of the ceiling measured in the same process.

    Attributes:
        tflop_s: 10^12 floating-point operations of products a second.
        gb_s: 10^9 bytes of inputs and gradients a second.
        exp_g_s: 10^9 exponentials a second.
        matmul_share: Of what a product of the same precision reaches; above 1 where work is saved.
        copy_share: Of what a copy moves.
        exp_share: Of what `torch.exp` reaches out of the caches.
    """

    tflop_s: float | None = None
    gb_s: float | None = None
    exp_g_s: float | None = None
    matmul_share: float | None = None
    copy_share: float | None = None
    exp_share: float | None = None

    @property
    def limit(self) -> tuple[str, float] | None:
        """The ceiling that it is nearest to, and how near."""
        names = {"matmul": self.matmul_share, "copy": self.copy_share, "exp": self.exp_share}
        shares = {name: share for name, share in names.items() if share is not None}
        return max(shares.items(), key=lambda item: item[1]) if shares else None


def achieved(record: Record) -> Achieved | None:
    """What a record's median time comes to; None without times, or without a model of the work.

    In the precision that the provider computed in, which need not be the cell's.
    """
    work = work_of(replace(record.cell, dtype=record.precision))
    if record.median_ms is None or work is None:
        return None
    rates = [
        None if not amount else amount / record.median_ms / 1e6
        for amount in (work.flops, work.bytes, work.exps)
    ]
    ceilings = record.environment.get("ceilings") or {}
    tops = [_matmul(record, ceilings), ceilings.get("copy_gb_s"), ceilings.get("exp_g_s")]
    shares = [
        None if rate is None or not top else rate / top
        for rate, top in zip(rates, tops, strict=True)
    ]
    return Achieved(rates[0] and rates[0] / 1e3, rates[1], rates[2], *shares)


def _matmul(record: Record, ceilings: Mapping[str, float]) -> float | None:
    """The ceiling of its products: both 16-bit types are multiplied at the same rate.

    A CPU without instructions for them multiplies them faster as float32.
    """
    full = ceilings.get("matmul_gflop_s")
    if record.precision in {"bfloat16", "float16"}:
        half = ceilings.get("matmul_bfloat16_gflop_s")
        return max(half, full or 0.0) if half else None
    reduced = isinstance(record.cell, LossCell) and record.cell.precision != "highest"
    return None if reduced else full
