"""Who takes part, by name. A peer is one more entry of these modules; nothing else knows its name.

provider.py says what a provider is. losses.py holds ours and the plain formulas, contrastive.py and
distillation.py the peers of both losses; augmentation.py and networks.py are about what
surrounds them.
"""

from benchmarks.providers import (
    augmentation,
    contrastive,
    distillation,
    losses,
    networks,
)
from benchmarks.providers.provider import LossFunction, Provider

__all__ = ["PROVIDERS", "LossFunction", "Provider"]

PROVIDERS = {
    provider.name: provider
    for module in (losses, contrastive, distillation, augmentation, networks)
    for provider in module.PROVIDERS
}
