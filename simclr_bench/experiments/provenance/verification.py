"""Checks a whole run directory: bytes, names, and every metric against its predictions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simclr_bench.errors import DataError
from simclr_bench.experiments.planning.jobs import Job
from simclr_bench.experiments.running.attempt import Measure
from simclr_bench.results.store import Record, RunDirectory, listed
from simclr_bench.storage.files import canonical_json


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was checked, and what was wrong with it.

    Attributes:
        records: Records that are whole.
        predictions: Of these, the ones whose metrics were computed again.
        statuses: Records without fault, by status.
        leftovers: Unfinished files of a writer that was killed, or that is at work now.
        faults: One line for each file that is not what a run wrote.
    """

    records: int
    predictions: int
    statuses: dict[str, int]
    leftovers: tuple[str, ...]
    faults: tuple[str, ...]


def verify(store: RunDirectory, measure: Measure) -> Verification:
    """Reads every file of records/ and predictions/, computes every metric again, changes nothing.

    Args:
        store: The run directory.
        measure: Computes the metrics of a kind of job from its arrays.

    Raises:
        DataError: It is no run directory.
        StoreError: Another version wrote it.
    """
    store.check_version()
    # Leftovers last: what a run at work has renamed since is not there any more.
    beside, listed_records = listed(store.predictions), listed(store.records)
    leftovers = store.leftovers()
    strange = [
        path
        for path in [*listed_records, *beside]
        if path not in leftovers and not _is_named(store, path) and path.exists()
    ]
    faults = [f"{path}: is no record's file; move it elsewhere" for path in strange]
    statuses: dict[str, int] = {}
    records = predictions = 0
    for path in listed_records:
        if path.suffix != ".json":
            continue
        try:
            record = store.read(path.stem)
            if record is None:
                continue  # a failed job's, which is being tried again
            records += 1
            predictions += record.predictions is not None
            _check(store, record, measure)
            statuses[record.status] = statuses.get(record.status, 0) + 1
        except DataError as error:
            faults.append(str(error))
    return Verification(
        records=records,
        predictions=predictions,
        statuses=dict(sorted(statuses.items())),
        leftovers=tuple(map(str, leftovers)),
        faults=tuple(faults),
    )


def _is_named(store: RunDirectory, path: Path) -> bool:
    """Whether a file has the name of a record, or of predictions with a record."""
    if path.parent == store.records:
        return path.suffix == ".json"
    return path.suffix == ".npz" and (store.records / f"{path.stem}.json").exists()


def _check(store: RunDirectory, record: Record, measure: Measure) -> None:
    place = store.records / f"{record.key}.json"
    try:
        key = Job(**record.job).key
    except (TypeError, ValueError) as error:
        raise DataError(f"{place}: its job does not parse ({error})") from error
    if key != record.key:
        raise DataError(f"{place}: is named {record.key}, but its job's hash is {key}")
    beside = store.predictions / f"{record.key}.npz"
    if record.status != "done":
        if record.predictions is not None or beside.exists():
            raise DataError(f"{beside}: predictions of a job that {record.status}")
        if record.metrics:
            raise DataError(f"{place}: metrics of a job that {record.status}")
        return
    if record.predictions is None:
        raise DataError(f"{place}: is done, but names no predictions")
    arrays = store.read_arrays(record)
    try:
        computed = _texts(measure(record.job["kind"], arrays))
    except Exception as error:  # whatever is wrong with the arrays
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{beside}: gives no metrics ({reason})") from error
    stored = _texts(record.metrics)
    if stored != computed:
        names = [n for n in sorted({*stored, *computed}) if stored.get(n) != computed.get(n)]
        raise DataError(f"{place}: differs from what its predictions give in {', '.join(names)}")


def _texts(metrics: dict[str, Any]) -> dict[str, str]:
    return {name: canonical_json(value) for name, value in metrics.items()}
