"""Weights into the library: fetched from their publisher, or converted from files.

Either way the same happens: hashes against what is known of them, conversion to our names, golden
values measured, everything written, the provenance last. What is there before is replaced whole.

Weights count as official if every file has the hash that its publisher states, or that this program
saw when it fetched it over https from the publisher itself; and the checkpoint's step is the
published one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from simclr_bench.errors import DataError, UsageError
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.storage.files import make_directory
from simclr_bench.storage.locks import locked
from simclr_bench.storage.pins import Pin, add_pins
from simclr_bench.storage.progress import Progress, fetching
from simclr_bench.weights.build import with_golden
from simclr_bench.weights.catalog import WEIGHTS, WeightsEntry, WeightsFile
from simclr_bench.weights.file import (
    Provenance,
    check_weights,
    description_path,
    read_weights,
    write_weights,
)
from simclr_bench.weights.library import FILE, ORIGINAL, folder_of, is_installed, path_of
from simclr_bench.weights.pins import (
    check_files,
    is_official,
    is_publishers,
    official_hash,
    pins_path,
)
from simclr_bench.weights.source import (
    demand_shape,
    is_tensorflow,
    provenance_of,
    read_other,
    read_tensorflow,
    require_tensorflow,
)
from simclr_bench.weights.torch_hub import torch_hub_file


def fetch(
    entry: WeightsEntry,
    *,
    python: Path | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Provenance:
    """Downloads published weights and installs them; what is there and sound is left alone.

    Args:
        entry: Of the catalog.
        python: An interpreter that has TensorFlow, for its checkpoints; None: this one. Without
            TensorFlow nothing is downloaded.
        offline: Use no network.
        progress: Told what happens.

    Raises:
        DataError: The download, a hash, the conversion or the network's features are wrong.
    """
    path = path_of(entry.name)
    with _alone(entry.name):
        if is_installed(entry.name):
            try:
                provenance = check_weights(path)
            except DataError as error:
                _say(progress, f"made again: {error}")
            else:
                if provenance.official:
                    return provenance
        if entry.format == "tensorflow":
            require_tensorflow(python)
        for file in entry.files:
            _fetch_file(entry.name, file, offline, progress)
        _say(progress, f"converting {entry.name}")
        original = path.parent / ORIGINAL
        source = original / entry.files[0].name
        provenance = _install(source, entry.name, kind="fetched", python=python)
        size = sum((original / file.name).stat().st_size for file in entry.files)
        _say(progress, f"{original}: {size / 1e6:.0f} MB are kept, and may be deleted")
        return provenance


def convert(
    source: Path,
    *,
    name: str,
    shape: ResNetShape | None = None,
    python: Path | None = None,
    progress: Progress | None = None,
) -> Provenance:
    """Installs weights from files on disk.

    Args:
        source: Prefix of a TensorFlow checkpoint; a checkpoint of lightly, solo-learn, VISSL or
            torchvision; or one of our own files.
        name: In the library: of published weights, which the files must then be, or another.
        shape: What a TensorFlow checkpoint must hold; None: whatever it holds.
        python: An interpreter that has TensorFlow, for its checkpoints; None: this one.
        progress: Told what happens.

    Raises:
        DataError: The files are missing or corrupt, hold no network that is known, or are others
            than those of the first time.
    """
    with _alone(name):
        _say(progress, f"converting {source}")
        return _install(source, name, kind="file", shape=shape, python=python)


def install_from_torch_hub(name: str) -> None:
    """Installs torchvision's weights from torchvision's own cache, if they are only there."""
    entry = WEIGHTS.get(name)
    if entry is None or entry.format != "torchvision" or is_installed(name):
        return
    cached = torch_hub_file(entry.files[0].name)
    if not cached.is_file():
        return
    with _alone(name):
        if not is_installed(name):
            _install(cached, name, kind="file")


def _fetch_file(name: str, file: WeightsFile, offline: bool, progress: Progress | None) -> None:
    from simclr_bench.storage.download import download

    with fetching(progress, file.name, file.size) as advance:
        done = download(
            [file.url],
            folder_of(name) / ORIGINAL / file.name,
            sha256=official_hash(name, file.name),
            size=file.size,
            advance=advance,
            offline=offline,
        )
    if done.final_url is not None:
        # At once: nobody could tell later where it came from.
        pin = Pin(
            sha256=done.sha256,
            bytes=done.bytes,
            url=done.final_url,
            official=is_publishers(done.final_url),
        )
        add_pins(pins_path(name), {file.name: pin})


def _install(
    source: Path,
    name: str,
    *,
    kind: str,
    shape: ResNetShape | None = None,
    python: Path | None = None,
) -> Provenance:
    entry = WEIGHTS.get(name)
    if source.suffix == ".safetensors" and description_path(source).is_file():
        return _install_ours(source, name)
    if is_tensorflow(source):
        pins, content = read_tensorflow(source, name, shape, python)
    elif source.is_file():
        if shape is not None:
            raise UsageError("--shape is for TensorFlow checkpoints; others say what they are")
        # The one file of published weights is that file, whatever the user calls it.
        single = entry.files[0].name if entry and len(entry.files) == 1 else source.name
        pins, content = check_files(name, {single: source}), read_other(source)
    else:
        raise DataError(f"{source}: not there, and no {source.name}.index either")
    if entry is not None:
        demand_shape(entry, content, source)
    hashes = {file: pin.sha256 for file, pin in pins.items()}
    origin = {
        "kind": kind,
        "url": entry.url if entry else None,
        "files": hashes,
        "official": is_official(name, hashes),
    }
    after = entry.classifier_after if entry else 0
    provenance = replace(provenance_of(name, content, origin), classifier_after=after)
    provenance = with_golden(content.state, provenance)
    add_pins(pins_path(name), pins)  # they hold what they should
    return write_weights(path_of(name), content.state, provenance)


def _install_ours(source: Path, name: str) -> Provenance:
    state, provenance = read_weights(source)
    if name in WEIGHTS and not (provenance.official and provenance.name == name):
        raise DataError(f"{source}: holds {provenance.name}, not {name}; give it another --name")
    return write_weights(path_of(name), state, with_golden(state, replace(provenance, name=name)))


def _say(progress: Progress | None, text: str) -> None:
    if progress is not None:
        progress.say(text)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Waits until no other process installs the same weights."""
    folder = folder_of(name)
    elsewhere = "set SIMCLR_BENCH_CACHE to another"
    make_directory(folder, "the weights' directory", elsewhere)
    with locked(folder / ".lock", remedy=elsewhere):
        for left in folder.glob(f".{FILE}.*"):  # of a process that was killed
            left.unlink(missing_ok=True)
        yield
