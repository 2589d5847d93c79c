"""What a user may set, where each value came from, and what the paper says where nothing was set.

Precedence, from the weakest: built in; a TOML file (`--config`); the environment
(`SIMCLR_BENCH_<SECTION>_<KEY>`); the command line (`--set section.key=value`, or a flag).
"""

from simclr_bench.experiments.settings.paper import Line, explain
from simclr_bench.experiments.settings.sources import (
    ASSIGNMENT,
    BUILT_IN,
    FLAGS,
    Resolved,
    resolve,
)
from simclr_bench.experiments.settings.tree import (
    DistillationSettings,
    ProbeSettings,
    RunSettings,
    Settings,
    VerdictSettings,
)

__all__ = [
    "ASSIGNMENT",
    "BUILT_IN",
    "FLAGS",
    "DistillationSettings",
    "Line",
    "ProbeSettings",
    "Resolved",
    "RunSettings",
    "Settings",
    "VerdictSettings",
    "explain",
    "resolve",
]
