"""A reproducibility checklist that the records fill in."""

from collections.abc import Sequence

from simclr_bench.report.document.measured import JSON
from simclr_bench.results.store import Record


def build_checklist(
    document: JSON, records: Sequence[Record], planned: int, missing: int
) -> list[JSON]:
    """Questions that conferences ask, answered from what was recorded.

    Args:
        document: The document, but for its checklist.
        records: All records behind it.
        planned: Number of jobs that were asked for.
        missing: How many of them have no record.

    Source: the questions follow NeurIPS' paper checklist and the NAACL 2021 reproducibility
        checklist, in our words.
    """
    environment = document["environment"]
    rows = [row for table in document["tables"] for row in table["rows"] if row["measures"]]
    seeds = [len(row["seeds"]) for row in rows]
    fewest_and_most = str(min(seeds, default=0)), str(max(seeds, default=0))
    skipped = sum(len(data["skipped"]) for data in document["data"])
    unfinished = sum(record.status != "done" for record in records)
    hours = sum(record.seconds for record in records) / 3600
    commit = environment["commit"]
    comparable = [
        row["verdict"]["word"] != "not comparable" for row in rows if row["verdict"] is not None
    ]
    return [
        _item(
            "Is the code identified?",
            bool(commit) and not environment["dirty"],
            f"commit {commit or 'unknown'}{' with changes' if environment['dirty'] else ''};"
            " each record's job has the hash of the modules that it ran",
        ),
        _item(
            "Is every hyper-parameter given?", True, "settings of each row, and each record's job"
        ),
        _item(
            "Is every choice that the paper leaves open named?",
            any(table["choices"] for table in document["tables"]) or None,
            "choices of each table",
        ),
        _item(
            "Are the data and their splits described?",
            bool(document["data"]),
            "data: images for training and held out, and how they were split",
        ),
        _item(
            "Is every file that was left out named?",
            True if skipped else None,
            f"data: {skipped or 'no'} files were skipped",
        ),
        _item(
            "Are the data and weights the paper's?",
            all(comparable) if comparable else None,
            f"verdicts: {sum(comparable)} of {len(comparable)} cells are comparable",
        ),
        _item(
            "Are seeds and the number of runs given?",
            True,
            f"seeds of each row: {' to '.join(dict.fromkeys(fewest_and_most))};"
            f" {len(records)} jobs in all",
        ),
        _item(
            "Do intervals say what they cover, and how they were computed?",
            True,
            "intervals of each table: seeds and examples, 95 %",
        ),
        _item(
            "Do failed and diverged runs count?",
            True,
            f"failed of each row: {unfinished} of {len(records)} jobs; each counts as 0",
        ),
        _item(
            "Are hardware, versions and compute time given?",
            True,
            f"environment: {environment['cpu']}, {environment['cores']} cores; {hours:.2f} hours of"
            " jobs, those that failed included",
        ),
        _item(
            "Was everything measured in one environment?",
            environment["distinct_environments"] == 1,
            f"environment: {environment['distinct_environments']} in all records",
        ),
        _item(
            "Has everything that was asked for finished?",
            not missing,
            f"{missing} of {planned} jobs have no result yet; the command that made the run"
            " directory goes on with them"
            if missing
            else f"{planned} jobs",
        ),
        _item(
            "Is every result of the present configuration, code and data?",
            not document["stale"],
            f"stale: {len(document['stale']) or 'no'} series of records",
        ),
        _item(
            "Can every metric be computed again from what was kept?",
            all(record.predictions for record in records if record.status == "done"),
            "predictions of each record; `simclr-bench verify` does it",
        ),
    ]


def _item(question: str, answer: bool | None, where: str) -> JSON:
    word = "n/a" if answer is None else "yes" if answer else "no"
    return {"question": question, "answer": word, "where": where}
