"""A program for an interpreter that has TensorFlow: named variables of a checkpoint to numpy.

    python read_checkpoint.py PREFIX OUT.npz [SKIP ...]

PREFIX is that of PREFIX.index and PREFIX.data-00000-of-00001. Variables whose whole name matches a
regular expression SKIP are listed, but not written. The last line on stdout is a JSON object with
TensorFlow's version, the shape of every variable and the value of global_step (null without one).

Exit codes: 0 written, 3 cannot be read or written, 4 no TensorFlow here; stderr ends with why.

It stands alone: the interpreter needs TensorFlow and numpy, nothing of this package and no torch.
"""

import json
import os
import re
import sys

UNREADABLE = 3
NO_TENSORFLOW = 4

# Where TensorFlow 2 keeps what its variables belong to; their own names are not kept.
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


def main(prefix: str, target: str, *skip: str) -> None:
    """Reads the checkpoint, writes the file, prints the report; exits with a code otherwise."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    try:
        import numpy as np
        import tensorflow as tf
    except ImportError as error:
        _stop(NO_TENSORFLOW, str(error))

    try:
        reader = tf.train.load_checkpoint(prefix)
        shapes = reader.get_variable_to_shape_map()
        if OBJECTS in shapes:
            _stop(
                UNREADABLE,
                "holds objects of TensorFlow 2, not the named variables of version 1; convert the"
                " checkpoint of version 1, which `simclr-bench weights fetch` gets",
            )
        wanted = [name for name in shapes if not any(re.fullmatch(rule, name) for rule in skip)]
        arrays = {name: reader.get_tensor(name) for name in wanted}
        step = int(reader.get_tensor("global_step")) if "global_step" in shapes else None
    except Exception as error:  # IndexError where data are cut off, RuntimeError, OpError, ...
        _stop(UNREADABLE, f"cannot be read: {error}")

    try:
        with open(target, "wb") as file:
            np.savez(file, **arrays)
    except OSError as error:
        _stop(UNREADABLE, f"no room to unpack it in {os.path.dirname(target)}: {error}")
    report = {"tensorflow": tf.__version__, "shapes": shapes, "global_step": step}
    print(json.dumps(report))


def _stop(code: int, why: str) -> None:
    print(" ".join(why.split()), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
