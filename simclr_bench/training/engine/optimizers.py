"""Optimizers of whole networks, and what each leaves out of weight decay.

    "lars"     decay and trust ratio outside batch norms, biases and the classifier; the kernel of
               the classifier is decayed by the loss, that is without a trust ratio
    "sgd"      Nesterov's momentum; decay outside batch norms, biases included, by the loss
    "adamw"    decay of convolutions and linear layers only

The official code finds what to exclude by names: batch_normalization, bias, head_supervised. Here a
batch norm is known by its type, and the supervised head is called "classifier".

Source: google-research/simclr, model_util.py (get_optimizer, add_weight_decay).
"""

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from simclr_bench.training.engine.recipe import Optimization
from simclr_bench.training.lars import LARS
from simclr_bench.training.optimization import adamw

CLASSIFIER = "classifier"


def make_optimizer(network: nn.Module, optimization: Optimization) -> torch.optim.Optimizer:
    """The optimizer of a network's trainable parameters; its rate is set before every step.

    Args:
        network: What to train; a layer of the name "classifier" is the supervised head.
        optimization: Which optimizer, momentum and weight decay.
    """
    momentum, decay = optimization.momentum, optimization.weight_decay
    if optimization.optimizer == "adamw":
        return adamw(network, learning_rate=0.0, betas=(0.9, 0.999), weight_decay=decay)
    kinds = _by_kind(network)
    if optimization.optimizer == "lars":
        groups: list[dict[str, Any]] = [
            {"params": kinds["kernel"]},
            {"params": kinds["classifier"], "adapted": False},
            {"params": kinds["bias"] + kinds["norm"], "excluded": True},
        ]
        groups = [group for group in groups if group["params"]]
        return LARS(groups, lr=0.0, momentum=momentum, weight_decay=decay)
    groups = [
        {"params": kinds["kernel"] + kinds["classifier"] + kinds["bias"], "weight_decay": decay},
        {"params": kinds["norm"], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=momentum > 0)


def _by_kind(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Trainable parameters: "kernel", "classifier" (its kernel), "bias" and "norm"."""
    kinds: dict[str, list[nn.Parameter]] = {k: [] for k in ("kernel", "classifier", "bias", "norm")}
    for where, module in network.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            if isinstance(module, _BatchNorm):
                kind = "norm"
            elif name == "bias":
                kind = "bias"
            else:
                kind = "classifier" if where.split(".")[-1] == CLASSIFIER else "kernel"
            kinds[kind].append(parameter)
    return kinds
