"""Who takes part, by name. A peer is one more entry of these modules; nothing else knows its name.

provider.py says what a provider is. losses.py holds ours and the plain formulas, contrastive.py and
distillation.py the peers of both losses; augmentation.py, networks.py and training.py are about
what surrounds them. Who has NT-Xent can train with it.
"""

from benchmarks.providers import (
    augmentation,
    contrastive,
    distillation,
    losses,
    networks,
    training,
)
from benchmarks.providers.provider import LossFunction, Provider
from benchmarks.providers.training import with_training

__all__ = ["PROVIDERS", "LossFunction", "Provider"]

PROVIDERS = {
    provider.name: with_training(provider)
    for module in (losses, contrastive, distillation, augmentation, networks, training)
    for provider in module.PROVIDERS
}
