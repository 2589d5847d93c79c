"""Pretrained weights: from whoever published them to the networks of this package."""
