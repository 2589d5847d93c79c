"""SimCLR's own transfer numbers with a ResNet-50 (1x): a second reference beside Table 4.

Other protocols than Table 4's: a linear classifier trained to convergence, or all weights tuned for
20,000 steps, and always the official test images.
"""

from dataclasses import dataclass

SOURCE = "arXiv:2002.05709 (SimCLR), Table B.5, ResNet-50"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A published accuracy on a data set of the same name, or on the one that the paper cites."""

    source: str
    what: str
    value: float  # top-1 accuracy as a fraction, or mean accuracy per class where `what` says so


def _column(
    data: str, linear: float, supervised: float, tuned: float, tuned_supervised: float
) -> tuple[Reference, ...]:
    values = {
        "linear classifier on SimCLR's features": linear,
        "linear classifier on supervised features": supervised,
        "SimCLR, all weights fine-tuned": tuned,
        "supervised, all weights fine-tuned": tuned_supervised,
    }
    return tuple(
        Reference(source=SOURCE, what=f"{protocol}; {data}", value=value)
        for protocol, value in values.items()
    )


PETS = "ANOTHER DATA SET, Oxford-IIIT Pet, which the paper cites: 37 classes, mean per class"
FLOWERS = "ANOTHER DATA SET, Oxford 102 Flowers, which the paper cites: 102 classes, mean per class"

REFERENCES = {
    "cats_vs_dogs": _column(PETS, 0.836, 0.915, 0.892, 0.921),
    "tf_flowers": _column(FLOWERS, 0.912, 0.947, 0.970, 0.976),
    "dtd": _column("DTD, first split, 1,880 test images", 0.745, 0.749, 0.732, 0.746),
    "cifar_100": _column("CIFAR-100, 10,000 test images", 0.716, 0.783, 0.859, 0.864),
    "food_101": _column("Food-101, 25,250 test images", 0.684, 0.723, 0.882, 0.883),
}
