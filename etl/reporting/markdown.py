"""`report.md`: the report in brief, to paste into a ticket.

Texts from the data can neither break a table nor become markup: a cell is escaped unless it says that it is `Ready`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from etl.core.name_map import NamePair
from etl.core.report import HelpfulRepair, ReportData, TableReport
from etl.core.row_examples import RowExample
from etl.core.text import counted, duration, moment, name, readable
from etl.reporting.values import example_text
from etl.reporting.verdict import Tone
from etl.reporting.view import (
    Altered,
    Bounded,
    DifferenceGroup,
    Drift,
    Example,
    FailedExpectation,
    Rejects,
    ReportView,
    SchemaChoice,
    view_of,
)

SHOWN_LINES = 15
_SYMBOLS = {Tone.GOOD: "✅", Tone.NOTE: "ℹ️", Tone.CAUTION: "⚠️", Tone.BAD: "❌"}
# What GitHub and GitLab read as markup, HTML, a link, a mention, a reference, mathematics or an emoji, within a line.
# Entities rather than backslashes: a backslash before a pipe is read differently inside and outside of tables.
_SPECIAL = re.compile(r"[\\`*\[\]<>#|~&@$]|:(?=//|\w)|(?<=www)\.|(?<![^\W_])_|_(?![^\W_])", re.IGNORECASE)


class Ready(str):
    """Text that is Markdown already."""


Cell = Ready | str | int | None


def render_markdown(report: ReportData) -> str:
    """The report as Markdown of GitHub's kind, shorter than the page: at most 15 lines of anything but tables."""
    view = view_of(report)
    sections = (
        _heading(view),
        _facts(view),
        _tables(view),
        _left_out(view),
        _rejects(view),
        _helpful(view),
        _altered(view),
        _differences(view),
        _expectations(view),
        _names(view),
        _drift(view),
        _schema(view),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def escaped(text: object) -> Ready:
    """A text from the data: one visible line in which no character means anything to Markdown or HTML."""
    return Ready(_SPECIAL.sub(lambda found: f"&#{ord(found[0])};", readable(text)))


def _heading(view: ReportView) -> Iterator[str]:
    verdict = view.verdict
    yield f"## {_SYMBOLS[verdict.tone]} {verdict.title}"
    yield ""
    if view.report.error:
        yield from _verbatim(view.report.error)
    yield f"- **{verdict.label}** (exit code {view.report.exit_code})"
    yield from (f"- {_SYMBOLS[note.tone]} {note.text}" for note in verdict.notes)
    yield ""


def _verbatim(text: str) -> Iterator[str]:
    """A block of code, its fence longer than any row of backticks in the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield from (fence, *(readable(line) for line in text.splitlines()[:SHOWN_LINES]), fence, "")


def _facts(view: ReportView) -> Iterator[str]:
    report = view.report
    embedded = "embedded " if report.target.embedded else ""
    versions = f"PostgreSQL {escaped(report.target.server_version)}"
    yield f"- Source: {escaped(report.source.path)} (SQLite {escaped(report.source.sqlite_version)})"
    if report.source.absolute_path not in (None, report.source.path):
        yield f"- Source, from the root: {escaped(report.source.absolute_path)}"
    if report.source.sha256 is not None:
        yield f"- SHA-256 of the source: `{escaped(report.source.sha256)}`"
    yield f"- Target: {escaped(report.target.label)} ({embedded}{versions})"
    yield f"- Run: {escaped(report.run_id)}, {moment(report.started_at)}, {duration(report.seconds)}"
    yield f"- Tool: {escaped(view.tool)} {escaped(view.version)}"
    yield ""


def _tables(view: ReportView) -> Iterator[str]:
    if not view.tables:
        return
    totals = [Ready(f"**{view.report.total(column.field):,}**") for column in view.columns]
    yield from _grid(
        ["Table", *(column.heading for column in view.columns)],
        [*(_table(table, view) for table in view.tables), [Ready("**total**"), *totals]],
        numbers=range(1, len(view.columns) + 1),
    )
    if view.folded:
        yield from (f"0 in every table, and so left out here: {', '.join(view.folded).lower()}.", "")


def _table(table: TableReport, view: ReportView) -> list[Cell]:
    shown = escaped(name(table.name if table.target_name is None else f"{table.name} → {table.target_name}"))
    return [
        shown if table.settled else Ready(f"❌ {shown}"),
        *(column.rows(table) for column in view.columns),
    ]


def _left_out(view: ReportView) -> Iterator[str]:
    if view.not_migrated:
        tables = (
            f"{escaped(name(table.name))} ({counted(table.source_rows or 0, 'row')})" for table in view.not_migrated
        )
        done = "not compared" if view.report.compares_only else "not migrated"
        yield f"Only in the source, **{done}**: {', '.join(tables)}."
        yield ""
    if view.left_out:
        tables = (f"{escaped(name(table.name))} ({counted(table.source_rows or 0, 'row')})" for table in view.left_out)
        yield f"Left out, as the map says: {', '.join(tables)}."
        yield ""
    if view.missing_in_source:
        yield f"Only in the target, skipped: {', '.join(escaped(name(table)) for table in view.missing_in_source)}."
        yield ""


def _rejects(view: ReportView) -> Iterator[str]:
    rows: list[list[Cell]] = [
        [item.rows, _place(item), item.reason, _examples(item.examples), name(item.file)] for item in view.rejects.items
    ]
    headings = ["Rows", "Where", "Reason", "Such as", "File"]
    yield from _section("Rejected rows", headings, rows, view.rejects, numbers=[0])
    others: list[list[Cell]] = [
        [item.rows, _place(item), item.reason, name(item.file)] for item in view.other_faults.items
    ]
    yield from _section(
        "Further faults of these rows", ["Rows", "Where", "Reason", "File"], others, view.other_faults, numbers=[0]
    )


def _helpful(view: ReportView) -> Iterator[str]:
    rows: list[list[Cell]] = [[item.rows, item.alone_rows, _place(item), item.option] for item in view.helpful.items]
    headings = ["Rejected rows", "By itself", "Where", "Option"]
    yield from _section("Repairs that would let rows in", headings, rows, view.helpful, numbers=[0, 1])


def _altered(view: ReportView) -> Iterator[str]:
    rows: list[list[Cell]] = [
        [item.values, item.confirmed, _place(item), item.repair, item.file and name(item.file)]
        for item in view.altered.items
    ]
    headings = ["Altered by the load", "Confirmed by the comparison", "Where", "Repair", "File"]
    yield from _section("Values that repairs have altered", headings, rows, view.altered, numbers=[0, 1])


def _differences(view: ReportView) -> Iterator[str]:
    kinds: list[list[Cell]] = [
        [kind.rows, _place(kind), _kind(kind), name(kind.file)] for kind in view.difference_groups.items
    ]
    headings = ["Rows", "Where", "Kind", "File"]
    yield from _section("Differences", headings, kinds, view.difference_groups, numbers=[0])
    examples: list[list[Cell]] = [
        [_place(item), item.key, str(item.source), str(item.target)] for item in view.examples.items
    ]
    headings = ["Where", "Row", "In the source", "In the target"]
    yield from _section("Examples of differences", headings, examples, view.examples)


def _examples(rows: Sequence[RowExample]) -> str:
    return "; ".join(map(example_text, rows)) or "–"


def _kind(group: DifferenceGroup) -> str:
    before = " (in a row that was there before)" if group.present_before else ""
    return group.kind + (f": {group.shift}" if group.shift else "") + before


def _expectations(view: ReportView) -> Iterator[str]:
    failed = view.expectations_failed
    rows: list[list[Cell]] = [
        [
            *(item.rows, _place(item), _expected(item), item.severity, _examples(item.examples)),
            None if item.file is None else name(item.file),
        ]
        for item in failed.items
    ]
    headings = ["Rows", "Where", "Expectation", "Severity", "Such as", "File"]
    yield from _section("Expectations that did not hold", headings, rows, failed, numbers=[0])


def _drift(view: ReportView) -> Iterator[str]:
    rows: list[list[Cell]] = [[_place(item), item.what, item.values, item.action] for item in view.drift.items]
    headings = ["Where", "What", "Values", "What was done"]
    yield from _section("How the two schemas differ", headings, rows, view.drift, numbers=[2])


def _names(view: ReportView) -> Iterator[str]:
    rows: list[list[Cell]] = [[_place(pair), name(pair.target), str(pair.by)] for pair in view.names.items]
    yield from _section("Names paired", ["In the source", "In the target", "Paired by"], rows, view.names)


def _schema(view: ReportView) -> Iterator[str]:
    schema = view.schema
    broken: list[list[Cell]] = [[item.table, item.name, item.declared, item.rows] for item in schema.unvalidated.items]
    headings = ["Table", "Constraint", "In the source", "Rows"]
    yield from _section("Constraints that rows break (NOT VALID)", headings, broken, schema.unvalidated, numbers=[3])
    choices: list[list[Cell]] = [
        [_place(item), item.declared, item.became, item.values, item.reason] for item in schema.choices.items
    ]
    headings = ["Where", "Declared", "Became", "Values", "Why"]
    yield from _section("Other than declared", headings, choices, schema.choices, numbers=[3])
    lost: list[list[Cell]] = [[item.kind, item.name, item.table, item.reason] for item in schema.not_carried.items]
    yield from _section("Not carried", ["What", "Name", "Table", "Why"], lost, schema.not_carried)


def _expected(item: FailedExpectation) -> str:
    found = f": {item.observed}" if item.observed else ""
    return f"{item.meaning}{found} ({item.expectation})" if item.meaning else item.expectation


Placed = (
    Rejects | HelpfulRepair | Altered | DifferenceGroup | Example | FailedExpectation | Drift | NamePair | SchemaChoice
)


def _place(item: Placed) -> str:
    return name(item.table) if item.column is None else f"{name(item.table)}.{name(item.column)}"


def _section(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    all_of_them: Bounded[object],
    numbers: Sequence[int] = (),
) -> Iterator[str]:
    if not rows:
        return
    yield from (f"### {title}", "")
    yield from _grid(headings, rows[:SHOWN_LINES], numbers)
    more = all_of_them.more + max(0, len(rows) - SHOWN_LINES)
    if more:
        yield from (f"… and {more:,} more in report.json.", "")


def _grid(headings: Sequence[str], rows: Iterable[Sequence[Cell]], numbers: Sequence[int]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + "|".join(" ---: " if place in numbers else " --- " for place in range(len(headings))) + "|"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)
    yield ""


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, Ready) else escaped(value)
