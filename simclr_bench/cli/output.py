"""The one document on stdout: JSON or text."""

import json
import sys
from typing import Any

from rich.console import Console, RenderableType

# Wide enough for every table here; narrower terminals wrap, pipes get this.
PIPE_WIDTH = 100


def print_json(document: Any) -> None:
    """Prints one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def print_text(renderable: RenderableType) -> None:
    """Prints for people: in color on a terminal, plain in a pipe."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    _write(Console(width=width, highlight=False), renderable)


def print_line(line: RenderableType) -> None:
    """Prints one line, however long, without breaking it."""
    _write(Console(highlight=False), line, soft_wrap=True)


def _write(console: Console, renderable: RenderableType, soft_wrap: bool = False) -> None:
    # Rendered first and written by us: rich ends the program with 1 when the reader has left.
    with console.capture() as capture:
        console.print(renderable, soft_wrap=soft_wrap)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(capture.get().encode(encoding, "replace").decode(encoding))
