"""Networks in pieces that fit: the same features, and only for want of memory."""

import pytest
import torch
from torch import Tensor, nn

from simclr_bench.errors import JobError
from simclr_bench.experiments.execution.extraction import Extractor
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.networks.shapes import ResNetShape


class Cramped:
    """A network on a device that holds a few images' activations at a time."""

    def __init__(self, room: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.room, self.error = room, error
        self.tried: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.tried.append(len(images))
        if len(images) > self.room:
            raise self.error("CUDA out of memory")
        return images.flatten(1).sum(dim=1, keepdim=True) * torch.arange(1.0, 4.0)


def views(n: int) -> Tensor:
    return torch.rand(n, 3, 40, 40, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize(
    ("room", "tried"), [(100, [11]), (5, [11, 5, 5, 1]), (1, [11, 5, 2] + 11 * [1])]
)
def test_it_halves_until_it_fits_and_stays_there(room: int, tried: list[int]) -> None:
    network, extract = Cramped(room), Extractor()
    assert torch.equal(extract(network, views(11)), Cramped(11)(views(11)))
    assert network.tried == tried
    network.tried.clear()
    extract(network, views(11))
    assert max(network.tried) <= room and extract.at_a_time == (None if room == 100 else room)


def test_a_limit_is_kept_from_the_start() -> None:
    network = Cramped(100)
    Extractor(most=4)(network, views(10))
    assert network.tried == [4, 4, 2]


def test_one_image_that_does_not_fit_is_an_error_with_a_remedy() -> None:
    with pytest.raises(JobError, match=r"cpu: its memory does not hold one image.*--jobs"):
        Extractor()(Cramped(0), views(3))


def test_no_other_error_is_tried_again() -> None:
    network = Cramped(2, RuntimeError)
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        Extractor()(network, views(8))
    assert network.tried == [8]


def resnet() -> nn.Module:
    network = ResNet(ResNetShape(depth=18))
    initialize(network, torch.Generator().manual_seed(0))
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("most", [1, 2, 4, 8])
def test_how_many_run_at_a_time_changes_nothing_but_rounding(most: int) -> None:
    network, images = resnet(), views(9)
    whole, pieces = Extractor()(network, images), Extractor(most=most)(network, images)
    # A unit in the last place of float32 is 1.2e-7 of a number.
    assert float((pieces - whole).norm() / whole.norm()) < 1e-6
    assert pieces.dtype == torch.float32 and not pieces.is_inference()
    exact = network.double()(images.double())
    assert float((pieces - exact).norm() / exact.norm()) < 1e-6


def test_mixed_precision_says_how_far_it_is_from_float32() -> None:
    network, images = resnet(), views(4)
    mixed = Extractor(precision="bfloat16")
    features, exact = mixed(network, images), Extractor()(network, images)
    assert features.dtype == torch.float32 and not torch.equal(features, exact)
    # bfloat16 has 8 bits: each layer rounds by up to 2^-9, and 18 of them add up.
    assert 1e-4 < mixed.error(network, images) < 0.05
    expected = float((features - exact).norm() / exact.norm())
    assert mixed.error(network, images) == pytest.approx(expected, rel=1e-4)
    assert Extractor().error(network, images) == 0.0
