"""Networks with pretrained weights: hashes checked, names checked, golden values checked.

load_encoder    SimCLR's encoder, with its projection head and classifier where they are known
load_base       what a student stands on: VGG16 or ResNet50
random_encoder  an encoder that nobody trained, for what needs a network and no result
"""

from pathlib import Path

from simclr_bench.weights.build import (
    LoadedEncoder,
    PretrainedNetwork,
    build_encoder,
    check_against_golden,
)
from simclr_bench.weights.file import (
    Provenance,
    State,
    description_path,
    read_weights,
)
from simclr_bench.weights.install import install_from_torch_hub
from simclr_bench.weights.library import find_weights
from simclr_bench.weights.source import read_without_installing


def load_encoder(name_or_path: str | Path, *, check_golden: bool = True) -> LoadedEncoder:
    """Loads an encoder, frozen and in evaluation mode, on the CPU.

    Args:
        name_or_path: A name of the library, one of our weights files, or a checkpoint of lightly,
            solo-learn, VISSL or torchvision.
        check_golden: Whether to run the golden images through it.

    Raises:
        DataError: The weights are missing or corrupt, do not fit, or compute something else than
            when they were written.
    """
    state, provenance = _read(name_or_path)
    loaded = build_encoder(state, provenance, str(name_or_path))
    if check_golden:
        check_against_golden(loaded, str(name_or_path))
    return loaded


def load_base(name_or_path: str | Path) -> PretrainedNetwork:
    """Loads what a student stands on, frozen and in evaluation mode, on the CPU.

    Args:
        name_or_path: "torchvision/vgg16", "torchvision/resnet50-v1" or "-v2", whose files are
            looked for in the library and in torchvision's own cache; or as for `load_encoder`.

    Returns:
        Of images in [0, 1] it gives 512 (VGG16) or 2048 features; see `PretrainedNetwork.forward`.

    Raises:
        DataError: As `load_encoder`.
    """
    if isinstance(name_or_path, str):
        install_from_torch_hub(name_or_path)
    return load_encoder(name_or_path).network


def _read(name_or_path: str | Path) -> tuple[State, Provenance]:
    path = find_weights(name_or_path)
    if path.suffix == ".safetensors" and description_path(path).is_file():
        return read_weights(path)
    return read_without_installing(path)
