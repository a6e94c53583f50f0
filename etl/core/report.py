"""The result of a run as data: what `report.json` holds. It knows no renderer.

Its JSON form is the evidence of a load; the field names are a contract.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from etl.core.drift import Drift
from etl.core.name_map import NamePair
from etl.core.proposal import Choice, NotCarried
from etl.core.redaction import with_controls_escaped
from etl.core.rejects import TableFault
from etl.core.repairs import HelpfulWish, option_of, options
from etl.core.row_examples import EXAMPLES, RowExample
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
    are None until it was made; `extra_present_rows` are the extra rows that the target is known to have had before,
    `mended_rows` those of the matched ones that are in the target as they were mended.
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
    mended_rows: int | None = None
    seconds: float = 0.0
    target_name: str | None = None  # the target's name for the table where it is another
    # Of a sync, where source = matched + inserted + updated + kept + rejected:
    inserted_rows: int | None = None
    updated_rows: int | None = None
    kept_rows: int | None = None  # that differ, and were left as they are
    overruled_rows: int | None = None  # that the target itself has altered as they were written
    deleted_rows: int | None = None
    altered_rows: int | None = None  # of those that arrived: with values that a repair has altered

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
        known = (self.present_different_rows or 0) + (self.kept_rows or 0)
        unknown = (self.different_rows or 0) - known
        extra = (self.extra_rows or 0) - (self.extra_present_rows or 0)
        return any((self.unaccounted_rows, self.missing_rows, unknown, extra))

    @property
    def _rows_gone_astray(self) -> int:
        """Rows by which the target grew more or less than was loaded (triggers, rules, other writers)."""
        if self.target_rows_after is None:
            return 0
        written = (self.loaded_rows or 0) + (self.inserted_rows or 0) - (self.deleted_rows or 0)
        return self.target_rows_after - (self.target_rows_before or 0) - written


@dataclass(frozen=True)
class RejectGroup:
    """Rejected rows of one table that share a fault. `code` is a `RejectRule`, which `reason` says in words.

    `examples` are up to three of the rows, `file` (below the report folder) has all of them; reports of older versions
    have neither. `repair`: the options that help against this fault, None where there are none; with those for the
    rows' other faults they would have let `repairable_rows` in.
    """

    table: str
    stage: str
    column: str | None
    reason: str
    rows: int
    code: str | None = None  # reports of older versions have none
    examples: tuple[RowExample, ...] = ()
    file: str | None = None
    repair: str | None = None
    repairable_rows: int = 0


def reject_groups(
    rejects: Counter[TableFault], examples: Mapping[TableFault, Sequence[RowExample]] | None = None
) -> tuple[RejectGroup, ...]:
    """Rejected rows by table, stage, column and fault, the most frequent first, with what there is of examples."""
    groups: Counter[TableFault] = Counter()
    helped: Counter[TableFault] = Counter()
    wishes: dict[TableFault, dict[HelpfulWish, None]] = {}
    shown: dict[TableFault, list[RowExample]] = {}
    for (table, fault), rows in rejects.items():
        group = TableFault(table, replace(fault, repairs=()))
        shown.setdefault(group, []).extend((examples or {}).get(TableFault(table, fault), ()))
        groups[group] += rows
        helped[group] += rows if fault.repairs else 0
        own = {wish: None for wish in fault.repairs if wish.column == fault.column}
        wishes.setdefault(group, {}).update(own)
    return tuple(
        RejectGroup(
            table=group.table,
            stage=group.fault.stage,
            column=group.fault.column,
            reason=group.fault.words,
            rows=rows,
            code=group.fault.code,
            examples=tuple(shown[group][:EXAMPLES]),
            repair=options(group.table, wishes[group]) or None,
            repairable_rows=helped[group],
        )
        for group, rows in groups.most_common()
    )


@dataclass(frozen=True)
class AlteredReport:
    """Values of a column that a repair has altered: `values` by the load, None where nothing was loaded; `confirmed`:
    those that the comparison found equal only after that repair, worked out by its own code, None without one."""

    table: str
    column: str
    repair: str
    values: int | None
    confirmed: int | None = None


@dataclass(frozen=True)
class HelpfulRepair:
    """A repair of a column that would have let rejected rows in: `rows` together with others where need be,
    `alone_rows` by itself; `option` is to be copied."""

    table: str
    column: str
    repair: str
    rows: int
    alone_rows: int
    option: str


def helpful_repairs(rejects: Counter[TableFault]) -> tuple[HelpfulRepair, ...]:
    """The repairs that would have let rejected rows in, those of the most rows first."""
    rows: Counter[tuple[str, HelpfulWish]] = Counter()
    alone: Counter[tuple[str, HelpfulWish]] = Counter()
    for (table, fault), count in rejects.items():
        for wish in fault.repairs:
            rows[table, wish] += count
            alone[table, wish] += count if len(fault.repairs) == 1 else 0
    return tuple(
        HelpfulRepair(table, wish.column, wish.repair, count, alone[table, wish], option_of(wish.of(table)))
        for (table, wish), count in rows.most_common()
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
    """An expectation over all rows of a table: how many failed it, and whether that is a failure.

    `examples` are up to three of the rows that failed a warning; `file` (below the report folder) has the rows.
    """

    table: str
    expectation: str
    column: str | None
    severity: str
    unexpected_rows: int
    judged_rows: int
    success: bool
    notes: str
    examples: tuple[RowExample, ...] = ()
    file: str | None = None
    meaning: str = ""  # the expectation in plain English
    observed: str = ""  # number and share of unexpected values with three of them, or what a whole table is like

    @property
    def critical(self) -> bool:
        """Whether rows that fail it are rejected."""
        return self.severity == "critical"


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
    """Which file was read: `path` as it was given, and from the root.

    `sha256` is that of the file, in hexadecimal, `wal_sha256` that of its write-ahead log, where it has one. None where
    it was not computed: the run failed before, the file was written to meanwhile, or an older version wrote the report.
    """

    path: str
    bytes: int
    sqlite_version: str
    absolute_path: str | None = None
    sha256: str | None = None
    wal_sha256: str | None = None


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

    @property
    def label(self) -> str:
        """The name for people: of an embedded server the database and its folder, in place of the URL of its socket."""
        return embedded_label(self.url, self.schema) if self.embedded else self.name


def embedded_label(url: str, schema: str | None = None) -> str:
    """`demo in data/postgres`, from the URL of a database of the embedded server."""
    parts = urlsplit(url)
    sockets = Path(parse_qs(parts.query).get("host", [""])[0])
    within = f" in {sockets.parent}" if sockets.name == "socket" else ""  # else the folder's path is too long for one
    asked_for = "" if schema is None else f", schema {schema}"
    return f"{unquote(parts.path.removeprefix('/'))}{within}{asked_for}"


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
    other_faults: tuple[RejectGroup, ...] = ()  # what is wrong with these rows besides
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
    allowed_repairs: tuple[str, ...] = ()  # as `--repair` takes them
    altered: tuple[AlteredReport, ...] = ()
    helpful: tuple[HelpfulRepair, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether everything arrived, in every table."""
        return all_settled(self.tables, self.drift)

    @property
    def compares_only(self) -> bool:
        """Whether nothing was to be loaded: a comparison alone."""
        migrated = [table for table in self.tables if table.status is Status.MIGRATED]
        return bool(migrated) and all(table.loaded_rows is table.inserted_rows is None for table in migrated)

    @property
    def syncs(self) -> bool:
        """Whether the target was brought up to the source."""
        return any(table.inserted_rows is not None for table in self.tables)

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
            "other_faults": [asdict(group) for group in self.other_faults],
            "allowed_repairs": list(self.allowed_repairs),
            "altered": [asdict(item) for item in self.altered],
            "helpful_repairs": [asdict(item) for item in self.helpful],
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
