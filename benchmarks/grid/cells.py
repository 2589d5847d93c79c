"""A cell: one piece of work at one size, which every provider does in turn."""

from dataclasses import dataclass

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class LossCell:
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
        device: One of `DEVICES`.
    """

    loss: str
    rows: int
    columns: int
    dtype: str = "float32"
    temperature: float = 0.1
    threads: int = 2
    precision: str = "highest"
    mode: str = "step"
    device: str = "cpu"

    @property
    def work(self) -> str:
        return self.loss

    @property
    def variant(self) -> str:
        """What sets it apart from a step at full precision, in words; mostly empty."""
        named = (self.precision, "highest"), (self.mode, "step")
        return " ".join(word for word, usual in named if word != usual)

    @property
    def title(self) -> str:
        """As a table has it: its temperature is the suite's."""
        letters = ("N", "D") if self.loss == "nt_xent" else ("B", "C")
        size = f"{letters[0]}={self.rows} {letters[1]}={self.columns}"
        return " ".join((self.loss, size, self.dtype, *self.variant.split()))

    def __str__(self) -> str:
        letters, symbol = ("N{}-D{}", "tau") if self.loss == "nt_xent" else ("B{}-C{}", "T")
        size = letters.format(self.rows, self.columns)
        words = (self.loss, size, self.dtype, *self.variant.split())
        return f"{'-'.join(words)}-{symbol}{self.temperature:g}"


@dataclass(frozen=True)
class ImageCell:
    """Images through augmentation, a network, or a whole training step.

    Attributes:
        work: "augment": two views of each image; "extract": features; "train": a step of SimCLR.
        images: Images per call; a training step has two views of each.
        side: Pixels of a view.
        source: Pixels of an image before the crop; 0 where nothing is cropped.
        network: "r18", "r50"; "" where there is none.
        dtype: Name of the torch dtype that is computed in.
        threads: CPU threads.
        device: One of `DEVICES`.
    """

    work: str
    images: int
    side: int
    source: int = 0
    network: str = ""
    dtype: str = "float32"
    threads: int = 2
    device: str = "cpu"

    @property
    def title(self) -> str:
        """As a table has it."""
        pixels = f"{self.source} to {self.side} px" if self.source else f"{self.side} px"
        words = (self.work, self.network, f"B={self.images}", pixels, self.dtype)
        return " ".join(word for word in words if word)

    def __str__(self) -> str:
        origin = f"from{self.source}" if self.source else ""
        words = (self.work, self.network, f"B{self.images}", f"{self.side}px", origin, self.dtype)
        return "-".join(word for word in words if word)


Cell = LossCell | ImageCell


def cell_from(fields: dict[str, object]) -> Cell:
    """The cell of a record's fields."""
    return LossCell(**fields) if "loss" in fields else ImageCell(**fields)  # type: ignore[arg-type]
