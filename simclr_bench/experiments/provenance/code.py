"""Which modules' source, with all that they import, a job's result comes from.

By kind and by profile, so that a change in one experiment leaves the records of the others valid.
"""

# What executes a kind of job and measures it. The dispatchers are none of them: they import all.
CODE: dict[str, tuple[str, ...]] = {
    "head": ("simclr_bench.experiments.execution.head", "simclr_bench.experiments.metrics.head"),
    "converged": (
        "simclr_bench.experiments.execution.converged",
        "simclr_bench.experiments.metrics.head",
    ),
    "student": (
        "simclr_bench.experiments.execution.student",
        "simclr_bench.experiments.metrics.student",
    ),
}

# Where a profile's images come from, and its networks where a hash of the weights is not all. The
# embedded sets are code, not files; those of the paper are pixels that were decoded once and have
# a hash, so that what imports, downloads or converts is none of it.
DATA_CODE: dict[str, tuple[str, ...]] = {
    "embedded": ("simclr_bench.data.embedded",),
    "folder": ("simclr_bench.data.folder",),
    "paper": (
        "simclr_bench.experiments.execution.untrained",
        "simclr_bench.weights.build",
        "simclr_bench.weights.foreign",
    ),
}
