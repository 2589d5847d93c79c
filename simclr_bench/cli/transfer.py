"""`transfer`: Table 4's protocol on the user's own images."""

import argparse
from typing import TYPE_CHECKING

from simclr_bench.cli.failures import refuse_failed
from simclr_bench.cli.output import print_json, print_text
from simclr_bench.cli.progress import make_progress
from simclr_bench.errors import UsageError
from simclr_bench.experiments.settings import VerdictSettings

if TYPE_CHECKING:
    from simclr_bench.experiments.materials.paper import FullSize


def run(options: argparse.Namespace) -> int:
    """Runs `transfer`."""
    from simclr_bench.experiments.folder import FolderOptions, transfer_to_folder
    from simclr_bench.report.stored import finished_document

    plan, records = transfer_to_folder(
        FolderOptions(
            directory=options.data,
            batch_sizes=tuple(dict.fromkeys(options.batch_size or (64, 32))),
            seeds=tuple(options.seeds),
            heldout_fraction=options.heldout,
            split_seed=options.split_seed,
            single_pass=options.single_pass,
            skip_corrupt=options.skip_corrupt,
            full_size=_full_size(options),
        ),
        options.out,
        make_progress(),
    )
    document = finished_document(options.out, plan, records, VerdictSettings().margin)
    if options.json:
        print_json(document)
    else:
        from simclr_bench.report.terminal import TerminalReport

        print_text(TerminalReport(document, details=options.details))
    refuse_failed(plan, records)
    return 0


def _full_size(options: argparse.Namespace) -> "FullSize | None":
    """The full-size encoder that is asked for, if one is."""
    from simclr_bench.experiments.materials.paper import FullSize
    from simclr_bench.experiments.settings.tree import KINDS, NetworkSettings

    if options.weights is None:
        if options.device != "auto":
            raise UsageError("--device is for --weights: the small encoder runs on the CPU")
        return None
    kind = KINDS["network.weights"]
    try:
        network = NetworkSettings(weights=kind.check(options.weights))
    except ValueError as error:
        raise UsageError(f"--weights must be {kind.allowed}, got {options.weights!r}") from error
    return FullSize(network=network, device=options.device)
