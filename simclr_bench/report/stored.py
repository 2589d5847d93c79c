"""The document of a run directory: built from its records, and kept until anything changes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simclr_bench.errors import DataError
from simclr_bench.experiments.materials.choose import current_inputs
from simclr_bench.experiments.planning.jobs import Plan
from simclr_bench.experiments.planning.plan_file import load_plan
from simclr_bench.experiments.profiles import profile_of
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.experiments.provenance.standing import standing
from simclr_bench.paper.official import OFFICIAL, Official
from simclr_bench.results.store import Record, RunDirectory
from simclr_bench.storage.files import make_directory, sha256_of, write_atomically

JSON = dict[str, Any]

# What turns records into a document.
CODE = ("simclr_bench.report.document", "simclr_bench.report.figures")


def finished_document(
    directory: Path, plan: Plan, records: Mapping[str, Record], margin: float
) -> JSON:
    """The document of a plan whose jobs all have records; kept, with its figures, in the directory.

    A document that is there already is returned if neither records nor code have changed since.

    Args:
        directory: The run directory, held.
        plan: What was asked for.
        records: A record for every job.
        margin: The difference that matters.
    """
    key = sha256_of(
        {
            "directory": str(directory),  # it is in the document: a copy of a run has its own
            "plan": plan.as_dict(),
            "records": [vars(records[job.key]) for job in plan.jobs],
            "margin": margin,
            "code": source_fingerprint(*CODE),
        }
    )
    path = directory / "document.json"
    kept = _read(path)
    if kept and kept["key"] == key and _figures_exist(kept["document"]):
        document: JSON = kept["document"]
        return document
    # Statistics and drawing take longer to import than the rest of an answer from the records.
    from simclr_bench.report.document import build_document
    from simclr_bench.report.figures import save_figures

    document = build_document(plan, records, profile_of(plan), str(directory), margin=margin)
    make_directory(directory / "figures", "the folder for figures", "give another --out")
    files = save_figures(document, directory / "figures")
    for figure in document["figures"]:
        figure["files"] = files[figure["id"]]
    write_atomically(path, json.dumps({"key": key, "document": document}).encode())
    return document


def stored_document(directory: Path, official: Official = OFFICIAL) -> JSON:
    """The document of what a run directory holds, finished or not.

    Rows whose records are of other code, data, encoder or settings than today's are marked stale.

    Args:
        directory: The run directory.
        official: What counts as the paper's own data and weights.

    Raises:
        DataError: No run is here, or none of its jobs has finished, or a record is corrupt.
        StoreError: Another version wrote it.
    """
    from simclr_bench.report.document import build_document
    from simclr_bench.report.figures import FORMATS

    store = RunDirectory(directory)
    store.check_version()  # first: an old directory has no plan, and is not to be run into
    plan, margin = load_plan(directory)
    found = standing(plan, store.read_all(), current_inputs(plan.profile))
    if not found.records:
        raise DataError(f"{directory}: no job has finished yet; run the command that made it again")
    document = build_document(
        found.plan,
        found.records,
        profile_of(found.plan),
        str(directory),
        margin=margin,
        stale=found.stale,
        official=official,
        missing=found.missing,
    )
    for figure in document["figures"]:
        kept = (directory / "figures" / f"figure-{figure['id']}.{kind}" for kind in FORMATS)
        figure["files"] = [str(path) for path in kept if path.exists()]
    return document


def _read(path: Path) -> JSON | None:
    try:
        kept: JSON = json.loads(path.read_bytes())
        return kept if kept.keys() == {"key", "document"} else None
    except (OSError, ValueError, AttributeError):
        return None  # it is made again from the records


def _figures_exist(document: JSON) -> bool:
    return all(Path(file).exists() for figure in document["figures"] for file in figure["files"])
