"""From the variables of an official checkpoint to the tensors of our networks, by name and shape.

    base_model/conv2d[_k]/kernel                       convolution k of the encoder
    base_model/batch_normalization[_k]/gamma, beta, moving_mean, moving_variance
    head_contrastive/nl_j/{dense,batch_normalization}  projection layer j; l_0 in a linear head
    head_supervised/[linear_layer/]dense/{kernel,bias} classifier

Convolutions and batch norms are numbered apart, each in the order in which the graph was built, and
selective kernels have more of the first. The last layer of the projection head has no beta. Kernels
of convolutions are [height, width, in, out], those of dense layers [in, out].

What DROPPED names is left out. Everything else must be there, in its shape: nothing is guessed.

Source: google-research/simclr, resnet.py and model_util.py, for the names and their order.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from simclr_bench.errors import DataError
from simclr_bench.networks.shapes import RESNET_BLOCKS, WIDEST, ResNetShape, resnet_convolutions

Shapes = Mapping[str, tuple[int, ...]]

# Regular expressions of whole names that are left out, and what they are.
DROPPED = {
    "global_step": "the step counter",
    ".*/Momentum": "slots of the optimizer",
    "ema_model/.*": "the moving average of the weights, a second copy",
}

# Transpositions by rank: HWIO to OIHW, [in, out] to [out, in].
AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}

NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}

# Names that an error lists of each kind.
LISTED = 3


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable of a checkpoint, and the tensor that it becomes.

    Attributes:
        name: In the checkpoint.
        shape: In the checkpoint.
        target: Name of the tensor.
    """

    name: str
    shape: tuple[int, ...]
    target: str


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What keeps a checkpoint from being a network.

    Attributes:
        missing: Names that the network needs.
        unexpected: Names that it has no place for.
        misshapen: Names, with the shape that came and the one that was wanted.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many variables are concerned."""
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)

    def __str__(self) -> str:
        kinds = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "misshapen": self.misshapen,
        }
        return "; ".join(f"{kind}: {_some(names)}" for kind, names in kinds.items() if names)


def dropped(shapes: Shapes) -> dict[str, tuple[str, ...]]:
    """The variables that are left out, by what they are."""
    found = {
        what: tuple(name for name in shapes if re.fullmatch(rule, name))
        for rule, what in DROPPED.items()
    }
    return {what: names for what, names in found.items() if names}


def match_variables(
    shapes: Shapes, shape: ResNetShape | None, where: str
) -> tuple[ResNetShape, list[Variable]]:
    """Finds the place of every variable of a checkpoint.

    Args:
        shapes: All variables of the checkpoint.
        shape: The network that it should hold; None: whichever it holds.
        where: The checkpoint, for errors.

    Returns:
        The network, and what becomes of each variable that is not dropped.

    Raises:
        DataError: Variables are missing, left over or misshapen, or make another network.
    """
    gone = {name for names in dropped(shapes).values() for name in names}
    kept = {name: size for name, size in shapes.items() if name not in gone}
    if not any(name.startswith("base_model/") for name in kept):
        found = _some(tuple(sorted(kept))) or "none but those of an optimizer or a moving average"
        raise DataError(
            f"{where}: not a SimCLR checkpoint: no variable is named base_model/..., got {found}"
        )
    nearest, faults = nearest_shape(kept)
    if not faults.count and shape is not None and shape != nearest:
        raise DataError(f"{where}: holds {_described(nearest)}, wanted {_described(shape)}")
    wanted = shape or nearest
    variables = list(expected_variables(wanted, kept))
    faults = find_faults(variables, kept)
    if faults.count:
        closest = "" if wanted == nearest else f"; they are closer to {_described(nearest)}"
        raise DataError(
            f"{where}: its variables do not make {_described(wanted)}: {faults}{closest}"
        )
    return wanted, variables


def nearest_shape(shapes: Shapes) -> tuple[ResNetShape, Faults]:
    """The network that a checkpoint holds, or comes closest to, and what is wrong with it there."""
    compared = [
        (shape, find_faults(expected_variables(shape, shapes), shapes))
        for shape in _candidates(shapes)
    ]
    return min(compared, key=lambda pair: pair[1].count)


def _candidates(shapes: Shapes) -> Iterator[ResNetShape]:
    """Every network that has as many channels in its first layer."""
    first = ("base_model/conv2d/kernel", "base_model/batch_normalization/gamma")
    for channels in {_last_of(shapes, name, 64) for name in first}:
        for depth in RESNET_BLOCKS:
            for selective in (False, True) if depth >= 50 else (False,):
                for stem in ("imagenet", "cifar"):
                    halved = selective and stem == "imagenet"
                    yield ResNetShape(
                        depth=depth,
                        width=min(max(channels // (32 if halved else 64), 1), WIDEST),
                        selective_kernels=selective,
                        stem=stem,
                    )


def find_faults(variables: Iterable[Variable], shapes: Shapes) -> Faults:
    """Compares what a network needs with what a checkpoint has."""
    wanted = {variable.name: variable.shape for variable in variables}
    return Faults(
        missing=tuple(name for name in wanted if name not in shapes),
        unexpected=tuple(sorted(name for name in shapes if name not in wanted)),
        misshapen=tuple(
            f"{name} {list(shapes[name])}, not {list(size)}"
            for name, size in wanted.items()
            if name in shapes and tuple(shapes[name]) != size
        ),
    )


def expected_variables(shape: ResNetShape, found: Shapes) -> Iterator[Variable]:
    """The variables of a network, with the heads that a checkpoint has any variable of."""
    yield from encoder_variables(shape)
    layers = {match[1] for name in found if (match := re.match(r"head_contrastive/(\w+)/", name))}
    if layers:
        last = max((int(name[3]) for name in layers if re.fullmatch(r"nl_\d", name)), default=-1)
        names = [f"nl_{index}" for index in range(last + 1)] or ["l_0"]
        output = _last_of(found, f"head_contrastive/{names[-1]}/dense/kernel", 128)
        yield from projection_variables(names, shape.features, output)
    if any(name.startswith("head_supervised/") for name in found):
        nested = any(name.startswith("head_supervised/linear_layer/") for name in found)
        scope = "head_supervised/linear_layer/dense" if nested else "head_supervised/dense"
        yield from classifier_variables(
            scope, shape.features, _last_of(found, f"{scope}/kernel", 1000)
        )


def encoder_variables(shape: ResNetShape) -> Iterator[Variable]:
    """Those of the encoder, in the order of construction that gave them their numbers."""
    norms = 0
    for number, convolution in enumerate(resnet_convolutions(shape)):
        yield Variable(
            name=f"base_model/conv2d{_suffix(number)}/kernel",
            shape=(convolution.kernel,) * 2 + (convolution.inputs, convolution.outputs),
            target=f"encoder.{convolution.name}.weight",
        )
        if convolution.norm:
            scope = f"base_model/batch_normalization{_suffix(norms)}"
            yield from _norm(scope, f"encoder.{convolution.norm}", convolution.outputs)
            norms += 1


def projection_variables(names: list[str], features: int, output: int) -> Iterator[Variable]:
    """Those of the projection head, whose layers have these names."""
    for index, name in enumerate(names):
        last = index == len(names) - 1
        width = output if last else features
        yield Variable(
            name=f"head_contrastive/{name}/dense/kernel",
            shape=(features, width),
            target=f"projection.dense.{index}.weight",
        )
        scope = f"head_contrastive/{name}/batch_normalization"
        for variable in _norm(scope, f"projection.norm.{index}", width):
            if not (last and variable.name.endswith("/beta")):
                yield variable


def classifier_variables(scope: str, features: int, classes: int) -> Iterator[Variable]:
    """Those of the linear classifier."""
    yield Variable(name=f"{scope}/kernel", shape=(features, classes), target="classifier.weight")
    yield Variable(name=f"{scope}/bias", shape=(classes,), target="classifier.bias")


def translate(
    variables: list[Variable], arrays: Mapping[str, np.ndarray], where: str
) -> dict[str, np.ndarray]:
    """Transposes every variable of a checkpoint into the tensor that it becomes.

    Args:
        variables: What `match_variables` returned.
        arrays: Their values, read one at a time.
        where: The checkpoint, for errors.

    Returns:
        float32 arrays by the names of our tensors, and the int64 counters that torch's batch norms
        have and TensorFlow's have not, at zero.

    Raises:
        DataError: Values are not float32, not finite, or a variance is negative.
    """
    state: dict[str, np.ndarray] = {}
    for variable in variables:
        array = arrays[variable.name]
        if array.dtype != np.float32:
            raise DataError(f"{where}: {variable.name} must be float32, got {array.dtype}")
        if not np.isfinite(array).all():
            raise DataError(f"{where}: {variable.name} holds values that are not finite")
        if variable.name.endswith("/moving_variance"):
            if (array < 0).any():
                raise DataError(f"{where}: {variable.name} holds negative variances")
            norm = variable.target.removesuffix(".running_var")
            state[f"{norm}.num_batches_tracked"] = np.zeros((), np.int64)
        state[variable.target] = np.ascontiguousarray(array.transpose(AXES[array.ndim]))
    return state


def _norm(scope: str, target: str, width: int) -> Iterator[Variable]:
    for name, ours in NORM.items():
        yield Variable(name=f"{scope}/{name}", shape=(width,), target=f"{target}.{ours}")


def _suffix(number: int) -> str:
    return f"_{number}" if number else ""


def _last_of(shapes: Shapes, name: str, default: int) -> int:
    """The width of a layer that may have any, as its kernel has it."""
    return next(iter(reversed(shapes.get(name, ()))), default)


def _described(shape: ResNetShape) -> str:
    stem = " with the CIFAR stem" if shape.stem == "cifar" else ""
    return f"{shape.name}{stem}" + (" with torchvision's max-pool" if shape.pool != "same" else "")


def _some(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:LISTED])
    return f"{listed} and {len(names) - LISTED} more" if len(names) > LISTED else listed
