"""Encoders on disk: made once, then read back, with their bytes checked.

    DIR/<key>.safetensors     the weights
    DIR/<key>.json            what determined them, how training went, the weights' SHA-256

The key is a hash of everything that determines the weights. The JSON file is written last: weights
without it are those of a run that was stopped, and are made again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simclr_bench.errors import DataError
from simclr_bench.storage.cache import cache_directory
from simclr_bench.storage.files import make_directory, sha256_of, write_atomically

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, "Tensor"]


@dataclass(frozen=True)
class CachedEncoder:
    """Weights, and how they were made.

    Attributes:
        state: The encoder's state dict.
        history: What the maker recorded, such as the loss by epoch.
    """

    state: State
    history: dict[str, Any]


def encoder_key(identity: Mapping[str, Any]) -> str:
    """The name that an encoder has in the cache."""
    return sha256_of(identity)[:24]


def encoder_paths(key: str) -> tuple[Path, Path]:
    """The files of an encoder: weights, and their description."""
    base = cache_directory() / "encoders"
    return base / f"{key}.safetensors", base / f"{key}.json"


def read_encoder(key: str) -> CachedEncoder | None:
    """Reads an encoder back, or returns None if it was never finished.

    Raises:
        DataError: A file is unreadable, or is not what was written.
    """
    weights, description = encoder_paths(key)
    try:
        stated = json.loads(description.read_bytes())
        data = weights.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{weights}: cannot be read ({os.strerror(error.errno or 0)})") from error
    except ValueError as error:
        raise _corrupt(description, "does not parse") from error
    if not isinstance(stated, dict) or stated.keys() != {"identity", "history", "sha256"}:
        raise _corrupt(description, "does not parse")
    if hashlib.sha256(data).hexdigest() != stated["sha256"]:
        raise _corrupt(weights, "its SHA-256 differs")
    from safetensors.torch import load

    return CachedEncoder(load(data), stated["history"])


def obtain_encoder(
    identity: Mapping[str, Any], make: Callable[[], tuple[State, dict[str, Any]]]
) -> CachedEncoder:
    """Reads an encoder from the cache, or makes it and keeps it.

    Args:
        identity: Everything that determines the weights.
        make: Returns the state dict and a JSON history.

    Raises:
        DataError: The cache is corrupt or cannot be written.
    """
    key = encoder_key(identity)
    cached = read_encoder(key)
    if cached is not None:
        return cached
    weights, description = encoder_paths(key)
    # Before the work, not after it: an unwritable cache must not cost minutes.
    make_directory(weights.parent, "the encoder cache", "set SIMCLR_BENCH_CACHE to another")
    state, history = make()
    from safetensors.torch import save

    data = save({name: tensor.contiguous() for name, tensor in state.items()})
    stated = {
        "identity": dict(identity),
        "history": history,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    write_atomically(weights, data)
    write_atomically(description, json.dumps(stated, indent=1).encode())
    return CachedEncoder(state, history)


def _corrupt(path: Path, how: str) -> DataError:
    return DataError(
        f"{path}: the cached encoder is corrupt ({how}); delete it and run the command again"
    )
