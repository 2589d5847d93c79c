"""Procedural images are reproducible, independent of chunking, and show what their recipe says."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from simclr_bench.data.dispositions import Scene
from simclr_bench.data.procedural import (
    CHUNK,
    HARMONICS,
    OUTLINE,
    RECIPE,
    draw_families,
    draw_recipes,
    render,
)

STREAM = {"seed": 3, "operation": "test"}
# Nothing moves but the pixel noise, and that is off.
STILL = Scene(
    shift=0, size=(0.6, 0.6), rotation=0, zoom=0, hue=0, light=0, cast=0, clutter=1e-3, noise=0
)


def test_the_same_arguments_give_the_same_images():
    recipes = draw_recipes(10, **STREAM)
    assert torch.equal(render(recipes, Scene(), **STREAM), render(recipes, Scene(), **STREAM))


def test_an_image_depends_on_its_position_in_the_stream_and_not_on_its_neighbors():
    recipes = draw_recipes(CHUNK + 3, **STREAM)
    together = render(recipes, Scene(), **STREAM).int()
    apart = render(recipes[CHUNK - 1 :], Scene(), first=CHUNK - 1, **STREAM).int()
    # One gray level for vector and scalar forms of sin, exp and tanh.
    assert (apart - together[CHUNK - 1 :]).abs().max() <= 1
    moved = render(recipes[:1], Scene(), first=1, **STREAM).int()
    assert (moved - together[:1]).abs().float().mean() > 10


def test_streams_and_seeds_differ():
    recipes = draw_recipes(2, **STREAM)
    images = [
        render(recipes, Scene(), seed=seed, operation=operation)
        for seed in (0, 1)
        for operation in ("train", "held-out")
    ]
    for position, image in enumerate(images):
        for other in images[:position]:
            assert (image.int() - other.int()).abs().float().mean() > 10


def test_images_are_uint8_of_the_asked_size():
    recipes = draw_recipes(2, **STREAM)
    for shrink, side in ((1, 48), (3, 16)):
        images = render(recipes, Scene(shrink=shrink), **STREAM)
        assert images.shape == (2, 3, side, side) and images.dtype == torch.uint8


def test_shrinking_averages_areas():
    recipes = draw_recipes(5, **STREAM)
    quiet = Scene(noise=0)
    large = render(recipes, quiet, **STREAM).float()
    small = render(recipes, dataclasses.replace(quiet, shrink=3), **STREAM).float()
    means = large.reshape(5, 3, 16, 3, 16, 3).mean(dim=(3, 5))
    # Where a pixel was clamped before or after averaging the two differ; a few do.
    close = (small - means).abs() <= 1
    assert close.float().mean() > 0.9


def test_noise_is_uniform_and_of_the_stated_width():
    recipes = draw_recipes(50, **STREAM)
    quiet = render(recipes, Scene(noise=0), **STREAM).float()
    noisy = render(recipes, Scene(noise=0.06), **STREAM).float()
    inside = (quiet > 20) & (quiet < 235)
    noise = (noisy - quiet)[inside] / 255
    assert noise.abs().max() <= 0.06 + 1 / 255
    assert abs(noise.std().item() - 0.06 / 3**0.5) < 0.001
    assert abs(noise.mean().item()) < 4 * 0.035 / len(noise) ** 0.5 + 1e-4


def test_a_still_scene_shows_the_recipe_and_only_the_texture_phases_move():
    recipes = draw_recipes(1, **STREAM).expand(30, RECIPE)
    still = render(recipes, STILL, **STREAM).float()
    moving = render(recipes, Scene(), **STREAM).float()
    spread = [images.mean(dim=(2, 3)).std(dim=0).mean() for images in (still, moving)]
    assert spread[0] < 0.5 * spread[1]


def test_without_a_figure_the_outline_does_not_matter():
    recipes = draw_recipes(4, **STREAM)
    changed = recipes.clone()
    changed[:, :OUTLINE] = 1 - changed[:, :OUTLINE]
    texture = Scene(figure=False)
    assert torch.equal(render(recipes, texture, **STREAM), render(changed, texture, **STREAM))
    with_figure = [render(r, Scene(), **STREAM).float() for r in (recipes, changed)]
    assert (with_figure[0] - with_figure[1]).abs().mean() > 1


def test_a_figure_with_one_harmonic_has_that_symmetry():
    # Harmonic k = 2 + position repeats every 2 pi / k: with k = 4 a quarter turn maps the outline
    # onto itself. Plain palettes, so that the picture is the outline.
    recipe = torch.full((1, RECIPE), 0.5)
    recipe[:, :HARMONICS] = 0
    recipe[:, 2] = 1
    recipe[:, HARMONICS : 2 * HARMONICS] = 0
    recipe[:, OUTLINE + 10 : OUTLINE + 16] = torch.tensor([1.0, 1, 1, 0.5, 0.5, 0.5])
    recipe[:, OUTLINE + 26 : OUTLINE + 32] = torch.tensor([0.0, 0, 0, 0.5, 0.5, 0.5])
    image = render(recipe, STILL, **STREAM).int()
    assert image.max() - image.min() > 80
    assert (image - image.rot90(1, (2, 3))).abs().float().mean() < 2
    recipe[:, 2], recipe[:, 1] = 0, 1  # k = 3 instead
    image = render(recipe, STILL, **STREAM).int()
    assert (image - image.rot90(1, (2, 3))).abs().float().mean() > 3


def test_recipes_fill_the_unit_cube():
    recipes = draw_recipes(2000, **STREAM).double().numpy()
    assert recipes.shape == (2000, RECIPE)
    pvalues = [stats.kstest(column, "uniform").pvalue for column in recipes.T]
    assert min(pvalues) > 1e-3 / RECIPE


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_relatives_are_as_far_from_their_ancestor_as_the_spread_says(spread):
    families = draw_families(20, 5, spread=spread, **STREAM).reshape(20, 5, RECIPE)
    ancestors = draw_families(20, 1, spread=0.0, **STREAM).reshape(20, 1, RECIPE)
    unrelated = draw_families(20, 5, spread=1.0, **STREAM).reshape(20, 5, RECIPE)
    expected = ancestors + spread * (unrelated - ancestors)
    torch.testing.assert_close(families, expected, rtol=0, atol=1e-6)
    distance = np.linalg.norm(families[:, :1] - families[:, 1:], axis=2)
    assert (distance > 0).all() == (spread > 0)
