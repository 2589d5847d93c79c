"""Options of the command that obtains a row again: what was set otherwise than by default."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from simclr_bench.experiments.settings.tree import NetworkSettings
from simclr_bench.paper.spec import Experiment, Probe

# A row's label, its data set and its batch size say these.
_PLACED = {"dataset", "augment", "student", "teacher", "learns_from", "class_count"}


def set_otherwise(experiment: Experiment, settings: Mapping[str, Any]) -> list[str]:
    """`--set` for each field in which a job differs from the paper's experiment.

    Args:
        experiment: The paper's.
        settings: The job's, or those of its teacher's head.
    """
    probe = isinstance(experiment, Probe)
    section = "probe" if probe else "distillation"
    placed = _PLACED | ({"batch_size"} if probe else set())
    words = []
    for field in fields(experiment):
        if field.name in placed or field.name not in settings:
            continue
        value = getattr(experiment, field.name)
        ours = settings[field.name]
        if ours != (list(value) if isinstance(value, tuple) else value):
            text = ",".join(map(str, ours)) if isinstance(ours, list) else str(ours)
            words += ["--set", f"{section}.{field.name}={text}"]
    if probe and settings["single_pass"]:
        words += ["--set", "probe.single_pass=true"]
    return words


def profile_options(profile: str, settings: Mapping[str, Any]) -> list[str]:
    """Options of `reproduce` for a profile that is not the default, and for its networks.

    Args:
        profile: Name of the profile.
        settings: The job's.
    """
    network = settings.get("network")
    if network is None:
        return []
    words = ["--profile", profile]
    for field in fields(NetworkSettings):
        if field.name in network and network[field.name] != field.default:
            words += ["--set", f"network.{field.name}={network[field.name]}"]
    return words


def folder_options(settings: Mapping[str, Any]) -> list[str]:
    """Options of `transfer` with which a folder's rows differ from its defaults."""
    words = []
    if settings["heldout_fraction"] != 0.2:
        words += ["--heldout", str(settings["heldout_fraction"])]
    if settings["split_seed"]:
        words += ["--split-seed", str(settings["split_seed"])]
    if settings["single_pass"]:
        words.append("--single-pass")
    if settings["skip_corrupt"]:
        words.append("--skip-corrupt")
    if "network" in settings:
        words += ["--weights", settings["network"]["weights"]]
    return words
