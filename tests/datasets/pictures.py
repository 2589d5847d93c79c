"""Image files to test with: usual ones, odd ones, and ones that ask for all memory."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def jpeg(
    size: tuple[int, int] = (24, 20), seed: int = 0, mode: str = "RGB", **options: object
) -> bytes:
    """A JPEG file of random blobs. `size` is width, height."""
    buffer = io.BytesIO()
    picture(size, seed).convert(mode).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def png(size: tuple[int, int] = (24, 20), seed: int = 0, mode: str = "RGB") -> bytes:
    """A PNG file of random blobs. `size` is width, height."""
    buffer = io.BytesIO()
    picture(size, seed).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def sixteen_bits() -> bytes:
    """A gray PNG file of 64 x 64 pixels of 16 bits, every 16th value once."""
    values = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def picture(size: tuple[int, int], seed: int) -> Image.Image:
    """Random blobs: a JPEG of them is close to them. `size` is width, height."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def without_jfif(data: bytes) -> bytes:
    """A JPEG file without its JFIF segment: a valid image all the same."""
    assert data[2:4] == b"\xff\xe0" and data[6:10] == b"JFIF"
    return data[:2] + data[4 + struct.unpack_from(">H", data, 4)[0] :]


def rotated_by_exif(data_size: tuple[int, int] = (30, 18), seed: int = 5) -> bytes:
    """A JPEG file whose EXIF asks for a rotation by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(data_size, seed, exif=exif)


def bomb_png(side: int = 60_000) -> bytes:
    """A small PNG file whose header states side x side pixels."""
    whole = png((8, 8))
    header = struct.pack(">II", side, side) + whole[24:29]
    check = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return whole[:16] + header + check + whole[33:]


def bomb_jpeg(side: int = 60_000) -> bytes:
    """A small JPEG file whose frame header states side x side pixels."""
    whole = jpeg((8, 8))
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", side, side) + whole[at + 4 :]
