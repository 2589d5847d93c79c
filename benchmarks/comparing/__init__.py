"""Two builds against each other: `simclr-bench bench --compare BASE`.

    python -m benchmarks.comparing --base BASE   what that command runs
    python -m benchmarks.comparing.proof         how often a slowdown and no change are flagged

BASE is a revision of this checkout or a folder with another.

builds.py finds and makes builds; worker.py times one build in a process of its own, process.py is
this side of it; rounds.py interleaves two of them, decide.py judges their times, shown.py prints.
"""
