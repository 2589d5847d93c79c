"""What is known of an imported data set: one file, which is written last and names all others.

    CACHE/datasets/NAME/manifest.json            what was imported, with hashes of the files below
    CACHE/datasets/NAME/data-<random>/           shards of pixels and their index
    CACHE/datasets/NAME/lock                     held while importing

Another import makes another data-<random> beside it and replaces the manifest: at any moment the
set is the old one or the new one, whole.
"""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from simclr_bench.errors import DataError
from simclr_bench.storage.cache import cache_directory
from simclr_bench.storage.files import write_atomically

SCHEMA_VERSION = 1

# The first line; its checksum is that of the rest, as if it began with the brace alone.
CHECKSUM = re.compile(rb'\{"sha256": "([0-9a-f]{64})",\n')


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """An imported data set.

    Attributes:
        name: Its name in the catalog.
        classes: Names in label order.
        counts: "train" and "heldout" -> images of each class; with a split that neither contains
            under its own name ("validation" of dtd: counted, not decoded).
        source: "kind" ("archive", "folder" or "tfds"), "path", "sha256" (of an archive), "official"
            (whether that hash is the catalog's, and all of it was taken) and "url" (where it came
            from, if fetched).
        deviations: How its counts differ from the catalog's; empty but after --unofficial, or if
            images were left out that do not decode.
        dropped: "file" and "reason" of each image that was left out, by "rule": "set" (that of the
            data set) or "corrupt".
        notes: "file" and "note" of what is odd and was kept.
        split: How train and heldout were told apart, in words.
        content_sha256: Hash over all decoded pixels, labels, splits and ids, in the order of ids.
        index: "file", "bytes" and "sha256" of the index.
        shards: The same of each file of pixels.
        versions: Of what decoded it.
        schema_version: Of this file.
    """

    name: str
    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    source: dict[str, Any]
    deviations: list[str]
    dropped: list[dict[str, str]]
    notes: list[dict[str, str]]
    split: str
    content_sha256: str
    index: dict[str, Any]
    shards: list[dict[str, Any]]
    versions: dict[str, str]
    schema_version: int = SCHEMA_VERSION

    @property
    def corrupt(self) -> list[dict[str, str]]:
        """The "file" and "reason" of images that do not decode and were left out."""
        return [
            {"file": each["file"], "reason": each["reason"]}
            for each in self.dropped
            if each["rule"] == "corrupt"
        ]


def dataset_directory(name: str) -> Path:
    """Where a data set is kept once it is imported."""
    return cache_directory() / "datasets" / name


def manifest_path(name: str) -> Path:
    """The file that says a data set is there."""
    return dataset_directory(name) / "manifest.json"


def read_manifest(name: str) -> Manifest | None:
    """What was imported under a name, or None if nothing ever was.

    Raises:
        DataError: The file is not what was written, or another version wrote it.
    """
    path = manifest_path(name)
    remedy = f"import {name} again"
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error
    first = CHECKSUM.match(data)
    if first is None:
        raise DataError(f"{path}: the manifest is corrupt (does not parse); {remedy}")
    body = b"{\n" + data[first.end() :]
    if hashlib.sha256(body).hexdigest().encode() != first[1]:
        raise DataError(f"{path}: the manifest is corrupt (its checksum differs); {remedy}")
    stated = json.loads(body)
    version = stated.get("schema_version")
    if version != SCHEMA_VERSION or stated.keys() != {field.name for field in fields(Manifest)}:
        raise DataError(
            f"{path}: written with manifest schema {version}, this version knows"
            f" {SCHEMA_VERSION}; {remedy}"
        )
    return Manifest(**{**stated, "classes": tuple(stated["classes"])})


def require_manifest(name: str) -> Manifest:
    """What was imported under a name.

    Raises:
        DataError: Nothing was, or the file is not what was written.
    """
    manifest = read_manifest(name)
    if manifest is None:
        how = f"`simclr-bench data fetch {name}` or `simclr-bench data import {name} PATH`"
        raise DataError(f"{manifest_path(name)}: {name} is not imported; {how} does")
    return manifest


def write_manifest(manifest: Manifest) -> None:
    """Makes an import the one that readers find.

    Raises:
        DataError: The disk refuses.
    """
    lines = [
        f" {json.dumps(name)}: {json.dumps(value)}" for name, value in asdict(manifest).items()
    ]
    rest = ",\n".join(lines) + "\n}\n"
    checksum = hashlib.sha256(f"{{\n{rest}".encode()).hexdigest()
    write_atomically(manifest_path(manifest.name), f'{{"sha256": "{checksum}",\n{rest}'.encode())
