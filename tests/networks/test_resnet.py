"""The residual networks: as listed, equal to torchvision's, initialized by the official laws."""

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet, average_pool, initialize, max_pool
from simclr_bench.networks.shapes import ResNetShape, resnet_convolutions
from tests.networks.test_shapes import PUBLISHED

SHAPES = [
    *(ResNetShape(depth=d, width=w, selective_kernels=s) for d, w, s, *_ in PUBLISHED),
    ResNetShape(depth=34),
    ResNetShape(depth=200),
    ResNetShape(depth=18, stem="cifar"),
    ResNetShape(selective_kernels=True, stem="cifar"),
]


def randomize(network: nn.Module, seed: int) -> None:
    """Weights and statistics of which none is a default, and that keep activations of order one."""
    generator = torch.Generator().manual_seed(seed)
    initialize(network, generator)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            with torch.no_grad():
                module.weight.uniform_(0.3, 0.9, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.2, generator=generator)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.name}-{shape.stem}")
def test_modules_are_what_the_shape_lists(shape: ResNetShape) -> None:
    with torch.device("meta"):
        network = ResNet(shape)
    modules = dict(network.named_modules())
    listed = list(resnet_convolutions(shape))
    found = {name for name, module in modules.items() if isinstance(module, nn.Conv2d)}
    norms = {name for name, module in modules.items() if isinstance(module, nn.BatchNorm2d)}
    assert found == {convolution.name for convolution in listed}
    assert norms == {convolution.norm for convolution in listed} - {""}
    for convolution in listed:
        weight = modules[convolution.name].weight
        size = (convolution.kernel, convolution.kernel)
        assert weight.shape == (convolution.outputs, convolution.inputs, *size)
        if convolution.norm:
            assert modules[convolution.norm].weight.shape == (convolution.outputs,)
    assert sum(parameter.numel() for parameter in network.parameters()) == shape.parameters


@pytest.mark.parametrize("size", [64, 75])
def test_bottlenecks_are_those_of_torchvision(size: int) -> None:
    reference = torchvision.models.resnet50(weights=None).eval()
    randomize(reference, 0)
    network = ResNet(ResNetShape(pool="symmetric")).eval()
    state = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    network.load_state_dict(state)
    reference.fc = nn.Identity()
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = reference(images)
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.1


def test_the_pool_of_the_official_code_is_another_at_even_sizes() -> None:
    networks = [ResNet(ResNetShape(depth=18, pool=pool)).eval() for pool in ("same", "symmetric")]
    for network in networks:
        randomize(network, 0)
    even, odd = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 65, 65)  # 32 and 33 after the stem
    with torch.inference_mode():
        same, symmetric = (network(odd) for network in networks)
        assert torch.equal(same, symmetric)
        same, symmetric = (network(even) for network in networks)
        assert not torch.allclose(same, symmetric, rtol=1e-2)


def windows(size: int, kernel: int, stride: int, before: int) -> Iterator[tuple[int, int]]:
    """Where the windows of a SAME pooling begin and end inside the image."""
    for start in range(-before, -before + stride * math.ceil(size / stride), stride):
        yield max(start, 0), min(start + kernel, size)


@pytest.mark.parametrize(
    "height, width", [(6, 6), (7, 7), (6, 7), (7, 6), (2, 1), (1, 2), (112, 5)]
)
def test_same_pooling_has_the_windows_of_tensorflow(height: int, width: int) -> None:
    # pad_total = max((ceil(n / 2) - 1) * 2 + 3 - n, 0), the smaller half of it before.
    x = -torch.rand(2, 3, height, width) - 1  # negative: padding with zeros would win
    before = [max((math.ceil(n / 2) - 1) * 2 + 3 - n, 0) // 2 for n in (height, width)]
    rows = list(windows(height, 3, 2, before[0]))
    columns = list(windows(width, 3, 2, before[1]))
    expected = [[x[:, :, a:b, c:d].amax((2, 3)) for c, d in columns] for a, b in rows]
    assert torch.equal(max_pool(x, "same"), _stack(expected))


@pytest.mark.parametrize("height, width", [(4, 4), (5, 5), (4, 5), (1, 3)])
def test_averages_leave_out_padding_at_stride_1_and_count_it_at_stride_2(
    height: int, width: int
) -> None:
    x = torch.rand(2, 3, height, width, dtype=torch.float64)
    rows, columns = list(windows(height, 2, 1, 0)), list(windows(width, 2, 1, 0))
    expected = [[x[:, :, a:b, c:d].mean((2, 3)) for c, d in columns] for a, b in rows]
    torch.testing.assert_close(average_pool(x, 1), _stack(expected))

    rows, columns = list(windows(height, 2, 2, 0)), list(windows(width, 2, 2, 0))
    expected = [[x[:, :, a:b, c:d].sum((2, 3)) / 4 for c, d in columns] for a, b in rows]
    torch.testing.assert_close(average_pool(x, 2), _stack(expected))


def _stack(grid: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in grid], dim=-2)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_selective_kernel_is_the_softmax_of_two_convolutions(stride: int) -> None:
    torch.manual_seed(0)
    network = ResNet(ResNetShape(selective_kernels=True)).eval()
    randomize(network, 0)
    unit = (network.layer1 if stride == 1 else network.layer2)[0].conv2
    width = unit.reduce.in_channels
    x = torch.rand(2, width, 8, 8)
    halves = [slice(0, width), slice(width, 2 * width)]
    streams = [
        F.relu(
            F.batch_norm(
                F.conv2d(x, unit.conv.weight[half], stride=stride, padding=1),
                unit.bn.running_mean[half],
                unit.bn.running_var[half],
                unit.bn.weight[half],
                unit.bn.bias[half],
            )
        )
        for half in halves
    ]
    squeezed = sum(streams).mean((2, 3))
    reduced = F.relu(
        unit.reduce_bn(F.linear(squeezed, unit.reduce.weight[..., 0, 0])[..., None, None])
    )
    logits = F.linear(reduced[..., 0, 0], unit.expand.weight[..., 0, 0]).reshape(2, 2, width)
    weights = logits.softmax(dim=1)[..., None, None]
    expected = streams[0] * weights[:, 0] + streams[1] * weights[:, 1]
    with torch.inference_mode():
        torch.testing.assert_close(unit(x), expected.detach(), rtol=1e-4, atol=1e-5)
    assert (weights[:, 0] - 0.5).abs().max() > 0.05


@pytest.mark.parametrize("stem, scale", [("imagenet", 32), ("cifar", 8)])
def test_strides_and_gradients(stem: str, scale: int) -> None:
    network = ResNet(ResNetShape(selective_kernels=True, stem=stem))
    randomize(network, 0)
    sizes = []
    network.layer4.register_forward_hook(lambda _, __, out: sizes.append(out.shape[2:]))
    network(torch.rand(2, 3, 64, 33)).square().sum().backward()
    assert sizes == [torch.Size((math.ceil(64 / scale), math.ceil(33 / scale)))]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_initialization_follows_the_official_laws() -> None:
    network = ResNet(ResNetShape(selective_kernels=True))
    initialize(network, torch.Generator().manual_seed(3))
    modules = dict(network.named_modules())
    for name, module in modules.items():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 30_000:
            deviation = 1 / math.sqrt(module.weight[0].numel())
            assert module.weight.std().item() == pytest.approx(deviation, rel=0.02), name
            assert module.weight.abs().max() < 2 * deviation / 0.8796 * 1.0001, name
        elif isinstance(module, nn.BatchNorm2d):
            last = name.startswith("layer") and name.endswith("bn3")
            assert torch.equal(module.weight, torch.full_like(module.weight, not last)), name
            assert not module.bias.any() and not module.running_mean.any()
    basic = ResNet(ResNetShape(depth=18))
    initialize(basic, torch.Generator().manual_seed(3))
    assert not basic.layer3[1].bn2.weight.any() and basic.layer3[1].bn1.weight.all()


def test_initialization_is_a_function_of_the_seed() -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        network = nn.ModuleList([ResNet(ResNetShape(depth=18)), ProjectionHead(512)])
        initialize(network, torch.Generator().manual_seed(seed))
        return network.state_dict()

    torch.manual_seed(0)
    one = weights(5)
    torch.manual_seed(1)
    again, other = weights(5), weights(6)
    assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())
    assert not torch.equal(one["0.conv1.weight"], other["0.conv1.weight"])
    assert not torch.equal(one["1.dense.2.weight"], other["1.dense.2.weight"])
