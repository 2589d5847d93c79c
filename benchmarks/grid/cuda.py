"""The suites that only a GPU is measured at, each smallest first; the others are the CPU's."""

from itertools import product

from benchmarks.grid.cells import LossCell
from benchmarks.grid.suites import Suite

ROWS = (8192, 32768, 131072)
COLUMNS = (128, 512)

# dtype of the inputs, and how float32 is multiplied.
PRECISIONS = (
    ("bfloat16", "highest"),
    ("float16", "highest"),
    ("float32", "highest"),
    ("float32", "high"),
    ("float32", "medium"),
)


def nt_xent(
    rows: int, columns: int, dtype: str, precision: str = "highest", mode: str = "step"
) -> LossCell:
    return LossCell("nt_xent", rows, columns, dtype, precision=precision, mode=mode, device="cuda")


def distillation(rows: int, columns: int, dtype: str, mode: str = "step") -> LossCell:
    return LossCell("distillation", rows, columns, dtype, 4.0, mode=mode, device="cuda")


def _race(cells: tuple[LossCell, ...], *peers: str, name: str = "gpu_race") -> Suite:
    return Suite(name, cells, ("fused", *peers), patience_s=0.0)


# 5 classes are flowers, 1000 ImageNet, 21841 its parent, 128256 a language model's vocabulary.
# Small is where launches are the cost.
SMALL = ((64, 100), (256, 1000), (65536, 5))
MEDIUM = (4096, 1000)
LARGE = ((65536, 1000), (4096, 21841), (4096, 128256))

# Errors of ours and of the plain formula in the same precision, against float64.
ACCURACY = (
    Suite(
        "gpu_accuracy",
        tuple(
            nt_xent(n, d, dtype, precision)
            for n, d, (dtype, precision) in product(ROWS, COLUMNS, PRECISIONS)
        ),
        ("fused", "eager"),
    ),
    Suite(
        "gpu_accuracy",
        tuple(
            distillation(b, c, dtype)
            for (b, c), dtype in product(
                (MEDIUM, (65536, 1000), (4096, 128256)), ("bfloat16", "float16", "float32")
            )
        ),
        ("fused", "eager"),
    ),
)

DTYPES = ("bfloat16", "float32")

# What the targets are about.
RACES = (
    _race(
        tuple(nt_xent(1024, d, t, mode="graph") for d, t in product(COLUMNS, DTYPES)),
        "eager",
        "memeff",
    ),
    _race(
        tuple(nt_xent(n, d, "bfloat16") for n, d in product(ROWS, COLUMNS)),
        "eager",
        "eager-autocast",
        "memeff",
    ),
    _race(tuple(distillation(*size, t) for size, t in product((*SMALL, MEDIUM), DTYPES)), "eager"),
    _race(
        tuple(
            distillation(*size, t, mode)
            for size, t, mode in product(LARGE, DTYPES, ("step", "forward"))
        ),
        "eager",
    ),
    _race(
        tuple(nt_xent(n, d, "float32") for n, d in product(ROWS, COLUMNS)),
        "eager",
        "memeff",
    ),
)

# What is left of the time: peers that no target names, some of which compile for a minute.
PEERS = (
    _race(
        tuple(nt_xent(n, d, "bfloat16") for n, d in product(ROWS[:2], COLUMNS)),
        *("inf-cl", "cut-cross-entropy", "siglip-kernel", "lightly", "flex-attention", "compile"),
        name="gpu_peers",
    ),
    _race(
        tuple(distillation(b, c, "bfloat16") for b, c in (MEDIUM, *LARGE)),
        "liger",
        "compile",
        name="gpu_peers",
    ),
)

# Who joins the CPU's suites on a GPU.
ALSO = {
    ("standard", "nt_xent"): ("memeff", "flex-attention", "inf-cl"),
    ("standard", "distillation"): ("liger", "liger-jsd"),
    ("bfloat16", "nt_xent"): ("eager-autocast", "memeff", "cut-cross-entropy"),
}
