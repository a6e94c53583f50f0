"""What a rendered report shows, section by section, as plain values: ordered, bounded and masked, but not yet escaped.

HTML and Markdown are made of this, so that both say the same.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from etl.core.difference_kinds import DifferenceKind
from etl.core.drift import DRIFT_WORDS
from etl.core.name_map import NamePair
from etl.core.proposal import NotCarried
from etl.core.redaction import HIDDEN, is_secret
from etl.core.report import (
    TOOL,
    AlteredReport,
    DifferenceTotal,
    DriftReport,
    ExpectationReport,
    HelpfulRepair,
    RejectGroup,
    ReportData,
    SchemaReport,
    Status,
    TableReport,
    Unvalidated,
)
from etl.core.row_examples import RowExample
from etl.core.text import shift
from etl.core.version import __version__
from etl.files.reject_files import REJECTS, WARNED_ROWS_KEPT, rows_file
from etl.reporting.charts import Chart, difference_chart, reject_chart
from etl.reporting.values import Excerpt, excerpts, key_text
from etl.reporting.verdict import Sums, Verdict, sums_of, verdict_of

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)

SHOWN_GROUPS = 60  # rejects by reason, differences by kind, failed expectations
SHOWN_EXAMPLES = 40
EXAMPLES_PER_GROUP = 3
MOST_DIGITS = 60  # of a line of the table of tables, in letters of the usual size
_QUOTED_VALUE = re.compile(r': ".*"', re.DOTALL)  # PostgreSQL: invalid input value for enum kind: "…"


@dataclass(frozen=True)
class Rejects:
    """Rejected rows with the same fault, a few of them, and the file that holds all."""

    table: str
    stage: str
    column: str | None
    reason: str
    kind: str  # the reason in a word or two, where it has a code
    rows: int
    examples: tuple[RowExample, ...]
    file: str


@dataclass(frozen=True)
class FailedExpectation:
    """An expectation that does not hold, a few of the rows that fail it, and the file that holds them.

    `rows_left_out`: so many are not in the file. `meaning` is the expectation in plain English, `observed` what was
    found.
    """

    table: str
    column: str | None
    expectation: str
    severity: str
    critical: bool
    notes: str
    rows: int
    examples: tuple[RowExample, ...]
    file: str | None
    rows_left_out: int
    meaning: str
    observed: str


@dataclass(frozen=True)
class Altered:
    """Values of a column that a repair has altered, as the load and the comparison count them, and the load's file."""

    table: str
    column: str
    repair: str
    values: int | None
    confirmed: int | None
    file: str | None


@dataclass(frozen=True)
class DifferenceGroup:
    """Rows of a table that differ in one way, and the file that holds them. `shift` is "" but for shifted times."""

    table: str
    column: str | None
    kind: str
    rows: int
    shift: str
    present_before: bool
    file: str


@dataclass(frozen=True)
class Example:
    """One difference. `storage` is the storage class of the source's value."""

    table: str
    key: str
    column: str | None
    kind: str
    source: Excerpt
    storage: str
    target: Excerpt


@dataclass(frozen=True)
class Timing:
    """A stage's time; `share` is that of the longest stage, 0 to 1."""

    stage: str
    seconds: float
    share: float


@dataclass(frozen=True)
class Drift:
    """A difference of the schemas in words."""

    table: str
    column: str | None
    what: str
    values: int | None
    action: str
    settled: bool


@dataclass(frozen=True)
class Bounded(Generic[Item_co]):
    """The first of many; `more` are left out."""

    items: tuple[Item_co, ...]
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.items)


@dataclass(frozen=True)
class Column:
    """A count that stands in the table of tables.

    `finding`: anything but 0 needs somebody's attention, except for the rows in the count named by `excused`. The
    column gives way to the count named by `unless`, which has the same rows. It is folded away where it is 0 in every
    table, but for those that are `always` there.
    """

    field: str
    heading: str
    finding: bool = False
    excused: str | None = None
    unless: str | None = None
    always: bool = False

    def rows(self, table: TableReport) -> int | None:
        """The count of a table; None where it was not made."""
        return getattr(table, self.field)  # type: ignore[no-any-return]

    def is_finding(self, table: TableReport) -> bool:
        """Whether the table's count needs attention."""
        excused = 0 if self.excused is None else getattr(table, self.excused) or 0
        return self.finding and (self.rows(table) or 0) != excused

    def is_finding_in(self, tables: Sequence[TableReport]) -> bool:
        """Whether the count of any of the tables needs attention."""
        return any(map(self.is_finding, tables))


_COLUMNS = (
    Column("source_rows", "Source", always=True),
    Column("loaded_rows", "Loaded", always=True),
    Column("inserted_rows", "Inserted", always=True),
    Column("updated_rows", "Updated", always=True),
    Column("kept_rows", "Kept", finding=True),
    Column("deleted_rows", "Deleted"),
    Column("overruled_rows", "Altered by the target", finding=True),
    Column("present_rows", "Present"),
    Column("present_different_rows", "Present but different", finding=True, unless="different_rows"),
    Column("rejected_rows", "Rejected", finding=True),
    Column("unaccounted_rows", "Unaccounted", finding=True),
    Column("altered_rows", "Altered"),
    Column("target_rows_before", "Target before"),
    Column("target_rows_after", "Target after", always=True),
    Column("matched_rows", "Matched", always=True),
    Column("mended_rows", "As mended"),
    Column("different_rows", "Different", finding=True),
    Column("missing_rows", "Missing", finding=True),
    Column("extra_rows", "Extra", finding=True, excused="extra_present_rows"),
)


@dataclass(frozen=True)
class SchemaChoice:
    """Something of a created schema that is other than declared; `values` are to blame, `example` is one of them."""

    table: str
    column: str | None
    declared: str
    became: str
    reason: str
    values: int | None
    example: str


@dataclass(frozen=True)
class SchemaView:
    """What was created, what became other than declared, what PostgreSQL checks on new rows only, what is missing."""

    tables: int
    choices: Bounded[SchemaChoice]
    unvalidated: Bounded[Unvalidated]
    not_carried: Bounded[NotCarried]


@dataclass(frozen=True)
class ReportView:
    """Everything that is shown."""

    report: ReportData
    tool: str
    version: str
    verdict: Verdict
    sums: Sums
    tables: tuple[TableReport, ...]  # with findings first, else in the order of the load
    columns: tuple[Column, ...]
    dense: bool
    folded: tuple[str, ...]  # headings of columns that are 0 in every table
    not_migrated: tuple[TableReport, ...]
    missing_in_source: tuple[str, ...]
    rejects: Bounded[Rejects]
    other_faults: Bounded[Rejects]
    helpful: Bounded[HelpfulRepair]
    altered: Bounded[Altered]
    difference_groups: Bounded[DifferenceGroup]
    reject_chart: Chart
    difference_chart: Chart
    examples: Bounded[Example]
    narrowed: Bounded[DifferenceTotal]
    expectations_held: int
    expectations_failed: Bounded[FailedExpectation]
    warnings: int
    left_out: tuple[TableReport, ...]
    names: Bounded[NamePair]
    drift: Bounded[Drift]
    schema: SchemaView
    timings: tuple[Timing, ...]


def view_of(report: ReportData) -> ReportView:
    """Prepares a report for its readers."""
    failed = [_failed(item) for item in report.expectations if not item.success]
    rejects = [_rejects(group) for group in report.rejects]
    totals = sorted(report.difference_kinds, key=lambda total: -total.rows)
    narrowed = [total for total in totals if total.kind == DifferenceKind.NARROWED]
    differing = [_difference_group(total) for total in totals if total.kind != DifferenceKind.NARROWED]
    by_status = {status: [table for table in report.tables if table.status is status] for status in Status}
    tables = by_status[Status.MIGRATED]
    columns = _columns(report, tables)
    return ReportView(
        report=report,
        tool=TOOL,
        version=__version__,
        verdict=verdict_of(report),
        sums=sums_of(report),
        tables=tuple(sorted(tables, key=lambda table: table.settled)),
        columns=tuple(column for column in columns if column.always or _is_anywhere(column, tables)),
        dense=_digits(report, columns) > MOST_DIGITS,
        folded=tuple(column.heading for column in columns if not (column.always or _is_anywhere(column, tables))),
        not_migrated=tuple(by_status[Status.NOT_MIGRATED]),
        missing_in_source=tuple(table.name for table in by_status[Status.MISSING_IN_SOURCE]),
        rejects=_bounded(rejects, SHOWN_GROUPS),
        other_faults=_bounded([_rejects(group) for group in report.other_faults], SHOWN_GROUPS),
        difference_groups=_bounded(_together(differing), SHOWN_GROUPS),
        reject_chart=reject_chart((group.kind, group.rows) for group in rejects),
        difference_chart=difference_chart(report.difference_kinds),
        helpful=_bounded(report.helpful, SHOWN_GROUPS),
        altered=_bounded([_altered(item) for item in report.altered], SHOWN_GROUPS),
        examples=_examples(report.differences),
        narrowed=_bounded(narrowed, SHOWN_GROUPS),
        expectations_held=len(report.expectations) - len(failed),
        expectations_failed=_bounded(sorted(failed, key=lambda item: not item.critical), SHOWN_GROUPS),
        warnings=sum(not item.critical for item in failed),
        drift=_bounded([_drift(item) for item in report.drift if item.kind in DRIFT_WORDS], SHOWN_GROUPS),
        left_out=tuple(by_status[Status.LEFT_OUT]),
        names=_bounded(report.names, SHOWN_GROUPS),
        schema=_schema_view(report.schema),
        timings=_timings(report.timings),
    )


def _schema_view(schema: SchemaReport | None) -> SchemaView:
    if schema is None:
        return SchemaView(0, Bounded(()), Bounded(()), Bounded(()))
    choices = [
        SchemaChoice(
            item.table,
            item.column,
            item.declared,
            item.became,
            item.reason,
            item.values,
            "" if item.example is None else item.example,
        )
        for item in schema.choices
    ]
    return SchemaView(
        len(schema.tables),
        _bounded(choices, SHOWN_GROUPS),
        _bounded(schema.unvalidated, SHOWN_GROUPS),
        _bounded(schema.not_carried, SHOWN_GROUPS),
    )


def _columns(report: ReportData, tables: Sequence[TableReport]) -> list[Column]:
    """The counts that were made. A comparison alone has one count of the target, the same before and after."""
    made = [column for column in _COLUMNS if any(column.rows(table) is not None for table in tables)]
    made = [column for column in made if column.unless is None or not _is_everywhere(column.unless, tables)]
    if not report.compares_only:
        return made
    ours = [column for column in made if column.field != "target_rows_before"]
    return [replace(column, heading="Target") if column.field == "target_rows_after" else column for column in ours]


def _digits(report: ReportData, columns: Sequence[Column]) -> int:
    """How many characters the totals take, beside each other."""
    return sum(len(f"{report.total(column.field):,}") for column in columns)


def _is_anywhere(column: Column, tables: Sequence[TableReport]) -> bool:
    return any(map(column.rows, tables))


def _is_everywhere(field: str, tables: Sequence[TableReport]) -> bool:
    return all(getattr(table, field) is not None for table in tables)


def _bounded(items: Sequence[Item], most: int) -> Bounded[Item]:
    return Bounded(tuple(items[:most]), max(0, len(items) - most))


def _rejects(group: RejectGroup) -> Rejects:
    secret = group.column is not None and is_secret(group.column)
    reason = _QUOTED_VALUE.sub(f": {HIDDEN}", group.reason) if secret else group.reason
    file = group.file or rows_file(REJECTS, group.table)
    kind = reason if group.code is None else group.code.replace("_", " ")
    return Rejects(group.table, group.stage, group.column, reason, kind, group.rows, group.examples, file)


def _failed(item: ExpectationReport) -> FailedExpectation:
    return FailedExpectation(
        table=item.table,
        column=item.column,
        expectation=item.expectation,
        severity=item.severity,
        critical=item.critical,
        notes=item.notes,
        rows=item.unexpected_rows,
        examples=item.examples,
        file=item.file,
        rows_left_out=0 if item.critical or not item.file else max(0, item.unexpected_rows - WARNED_ROWS_KEPT),
        meaning=item.meaning,
        observed=item.observed,
    )


def _altered(item: AlteredReport) -> Altered:
    file = None if item.values is None else rows_file("altered", item.table)
    return Altered(item.table, item.column, item.repair, item.values, item.confirmed, file)


def _difference_group(total: DifferenceTotal) -> DifferenceGroup:
    return DifferenceGroup(
        table=total.table,
        column=total.column,
        kind=DifferenceKind(total.kind).words,
        rows=total.rows,
        shift=_shift(total),
        present_before=total.present_before,
        file=rows_file("differences", total.table),
    )


def _together(groups: Sequence[DifferenceGroup]) -> list[DifferenceGroup]:
    """Shifts that read the same, since they differ by seconds, as one."""
    rows: Counter[DifferenceGroup] = Counter()
    for group in groups:
        rows[replace(group, rows=0)] += group.rows
    return [replace(group, rows=count) for group, count in rows.most_common()]


def _shift(total: DifferenceTotal) -> str:
    if total.shift_seconds is None:
        return ""
    return shift(total.shift_seconds) + (", the whole column" if total.whole_column else "")


def _examples(differences: Sequence[Mapping[str, object]]) -> Bounded[Example]:
    """A few of each kind, side by side, so that the many of one do not hide the others."""
    groups: dict[tuple[object, object, object], list[Mapping[str, object]]] = {}
    for item in differences:
        groups.setdefault((item["table"], item["column"], item["kind"]), []).append(item)
    of_each = max(1, min(EXAMPLES_PER_GROUP, SHOWN_EXAMPLES // max(1, len(groups))))
    chosen = [item for group in groups.values() for item in group[:of_each]]
    shown = tuple(map(_example, chosen[:SHOWN_EXAMPLES]))
    return Bounded(shown, len(differences) - len(shown))


def _example(item: Mapping[str, object]) -> Example:
    column = None if item["column"] is None else str(item["column"])
    source, target = excerpts(item["source"], item["target"], column=column, row_lacking=column is None)
    return Example(
        table=str(item["table"]),
        key=key_text(item["key"], rowid=item.get("rowid")),
        column=column,
        kind=DifferenceKind(str(item["kind"])).words,
        source=source,
        storage="" if column is None else str(item.get("storage") or ""),
        target=target,
    )


def _drift(item: DriftReport) -> Drift:
    return Drift(item.table, item.column, DRIFT_WORDS.get(item.kind, item.kind), item.values, item.action, item.settled)


def _timings(timings: Mapping[str, float]) -> tuple[Timing, ...]:
    longest = max(timings.values(), default=0) or 1
    return tuple(Timing(stage, seconds, seconds / longest) for stage, seconds in timings.items())
