"""All providers by name. Who has NT-Xent can train with it."""

from benchmarks.providers import (
    augmentation,
    contrastive,
    distillation,
    losses,
    networks,
    training,
)

PROVIDERS = {
    provider.name: training.with_training(provider)
    for module in (losses, contrastive, distillation, augmentation, networks, training)
    for provider in module.PROVIDERS
}
