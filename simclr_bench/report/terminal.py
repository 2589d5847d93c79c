"""The document as text for a terminal, 80 columns wide or more."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

JSON = dict[str, Any]

NOTHING = "—"
METRIC_NAMES = {"as_published": "as published", "heldout": "held-out"}


class TerminalReport:
    """A document, ready for `rich` to print."""

    def __init__(self, document: JSON) -> None:
        """
        Args:
            document: What report/document.py built.
        """
        self._document = document

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        document = self._document
        label = document["profile"]["label"]
        yield Text(f"{label}: {document['profile']['notice']}", style="yellow")
        yield _muted(_environment(document["environment"]))
        yield from _data(document["data"])
        for table in document["tables"]:
            yield Text()
            number = f"Table {table['id']}. " if table["id"].isdigit() else ""
            yield Text(f"{number}{table['caption']} ({table['source']})", style="bold")
            for batch_size in dict.fromkeys(row["batch_size"] for row in table["rows"]):
                rows = [row for row in table["rows"] if row["batch_size"] == batch_size]
                yield Text()
                yield _rows(label, rows)
            yield from _legend(table)
            for claim in table["claims"]:
                yield from _claim(label, claim)
        if document["encoder"]["check"]:
            yield Text()
            yield _check(label, document["encoder"]["check"])
            yield _muted(
                "Held-out top-1 of a linear probe trained to convergence on the same images'"
                " features; each probe seed draws 80 % of the training images, and the intervals"
                " cover that draw alone. Untrained: the same network before its first step."
            )
        yield Text()
        for figure in document["figures"]:
            yield Text(f"Figure {figure['id']} ({label}): {', '.join(figure['files'])}")
        yield Text(f"Records: {document['run_directory']}")


def _rows(label: str, rows: Sequence[JSON]) -> Table:
    first = rows[0]
    grid = _grid(
        f"{label}, batch size {first['batch_size']}, {first['iterations']} iterations,"
        f" {first['as_published']['n_seeds']} seeds"
    )
    has_paper = any(row["paper"]["candidates"] for row in rows) or len(rows) > 1
    headings = ["Dataset", "Paper", "As published", "Held-out", "Gap"]
    if not has_paper:
        headings.remove("Paper")
    for heading in headings:
        # A long name wraps; a number never does.
        grid.add_column(heading, no_wrap=heading != "Dataset", overflow="fold")
    for row in rows:
        cells = [
            f"{escape(row['label'])} ({row['classes']})",
            *([_printed(row["paper"])] if has_paper else []),
            _mean(row["as_published"]),
            _mean(row["heldout"]),
            _mean(row["gap"], sign="+"),
        ]
        grid.add_row(*cells)
    return grid


def _check(label: str, checks: Sequence[JSON]) -> Table:
    grid = _grid(f"{label}, what pretraining is worth")
    for heading in ("Dataset", "Chance", "Untrained", "Pretrained", "Difference"):
        grid.add_column(heading, no_wrap=True)
    for check in checks:
        grid.add_row(
            f"{escape(check['dataset'])} ({check['classes']})",
            f"{check['chance']:.3f}",
            _mean(check["untrained"]),
            _mean(check["pretrained"]),
            _mean(check["difference"], sign="+"),
        )
    return grid


def _grid(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold cyan",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=0,
    )


def _mean(value: JSON, sign: str = "") -> str:
    low, high = value["interval"]
    return f"{value['mean']:{sign}z.3f}\n{_interval(low, high)}"


def _printed(paper: JSON) -> str:
    if paper["printed"] is None:
        return NOTHING
    return f"{paper['printed']}\n{_interval(*paper['interval'])}"


def _interval(low: float, high: float) -> str:
    return escape(f"[{low:z.3f}, {high:z.3f}]")


def _legend(table: JSON) -> RenderResult:
    lines = [
        f"As published: {table['measurements']['as_published']}.",
        f"Held-out: {table['measurements']['heldout']}. Gap: {table['measurements']['gap']}.",
        f"Intervals, {table['intervals']}.",
    ]
    printed = [row["paper"] for row in table["rows"] if row["paper"]["candidates"]]
    if printed:
        first, other = printed[0]["candidates"]
        wider = ", ".join(
            f"{row['label']} {_plain(row['paper']['candidates'][1]['interval'])}"
            for row in table["rows"]
            if row["paper"]["candidates"]
        )
        lines.append(
            f"Paper's intervals are at n = {first['n']}; n = {other['n']} fits every printed number"
            f" too and gives: {wider}."
        )
    lines += table["notes"]
    for line in lines:
        yield _muted(line)


def _claim(label: str, claim: JSON) -> RenderResult:
    yield Text()
    yield Text(f"Claim, {claim['source']}: “{claim['sentence']}”", style="bold")
    if claim["needs"] is not None:
        yield _indented(f"not judged here; needs: {claim['needs']}")
        return
    for verdict in claim["ours"]:
        broken = "; ".join(f"{lower} is not below {higher}" for higher, lower in verdict["breaks"])
        where = f"{METRIC_NAMES[verdict['metric']]}, batch {verdict['batch_size']}"
        word = verdict["verdict"]
        style = "green" if word == "holds" else "red"
        line = Text.assemble(f"{label}, {where}, on the means: ", (word, style))
        if len(verdict["rows"]) < len(claim["paper"]["steps"]) + 1:
            line.append(f" for {', '.join(verdict['rows'])} alone")
        if broken:
            line.append(f" ({broken})")
        yield Padding(line, (0, 0, 0, 2), expand=False)
    paper = claim["paper"]
    steps = "; ".join(
        f"{step['higher']} over {step['lower']} p = {step['p_value']:.2g}"
        for step in paper["steps"]
    )
    yield _indented(
        f"the paper's own numbers: {paper['verdict']}. Evidence for each step (Fisher's exact test,"
        f" two-sided, n = {paper['n']} each): {steps}. The whole order by luck:"
        f" p = {paper['order_p_value']:.2g}."
    )


def _data(described: Sequence[JSON]) -> RenderResult:
    for split in dict.fromkeys(data["split"] for data in described):
        counts = ", ".join(
            f"{data['dataset']} {data['train_images']} + {data['heldout_images']}"
            for data in described
            if data["split"] == split
        )
        yield _muted(f"Images for training + held out ({split}): {counts}.")
    for data in described:
        if data["skipped"]:
            names = ", ".join(f"{skip['file']} ({skip['reason']})" for skip in data["skipped"])
            yield Text(f"Skipped {len(data['skipped'])} files: {names}", style="red")


def _environment(environment: JSON) -> str:
    extension, commit = environment["extension"], environment["commit"]
    parts = [
        f"simclr-bench {environment['simclr_bench']}",
        f"commit {commit[:12]}" if commit else "no commit known",
        *(["uncommitted changes"] if environment["dirty"] else []),
        f"NT-Xent fused ({extension['compiler']})"
        if extension
        else "NT-Xent chunked, not compiled",
        f"Python {environment['python']}",
        f"torch {environment['packages']['torch']}",
        f"{environment['cpu']}, {environment['cores']} cores",
    ]
    if environment["distinct_environments"] > 1:
        parts.append(f"records from {environment['distinct_environments']} environments")
    return f"Measured with {', '.join(parts)}."


def _plain(interval: Sequence[float]) -> str:
    return f"[{interval[0]:.3f}, {interval[1]:.3f}]"


def _muted(text: str) -> Text:
    return Text(text, style="dim")


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2), expand=False)
