"""What stands behind the name of a data set, and what may be said of the results."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """A choice of data and encoder.

    Attributes:
        name: As in records and on the command line.
        label: Printed in every output.
        notice: What the label means, in a sentence or two.
    """

    name: str
    label: str
    notice: str


EMBEDDED = Profile(
    name="embedded",
    label="EMBEDDED",
    notice=(
        "Procedural images and a small encoder made here stand in for the paper's data sets and"
        " ResNet-50. This checks the mechanism; its accuracies are not comparable with the paper's."
        " Generator and recipe were fixed before any claim was looked at."
    ),
)

FOLDER = Profile(
    name="folder",
    label="YOUR IMAGES",
    notice=(
        "Your images, and the small encoder that simclr-bench pretrains on procedural images. The"
        " paper's protocol, not the paper's data or encoder."
    ),
)

PROFILES = {profile.name: profile for profile in (EMBEDDED, FOLDER)}
