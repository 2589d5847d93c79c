"""Which weights the paper profile runs: names to hashes and origins, without reading a tensor."""

from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from simclr_bench.errors import UsageError
from simclr_bench.experiments.materials.interface import Missing
from simclr_bench.experiments.provenance.fingerprint import source_fingerprint
from simclr_bench.experiments.settings.suggest import nearest
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import file_sha256, sha256_of
from simclr_bench.weights.catalog import WEIGHTS
from simclr_bench.weights.file import description_path, read_provenance
from simclr_bench.weights.library import NAME, find_weights, is_installed

RANDOM = "random:"
RANDOM_SHAPE = ResNetShape()


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What weights are, as jobs name them among their inputs.

    Attributes:
        sha256: Of the tensors' file; of random weights, of all that determines them.
        origin: Their publisher's address if they are its own, else "fetched", "file", "trained" or
            "random".
    """

    sha256: str
    origin: str


def check_name(name: str, key: str) -> None:
    """Refuses a name that is neither published weights, nor installed, nor a file.

    Args:
        name: What the user wrote.
        key: The setting, for the error.

    Raises:
        UsageError: It is none of these.
    """
    known = name in WEIGHTS or bool(NAME.fullmatch(name) and is_installed(name))
    if name.startswith(RANDOM) or known or Path(name).is_file():
        return
    near = nearest(name, WEIGHTS)
    hint = f"did you mean {near}? " if near else ""
    raise UsageError(
        f"{key}: no weights {name!r}; {hint}`simclr-bench weights list` names the published ones,"
        " and a file would be one too"
    )


def label_of(name: str) -> str:
    """The name as records have it: of a file, without the folders of this machine."""
    published = name in WEIGHTS or name.startswith(RANDOM)
    return name if published or not Path(name).is_file() else Path(name).name


def seed_of(name: str) -> int | None:
    """The seed of random weights, None of others."""
    return int(name.removeprefix(RANDOM)) if name.startswith(RANDOM) else None


def identify(name: str) -> Identity | None:
    """What weights are, or None if they are not here.

    Args:
        name: Published weights, a file or "random:SEED".

    Raises:
        DataError: They are here and their description is corrupt.
    """
    if (seed := seed_of(name)) is not None:
        return Identity(sha256=_random_hash(seed), origin="random")
    if not is_here(name):
        return None
    path = find_weights(name)
    if path.suffix == ".safetensors" and description_path(path).is_file():
        provenance = read_provenance(path)
        origin = provenance.origin
        where = origin["url"] if provenance.official else origin["kind"]
        return Identity(sha256=provenance.sha256, origin=str(where))
    # A file of another program: by its own bytes.
    return Identity(sha256=_file_hash(path, path.stat().st_mtime_ns), origin="file")


def is_here(name: str) -> bool:
    """Whether weights can be read without a download."""
    if name.startswith(RANDOM) or Path(name).is_file():
        return True
    return bool(NAME.fullmatch(name)) and is_installed(name)


def missing_weights(name: str) -> Missing | None:
    """What gets published weights that are not here."""
    if is_here(name):
        return None
    entry = WEIGHTS[name]
    return Missing(
        what=f"weights {name}",
        bytes=entry.size or 4 * entry.parameters,
        published=entry.size is not None,
        command=f"simclr-bench weights fetch {name}",
    )


@cache
def _file_hash(path: Path, _: int) -> str:
    return file_sha256(path)


def _random_hash(seed: int) -> str:
    return sha256_of(
        {
            "random": seed,
            "shape": asdict(RANDOM_SHAPE),
            "code": source_fingerprint("simclr_bench.networks.resnet"),
            "torch": version("torch"),
        }
    )
