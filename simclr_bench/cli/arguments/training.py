"""The arguments of the verbs that train whole networks: `pretrain`, `finetune` and `distill`."""

import argparse
import math
from pathlib import Path

from simclr_bench.cli.arguments.common import (
    Parser,
    Verbs,
    add_out,
    add_verb,
    fraction,
    natural,
    positive,
)
from simclr_bench.training.engine.recipe import OPTIMIZERS, PRECISIONS, SCALINGS

DEVICES = ("auto", "cpu", "cuda")
KERNELS = ("half_pixel", "legacy", "antialiased")


def add(verbs: Verbs) -> None:
    """Adds `pretrain`, `finetune` and `distill`."""
    _add_pretrain(verbs)
    _add_finetune(verbs)
    _add_distill(verbs)


def _add_pretrain(verbs: Verbs) -> None:
    pretrain = add_verb(verbs, "pretrain", "train a network on your own images, without labels")
    _add_data(pretrain, "a folder of images, of any depth; no classes are needed")
    pretrain.add_argument(
        "--network",
        default="r50_1x_sk0",
        metavar="NAME",
        help="depth, width and selective kernels, or the depth alone, such as r18; the stem of"
        " CIFAR-10 up to 32 pixels (default: r50_1x_sk0)",
    )
    pretrain.add_argument(
        "--temperature", type=above_zero, default=0.1, metavar="F", help="of NT-Xent (default: 0.1)"
    )
    pretrain.add_argument(
        "--projection-layers",
        type=positive,
        default=3,
        metavar="N",
        help="of the projection head: 3 as in SimCLRv2, 2 as in SimCLR (default: 3)",
    )
    pretrain.add_argument(
        "--strength",
        type=at_least_zero,
        default=1.0,
        metavar="F",
        help="of the color jitter: 1 for ImageNet, 0.5 for CIFAR-10 (default: 1)",
    )
    pretrain.add_argument(
        "--blur",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="blur half of the views (default: above 32 pixels)",
    )
    _add_optimization(
        pretrain, epochs=100, rate=0.3, scaling="linear", decay=1e-4, warmup=10.0, batch=512
    )
    _add_running(pretrain, "runs/pretrain")


def _add_finetune(verbs: Verbs) -> None:
    finetune = add_verb(verbs, "finetune", "train pretrained weights on your own labeled images")
    _add_data(finetune, "a folder of class folders, or of train/ and test/ with such in each")
    finetune.add_argument(
        "--weights",
        required=True,
        metavar="NAME|FILE",
        help="where to start: a name of `weights list`, or a file such as pretrain writes",
    )
    finetune.add_argument(
        "--from-projection-layer",
        type=int,
        choices=(0, 1),
        default=1,
        help="layers of the projection head to keep below the classifier: 1 as SimCLRv2 does with"
        " few labels, 0 as it does with all (default: 1)",
    )
    finetune.add_argument(
        "--head-only", action="store_true", help="train the classifier alone (default: everything)"
    )
    finetune.add_argument(
        "--heldout",
        type=fraction,
        default=0.2,
        metavar="F",
        help="share of each class held out where there is no test/ (default: 0.2)",
    )
    finetune.add_argument(
        "--split-seed", type=natural, default=0, metavar="N", help="draws that share (default: 0)"
    )
    _add_optimization(
        finetune, epochs=60, rate=0.005, scaling="sqrt", decay=0.0, warmup=0.0, batch=1024
    )
    _add_running(finetune, "runs/finetune")


def _add_distill(verbs: Verbs) -> None:
    distill = add_verb(verbs, "distill", "train a smaller network to say what a teacher says")
    _add_data(distill, "a folder of images, of any depth; class folders with --hard-weight only")
    distill.add_argument(
        "--teacher",
        required=True,
        metavar="NAME|FILE",
        help="weights with a classifier, such as finetune writes",
    )
    distill.add_argument(
        "--student", default="r18", metavar="NAME", help="as pretrain's --network (default: r18)"
    )
    distill.add_argument(
        "--temperature", type=above_zero, default=1.0, metavar="F", help="(default: 1)"
    )
    distill.add_argument(
        "--hard-weight",
        type=at_least_zero,
        default=0.0,
        metavar="F",
        help="share of the true labels' loss, at most 1; the class folders, in the order of their"
        " names, are then the teacher's classes (default: 0, no labels)",
    )
    _add_optimization(
        distill, epochs=400, rate=0.3, scaling="linear", decay=1e-4, warmup=10.0, batch=512
    )
    _add_running(distill, "runs/distill")


def _add_data(parser: Parser, what: str) -> None:
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help=what)
    parser.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="look through all files first and leave out those that do not decode (default: stop at"
        " the first)",
    )
    parser.add_argument(
        "--image-size", type=positive, default=224, metavar="N", help="pixels (default: 224)"
    )
    parser.add_argument(
        "--resize",
        choices=KERNELS,
        default="half_pixel",
        help="kernel of the crops: of the official TF2 code, of its TF1 code, or one that suits"
        " images much larger than the views (default: half_pixel)",
    )


def _add_optimization(
    parser: Parser,
    *,
    epochs: int,
    batch: int,
    rate: float,
    scaling: str,
    decay: float,
    warmup: float,
) -> None:
    group = parser.add_argument_group("optimization")
    group.add_argument(
        "--epochs",
        type=positive,
        default=epochs,
        metavar="N",
        help=f"passes over the images (default: {epochs})",
    )
    group.add_argument(
        "--batch-size",
        type=positive,
        default=batch,
        metavar="N",
        help=f"images of a step, over all processes (default: {batch})",
    )
    group.add_argument(
        "--optimizer",
        choices=OPTIMIZERS,
        default="lars",
        help="sgd has Nesterov's momentum (default: lars)",
    )
    group.add_argument(
        "--learning-rate",
        type=above_zero,
        default=rate,
        metavar="F",
        help=f"before scaling by the batch size (default: {rate:g})",
    )
    group.add_argument(
        "--scaling",
        choices=SCALINGS,
        default=scaling,
        help=f"of the rate: by B / 256, by the root of B, or none (default: {scaling})",
    )
    group.add_argument(
        "--warmup-epochs",
        type=at_least_zero,
        default=warmup,
        metavar="F",
        help=f"passes in which the rate rises from 0; a cosine to 0 follows (default: {warmup:g})",
    )
    group.add_argument(
        "--momentum", type=at_least_zero, default=0.9, metavar="F", help="(default: 0.9)"
    )
    group.add_argument(
        "--weight-decay",
        type=at_least_zero,
        default=decay,
        metavar="F",
        help=f"not of biases and batch norms (default: {decay:g})",
    )
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of the network; parameters and loss stay float32 (default: float32)",
    )
    group.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="N",
        help="draws weights, order and views (default: 0)",
    )


def _add_running(parser: Parser, out: str) -> None:
    add_out(parser, out)
    group = parser.add_argument_group(
        "running",
        "None of these changes the result by more than rounding. torchrun starts several"
        " processes.",
    )
    group.add_argument("--device", choices=DEVICES, default="auto", help="(default: auto)")
    group.add_argument(
        "--workers",
        type=natural,
        metavar="N",
        help="threads that read images ahead, in each process (default: the usable cores, at most"
        " 16)",
    )
    group.add_argument(
        "--checkpoint-every",
        type=positive,
        metavar="STEPS",
        help="steps from one checkpoint to the next; two are kept (default: a pass)",
    )
    group.add_argument(
        "--activation-checkpointing",
        action="store_true",
        help="compute residual blocks again in the backward pass: less memory, the same numbers",
    )
    group.add_argument(
        "--dry-run", action="store_true", help="print what would be trained, and train nothing"
    )
    group.add_argument("--quiet", action="store_true", help="nothing on stderr but errors")


def above_zero(text: str) -> float:
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def at_least_zero(text: str) -> float:
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
