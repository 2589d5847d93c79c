"""Checkpoints that TensorFlow wrote, converted: the same features and heads; damage is named."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from simclr_bench.errors import DataError
from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.tensorflow.convert import Converted, convert_checkpoint
from tests.tensorflow.interpreter import find_python, run_program

TOLERANCE = 1e-4
SIZES = {"even": 224, "odd": 161}  # 112 and 81 pixels where the stem pools
SHAPES = [
    ResNetShape(),
    ResNetShape(selective_kernels=True),
    ResNetShape(depth=18),
]
KINDS = {SHAPES[0]: ("crowded",), SHAPES[1]: ("whole",), SHAPES[2]: ("whole", "faulty", "objects")}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network: where its checkpoints are, what TensorFlow makes of images, what was converted."""

    prefix: Path
    images: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    converted: Converted


def coloured(size: int) -> np.ndarray:
    """A dark and a bright image of random tiles and noise, in [0, 1]. [2, size, size, 3]"""
    generator = np.random.default_rng(size)
    tiles = generator.integers(0, 2, (2, 7, 7, 3)).repeat(size // 7, 1).repeat(size // 7, 2)
    images = 0.8 * tiles + 0.2 * generator.random(tiles.shape)
    return (images * np.array([0.4, 1]).reshape(2, 1, 1, 1)).astype(np.float32)


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: shape.name)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    shape: ResNetShape = request.param
    directory = tmp_path_factory.mktemp(shape.name)
    images = {name: coloured(size) for name, size in SIZES.items()}
    prefix = directory / "model.ckpt"
    ratio = "0.0625" if shape.selective_kernels else "0.0"
    words = (str(prefix), str(shape.depth), str(shape.width), ratio, *KINDS[shape])
    outputs = run_program("simclr_checkpoint", directory, images, *words)
    good = directory / f"model.ckpt-{KINDS[shape][0]}"
    converted = convert_checkpoint(good, shape, python=find_python())
    yield Case(prefix=prefix, images=images, outputs=outputs, converted=converted)
    shutil.rmtree(directory)  # hundreds of megabytes, which pytest would keep for three runs


def part(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}


def encode(case: Case, shape: ResNetShape, size: str) -> Tensor:
    network = ResNet(shape).eval()
    network.load_state_dict(part(case.converted.state, "encoder"))
    with torch.inference_mode():
        return network(torch.from_numpy(case.images[size]).permute(0, 3, 1, 2))


def relative_error(got: Tensor, expected: np.ndarray) -> float:
    """Largest over the images; relative to the vector, and to what tells the two images apart."""
    distance = np.linalg.norm(got.numpy() - expected, axis=1)
    length = min(np.linalg.norm(expected, axis=1).min(), np.linalg.norm(np.diff(expected, axis=0)))
    return float(distance.max() / length)


@pytest.mark.parametrize("size", SIZES)
def test_features_and_heads_are_those_of_tensorflow(case: Case, size: str) -> None:
    state = case.converted.state
    shape = case.converted.shape
    features = encode(case, shape, size)
    assert relative_error(features, case.outputs[f"features/{size}"]) <= TOLERANCE

    head = ProjectionHead(shape.features).eval()
    head.load_state_dict(part(state, "projection"))
    classifier = nn.Linear(shape.features, 1000)
    classifier.load_state_dict(part(state, "classifier"))
    with torch.inference_mode():
        middle = head(features, until=1)
        found = {
            "middle": middle,
            "projection": head(features),
            "logits": classifier(features),
            "middle_logits": classifier(middle),
        }
    for name, got in found.items():
        assert relative_error(got, case.outputs[f"{name}/{size}"]) <= TOLERANCE, name


def test_nothing_in_the_comparison_is_trivial(case: Case) -> None:
    for name, values in case.outputs.items():
        one, other = values
        assert np.isfinite(values).all() and 0.1 < values.std() < 10, name
        assert np.linalg.norm(one - other) > 0.05 * np.linalg.norm(one), name


def test_the_pool_of_torchvision_fails_the_comparison(case: Case) -> None:
    held = case.converted.shape
    shape = ResNetShape(
        depth=held.depth, selective_kernels=held.selective_kernels, pool="symmetric"
    )
    expected = case.outputs["features/even"]
    assert relative_error(encode(case, shape, "even"), expected) > 100 * TOLERANCE
    # At odd sizes TensorFlow pads on both sides too.
    expected = case.outputs["features/odd"]
    assert relative_error(encode(case, shape, "odd"), expected) <= TOLERANCE


def test_what_was_read_and_what_was_left_out_is_said(case: Case) -> None:
    converted = case.converted
    kind = KINDS[converted.shape][0]
    assert converted.shape in SHAPES
    names = {f"model.ckpt-{kind}.index", f"model.ckpt-{kind}.data-00000-of-00001"}
    assert converted.files == {
        name: hashlib.sha256(case.prefix.with_name(name).read_bytes()).hexdigest() for name in names
    }
    assert converted.tensorflow == "2.21.0"
    if kind == "crowded":
        # 53 kernels, 4 x 53 of batch norms; 3 kernels and 4 + 4 + 3 of the head; kernel and bias.
        assert converted.global_step == 250228
        assert converted.dropped == {
            "the step counter": 1,
            "slots of the optimizer": 53 * 3 + 3 + 5 + 2,
            "the moving average of the weights, a second copy": 53 * 5 + 3 + 11,
        }
    else:
        assert converted.global_step is None and not converted.dropped


@pytest.mark.parametrize("case", SHAPES[2:], ids=lambda shape: shape.name, indirect=True)
def test_faults_are_refused_by_name(case: Case) -> None:
    prefix = Path(f"{case.prefix}-faulty")
    with pytest.raises(DataError) as caught:
        convert_checkpoint(prefix, None, python=find_python())
    assert str(caught.value) == (
        f"{prefix}: its variables do not make r18_1x_sk0: "
        "missing: base_model/batch_normalization_3/moving_mean; "
        "unexpected: base_model/conv2d_77/kernel; "
        "misshapen: base_model/conv2d_5/kernel [3, 3], not [3, 3, 64, 64]"
    )


@pytest.mark.parametrize("case", SHAPES[2:], ids=lambda shape: shape.name, indirect=True)
def test_objects_of_tensorflow_2_are_refused(case: Case) -> None:
    with pytest.raises(DataError, match=r"model.ckpt-objects: holds objects of TensorFlow 2, not"):
        convert_checkpoint(Path(f"{case.prefix}-objects"), python=find_python())


def flip(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


def cut(content: bytearray) -> None:
    del content[-1:]


@pytest.mark.parametrize("case", SHAPES[2:], ids=lambda shape: shape.name, indirect=True)
@pytest.mark.parametrize(
    "suffix, damage", [("index", flip), ("data-00000-of-00001", flip), ("data-00000-of-00001", cut)]
)
def test_damaged_files_are_refused(
    case: Case, suffix: str, damage: Callable[[bytearray], None], tmp_path: Path
) -> None:
    for path in case.prefix.parent.glob("model.ckpt-whole.*"):
        content = bytearray(path.read_bytes())
        if path.name.endswith(suffix):
            damage(content)
        (tmp_path / path.name).write_bytes(content)
    with pytest.raises(DataError, match=f"^{tmp_path}/model.ckpt-whole: cannot be read: "):
        convert_checkpoint(tmp_path, python=find_python())
