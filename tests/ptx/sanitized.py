"""Runs emulated kernels in a process that a sanitizer watches; test_sanitizers.py starts it.

python -m tests.ptx.sanitized LIBRARY shipped      every shipped kernel, in small ragged cases
python -m tests.ptx.sanitized LIBRARY planted BUG  kernels/planted.cu with a bug
python -m tests.ptx.sanitized LIBRARY tensor BUG   kernels/tensor.cu with a bug
python -m tests.ptx.sanitized LIBRARY ring BUG     kernels/ring.cu with a bug
"""

import sys
from pathlib import Path

from . import test_distillation as distillation
from . import test_nt_xent as nt_xent
from . import test_planted as planted
from . import test_ring as ring
from . import test_tensor as tensor
from .emulator.library import IN_ORDER, Library
from .shipped import ELEMENTS


def run_shipped(library: Library) -> None:
    """Two blocks of each kernel at least; the second of them is not full."""
    for element in ELEMENTS:
        z, grad = nt_xent.case(element, 5, 19)
        results = nt_xent.emulated(library, z, 0.2, True, grad, element, IN_ORDER)
        want = nt_xent.reference(element.exact(z), 0.2, True, grad.astype(float))
        nt_xent.assert_close(results, want, element)
        student, teacher, upstream = distillation.case(element, 2, 300)
        shared = (student, teacher, 2.0, upstream, element)
        distillation.assert_close(distillation.emulated(library, *shared, IN_ORDER), *shared)


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
