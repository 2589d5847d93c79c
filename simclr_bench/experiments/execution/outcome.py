"""What a job hands back, before anything is computed from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one job.

    Attributes:
        details: For the record as it is (JSON): the data's description, loss curves.
        arrays: Predictions of every example; all metrics are computed from these alone.
    """

    details: dict[str, Any]
    arrays: dict[str, np.ndarray]
