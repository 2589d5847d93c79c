"""Color distortion of SimCLR, batched with one draw per image.

Jitter (p = 0.8): brightness, contrast, saturation and hue in a random order, clamped to [0, 1]
after each; then grayscale (p = 0.2), independently. With strength s and d = 0.8 s:

    brightness  x * f                                   f ~ U[max(1 - d, 0), 1 + d]
    contrast    mean + (x - mean) * f                   f ~ U[1 - d, 1 + d], mean per channel
    saturation  S * f in HSV, clamped                   f ~ U[1 - d, 1 + d]
    hue         H + f in HSV, modulo 1                  f ~ U[-0.2 s, 0.2 s]

With brightness "add" the first is x + f, f ~ U[-d, d]: the law of SimCLR's first paper, which the
official code calls 'simclrv1' and never chooses by itself ('simclrv2' is its default).

An image may come a little outside [0, 1], as a cubic kernel leaves it. TensorFlow's operations say
what happens then, and what is not jittered is not clamped here.

Source: google-research/simclr, data_util.py and tf2/data_util.py.
"""

import numpy as np
import torch
from torch import Tensor

from simclr_bench.data.randomness import Index, uniform

JITTER_PROBABILITY = 0.8
GRAYSCALE_PROBABILITY = 0.2
GRAY_WEIGHTS = (0.2989, 0.5870, 0.1140)
BRIGHTNESS = ("multiply", "add")


def color_distortion(
    images: Tensor,
    index: Index,
    *,
    seed: int,
    epoch: int,
    strength: float,
    operation: str = "color",
    brightness: str = "multiply",
) -> Tensor:
    """Jitter and grayscale, each drawn per image.

    Args:
        images: float32 images; not modified. [B, 3, H, W]
        index: Position of each of these images in its data set. [B]
        seed: Seed of the run.
        epoch: Pass over the data.
        strength: Jitter strength s, >= 0.
        operation: Name of the draw.
        brightness: "multiply" or "add".

    Returns:
        Distorted images, in [0, 1] if the given ones are. [B, 3, H, W]

    Raises:
        ValueError: The brightness is unknown.
    """
    if brightness not in BRIGHTNESS:
        wanted = ", ".join(BRIGHTNESS)
        raise ValueError(f"color_distortion: brightness must be of {wanted}, got {brightness}")
    draws = uniform(seed, epoch, index, operation, 10)
    jittered = draws[:, 0] < JITTER_PROBABILITY
    order = np.argsort(draws[:, 1:5], axis=1)  # a uniformly random permutation per image
    signed = torch.from_numpy(2 * draws[:, 5:9] - 1).float()
    spread = 0.8 * strength
    brightness_low = max(1 - spread, 0.0)
    gain = brightness_low + (signed[:, 0] + 1) / 2 * (1 + spread - brightness_low)
    contrast, saturation = (1 + spread * signed[:, column] for column in (1, 2))
    factors = [gain, contrast, saturation, 0.2 * strength * signed[:, 3]]
    adjustments = [adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue]
    if brightness == "add":
        factors[0], adjustments[0] = spread * signed[:, 0], shift_brightness

    out = images.clone()
    for turn in range(len(adjustments)):
        for which, (adjust, factor) in enumerate(zip(adjustments, factors, strict=True)):
            chosen = torch.from_numpy(np.flatnonzero(jittered & (order[:, turn] == which)))
            if len(chosen):
                amount = factor[chosen].to(images.device)
                chosen = chosen.to(images.device)
                out[chosen] = adjust(out[chosen], amount).clamp_(0, 1)
    gray = torch.from_numpy(np.flatnonzero(draws[:, 9] < GRAYSCALE_PROBABILITY))
    gray = gray.to(images.device)
    out[gray] = grayscale(out[gray])
    return out


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Scale all values. [B, 3, H, W], [B] -> [B, 3, H, W]"""
    return images * factor[:, None, None, None]


def shift_brightness(images: Tensor, shift: Tensor) -> Tensor:
    """Add to all values. [B, 3, H, W], [B] -> [B, 3, H, W]"""
    return images + shift[:, None, None, None]


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance to each channel's spatial mean. [B, 3, H, W], [B] -> [B, 3, H, W]"""
    mean = images.mean(dim=(2, 3), keepdim=True)
    return mean + (images - mean) * factor[:, None, None, None]


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Scale HSV saturation, clamped to [0, 1]. [B, 3, H, W], [B] -> [B, 3, H, W]

    At fixed hue and value, the distance of every channel to the value is proportional to the
    saturation, so the conversion to HSV and back reduces to one ratio.
    """
    value, chroma = _value_and_chroma(images)
    # S * f <= 1  <=>  f <= value / chroma; a pixel of no positive channel has no saturation.
    most = (value / chroma.clamp(min=1e-12)).clamp_(min=0)
    ratio = torch.minimum(factor.clamp(min=0)[:, None, None, None], most)
    return value - (value - images) * ratio


def adjust_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Rotate HSV hue by a fraction of a turn. [B, 3, H, W], [B] -> [B, 3, H, W]"""
    value, chroma = _value_and_chroma(images)
    value, chroma = value[:, 0], chroma[:, 0]
    red, green, blue = images.unbind(dim=1)
    safe = chroma.clamp(min=1e-12)
    sector = torch.where(
        red == value,
        (green - blue) / safe,
        torch.where(green == value, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sector = sector + 6 * shift[:, None, None]
    channels = []
    for offset in (5, 3, 1):
        position = (sector + offset).remainder(6)
        channels.append(value - chroma * torch.minimum(position, 4 - position).clamp(0, 1))
    return torch.stack(channels, dim=1)


def grayscale(images: Tensor) -> Tensor:
    """Luma in all three channels. [B, 3, H, W] -> [B, 3, H, W]"""
    weights = torch.tensor(GRAY_WEIGHTS, device=images.device)[:, None, None]
    return (images * weights).sum(dim=1, keepdim=True).expand_as(images)


def _value_and_chroma(images: Tensor) -> tuple[Tensor, Tensor]:
    value = images.amax(dim=1, keepdim=True)
    return value, value - images.amin(dim=1, keepdim=True)
