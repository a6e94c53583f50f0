"""All tables compared: as the last step of a load in its own transaction, or alone at any time.

Alone it holds both sides to one state each, writes nothing to either, and is satisfied only by equality: a row that is
missing, differs, or stands in the target alone is a finding, and so are values of columns that the target lacks. Given
the report folder of the load (`load_report`), rows that it rejected and columns that it left behind are recognised.
"""

import contextlib
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import orjson
import psycopg2
from psycopg2 import sql

from etl.comparison.compare import Known, TableComparison, compare_table
from etl.comparison.target_side import prepare_session
from etl.drift import Drift
from etl.endpoints import open_target
from etl.errors import TargetError, UsageError
from etl.head_start import HeadStart
from etl.interruption import interruptible
from etl.observer import Observer
from etl.plan import ExtraColumns, Plan, TablePlan
from etl.rejects import file_name
from etl.report import (
    DifferenceTotal,
    DriftReport,
    Outcome,
    Report,
    SourceReport,
    Status,
    TableReport,
    TargetReport,
    write_report,
)
from etl.report_folder import prepare_folder
from etl.rights import require_to_read
from etl.session import Session, first_line
from etl.source import Source
from etl.target import enter_schema

_READ_BYTES = 2**20
_ROW_IDENTITY = re.compile(rb'\{"run_id":"[^"\\]*","table":"(?:[^"\\]|\\.)*","row_number":(\d+),"rowid":(-?\d+|null),')
SAMPLE_ROWS = 1_000  # differences in the report, of all tables together


@dataclass
class Findings:
    """What the comparison of all tables found; it becomes part of the report."""

    differences: list[dict[str, object]] = field(default_factory=list)
    kinds: list[DifferenceTotal] = field(default_factory=list)

    def note(self, comparison: TableComparison) -> None:
        """Takes over a table's sample, as far as there is room, and its totals."""
        room = SAMPLE_ROWS - len(self.differences)
        self.differences += [difference.to_dict() for difference in comparison.sample[:room]]
        self.kinds += comparison.totals


def compare_loaded(
    source: Source, session: Session, plan: TablePlan, folder: Path, *, report: TableReport, zone: str
) -> tuple[TableReport, TableComparison]:
    """Compares a table after its load, inside the load's own transaction, and completes its report.

    The rows that the load rejected are read back from its reject file and left out. Rows of the target that were there
    before are told apart by the transaction that made them.
    """
    known = Known(rejected_rows(folder, plan.name), ask_present=bool(report.target_rows_before))
    comparison = _compared(source, session, plan, folder, zone, known)
    return with_comparison(report, comparison), comparison


def with_comparison(report: TableReport, comparison: TableComparison) -> TableReport:
    """The table's report with the numbers of the comparison; rows that it did not come across are unaccounted for."""
    uncounted = (report.source_rows or 0) - comparison.source_rows
    return replace(
        report,
        matched_rows=comparison.matched_rows,
        different_rows=comparison.different_rows,
        missing_rows=comparison.missing_rows,
        extra_rows=comparison.extra_rows,
        extra_present_rows=comparison.extra_present_rows,
        unaccounted_rows=report.unaccounted_rows or uncounted,
    )


def _compared(
    source: Source, session: Session, plan: TablePlan, folder: Path, zone: str, known: Known
) -> TableComparison:
    try:
        return compare_table(source, session, plan.compared, folder, zone=zone, known=known)
    except psycopg2.Error as error:
        raise TargetError(f"Table {plan.name} cannot be compared: {first_line(error)}.") from error


def rejected_rows(load_report: Path, table: str) -> npt.NDArray[np.int64]:
    """Rowids (row numbers where a table has none) in a load's reject file for `table`, sorted."""
    path = load_report / "rejects" / file_name(f"{table}.ndjson")
    if not path.exists():
        return np.empty(0, np.int64)
    with path.open("rb") as file:
        return np.sort(np.fromiter(_row_identities(file), np.int64))


def _row_identities(file: BinaryIO) -> Iterator[int]:
    """Read from the beginnings of the lines: the rows behind them may be large."""
    while line := file.readline(_READ_BYTES):
        found = _ROW_IDENTITY.match(line)
        rest = b"" if line.endswith(b"\n") else _rest_of_line(file, keep=found is None)
        if found is None:  # written by other hands
            entry = orjson.loads(line + rest)
            yield entry["row_number"] if entry["rowid"] is None else entry["rowid"]
        else:
            number, rowid = found.groups()
            yield int(number if rowid == b"null" else rowid)


def _rest_of_line(file: BinaryIO, *, keep: bool) -> bytes:
    parts: list[bytes] = []
    while part := file.readline(_READ_BYTES):
        if keep:
            parts.append(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)


# -- alone --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReconcileSettings:
    """What is to be compared. `pg` None means DATABASE_URL, then libpq's PG* variables, then the embedded server."""

    sqlite: Path
    pg: str | None = field(default=None, repr=False)  # may hold a password
    schema: str | None = None
    tables: tuple[str, ...] = ()
    assume_timezone: str = "UTC"
    load_report: Path | None = None
    report_folder: Path | None = None


def reconcile(
    sqlite: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: Sequence[str] = (),
    assume_timezone: str = "UTC",
    load_report: str | Path | None = None,
    report_folder: str | Path | None = None,
    observer: Observer | None = None,
) -> Report:
    """Compares a SQLite database with a PostgreSQL one, value by value, and writes nothing to either.

    The options are those of `python -m etl.reconcile`. Returns the report, which displays itself in Jupyter; every
    difference is in its folder. Raises `EtlError` where the two cannot be compared.
    """
    settings = ReconcileSettings(
        sqlite=Path(sqlite),
        pg=pg,
        schema=schema,
        tables=tuple(tables),
        assume_timezone=assume_timezone,
        load_report=Path(load_report) if load_report else None,
        report_folder=Path(report_folder) if report_folder else None,
    )
    return run_reconciliation(settings, observer)


def run_reconciliation(
    settings: ReconcileSettings, observer: Observer | None = None, head_start: HeadStart | None = None
) -> Report:
    """Compares all tables and writes the report folder; raises `EtlError`, and KeyboardInterrupt if interrupted.

    `head_start` is the caller's to close.
    """
    observer = observer or Observer()
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    if settings.load_report is not None and not settings.load_report.is_dir():
        raise UsageError(f"--load-report {settings.load_report} is not a folder.")
    with contextlib.ExitStack() as ends:
        begun = head_start or ends.enter_context(HeadStart(settings.sqlite, validate=False))
        source = begun.source
        target = ends.enter_context(open_target(settings.pg, settings.sqlite, settings.schema))
        described = SourceReport(str(settings.sqlite), source.bytes, source.sqlite_version)
        observer.source_opened(described)
        observer.target_opened(target)
        folder = prepare_folder(settings.report_folder or Path("reports") / run_id)
        with target.connect() as connection:
            session = Session(connection)
            run = _Reconciliation(settings, observer, source, session, folder)
            try:
                interruptible(session, run.carry_out)
            finally:
                connection.invalidate()  # nothing is to be kept, whatever state the driver was left in
        if any(table.unaccounted_rows for table in run.tables):
            source.verify_sound()
        source.verify_unchanged()
    settled = all(table.settled for table in run.tables) and all(drift.settled for drift in run.drift)
    report = Report(
        run_id=run_id,
        started_at=started,
        finished_at=datetime.now(UTC),
        outcome=Outcome.RECONCILED if settled else Outcome.DIFFERENCES,
        source=described,
        target=TargetReport(target.display_url, target.server_version, target.embedded, target.schema),
        tables=tuple(run.tables),
        drift=tuple(run.drift),
        differences=tuple(run.findings.differences),
        difference_kinds=tuple(run.findings.kinds),
        timings=run.timings,
        validated=False,
        folder=folder,
    )
    write_report(report, folder)
    return report


@dataclass
class _Reconciliation:
    """One comparison inside its transaction."""

    settings: ReconcileSettings
    observer: Observer
    source: Source
    session: Session
    folder: Path
    tables: list[TableReport] = field(default_factory=list)
    drift: list[DriftReport] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    timings: dict[str, float] = field(default_factory=dict)

    def carry_out(self) -> None:
        """Plan, then table after table."""
        from etl.migrate import plan_between  # here, since a load ends with a comparison

        started = time.monotonic()
        self.session.run(sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        prepare_session(self.session)
        enter_schema(self.session, self.settings.schema)
        self.session.be_watched()
        plan = plan_between(
            self.source, self.session, only=self.settings.tables, extra_columns=ExtraColumns.DROP, comparing=True
        )
        require_to_read(self.session, plan.tables)
        self.observer.planned(plan)
        self.drift = [self._drift(item) for item in plan.drift]
        self.timings["plan"] = time.monotonic() - started
        self._note_tables_left_out(plan)
        for table in plan.tables:
            self._compare(table)
        self.timings["compare"] = time.monotonic() - started - self.timings["plan"]

    def _compare(self, plan: TablePlan) -> None:
        started = time.monotonic()
        rejected = rejected_rows(self.settings.load_report, plan.name) if self.settings.load_report else None
        known = Known() if rejected is None else Known(rejected, surely=False)
        comparison = _compared(self.source, self.session, plan, self.folder, self.settings.assume_timezone, known)
        report = TableReport(
            name=plan.name,
            status=Status.MIGRATED,
            source_rows=plan.source.row_count,
            rejected_rows=comparison.rejected_rows if self.settings.load_report else None,
            target_rows_before=comparison.target_rows,
            target_rows_after=comparison.target_rows,
            seconds=round(time.monotonic() - started, 3),
        )
        report = with_comparison(report, comparison)
        self.tables.append(report)
        self.findings.note(comparison)
        self.observer.table_finished(report)

    def _note_tables_left_out(self, plan: Plan) -> None:
        for name in plan.missing_in_source:
            self._note(TableReport(name, Status.MISSING_IN_SOURCE))
        for table in plan.not_migrated:
            self._note(TableReport(table.name, Status.NOT_MIGRATED, source_rows=table.row_count))

    def _note(self, report: TableReport) -> None:
        self.tables.append(report)
        self.observer.table_finished(report)

    def _drift(self, item: Drift) -> DriftReport:
        """Values of a column that the target lacks did not arrive; that is settled only if the load is known to have
        left them behind."""
        action, settled = item.action, True
        if item.kind == "column_missing_in_target" and item.values:
            settled = self._was_left_behind(item.table)
            action = (
                "left behind by the load, values in its dropped/" if settled else "its values are not in the target"
            )
        elif item.kind == "table_missing_in_source":
            action = "only in the target, not compared"
        return DriftReport(item.table, item.column, item.kind, item.values, action, settled)

    def _was_left_behind(self, table: str) -> bool:
        folder = self.settings.load_report
        return folder is not None and (folder / "dropped" / file_name(f"{table}.ndjson")).exists()
