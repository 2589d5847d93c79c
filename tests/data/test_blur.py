"""One sigma per step, half of the images, black outside; by hand and by parts."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from simclr_bench.data.augment import simclr_views
from simclr_bench.data.blur import batch_random_blur, gaussian_blur

N = 40


def random_floats(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def impulse(side: int) -> torch.Tensor:
    image = torch.zeros(1, 1, side, side)
    image[:, :, side // 2, side // 2] = 1
    return image


def blurred(images, index=None, *, seed=0, epoch=0, step=0):
    index = range(len(images)) if index is None else index
    return batch_random_blur(images, index, seed=seed, epoch=epoch, step=step)


def test_taps_are_gaussian_and_sum_to_one():
    ours = gaussian_blur(impulse(32), 0.8)[0, 0, 15:18, 15:18]
    side = math.exp(-1 / (2 * 0.8**2))
    line = torch.tensor([side, 1, side]) / (1 + 2 * side)
    torch.testing.assert_close(ours, line[:, None] * line)


@pytest.mark.parametrize(("side", "taps"), [(224, 23), (99, 9), (96, 9), (32, 3), (20, 3), (19, 1)])
def test_the_kernel_is_a_tenth_of_the_side(side, taps):
    reached = gaussian_blur(impulse(side), 2.0)[0, 0] > 0
    rows, columns = reached.any(dim=1).nonzero()[:, 0], reached.any(dim=0).nonzero()[:, 0]
    expected = torch.arange(taps) + side // 2 - taps // 2
    assert torch.equal(rows, expected) and torch.equal(columns, expected)


def test_outside_the_image_is_black():
    ours = gaussian_blur(torch.ones(1, 3, 32, 32), 1.0)[0, 0]
    side = math.exp(-0.5)
    edge = (1 + side) / (1 + 2 * side)
    assert ours[16, 16].item() == pytest.approx(1, abs=1e-6)
    assert ours[0, 16].item() == pytest.approx(edge, abs=1e-6)
    assert ours[31, 0].item() == pytest.approx(edge**2, abs=1e-6)


def test_half_of_the_images_are_blurred_and_all_by_the_same_sigma():
    count = 2000
    images = impulse(20).expand(count, 3, 20, 20)
    out = blurred(images)
    touched = (out != images).flatten(1).any(dim=1)
    assert abs(touched.double().mean().item() - 0.5) < 4 * 0.5 / math.sqrt(count)
    assert len(torch.unique(out[touched], dim=0)) == 1
    assert torch.equal(images, impulse(20).expand(count, 3, 20, 20))  # not modified


def test_sigma_is_uniform_over_the_steps():
    drawn = []
    for step in range(400):
        row = blurred(impulse(20), [1], step=step)[0, 0, 10]  # an image that this seed blurs
        drawn.append(math.sqrt(-1 / (2 * math.log(row[9] / row[10]))))
    assert stats.kstest(drawn, "uniform", (0.1, 1.9)).pvalue > 1e-3


def test_sigma_and_choice_change_with_seed_and_epoch():
    images = random_floats(N, 3, 32, 32)
    outs = [blurred(images, **at) for at in ({}, {"seed": 1}, {"epoch": 1}, {"step": 1})]
    assert all(not torch.equal(outs[i], outs[j]) for i in range(4) for j in range(i))
    # Another step of the epoch has another sigma; who is blurred is drawn once per epoch.
    changed = [(out != images).flatten(1).any(dim=1) for out in outs]
    assert torch.equal(changed[0], changed[3]) and not torch.equal(changed[0], changed[2])


def test_parts_of_a_step_give_the_bits_of_the_whole():
    images = random_floats(N, 3, 32, 32)
    whole = blurred(images, step=7)
    order = [30, 2, 39, 11]
    assert torch.equal(blurred(images[order], order, step=7), whole[order])
    parts = [
        blurred(images[start : start + 13], range(start, min(start + 13, N)), step=7)
        for start in range(0, N, 13)
    ]
    assert torch.equal(torch.cat(parts), whole)


def test_results_stay_in_the_unit_interval():
    out = blurred(random_floats(N, 3, 20, 20) * 2 - 0.5)
    assert out.min() == 0 and out.max() == 1


def test_pretraining_views_are_blurred_last_and_each_by_its_own_sigma():
    images = torch.randint(
        0, 256, (N, 3, 40, 36), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    where = {"seed": 3, "epoch": 2}
    choices = {"size": 32, "strength": 0.5, "kernel": "legacy", **where}
    plain = simclr_views(images, range(N), **choices)
    views = simclr_views(images, range(N), **choices, blur=True, step=5)
    for name, before, after in zip(("first", "second"), plain, views, strict=True):
        expected = batch_random_blur(
            before, range(N), **where, step=5, operation=f"{name} view: blur"
        )
        assert torch.equal(after, expected)
        assert 8 < (after != before).flatten(1).any(dim=1).sum() < 32
    ramp = impulse(32).expand(N, 3, 32, 32)
    kinds = [
        torch.unique(batch_random_blur(ramp, range(N), **where, step=5, operation=name), dim=0)
        for name in ("first view: blur", "second view: blur")
    ]
    assert not torch.equal(*kinds)


def test_blur_without_a_step_is_refused():
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="simclr_views: blur needs the number of the step"):
        simclr_views(images, [0], seed=0, epoch=0, size=8, strength=1.0, blur=True)


def test_blur_is_off_by_default():
    images = np.zeros((4, 3, 32, 32), dtype=np.uint8)
    images[:, :, 16] = 255
    arguments = {"seed": 0, "epoch": 0, "size": 32, "strength": 0.5}
    views = simclr_views(torch.from_numpy(images), range(4), **arguments)
    again = simclr_views(torch.from_numpy(images), range(4), **arguments, blur=False, step=9)
    assert all(torch.equal(*pair) for pair in zip(views, again, strict=True))
