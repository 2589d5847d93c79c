"""What is measured, as data: cells, and suites of cells and the names of who races in them.

cells.py says what a cell is, suites.py what a suite is; losses.py and images.py hold those of the
losses and of everything around them. No torch here.
"""

from benchmarks.grid import cuda, images, losses
from benchmarks.grid.cells import Cell, ImageCell, LossCell
from benchmarks.grid.suites import Suite, on_cuda

__all__ = ["CPU_SUITES", "GPU_SUITES", "SUITES", "Cell", "ImageCell", "LossCell", "Suite"]

# What races on a CPU, and on a GPU: its own sizes first, since targets are about them.
CPU_SUITES = (*losses.RACES, *images.RACES)
GPU_SUITES = (
    *cuda.RACES,
    *(on_cuda(suite, *cuda.ALSO.get((suite.name, suite.work), ())) for suite in losses.RACES),
    *images.CUDA_RACES,
    *cuda.PEERS,
)
SUITES = (*CPU_SUITES, *GPU_SUITES)
