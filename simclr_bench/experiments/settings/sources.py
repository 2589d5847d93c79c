"""From a file, the environment and the command line to settings, each value with its origin."""

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simclr_bench.errors import UsageError
from simclr_bench.experiments.settings.suggest import find, nearest
from simclr_bench.experiments.settings.tree import (
    KINDS,
    SECTIONS,
    Settings,
    settings_of,
    values_of,
)

BUILT_IN = "built in"
ASSIGNMENT = "--set"
PREFIX = "SIMCLR_BENCH_"

# Keys with a flag of their own.
FLAGS = {
    "--profile": "run.profile",
    "--device": "run.device",
    "--weights": "network.weights",
    "--seeds": "run.seeds",
    "--jobs": "run.jobs",
    "--workers": "run.workers",
    "--rows": "run.rows",
    "--batch-size": "run.batch_size",
    "--margin": "verdict.margin",
}

# Enough of a wrong value to recognise it.
SHOWN_LENGTH = 60


@dataclass(frozen=True)
class Resolved:
    """Settings, and where each came from.

    Attributes:
        settings: The settings.
        origins: Key, such as "probe.iterations" -> "built in", the file, the variable, "--set" or
            the flag.
    """

    settings: Settings
    origins: dict[str, str]


def resolve(
    config_file: Path | None,
    environ: Mapping[str, str],
    assignments: Sequence[str],
    flags: Mapping[str, str],
) -> Resolved:
    """Settings from everything that a user said.

    Args:
        config_file: A TOML file, or None.
        environ: The environment.
        assignments: What followed each `--set`: "section.key=value". The last one counts.
        flags: Flags of `FLAGS` that were given, with their text.

    Raises:
        UsageError: The file does not parse, a key is unknown, or a value is not allowed.
    """
    values = values_of(Settings())
    origins = dict.fromkeys(values, BUILT_IN)

    def take(key: str, value: Any, origin: str, text: bool = True) -> None:
        values[key], origins[key] = _read(key, value, origin, text), origin

    if config_file is not None:
        for key, value in _in_file(config_file).items():
            take(key, value, str(config_file), text=False)
    for key, variable in _in_environment(environ).items():
        take(key, environ[variable], variable)
    assigned = _assigned(assignments)
    for key, text in assigned.items():
        take(key, text, ASSIGNMENT)
    for flag, text in flags.items():
        if FLAGS[flag] in assigned:
            raise UsageError(f"{FLAGS[flag]} is given by {ASSIGNMENT} and by {flag}; give one")
        take(FLAGS[flag], text, flag)
    return Resolved(settings_of(values), origins)


def _read(key: str, value: Any, origin: str, text: bool) -> Any:
    kind = KINDS[key]
    try:
        return kind.check(kind.parse(value) if text else value)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{origin}: {key} must be {kind.allowed}, got {_shown(value)}") from error


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # TOML's hexadecimal numbers may be longer than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}..."


def _in_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UsageError(
            f"{path}: cannot be read ({reason}); --config wants a TOML file"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8, which TOML must be") from error
    except (ValueError, RecursionError) as error:
        # tomllib's own text ends in "(at line 3, column 5)".
        raise UsageError(f"{path}: is not TOML: {error}") from error
    return {
        key: value
        for section, content in document.items()
        for key, value in _in_section(section, content, str(path)).items()
    }


def _in_section(section: str, content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        # `seeds = 8` above all sections is the likeliest slip.
        sections = ", ".join(f"[{name}]" for name in SECTIONS)
        raise UsageError(f"{where}: {section!r} stands in no section; sections are {sections}")
    find(section, SECTIONS, "section", where)
    return {_known(f"{section}.{name}", where): value for name, value in content.items()}


def _in_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Key -> variable. Variables of no section are somebody else's."""
    found = {}
    for variable in sorted(environ):
        for section in SECTIONS:
            prefix = f"{PREFIX}{section.upper()}_"
            if variable.startswith(prefix):
                name = variable.removeprefix(prefix).lower()
                found[_known(f"{section}.{name}", variable, _variable)] = variable
    return found


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "_")


def _assigned(assignments: Sequence[str]) -> dict[str, str]:
    texts = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"{ASSIGNMENT}: wanted section.key=value, got {assignment!r}")
        texts[_known(key.strip(), ASSIGNMENT)] = text
    return texts


def _known(key: str, where: str, written: Callable[[str], str] = str) -> str:
    """The key, if there is one; `written` is how this source writes a key."""
    if key in KINDS:
        return key
    section, _, name = key.partition(".")
    near = nearest(key, KINDS)
    hint = f"did you mean {written(near)}? " if near else ""
    if section in SECTIONS and name:
        siblings = [known.partition(".")[2] for known in KINDS if known.startswith(f"{section}.")]
        known = f"[{section}] has {', '.join(siblings)}"
    else:
        known = f"a key is section.key, with the sections {', '.join(SECTIONS)}"
    raise UsageError(f"{where}: no setting {key!r}; {hint}{known}")
