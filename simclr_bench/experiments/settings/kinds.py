"""Kinds of values: how each is read from text and from TOML, and what is allowed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# Of a seed, a batch size or a count; and of seeds in one run, each of which is many jobs.
LARGEST = 2**31 - 1
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Kind:
    """A kind of value. Both functions raise ValueError for what is not allowed.

    Attributes:
        allowed: What a value must be, as an error names it.
        check: From a value as TOML has it to the value as settings hold it.
        parse: From text to what TOML would have.
    """

    allowed: str
    check: Callable[[Any], Any]
    parse: Callable[[str], Any] = str.strip


def whole(least: int, most: int = LARGEST) -> Kind:
    """A whole number from `least` to `most`."""
    allowed = f"a whole number from {least} to {most}"
    return Kind(allowed, lambda value: _whole(value, least, most), int)


def wholes(least: int, most: int = LARGEST, *, distinct: bool) -> Kind:
    """Whole numbers, as a tuple; a repeated one counts once if they are to be distinct."""

    def check(value: Any) -> tuple[int, ...]:
        numbers = _all(value, lambda number: _whole(number, least, most))
        return tuple(dict.fromkeys(numbers)) if distinct else numbers

    allowed = f"whole numbers from {least} to {most}, one or more"
    return Kind(allowed, check, lambda text: [int(part) for part in text.split(",")])


def words(what: str) -> Kind:
    """Texts, as a tuple; each counts once."""

    def check(value: Any) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(dict.fromkeys(_all(parts, _word)))

    return Kind(f"{what}, one or more, with commas between", check)


def number(allowed: str, admits: Callable[[float], bool]) -> Kind:
    """A finite number that `admits` admits."""

    def check(value: Any) -> float:
        # TOML's 1 is a number too; its true is not.
        wrong_type = type(value) not in (int, float)
        if wrong_type or not math.isfinite(value) or not admits(value):
            raise ValueError(value)
        return float(value)

    return Kind(allowed, check, float)


def choice(*names: str) -> Kind:
    """One of a few names."""

    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(value)
        return str(value)

    return Kind(" or ".join(names), check)


def weights_name(*, random: bool) -> Kind:
    """The name of published weights or a file's; where allowed also "random:SEED"."""

    def check(value: Any) -> str:
        name = _word(value)
        if name.startswith("random:") and not (random and name[7:].isdecimal()):
            raise ValueError(value)
        return name

    others = ", a .safetensors file or random:SEED" if random else " or a .safetensors file"
    return Kind(f"a name of `simclr-bench weights list`{others}", check)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def _flag_of(text: str) -> bool:
    return _flag({"true": True, "false": False}.get(text.strip().lower()))


def _seeds(value: Any) -> range:
    if type(value) not in (int, str):
        raise ValueError(value)
    ends = [int(part) for part in str(value).split(":")]
    if len(ends) > 2:
        raise ValueError(value)
    seeds = range(*ends)
    if not 2 <= len(seeds) <= MOST_SEEDS or seeds[0] < 0 or seeds[-1] > LARGEST:
        raise ValueError(value)
    return seeds


FLAG = Kind("true or false", _flag, _flag_of)
SEEDS = Kind(
    f"N (seeds 0 to N-1) or A:B (A to B-1), two seeds or more, at most {MOST_SEEDS}, each from 0"
    f" to {LARGEST}",
    _seeds,
)


def _whole(value: Any, least: int, most: int) -> int:
    # type, because TOML's true is an int to Python.
    if type(value) is not int or not least <= value <= most:
        raise ValueError(value)
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return value.strip()


def _all(value: Any, check: Callable[[Any], Any]) -> tuple[Any, ...]:
    """One value or several, each checked; there must be one."""
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not several:
        raise ValueError(value)
    return tuple(check(part) for part in several)
