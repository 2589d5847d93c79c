"""The arguments of `transfer`."""

from pathlib import Path

from simclr_bench.cli.arguments.common import (
    Verbs,
    add_details,
    add_out,
    add_seeds,
    add_verb,
    fraction,
    natural,
    positive,
)


def add(verbs: Verbs) -> None:
    """Adds `transfer`."""
    transfer = add_verb(verbs, "transfer", "table 4's protocol on a folder of your own images")
    transfer.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="a folder of class folders, or of train/ and test/ with class folders in each",
    )
    transfer.add_argument(
        "--batch-size",
        type=positive,
        action="append",
        metavar="N",
        help="images in a batch; may be repeated (default: 64 and 32)",
    )
    transfer.add_argument(
        "--heldout",
        type=fraction,
        default=0.2,
        metavar="F",
        help="share of each class held out where there is no test/ (default: 0.2)",
    )
    transfer.add_argument(
        "--split-seed", type=natural, default=0, metavar="N", help="draws that share (default: 0)"
    )
    transfer.add_argument(
        "--single-pass",
        action="store_true",
        help="end after one pass over the images, short last batch included, as the notebook does"
        " (default: passes reshuffle and continue without a short batch)",
    )
    transfer.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="leave out files that do not decode, and list them (default: stop at the first)",
    )
    transfer.add_argument(
        "--weights",
        metavar="NAME",
        help="a full-size encoder at 224 pixels: a name of `weights list`, a .safetensors file, or"
        " random:SEED (default: the small embedded encoder)",
    )
    transfer.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where it runs (default: auto)",
    )
    add_seeds(transfer)
    add_details(transfer)
    add_out(transfer, "runs/transfer")
