"""Bytes of an image file to RGB, or one line that says why not."""

import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from simclr_bench.data.headers import read_header
from simclr_bench.errors import DataError

# 16,384 x 16,384: more than any camera's, and 0.8 GB of pixels.
MOST_PIXELS = 1 << 28


def decode_bytes(data: bytes, where: str, *, most_pixels: int = MOST_PIXELS) -> Tensor:
    """Decodes an image file into RGB, whatever its format and mode.

    The format follows from the content, not from a name. Orientation tags are ignored, as
    TensorFlow Datasets does; of 16 bits the upper 8 are kept. JPEG's inverse DCT is the accurate
    one: TensorFlow's default is the fast one, whose pixels are about one level of 255 off.

    Args:
        data: The file.
        where: The file's name, for errors.
        most_pixels: A file whose header states more is not decoded.

    Returns:
        uint8. [3, H, W]

    Raises:
        DataError: The file is empty, truncated, no image, too large or of an unsupported format.
    """
    if not data:
        raise DataError(f"{where}: the file is empty")
    header = read_header(data)
    if header is not None:
        if header.frames > 1:
            raise DataError(f"{where}: an animation of {header.frames} frames, not one image")
        if header.height * header.width > most_pixels:
            raise DataError(
                f"{where}: its header states {header.width} x {header.height} pixels, over the"
                f" limit of {most_pixels:,}"
            )
    try:
        pixels = decode_image(
            torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB
        )
    except RuntimeError as error:
        reason = str(error).split("\n")[0].split(". ")[0].rstrip(".")
        raise DataError(f"{where}: does not decode ({reason})") from error
    if pixels.ndim != 3:
        raise DataError(f"{where}: an animation of {len(pixels)} frames, not one image")
    if pixels.dtype == torch.uint16:
        pixels = (pixels.to(torch.int32) >> 8).to(torch.uint8)
    return pixels
