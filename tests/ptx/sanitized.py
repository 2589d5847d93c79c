"""Runs emulated kernels in a process that a sanitizer watches; test_sanitizers.py starts it.

python -m tests.ptx.sanitized LIBRARY shipped      the shipped kernels, in small ragged cases
python -m tests.ptx.sanitized LIBRARY planted BUG  kernels/planted.cu with a bug
python -m tests.ptx.sanitized LIBRARY tensor BUG   kernels/tensor.cu with a bug
python -m tests.ptx.sanitized LIBRARY ring BUG     kernels/ring.cu with a bug
"""

import sys
from pathlib import Path

import numpy as np

from . import distillation
from . import test_nt_xent as nt_xent
from . import test_planted as planted
from . import test_ring as ring
from . import test_tensor as tensor
from .emulator.library import IN_ORDER, Library
from .shipped import ELEMENTS


def run_shipped(library: Library) -> None:
    """Two blocks of each kernel at least; the last of them is not full."""
    for element in ELEMENTS:
        z, grad = nt_xent.case(element, 5, 19)
        results = nt_xent.emulated(library, z, 0.2, True, grad, element, IN_ORDER)
        want = nt_xent.reference(element.exact(z), 0.2, True, grad.astype(float))
        nt_xent.assert_close(results, want, element)
        made = distillation.aligned(element, 1, 2049)
        factor = np.array([2], np.float32)
        library.call("simclr_bench_scale", made, element.code, 2049, factor, None)
    # Those of WATCHED in test_sanitizers.py. Above 2048 rows a kernel of its own counts targets.
    for element, kind, rows in ((ELEMENTS[0], "kl", 2049), (ELEMENTS[2], "jsd", 257)):
        for size in ((rows, 3), (5, 300), (2, 4500)):
            case = distillation.case_of(element, *size, kind=kind, mean=True)
            distillation.assert_close(distillation.emulated(library, case), case)
        distillation.assert_close(distillation.emulated(library, case, shared=0), case)


def main() -> None:
    path, case, *bug = sys.argv[1:]
    library = Library(Path(path))
    if case == "shipped":
        run_shipped(library)
    elif case == "planted":
        print("verdict:", planted.verdict(library, bug[0], IN_ORDER))
    elif case == "ring":
        print("verdict:", ring.verdict(library, bug[0], IN_ORDER))
    else:
        print("right:", tensor.is_right(library, bug[0], IN_ORDER))
    print("done")


if __name__ == "__main__":
    main()
