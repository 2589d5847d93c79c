"""Benchmarks: who is faster, by how much, how exactly, in how much memory. Never how a test ends.

    pytest --benchmark-only -k quick                 a first answer (conftest.py)
    pytest --benchmark-only                          the standard grid
    python -m benchmarks.run SUITE                   any suite, also without pytest
    python -m benchmarks.comparing --base REV        two builds against each other
    python -m benchmarks.targets results/cpu/DIR     which targets a machine's records meet
    python -m benchmarks.page                        BENCHMARKS.md and its plots from the records
    python -m benchmarks.gpu                         `make gpu`, see gpu/__init__.py

grid/ says what is measured, providers/ who takes part, measuring/ how, records/ what is kept of it,
page/ what is made of the records, comparing/ races two builds.
"""
