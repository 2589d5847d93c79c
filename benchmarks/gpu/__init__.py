"""`make gpu`: all that only a GPU can settle, in stages, most valuable first, under one budget.

    python -m benchmarks.gpu [--out DIR] [--budget SECONDS]     what `make gpu` runs

stages.py runs the stages and keeps their outcomes in DIR/stages.json; commands.py says what they
are. Each is a process of its own, since an error of a kernel ends a process's use of the device:
the build, the tests that need a GPU, accuracy.py (errors beside the plain formula's), race.py
(times beside every peer's), small.py under compute-sanitizer, conformance.py (what single
instructions give, for tests/ptx to repeat). plan.py holds the sizes, targets.py what they have to
reach, clock.py how a GPU is timed, peers.py who races there besides providers.py.
"""
