"""Archives are read and never unpacked; what only an attack or an accident holds is refused."""

import gzip
import io
import os
import random
import struct
import tarfile
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from simclr_bench.datasets.archives import LIMITS, Limits, archive_members
from simclr_bench.datasets.folders import folder_members
from simclr_bench.errors import DataError
from tests.datasets.attacks import ATTACKS, tar_with, zip_with

FILES = {
    "set/b/1.jpg": b"first" * 300,
    "set/a/2.jpg": b"",
    "set/list.txt": b"x\n" * 40,
    f"set/{'long' * 60}.jpg": b"long",  # more than a tar header holds
}


def read_all(path: Path, limits: Limits = LIMITS) -> dict[str, bytes]:
    found = {}
    for member in archive_members(path, limits):
        found[member.name] = member.read()
        assert len(found[member.name]) == member.size
    return found


def write_tar(path: Path, mode: str, form: int = tarfile.PAX_FORMAT, top: str = "") -> Path:
    with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo(f"{top}set")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in FILES.items():
            info = tarfile.TarInfo(f"{top}{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("set")
        for name, data in FILES.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("top", ["", "./"])
def test_a_tar_is_recognised_by_its_content(tmp_path: Path, mode: str, form: int, top: str) -> None:
    path = write_tar(tmp_path / "archive.tar.gz", mode, form, top)
    assert list(read_all(path).items()) == list(FILES.items())


def test_a_zip_is_recognised_by_its_content(tmp_path: Path) -> None:
    assert list(read_all(write_zip(tmp_path / "data.bin")).items()) == list(FILES.items())


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused_by_archive_and_member(tmp_path: Path, name: str) -> None:
    make, words = ATTACKS[name]
    path = make(tmp_path / "archive")
    with pytest.raises(DataError, match=words) as refusal:
        read_all(path)
    assert str(refusal.value).startswith(f"{path}: ") and "\n" not in str(refusal.value)
    assert [p.name for p in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (replace(LIMITS, members=2), "holds 3 members or more, over the limit of 2"),
        (replace(LIMITS, member_bytes=5), "set/odd has 6 bytes, over the limit of 5"),
        (replace(LIMITS, total_bytes=8), "over 8 bytes"),
    ],
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_limits_hold_for_every_kind(tmp_path: Path, limits: Limits, words: str, kind: str) -> None:
    path = tmp_path / "archive"
    if kind == "tar":
        tar_with(path, tarfile.TarInfo("set/odd"), data=b"sixsix")
        if limits.total_bytes == 8:
            words = "unpacks to over 8 bytes"
    else:
        zip_with(path, "set/odd", b"sixsix")
    with pytest.raises(DataError, match=words):
        read_all(path, limits)


def test_a_list_of_a_million_members_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip")
    with pytest.raises(DataError, match="members or more"):
        read_all(path, replace(LIMITS, members=1))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x05\x06")
    big = b"PK" + bytes(39_999_998)  # what the end record says is the size of the list
    data[at + 12 : at + 16] = len(big).to_bytes(4, "little")
    path.write_bytes(big + data)
    with pytest.raises(DataError, match="holds 312,500 members or more"):
        read_all(path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "zip"])
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "archive"
    whole = (write_zip(path) if mode == "zip" else write_tar(path, mode)).read_bytes()
    if mode == "w":
        whole = whole.rstrip(b"\0") + bytes(512)  # one end mark of the many
        whole += bytes(-len(whole) % 512)
    cuts = {0, 1, 4, 100, 512, 1024, len(whole) // 2, len(whole) - 513, len(whole) - 1}
    for cut in sorted(cut for cut in cuts if 0 <= cut < len(whole)):
        path.write_bytes(whole[:cut])
        if mode == "w" and not any(whole[cut:]) and cut % 512:
            continue
        with pytest.raises(DataError, match=str(path)):
            read_all(path)


def test_a_plain_tar_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    # tarfile alone takes that for the end.
    path = write_tar(tmp_path / "a.tar", "w", tarfile.GNU_FORMAT)
    whole = path.read_bytes()
    cut = whole.index(b"set/list.txt")
    assert cut % 512 == 0
    path.write_bytes(whole[:cut])
    with tarfile.open(path) as archive:
        assert len(archive.getnames()) == 3
    with pytest.raises(DataError, match="its end is missing"):
        read_all(path)


def test_a_damaged_header_is_no_end(tmp_path: Path) -> None:
    # tarfile alone takes that for the end, too.
    path = write_tar(tmp_path / "a.tar", "w", tarfile.GNU_FORMAT)
    data = bytearray(path.read_bytes())
    data[data.index(b"set/list.txt")] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="a header is damaged"):
        read_all(path)


def test_a_flipped_byte_of_a_compressed_archive_is_noticed(tmp_path: Path) -> None:
    for path in (write_zip(tmp_path / "a"), write_tar(tmp_path / "b", "w:gz")):
        whole = path.read_bytes()
        before = read_all(path)
        unnoticed = []
        for at in random.Random(0).sample(range(10, len(whole)), 150):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            try:
                after = read_all(path)
            except DataError as error:
                assert "\n" not in str(error)
            else:
                # Times, owners and the like may change; names and contents may not.
                unnoticed += [at] * (after != before)
        assert not unnoticed


def test_a_bomb_in_a_header_uses_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    with gzip.open(path, "wb", compresslevel=1) as file:
        info = tarfile.TarInfo("pax")
        info.type, info.size = tarfile.XHDTYPE, 1 << 33
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(64 << 20))
    with pytest.raises(DataError, match="unpacks to over 100 times its size"):
        read_all(path)


def test_a_member_that_states_a_false_size_is_not_unpacked_further(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "archive", "set/odd", bytes(64 << 20))
    data = bytearray(path.read_bytes())
    for size in (data.index(b"set/odd") - 30 + 22, data.rindex(b"set/odd") - 46 + 24):
        data[size : size + 4] = struct.pack("<I", 100)  # in its own header, and in the directory's
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"set/odd: .*damaged or cut short .*Bad CRC-32"):
            read_all(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"no archive at all", bytes(2000), b"BZh91AY&SY" * 90])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "archive"
    path.write_bytes(data)
    if data == bytes(2000):
        assert read_all(path) == {}  # an empty tar
        return
    with pytest.raises(DataError, match=f"{path}: (the file is empty|cannot be read as a zip)"):
        read_all(path)


def test_an_absent_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing: does not exist"):
        read_all(tmp_path / "nothing")


def test_a_name_cannot_forge_lines_of_an_error(tmp_path: Path) -> None:
    path = tar_with(tmp_path / "a", tarfile.TarInfo("../odd\nfine: \x1b[31m\udcff"), data=b"x")
    with pytest.raises(DataError) as refusal:
        read_all(path)
    assert str(refusal.value).isprintable()


def test_a_folder_gives_its_files_sorted_and_follows_links_once(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "b").mkdir(parents=True)
    (root / "b" / "2.jpg").write_bytes(b"two")
    (root / "b" / "1.jpg").write_bytes(b"one")
    (root / "a.txt").write_bytes(b"text")
    (root / "link.txt").symlink_to("a.txt")
    (root / "nowhere.txt").symlink_to("missing")
    (root / "b" / "circle").symlink_to(root, target_is_directory=True)
    os.mkfifo(root / "pipe")
    found = {member.name: member.read() for member in folder_members(root)}
    assert list(found.items()) == [
        ("a.txt", b"text"),
        ("link.txt", b"text"),
        ("b/1.jpg", b"one"),
        ("b/2.jpg", b"two"),
    ]
    with pytest.raises(DataError, match="holds over 2 files"):
        list(folder_members(root, replace(LIMITS, members=2)))
    with pytest.raises(DataError, match=r"a\.txt: has 4 bytes, over the limit of 3"):
        [member.read() for member in folder_members(root, replace(LIMITS, member_bytes=3))]
