"""The conductor: source → plan → convert → validate → load → sequences → report, in one transaction.

Whatever touches a database happens in the modules that it calls; here stands in which order.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from psycopg2 import sql
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from etl.comparison.after_load import compare_loaded
from etl.comparison.target_side import prepare_session
from etl.concurrency.interruption import Interruptions, interruptible
from etl.core import defaults
from etl.core.errors import CannotRun, CommittedError, EtlError, LockedError, TargetError, UnconfirmedError
from etl.core.plan import ExtraColumns, Plan, TablePlan
from etl.core.report import Outcome, SourceReport, TargetReport
from etl.core.tables import TargetTable
from etl.files.reject_files import TableRejects
from etl.files.report_folder import prepare_folder
from etl.loading.load import can_be_fast, forecast, load_fast, load_staged
from etl.loading.rows import Accepted, Loaded, NotFastError, Retracted
from etl.loading.staging import Staged, stage_in_memory
from etl.planning.declared_types import added_type
from etl.planning.from_catalogs import plan_between
from etl.planning.plan import refuse_unfit_names
from etl.reporting.report import Report
from etl.reporting.write import write_report
from etl.runs.accounting import Accounting
from etl.runs.connect import Target, open_target
from etl.runs.observer import Observer
from etl.runs.pipeline import Pipeline
from etl.runs.startup import Startup
from etl.schema import unified as schema
from etl.source.database import Source
from etl.target.catalog import current_schema, enter_schema
from etl.target.commit import Evidence, commit
from etl.target.constraints import identifier
from etl.target.locks import choose_timeout, explain_other_run
from etl.target.privileges import creation_error, require_ownership, require_schema, require_to_load, require_writable
from etl.target.sequences import reset_sequences
from etl.target.session import Session, first_line
from etl.validation.results import Totals
from etl.validation.suites import default_folder, suites_for
from etl.validation.validator import Validator

ADVISORY_LOCK = 0x65746C  # "etl": one load at a time for each database
_SESSION_SETTINGS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "work_mem": "64MB",
    "hash_mem_multiplier": "5",  # rows there already are hashed whole: without temporary files, a re-run is 10 % faster
    "maintenance_work_mem": "256MB",  # indexes and foreign keys are built over whole tables
    "default_statistics_target": "10",  # of the staged rows, only roughly: the number of rows decides
}


@dataclass(frozen=True)
class Settings:
    """What a run is asked to do. `pg` None means DATABASE_URL, then libpq's PG* variables, then the embedded server."""

    sqlite: Path
    pg: str | None = field(default=None, repr=False)  # may hold a password
    schema: str | None = None
    tables: tuple[str, ...] = ()
    dry_run: bool = False
    create_schema: bool = False
    extra_columns: ExtraColumns = ExtraColumns.STOP
    assume_timezone: str = defaults.TIMEZONE
    batch_rows: int = defaults.BATCH_ROWS
    keep_constraints: bool = False
    validate: bool = True
    expectations: Path | None = None
    reconcile: bool = True
    report_folder: Path | None = None


def run_migration(settings: Settings, observer: Observer | None = None, startup: Startup | None = None) -> Report:
    """Loads, or in a dry run forecasts, and writes the report folder.

    Raises `EtlError` where it cannot, and KeyboardInterrupt where it is interrupted: nothing is committed then, and the
    report says "failed" if both ends had answered before. An interruption after COMMIT has begun is not heard any more.
    Two errors are otherwise: `CommittedError`, `UnconfirmedError`. `startup` is the caller's to close.
    """
    observer = observer or Observer()
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    with contextlib.ExitStack() as ends:
        interruptions = ends.enter_context(Interruptions())
        begun = startup or ends.enter_context(Startup(settings.sqlite, validate=settings.validate))
        validator = ends.enter_context(Validator(begun.validation)) if begun.validation else None
        source = begun.source
        described = SourceReport(str(settings.sqlite), source.bytes, source.sqlite_version)
        observer.source_opened(described)
        target = ends.enter_context(open_target(settings.pg, settings.sqlite, settings.schema))
        observer.target_opened(target)
        folder = prepare_folder(settings.report_folder or defaults.REPORTS / run_id)
        accounting = Accounting(source)

        def report(outcome: Outcome, error: str | None = None) -> Report:
            return Report(
                run_id=run_id,
                started_at=started,
                finished_at=datetime.now(UTC),
                outcome=outcome,
                source=described,
                target=TargetReport(target.display_url, target.server_version, target.embedded, target.schema),
                tables=tuple(accounting.tables),
                sequences=tuple(accounting.sequences),
                rejects=accounting.reject_groups(),
                drift=tuple(accounting.drift),
                expectations=tuple(accounting.expectations),
                timings=accounting.timings,
                differences=tuple(accounting.findings.differences),
                difference_kinds=tuple(accounting.findings.kinds),
                validated=settings.validate,
                reconciled=settings.reconcile and not settings.dry_run,
                folder=folder,
                error=error,
                remarks=tuple(accounting.remarks),
            )

        try:
            with target.connect() as connection:
                session = Session(connection)
                run = _Run(settings, observer, source, target, session, validator, accounting, folder, run_id)
                with _one_transaction(connection):
                    plan = interruptible(
                        run.carry_out, hang_up=session.hang_up, let_go=validator.stop if validator else None
                    )
                    source.verify_unchanged()
                    if not settings.dry_run:
                        interruptions.hold_back()
                        run.commit(plan, interruptions)
        except UnconfirmedError as error:
            _write_failure(report(Outcome.UNCONFIRMED, str(error)), folder)
            raise
        except (EtlError, KeyboardInterrupt) as error:
            accounting.forget_rows()
            _write_failure(report(Outcome.FAILED, str(error) or "interrupted"), folder)
            raise
        finished = report(_outcome(settings, accounting))
        _write(finished, folder)
        return finished


def _write(finished: Report, folder: Path) -> None:
    try:
        write_report(finished, folder)
    except Exception as error:
        if finished.outcome is Outcome.DRY_RUN:
            raise
        # Whatever it was: code and message must not let anybody believe that nothing was committed.
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise CommittedError(
            f"The rows are committed, but the report could not be written ({first_line(cause)}). Put that right and "
            "run again: nothing is loaded twice, and every row is counted, compared and reported anew.",
            finished,
        ) from error


def _write_failure(report: Report, folder: Path) -> None:
    """The report of a run that failed. Where its folder is what failed, the reason on the console is all there is."""
    with contextlib.suppress(CannotRun, OSError):
        write_report(report, folder)


def _outcome(settings: Settings, accounting: Accounting) -> Outcome:
    if settings.dry_run:
        return Outcome.DRY_RUN
    return Outcome.RECONCILED if all(table.settled for table in accounting.tables) else Outcome.DIFFERENCES


@dataclass(frozen=True)
class _Run:
    """One run inside its transaction."""

    settings: Settings
    observer: Observer
    source: Source
    target: Target
    session: Session
    validator: Validator | None
    accounting: Accounting
    folder: Path
    run_id: str

    def carry_out(self) -> Plan:
        """The whole story, stage by stage, but for the COMMIT."""
        with self._timed("plan"):
            self._prepare_session()
            self._create_schema()
            plan = self._plan()
            accepted = self._use_suites(plan)
        for table in self.accounting.note_tables_left_out(plan):
            self.observer.table_finished(table)
        with self._timed("load"):
            require_to_load(self.session, plan.tables, dry_run=self.settings.dry_run)
            self._lock(plan)
            self._move_all(plan)
            if accepted:
                accepted.result()
        if not self.settings.dry_run:
            with self._timed("sequences"):
                for table_plan in plan.tables:
                    self.accounting.sequences += reset_sequences(self.session, table_plan)
                self.observer.sequences_reset(self.accounting.sequences)
        if self.settings.reconcile and not self.settings.dry_run:
            with self._timed("reconcile"):
                self._reconcile(plan)
        if any(table.in_doubt for table in self.accounting.tables):
            self.source.verify_sound()
        return plan

    def commit(self, plan: Plan, interruptions: Interruptions) -> None:
        """The end of the transaction; what there is to say about it goes into the books."""
        loaded = [(table, self.accounting.report_of(table.name)) for table in plan.tables]
        # The smallest table that grew: counting it again is quick.
        grown = min(
            ((report.target_rows_after or 0, place) for place, (_, report) in enumerate(loaded) if report.loaded_rows),
            default=None,
        )
        remark = commit(
            self.session,
            self.target.engine,
            interruptions,
            evidence=Evidence(identifier(plan.tables[grown[1]].target), grown[0]) if grown else None,
            on_lost=self.observer.confirmation_lost,
        )
        if remark is not None:
            self.accounting.remarks.append(remark)

    # -- before the rows ----------------------------------------------------------------------------------------

    def _prepare_session(self) -> None:
        """Settings for this transaction alone, and the lock that keeps a second run out."""
        for name, value in _SESSION_SETTINGS.items():
            self.session.run(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        stage_in_memory(self.session)
        choose_timeout(self.session.rows, self.session.run)
        require_writable(self.session)
        self.session.be_watched()
        self.session.run(sql.SQL("SET CONSTRAINTS ALL IMMEDIATE"))
        if not self.session.value(sql.SQL("SELECT pg_try_advisory_xact_lock({})").format(sql.Literal(ADVISORY_LOCK))):
            raise LockedError(
                f"Another run is loading into this database: {explain_other_run(self.session.rows, ADVISORY_LOCK)}. "
                "Wait until it has finished, then run again."
            )
        enter_schema(self.session, self.target.schema)

    def _create_schema(self) -> None:
        if self.settings.create_schema or self.target.embedded:
            name = require_schema(self.session, current_schema(self.session))
            try:
                created = schema.create_missing(self.session.sqlalchemy)
            except DBAPIError as error:
                raise creation_error(error, name) from error
            if created:
                self.observer.tables_created(created)

    def _plan(self) -> Plan:
        plan = self._compare_catalogs(self.settings.extra_columns)
        self.accounting.note_drift(plan.drift)
        if self.settings.extra_columns is ExtraColumns.ADD and any(table.dropped for table in plan.tables):
            self._add_columns(plan)
            plan = self._compare_catalogs(ExtraColumns.STOP)
        self.observer.planned(plan)
        return plan

    def _use_suites(self, plan: Plan) -> Future[None] | None:
        """Reads and checks the suites; what Great Expectations itself says of them is heard before the commit."""
        if self.validator is None:
            return None
        folder = self.settings.expectations or default_folder()
        return self.validator.use(suites_for(folder, [table.target for table in plan.tables]))

    def _compare_catalogs(self, extra_columns: ExtraColumns) -> Plan:
        return plan_between(self.source, self.session, only=self.settings.tables, extra_columns=extra_columns)

    def _add_columns(self, plan: Plan) -> None:
        """Adds each column with values that the target lacks, of the type that its declaration in SQLite suggests."""
        require_ownership(self.session, [table for table in plan.tables if table.dropped])
        for table in plan.tables:
            refuse_unfit_names(table)
            declared = {column.name: column.declared_type for column in table.source.columns}
            for name in table.dropped:
                self.session.run(
                    sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                        identifier(table.target), sql.Identifier(name), sql.SQL(added_type(declared[name]))
                    )
                )

    def _lock(self, plan: Plan) -> None:
        """Other writers wait until the end, so that the counts before and after belong to this run alone."""
        tables = [identifier(table.target) for table in plan.tables if table.target.lockable]
        if tables and not self.settings.dry_run:
            self.session.run(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.SQL(", ").join(tables)))

    # -- the rows -----------------------------------------------------------------------------------------------

    def _move_all(self, plan: Plan) -> None:
        staged: Staged = {}
        with contextlib.ExitStack() as ends:
            rejects = {
                table.name: ends.enter_context(TableRejects(self.folder, self.run_id, table.name))
                for table in plan.tables
            }
            pipeline = ends.enter_context(
                Pipeline(
                    self.source,
                    rejects,
                    self.validator,
                    assume_timezone=self.settings.assume_timezone,
                    batch_rows=self.settings.batch_rows,
                )
            )
            pipeline.expect((table, self._fast(group)) for group in plan.groups for table in group)
            totals = [total for group in plan.groups for total in self._move(group, pipeline, staged)]
            for total in totals:
                self.accounting.note_expectations(total.result())

    def _move(self, group: Sequence[TablePlan], pipeline: Pipeline, staged: Staged) -> list[Future[Totals]]:
        """Loads one table, or one circle of tables, and closes its books; validation sums up meanwhile."""
        started = time.monotonic()
        before = [self._count(plan.target) for plan in group]
        for plan, loaded, rows_before in zip(group, self._load(group, pipeline, staged), before, strict=True):
            report = self.accounting.close_table(
                plan,
                loaded,
                pipeline.rejects[plan.name],
                rows_before=rows_before,
                rows_after=None if self.settings.dry_run else self._count(plan.target),
                seconds=time.monotonic() - started,
            )
            pipeline.rejects[plan.name].close()
            self.observer.table_finished(report)
        if self.validator is None:
            return []
        return [self.validator.finish(plan.name, plan.source.row_count) for plan in group]

    def _load(self, group: Sequence[TablePlan], pipeline: Pipeline, staged: Staged) -> list[Loaded]:
        """The way that fits: forecast only, fast, or careful."""

        def progress(plan: TablePlan) -> Callable[[int], None]:
            self.observer.table_restarted(plan)
            return lambda rows: self.observer.table_progressed(plan, rows)

        def batches(plan: TablePlan) -> Generator[Accepted | Retracted]:
            return pipeline.accepted(plan, progress(plan))

        if self.settings.dry_run:
            return forecast(self.session, group, batches, staged)
        if self._fast(group):
            plan = group[0]
            with contextlib.suppress(NotFastError):
                rows = pipeline.optimistically(plan, progress(plan))
                return [load_fast(self.session, plan, rows, pipeline.await_validation)]
        return load_staged(self.session, group, batches)

    def _fast(self, group: Sequence[TablePlan]) -> bool:
        """Whether the fast way is open, so far as the tables themselves tell."""
        allowed = len(group) == 1 and not self.settings.keep_constraints and not self.settings.dry_run
        return allowed and can_be_fast(self.session, group[0].target)

    # -- after the rows -----------------------------------------------------------------------------------------

    def _reconcile(self, plan: Plan) -> None:
        """Compares every value that arrived with the source, before anything is committed."""
        prepare_session(self.session)
        for table in plan.tables:
            report = self.accounting.report_of(table.name)
            compared = compare_loaded(
                self.source, self.session, table, self.folder, report=report, zone=self.settings.assume_timezone
            )
            self.accounting.note_comparison(*compared)
            self.observer.table_compared(self.accounting.report_of(table.name))

    def _count(self, table: TargetTable) -> int:
        return int(self.session.value(sql.SQL("SELECT count(*) FROM {}").format(identifier(table))))

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.accounting.timings[stage] = time.monotonic() - started


@contextlib.contextmanager
def _one_transaction(connection: Connection) -> Iterator[None]:
    """Leaves the target as it was, on any exception and else, unless it was committed inside."""
    connection.begin()
    try:
        yield
    except Exception as error:
        _roll_back(connection)
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, psycopg2.errors.InsufficientPrivilege):
            raise TargetError(f"The role that is connected lacks a right: {first_line(cause)}.") from error
        # Class 42 (syntax, names) is a fault of ours and keeps its traceback; else somebody over there has objected.
        if isinstance(cause, psycopg2.Error) and not (cause.pgcode or "42").startswith("42"):
            raise TargetError(f"PostgreSQL refused a step of the load: {first_line(cause)}.") from error
        raise
    except BaseException:
        # Whatever state an interruption left the driver in: the server rolls back when the connection is gone.
        connection.invalidate()
        raise
    _roll_back(connection)


def _roll_back(connection: Connection) -> None:
    """A connection that is lost has nothing left to roll back: the server does it by itself."""
    with contextlib.suppress(psycopg2.Error, DBAPIError):
        connection.rollback()
