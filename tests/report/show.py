"""The invented document, rendered: to be looked at while a rendering is changed.

python -m tests.report.show html > page.html
python -m tests.report.show terminal 80
"""

import sys

from rich.console import Console

from simclr_bench.report.delimited import render_csv
from simclr_bench.report.html import render_html
from simclr_bench.report.latex import render_latex
from simclr_bench.report.markdown import render_markdown
from simclr_bench.report.terminal import TerminalReport
from tests.report.invented_document import document

RENDERINGS = {
    "html": render_html,
    "markdown": render_markdown,
    "latex": render_latex,
    "csv": render_csv,
}

if __name__ == "__main__":
    name, *width = sys.argv[1:]
    if name == "terminal":
        console = Console(width=int(width[0]) if width else None, highlight=False)
        console.print(TerminalReport(document(), details="--details" in width))
    else:
        sys.stdout.write(RENDERINGS[name](document()))
