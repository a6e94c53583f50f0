"""Conducts a comparison that stands alone: source → plan → table after table → report.

It holds both sides to one state each, writes nothing to either, and is satisfied only by equality: a row that is
missing, differs, or stands in the target alone is a finding, and so are values of columns that the target lacks. Given
the report folder of the load (`load_report`), it recognises rows that the load rejected and columns that it dropped,
and expects rows that were mended and loaded since as they were mended.
"""

import contextlib
import time
from dataclasses import dataclass, replace

from psycopg2 import sql

from etl.comparison.after_load import compare_or_explain, rejected_rows, with_comparison
from etl.comparison.compare import Known
from etl.comparison.target_side import prepare_session
from etl.concurrency.interruption import interruptible
from etl.core.drift import Drift, DriftAction, DriftKind
from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns, TablePlan
from etl.core.report import REPORT_FILE, DriftReport, Status, TableReport
from etl.files.mended_files import read_mended
from etl.files.private_files import file_name
from etl.planning.from_catalogs import plan_between
from etl.planning.map_check import check_map
from etl.planning.repairs import Allowed, check_repairs
from etl.planning.wishes import read_wishes
from etl.reporting.reading import open_report
from etl.reporting.report import Report
from etl.runs.connect import open_target
from etl.runs.given_names import names_given_before
from etl.runs.observer import Observer, Stage, progress_of
from etl.runs.record import RunRecord, describe_source
from etl.runs.settings import CompareSettings
from etl.runs.startup import Startup
from etl.source.database import Source
from etl.target.privileges import require_to_read
from etl.target.search_path import enter_schema
from etl.target.session import Session


def run_comparison(
    settings: CompareSettings, observer: Observer | None = None, startup: Startup | None = None
) -> Report:
    """Compares all tables and writes the report folder; raises `EtlError`, and KeyboardInterrupt if interrupted.

    `startup` is the caller's to close.
    """
    observer = observer or Observer()
    if settings.load_report is not None and not settings.load_report.is_dir():
        raise UsageError(f"--load-report {settings.load_report} is not a folder.")
    with contextlib.ExitStack() as ends:
        begun = startup or ends.enter_context(Startup(settings.source, validate=False))
        source = begun.source
        observer.stage_begun(Stage.CONNECT)
        target = ends.enter_context(open_target(settings.pg, settings.source, settings.schema))
        observer.source_opened(describe_source(source))
        observer.target_opened(target)
        record = RunRecord.begin(source, target, settings.report_folder, validated=False, reconciled=True)
        with target.connect() as connection:
            session = Session(connection)
            comparison = _Comparison(settings, observer, source, session, record)
            try:
                with record.starter_left():
                    interruptible(comparison.carry_out, hang_up=session.hang_up)
            finally:
                connection.invalidate()  # nothing is to be kept, whatever state the driver was left in
        observer.stage_begun(Stage.VERIFY_SOURCE)
        if any(table.unaccounted_rows for table in record.accounting.tables):
            source.verify_sound()
        source.verify_unchanged()
        observer.stage_begun(Stage.REPORT)
        report = record.report()
    record.write(report)
    return report


@dataclass(frozen=True)
class _Comparison:
    """One comparison inside its transaction."""

    settings: CompareSettings
    observer: Observer
    source: Source
    session: Session
    record: RunRecord

    def carry_out(self) -> None:
        """Plan, then table after table."""

        started = time.monotonic()
        self.session.run(sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        enter_schema(self.session, self.settings.schema)
        prepare_session(self.session)
        self.session.be_watched()
        self.observer.stage_begun(Stage.PLAN)
        accounting = self.record.accounting
        accounting.allowed = self._allowed_repairs()
        plan = plan_between(
            self.source,
            self.session,
            only=self.settings.tables,
            extra_columns=ExtraColumns.DROP,
            comparing=True,
            times=self.settings.times,
            names=self.settings.mapping,
            created=names_given_before(self.source, self.session),
            allowed=accounting.allowed,
        )
        require_to_read(self.session, plan.tables)
        self.observer.planned(plan)
        accounting.note_names(plan)
        accounting.drift = [self._drift(item) for item in plan.drift]
        accounting.timings["plan"] = time.monotonic() - started
        for left_out in accounting.note_tables_left_out(plan):
            self.observer.table_finished(left_out)
        self.observer.stage_begun(Stage.COMPARE)
        for table in plan.tables:
            self._compare(table)
        accounting.note_unused_repairs()
        accounting.timings["compare"] = time.monotonic() - started - accounting.timings["plan"]

    def _allowed_repairs(self) -> Allowed:
        """Those that are named, those of the map, and those of the load whose report is given."""
        folder = self.settings.load_report
        loaded = open_report(folder).allowed_repairs if folder and (folder / REPORT_FILE).exists() else ()
        said = check_map(self.settings.mapping or NameMap(), self.source.tables)
        wishes = dict.fromkeys((*self.settings.repair, *read_wishes(loaded)))
        return check_repairs(wishes, self.source.tables, said)

    def _compare(self, plan: TablePlan) -> None:
        started = time.monotonic()
        rejected = rejected_rows(self.settings.load_report, plan) if self.settings.load_report else None
        mended = tuple(read_mended(self.settings.load_report, plan.name).values()) if self.settings.load_report else ()
        known = Known() if rejected is None else Known(rejected, surely=False, mended=mended)
        comparison = compare_or_explain(
            self.source,
            self.session,
            plan,
            self.record.folder,
            self.settings.assume_timezone,
            known,
            progress_of(self.observer, plan),
        )
        report = TableReport(
            name=plan.name,
            status=Status.MIGRATED,
            source_rows=plan.source.row_count,
            rejected_rows=comparison.rejected_rows if self.settings.load_report else None,
            target_rows_before=comparison.target_rows,
            target_rows_after=comparison.target_rows,
            seconds=round(time.monotonic() - started, 3),
            target_name=plan.target_name,
            mended_rows=comparison.mended_rows if mended else None,
            altered_rows=comparison.repaired_rows if self.record.accounting.allowed.wishes else None,
        )
        report = with_comparison(report, comparison)
        self.record.accounting.tables.append(report)
        self.record.accounting.note_findings(comparison)
        self.observer.table_finished(report)

    def _drift(self, item: Drift) -> DriftReport:
        """Values of a column that the target lacks did not arrive; that is settled only where the load's report shows
        that it dropped them."""
        if item.kind is DriftKind.COLUMN_MISSING_IN_TARGET and item.values:
            dropped = self._was_dropped(item.table)
            code = DriftAction.DROPPED_BY_LOAD if dropped else DriftAction.NOT_IN_TARGET
            return DriftReport.of(replace(item, code=code), settled=dropped)
        if item.kind is DriftKind.COLUMN_LEFT_OUT and item.values:
            code = DriftAction.DROPPED_BY_LOAD if self._was_dropped(item.table) else DriftAction.LEFT_OUT
            return DriftReport.of(replace(item, code=code))
        if item.kind is DriftKind.TABLE_MISSING_IN_SOURCE:
            return DriftReport.of(replace(item, code=DriftAction.NOT_COMPARED))
        return DriftReport.of(item)

    def _was_dropped(self, table: str) -> bool:
        """Whether the load's folder has the table's values, by the source's name or (older versions) the target's."""
        folder = self.settings.load_report
        others = [plan.target.name for plan in self.record.accounting.plans.values() if plan.name == table]
        return folder is not None and any(
            (folder / "dropped" / file_name(f"{name}.ndjson")).exists() for name in (table, *others)
        )
