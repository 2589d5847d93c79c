"""LARS as the official SimCLR code has it: heavy-ball SGD with a rate of its own for each tensor.

    g <- gradient + weight_decay w
    r  = eeta |w| / |g|       1 if either norm is 0
    v <- momentum v + learning_rate r g
    w <- w - v

In groups with "excluded": True (the official code excludes biases and batch norms) there is
neither decay nor r, which leaves heavy-ball SGD; with "adapted": False there is decay without r, as
for a layer whose decay is a term of the loss. The rate is inside v, unlike in torch.optim.SGD: the
two differ once the rate changes.

On a GPU the ratios stay there: nothing waits for the device, and a step is a few kernels for each
group, not for each tensor. The CPU's loop has the same formula and rounds otherwise.

Source: google-research/simclr, lars_optimizer.py, classic momentum; You et al. (arXiv:1708.03888).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

EETA = 0.001


class LARS(torch.optim.Optimizer):
    """The optimizer of the module's formulas.

    Args:
        params: Tensors, or groups of them; a group may say "excluded": True or "adapted": False.
        lr: Learning rate.
        momentum: Of the heavy ball.
        weight_decay: Added to the gradient, times the tensor, outside excluded groups.
        eeta: The trust coefficient.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eeta: float = EETA,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "eeta": eeta,
            "excluded": False,
            "adapted": True,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every tensor that has a gradient.

        Args:
            closure: Not supported: the loss must have been differentiated before.
        """
        if closure is not None:
            raise ValueError("LARS: step takes no closure")
        for group in self.param_groups:
            tensors = [tensor for tensor in group["params"] if tensor.grad is not None]
            if tensors and all(tensor.is_cuda for tensor in tensors):
                self._update_together(tensors, group)
            else:
                for tensor in tensors:
                    self._update(tensor, group)

    def _update(self, tensor: Tensor, group: dict[str, Any]) -> None:
        gradient, rate = tensor.grad, group["lr"]
        assert gradient is not None
        if not group["excluded"]:
            gradient = gradient.add(tensor, alpha=group["weight_decay"])
            if group["adapted"]:
                rate *= _trust_ratio(tensor, gradient, group["eeta"])
        velocity = self._velocity(tensor)
        velocity.mul_(group["momentum"]).add_(gradient, alpha=rate)
        tensor.sub_(velocity)

    def _update_together(self, tensors: list[Tensor], group: dict[str, Any]) -> None:
        """The same for all tensors at once; no number comes back from the device."""
        steps = [tensor.grad for tensor in tensors if tensor.grad is not None]
        if not group["excluded"]:
            steps = list(torch._foreach_add(steps, tensors, alpha=group["weight_decay"]))
        if group["excluded"] or not group["adapted"]:
            steps = list(torch._foreach_mul(steps, group["lr"]))
        else:
            size = torch.stack(torch._foreach_norm(tensors))
            slope = torch.stack(torch._foreach_norm(steps))
            both = (size > 0) & (slope > 0)
            ratio = torch.where(both, group["eeta"] * size / torch.where(both, slope, 1.0), 1.0)
            steps = list(torch._foreach_mul(steps, list((group["lr"] * ratio).unbind())))
        velocities = [self._velocity(tensor) for tensor in tensors]
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, steps)
        torch._foreach_sub_(tensors, velocities)

    def _velocity(self, tensor: Tensor) -> Tensor:
        state = self.state[tensor]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(tensor)
        velocity: Tensor = state["velocity"]
        return velocity


def _trust_ratio(tensor: Tensor, gradient: Tensor, eeta: float) -> float:
    size, slope = tensor.norm().item(), gradient.norm().item()
    return eeta * size / slope if size > 0 and slope > 0 else 1.0
