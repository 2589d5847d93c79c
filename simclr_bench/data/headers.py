"""What an image file says of itself before it is decoded: format, size, frames.

A few kilobytes can decode to many gigabytes. The decoders allocate what the header states, so it is
read first, in the way in which they read it.

Sources: ITU-T T.81 B.1.1 (JPEG markers), https://www.w3.org/TR/png/#11IHDR,
https://www.w3.org/Graphics/GIF/spec-gif89a.txt,
https://developers.google.com/speed/webp/docs/riff_container.
"""

import struct
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file claims to hold.

    Attributes:
        format: "JPEG", "PNG", "GIF" or "WebP".
        height: Pixels.
        width: Pixels.
        frames: Images in it; above 1 only for GIF, which is decoded whole.
    """

    format: str
    height: int
    width: int
    frames: int = 1


def read_header(data: bytes) -> Header | None:
    """The header of an image file, or None if it is of no known format or its header is cut."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", data, 16)
            return Header(format="PNG", height=height, width=width)
        if data[:6] in (b"GIF87a", b"GIF89a"):
            return _gif(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(data: bytes) -> Header | None:
    at = 2
    while True:
        at = _next_marker(data, at)
        if at < 0:
            return None
        marker = data[at]
        at += 1
        if marker in (0xD9, 0xDA):  # the end, or pixels: no size came before
            return None
        if marker in (0x01, 0xD8) or 0xD0 <= marker <= 0xD7:  # these have no length
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header
            height, width = struct.unpack_from(">HH", data, at + 3)
            return Header(format="JPEG", height=height, width=width)
        at += length


def _next_marker(data: bytes, at: int) -> int:
    """Where the second byte of the next marker is; what stands before it is skipped."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            return -1
        while at < len(data) and data[at] == 0xFF:
            at += 1
        if at == len(data):
            return -1
        if data[at]:
            return at


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _palette(flags)
    frames = 0
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:  # an image; it may be larger than the screen
            left, top, wide, high, local = struct.unpack_from("<HHHHB", data, at + 1)
            width, height = max(width, left + wide), max(height, top + high)
            frames += 1
            at = _skip_blocks(data, at + 10 + _palette(local) + 1)
        elif data[at] == 0x21:
            at = _skip_blocks(data, at + 2)
        else:
            break
    return Header(format="GIF", height=height, width=width, frames=max(frames, 1))


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _webp(data: bytes) -> Header | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        return None
    return Header(format="WebP", height=height, width=width)
