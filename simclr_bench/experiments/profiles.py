"""What stands behind the name of a data set, and what may be said of the results."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from simclr_bench.experiments.planning.jobs import Job, Plan


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

PAPER = Profile(
    name="paper",
    label="PAPER",
    notice="The paper's protocol at full size, on its data sets.",
)

# Of a folder with a full-size encoder.
FOLDER_FULL_SIZE = "Your images, at full size. The paper's protocol, not the paper's data."

FOLDER = Profile(
    name="folder",
    label="YOUR IMAGES",
    notice=(
        "Your images, and the small encoder that simclr-bench pretrains on procedural images. The"
        " paper's protocol, not the paper's data or encoder."
    ),
)

PROFILES = {profile.name: profile for profile in (EMBEDDED, PAPER, FOLDER)}


def profile_of(plan: Plan) -> Profile:
    """The profile of a plan; the notice of a full-size one names its weights and its data."""
    profile = PROFILES[plan.profile]
    if not (used := materials_in_words(plan.jobs)):
        return profile
    notice = FOLDER_FULL_SIZE if profile is FOLDER else profile.notice
    return replace(profile, notice=f"{notice} {used}")


def materials_in_words(jobs: Iterable[Job]) -> str:
    """Which weights and data full-size jobs read, and how official these are; "" for others.

    Args:
        jobs: Of one plan.
    """
    weights: dict[str, None] = {}
    data: dict[str, None] = {}
    for job in jobs:
        network = job.settings.get("network")
        if network is None:
            continue
        weights[_weights(network["weights"], job.inputs["encoder_origin"])] = None
        if job.kind == "student":
            name = network[job.settings["student"]]
            weights[f"base {_weights(name, job.inputs['base_origin'])}"] = None
        if "data_origin" in job.inputs:
            data[f"{job.dataset} ({job.inputs['data_origin']})"] = None
    words = [f"Weights: {', '.join(weights)}."] if weights else []
    return " ".join(words + ([f"Data: {', '.join(data)}."] if data else []))


def _weights(name: str, origin: str) -> str:
    return f"{name} ({origin})"
