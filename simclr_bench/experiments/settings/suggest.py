"""Refusing a name that does not exist, with the nearest one that does."""

from collections.abc import Iterable
from difflib import get_close_matches

from simclr_bench.errors import UsageError


def find(name: str, known: Iterable[str], what: str, where: str = "") -> str:
    """Returns `name` if it is known.

    Args:
        name: What the user wrote.
        known: What exists.
        what: What kind of name it is, such as "table".
        where: Where it was written, such as a file; "" for the command line.

    Raises:
        UsageError: It is not known.
    """
    names = list(known)
    if name in names:
        return name
    place = f"{where}: " if where else ""
    near = nearest(name, names)
    hint = f"did you mean {near}? " if near else ""
    raise UsageError(f"{place}no {what} {name!r}; {hint}there are: {', '.join(names)}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like this one, if any does."""
    return next(iter(get_close_matches(name.lower(), list(known), n=1, cutoff=0.4)), None)
