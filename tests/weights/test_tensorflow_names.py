"""Names of official checkpoints: all mapped, none left over, and faults named."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from simclr_bench.errors import DataError
from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.tensorflow.names import (
    dropped,
    encoder_variables,
    expected_variables,
    match_variables,
    translate,
)

SHAPES = [
    ResNetShape(),
    ResNetShape(width=4),
    ResNetShape(width=2, selective_kernels=True),
    ResNetShape(depth=101, selective_kernels=True),
    ResNetShape(depth=152, width=3, selective_kernels=True),
    ResNetShape(depth=200),
    ResNetShape(depth=18, stem="cifar"),
    ResNetShape(depth=34),
    ResNetShape(selective_kernels=True, stem="cifar"),
]

HEADS = [
    "head_contrastive/nl_2/dense/kernel",
    "head_supervised/linear_layer/dense/kernel",
]

Sizes = dict[str, tuple[int, ...]]


def checkpoint(shape: ResNetShape, heads: list[str] = HEADS) -> Sizes:
    """Shapes of a checkpoint's variables."""
    return {v.name: v.shape for v in expected_variables(shape, dict.fromkeys(heads, ()))}


# By hand from the order of construction in google-research/simclr, resnet.py: shortcut first, then
# the branch. Numbers of convolutions and batch norms; None where no batch norm follows.
ORDER_50 = {
    "conv1": (0, 0),
    "layer1.0.downsample.0": (1, 1),
    "layer1.0.conv1": (2, 2),
    "layer1.0.conv3": (4, 4),
    "layer1.1.conv1": (5, 5),
    "layer2.0.downsample.0": (11, 11),
    "layer3.0.downsample.0": (24, 24),
    "layer3.5.conv3": (42, 42),
    "layer4.0.downsample.0": (43, 43),
    "layer4.2.conv3": (52, 52),
}
ORDER_SELECTIVE = {
    "conv1.0": (0, 0),
    "conv1.3": (1, 1),
    "conv1.6": (2, 2),
    "layer1.0.downsample.0": (3, 3),
    "layer1.0.conv1": (4, 4),
    "layer1.0.conv2.conv": (5, 5),
    "layer1.0.conv2.reduce": (6, 6),
    "layer1.0.conv2.expand": (7, None),
    "layer1.0.conv3": (8, 7),
    "layer1.1.conv1": (9, 8),
    "layer1.1.conv3": (13, 11),
    "layer2.0.downsample.0": (19, 16),
    "layer4.2.conv3": (86, 70),
}
NORMS = {
    "conv1": "bn1",
    "conv1.0": "conv1.1",
    "conv1.3": "conv1.4",
    "conv1.6": "bn1",
}


@pytest.mark.parametrize("selective, order", [(False, ORDER_50), (True, ORDER_SELECTIVE)])
def test_numbers_follow_the_order_of_construction(
    selective: bool, order: dict[str, tuple[int, int | None]]
) -> None:
    shape = ResNetShape(selective_kernels=selective)
    names = {v.target: v.name for v in encoder_variables(shape)}
    for module, (convolution, norm) in order.items():
        suffix = f"_{convolution}" if convolution else ""
        assert names[f"encoder.{module}.weight"] == f"base_model/conv2d{suffix}/kernel"
        following = NORMS.get(module) or module.replace("downsample.0", "downsample.1").replace(
            ".conv1", ".bn1"
        ).replace(".conv3", ".bn3").replace("conv2.conv", "conv2.bn").replace("reduce", "reduce_bn")
        if norm is not None:
            scope = "base_model/batch_normalization" + (f"_{norm}" if norm else "")
            assert names[f"encoder.{following}.weight"] == f"{scope}/gamma"
            assert names[f"encoder.{following}.running_var"] == f"{scope}/moving_variance"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.name}-{shape.stem}")
def test_every_tensor_of_the_network_is_filled_and_the_network_is_recognized(
    shape: ResNetShape,
) -> None:
    sizes = checkpoint(shape)
    held, variables = match_variables(sizes, None, "here")
    assert held == shape
    assert {v.name for v in variables} == sizes.keys()
    with torch.device("meta"):
        network = nn.ModuleDict(
            {
                "encoder": ResNet(shape),
                "projection": ProjectionHead(shape.features),
                "classifier": nn.Linear(shape.features, 1000),
            }
        )
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    made = {v.target: tuple(v.shape[axis] for axis in order[len(v.shape)]) for v in variables}
    assert made == {name: size for name, size in wanted.items() if name not in counters}


@pytest.mark.parametrize(
    "heads, targets",
    [
        ([], set()),
        (["head_contrastive/nl_1/dense/kernel"], {"projection.dense.1.weight"}),
        (["head_contrastive/l_0/dense/kernel"], {"projection.dense.0.weight"}),
        (["head_supervised/dense/kernel"], {"classifier.weight", "classifier.bias"}),
    ],
)
def test_heads_are_those_that_are_there(heads: list[str], targets: set[str]) -> None:
    shape = ResNetShape(depth=18)
    _, variables = match_variables(checkpoint(shape, heads), shape, "here")
    made = {v.target for v in variables}
    assert targets <= made
    assert {name.split(".")[0] for name in made} == {
        "encoder",
        *(name.split(".")[0] for name in targets),
    }
    assert "projection.dense.2.weight" not in made


def test_a_head_may_have_other_widths() -> None:
    sizes = checkpoint(ResNetShape(depth=18))
    for name, size in sizes.items():
        if name.startswith("head_supervised/"):
            sizes[name] = (*size[:-1], 10)
        if name.startswith("head_contrastive/nl_2/"):
            sizes[name] = (*size[:-1], 64)
    _, variables = match_variables(sizes, None, "here")
    made = {v.target: v.shape for v in variables}
    assert made["classifier.weight"] == (512, 10)
    assert made["projection.norm.2.weight"] == (64,)


def test_second_copies_slots_and_the_step_counter_are_dropped_by_rule() -> None:
    sizes = checkpoint(ResNetShape(depth=18))
    slots = {f"{name}/Momentum": size for name, size in sizes.items()}
    average = {f"ema_model/{name}": size for name, size in sizes.items()}
    everything = {**sizes, **slots, **average, "global_step": ()}
    _, variables = match_variables(everything, None, "here")
    assert {v.name for v in variables} == sizes.keys()
    counts = {what: len(names) for what, names in dropped(everything).items()}
    assert counts == {
        "the step counter": 1,
        "slots of the optimizer": len(sizes),
        "the moving average of the weights, a second copy": len(sizes),
    }
    assert dropped(sizes) == {}


def _without(name: str) -> Callable[[Sizes], object]:
    return lambda sizes: sizes.pop(name)


def _with(name: str, *size: int) -> Callable[[Sizes], object]:
    return lambda sizes: sizes.update({name: size})


FAULTS = [
    (_without("base_model/conv2d_7/kernel"), "missing: base_model/conv2d_7/kernel"),
    (_without("base_model/conv2d/kernel"), "missing: base_model/conv2d/kernel"),
    (
        _without("base_model/batch_normalization/moving_mean"),
        "missing: base_model/batch_normalization/moving_mean",
    ),
    (
        _without("head_contrastive/nl_0/dense/kernel"),
        "missing: head_contrastive/nl_0/dense/kernel",
    ),
    (
        _without("head_supervised/linear_layer/dense/bias"),
        "missing: head_supervised/linear_layer/dense/bias",
    ),
    (_with("base_model/conv2d_53/kernel", 1, 1, 8, 8), "unexpected: base_model/conv2d_53/kernel"),
    (
        _with("head_contrastive/nl_2/batch_normalization/beta", 128),
        "unexpected: head_contrastive/nl_2/batch_normalization/beta",
    ),
    (_with("head_supervised/dense/kernel", 2048, 1000), "unexpected: head_supervised/dense/kernel"),
    (_with("head_contrastive/nl_12/dense/kernel", 2, 2), "unexpected: head_contrastive/nl_12/d"),
    (_with("base_model/conv2d/kernel/Adam", 7, 7, 3, 64), "unexpected: base_model/conv2d/kernel/A"),
    (_with("beta1_power"), "unexpected: beta1_power"),
    (
        _with("base_model/conv2d_2/kernel", 64, 64, 1, 1),
        r"misshapen: base_model/conv2d_2/kernel \[64, 64, 1, 1\], not \[1, 1, 64, 64\]",
    ),
    (
        _with("base_model/conv2d/kernel", 7, 7, 3, 128),
        r"misshapen: base_model/conv2d/kernel \[7, 7, 3, 128\], not \[7, 7, 3, 64\]",
    ),
    (
        _with("head_supervised/linear_layer/dense/kernel", 128, 1000),
        r"misshapen: head_supervised/linear_layer/dense/kernel \[128, 1000\], not \[2048, 1000\]",
    ),
]


@pytest.mark.parametrize(
    "damage, complaint", FAULTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_one_fault_is_named(damage: Callable[[Sizes], object], complaint: str) -> None:
    sizes = checkpoint(ResNetShape())
    damage(sizes)
    with pytest.raises(DataError, match=f"^here: .* r50_1x_sk0: {complaint}") as caught:
        match_variables(sizes, ResNetShape(), "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage, complaint", FAULTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_one_fault_is_named_when_no_network_was_asked_for(
    damage: Callable[[Sizes], object], complaint: str
) -> None:
    sizes = checkpoint(ResNetShape())
    damage(sizes)
    with pytest.raises(DataError, match=f"^here: .* r50_1x_sk0: {complaint}"):
        match_variables(sizes, None, "here")


def test_faults_of_all_kinds_come_in_one_line_a_few_of_each() -> None:
    sizes = checkpoint(ResNetShape())
    for index in range(10, 15):
        del sizes[f"base_model/conv2d_{index}/kernel"]
    sizes["base_model/extra"] = (3,)
    sizes["base_model/conv2d_2/kernel"] = (3,)
    with pytest.raises(DataError) as caught:
        match_variables(sizes, ResNetShape(), "here")
    assert str(caught.value) == (
        "here: its variables do not make r50_1x_sk0: missing: base_model/conv2d_10/kernel, "
        "base_model/conv2d_11/kernel, base_model/conv2d_12/kernel and 2 more; "
        "unexpected: base_model/extra; "
        "misshapen: base_model/conv2d_2/kernel [3], not [1, 1, 64, 64]"
    )


def test_another_network_than_asked_for_is_refused() -> None:
    sizes = checkpoint(ResNetShape(selective_kernels=True))
    with pytest.raises(DataError, match=r"here: holds r50_1x_sk1, wanted r50_2x_sk0$"):
        match_variables(sizes, ResNetShape(width=2), "here")
    del sizes["base_model/conv2d_3/kernel"]
    with pytest.raises(DataError, match=r"more; .*; they are closer to r50_1x_sk1$"):
        match_variables(sizes, ResNetShape(), "here")
    symmetric = ResNetShape(pool="symmetric")
    with pytest.raises(DataError, match=r"wanted r50_1x_sk0 with torchvision's max-pool$"):
        match_variables(checkpoint(ResNetShape()), symmetric, "here")


@pytest.mark.parametrize(
    "names, found",
    [
        (["resnet50/conv1/kernel"], "got resnet50/conv1/kernel"),
        (["global_step", "ema_model/base_model/conv2d/kernel"], "got none but those of"),
    ],
)
def test_what_is_no_simclr_checkpoint_is_refused(names: list[str], found: str) -> None:
    with pytest.raises(DataError, match=f"here: not a SimCLR checkpoint: .*, {found}"):
        match_variables(dict.fromkeys(names, (1,)), None, "here")


def _arrays(sizes: Sizes) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.random(size, np.float32) for name, size in sizes.items()}


def test_values_are_transposed() -> None:
    sizes = checkpoint(ResNetShape(depth=18, stem="cifar"))
    arrays = _arrays(sizes)
    _, variables = match_variables(sizes, None, "here")
    state = translate(variables, arrays, "here")
    kernel = arrays["base_model/conv2d/kernel"]
    weight = state["encoder.conv1.weight"]
    assert weight.shape == (64, 3, 3, 3) and weight.flags.c_contiguous
    assert weight[5, 1, 0, 2] == kernel[0, 2, 1, 5]
    dense = arrays["head_supervised/linear_layer/dense/kernel"]
    assert state["classifier.weight"][7, 11] == dense[11, 7]
    mean = arrays["base_model/batch_normalization/moving_mean"]
    assert np.array_equal(state["encoder.bn1.running_mean"], mean)
    network = ResNet(ResNetShape(depth=18, stem="cifar"))
    network.load_state_dict(
        {
            name.removeprefix("encoder."): torch.from_numpy(array)
            for name, array in state.items()
            if name.startswith("encoder.")
        }
    )


@pytest.mark.parametrize(
    "name, change, complaint",
    [
        (
            "base_model/conv2d_3/kernel",
            lambda a: a.astype(np.float64),
            "must be float32, got float64",
        ),
        ("base_model/conv2d_3/kernel", lambda a: a * np.nan, "holds values that are not finite"),
        ("base_model/batch_normalization_4/moving_variance", lambda a: -a, "negative variances"),
    ],
)
def test_values_that_cannot_be_are_refused(
    name: str, change: Callable[[np.ndarray], np.ndarray], complaint: str
) -> None:
    sizes = checkpoint(ResNetShape(depth=18, stem="cifar"), [])
    arrays = _arrays(sizes)
    arrays[name] = change(arrays[name])
    _, variables = match_variables(sizes, None, "here")
    with pytest.raises(DataError, match=f"here: {name} .*{complaint}"):
        translate(variables, arrays, "here")
