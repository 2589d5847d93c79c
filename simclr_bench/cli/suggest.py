"""Refusing a name that does not exist, with the nearest one that does."""

from collections.abc import Iterable
from difflib import get_close_matches

from simclr_bench.errors import UsageError


def find(name: str, known: Iterable[str], what: str) -> str:
    """Returns `name` if it is known.

    Args:
        name: What the user wrote.
        known: What exists.
        what: What kind of name it is, such as "table".

    Raises:
        UsageError: It is not known.
    """
    names = list(known)
    if name in names:
        return name
    near = get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else ""
    raise UsageError(
        " ".join(filter(None, [f"no {what} {name!r};", hint, f"there are: {', '.join(names)}"]))
    )
