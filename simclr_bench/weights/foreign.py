"""Checkpoints of other libraries: recognized by the names of their tensors, and renamed.

    VISSL         classy_state_dict > base_model > model > trunk, `_feature_blocks.<name>`
    lightly       `backbone.<index>.*`: children of a torchvision network in a Sequential, or
                  `backbone.<name>`; `projection_head.*`, `online_classifier.*`
    solo-learn    `backbone.<name>`, once `encoder.<name>`; `projector.*`, `classifier.*`
    torchvision   `<name>`, with `fc.*`; VGG16: `features.*`, `classifier.*`

All are torchvision's bottleneck networks, with its symmetric max-pool, trained on images of
ImageNet's normalization. What is no part of our networks is dropped by a rule that is written
down, and listed; a tensor that no rule knows is refused by name.

Only safetensors are read, and what `torch.load(weights_only=True)` reads: tensors. A pickle that
needs more could run code, and is refused.

Source: facebookresearch/vissl, vissl/models/trunks/resnext.py and vissl/utils/checkpoint.py;
lightly 1.6, docs and lightly/utils/benchmarking/online_linear_classifier.py; vturrisi/solo-learn,
solo/methods/base.py and simclr.py; torchvision 0.26.
"""

import pickle
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from simclr_bench.errors import DataError
from simclr_bench.networks.shapes import RESNET_BLOCKS, ResNetShape
from simclr_bench.weights.file import State, read_safetensors
from simclr_bench.weights.strict import COUNTER, NAMED

# Children of torchvision's ResNet that have tensors, by their place in a Sequential.
CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}

# Under which keys state dicts are packed, from the outside in.
VISSL = ("classy_state_dict", "base_model", "model")
WRAPPINGS = ((*VISSL, "trunk"), ("state_dict",), ("model_state_dict",))

# Prefixes of the encoder's tensors, longest first; "" is torchvision's own.
ENCODERS = ("_feature_blocks.", "backbone.", "encoder.", "")

# Classifiers on the representation, whose weight and bias are kept.
CLASSIFIERS = ("online_classifier.classification_head.", "classifier.", "fc.")

# What is dropped, and why.
DROPPED = {
    "projection_head.": "its last batch norm has a shift, which SimCLR's head has not",
    "projector.": "its layers have biases and no batch norms, other than SimCLR's head",
    "momentum_": "a moving average of the network, not the network",
    "queue": "negatives of an earlier step",
}
DENSE = "VGG16's dense layers are ImageNet's classifier, no features"

GLOBAL = re.compile(r"GLOBAL (\S+)")


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A checkpoint of another library, in our names.

    Attributes:
        library: Whose it is, as far as names tell.
        shape: Of the network.
        state: "encoder.*" and perhaps "classifier.*".
        dropped: Words for what was left out: names, how many tensors, why.
    """

    library: str
    shape: ResNetShape | str
    state: State
    dropped: list[str]


def read_foreign(path: Path) -> Foreign:
    """Reads a checkpoint of another library. Its bytes are the caller's to check.

    Raises:
        DataError: It cannot be read, needs more than tensors, or is of no network known here.
    """
    content = read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return map_names(content, str(path))


def map_names(content: Any, where: str) -> Foreign:
    """Recognizes a state dict and renames its tensors.

    Args:
        content: What the file holds: a state dict, perhaps packed in others.
        where: For errors.

    Raises:
        DataError: It is of no network known here, or holds a tensor that no rule knows.
    """
    state = _unpack(content, where)
    if "features.0.weight" in state:
        return _map_vgg16(state, where)
    prefix = _encoder_prefix(state, where)
    encoder: State = {}
    classifier: State = {}
    dropped: dict[str, int] = {}
    unknown: list[str] = []
    for name, tensor in state.items():
        rule = next((rule for rule in DROPPED if name.startswith(rule)), None)
        head = next((head for head in CLASSIFIERS if name.startswith(head)), None)
        if rule is not None:
            dropped[rule] = dropped.get(rule, 0) + 1
        elif head is not None and name.removeprefix(head) in ("weight", "bias"):
            classifier[name.removeprefix(head)] = tensor
        elif name.startswith(prefix):
            encoder[_torchvision_name(name.removeprefix(prefix))] = tensor
        else:
            unknown.append(name)
    if unknown:
        raise DataError(f"{where}: no rule for {_some(unknown)}")
    mapped = {f"encoder.{k}": v for k, v in encoder.items() if not k.endswith(COUNTER)}
    mapped |= {f"classifier.{name}": tensor for name, tensor in classifier.items()}
    words = [f"{rule}* ({n} tensors): {DROPPED[rule]}" for rule, n in dropped.items()]
    if heads := _inside(content, (*VISSL, "heads")):
        words.append(f"heads ({len(heads)} tensors): {DROPPED['projector.']}")
    return Foreign(
        library=_library(state, prefix),
        shape=_shape(encoder, where),
        state=mapped,
        dropped=words,
    )


def _read_pickle(path: Path) -> Any:
    _check_members(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are refused a moment later
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch promises no kind of error for a file that is not its own
        if found := GLOBAL.search(str(error)):
            raise DataError(
                f"{path}: refused, it holds more than tensors ({found[1]}) and loading it could run"
                " code; save its state dict alone, as .safetensors if possible"
            ) from error
        # What torch says of other pickles is how to run them.
        told = "" if isinstance(error, pickle.UnpicklingError | KeyError) else str(error).strip()
        reason = f" ({told.splitlines()[0].partition('. ')[0]})" if told else ""
        raise DataError(
            f"{path}: not a readable checkpoint{reason}; it is cut off, or was not saved by"
            " torch.save as tensors alone"
        ) from error


def _check_members(path: Path) -> None:
    """Reads every member of torch's zip against its CRC, which torch itself does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except zipfile.BadZipFile:
        return  # an older format, or no checkpoint at all: torch will tell
    except (OSError, ValueError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise DataError(f"{path}: corrupt, its zip archive cannot be read ({error})") from error
    if broken is not None:
        raise DataError(f"{path}: corrupt, the CRC of {broken} in it differs; get the file again")


def _unpack(content: Any, where: str) -> State:
    for keys in WRAPPINGS:
        inside = _inside(content, keys)
        content = inside if isinstance(inside, Mapping) and inside else content
    tensors = isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    )
    if not tensors or not content:
        places = " or ".join(".".join(keys) for keys in WRAPPINGS)
        raise DataError(
            f"{where}: no state dict at its top level, nor under {places}; save the network's alone"
        )
    # DistributedDataParallel puts its own name in front of all.
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def _inside(content: Any, keys: Iterable[str]) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _encoder_prefix(state: State, where: str) -> str:
    for prefix in ENCODERS:
        if any(f"{prefix}{stem}.weight" in state for stem in ("conv1", "0")):
            return prefix
    raise DataError(
        f"{where}: none of VISSL's, lightly's, solo-learn's or torchvision's networks; it begins"
        f" with {_some(list(state))}; take prefixes away, or save the encoder's state dict alone"
    )


def _torchvision_name(name: str) -> str:
    first, dot, rest = name.partition(".")
    return f"{CHILDREN.get(first, first)}{dot}{rest}"


def _shape(encoder: State, where: str) -> ResNetShape:
    stem = encoder["conv1.weight"]
    if tuple(stem.shape[1:]) != (3, 7, 7):
        # Solo-learn's stem for small images pads its 3 x 3 kernel by 2: no tensor would say so.
        raise DataError(
            f"{where}: conv1 must be [n, 3, 7, 7], got {list(stem.shape)}; stems for small images"
            " pad differently in each library"
        )
    blocks = [0, 0, 0, 0]
    for name in encoder:
        if found := re.match(r"layer([1-4])\.(\d+)\.", name):
            group = int(found[1]) - 1
            blocks[group] = max(blocks[group], int(found[2]) + 1)
    depths = [d for d, n in RESNET_BLOCKS.items() if n == tuple(blocks) and d >= 50]
    if not depths or "layer1.0.conv3.weight" not in encoder:
        raise DataError(
            f"{where}: groups of {blocks} blocks are not of depth 50, 101, 152 or 200 with"
            " bottlenecks, the networks of torchvision that ours equal"
        )
    try:
        return ResNetShape(depth=depths[0], width=stem.shape[0] // 64, pool="symmetric")
    except ValueError as error:
        raise DataError(f"{where}: conv1 has {stem.shape[0]} channels: {error}") from error


def _map_vgg16(state: State, where: str) -> Foreign:
    known = ("features.", "classifier.")
    unknown = [name for name in state if not name.startswith(known)]
    if unknown:
        raise DataError(f"{where}: no rule for {_some(unknown)}")
    kept = {f"encoder.{k}": v for k, v in state.items() if k.startswith("features.")}
    dropped = len(state) - len(kept)
    return Foreign(
        library="torchvision",
        shape="vgg16",
        state=kept,
        dropped=[f"classifier.* ({dropped} tensors): {DENSE}"] if dropped else [],
    )


def _library(state: State, prefix: str) -> str:
    names = " ".join(state)
    if prefix == "_feature_blocks.":
        return "VISSL"
    if prefix == "" and "conv1.weight" in state:
        return "torchvision"
    if prefix == "encoder." or "projector." in names:
        return "solo-learn"
    if "projection_head." in names or f"{prefix}0.weight" in state:
        return "lightly"
    return "lightly or solo-learn"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return f"{', '.join(listed[:NAMED])}{more}"
