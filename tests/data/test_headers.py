"""Headers state what decoding would allocate, and are read as the decoders read them."""

import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from simclr_bench.data.decode import decode_bytes
from simclr_bench.data.headers import Header, read_header
from simclr_bench.errors import DataError
from tests.datasets.pictures import bomb_jpeg, bomb_png, jpeg, picture, png


def saved(kind: str, size: tuple[int, int], **options: object) -> bytes:
    buffer = io.BytesIO()
    picture(size, 1).save(buffer, kind, **options)
    return buffer.getvalue()


def animation(frames: int, size: tuple[int, int] = (20, 10)) -> bytes:
    pictures = [picture(size, seed).convert("P") for seed in range(frames)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=50)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (300, 7), (64, 65)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"comment": b"\xff\xc0 no frame header " * 20}),
        ("PNG", {}),
        ("GIF", {}),
        ("WebP", {"lossless": True}),
        ("WebP", {"quality": 80}),
        ("WebP", {"lossless": True, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}),
    ],
)
def test_the_size_is_what_decoding_gives(
    kind: str, options: dict[str, object], size: tuple[int, int]
) -> None:
    data = saved(kind, size, **options)
    assert read_header(data) == Header(format=kind, height=size[1], width=size[0])
    assert decode_bytes(data, "x").shape == (3, size[1], size[0])


def test_a_thumbnail_in_the_metadata_is_not_the_image() -> None:
    exif = Image.Exif()
    exif[0x927C] = jpeg((160, 120))  # a whole JPEG within a segment
    data = jpeg((30, 18), exif=exif)
    assert data.count(b"\xff\xd8\xff") == 2
    assert read_header(data) == Header(format="JPEG", height=18, width=30)


def test_padding_and_rubbish_between_segments_are_skipped_as_libjpeg_does() -> None:
    data = jpeg((30, 18))
    padded = data[:2] + b"\xff\xff\xff" + data[3:20] + b"rubbish" + data[20:]
    assert data[20:21] == b"\xff"
    assert read_header(padded) == Header(format="JPEG", height=18, width=30)
    assert torch.equal(decode_bytes(padded, "x"), decode_bytes(data, "x"))


@pytest.mark.parametrize("make", [bomb_png, bomb_jpeg])
def test_a_bomb_is_refused_before_it_is_decoded(make: object) -> None:
    data = make(60_000)  # type: ignore[operator]
    assert len(data) < 2000
    with pytest.raises(DataError, match="x: its header states 60000 x 60000 pixels, over the"):
        decode_bytes(data, "x")


def test_a_gif_of_a_small_screen_and_a_large_frame_is_a_bomb() -> None:
    data = bytearray(saved("GIF", (8, 8)))
    at = data.index(b",\0\0\0\0\x08\0\x08\0")
    data[at + 5 : at + 9] = struct.pack("<HH", 60_000, 60_000)
    with pytest.raises(DataError, match="60000 x 60000"):
        decode_bytes(bytes(data), "x")


def test_the_limit_is_the_callers() -> None:
    assert decode_bytes(png((20, 10)), "x", most_pixels=200).shape == (3, 10, 20)
    with pytest.raises(DataError, match="x: its header states 20 x 10 pixels, over the limit of 1"):
        decode_bytes(png((20, 10)), "x", most_pixels=199)


@pytest.mark.parametrize("frames", [2, 5])
def test_an_animation_is_refused_before_it_is_decoded(frames: int) -> None:
    data = animation(frames)
    header = read_header(data)
    assert header is not None and header.frames == frames
    with pytest.raises(DataError, match=f"x: an animation of {frames} frames"):
        decode_bytes(data, "x")


def test_any_cut_of_a_header_is_survived() -> None:
    for data in (jpeg(), png(), saved("GIF", (9, 9)), saved("WebP", (9, 9)), animation(3)):
        whole = read_header(data)
        for cut in range(len(data)):
            header = read_header(data[:cut])
            assert header is None or header.format == whole.format  # type: ignore[union-attr]


def test_random_bytes_behind_a_signature_are_survived() -> None:
    draw = np.random.default_rng(0)
    starts = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8X")
    for number in range(400):
        noise = draw.integers(0, 256, int(draw.integers(0, 200)), dtype=np.uint8).tobytes()
        data = starts[number % 4] + noise
        read_header(data)
        with pytest.raises(DataError):
            decode_bytes(data, "x", most_pixels=10_000)
