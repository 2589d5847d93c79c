"""The user's own folder: every mode and size, every way it can be broken."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from simclr_bench.data.folder import (
    FolderImages,
    decode,
    fingerprint,
    list_folder,
    read_folder,
    reduced,
)
from simclr_bench.errors import DataError


def encoded(mode: str, kind: str, size: tuple[int, int] = (24, 20), seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def make_folder(root: Path, classes: tuple[str, ...] = ("a", "b", "c"), count: int = 10) -> Path:
    for label, name in enumerate(classes):
        for number in range(count):
            data = encoded("RGB", "PNG", seed=100 * label + number)
            write(root / name / f"{number:03}.png", data)
    return root


def read(root: Path, **changes: Any) -> FolderImages:
    options: dict[str, Any] = {
        "shorter_side": 64,
        "heldout_fraction": 0.2,
        "split_seed": 0,
        "skip_corrupt": False,
        "progress": lambda: None,
    }
    return read_folder(list_folder(root), **(options | changes))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "PNG"),
        ("L", "PNG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, kind: str) -> None:
    data = encoded(mode, kind)
    pixels = decode(write(tmp_path / "image", data))
    assert pixels.shape == (3, 20, 24) and pixels.dtype == torch.uint8
    if mode not in ("LA", "RGBA"):  # PIL and torchvision agree that alpha is dropped, not blended
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        difference = np.abs(pixels.permute(1, 2, 0).numpy().astype(int) - expected)
        assert difference.max() <= (2 if kind == "JPEG" else 0)


def test_sixteen_bit_gray_keeps_its_high_byte(tmp_path: Path) -> None:
    values = (np.arange(256, dtype=np.uint16) * 256 + 77).reshape(16, 16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    pixels = decode(write(tmp_path / "deep.png", buffer.getvalue()))
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels[0].flatten(), torch.arange(256, dtype=torch.uint8))


def corrupt_truncated_png() -> bytes:
    return encoded("RGB", "PNG")[:-40]


def corrupt_truncated_jpeg() -> bytes:
    data = encoded("RGB", "JPEG", (300, 200))
    return data[: len(data) // 2]


CORRUPT: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated.png": (corrupt_truncated_png, "does not decode"),
    "truncated.jpg": (corrupt_truncated_jpeg, "does not decode"),
    "zero.png": (lambda: b"", "the file is empty"),
    "notes.txt": (lambda: b"these are not pixels", "does not decode"),
    "bitmap.bmp": (lambda: encoded("RGB", "BMP"), "does not decode"),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_file_that_does_not_decode_stops_the_run_by_name(tmp_path: Path, name: str) -> None:
    make, reason = CORRUPT[name]
    path = write(make_folder(tmp_path) / "b" / name, make())
    with pytest.raises(DataError) as refusal:
        read(tmp_path)
    assert str(refusal.value).startswith(f"{path}: {reason}")
    assert "--skip-corrupt" in str(refusal.value)


def test_a_truncated_png_opens_without_complaint_in_pil() -> None:
    # Why decoding is the only check that counts.
    Image.open(io.BytesIO(corrupt_truncated_png()))


def test_skipped_files_are_listed_and_nothing_replaces_them(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for name, (make, _) in CORRUPT.items():
        write(tmp_path / "b" / name, make())
    images = read(tmp_path, skip_corrupt=True)
    assert [file for file, _ in images.skipped] == [f"b/{name}" for name in sorted(CORRUPT)]
    assert all(reason and str(tmp_path) not in reason for _, reason in images.skipped)
    assert len(images.train) + len(images.heldout) == 30


def test_a_class_whose_files_are_all_corrupt_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write(tmp_path / "d" / "0.png", b"")
    with pytest.raises(DataError, match="d: 0 readable images, 2 needed"):
        read(tmp_path, skip_corrupt=True)


def test_the_split_is_stratified_seeded_and_complete(tmp_path: Path) -> None:
    make_folder(tmp_path, count=10)
    images = read(tmp_path)
    assert torch.equal(torch.bincount(images.heldout.labels), torch.tensor([2, 2, 2]))
    assert torch.equal(torch.bincount(images.train.labels), torch.tensor([8, 8, 8]))
    parts = (images.train, images.heldout)
    every = {image.numpy().tobytes() for part in parts for image in part.images}
    assert len(every) == 30
    same, other = read(tmp_path), read(tmp_path, split_seed=1)
    heldout = torch.stack(list(images.heldout.images))
    assert torch.equal(heldout, torch.stack(list(same.heldout.images)))
    assert not torch.equal(heldout, torch.stack(list(other.heldout.images)))
    assert "drawn by seed 1" in other.split


def test_a_class_of_two_has_one_on_each_side(tmp_path: Path) -> None:
    images = read(make_folder(tmp_path, count=2))
    assert images.train.labels.tolist() == images.heldout.labels.tolist() == [0, 1, 2]


def test_train_and_test_folders_are_used_as_they_are(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", count=5)
    make_folder(tmp_path / "test", count=3)
    images = read(tmp_path)
    assert (len(images.train), len(images.heldout)) == (15, 9)
    assert images.split == "the folder's own train/ and test/"


def test_train_and_test_with_different_classes_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", classes=("a", "b", "x"))
    with pytest.raises(DataError, match=r"train/ and test/ differ in their class folders: c, x"):
        read(tmp_path)


def test_a_class_folder_that_happens_to_be_named_train_is_a_class(tmp_path: Path) -> None:
    assert list_folder(make_folder(tmp_path, classes=("plane", "train"))).classes == (
        "plane",
        "train",
    )


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: does not exist"):
        list_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="file: is not a directory"):
        list_folder(write(tmp_path / "file", b""))


def test_an_empty_class_folder_is_refused_by_name(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: the class folder is empty"):
        list_folder(tmp_path)


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one class folder only \(a\)"):
        list_folder(make_folder(tmp_path, classes=("a",)))


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders"):
        list_folder(tmp_path)


def test_hidden_files_and_thumbs_db_are_not_images(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write(tmp_path / "a" / "Thumbs.db", b"x")
    write(tmp_path / "a" / ".DS_Store", b"x")
    write(tmp_path / ".git" / "config", b"x")
    assert list_folder(tmp_path).file_count == 30


def test_files_in_folders_below_a_class_folder_belong_to_the_class(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write(tmp_path / "a" / "2024" / "may" / "x.png", encoded("RGB", "PNG"))
    write(tmp_path / "a" / ".thumbnails" / "x.png", b"not an image")
    assert list_folder(tmp_path).file_count == 31


def test_the_fingerprint_follows_names_and_bytes(tmp_path: Path) -> None:
    make_folder(tmp_path)
    before = fingerprint(list_folder(tmp_path))
    assert fingerprint(list_folder(tmp_path)) == before
    write(tmp_path / "a" / "000.png", encoded("RGB", "PNG", seed=999))
    changed = fingerprint(list_folder(tmp_path))
    (tmp_path / "a" / "001.png").rename(tmp_path / "a" / "zzz.png")
    assert len({before, changed, fingerprint(list_folder(tmp_path))}) == 3


def test_large_images_are_reduced_and_small_ones_left_alone() -> None:
    assert reduced(torch.zeros(3, 200, 100, dtype=torch.uint8), 64).shape == (3, 128, 64)
    small = torch.zeros(3, 200, 30, dtype=torch.uint8)
    assert reduced(small, 64) is small


def test_images_of_mixed_sizes_are_read_together(tmp_path: Path) -> None:
    make_folder(tmp_path, classes=("a", "b"), count=2)
    write(tmp_path / "a" / "wide.jpg", encoded("L", "JPEG", (90, 7)))
    write(tmp_path / "b" / "dot.png", encoded("RGBA", "PNG", (1, 1)))
    images = read(tmp_path)
    shapes = {tuple(i.shape) for s in (images.train, images.heldout) for i in s.images}
    assert shapes == {(3, 20, 24), (3, 7, 90), (3, 1, 1)}


@pytest.mark.parametrize("splits", [("train", "val"), ("Train", "Test"), ("train", "validation")])
def test_other_names_for_splits_are_not_classes(tmp_path: Path, splits: tuple[str, str]) -> None:
    for split in splits:
        make_folder(tmp_path / split)
    with pytest.raises(DataError, match=f"holds .*{splits[0]}.*; name the two splits train and"):
        list_folder(tmp_path)


def test_a_train_folder_alone_is_told_what_it_lacks(tmp_path: Path) -> None:
    make_folder(tmp_path / "train")
    with pytest.raises(DataError, match=r"one class folder only \(train\), and no test/ beside it"):
        list_folder(tmp_path)


def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    make_folder(tmp_path)
    name = os.fsdecode(b"\xff\xfe.png")
    write(tmp_path / "a" / name, b"")
    assert fingerprint(list_folder(tmp_path))
    ((skipped, _),) = read(tmp_path, skip_corrupt=True).skipped
    assert skipped == "a/\\xff\\xfe.png" and skipped.encode()
