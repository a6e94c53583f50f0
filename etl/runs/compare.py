"""Conducts a comparison that stands alone: source → plan → table after table → report.

It holds both sides to one state each, writes nothing to either, and is satisfied only by equality: a row that is
missing, differs, or stands in the target alone is a finding, and so are values of columns that the target lacks. Given
the report folder of the load (`load_report`), it recognises rows that the load rejected and columns that it dropped.
"""

import contextlib
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from psycopg2 import sql

from etl.comparison.after_load import compare_or_explain, rejected_rows, with_comparison
from etl.comparison.compare import Known
from etl.comparison.findings import Findings
from etl.comparison.target_side import prepare_session
from etl.concurrency.interruption import interruptible
from etl.core import defaults
from etl.core.errors import UsageError
from etl.core.plan import Drift, ExtraColumns, Plan, TablePlan
from etl.core.report import DriftReport, Outcome, SourceReport, Status, TableReport, TargetReport
from etl.files.private_files import file_name
from etl.files.report_folder import prepare_folder
from etl.reporting.report import Report
from etl.reporting.write import write_report
from etl.runs.connect import open_target
from etl.runs.observer import Observer
from etl.runs.startup import Startup
from etl.source.database import Source
from etl.target.catalog import enter_schema
from etl.target.privileges import require_to_read
from etl.target.session import Session


@dataclass(frozen=True)
class ReconcileSettings:
    """What is to be compared. `pg` None means DATABASE_URL, then libpq's PG* variables, then the embedded server."""

    sqlite: Path
    pg: str | None = field(default=None, repr=False)  # may hold a password
    schema: str | None = None
    tables: tuple[str, ...] = ()
    assume_timezone: str = defaults.TIMEZONE
    load_report: Path | None = None
    report_folder: Path | None = None


def run_reconciliation(
    settings: ReconcileSettings, observer: Observer | None = None, startup: Startup | None = None
) -> Report:
    """Compares all tables and writes the report folder; raises `EtlError`, and KeyboardInterrupt if interrupted.

    `startup` is the caller's to close.
    """
    observer = observer or Observer()
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    if settings.load_report is not None and not settings.load_report.is_dir():
        raise UsageError(f"--load-report {settings.load_report} is not a folder.")
    with contextlib.ExitStack() as ends:
        begun = startup or ends.enter_context(Startup(settings.sqlite, validate=False))
        source = begun.source
        target = ends.enter_context(open_target(settings.pg, settings.sqlite, settings.schema))
        described = SourceReport(str(settings.sqlite), source.bytes, source.sqlite_version)
        observer.source_opened(described)
        observer.target_opened(target)
        folder = prepare_folder(settings.report_folder or defaults.REPORTS / run_id)
        with target.connect() as connection:
            session = Session(connection)
            run = _Reconciliation(settings, observer, source, session, folder)
            try:
                interruptible(run.carry_out, hang_up=session.hang_up)
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
        from etl.planning.from_catalogs import plan_between  # here, since a load ends with a comparison

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
        comparison = compare_or_explain(
            self.source, self.session, plan, self.folder, self.settings.assume_timezone, known
        )
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
