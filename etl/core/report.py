"""The result of a run as data: what `report.json` holds. It knows no renderer.

Its JSON form is the evidence of a load; the field names are a contract.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import orjson

from etl.core.drift import Drift
from etl.core.name_map import NamePair
from etl.core.proposal import Choice, NotCarried
from etl.core.redaction import with_controls_escaped
from etl.core.rejects import TableFault
from etl.core.version import __version__

TOOL = "sqlite-to-postgres-etl"
REPORT_FILE = "report.json"
HTML_FILE = "report.html"
MARKDOWN_FILE = "report.md"
PARTS_FILE = "parts.ndjson"  # of a load by workers


class Outcome(StrEnum):
    """How a run ended."""

    RECONCILED = "reconciled"
    DIFFERENCES = "differences"
    FAILED = "failed"
    DRY_RUN = "dry-run"
    UNCONFIRMED = "unconfirmed"


class Status(StrEnum):
    """What was done with a table."""

    MIGRATED = "migrated"
    MISSING_IN_SOURCE = "missing_in_source"
    NOT_MIGRATED = "not_migrated"
    LEFT_OUT = "left_out"  # by the user's map


@dataclass(frozen=True)
class TableReport:
    """One table's accounting. Every source row is loaded, present or rejected; what is left over must be 0.

    In a dry run the numbers are the forecast. The numbers of the value comparison (matched, different, missing, extra)
    are None until it was made; `extra_present_rows` are the extra rows that the target is known to have had before.
    """

    name: str
    status: Status
    source_rows: int | None = None
    loaded_rows: int | None = None
    present_rows: int | None = None
    present_different_rows: int | None = None
    rejected_rows: int | None = None
    unaccounted_rows: int | None = None
    target_rows_before: int | None = None
    target_rows_after: int | None = None
    matched_rows: int | None = None
    different_rows: int | None = None
    missing_rows: int | None = None
    extra_rows: int | None = None
    extra_present_rows: int | None = None
    seconds: float = 0.0
    target_name: str | None = None  # the target's name for the table where it is another

    @property
    def settled(self) -> bool:
        """Whether every source row arrived: nothing rejected, unaccounted, different or not migrated."""
        if self.status is Status.LEFT_OUT:
            return True
        if self.status is Status.NOT_MIGRATED:
            return not self.source_rows
        faults = (
            self.rejected_rows,
            self.unaccounted_rows,
            self.present_different_rows,
            self.different_rows,
            self.missing_rows,
            (self.extra_rows or 0) - (self.extra_present_rows or 0),
            self._rows_gone_astray,
        )
        return not any(faults)

    @property
    def in_doubt(self) -> bool:
        """Whether rows are unaccounted for, or differ for a reason that is not known: a damaged source shows both."""
        unknown = (self.different_rows or 0) - (self.present_different_rows or 0)
        extra = (self.extra_rows or 0) - (self.extra_present_rows or 0)
        return any((self.unaccounted_rows, self.missing_rows, unknown, extra))

    @property
    def _rows_gone_astray(self) -> int:
        """Rows by which the target grew more or less than was loaded (triggers, rules, other writers)."""
        if self.target_rows_after is None:
            return 0
        return self.target_rows_after - (self.target_rows_before or 0) - (self.loaded_rows or 0)


@dataclass(frozen=True)
class RejectGroup:
    """Rejected rows of one table that share a fault. `code` is a `RejectRule`, which `reason` says in words."""

    table: str
    stage: str
    column: str | None
    reason: str
    rows: int
    code: str | None = None  # reports of older versions have none


def reject_groups(rejects: Counter[TableFault]) -> tuple[RejectGroup, ...]:
    """Rejected rows by table, stage, column and fault, the most frequent first."""
    return tuple(
        RejectGroup(table, fault.stage, fault.column, fault.words, rows, fault.code)
        for (table, fault), rows in rejects.most_common()
    )


@dataclass(frozen=True)
class SequenceReport:
    """A sequence as read back after the load."""

    sequence: str
    table: str
    column: str
    last_value: int
    next_value: int


@dataclass(frozen=True)
class DriftReport:
    """A difference of the schemas, the number of values concerned, and what was done about it.

    `kind` is a `DriftKind`; `code` is a `DriftAction`, which `action` says in words. Not `settled`: values that did not
    arrive, and nobody is known to have decided that.
    """

    table: str
    column: str | None
    kind: str
    values: int | None
    action: str
    settled: bool = True
    code: str | None = None

    @classmethod
    def of(cls, drift: Drift, *, settled: bool = True) -> "DriftReport":
        """A difference that the plan has found."""
        return cls(drift.table, drift.column, drift.kind, drift.values, drift.action, settled, drift.code)


@dataclass(frozen=True)
class ExpectationReport:
    """An expectation over all rows of a table: how many failed it, and whether that is a failure."""

    table: str
    expectation: str
    column: str | None
    severity: str
    unexpected_rows: int
    judged_rows: int
    success: bool
    notes: str


@dataclass(frozen=True)
class Difference:
    """One cell that differs, or (where `column` is None) a row that only one side has.

    `column` and the names of `key` are the source's, `target_column` is the target's name where it is another; `source`
    as SQLite stores it, of the storage class `storage`; `target` as text, a whole row as a mapping. `shift_seconds`:
    how much later the target's time is. `present_before`: the target had the row before this run. `kind` is a
    `DifferenceKind`.
    """

    table: str
    key: Mapping[str, object] | None
    column: str | None
    source: object
    storage: str | None
    target: object
    kind: str
    shift_seconds: float | None = None
    present_before: bool = False
    rowid: int | None = None
    target_column: str | None = None

    def to_dict(self) -> dict[str, object]:
        """For JSON; without `asdict`'s copies, which would cost more than the comparison where all rows differ."""
        return dict(vars(self))


@dataclass(frozen=True)
class DifferenceTotal:
    """Rows of a column that differ in the same way. `whole_column`: every value of the column is shifted by this.

    The kind `narrowed_by_type` (the target's type holds fewer digits) is counted here, but is no difference.
    """

    table: str
    column: str | None
    kind: str
    rows: int
    shift_seconds: float | None = None
    whole_column: bool = False
    present_before: bool = False


@dataclass(frozen=True)
class RewrittenReport:
    """Values of a column that PostgreSQL spells otherwise, with the same meaning; up to three examples of both."""

    table: str
    column: str
    rows: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Unvalidated:
    """A constraint that rows of the source break: it is NOT VALID, so that PostgreSQL checks new rows only.

    `rows`: how many break it, where that is known. `declared` is SQLite's text of it.
    """

    table: str
    name: str
    kind: str
    declared: str
    rows: int | None


@dataclass(frozen=True)
class SchemaReport:
    """What a load created, where it became other than declared, and what of the source's schema is not carried."""

    tables: tuple[str, ...]
    choices: tuple[Choice, ...]
    unvalidated: tuple[Unvalidated, ...]
    not_carried: tuple[NotCarried, ...]


@dataclass(frozen=True)
class SourceReport:
    """Which file was read."""

    path: str
    bytes: int
    sqlite_version: str


@dataclass(frozen=True)
class TargetReport:
    """Which database was written; the URL holds no password, and `schema` is the one that was asked for, if any."""

    url: str
    server_version: str
    embedded: bool
    schema: str | None = None

    @property
    def name(self) -> str:
        """The URL, and the schema where one was asked for."""
        return self.url if self.schema is None else f"{self.url}, schema {self.schema}"


def all_settled(tables: Iterable[TableReport], drift: Iterable[DriftReport]) -> bool:
    """Whether every source row and every value arrived, or was left out by somebody's decision."""
    return all(table.settled for table in tables) and all(item.settled for item in drift)


@dataclass(frozen=True)
class ReportData:
    """Everything that a run has to say for itself."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    source: SourceReport
    target: TargetReport
    tables: tuple[TableReport, ...] = ()
    sequences: tuple[SequenceReport, ...] = ()
    rejects: tuple[RejectGroup, ...] = ()
    drift: tuple[DriftReport, ...] = ()
    expectations: tuple[ExpectationReport, ...] = ()
    differences: tuple[Mapping[str, object], ...] = ()
    difference_kinds: tuple[DifferenceTotal, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    validated: bool = True
    reconciled: bool = True
    folder: Path | None = None
    error: str | None = None
    remarks: tuple[str, ...] = ()
    rewritten: tuple[RewrittenReport, ...] = ()
    names: tuple[NamePair, ...] = ()
    schema: SchemaReport | None = None

    @property
    def settled(self) -> bool:
        """Whether everything arrived, in every table."""
        return all_settled(self.tables, self.drift)

    @property
    def compares_only(self) -> bool:
        """Whether nothing was to be loaded: a comparison alone."""
        migrated = [table for table in self.tables if table.status is Status.MIGRATED]
        return bool(migrated) and all(table.loaded_rows is None for table in migrated)

    @property
    def exit_code(self) -> int:
        """0 where everything is settled, 1 where the run failed, 3 where something needs somebody's attention."""
        if self.outcome is Outcome.FAILED:
            return 1
        return 0 if self.settled and self.outcome is not Outcome.UNCONFIRMED else 3

    @property
    def seconds(self) -> float:
        """Wall-clock time of the run."""
        return (self.finished_at - self.started_at).total_seconds()

    def total(self, count: str) -> int:
        """Sum of one of the tables' counts, such as "loaded_rows"."""
        return sum(getattr(table, count) or 0 for table in self.tables if table.status is Status.MIGRATED)

    def to_dict(self) -> dict[str, object]:
        """The report object of `report.json`."""
        return {
            "run_id": self.run_id,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "tool": {"name": TOOL, "version": __version__},
            "source": asdict(self.source),
            "target": asdict(self.target),
            "outcome": self.outcome.value,
            "exit_code": self.exit_code,
            "error": self.error,
            "remarks": list(self.remarks),
            "validated": self.validated,
            "reconciled": self.reconciled,
            "tables": [asdict(table) for table in self.tables],
            "sequences": [asdict(sequence) for sequence in self.sequences],
            "rewritten": [asdict(item) for item in self.rewritten],
            "rejects": [asdict(group) for group in self.rejects],
            "drift": [asdict(drift) for drift in self.drift],
            "names": [asdict(pair) for pair in self.names],
            "schema": None if self.schema is None else asdict(self.schema),
            "expectations": [asdict(expectation) for expectation in self.expectations],
            "differences": list(self.differences),
            "difference_kinds": [asdict(total) for total in self.difference_kinds],
            "timings": {stage: round(seconds, 3) for stage, seconds in self.timings.items()},
        }

    def to_json(self) -> bytes:
        """`to_dict` as indented JSON, UTF-8."""
        written = orjson.dumps(self.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return with_controls_escaped(written)  # it may be printed on a terminal

    def __repr__(self) -> str:
        return f"<Report {self.run_id}: {self.outcome.value}>"  # what it holds is for `to_json`, displays and frames
