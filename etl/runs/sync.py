"""The conductor of a sync: plan → compare → stage → check → write → compare again → commit → report.

What the comparison finds to be missing, different or surplus is written, and nothing else; in one transaction.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import numpy as np
from psycopg2 import sql

from etl.comparison.after_load import compare_or_explain
from etl.comparison.compare import Known, Part
from etl.comparison.rewritten import classify_rewriting
from etl.comparison.target_side import prepare_session
from etl.concurrency.interruption import Interruptions, interruptible
from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns, Plan, TablePlan
from etl.core.rejects import TableFault
from etl.core.report import Outcome, Status
from etl.core.text import unknown_names
from etl.core.undo_record import OVERWRITTEN, Created, UndoKind
from etl.files.left_rows import add_found_rows
from etl.files.private_files import PrivateFolder, RowFile
from etl.files.reject_files import TableRejects
from etl.files.undo_files import write_undo_record
from etl.loading.amend import Amendment, amend, check_amendments
from etl.loading.old_rows import keep_extra_rows, keep_newer, keep_old_rows
from etl.planning.added_columns import add_columns
from etl.planning.from_catalogs import plan_between
from etl.planning.map_check import check_map
from etl.planning.repairs import check_repairs
from etl.reporting.report import Report
from etl.runs.connect import Target, open_target
from etl.runs.given_names import names_given_before
from etl.runs.known import description_of
from etl.runs.load_session import lock_tables, prepare_load_session
from etl.runs.observer import Observer, Stage, progress_of
from etl.runs.record import RunRecord, describe_source
from etl.runs.settings import SyncSettings, Verify
from etl.runs.startup import Startup
from etl.runs.sync_table import Proof, SyncTable, found_rows
from etl.runs.transaction import one_transaction
from etl.runs.undo_notes import UndoNotes, Wrote
from etl.source.database import Source
from etl.target.commit import Evidence, commit
from etl.target.constraints import OLDER, identifier
from etl.target.created import created_columns
from etl.target.lock_room import require_locks
from etl.target.privileges import require_to_sync
from etl.target.referrers import Referrer, read_referrers
from etl.target.sequences import reset_sequences
from etl.target.session import Session
from etl.target.triggers import without_triggers
from etl.validation.process import ValidationProcess
from etl.validation.suites import suites_for
from etl.validation.validator import Validator

PART_BELOW = 0.2  # of a table's rows were written: then they alone are compared again, else the whole table
FOUND, KEPT = "found", "kept"
"""Folders of the report: what was found to differ before, and which rows of the target stay as they are, and why."""


def run_sync(settings: SyncSettings, observer: Observer | None = None, startup: Startup | None = None) -> Report:
    """Brings the target up to the source, or in a dry run forecasts that, and writes the report folder.

    Raises as `run_migration` does. `startup` is the caller's to close.
    """
    observer = observer or Observer()
    with contextlib.ExitStack() as ends:
        interruptions = ends.enter_context(Interruptions())
        begun = startup or ends.enter_context(Startup(settings.source, validate=False))
        observer.source_opened(describe_source(begun.source))
        observer.stage_begun(Stage.CONNECT)
        target = ends.enter_context(open_target(settings.pg, settings.source, settings.schema))
        observer.target_opened(target)
        record = RunRecord.begin(
            begun.source, target, settings.report_folder, validated=settings.validate, reconciled=True
        )
        validation = ends.enter_context(_Validation(begun.source, settings))
        with record.failures_reported(), target.connect() as connection, one_transaction(connection):
            session = Session(connection)
            sync = _Sync(
                settings=settings,
                observer=observer,
                source=begun.source,
                target=target,
                session=session,
                validation=validation,
                record=record,
            )
            with contextlib.closing(sync):
                interruptible(sync.carry_out, hang_up=session.hang_up, let_go=validation.stop)
                begun.source.verify_unchanged()
                if not settings.dry_run:
                    interruptions.hold_back()
                    observer.stage_begun(Stage.COMMIT)
                    sync.commit(interruptions)
        return record.finish(Outcome.DRY_RUN if settings.dry_run else None)


class _Validation:
    """The validation process, which begins when the first row turns up that has to be written."""

    def __init__(self, source: Source, settings: SyncSettings) -> None:
        self._source = source
        self._settings = settings
        self._validator: Validator | None = None
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    def begin(self) -> None:
        """Starts the process, which then imports its libraries; nothing where it runs, or is not wanted."""
        if self._validator is None and self._settings.validate:
            self._validator = self._ends.enter_context(Validator(ValidationProcess()))

    def stop(self) -> None:
        """Ends it; whoever waits for it hears an exception."""
        if self._validator is not None:
            self._validator.stop()

    def ready(self, plan: Plan) -> Validator | None:
        """The validator, its suites accepted; None where nothing is to be validated."""
        if self._validator is not None:
            folder = self._settings.expectations or description_of(self._source.tables).suites
            self._validator.use(suites_for(folder, [table.target for table in plan.tables]))
        return self._validator


@dataclass(frozen=True, kw_only=True)
class _Sync:
    """One sync inside its transaction."""

    settings: SyncSettings
    observer: Observer
    source: Source
    target: Target
    session: Session
    validation: _Validation
    record: RunRecord
    tables: dict[str, SyncTable] = field(default_factory=dict)  # by the source's name
    _added: list[Created] = field(default_factory=list)  # columns
    _ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def close(self) -> None:
        """Lets go of temporary files."""
        self._ends.close()

    def carry_out(self) -> None:
        """All stages in their order, but for the COMMIT."""
        accounting = self.record.accounting
        with self._timed("plan"):
            prepare_load_session(self.session, self.target.schema)
            prepare_session(self.session)
            plan = self._plan()
            self._refuse_unknown_column(plan)
        for left_out in accounting.note_tables_left_out(plan):
            self.observer.table_finished(left_out)
        require_to_sync(self.session, plan.tables, delete=self.settings.delete, dry_run=self.settings.dry_run)
        require_locks(self.session, [table.target for table in plan.tables])
        notes = None if self.settings.dry_run else self._begin_to_write(plan)
        self.observer.stage_begun(Stage.COMPARE)
        with self._timed("compare"):
            for table in plan.tables:
                self._compare(table)
        referrers: Sequence[Referrer] = ()
        if any(table.differs for table in self.tables.values()):
            referrers = read_referrers(self.session, [table.target for table in plan.tables])
            with self._timed("stage"):
                self._stage(plan, referrers)
            if not self.settings.dry_run:
                self.observer.stage_begun(Stage.LOAD)
                with self._timed("write"):
                    self._write(plan, referrers)
        self.observer.stage_begun(Stage.COMPARE)
        with self._timed("verify"):
            self._close_tables(referrers)
        accounting.note_unused_repairs()
        if notes is not None:
            with self._timed("sequences"):
                self._finish(plan, notes)
        if any(report.in_doubt for report in accounting.tables):
            self.source.verify_sound()

    # -- what differs -------------------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        names = names_given_before(self.source, self.session)
        accounting = self.record.accounting
        said = check_map(self.settings.mapping or NameMap(), self.source.tables)
        accounting.allowed = check_repairs(self.settings.repair, self.source.tables, said)

        def made(extra_columns: ExtraColumns) -> Plan:
            return plan_between(
                self.source,
                self.session,
                only=self.settings.tables,
                extra_columns=extra_columns,
                times=self.settings.times,
                names=self.settings.mapping,
                created=names,
                allowed=accounting.allowed,
            )

        plan = made(self.settings.extra_columns)
        self.record.accounting.note_drift(plan.drift)
        if self.settings.extra_columns is ExtraColumns.ADD and any(table.lacking for table in plan.tables):
            add_columns(self.session, plan)
            self._added.extend(added for table in plan.tables for added in created_columns(table, table.lacking))
            plan = made(ExtraColumns.STOP)
        self.record.accounting.note_names(plan)
        self.observer.planned(plan)
        return plan

    def _refuse_unknown_column(self, plan: Plan) -> None:
        column = self.settings.keep_newer
        if column is not None and not any(self._newer_by(table) for table in plan.tables):
            known = {name for table in plan.tables for name in table.source_columns}
            raise UsageError(unknown_names("--keep-newer: no table has the column", [column], known))

    def _newer_by(self, table: TablePlan) -> str | None:
        """The target's name of the column that `--keep-newer` names, by either side's name."""
        wanted = self.settings.keep_newer
        return next((column.target for column in table.columns if wanted in (column.source, column.target)), None)

    def _compare(self, plan: TablePlan) -> None:
        started = time.monotonic()
        found = found_rows(plan, delete=self.settings.delete, on_first=self.validation.begin)
        self._ends.enter_context(found)
        rejects = self._ends.enter_context(TableRejects(self.record.folder, self.record.run_id, plan.name))
        comparison = compare_or_explain(
            self.source,
            self.session,
            plan,
            self.record.folder,
            self.settings.assume_timezone,
            Known(),
            progress_of(self.observer, plan),
            found=found,
            into=FOUND,
        )
        self.tables[plan.name] = SyncTable(plan, found, comparison, rejects, seconds=time.monotonic() - started)

    # -- what is written ----------------------------------------------------------------------------------------

    def _stage(self, plan: Plan, referrers: Sequence[Referrer]) -> None:
        """Brings the rows that differ into temporary tables, and checks them as far as can be without writing."""
        validator = self.validation.ready(plan)
        for table in self.tables.values():
            table.stage_rows(self.source, self.session, validator, self.settings)
            newer_by = self._newer_by(table.plan)
            if newer_by is not None and table.plan.key:
                with contextlib.closing(self._row_file(KEPT, table)) as kept:
                    table.kept_newer = keep_newer(self.session, table.amendment, newer_by, kept.write_json)
        check_amendments(self._groups(plan), referrers, classify_rewriting)
        for table in self.tables.values():
            table.amended = table.amendment.count()
            if validator is not None and table.rows_to_write:
                totals = validator.finish(table.plan.target.name, table.plan.source.row_count)
                self.record.accounting.note_expectations(totals.result(), {table.plan.name: table.rejects})

    def _groups(self, plan: Plan) -> list[list[Amendment]]:
        return [[self.tables[table.name].amendment for table in group] for group in plan.groups]

    def _write(self, plan: Plan, referrers: Sequence[Referrer]) -> None:
        with contextlib.ExitStack() as ends:
            files = {
                table.oid: ends.enter_context(contextlib.closing(self._row_file(OVERWRITTEN, table)))
                for table in self.tables.values()
            }
            if self.settings.disable_triggers:
                ends.enter_context(without_triggers(self.session, [table.target for table in plan.tables]))

            def keep_old() -> None:
                for table in self.tables.values():
                    files[table.oid].restart()
                    keep_old_rows(self.session, table.amendment, files[table.oid].write_json)

            written = amend(self.session, self._groups(plan), referrers, keep_old)
        for table in self.tables.values():
            table.amended = written[table.oid]

    def _row_file(self, folder: str, table: SyncTable) -> RowFile:
        return RowFile(PrivateFolder(self.record.folder / folder), table.plan.name)

    # -- proof --------------------------------------------------------------------------------------------------

    def _close_tables(self, referrers: Sequence[Referrer]) -> None:
        """Compares again what was written, and what it may have reached, and closes the accounting of each table."""
        reaches = self._reaches_others(referrers)
        for table in self.tables.values():
            started = time.monotonic()
            self._reject_refused(table)
            if table.surplus is not None:
                with contextlib.closing(self._row_file(KEPT, table)) as kept:
                    keep_extra_rows(self.session, table.surplus, kept.write_json)
            proof = Proof.as_found(table) if self.settings.dry_run else self._prove(table, reaches=reaches)
            table.seconds += time.monotonic() - started
            if proof.found_left:
                add_found_rows(self.record.folder, table.plan.name, FOUND, extra_only=proof.in_part)
            report = replace(table.report(proof), altered_rows=self._note_altered(table))
            self.record.accounting.tables.append(report)
            self.record.accounting.findings += proof.findings
            self.observer.table_finished(report)

    def _reaches_others(self, referrers: Sequence[Referrer]) -> bool:
        """Whether what was written may have changed other rows: by triggers, or by foreign keys that act."""
        written = {table.oid for table in self.tables.values() if table.amended.any}
        triggers = any(table.plan.target.has_triggers for table in self.tables.values() if table.amended.any)
        return triggers or any(item.acts and item.parent in written for item in referrers)

    def _note_altered(self, table: SyncTable) -> int | None:
        """Values that repairs have altered: those that were there, by the comparison, and those that were written."""
        accounting = self.record.accounting
        if not accounting.allowed.wishes:
            return None
        written, found = table.rejects.settle_altered(), table.comparison
        for values in (found.repaired_values, written.values):
            accounting.confirmed.update({(table.plan.name, *what): count for what, count in values.items()})
        return found.repaired_rows + written.rows

    def _reject_refused(self, table: SyncTable) -> None:
        accounting = self.record.accounting
        table.reject_refused(self.source, accounting.plans)
        accounting.rejects.update({TableFault(table.plan.name, fault): n for fault, n in table.rejects.faults.items()})
        if table.staged:
            accounting.note_rewritten(table.plan, table.amendment.stage.rewritten)

    def _prove(self, table: SyncTable, *, reaches: bool) -> Proof:
        everything = self.settings.verify is Verify.ALL
        if not (table.amended.any or reaches or everything):
            return Proof.as_found(table)
        rows, written = self.session.rows(
            sql.SQL("SELECT count(*), count(*) FILTER (WHERE NOT ({})) FROM {}").format(
                sql.SQL(OLDER), identifier(table.plan.target)
            )
        )[0]
        touched = written != table.amended.inserted + table.amended.updated
        if not (table.amended.any or touched or everything):
            return Proof.as_found(table)
        names = table.written_rows()
        part = None
        if table.plan.key and not touched and not everything and len(names) < PART_BELOW * table.plan.source.row_count:
            part = Part(names, table.is_written())
        rejected = np.setdiff1d(table.found.missing, names)
        comparison = compare_or_explain(
            self.source,
            self.session,
            table.plan,
            self.record.folder,
            self.settings.assume_timezone,
            Known(rejected, surely=False),
            progress_of(self.observer, table.plan),
            part=part,
        )
        return Proof.of(table, comparison, rows, in_part=part is not None)

    # -- the end ------------------------------------------------------------------------------------------------

    def _finish(self, plan: Plan, notes: UndoNotes) -> None:
        """Moves the sequences, and writes down what was done, for whoever wants to undo it."""
        for table in plan.tables:
            self.record.accounting.sequences += reset_sequences(self.session, table)
        self.observer.sequences_reset(self.record.accounting.sequences)
        amended = [(table.plan, table.amended) for table in self.tables.values()]
        wrote = [Wrote(plan, rows.inserted, rows.updated, rows.deleted) for plan, rows in amended]
        record = notes.record(wrote, self._added)
        if record.tables or record.sequences or record.created:
            write_undo_record(self.record.folder, record)

    def _begin_to_write(self, plan: Plan) -> UndoNotes:
        """Other writers wait from here on; what is needed to undo the sync is noted."""
        lock_tables(self.session, plan)
        return UndoNotes.begin(self.record.run_id, UndoKind.SYNC, self.target, self.session, plan.tables)

    def commit(self, interruptions: Interruptions) -> None:
        """The end of the transaction; what there is to say about it becomes a remark of the report."""
        grown = [
            (report.target_rows_after or 0, self.tables[report.name])
            for report in self.record.accounting.tables
            if report.status is Status.MIGRATED and (report.inserted_rows or 0) > (report.deleted_rows or 0)
        ]
        rows, table = min(grown, key=lambda item: item[0], default=(0, None))
        remark = commit(
            self.session,
            self.target.engine,
            interruptions,
            evidence=None if table is None else Evidence(identifier(table.plan.target), rows),
            on_lost=self.observer.confirmation_lost,
        )
        if remark is not None:
            self.record.accounting.remarks.append(remark)

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.record.accounting.timings[stage] = time.monotonic() - started
