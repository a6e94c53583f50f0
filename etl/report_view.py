"""What a rendered report shows, section by section, as plain values: ordered, bounded and masked, but not yet escaped.

HTML and Markdown are made of this, so that both say the same.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

from etl.difference_kinds import DifferenceKind
from etl.masking import HIDDEN, is_secret
from etl.rejects import file_name
from etl.report import DriftReport, ExpectationReport, RejectGroup, Report, Status, TableReport
from etl.report_values import Excerpt, excerpts, key_text
from etl.report_verdict import Sums, Verdict, sums_of, verdict_of

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)

SHOWN_GROUPS = 60  # rejects by reason, differences by kind, failed expectations
SHOWN_EXAMPLES = 40
EXAMPLES_PER_GROUP = 3
_DRIFT_WORDS = {
    "column_missing_in_target": "column only in the source",
    "column_missing_in_source": "column only in the target",
    "generated_in_target": "column that the target computes",
}
_QUOTED_VALUE = re.compile(r': ".*"', re.DOTALL)  # PostgreSQL: invalid input value for enum kind: "…"


@dataclass(frozen=True)
class Rejects:
    """Rejected rows with the same fault, and the file that holds them."""

    table: str
    stage: str
    column: str | None
    reason: str
    rows: int
    file: str


@dataclass(frozen=True)
class DifferenceGroup:
    """Rows of a table whose values differ in one way. `at_least`: counted in the sample only.

    `finding` is False where the target's own type narrowed the values: counted, but no difference.
    """

    table: str
    column: str | None
    kind: str
    rows: int
    at_least: bool
    finding: bool
    shift_seconds: float | None
    file: str


@dataclass(frozen=True)
class Example:
    """One difference."""

    table: str
    key: str
    column: str | None
    kind: str
    source: Excerpt
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


@dataclass(frozen=True)
class Bounded(Generic[Item_co]):
    """The first of many; `more` are left out."""

    items: tuple[Item_co, ...]
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.items)


@dataclass(frozen=True)
class Column:
    """A count that stands in the table of tables. `finding`: anything but 0 needs somebody's attention."""

    field: str
    heading: str
    finding: bool = False
    only_if_any: bool = False


_COLUMNS = (
    Column("source_rows", "Source"),
    Column("loaded_rows", "Loaded"),
    Column("present_rows", "Present"),
    Column("present_different_rows", "Present, other content", finding=True, only_if_any=True),
    Column("rejected_rows", "Rejected", finding=True),
    Column("unaccounted_rows", "Unaccounted", finding=True),
    Column("target_rows_before", "Target before", only_if_any=True),
    Column("target_rows_after", "Target after"),
    Column("matched_rows", "Matched"),
    Column("different_rows", "Different", finding=True),
    Column("missing_rows", "Missing", finding=True),
    Column("extra_rows", "Extra"),
)


@dataclass(frozen=True)
class ReportView:
    """Everything that is shown."""

    report: Report
    tool: str
    version: str
    verdict: Verdict
    sums: Sums
    tables: tuple[TableReport, ...]  # with findings first, else in the order of the load
    columns: tuple[Column, ...]
    not_migrated: tuple[TableReport, ...]
    missing_in_source: tuple[str, ...]
    rejects: Bounded[Rejects]
    difference_kinds: Bounded[DifferenceGroup]
    examples: Bounded[Example]
    expectations_held: int
    expectations_failed: Bounded[ExpectationReport]
    drift: Bounded[Drift]
    timings: tuple[Timing, ...]


def view_of(report: Report) -> ReportView:
    """Prepares a report for its readers."""
    document: dict[str, object] = orjson.loads(report.to_json())
    tool = _entry(document["tool"])
    differences = _entries(document, "differences")
    failed = [item for item in report.expectations if not item.success]
    by_status = {status: [table for table in report.tables if table.status is status] for status in Status}
    return ReportView(
        report=report,
        tool=str(tool["name"]),
        version=str(tool["version"]),
        verdict=verdict_of(report),
        sums=sums_of(report),
        tables=tuple(sorted(by_status[Status.MIGRATED], key=lambda table: table.settled)),
        columns=tuple(column for column in _COLUMNS if _is_worth_showing(column, by_status[Status.MIGRATED])),
        not_migrated=tuple(by_status[Status.NOT_MIGRATED]),
        missing_in_source=tuple(table.name for table in by_status[Status.MISSING_IN_SOURCE]),
        rejects=_bounded([_rejects(group) for group in report.rejects], SHOWN_GROUPS),
        difference_kinds=_bounded(_kinds(_entries(document, "difference_kinds"), differences), SHOWN_GROUPS),
        examples=_examples(differences),
        expectations_held=len(report.expectations) - len(failed),
        expectations_failed=_bounded(failed, SHOWN_GROUPS),
        drift=_bounded([_drift(item) for item in report.drift if item.column is not None], SHOWN_GROUPS),
        timings=_timings(report.timings),
    )


def _is_worth_showing(column: Column, tables: Sequence[TableReport]) -> bool:
    values = [getattr(table, column.field) for table in tables]
    return any(values) if column.only_if_any else any(value is not None for value in values)


def _entry(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"a report's entries are objects, not {type(value).__name__}")
    return value


def _entries(document: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    values = document.get(name, [])
    if not isinstance(values, list):
        raise TypeError(f"{name} of a report is a list, not {type(values).__name__}")
    return [_entry(value) for value in values]


def _bounded(items: Sequence[Item], most: int) -> Bounded[Item]:
    return Bounded(tuple(items[:most]), max(0, len(items) - most))


def _name(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _rejects(group: RejectGroup) -> Rejects:
    secret = group.column is not None and is_secret(group.column)
    reason = _QUOTED_VALUE.sub(f": {HIDDEN}", group.reason) if secret else group.reason
    return Rejects(group.table, group.stage, group.column, reason, group.rows, _file("rejects", group.table))


def _file(folder: str, table: str) -> str:
    return f"{folder}/{file_name(table + '.ndjson')}"


def _kinds(kinds: list[Mapping[str, object]], differences: list[Mapping[str, object]]) -> list[DifferenceGroup]:
    """Differences by table, column and kind, the most frequent first; without such counts, those of the sample."""
    if kinds:
        found = [_kind(item, _whole(item["rows"]), at_least=False) for item in kinds]
    else:
        counts = Counter(map(_group, differences))
        first = {_group(item): item for item in reversed(differences)}
        found = [_kind(first[group], rows, at_least=True) for group, rows in counts.items()]
    return sorted(found, key=lambda kind: -kind.rows)


def _group(difference: Mapping[str, object]) -> tuple[object, object, object]:
    return difference["table"], difference["column"], difference["kind"]


def _kind(item: Mapping[str, object], rows: int, *, at_least: bool) -> DifferenceGroup:
    table, moved = str(item["table"]), item.get("shift_seconds")
    return DifferenceGroup(
        table=table,
        column=_name(item["column"]),
        kind=_kind_words(item["kind"]),
        rows=rows,
        at_least=at_least,
        finding=item["kind"] != DifferenceKind.NARROWED,
        shift_seconds=float(moved) if isinstance(moved, int | float) else None,
        file=_file("differences", table),
    )


def _kind_words(kind: object) -> str:
    try:
        return DifferenceKind(str(kind)).words
    except ValueError:
        return str(kind)


def _examples(differences: list[Mapping[str, object]]) -> Bounded[Example]:
    """A few of each kind, side by side, so that the many of one do not hide the others."""
    groups: dict[tuple[object, object, object], list[Mapping[str, object]]] = {}
    for difference in differences:
        groups.setdefault(_group(difference), []).append(difference)
    of_each = max(1, min(EXAMPLES_PER_GROUP, SHOWN_EXAMPLES // max(1, len(groups))))
    chosen = [difference for group in groups.values() for difference in group[:of_each]]
    shown = tuple(map(_example, chosen[:SHOWN_EXAMPLES]))
    return Bounded(shown, len(differences) - len(shown))


def _example(item: Mapping[str, object]) -> Example:
    column = _name(item["column"])
    source, target = excerpts(item["source"], item["target"], column=column, row_lacking=column is None)
    return Example(str(item["table"]), key_text(item["key"]), column, _kind_words(item["kind"]), source, target)


def _drift(item: DriftReport) -> Drift:
    return Drift(item.table, item.column, _DRIFT_WORDS.get(item.kind, item.kind), item.values, item.action)


def _timings(timings: Mapping[str, float]) -> tuple[Timing, ...]:
    longest = max(timings.values(), default=0) or 1
    return tuple(Timing(stage, seconds, seconds / longest) for stage, seconds in timings.items())
