"""The images of a folder that a training is on, without those that do not decode where asked.

DIR/skipped.json    files that were left out, and why; looked for once for a listing
"""

import json
from pathlib import Path

from simclr_bench.data.image_files import ImageFiles, list_images, undecodable
from simclr_bench.errors import DataError
from simclr_bench.storage.files import make_directory, write_atomically
from simclr_bench.storage.progress import Progress

Skipped = list[tuple[str, str]]


def sound_images(
    directory: Path, out: Path, *, skip_corrupt: bool, workers: int, progress: Progress
) -> tuple[ImageFiles, Skipped]:
    """Lists a folder's images.

    Args:
        directory: The folder.
        out: The training's directory.
        skip_corrupt: Decode every file first, and leave out those that fail.
        workers: Threads that decode.
        progress: Told how that goes.

    Returns:
        The images that are left, and what was left out and why.

    Raises:
        DataError: The folder is missing or empty, or nothing is left.
    """
    images = list_images(directory)
    if not skip_corrupt:
        return images, []
    listing = images.fingerprint()
    path = out / "skipped.json"
    skipped = _read(path, listing)
    if skipped is None:
        make_directory(out, "the training's directory", "give another --out")
        with progress.stage(f"looking through {directory}", len(images)) as stage:
            skipped = undecodable(images, workers, stage.advance)
        document = {"listing": listing, "skipped": skipped}
        write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
    kept = images.without(name for name, _ in skipped)
    if not len(kept):
        raise DataError(f"{directory}: none of its {len(images)} files decodes as an image")
    return kept, skipped


def _read(path: Path, listing: str) -> Skipped | None:
    try:
        document = json.loads(path.read_bytes())
        if document["listing"] == listing:
            return [(str(name), str(reason)) for name, reason in document["skipped"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None
