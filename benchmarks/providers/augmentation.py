"""Who makes views: ours, torchvision's, kornia's and lightly's, at the strength of the cell.

A call takes decoded images that lie in memory, as their makers want them, and gives two views of
each: float32 in [0, 1], [B, 3, S, S] twice.
"""

import importlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.grid.cells import ImageCell
from benchmarks.grid.images import views_of
from benchmarks.providers.provider import Provider

Pair = tuple[Tensor, Tensor]
Call = Callable[[], Pair]

# Taps of the blur at 224 pixels, where ours has as many, and its range.
BLUR_TAPS = 23
SIGMA = (0.1, 2.0)


def images_of(cell: ImageCell) -> Tensor:
    """Seeded images, smooth as photographs are: uint8. [B, 3, source, source]"""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(cell.images, 3, 8, 8, generator=generator)
    fine = functional.interpolate(coarse, cell.source, mode="bicubic")
    return fine.mul_(255).clamp_(0, 255).to(torch.uint8)


def from_idle(call: Call, cell: ImageCell) -> Call:
    """The call, begun when a GPU is idle: what the host draws is then part of its time."""
    if cell.device == "cpu":
        return call

    def begun() -> Pair:
        torch.cuda.synchronize()
        return call()

    return begun


def our_views(cell: ImageCell) -> Call:
    """The batch at once; each call is another epoch, with other draws."""
    from simclr_bench.data.augment import simclr_views

    views, images = views_of(cell), images_of(cell).to(cell.device)
    index, epochs = range(cell.images), itertools.count()

    def call() -> Pair:
        return simclr_views(
            images,
            index,
            seed=0,
            epoch=next(epochs),
            size=cell.side,
            strength=views.strength,
            area_range=(views.smallest, 1.0),
            kernel=views.kernel,
            blur=views.blur,
            step=0,
        )

    return from_idle(call, cell)


def torchvision_steps(cell: ImageCell) -> list[Any]:
    """SimCLR in transforms of torchvision v2, for tensors and for PIL's images."""
    from torchvision.transforms import InterpolationMode, v2

    views = views_of(cell)
    steps = [
        v2.RandomResizedCrop(
            cell.side,
            scale=(views.smallest, 1.0),
            interpolation=InterpolationMode.BICUBIC,
            antialias=True,
        ),
        v2.RandomHorizontalFlip(p=0.5),
        v2.RandomApply([v2.ColorJitter(*views.jitter)], p=0.8),
        v2.RandomGrayscale(p=0.2),
    ]
    if views.blur:
        steps.append(v2.RandomApply([v2.GaussianBlur(BLUR_TAPS, SIGMA)], p=0.5))
    return [*steps, v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]


def _pictures(cell: ImageCell) -> list[Any]:
    """The images as PIL has them, which is what a folder of files is decoded to."""
    from torchvision.transforms.v2.functional import to_pil_image

    return [to_pil_image(image) for image in images_of(cell)]


def _stacked(pairs: Sequence[Sequence[Any]]) -> Pair:
    """Pairs of views, one for each image, as two batches."""
    first, second = zip(*pairs, strict=True)
    return torch.stack(first).as_subclass(Tensor), torch.stack(second).as_subclass(Tensor)


def torchvision_image(cell: ImageCell) -> Call:
    from torchvision.transforms import v2

    # Of tensors it takes twice as long at 32 pixels, and no less at 224.
    transform, pictures = v2.Compose(torchvision_steps(cell)), _pictures(cell)
    return lambda: _stacked([(transform(picture), transform(picture)) for picture in pictures])


def torchvision_batch(cell: ImageCell) -> Call:
    from torchvision.transforms import v2

    transform, images = v2.Compose(torchvision_steps(cell)), images_of(cell).to(cell.device)

    def call() -> Pair:
        return transform(images).as_subclass(Tensor), transform(images).as_subclass(Tensor)

    return from_idle(call, cell)


def kornia_steps(cell: ImageCell) -> list[Any]:
    """SimCLR in kornia's modules, which draw for each image."""
    augmentation = importlib.import_module("kornia.augmentation")
    views, side = views_of(cell), cell.side
    steps = [
        augmentation.RandomResizedCrop(
            (side, side),
            scale=(views.smallest, 1.0),
            resample="bicubic",
            align_corners=False,
            # Image by image, which is less work for a core and many launches for a GPU.
            cropping_mode="slice" if cell.device == "cpu" else "resample",
        ),
        augmentation.RandomHorizontalFlip(p=0.5),
        augmentation.ColorJitter(*views.jitter, p=0.8),
        augmentation.RandomGrayscale(p=0.2),
    ]
    if views.blur:
        steps.append(augmentation.RandomGaussianBlur((BLUR_TAPS, BLUR_TAPS), SIGMA, p=0.5))
    return steps


def kornia_views(cell: ImageCell) -> Call:
    sequential = importlib.import_module("kornia.augmentation").AugmentationSequential
    transform = sequential(*kornia_steps(cell), data_keys=["input"])
    images = images_of(cell).to(cell.device)

    def call() -> Pair:
        with torch.no_grad():
            floats = images.float() / 255
            # Views that no jitter clamped have the cubic's overshoot.
            return transform(floats).clamp_(0, 1), transform(floats).clamp_(0, 1)

    return from_idle(call, cell)


def lightly_transform(cell: ImageCell) -> Any:
    """SimCLR as lightly has it, without the normalization that comes after."""
    from lightly.transforms import SimCLRTransform

    views = views_of(cell)
    return SimCLRTransform(
        input_size=cell.side,
        cj_strength=views.strength,
        min_scale=views.smallest,
        gaussian_blur=0.5 if views.blur else 0.0,
        sigmas=SIGMA,
        normalize=None,
    )


def lightly_views(cell: ImageCell) -> Call:
    transform, pictures = lightly_transform(cell), _pictures(cell)
    return lambda: _stacked([transform(picture) for picture in pictures])


PROVIDERS = (
    Provider(
        "torchvision-image",
        {"augment": torchvision_image},
        package="torchvision",
        module="torchvision.transforms.v2",
        devices=("cpu",),
        differs="crops by torchvision's law; rounds to 8 bits between its operations",
    ),
    Provider(
        "torchvision-batch",
        {"augment": torchvision_batch},
        package="torchvision",
        module="torchvision.transforms.v2",
        differs="draws once for all images of a call",
    ),
    Provider(
        "kornia",
        {"augment": kornia_views},
        package="kornia",
        module="kornia.augmentation",
        differs="crops by torchvision's law, without antialiasing; one order of the jitter for"
        " all images of a call",
    ),
    Provider(
        "lightly-transform",
        {"augment": lightly_views},
        package="lightly",
        module="lightly.transforms",
        devices=("cpu",),
        differs="crops by torchvision's law, with a bilinear kernel; rounds to 8 bits between"
        " its operations; blurs by PIL's boxes",
    ),
)
