"""`make benchmarks`: writes BENCHMARKS.md from the raw records under results/.

    python -m benchmarks.page

The page holds nothing that a record does not; tests/test_benchmarks_page.py fails when it is stale.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "BENCHMARKS.md"

HEAD = """\
<!-- Written by `make benchmarks` from the records under results/; never edited by hand. -->
# Benchmarks

`make bench` (`pytest --benchmark-only`) prints the default grid on your own machine: both losses,
fused against chunked and against plain eager PyTorch, with the gradient's error beside the time.
`make gpu` does the same on a CUDA machine and adds its records to `results/gpu/`.
"""

NOTHING = """
No records have been committed yet, so this page holds no numbers. GPU: not measured.
"""


def read_records(results: Path) -> list[dict[str, Any]]:
    """The records of every results/*/losses.jsonl, in the order of their files and lines."""
    return [
        json.loads(line)
        for path in sorted(results.glob("*/losses.jsonl"))
        for line in path.read_text().splitlines()
    ]


def render(records: Sequence[dict[str, Any]]) -> str:
    """The page."""
    if not records:
        return HEAD + NOTHING
    lines = ["", "| loss | size | dtype | impl | median ms (n) | gradient error | measured on |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for record in records:
        facts = record["environment"]
        cells = [
            record["loss"],
            f"{record['rows']} x {record['columns']}",
            record["dtype"],
            record["impl"],
            f"{record['median_ms']:.3f} ({len(record['times_ms'])})",
            f"{record['gradient_error']:.1e}",
            f"{facts['gpu']}, torch {facts['torch']}, commit {(facts['commit'] or '?')[:12]}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(read_records(ROOT / "results")))
