"""Parameters, buffers and an optimizer's slots as named tensors, and back."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

NETWORK, OPTIMIZER = "network", "optimizer"


def collect_state(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that a step changes.

    Returns:
        "network.<name>" and "optimizer.<parameter>.<slot>"; tensors that the next step changes.
    """
    state = {f"{NETWORK}.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in _trained(network, optimizer):
        for slot, value in optimizer.state[parameter].items():
            # A slot that nothing has been put into yet, as that of SGD without momentum.
            if value is not None:
                state[f"{OPTIMIZER}.{name}.{slot}"] = value
    return state


def restore_state(
    network: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    """Puts back what `collect_state` gave, into a network and an optimizer made the same way.

    Raises:
        KeyError, RuntimeError: The state is another network's.
    """
    parameters = dict(network.named_parameters())
    prefix = f"{NETWORK}."
    network.load_state_dict(
        {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    )
    prefix = f"{OPTIMIZER}."
    with torch.no_grad():
        for name, tensor in state.items():
            if name.startswith(prefix):
                owner, _, slot = name.removeprefix(prefix).rpartition(".")
                parameter = parameters[owner]
                # Laid out in memory as the parameter is: sums over a tensor depend on that.
                like = parameter if tensor.shape == parameter.shape else tensor
                placed = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)
                optimizer.state[parameter][slot] = placed


def _trained(
    network: nn.Module, optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, nn.Parameter]]:
    chosen = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return (item for item in network.named_parameters() if id(item[1]) in chosen)
