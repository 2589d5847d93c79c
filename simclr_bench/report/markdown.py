"""The document as Markdown, with tables as GitHub and Pandoc read them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from simclr_bench.report import words
from simclr_bench.report.reading import (
    all_figures,
    by_batch_size,
    cell_counts,
    claim_word,
    columns_of,
    failed_seeds,
    has_paper,
    has_verdicts,
    is_metric,
    judged_first,
    meaning_of,
    most_against,
    not_comparable,
    parts_of,
    printed_of,
    rows_to_name,
    stale_lines,
    title_of,
    verdicts_compare,
    widest,
)

JSON = dict[str, Any]

# What would be markup inside a line; < and & also begin HTML.
PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")


def render_markdown(document: JSON) -> str:
    """Renders a document as Markdown.

    Args:
        document: What report/document built.
    """
    label = document["profile"]["label"]
    lines = [
        f"# {_text(words.report_title(document))}",
        f"**{_text(label)}:** {_text(document['profile']['notice'])}",
        _text(words.environment(document["environment"])),
        *_summary(document),
    ]
    for table in document["tables"]:
        lines += _table(table, label)
    for control in document["controls"]:
        lines += _control(control)
    if document["encoder"]["check"]:
        lines += _encoder_check(document["encoder"]["check"])
    lines += _setting(document)
    return "\n\n".join(lines) + "\n"


def _summary(document: JSON) -> Iterator[str]:
    yield "## Summary"
    yield _text(words.sentence(document["words"]["this_run"]))
    counts = cell_counts(document["tables"])
    if any(counts.values()):
        yield _grid(["Cells", "Number"], [[_cell_word(w), str(n)] for w, n in counts.items()])
    claims = [
        [
            _text(table["id"]),
            f"{_text(claim['id'])}: “{_text(words.shortened(claim['sentence'], 110))}”",
            _claim_word(claim_word(claim)),
        ]
        for table in document["tables"]
        for claim in table["claims"]
    ]
    if claims:
        yield _grid(["Table", "Claim", "Verdict"], claims)
    if any(claim["mechanism_check"] for each in document["tables"] for claim in each["claims"]):
        yield _text(words.MECHANISM_CHECKS)
    if failed := failed_seeds(document):
        yield f"{failed} seeds failed or diverged; they count as 0."
    if document["stale"]:
        yield _bullets(f"stale: {line}" for line in stale_lines(document["stale"]))


def _table(table: JSON, label: str) -> Iterator[str]:
    yield f"## {_text(words.table_title(table))}"
    yield _text(table["source"])
    if reason := not_comparable(table["rows"]):
        yield _text(words.none_comparable(reason))
    if not table["measures"]:
        lines = [table["header"], *(row["cells"] for row in table["rows"])]
        titles, *printed = [[*map(_text, line)] for line in lines]
        yield _grid(titles, printed)
    else:
        measures = judged_first(table, table["rows"])
        header = [
            *map(_text, columns_of(table)),
            *([f"{_text(table['header'][-1])}, paper"] if has_paper(table["rows"]) else []),
            *(f"{_text(measure['title'])} ({_text(label)})" for measure in measures),
            *(["Verdict"] if has_verdicts(table["rows"]) else []),
        ]
        groups = by_batch_size(table)
        for batch_size, rows in groups:
            if len(groups) > 1:
                yield f"Batch size {batch_size}:"
            yield _grid(header, [_row(row, table, measures) for row in rows])
        meanings = [f"{each['title']}: {meaning_of(table, each)}" for each in measures]
        meanings.append(f"intervals: {table['intervals']}")
        if compared := verdicts_compare(table):
            meanings.append(f"verdicts compare: {compared}")
        yield _bullets(meanings)
    remarks = [f"{row['label']}: {words.seeds(row)}" for row in table["rows"] if row["failed"]]
    remarks += [
        f"stale: {reason}"
        for reason in dict.fromkeys(row["stale"] for row in table["rows"] if row["stale"])
    ]
    remarks += table["notes"]
    remarks += [f"in the paper: {text}" for text in table["inconsistencies"]]
    if remarks:
        yield _bullets(remarks)
    for claim in table["claims"]:
        yield from _claim(table, claim)


def _row(row: JSON, table: JSON, measures: Sequence[JSON]) -> list[str]:
    parts = [_text(part) for part in parts_of(row)]
    if row["ours_alone"]:
        parts[0] += " (ours alone)"
    if row["stale"]:
        parts[0] += " (stale)"
    parts += [""] * (len(columns_of(table)) - len(parts))
    candidate = widest(row["paper"])
    printed = _text(printed_of(row))
    if candidate:
        printed += f" {words.interval(candidate['interval'])}"
    shown = [
        _metric(row["measures"].get(each["name"]), signed=each["name"] in words.SIGNED)
        for each in measures
    ]
    found = row["verdict"]
    verdict = (
        f"{words.CELL_SYMBOLS[found['word']]} {_text(found['text'])}" if found else words.NOTHING
    )
    return [
        *parts,
        *([printed] if has_paper(table["rows"]) else []),
        *shown,
        *([verdict] if has_verdicts(table["rows"]) else []),
    ]


def _claim(table: JSON, claim: JSON) -> Iterator[str]:
    yield f"### {_text(claim['id'])}: {_claim_word(claim_word(claim))}"
    yield f"> “{_text(claim['sentence'])}” ({_text(claim['source'])})"
    if not claim["testable"]:
        yield _bullets([f"not testable: {claim['reason']}"])
        return
    lines = [f"tested as: {claim['statement']['text']}"]
    if claim["reason"]:
        lines.append(f"not judged: {claim['reason']}")
    for judgement in claim["judgements"]:
        where = ", ".join(filter(None, [title_of(table, judgement["measure"]), judgement["where"]]))
        check = f" ({words.MECHANISM_CHECK})" if claim["mechanism_check"] else ""
        symbol = words.CLAIM_SYMBOLS[judgement["verdict"]]
        note = f". {judgement['note']}" if judgement["note"] else ""
        lines.append(
            f"{where}: {symbol} {judgement['verdict']}{check}; {words.tests(judgement)}{note}"
        )
        if rows := rows_to_name(table, claim, judgement):
            lines.append(f"{where}: for {', '.join(rows)} alone")
        if against := most_against(judgement):
            lines.append(f"{where}, most against it: {words.comparison(against)}")
    lines.append(f"the paper's own numbers: {words.papers_evidence(claim['paper'])}")
    yield _bullets(lines)


def _control(control: JSON) -> Iterator[str]:
    yield f"## Control: {_text(control['title'])}"
    yield f"{_text(control['question'])} **{_text(control['finding'])}**"
    rows = [
        [
            _text(row["label"]),
            *(
                _metric(cell, signed=words.is_signed(name))
                if is_metric(cell)
                else _text(words.plain_cell(cell))
                for name, cell in zip(control["columns"], row["cells"], strict=True)
            ),
        ]
        for row in control["rows"]
    ]
    yield _grid(["", *map(_text, control["columns"])], rows)
    if control["notes"]:
        yield _bullets(control["notes"])


def _encoder_check(checks: Sequence[JSON]) -> Iterator[str]:
    yield "## What pretraining is worth"
    rows = [
        [
            f"{_text(check['dataset'])} ({check['classes']})",
            words.number(check["chance"]),
            _metric(check["untrained"]),
            _metric(check["pretrained"]),
            _metric(check["difference"], signed=True),
        ]
        for check in checks
    ]
    yield _grid(["Data set", "Chance", "Untrained", "Pretrained", "Difference"], rows)


def _setting(document: JSON) -> Iterator[str]:
    saved = [figure for figure in all_figures(document) if figure["files"]]
    if saved:
        yield "## Figures"
        yield _bullets(f"{words.figure_title(f)}: {', '.join(f['files'])}" for f in saved)
    if document["equal_runs"]:
        yield "## The same experiment, printed more than once"
        yield _bullets(words.sentence(words.equal_runs(each)) for each in document["equal_runs"])
    yield "## Reproducibility checklist"
    rows = [
        [
            _text(c["question"]),
            f"{words.ANSWER_SYMBOLS[c['answer']]} {c['answer']}",
            _text(c["where"]),
        ]
        for c in document["checklist"]
    ]
    yield _grid(["Question", "Answer", "Where"], rows)


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _bullets(lines: Sequence[str] | Iterator[str]) -> str:
    return "\n".join(f"- {_text(line)}" for line in lines)


def _metric(metric: JSON | None, *, signed: bool = False) -> str:
    if metric is None:
        return words.NOTHING
    mean = words.number(metric["mean"], signed=signed)
    return f"{mean} {words.interval(metric['interval'])}"


def _cell_word(word: str) -> str:
    return f"{words.CELL_SYMBOLS[word]} {word}"


def _claim_word(word: str) -> str:
    return f"{words.CLAIM_SYMBOLS[word]} {word}"


def _text(text: str) -> str:
    """A name or a sentence without anything that Markdown would read as markup, on one line."""
    return PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
