"""BENCHMARKS.md and its plots from the records, and what the terminal prints of them.

    python -m benchmarks.page        what `make benchmarks` runs

words.py says how numbers look and when a gradient is wrong, machines.py which records belong
together, points.py what a plot draws. summary.py is the first screen, sections.py the full grids,
gpu.py what is known of a GPU, plots.py the pictures; table.py serves the terminal too.
"""
