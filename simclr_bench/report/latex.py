"""The document's tables for a paper in LaTeX: booktabs tables that fit a page's width."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from simclr_bench.report import words
from simclr_bench.report.reading import (
    claim_word,
    columns_of,
    has_paper,
    has_verdicts,
    is_metric,
    judged_first,
    meaning_of,
    not_comparable,
    parts_of,
    printed_of,
    widest,
)

JSON = dict[str, Any]

# Each character that LaTeX does not print as itself. Brackets and stars would be arguments of the
# \\ that ends the line before.
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    "—": "---",
    "–": "--",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "±": r"$\pm$",
    "δ": r"$\delta$",
    "“": "``",
    "”": "''",
    "’": "'",
    "…": r"\dots{}",
}
ANY_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL)))

# Columns that fit a page; what has no room is continued in another table.
COLUMNS = 6


def render_latex(document: JSON) -> str:
    """Renders the tables, claims and controls of a document as LaTeX tables.

    Args:
        document: What report/document built.

    Returns:
        What a paper inputs; its preamble has to use the packages array and booktabs.
    """
    label = document["profile"]["label"]
    blocks = [
        "% Needs \\usepackage{array,booktabs}.",
        f"% {_comment(label)}: {_comment(document['profile']['notice'])}",
        f"% {_comment(words.environment(document['environment']))}",
    ]
    for table in document["tables"]:
        blocks += _table(table, label)
    if any(table["claims"] for table in document["tables"]):
        blocks.append(_claims(document["tables"], label))
    blocks += [_control(control, label) for control in document["controls"]]
    return "\n".join(blocks)


def _table(table: JSON, label: str) -> Iterator[str]:
    """The paper's columns with the first measures and the verdict; then the other measures."""
    caption = f"{words.table_title(table)} ({table['source']})"
    if not table["measures"]:
        yield _float(caption, table["header"], [row["cells"] for row in table["rows"]], "")
        return
    measures = judged_first(table, table["rows"])
    titles = [measure["title"] for measure in measures]
    paper, verdicts = has_paper(table["rows"]), has_verdicts(table["rows"])
    first = max(1, COLUMNS - len(columns_of(table)) - paper - verdicts)
    header = [
        *columns_of(table),
        *([f"{table['header'][-1]}, paper"] if paper else []),
        *titles[:first],
        *(["Verdict"] if verdicts else []),
    ]
    named = [_named(row, table) for row in table["rows"]]
    rows = [
        [
            *parts,
            *([_printed(row)] if paper else []),
            *_metrics(row, measures[:first]),
            *([_verdict(row)] if verdicts else []),
        ]
        for parts, row in zip(named, table["rows"], strict=True)
    ]
    yield _float(f"{caption}, {label}", header, rows, _remark(table, measures))
    for start in range(first, len(measures), COLUMNS - 1):
        stop = start + COLUMNS - 1
        rows = [
            [parts[0], *_metrics(row, measures[start:stop])]
            for parts, row in zip(named, table["rows"], strict=True)
        ]
        header = [table["header"][0], *titles[start:stop]]
        yield _float(f"{words.table_title(table)}, {label}, continued", header, rows, "")


def _remark(table: JSON, measures: Sequence[JSON]) -> str:
    meanings = "; ".join(f"{each['title']}: {meaning_of(table, each)}" for each in measures)
    failed = [f"{row['label']}: {words.seeds(row)}" for row in table["rows"] if row["failed"]]
    stale = [f"{row['label']} is stale: {row['stale']}" for row in table["rows"] if row["stale"]]
    reason = not_comparable(table["rows"])
    verdicts = [words.none_comparable(reason)] if reason else []
    remarks = [
        *verdicts,
        f"{meanings}. Intervals: {table['intervals']}.",
        *failed,
        *stale,
        *table["notes"],
    ]
    return " ".join(f"{each.rstrip('.')}." for each in remarks)


def _named(row: JSON, table: JSON) -> list[str]:
    parts = parts_of(row)
    several = len({row["batch_size"] for row in table["rows"]}) > 1
    name = parts[0] + (f", batch {row['batch_size']}" if several else "")
    parts = [f"{name} (ours alone)" if row["ours_alone"] else name, *parts[1:]]
    return parts + [""] * (len(columns_of(table)) - len(parts))


def _printed(row: JSON) -> str:
    candidate = widest(row["paper"])
    printed = printed_of(row)
    return f"{printed} {words.interval(candidate['interval'])}" if candidate else printed


def _metrics(row: JSON, measures: Sequence[JSON]) -> list[str]:
    return [
        _metric(row["measures"].get(each["name"]), signed=each["name"] in words.SIGNED)
        for each in measures
    ]


def _verdict(row: JSON) -> str:
    return row["verdict"]["word"] if row["verdict"] else words.NOTHING


def _claims(tables: Sequence[JSON], label: str) -> str:
    rows = [
        [
            table["id"],
            f"“{claim['sentence']}” ({claim['source']})",
            claim_word(claim) + _unjudged(claim) + _check(claim),
            words.papers_evidence(claim["paper"]),
        ]
        for table in tables
        for claim in table["claims"]
    ]
    header = ["Table", "Claim", f"Verdict ({label})", "The paper's own numbers"]
    return _float(
        "Claims", header, rows, "", "lp{0.35\\linewidth}p{0.2\\linewidth}p{0.25\\linewidth}"
    )


def _unjudged(claim: JSON) -> str:
    return f", not judged: {claim['reason']}" if claim["testable"] and claim["reason"] else ""


def _check(claim: JSON) -> str:
    checks = claim["mechanism_check"] and claim["testable"]
    return f" ({words.MECHANISM_CHECK})" if checks else ""


def _control(control: JSON, label: str) -> str:
    rows = [
        [
            row["label"],
            *(_metric(each) if is_metric(each) else words.plain(each) for each in row["cells"]),
        ]
        for row in control["rows"]
    ]
    caption = f"{control['title']} ({label}). {control['finding']}"
    return _float(caption, ["", *control["columns"]], rows, " ".join(control["notes"]))


def _float(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    remark: str,
    columns: str | None = None,
) -> str:
    def lines() -> Iterator[str]:
        yield "\\begin{table}"
        yield "\\centering"
        yield f"\\caption{{{_text(caption)}}}"
        yield "\\footnotesize"
        yield f"\\begin{{tabular}}{{{columns or _columns(len(header))}}}"
        yield "\\toprule"
        yield _line(header)
        yield "\\midrule"
        yield from map(_line, rows)
        yield "\\bottomrule"
        yield "\\end{tabular}"
        if remark:
            yield f"\\par\\smallskip {_text(remark)}"
        yield "\\end{table}\n"

    return "\n".join(lines())


def _columns(number: int) -> str:
    """Columns that wrap, ragged, and share the width of the line; names have more of it."""
    width = 0.97 / (number + 0.4)
    return "".join(
        f">{{\\raggedright\\arraybackslash}}p{{\\dimexpr{share:.4f}\\linewidth-2\\tabcolsep}}"
        for share in (1.4 * width, *[width] * (number - 1))
    )


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(_text, cells)) + " \\\\"


def _metric(metric: JSON | None, *, signed: bool = False) -> str:
    if metric is None:
        return words.NOTHING
    mean = words.number(metric["mean"], signed=signed)
    return f"{mean} {words.interval(metric['interval'])}"


def _text(text: str) -> str:
    escaped = ANY_SPECIAL.sub(lambda found: SPECIAL[found.group()], " ".join(text.split()))
    # Two hyphens would become a dash, and one before a digit is a minus.
    escaped = re.sub(r"(?<=-)-", "{}-", escaped)
    escaped = re.sub(r"(?<![\w)}-])-(?=\d)|(?<=\{\[\})-(?=\d)", "$-$", escaped)
    return re.sub(r"(\{\[\}\S+), (?=\S+\{\]\})", r"\1,~", escaped)  # an interval stays whole


def _comment(text: str) -> str:
    return " ".join(text.split())
