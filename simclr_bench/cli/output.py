"""The one document on stdout: JSON or text."""

import json
import sys
from typing import Any

from rich.console import Console, RenderableType

# Wide enough for every table here; narrower terminals wrap, pipes get this.
PIPE_WIDTH = 100


def print_json(document: Any) -> None:
    """Prints one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_text(renderable: RenderableType) -> None:
    """Prints for people: in color on a terminal, plain in a pipe."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(width=width, highlight=False).print(renderable)


def print_line(line: RenderableType) -> None:
    """Prints one line, however long, without breaking it."""
    Console(highlight=False).print(line, soft_wrap=True)
