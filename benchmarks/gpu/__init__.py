"""`make gpu`: all that only a GPU can settle, in stages, most valuable first, under one budget.

    python -m benchmarks.gpu [--out DIR] [--budget SECONDS]     what `make gpu` runs

stages.py runs the stages and keeps their outcomes in DIR/stages.json; commands.py says what they
are. Each is a process of its own, since an error of a kernel ends a process's use of the device:
the build, the tests that need a GPU, accuracy.py (errors beside the plain formula's), race.py
(the grid, every peer in it), small.py under compute-sanitizer, conformance.py (what single
instructions give, for tests/ptx to repeat). targets.py says what has to be reached; sizes that only
a GPU is measured at are in grid/cuda.py, and how it is timed in measuring/cuda.py.
"""
