"""Runs emulated kernels in a process that a sanitizer watches; test_sanitizers.py starts it.

python -m tests.ptx.sanitized LIBRARY shipped      the shipped kernels, in small ragged cases
python -m tests.ptx.sanitized LIBRARY hopper       those of the contrastive losses for sm_90a
python -m tests.ptx.sanitized LIBRARY planted BUG  kernels/planted.cu with a bug
python -m tests.ptx.sanitized LIBRARY tensor BUG   kernels/tensor.cu with a bug
python -m tests.ptx.sanitized LIBRARY ring BUG     kernels/ring.cu with a bug
"""

import sys
from pathlib import Path

import numpy as np

from . import distillation, nt_xent
from . import test_nt_xent_labels as labels
from . import test_planted as planted
from . import test_ring as ring
from . import test_tensor as tensor
from .emulator.library import IN_ORDER, Library
from .shipped import ELEMENTS


def run_contrast(library: Library, hopper: bool) -> None:
    """A block of rows per view, neither of them full. Only what test_sanitizers.py compiles."""
    for element, temperature, shared_bytes in (
        (ELEMENTS[0], 0.01, 227 * 2**10),
        (ELEMENTS[0], 0.01, 0),
        (ELEMENTS[2], 0.2, 227 * 2**10),
    ):
        z, grad = nt_xent.drawn(element, 5, 19)
        case = nt_xent.Case(
            element, temperature=temperature, shared_bytes=shared_bytes, hopper=hopper
        )
        if hopper and not shared_bytes:  # which Hopper's rows are wider than
            z, grad = nt_xent.drawn(element, 5, 130)
        want = nt_xent.truth(element.exact(z), grad.astype(float), case)
        nt_xent.assert_close(nt_xent.emulated(library, z, grad, case), want, element)
        if hopper or not shared_bytes:
            continue
        small = case.but(small_rows=2048)
        nt_xent.assert_close(nt_xent.emulated(library, z, grad, small), want, element)
        labels.check(case.but(objective="supervised"), z, np.arange(10) // 3, grad, library)


def run_distillation(library: Library) -> None:
    """Two blocks of each kernel at least; the last of them is not full."""
    # Above 2048 rows a kernel of its own counts targets.
    for element, kind, rows in ((ELEMENTS[0], "kl", 2049), (ELEMENTS[2], "jsd", 257)):
        for size in ((rows, 3), (5, 300), (2, 4500)):
            case = distillation.case_of(element, *size, kind=kind, mean=True)
            distillation.assert_close(distillation.emulated(library, case), case)
        distillation.assert_close(distillation.emulated(library, case, shared=0), case)
    for element in ELEMENTS:
        made = distillation.aligned(element, 1, 2049)
        factor = np.array([2], np.float32)
        library.call("simclr_bench_scale", made, element.code, 2049, factor, None)


def main() -> None:
    path, case, *bug = sys.argv[1:]
    library = Library(Path(path))
    if case == "shipped":
        run_contrast(library, hopper=False)
        run_distillation(library)
    elif case == "hopper":
        run_contrast(library, hopper=True)
    elif case == "planted":
        print("verdict:", planted.verdict(library, bug[0], IN_ORDER))
    elif case == "ring":
        print("verdict:", ring.verdict(library, bug[0], IN_ORDER))
    else:
        print("right:", tensor.is_right(library, bug[0], IN_ORDER))
    print("done")


if __name__ == "__main__":
    main()
