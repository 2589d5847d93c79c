"""The encoder's shapes, its folded form, and an initialization that is a function of its seed."""

import pytest
import torch
from torch import nn

from simclr_bench.networks.shapes import EncoderShape
from simclr_bench.networks.small_residual import (
    Encoder,
    ProjectionHead,
    freeze,
    initialize,
    represent,
)

TINY = EncoderShape(stem=8, widths=(8, 12), strides=(1, 2), hidden=16, projection=6)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def lived_in(shape: EncoderShape = TINY) -> Encoder:
    """An encoder whose batch norms all differ from the identity."""
    generator = torch.Generator().manual_seed(1)
    encoder = Encoder(shape)
    initialize(encoder, generator)
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(layer.weight, 0.5, 2, generator=generator)
            nn.init.normal_(layer.bias, generator=generator)
    return encoder.eval()


def test_the_default_encoder_is_small_and_wide_enough():
    shape = EncoderShape()
    parameters = sum(parameter.numel() for parameter in Encoder(shape).parameters())
    assert 0.3e6 <= parameters <= 0.6e6
    assert 128 <= shape.features <= 256


def test_representations_and_projections_have_the_stated_widths():
    h = lived_in()(images(5))
    assert h.shape == (5, TINY.features)
    assert ProjectionHead(TINY)(h).shape == (5, TINY.projection)


def test_freezing_changes_nothing_but_rounding_and_leaves_no_batch_norm():
    encoder = lived_in()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    frozen = freeze(encoder)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in frozen.modules())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    exact = encoder.double()(images(8).double())
    naive = (encoder.float()(images(8)) - exact).abs().max()
    assert (frozen(images(8)) - exact).abs().max() <= 4 * naive
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name])


def test_frozen_representations_do_not_depend_on_the_batch():
    frozen = freeze(lived_in())
    together = represent(frozen, [images(7)])
    apart = represent(frozen, [images(7)[:3], images(7)[3:]])
    torch.testing.assert_close(apart, together, rtol=1e-5, atol=1e-5)


def test_a_block_without_change_of_shape_keeps_its_input_when_its_convolutions_are_zero():
    encoder = Encoder(EncoderShape(stem=8, widths=(8,), strides=(1,)))
    nn.init.zeros_(encoder.blocks[0].second.convolution.weight)
    x = torch.rand(2, 8, 16, 16)
    assert torch.equal(encoder.eval().blocks[0](x), x)


def test_initialization_is_he_and_a_function_of_the_seed():
    weights = []
    for seed in (0, 0, 1):
        encoder = Encoder(EncoderShape())
        initialize(encoder, torch.Generator().manual_seed(seed))
        weights.append(encoder.blocks[-1].second.convolution.weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    fan_in = weights[0][0].numel()
    assert weights[0].std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)


def test_initialization_does_not_touch_the_global_generator():
    encoder = Encoder(TINY)
    before = torch.get_rng_state()
    initialize(encoder, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_initialization_overwrites_every_random_weight():
    first, second = Encoder(TINY), Encoder(TINY)
    assert not torch.equal(first.stem.convolution.weight, second.stem.convolution.weight)
    for encoder in (first, second):
        initialize(encoder, torch.Generator().manual_seed(0))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
