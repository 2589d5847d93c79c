"""Blur of SimCLR's pretraining views, by the law of the official `batch_random_blur`.

    per view and step   one sigma ~ U[0.1, 2.0], the same for every image of the step
    per image           blurred with p = 0.5
    taps                exp(-d^2 / (2 sigma^2)) for |d| <= radius, summing to 1 before the edge cuts
                        any off: what lies outside the image is black
    radius              half of a tenth of the image's height, both rounded down: 23 taps at 224
                        pixels, 3 at 32

Sigma is drawn at (seed, epoch, step) and not from any image. A step that is cut into micro-batches,
spread over devices or done again after a resume blurs as the whole does, as long as all its parts
pass the same step. The official code draws one sigma per replica; here one step has one.

Source: google-research/simclr, data_util.py, batch_random_blur and gaussian_blur.
"""

import torch
from torch import Tensor

from simclr_bench.data.kernels import Taps, blocks, weigh
from simclr_bench.data.randomness import Index, uniform

BLUR_PROBABILITY = 0.5
SIGMA_RANGE = (0.1, 2.0)


def batch_random_blur(
    images: Tensor, index: Index, *, seed: int, epoch: int, step: int, operation: str = "blur"
) -> Tensor:
    """Blur half of the images, all by the same sigma, and clamp to [0, 1].

    Args:
        images: float32 images; not modified. [B, C, S, S]
        index: Position of each of these images in its data set. [B]
        seed: Seed of the run.
        epoch: Pass over the data.
        step: Number of the step that the images belong to, within the epoch.
        operation: Name of the draws.

    Returns:
        Images in [0, 1]. [B, C, S, S]
    """
    chosen = uniform(seed, epoch, index, f"{operation}: chosen", 1)[:, 0] < BLUR_PROBABILITY
    low, high = SIGMA_RANGE
    drawn = uniform(seed, epoch, [step], f"{operation}: sigma", 1)
    sigma = low + (high - low) * drawn.item()
    out = images.clamp(0, 1)
    which = torch.from_numpy(chosen.nonzero()[0]).to(images.device)
    out[which] = gaussian_blur(images[which], sigma).clamp_(0, 1)
    return out


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Blur along both axes.

    Args:
        images: float32 images. [B, C, S, S]
        sigma: Standard deviation in pixels.

    Returns:
        Blurred images. [B, C, S, S]
    """
    side = images.shape[2]
    radius = side // 10 // 2
    offset = torch.arange(-radius, radius + 1)
    share = torch.exp(-(offset.float() ** 2) / (2 * sigma**2))
    pixel = torch.arange(side)[:, None] + offset
    inside = (pixel >= 0) & (pixel < side)
    pixel = pixel.clamp(0, side - 1).to(images.device)
    weight = (share / share.sum() * inside).to(images.device)
    out = torch.empty_like(images)
    for block in blocks(images, side):
        count = len(images[block])
        taps = Taps(pixel.expand(count, -1, -1), weight.expand(count, -1, -1))
        out[block] = weigh(images[block], taps, taps)
    return out
