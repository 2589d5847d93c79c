"""From tensors to networks: names checked, and what they compute compared with what it was.

VGG16's features are those of its last pool, averaged over what is left of the image: 512 of them,
as Keras gives for include_top=False and pooling="avg". Its dense layers, 124 of 138 million
parameters, are dropped: they are ImageNet's classifier. The paper does not say where it cuts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn

from simclr_bench.errors import DataError
from simclr_bench.networks.projection import ProjectionHead
from simclr_bench.networks.resnet import ResNet, initialize
from simclr_bench.networks.shapes import ResNetShape
from simclr_bench.weights.file import Provenance, State, part_of, shape_fields, writing_versions
from simclr_bench.weights.golden import LOOSE, compare, golden_values, measure
from simclr_bench.weights.strict import load_strictly

# Source: torchvision, transforms of its ImageNet weights.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Network = TypeVar("Network", bound=nn.Module)


class PretrainedNetwork(nn.Module):
    """A network, and what it wants of its input.

    Args:
        body: Images to features.
        features: How many.
        normalization: "unit" or "imagenet": how the images were that it was trained on.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, features: int, normalization: str) -> None:
        super().__init__()
        self.body = body
        self.features = features
        self.normalized = normalization == "imagenet"
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(
        self, images: Tensor, normalization: Literal["native", "simclr"] = "native"
    ) -> Tensor:
        """Images to features.

        Args:
            images: Float, in [0, 1]. [B, 3, H, W]
            normalization: "native": as the network was trained; "simclr": [0, 1] as it is, which a
                network of ImageNet's normalization was not trained on.

        Returns:
            [B, features]
        """
        if self.normalized and normalization == "native":
            images = (images - self.mean) / self.std
        features: Tensor = self.body(images)
        return features


class Vgg16Features(nn.Module):
    """VGG16 without its dense layers: images to the mean of the last pool."""

    def __init__(self) -> None:
        # Not above: it takes as long to import as torch, and ResNets need none of it.
        from torchvision.models.vgg import cfgs, make_layers

        super().__init__()
        self.features = make_layers(cfgs["D"])

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] of at least 32 pixels -> [B, 512]"""
        maps: Tensor = self.features(images.contiguous(memory_format=torch.channels_last))
        return maps.mean(dim=(2, 3))


@dataclass(frozen=True, kw_only=True)
class LoadedEncoder:
    """An encoder for inference.

    Attributes:
        network: Takes images in [0, 1]. [B, 3, H, W] -> [B, features]
        projection: SimCLR's head, or None.
        classifier: Of ImageNet's classes, or None.
        provenance: What the weights are.
    """

    network: PretrainedNetwork
    projection: ProjectionHead | None
    classifier: nn.Linear | None
    provenance: Provenance

    @property
    def features(self) -> int:
        """Width of the representation."""
        return self.network.features

    def classify(self, features: Tensor) -> Tensor:
        """Representations to logits of the classifier, through the layers of the head it is behind.

        Args:
            features: What `network` gives. [B, features]

        Returns:
            [B, classes]

        Raises:
            DataError: The weights have no classifier, or not the layers before it.
        """
        if self.classifier is None or not self._reaches_classifier:
            raise DataError(f"{self.provenance.name}: no classifier, or no layers that lead to it")
        if self.projection is not None:
            features = self.projection(features, until=self.provenance.classifier_after)
        logits: Tensor = self.classifier(features)
        return logits

    @property
    def _reaches_classifier(self) -> bool:
        layers = len(self.projection.dense) if self.projection is not None else 0
        return self.provenance.classifier_after <= layers

    def heads(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """What golden values are kept of, beside the features."""
        found: dict[str, Callable[[Tensor], Tensor]] = {}
        if self.projection is not None:
            found["projection"] = self.projection
        if self.classifier is not None and self._reaches_classifier:
            found["classifier"] = self.classify
        return found


def build_encoder(state: State, provenance: Provenance, where: str) -> LoadedEncoder:
    """A network, filled.

    Args:
        state: Tensors of all parts.
        provenance: What they are.
        where: For errors.

    Raises:
        DataError: The tensors do not fit the shape.
    """
    shape = provenance.resnet_shape
    body = ResNet(shape) if shape else Vgg16Features()
    features = shape.features if shape else 512
    load_strictly(body, part_of(state, "encoder"), f"{where}, encoder")
    network = PretrainedNetwork(body, features, provenance.normalization)
    projection = _projection(part_of(state, "projection"), features, where)
    # Every layer of the head but the last is as wide as the features.
    layers = len(projection.dense) if projection is not None else 0
    whole = layers > 0 and provenance.classifier_after == layers
    inputs = state[f"projection.dense.{layers - 1}.weight"].shape[0] if whole else features
    return LoadedEncoder(
        network=_frozen(network),
        projection=projection,
        classifier=_classifier(part_of(state, "classifier"), inputs, where),
        provenance=provenance,
    )


def random_encoder(shape: ResNetShape, seed: int) -> LoadedEncoder:
    """An encoder with the official initial weights, which no run may call a result.

    Args:
        shape: Of the network.
        seed: Determines the weights.
    """
    network = ResNet(shape)
    initialize(network, torch.Generator().manual_seed(seed))
    state = {f"encoder.{name}": t.contiguous() for name, t in network.state_dict().items()}
    provenance = Provenance(
        name=f"random/{shape.name}-{seed}",
        shape=shape_fields(shape),
        normalization="unit",
        origin={"kind": "random", "url": None, "files": {}, "official": False},
        parts=["encoder"],
        sha256=sha256(save(state)).hexdigest(),
        versions=writing_versions(),
        notes=[f"initial weights, seed {seed}"],
    )
    return build_encoder(state, provenance, provenance.name)


def check_against_golden(loaded: LoadedEncoder, where: str) -> float:
    """Runs the golden images and compares with what was stored, or only looks for dead features.

    Returns:
        The largest deviation, as a share of the tolerance.

    Raises:
        DataError: It is too large, or the features are dead.
    """
    try:
        found = measure(loaded.network, loaded.heads())
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    stored = loaded.provenance.golden
    return 0.0 if stored is None else compare(stored, found, where)


def with_golden(state: State, provenance: Provenance) -> Provenance:
    """The provenance of tensors with what their network makes of the golden images.

    Raises:
        DataError: The tensors do not fit the shape, or the features are dead.
    """
    loaded = build_encoder(state, provenance, provenance.name)
    try:
        single = measure(loaded.network, loaded.heads())
        for module in (loaded.network, loaded.projection, loaded.classifier):
            if module is not None:
                module.double()
        golden = golden_values(measure(loaded.network, loaded.heads(), torch.float64), single)
    except DataError as error:
        raise DataError(f"{provenance.name}: {error}") from error
    notes = provenance.notes
    if golden["tolerance"] > LOOSE:
        notes = [*notes, f"rounding alone moves its features: tolerance {golden['tolerance']:.2g}"]
    return replace(provenance, golden=golden, notes=notes)


def _projection(state: State, features: int, where: str) -> ProjectionHead | None:
    weights = [name for name in state if name.startswith("dense.")]
    if not weights:
        return None
    last = state.get(f"dense.{len(weights) - 1}.weight")
    output = 128 if last is None or last.ndim != 2 else last.shape[0]
    head = ProjectionHead(features, layers=len(weights), output=output)
    load_strictly(head, state, f"{where}, projection")
    return _frozen(head)


def _classifier(state: State, inputs: int, where: str) -> nn.Linear | None:
    if not state:
        return None
    classes = next((tensor.shape[0] for tensor in state.values() if tensor.ndim), 1)
    linear = nn.Linear(inputs, classes)
    load_strictly(linear, state, f"{where}, classifier")
    return _frozen(linear)


def _frozen(module: Network) -> Network:
    module.eval().requires_grad_(False)
    for parameter in module.parameters():
        if parameter.ndim == 4:  # the layout in which convolutions need not reorder operands
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module
