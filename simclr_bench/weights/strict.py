"""Loading a state dict that fits exactly, or saying in one line what does not."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from simclr_bench.errors import DataError

# Named of each kind of fault; the rest are counted.
NAMED = 4

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# Batch norm counts its batches, and with a fixed momentum never looks: some writers leave it out.
COUNTER = ".num_batches_tracked"


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Copies a state dict into a network that it fits.

    Args:
        network: Filled in place.
        state: Tensors by their names in the network; counters of batches may be missing or extra.
        where: What the tensors are of, for the error, such as a file and a part.

    Raises:
        DataError: Tensors are missing, unexpected, of another shape, of another kind than floats
            of 16 to 64 bits, or not finite.
    """
    wanted = {k: v for k, v in network.state_dict().items() if not k.endswith(COUNTER)}
    given = {k: v for k, v in state.items() if not k.endswith(COUNTER)}
    common = [name for name in wanted if name in given]
    misshapen = [
        f"{name} {list(given[name].shape)} for {list(wanted[name].shape)}"
        for name in common
        if given[name].shape != wanted[name].shape
    ]
    strange = [f"{name} {_kind(given[name])}" for name in common if not _is_plain(given[name])]
    faults = {
        "missing": [name for name in wanted if name not in given],
        "unexpected": [name for name in given if name not in wanted],
        "misshapen": misshapen,
        "not plain numbers": strange,
        "not finite": [
            name
            for name in common
            if _is_plain(given[name]) and not torch.isfinite(given[name]).all()
        ],
    }
    found = [_counted(kind, names) for kind, names in faults.items() if names]
    if found:
        kind = type(network).__name__
        raise DataError(f"{where}: does not fit {kind} ({len(wanted)} tensors): {'; '.join(found)}")
    network.load_state_dict(given, strict=False)


def _is_plain(tensor: Tensor) -> bool:
    """Whether copying a tensor means what it says: dense floats, with their values there."""
    return tensor.dtype in FLOATS and tensor.layout == torch.strided and not tensor.is_meta


def _kind(tensor: Tensor) -> str:
    return f"{tensor.dtype}, {tensor.layout}, on {tensor.device}".replace("torch.", "")


def _counted(kind: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} {kind}: {', '.join(names[:NAMED])}{more}"
