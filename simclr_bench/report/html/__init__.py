"""The document as one HTML file that needs nothing else: no network, no scripts."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from simclr_bench.report import reading, svg, words

JSON = dict[str, Any]

PACKAGE = "simclr_bench.report.html"


def render_html(document: JSON) -> str:
    """Renders a document as a page.

    The page forbids itself everything but its own style, which it names by hash: what a name in the
    document smuggled in could neither run nor load anything, were the escaping ever to fail.

    Args:
        document: What report/document built.
    """
    style = resources.files(PACKAGE).joinpath("report.css").read_text("utf-8")
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            document=document,
            style=Markup(style),  # ours, and not the document's
            policy=content_policy(style),
        )
    )


def content_policy(style: str) -> str:
    """The Content-Security-Policy of a page with one inline style."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.globals |= {
        "words": words,
        "reading": reading,
        "strip": lambda *arguments: Markup(svg.strip_svg(*arguments)),
        "panel_chart": lambda *arguments: Markup(svg.panel_svg(*arguments)),
        "curves_chart": lambda *arguments: Markup(svg.curves_svg(*arguments)),
    }
    return templates
