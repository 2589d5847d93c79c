"""Benchmarks: who is faster, by how much, how exactly, in how much memory. Never how a test ends.

    pytest --benchmark-only                                      a quick race, half a minute
    pytest benchmarks -k "nt_xent and cpu" --benchmark-only      the acceptance grid (conftest.py)
    python -m benchmarks.run SUITE                               any suite, also without pytest
    python -m benchmarks.targets results/cpu                     which targets the records meet
    python -m benchmarks.page                                    BENCHMARKS.md from the records
    python -m benchmarks.gpu                                     `make gpu`, see gpu/__init__.py

grid.py says what is measured, providers.py who takes part, race.py how a cell is raced, machine.py
when a round counts; truth.py holds inputs and float64, ratios.py the statistics, records.py the
files, table.py what is printed of them.
"""
