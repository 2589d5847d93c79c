"""Loss and gradient, fused against chunked against eager: run `pytest --benchmark-only`.

Times are for one forward and backward with respect to the first input. The accuracy of each cell is
checked before it is timed, and kept beside the times in extra_info.
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.losses import (
    CPU_GRID,
    CUDA_GRID,
    IMPLS,
    Cell,
    gradient_error,
    inputs,
    loss_function,
    step,
)

CASES = [pytest.param(cell, "cpu", id=f"cpu-{cell}") for cell in CPU_GRID] + [
    pytest.param(cell, "cuda", id=f"cuda-{cell}", marks=pytest.mark.gpu) for cell in CUDA_GRID
]


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize(("cell", "device"), CASES)
def test_loss_and_gradient(benchmark: BenchmarkFixture, cell: Cell, device: str, impl: str) -> None:
    x, y = inputs(cell, device)
    function = loss_function(cell.loss, impl)
    error = gradient_error(cell, impl, x, y)
    # In half types the gradient itself is rounded, and by eager also the similarities.
    assert error < (1e-5 if cell.dtype == "float32" else 0.05)

    def timed() -> None:
        step(function, x, y)
        if device == "cuda":
            torch.cuda.synchronize()

    benchmark.group = f"{device} {cell}"
    benchmark.extra_info.update(
        n=cell.n,
        columns=cell.columns,
        dtype=cell.dtype,
        impl=impl,
        device=device,
        threads=torch.get_num_threads(),
        gradient_error=error,
    )
    benchmark.pedantic(timed, rounds=7, iterations=1, warmup_rounds=2)
