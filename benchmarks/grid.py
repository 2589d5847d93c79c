"""The grid as data: cells, and suites of cells x providers. Providers are in providers.py."""

from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Cell:
    """One loss at one size.

    Attributes:
        loss: "nt_xent" or "distillation".
        rows: Rows that get a loss: N = 2B for nt_xent, B for distillation.
        columns: D or C.
        dtype: Name of the torch dtype of the inputs.
        temperature: tau or T.
        threads: CPU threads.
        precision: To how many digits float32 matrices are multiplied, in torch's words.
        mode: "step": forward and backward; "graph": a step, captured; "forward": without gradients.
    """

    loss: str
    rows: int
    columns: int
    dtype: str = "float32"
    temperature: float = 0.1
    threads: int = 2
    precision: str = "highest"
    mode: str = "step"

    @property
    def variant(self) -> str:
        """What sets it apart from a step at full precision, in words; mostly empty."""
        named = (self.precision, "highest"), (self.mode, "step")
        return " ".join(word for word, usual in named if word != usual)

    def __str__(self) -> str:
        letters, symbol = ("N{}-D{}", "tau") if self.loss == "nt_xent" else ("B{}-C{}", "T")
        size = letters.format(self.rows, self.columns)
        words = (self.loss, size, self.dtype, *self.variant.split())
        return f"{'-'.join(words)}-{symbol}{self.temperature:g}"


@dataclass(frozen=True)
class Suite:
    """Cells, each raced by the same providers in the same process.

    Attributes:
        name: How the command line and the records call it.
        cells: In the order in which they run.
        providers: Names; the first is ours, and every ratio is a time over its time.
        rounds: Rounds per cell, the discarded ones included.
        patience_s: Longest wait, in all of a cell, for the machine to be idle.
    """

    name: str
    cells: tuple[Cell, ...]
    providers: tuple[str, ...]
    rounds: int = 11
    patience_s: float = 15.0

    def __post_init__(self) -> None:
        losses = {cell.loss for cell in self.cells}
        if len(losses) != 1:
            raise ValueError(f"suite {self.name}: one loss per suite, got {sorted(losses)}")

    @property
    def loss(self) -> str:
        return self.cells[0].loss


def nt_xent(rows: int, columns: int, dtype: str = "float32", temperature: float = 0.1) -> Cell:
    return Cell("nt_xent", rows, columns, dtype, temperature)


def distillation(rows: int, columns: int, dtype: str = "float32") -> Cell:
    return Cell("distillation", rows, columns, dtype, temperature=4.0)


# 64 and 128 are what SimCLR projects to, 512 a wide head; 8192 rows are its batch of 4096.
ACCEPTANCE = tuple(nt_xent(n, d) for n, d in product((256, 1024, 4096, 8192), (64, 128, 512)))

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

NT_XENT_PROVIDERS = ("fused", "auto", "eager", "compile", "lightly", "pytorch-metric-learning")

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

SUITES = (
    *QUICK,
    Suite("acceptance", ACCEPTANCE, NT_XENT_PROVIDERS),
    Suite("acceptance", DISTILLATION, ("fused", "auto", "eager", "compile")),
    Suite(
        "bfloat16",
        tuple(nt_xent(n, 128, "bfloat16") for n in (1024, 4096, 8192)),
        ("fused", "fused-float32"),
    ),
    Suite("sweep", SWEEP, ("fused", "eager", "compile"), rounds=9),
)

# The second table: what is left of a ratio when fresh memory costs eager nothing.
TUNED_CELLS = tuple(cell for cell in ACCEPTANCE if cell.columns == 128)

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
