"""Benchmarks: `pytest --benchmark-only` for the default grid, `make gpu` for one on a GPU."""
