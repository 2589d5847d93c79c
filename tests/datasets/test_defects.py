"""Images and archives that are broken, odd or malicious: decoded, or named and refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr_bench.datasets.catalog import DATASETS
from simclr_bench.datasets.library import (
    dataset_directory,
    open_dataset,
    read_manifest,
)
from simclr_bench.errors import DataError
from tests.datasets.attacks import ATTACKS
from tests.datasets.conftest import nothing_new
from tests.datasets.miniature import write_archive, write_folder
from tests.datasets.pictures import bomb_jpeg, bomb_png, jpeg, png, rotated_by_exif, sixteen_bits
from tests.datasets.taking import expected, ids_of, small, take

# Defects of one image: its bytes, and the error, or None where the image is good.
DEFECTS: dict[str, tuple[bytes, str | None]] = {
    "zero_byte": (b"", "the file is empty"),
    "truncated": (jpeg((40, 40))[:400], "does not decode"),
    "truncated_png": (png((40, 40))[:-30], "does not decode"),
    "text": (b"<html>404</html>", "does not decode"),
    "bomb_png": (
        bomb_png(),
        "its header states 60000 x 60000 pixels, over the limit of 16,777,216",
    ),
    "bomb_jpeg": (bomb_jpeg(), "its header states 60000 x 60000 pixels"),
    "cmyk": (jpeg(mode="CMYK"), None),
    "gray": (jpeg(mode="L"), None),
    "palette": (png(mode="P"), None),
    "gray_png": (png(mode="L"), None),
    "exif_rotated": (rotated_by_exif(), None),
    "one_pixel": (jpeg((1, 1)), None),
    "wrong_extension": (png(), None),
}


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_an_image_is_decoded_or_named_and_never_replaced(
    tmp_path: Path, defect: str, kind: str
) -> None:
    data, words = DEFECTS[defect]
    sound = small("dtd")
    hurt = sound.entries[6]
    miniature = sound.changed(hurt.file, data)
    write = {"archive": write_archive, "folder": write_folder}[kind]
    source = write(miniature, tmp_path / "source")
    file = hurt.file
    if words is None:
        manifest = take(miniature.dataset, source)
        opened = open_dataset("dtd")
        parts = ids_of(manifest)
        part = "heldout" if hurt.split == "test" else "train"
        images = {"train": opened.train, "heldout": opened.heldout}[part].images
        image = images[parts[part].index(hurt.id)]
        wanted = expected(replace(hurt, data=data))  # Pillow turns nothing unless it is asked to
        assert image.shape == wanted.shape
        assert np.abs(image.numpy().astype(int) - wanted).max() <= (4 if defect == "cmyk" else 2)
        is_png = data.startswith(b"\x89PNG")
        note = {"file": file, "note": "named .jpg, its content is PNG"}
        assert manifest.notes == ([note] if is_png else [])
        assert manifest.dropped == []
        return
    with nothing_new(tmp_path / "source"), pytest.raises(DataError, match=words) as refusal:
        take(miniature.dataset, source)
    assert str(refusal.value).startswith(f"{source}: {file}: ")
    assert "--skip-corrupt" in str(refusal.value)
    assert read_manifest("dtd") is None
    assert sorted(p.name for p in dataset_directory("dtd").iterdir()) == ["lock"]
    manifest = take(miniature.dataset, source, skip_corrupt=True)
    (dropped,) = manifest.dropped
    assert dropped["file"] == file and words in dropped["reason"]
    assert dropped["rule"] == "corrupt" and str(tmp_path) not in dropped["reason"]
    assert open_dataset("dtd").description["skipped"] == manifest.corrupt != []
    total = sum(manifest.counts["train"]) + sum(manifest.counts["heldout"])
    assert total == len([e for e in sound.entries if e.split != "validation"]) - 1
    assert hurt.id not in [*ids_of(manifest)["train"], *ids_of(manifest)["heldout"]]


def test_sixteen_bits_keep_the_upper_eight(tmp_path: Path) -> None:
    values = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    sound = small("tf_flowers")
    miniature = sound.changed(sound.entries[0].file, sixteen_bits())
    manifest = take(miniature.dataset, write_archive(miniature, tmp_path))
    opened = open_dataset("tf_flowers")
    parts = ids_of(manifest)
    part = "train" if sound.entries[0].id in parts["train"] else "heldout"
    image = getattr(opened, part).images[parts[part].index(sound.entries[0].id)]
    assert torch.equal(image, torch.from_numpy((values >> 8).astype(np.uint8)).expand(3, 64, 64))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", ["cats_vs_dogs", "dtd"])
def test_a_malicious_archive_leaves_nothing_behind(tmp_path: Path, attack: str, name: str) -> None:
    make, words = ATTACKS[attack]
    path = make(tmp_path / "archive")
    with (
        nothing_new(tmp_path, but=tmp_path / "cache"),
        pytest.raises(DataError, match=words) as refusal,
    ):
        take(DATASETS[name], path)
    assert str(refusal.value).startswith(f"{path}: ") and "\n" not in str(refusal.value)
    left = [p.relative_to(tmp_path / "cache") for p in (tmp_path / "cache").rglob("*")]
    assert sorted(map(str, left)) == ["datasets", f"datasets/{name}", f"datasets/{name}/lock"]
