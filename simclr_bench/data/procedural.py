"""Procedural images: a class is a recipe, an image is a recipe under nuisance.

    recipe    shape of one figure (five harmonics of its outline, elongation, core), a texture and a
              palette for the figure and for the ground
    nuisance  position, size, rotation and mirror of the figure; phases of the textures; shifts of
              the palette; light, color cast, clutter behind and before the figure, pixel noise

Both are points of a unit cube, one coordinate per property, so that drawing is one call of
`randomness.uniform` and "similar classes" are nearby points. Everything that determines an image is
a constant of this module or an argument. A picture is a handful of sines: nothing is drawn
by name, and no real data set is imitated beyond its class count.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from simclr_bench.data.dispositions import Scene
from simclr_bench.data.randomness import bits, uniform

# Coordinates of a recipe: one outline, then texture and palette of figure and ground.
HARMONICS = 5
OUTLINE = 2 * HARMONICS + 3
TEXTURE = 10
PALETTE = 6
RECIPE = OUTLINE + 2 * (TEXTURE + PALETTE)
# Coordinates of a nuisance.
POSE = 6
PHASES = 4
PALETTE_SHIFT = 4
LIGHT = 7
BLOBS = 3
BLOB = 7
NUISANCE = POSE + PHASES + PALETTE_SHIFT + LIGHT + BLOBS * BLOB

# Images per chunk: one plane of 48 x 48 float32 pixels then fits a core's second-level cache.
CHUNK = 64


def draw_recipes(n: int, *, seed: int, operation: str) -> Tensor:
    """Independent recipes.

    Args:
        n: How many.
        seed: Seed of the collection.
        operation: Name of the draw.

    Returns:
        Points of the unit cube. [n, RECIPE]
    """
    return torch.from_numpy(uniform(seed, 0, range(n), f"{operation}: recipe", RECIPE)).float()


def draw_families(
    families: int, members: int, *, spread: float, seed: int, operation: str
) -> Tensor:
    """Recipes in families: each is its ancestor moved toward a recipe of its own.

    Args:
        families: Number of ancestors.
        members: Recipes per ancestor.
        spread: 0 gives copies of the ancestor, 1 unrelated recipes.
        seed: Seed of the collection.
        operation: Name of the draw.

    Returns:
        Points of the unit cube, family by family. [families * members, RECIPE]
    """
    ancestors = draw_recipes(families, seed=seed, operation=f"{operation}: ancestor")
    own = draw_recipes(families * members, seed=seed, operation=operation)
    return torch.lerp(ancestors.repeat_interleave(members, dim=0), own, spread)


def render(recipes: Tensor, scene: Scene, *, seed: int, operation: str, first: int = 0) -> Tensor:
    """One image per row of recipes, each under nuisance of its own.

    Args:
        recipes: The recipe of each image. [n, RECIPE]
        scene: The nuisance ranges.
        seed: Seed of the collection.
        operation: Name of the image stream; another name gives other nuisance.
        first: Position in the stream of the first image.

    Returns:
        uint8 images. [n, 3, native / shrink, native / shrink]
    """
    images = []
    for start in range(0, len(recipes), CHUNK):
        chunk = recipes[start : start + CHUNK]
        index = np.arange(first + start, first + start + len(chunk))
        drawn = uniform(seed, 0, index, f"{operation}: nuisance", NUISANCE)
        picture = _paint(chunk, torch.from_numpy(drawn).float(), scene)
        if scene.shrink > 1:
            picture = F.avg_pool2d(picture, scene.shrink)
        picture += scene.noise * _pixel_noise(picture.shape, seed, index, operation)
        images.append(picture.clamp_(0, 1).mul_(255).round_().to(torch.uint8))
    return torch.cat(images)


def _pixel_noise(shape: torch.Size, seed: int, index: np.ndarray, operation: str) -> Tensor:
    pixels = shape[1:].numel()
    words = bits(seed, 0, index, f"{operation}: noise", -(-pixels // 8))
    octets = words.astype("<u8").view(np.uint8)[:, :pixels]  # little-endian on every machine
    return torch.from_numpy(octets).float().sub_(127.5).div_(127.5).reshape(shape)


def _paint(recipe: Tensor, nuisance: Tensor, scene: Scene) -> Tensor:
    outline, figure, figure_palette, ground, ground_palette = recipe.split(
        [OUTLINE, TEXTURE, PALETTE, TEXTURE, PALETTE], dim=1
    )
    pose, phases, palette_shift, light, blobs = nuisance.split(
        [POSE, PHASES, PALETTE_SHIFT, LIGHT, BLOBS * BLOB], dim=1
    )
    side = (torch.arange(scene.native) + 0.5) / scene.native * 2 - 1
    x, y = side[None, None, :], side[None, :, None]
    # The figure's own coordinates: centered, rotated, mirrored, in units of its radius.
    signed = 2 * pose - 1
    turn = scene.rotation * signed[:, 2]
    mirror = torch.where(pose[:, 3] < 0.5, -1.0, 1.0)
    radius = scene.size[0] + (scene.size[1] - scene.size[0]) * pose[:, 4]
    cosine, sine = _plane(torch.cos(turn) / radius), _plane(torch.sin(turn) / radius)
    dx = (x - _plane(scene.shift * signed[:, 0])) * _plane(mirror)
    dy = y - _plane(scene.shift * signed[:, 1])
    u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
    zoom = 1 + scene.zoom * signed[:, 5]

    colors = [
        _colors(palette, palette_shift, scene) for palette in (ground_palette, figure_palette)
    ]
    # The ground is not tied to the figure's position or size.
    ground_u, ground_v = _plane(radius) * u, _plane(radius) * v
    value = _texture(ground, ground_u, ground_v, zoom, phases[:, :2])
    picture = _blend(colors[0], value)
    spots = blobs.reshape(-1, BLOBS, BLOB)
    for spot in range(BLOBS - 1):
        picture = _cover(picture, spots[:, spot], x, y, scene.clutter)
    if scene.figure:
        mask, core = _outline(outline, u, v)
        value = _texture(figure, ground_u, ground_v, zoom, phases[:, 2:])
        front = _blend(colors[1], value)
        # The core shows the figure's darker color, untextured.
        front = torch.lerp(front, colors[1][0][:, :, None, None], core[:, None])
        picture = torch.lerp(picture, front, mask[:, None])
    picture = _cover(picture, spots[:, BLOBS - 1], x, y, 0.6 * scene.clutter)

    change = 2 * light - 1
    gradient = _plane(scene.light * change[:, 1]) * x + _plane(scene.light * change[:, 2]) * y
    gain = _plane(1 + scene.light * change[:, 0]) + gradient
    cast = 1 + scene.cast * change[:, 3:6]
    return picture * gain[:, None] * cast[:, :, None, None]


def _outline(coordinates: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Soft mask of the figure and of its core. [n, OUTLINE], [n, S, S] twice -> [n, S, S] twice"""
    amplitude = coordinates[:, :HARMONICS] ** 2  # mostly one or two strong harmonics
    phase = 2 * torch.pi * coordinates[:, HARMONICS : 2 * HARMONICS]
    stretch, core_size, softness = coordinates[:, 2 * HARMONICS :].unbind(dim=1)
    amplitude = 0.45 * amplitude / amplitude.sum(dim=1, keepdim=True).clamp(min=0.5)
    elongation = _plane(0.7 + 0.6 * stretch)
    u, v = u * elongation, v / elongation
    rho = torch.sqrt(u * u + v * v + 1e-6)
    cosine, sine = u / rho, v / rho
    # cos and sin of k times the angle by the angle-addition rule; no arctangent.
    cos_k, sin_k = cosine, sine
    edge = torch.full_like(rho, 0.8)
    for k in range(HARMONICS):
        cos_k, sin_k = cos_k * cosine - sin_k * sine, sin_k * cosine + cos_k * sine
        edge += _plane(amplitude[:, k] * torch.cos(phase[:, k])) * cos_k
        edge += _plane(amplitude[:, k] * torch.sin(phase[:, k])) * sin_k
    mask = torch.sigmoid((edge - rho) * _plane(12 + 12 * softness))
    core = torch.sigmoid((edge * _plane(1.2 * core_size - 0.4) - rho) * 16)
    return mask, core


def _texture(coordinates: Tensor, u: Tensor, v: Tensor, zoom: Tensor, phases: Tensor) -> Tensor:
    """A value in [-1, 1]. [n, TEXTURE], [n, S, S] twice, [n], [n, 2] -> [n, S, S]"""
    angle, frequency, ratio, opening, warp, sharpness = coordinates[:, :6].unbind(dim=1)
    kinds = torch.softmax(8 * coordinates[:, 6:], dim=1)  # stripes, plaid, checks, rings
    first = torch.pi * angle
    second = first + torch.pi * (0.3 + 0.4 * opening)
    # 1.5 to 7 cycles across the picture: always above two pixels a cycle.
    wave = torch.pi * 1.5 * (7 / 1.5) ** frequency * zoom
    phase = 2 * torch.pi * phases
    cross = wave * (0.5 + 0.5 * ratio)
    p = _plane(wave * torch.cos(first)) * u + _plane(wave * torch.sin(first)) * v
    q = _plane(cross * torch.cos(second)) * u + _plane(cross * torch.sin(second)) * v
    crossing = torch.sin(q + _plane(phase[:, 1]))
    p = p + _plane(phase[:, 0]) + _plane(2.5 * warp**2) * crossing
    stripes = torch.sin(p)
    rings = torch.sin(torch.sqrt(u * u + v * v) * _plane(wave) + _plane(phase[:, 0]))
    value = stripes * (_plane(kinds[:, 0] + kinds[:, 1]) + _plane(2 * kinds[:, 2]) * crossing)
    value += _plane(kinds[:, 1]) * crossing + _plane(kinds[:, 3]) * rings
    return torch.tanh(value * _plane(0.8 + 4 * sharpness**2))


def _colors(palette: Tensor, shift: Tensor, scene: Scene) -> tuple[Tensor, Tensor]:
    """Mean color and half the contrast, both under the image's shift. [n, 3] each"""
    mean = 0.25 + 0.5 * palette[:, :3]
    direction = palette[:, 3:] - 0.5
    contrast = 0.3 * direction / direction.norm(dim=1, keepdim=True).clamp(min=0.1)
    # Rodrigues' rotation about the gray axis.
    angle = scene.hue * (2 * shift[:, :1] - 1)
    axis = torch.full((1, 3), 3**-0.5)
    shifted = []
    for color in (mean, contrast):
        along = (color * axis).sum(dim=1, keepdim=True) * axis
        turned = torch.linalg.cross(axis.expand_as(color), color)
        shifted.append(color * torch.cos(angle) + turned * torch.sin(angle))
        shifted[-1] += along * (1 - torch.cos(angle))
    saturation = 1 + 0.3 * (2 * shift[:, 1:2] - 1)
    gray = shifted[0].mean(dim=1, keepdim=True)
    return gray + (shifted[0] - gray) * saturation, shifted[1] * (0.7 + 0.6 * shift[:, 2:3])


def _blend(colors: tuple[Tensor, Tensor], value: Tensor) -> Tensor:
    mean, contrast = colors
    return torch.addcmul(mean[:, :, None, None], contrast[:, :, None, None], value[:, None])


def _cover(picture: Tensor, spot: Tensor, x: Tensor, y: Tensor, largest: float) -> Tensor:
    """Paints one soft elliptic blob. spot [n, BLOB]: position, radius, elongation, color"""
    dx, dy = x - _plane(2 * spot[:, 0] - 1), y - _plane(2 * spot[:, 1] - 1)
    radius = largest * (0.3 + 0.7 * spot[:, 2])
    elongation = 0.6 + 0.8 * spot[:, 3]
    distance = (dx / _plane(radius * elongation)) ** 2 + (dy / _plane(radius / elongation)) ** 2
    mask = torch.sigmoid(8 * (1 - distance))
    return torch.lerp(picture, spot[:, 4:, None, None], mask[:, None])


def _plane(values: Tensor) -> Tensor:
    return values[:, None, None]
