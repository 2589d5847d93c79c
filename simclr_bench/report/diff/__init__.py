"""What changed between two run directories: a JSON document, and its view for a terminal."""

from simclr_bench.report.diff.compare import diff_documents, obstacle
from simclr_bench.report.diff.terminal import DiffReport

__all__ = ["DiffReport", "diff_documents", "obstacle"]
