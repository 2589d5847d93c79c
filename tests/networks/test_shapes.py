"""Sizes of the residual networks, against what is published of the official ones."""

import pytest

from simclr_bench.networks.shapes import ResNetShape, resnet_convolutions

# Depth, width, selective kernels; trainable parameters; convolutions and batch norms. Counted from
# google-research/simclr, resnet.py; with moving statistics they round to the table of its README.
PUBLISHED = [
    (50, 1, False, 23_508_032, 53, 53),
    (50, 1, True, 35_215_584, 87, 71),
    (50, 2, False, 93_907_072, 53, 53),
    (50, 2, True, 140_306_048, 87, 71),
    (50, 4, False, 375_378_176, 53, 53),
    (101, 1, False, 42_500_160, 104, 104),
    (101, 1, True, 64_662_304, 172, 139),
    (101, 2, False, 169_771_136, 104, 104),
    (101, 2, True, 257_132_224, 172, 139),
    (152, 1, False, 58_143_808, 155, 155),
    (152, 1, True, 88_940_896, 257, 207),
    (152, 2, False, 232_253_568, 155, 155),
    (152, 2, True, 353_398_528, 257, 207),
    (152, 3, True, 794_704_160, 257, 207),
    (18, 1, False, 11_180_736, 21, 21),
]

MILLIONS = {
    "r50_1x_sk0": 24,
    "r50_1x_sk1": 35,
    "r50_2x_sk0": 94,
    "r50_2x_sk1": 140,
    "r101_1x_sk0": 43,
    "r101_1x_sk1": 65,
    "r101_2x_sk0": 170,
    "r101_2x_sk1": 257,
    "r152_1x_sk0": 58,
    "r152_1x_sk1": 89,
    "r152_2x_sk0": 233,
    "r152_2x_sk1": 354,
    "r152_3x_sk1": 795,
}


@pytest.mark.parametrize("depth, width, selective, parameters, convolutions, norms", PUBLISHED)
def test_counts(
    depth: int, width: int, selective: bool, parameters: int, convolutions: int, norms: int
) -> None:
    shape = ResNetShape(depth=depth, width=width, selective_kernels=selective)
    made = list(resnet_convolutions(shape))
    assert shape.parameters == parameters
    assert len(made) == convolutions
    assert sum(bool(convolution.norm) for convolution in made) == norms
    assert shape.features == (512 if depth == 18 else 2048) * width
    if shape.name in MILLIONS:
        statistics = sum(2 * convolution.outputs for convolution in made if convolution.norm)
        assert round((parameters + statistics) / 1e6) == MILLIONS[shape.name]


def test_the_readme_names_thirteen_networks() -> None:
    names = {ResNetShape(depth=d, width=w, selective_kernels=s).name for d, w, s, *_ in PUBLISHED}
    assert len(MILLIONS) == 13 and MILLIONS.keys() < names


def test_the_cifar_stem_has_a_smaller_kernel() -> None:
    assert ResNetShape(depth=18, stem="cifar").parameters == 11_173_056


def test_shortcuts_come_first_in_the_first_block_of_every_group() -> None:
    # The indices that the official checkpoints of ResNet-50 give to shortcuts.
    names = [convolution.name for convolution in resnet_convolutions(ResNetShape())]
    shortcuts = {name: index for index, name in enumerate(names) if "downsample" in name}
    assert shortcuts == {
        "layer1.0.downsample.0": 1,
        "layer2.0.downsample.0": 11,
        "layer3.0.downsample.0": 24,
        "layer4.0.downsample.0": 43,
    }


@pytest.mark.parametrize(
    "fields, complaint",
    [
        ({"depth": 51}, "depth must be one of .* got 51"),
        ({"width": 0}, "width must be a whole number of 1 to 8, got 0"),
        ({"width": 9}, "width must be a whole number of 1 to 8, got 9"),
        ({"width": 1.5}, "width must be a whole number of 1 to 8, got 1.5"),
        ({"depth": 34, "selective_kernels": True}, "selective kernels need depth 50 or more"),
        ({"pool": "valid"}, "pool must be .* got 'valid'"),
        ({"stem": "tiny"}, "stem must be .* got 'tiny'"),
    ],
)
def test_what_does_not_exist_is_refused(fields: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ResNetShape(**fields)
