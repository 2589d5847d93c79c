"""`report`: a run directory's results as a file."""

import argparse
import json
from pathlib import Path
from typing import Any

from simclr_bench.cli.output import print_json, print_line
from simclr_bench.storage.files import make_directory, write_atomically

SUFFIXES = {
    "html": ".html",
    "markdown": ".md",
    "csv": ".csv",
    "latex": ".tex",
    "json": ".json",
}


def run(options: argparse.Namespace) -> int:
    """Runs `report`."""
    from simclr_bench.report.stored import stored_document

    content = _rendered(stored_document(options.out), options.format).encode()
    path = _destination(options.to or options.out, options.format)
    make_directory(path.parent, "the report's folder", "give another --to")
    write_atomically(path, content)
    if options.json:
        print_json({"file": str(path), "format": options.format, "bytes": len(content)})
    else:
        print_line(str(path))
    return 0


def _rendered(document: dict[str, Any], form: str) -> str:
    match form:
        case "html":
            from simclr_bench.report.html import render_html

            return render_html(document)
        case "markdown":
            from simclr_bench.report.markdown import render_markdown

            return render_markdown(document)
        case "csv":
            from simclr_bench.report.delimited import render_csv

            return render_csv(document)
        case "latex":
            from simclr_bench.report.latex import render_latex

            return render_latex(document)
        case _:
            return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _destination(to: Path, form: str) -> Path:
    """A path with a suffix is a file, unless there is a folder of that name."""
    suffix = SUFFIXES[form]
    return to / f"report{suffix}" if to.is_dir() or not to.suffix else to
