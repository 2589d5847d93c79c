"""The suites of the losses on a CPU; cuda.py has what only a GPU is measured at."""

from itertools import product

from benchmarks.grid.cells import LossCell
from benchmarks.grid.suites import Suite


def nt_xent(rows: int, columns: int, dtype: str = "float32", temperature: float = 0.1) -> LossCell:
    return LossCell("nt_xent", rows, columns, dtype, temperature)


def distillation(rows: int, columns: int, dtype: str = "float32") -> LossCell:
    return LossCell("distillation", rows, columns, dtype, temperature=4.0)


# 64 and 128 are what SimCLR projects to, 512 a wide head; 8192 rows are its batch of 4096.
STANDARD = tuple(nt_xent(n, d) for n, d in product((256, 1024, 4096, 8192), (64, 128, 512)))

# From where fixed costs rule to where memory does, and from D below one tile to D of many.
SWEEP = tuple(
    nt_xent(n, d)
    for n, d in product((2**k for k in range(6, 15)), (32, 64, 128, 256, 512, 1024, 2048))
)

# 5 classes are flowers, 100 about the paper's widest transfer set, 1000 ImageNet, 21841 its parent.
DISTILLATION = tuple(
    distillation(b, c)
    for c, b in product((5, 100, 1000, 21841), (64, 1024, 8192))
    if (b, c) != (8192, 21841)  # 2.9 GB in eager's buffers and 10 s a call: no more is learned
)

NT_XENT_PROVIDERS = ("fused", "eager", "compile")

# These at one width: each is eager in other words, or compiled in every cell.
NT_XENT_PEERS = (
    "chunked",
    "lightly",
    "pytorch-metric-learning",
    "pytorch-metric-learning-supcon",
    "supcontrast-formula",
    "open-clip",
    "cut-cross-entropy",
)

# Sizes that a laptop's owner meets first; a minute is too long to wait for a first answer, so
# nothing here is compiled.
QUICK = (
    Suite(
        "quick",
        (nt_xent(256, 64), nt_xent(1024, 128), nt_xent(2048, 128), nt_xent(1024, 128, "bfloat16")),
        ("fused", "chunked", "eager", "lightly"),
        rounds=9,
        patience_s=1.0,
    ),
    Suite(
        "quick",
        (distillation(64, 100), distillation(1024, 100), distillation(1024, 1000)),
        ("fused", "chunked", "eager"),
        rounds=9,
        patience_s=1.0,
    ),
)

RACES = (
    *QUICK,
    Suite(
        "standard",
        tuple(cell for cell in STANDARD if cell.columns == 128),
        (*NT_XENT_PROVIDERS, *NT_XENT_PEERS),
    ),
    Suite("standard", tuple(cell for cell in STANDARD if cell.columns != 128), NT_XENT_PROVIDERS),
    Suite("standard", DISTILLATION, ("fused", "eager", "compile", "torchdistill")),
    Suite(
        "bfloat16",
        tuple(nt_xent(n, 128, "bfloat16") for n in (1024, 4096)),
        ("fused", "fused-float32", "chunked", "eager", "lightly"),
    ),
    # A CPU without instructions for it takes plain PyTorch ten seconds a step here.
    Suite("bfloat16", (nt_xent(8192, 128, "bfloat16"),), ("fused", "fused-float32")),
    Suite("sweep", SWEEP, ("fused", "eager", "compile"), rounds=9),
)

# The second table: what is left of a ratio when fresh memory costs eager nothing.
TUNED_CELLS = tuple(cell for cell in STANDARD if cell.columns == 128)

# Gradients only, not times: down to a temperature at which the printed formula has no digits left.
ACCURACY = Suite(
    "accuracy",
    tuple(
        nt_xent(n, 128, temperature=tau)
        for tau, n in product((0.5, 0.1, 0.05, 0.02, 0.0125), (256, 1024, 4096))
    ),
    ("fused", "eager"),
)

# Peak memory only. The similarity matrix of 65536 rows is 17 GB: there, only ours can run.
MEMORY = Suite(
    "memory",
    (nt_xent(8192, 128), nt_xent(65536, 128)),
    ("fused", "eager", "compile", "lightly"),
)
