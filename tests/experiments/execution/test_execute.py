"""The dispatcher: kinds, and the threads that a job states."""

import pytest
import torch

from simclr_bench.experiments.execution import execute as module
from simclr_bench.experiments.execution.execute import execute
from tests.experiments.execution.tiny import job, tiny_bench


@pytest.mark.parametrize("kind", ["head", "converged"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_job_runs_with_the_threads_it_states(kind, threads, monkeypatch):
    before, seen = torch.get_num_threads(), []
    run = getattr(module, f"run_{kind}")

    def spy(given, bench):
        seen.append(torch.get_num_threads())
        return run(given, bench)

    monkeypatch.setattr(module, f"run_{kind}", spy)
    outcome = execute(job(kind, threads=threads), tiny_bench())
    assert seen == [threads] and torch.get_num_threads() == before
    assert "heldout_predicted" in outcome.arrays


def test_threads_are_restored_after_a_failure():
    before = torch.get_num_threads()
    with pytest.raises(FloatingPointError):
        execute(job("head", learning_rate=1e38, threads=before + 1), tiny_bench())
    assert torch.get_num_threads() == before


def test_an_unknown_kind_is_refused():
    unknown = job("head")
    object.__setattr__(unknown, "kind", "encoder_check")
    with pytest.raises(ValueError, match="kind must be head, converged or student, got encoder_"):
        execute(unknown, tiny_bench())
