"""Images that stay on disk: listed by depth and name, fingerprinted, looked through."""

from pathlib import Path

import pytest
import torch
from torchvision.io import write_png

from simclr_bench.data.image_files import list_images, undecodable
from simclr_bench.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b" / "c").mkdir(parents=True)
    for number, name in enumerate(("b/c/2.png", "a.png", "b/1.png")):
        write_png(torch.full((3, 2, 3), number, dtype=torch.uint8), str(tmp_path / name))
    (tmp_path / ".hidden").write_text("no image")
    (tmp_path / "Thumbs.db").write_text("no image")
    return tmp_path


def test_files_of_any_depth_are_listed_by_name_and_read_by_number(folder: Path) -> None:
    images = list_images(folder)
    assert [images.name(path) for path in images.files] == ["a.png", "b/1.png", "b/c/2.png"]
    assert [int(images.read(number)[0, 0, 0]) for number in range(len(images))] == [1, 2, 0]


def test_a_fingerprint_follows_names_and_sizes(folder: Path) -> None:
    before = list_images(folder).fingerprint()
    assert list_images(folder).fingerprint() == before
    (folder / "a.png").rename(folder / "z.png")
    renamed = list_images(folder).fingerprint()
    (folder / "z.png").write_bytes((folder / "z.png").read_bytes() + b"!")
    assert len({before, renamed, list_images(folder).fingerprint()}) == 3


@pytest.mark.parametrize("workers", [0, 3])
def test_what_does_not_decode_is_found_by_name_and_left_out(folder: Path, workers: int) -> None:
    sound = (folder / "a.png").read_bytes()
    (folder / "b" / "cut.png").write_bytes(sound[:-20])
    (folder / "b" / "empty.png").write_bytes(b"")
    images, told = list_images(folder), []
    found = undecodable(images, workers, lambda: told.append(1))
    assert [name for name, _ in found] == ["b/cut.png", "b/empty.png"]
    assert found[1][1] == "the file is empty" and len(told) == 5
    kept = images.without(name for name, _ in found)
    assert [kept.name(path) for path in kept.files] == ["a.png", "b/1.png", "b/c/2.png"]
    with pytest.raises(DataError, match=r"cut.png: does not decode .*pass --skip-corrupt"):
        images.read(3)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no files"):
        list_images(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        list_images(tmp_path / "none")
