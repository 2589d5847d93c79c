"""Architectures, without the weights that fill them or the data that pass through them."""
