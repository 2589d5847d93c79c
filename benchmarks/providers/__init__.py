"""Who takes part, by name. A peer is one more entry of these modules; nothing else knows its name.

provider.py says what a provider is. losses.py holds ours and the plain formulas, contrastive.py and
distillation.py the peers of both losses; augmentation.py, networks.py and training.py are about
what surrounds them. everyone.py has them all.
"""
