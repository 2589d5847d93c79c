"""Color distortion of SimCLR, batched with one draw per image.

Jitter (p = 0.8): brightness, contrast, saturation and hue in a random order, clamped to [0, 1]
after each; then grayscale (p = 0.2), independently. With strength s and d = 0.8 s:

    brightness  x * f                                   f ~ U[max(1 - d, 0), 1 + d]
    contrast    mean + (x - mean) * f                   f ~ U[1 - d, 1 + d], mean per channel
    saturation  S * f in HSV, clamped                   f ~ U[1 - d, 1 + d]
    hue         H + f in HSV, modulo 1                  f ~ U[-0.2 s, 0.2 s]

Source: google-research/simclr, data_util.py (the 'simclrv2' brightness, which is its default).
"""

import numpy as np
import torch
from torch import Tensor

from simclr_bench.data.randomness import Index, uniform

JITTER_PROBABILITY = 0.8
GRAYSCALE_PROBABILITY = 0.2
GRAY_WEIGHTS = (0.2989, 0.5870, 0.1140)


def color_distortion(
    images: Tensor,
    index: Index,
    *,
    seed: int,
    epoch: int,
    strength: float,
    operation: str = "color",
) -> Tensor:
    """Jitter and grayscale, each drawn per image.

    Args:
        images: float32 images in [0, 1]; not modified. [B, 3, H, W]
        index: Position of each of these images in its data set. [B]
        seed: Seed of the run.
        epoch: Pass over the data.
        strength: Jitter strength s, >= 0.
        operation: Name of the draw.

    Returns:
        Distorted images in [0, 1]. [B, 3, H, W]
    """
    draws = uniform(seed, epoch, index, operation, 10)
    jittered = draws[:, 0] < JITTER_PROBABILITY
    order = np.argsort(draws[:, 1:5], axis=1)  # a uniformly random permutation per image
    signed = torch.from_numpy(2 * draws[:, 5:9] - 1).float()
    spread = 0.8 * strength
    brightness_low = max(1 - spread, 0.0)
    brightness = brightness_low + (signed[:, 0] + 1) / 2 * (1 + spread - brightness_low)
    contrast, saturation = (1 + spread * signed[:, column] for column in (1, 2))
    factors = (brightness, contrast, saturation, 0.2 * strength * signed[:, 3])
    adjustments = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)

    out = images.clone()
    for turn in range(len(adjustments)):
        for which, (adjust, factor) in enumerate(zip(adjustments, factors, strict=True)):
            chosen = torch.from_numpy(np.flatnonzero(jittered & (order[:, turn] == which)))
            if len(chosen):
                out[chosen] = adjust(out[chosen], factor[chosen]).clamp_(0, 1)
    gray = torch.from_numpy(np.flatnonzero(draws[:, 9] < GRAYSCALE_PROBABILITY))
    out[gray] = grayscale(out[gray])
    return out


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Scale all values. [B, 3, H, W], [B] -> [B, 3, H, W]"""
    return images * factor[:, None, None, None]


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
    # S * f <= 1  <=>  f <= value / chroma
    most = value / chroma.clamp(min=1e-12)
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
    weights = torch.tensor(GRAY_WEIGHTS)[:, None, None]
    return (images * weights).sum(dim=1, keepdim=True).expand_as(images)


def _value_and_chroma(images: Tensor) -> tuple[Tensor, Tensor]:
    value = images.amax(dim=1, keepdim=True)
    return value, value - images.amin(dim=1, keepdim=True)
