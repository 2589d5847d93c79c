"""Where the numbers come from: environment, encoder, data, and the words for what was done."""

from collections.abc import Sequence

from simclr_bench.report.document.measured import (
    FEWEST_SEEDS,
    JSON,
    Measured,
    common_seeds,
    difference,
)
from simclr_bench.results.store import Record

# Source: ACM, Artifact Review and Badging, version 1.1 (2020); in our words.
WORDS = {
    "repeatability": (
        "The same team obtains the result again with the same setup (ACM, version 1.1)."
    ),
    "reproducibility": (
        "A different team obtains the result with the same setup, the authors' own artifacts (ACM,"
        " version 1.1)."
    ),
    "replication": (
        "A different team obtains the result with a setup of its own making (ACM, version 1.1,"
        " where it is called replicability)."
    ),
}
THIS_RUN = {
    "embedded": (
        "None of the paper's results is reproduced or replicated here: data and encoder are"
        " stand-ins, and claims are checked as mechanisms. The same command, run again on the same"
        " machine, shows the repeatability of this run."
    ),
    "folder": (
        "The paper's protocol on other images: neither a reproduction nor a"
        " replication of its results. The same command, run again on the same machine, shows the"
        " repeatability of this run."
    ),
}
# What a full-size run is, if its cells are comparable.
OTHERWISE = (
    "A replication: another team, code of its own. It is called so only where data and weights are"
    " the official ones, and cells that are not comparable say why."
)


def words_for(profile: str) -> JSON:
    """ACM's words, and which of them applies to a run."""
    return {**WORDS, "this_run": THIS_RUN.get(profile, OTHERWISE)}


def environment_of(records: Sequence[Record]) -> JSON:
    """The environment of the newest record, and how many different ones there are."""
    newest = max(records, key=lambda record: record.started)
    distinct: list[JSON] = []
    for record in records:
        if record.environment not in distinct:
            distinct.append(record.environment)
    return {**newest.environment, "distinct_environments": len(distinct)}


def encoder_check(section: Sequence[Measured]) -> list[JSON]:
    """What pretraining is worth: converged probes on the encoder, trained and untrained."""
    found = {(each.dataset, each.settings["weights"]): each for each in section}
    checks = []
    for dataset in dict.fromkeys(each.dataset for each in section):
        both = [found.get((dataset, weights)) for weights in ("pretrained", "untrained")]
        pair = [each for each in both if each is not None]
        if len(pair) < 2 or len(seeds := common_seeds(pair)) < FEWEST_SEEDS:
            continue
        pretrained, untrained = (each.only(seeds) for each in pair)
        checks.append(
            {
                "dataset": dataset,
                "classes": pretrained.classes,
                "chance": 1 / pretrained.classes,
                "pretrained": pretrained.metric("heldout"),
                "untrained": untrained.metric("heldout"),
                "difference": difference(pretrained.ours("heldout"), untrained.ours("heldout")),
            }
        )
    return checks


def data_of(measured: Sequence[Measured]) -> list[JSON]:
    """Each data set once, as the records describe it: whole where a job used it whole.

    Stale records describe it only where there are no others.
    """
    whole_first = sorted(
        measured,
        key=lambda each: (each.stale is not None, each.settings.get("class_count") is not None),
    )
    described = {
        each.dataset: each.done[0].details["data"] for each in reversed(whole_first) if each.done
    }
    order = dict.fromkeys(each.dataset for each in measured)
    return [{"dataset": dataset, **described[dataset]} for dataset in order if dataset in described]
