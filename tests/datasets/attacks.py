"""Archives that want to reach what they should not, or to be more than they say."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

GOOD = ("set/one.txt", b"one")


def tar_with(path: Path, *odd: tarfile.TarInfo, mode: str = "w", data: bytes = b"") -> Path:
    """A tar archive: a good file, odd members, another good file."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        _add(archive, *GOOD)
        for info in odd:
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
        _add(archive, "set/two.txt", b"two")
    return path


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def zip_with(path: Path, info: zipfile.ZipInfo | str, data: bytes = b"x") -> Path:
    """A zip archive: a good file, an odd member, another good file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(*GOOD)
        archive.writestr(info, data, zipfile.ZIP_DEFLATED)
        archive.writestr("set/two.txt", b"two")
    return path


def _tar_named(name: str) -> Callable[[Path], Path]:
    return lambda path: tar_with(path, tarfile.TarInfo(name), data=b"x")


def _tar_typed(kind: bytes, target: str = "") -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        info = tarfile.TarInfo("set/odd")
        info.type, info.linkname = kind, target
        return tar_with(path, info)

    return make


def _zip_named(name: str) -> Callable[[Path], Path]:
    return lambda path: zip_with(path, name)


def _zip_moded(mode: int, name: str = "set/odd") -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, mode << 16
        return zip_with(path, info, b"/etc/passwd")

    return make


def _zip_backslash(path: Path) -> Path:
    # zipfile would write a slash: the name is changed in the bytes.
    zip_with(path, "set?odd")
    path.write_bytes(path.read_bytes().replace(b"set?odd", b"set\\odd"))
    return path


def _zip_null(path: Path) -> Path:
    zip_with(path, "set?odd")
    path.write_bytes(path.read_bytes().replace(b"set?odd", b"set\0odd"))
    return path


def _zip_encrypted(path: Path) -> Path:
    zip_with(path, "set/odd")
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            if b"set/odd" in data[at : at + 60]:
                data[at + flags] |= 1
    path.write_bytes(data)
    return path


def _zip_twice(path: Path) -> Path:
    zip_with(path, "set/./odd")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("set/odd", b"2")
    return path


def _zip_bomb(path: Path) -> Path:
    return zip_with(path, "set/odd", bytes(4 << 20))


def _zip_bzip2(path: Path) -> Path:
    zip_with(path, "set/one_more")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("set/odd", bytes(1000), zipfile.ZIP_BZIP2)
    return path


def _tar_twice(path: Path) -> Path:
    return tar_with(path, tarfile.TarInfo("set/odd"), tarfile.TarInfo("./set//odd"), data=b"x")


def _tar_sparse(path: Path) -> Path:
    info = tarfile.TarInfo("set/odd")
    info.type = tarfile.GNUTYPE_SPARSE
    return tar_with(path, info)


def _tgz_bomb(path: Path) -> Path:
    return tar_with(path, tarfile.TarInfo("set/odd"), mode="w:gz", data=bytes(8 << 20))


def _tar_size(path: Path) -> Path:
    """A header that announces a file of 300 GB."""
    info = tarfile.TarInfo("set/odd")
    info.size = 300 << 30
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    return path


def _tar_pax_bomb(path: Path) -> Path:
    """An extended header, which is read into memory, of 300 GB."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 300 << 30
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"9 a=bcde\n" * (1 << 19) + bytes(1024))
    return path


# Name -> how it is made, and the words of the error.
ATTACKS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "tar_parent": (_tar_named("../odd"), r"\.\./odd leads out of the archive"),
    "tar_inner_parent": (_tar_named("set/../../odd"), r"set/\.\./\.\./odd leads out"),
    "tar_absolute": (_tar_named("/tmp/odd"), "/tmp/odd is an absolute path"),
    "tar_drive": (_tar_named("C:odd"), "C:odd is an absolute path"),
    "tar_backslash": (_tar_named("..\\odd"), r"\.\.\\+odd has a backslash in its name"),
    "tar_symlink": (_tar_typed(tarfile.SYMTYPE, "/etc/passwd"), "set/odd is a symbolic link"),
    "tar_hardlink": (_tar_typed(tarfile.LNKTYPE, "set/one.txt"), "set/odd is a hard link"),
    "tar_device": (_tar_typed(tarfile.CHRTYPE), "set/odd is a device"),
    "tar_block_device": (_tar_typed(tarfile.BLKTYPE), "set/odd is a device"),
    "tar_fifo": (_tar_typed(tarfile.FIFOTYPE), "set/odd is a fifo"),
    "tar_unknown": (_tar_typed(b"V"), "set/odd is no regular file"),
    "tar_sparse": (_tar_sparse, "set/odd is a sparse file"),
    "tar_twice": (_tar_twice, "set/odd is there twice"),
    "tar_size": (_tar_size, "set/odd has 322,122,547,200 bytes, over the limit"),
    "tar_pax_bomb": (_tar_pax_bomb, "a header or what follows the last file has no end"),
    "tgz_bomb": (_tgz_bomb, "unpacks to over 100 times its size"),
    "zip_parent": (_zip_named("../odd"), r"\.\./odd leads out of the archive"),
    "zip_absolute": (_zip_named("/tmp/odd"), "/tmp/odd is an absolute path"),
    "zip_drive": (_zip_named("C:/odd"), "C:/odd is an absolute path"),
    "zip_backslash": (_zip_backslash, r"set\\odd has a backslash in its name"),
    "zip_null": (_zip_null, r"set\\x00odd has a null byte in its name"),
    "zip_symlink": (_zip_moded(0o120777), "set/odd is a symbolic link"),
    "zip_device": (_zip_moded(0o020666), "set/odd is a device"),
    "zip_fifo": (_zip_moded(0o010666), "set/odd is a fifo"),
    "zip_folder_link": (_zip_moded(0o120777, "set/odd/"), "set/odd is a symbolic link"),
    "zip_encrypted": (_zip_encrypted, "set/odd is encrypted"),
    "zip_twice": (_zip_twice, "set/odd is there twice"),
    "zip_bzip2": (_zip_bzip2, "set/odd is neither stored nor deflated"),
    "zip_bomb": (_zip_bomb, "set/odd unpacks to over 100 times its size"),
}
