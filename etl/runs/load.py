"""The conductor of a load: plan → move → sequences → compare → commit → report, in one transaction.

Whatever touches a database happens in the modules that it calls; here stands in which order.
"""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from etl.comparison.after_load import compare_loaded
from etl.comparison.target_side import prepare_session
from etl.concurrency.interruption import Interruptions, interruptible
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns, Plan
from etl.core.report import Outcome
from etl.core.undo_record import Created, UndoKind
from etl.planning.added_columns import add_columns
from etl.planning.from_catalogs import plan_between
from etl.planning.map_check import check_map
from etl.planning.repairs import check_repairs
from etl.reporting.report import Report
from etl.runs.connect import Target, open_target
from etl.runs.create_schema import NewSchema, create_what_is_missing, finish_schema
from etl.runs.given_names import names_given_before
from etl.runs.known import description_of
from etl.runs.load_session import lock_tables, prepare_load_session
from etl.runs.move import Mover
from etl.runs.observer import Observer, Stage, progress_of
from etl.runs.record import RunRecord, describe_source
from etl.runs.schema_files import write_schema_files
from etl.runs.settings import Settings
from etl.runs.startup import Startup
from etl.runs.transaction import one_transaction
from etl.runs.undo_notes import UndoNotes, Wrote
from etl.schema.unified import TABLE_NAMES
from etl.source.database import Source
from etl.target.commit import Evidence, commit
from etl.target.constraints import identifier
from etl.target.created import created_columns, created_relations
from etl.target.lock_room import require_locks
from etl.target.privileges import require_schema, require_to_load
from etl.target.search_path import current_schema
from etl.target.sequences import reset_sequences, unreachable_ids
from etl.target.session import Session
from etl.target.triggers import without_triggers
from etl.validation.suites import refuse_strangers, require_folder, suites_for
from etl.validation.validator import Validator


def run_migration(
    settings: Settings,
    observer: Observer | None = None,
    startup: Startup | None = None,
    *,
    opening: AbstractContextManager[Target] | None = None,
) -> Report:
    """Loads, or in a dry run forecasts, and writes the report folder.

    Raises `EtlError` where it cannot, and KeyboardInterrupt where it is interrupted: nothing is committed then, and the
    report says "failed" if both ends had answered before. An interruption after COMMIT has begun is not heard any more.
    Two errors are otherwise: `CommittedError`, `UnconfirmedError`. `startup` is the caller's to close. `opening` gives
    the target; None: the one that the settings name.
    """
    observer = observer or Observer()
    if settings.validate and settings.expectations is not None:
        require_folder(settings.expectations)
    with contextlib.ExitStack() as ends:
        interruptions = ends.enter_context(Interruptions())
        begun = startup or ends.enter_context(Startup(settings.source, validate=settings.validate))
        validator = ends.enter_context(Validator(begun.validation)) if begun.validation else None
        observer.source_opened(describe_source(begun.source))
        observer.stage_begun(Stage.CONNECT)
        opening = opening or open_target(settings.pg, settings.source, settings.schema)
        target = ends.enter_context(opening)
        observer.target_opened(target)
        record = RunRecord.begin(
            begun.source,
            target,
            settings.report_folder,
            validated=settings.validate,
            reconciled=settings.reconcile and not settings.dry_run,
        )
        with record.failures_reported(), target.connect() as connection, one_transaction(connection):
            session = Session(connection)
            load = _Load(
                settings=settings,
                observer=observer,
                source=begun.source,
                target=target,
                session=session,
                validator=validator,
                record=record,
            )
            stop_validation = validator.stop if validator else None
            plan = interruptible(load.carry_out, hang_up=session.hang_up, let_go=stop_validation)
            observer.stage_begun(Stage.VERIFY_SOURCE)
            begun.source.verify_unchanged()
            if not settings.dry_run:
                interruptions.hold_back()
                observer.stage_begun(Stage.COMMIT)
                load.commit(plan, interruptions)
        observer.stage_begun(Stage.REPORT)
        return record.finish(Outcome.DRY_RUN if settings.dry_run else None)


@dataclass(frozen=True, kw_only=True)
class _Load:
    """One load inside its transaction."""

    settings: Settings
    observer: Observer
    source: Source
    target: Target
    session: Session
    validator: Validator | None
    record: RunRecord
    _added: list[Created] = field(default_factory=list)  # columns

    def carry_out(self) -> Plan:
        """All stages in their order, but for the COMMIT."""
        with self._timed("plan"):
            prepare_load_session(self.session, self.target.schema)
            new = self._create_schema()
            self.observer.stage_begun(Stage.PLAN)
            plan = self._plan(new.names)
            accepted = self._use_suites(plan)
        for table in self.record.accounting.note_tables_left_out(plan):
            self.observer.table_finished(table)
        self.record.accounting.remarks += [remark for table in plan.tables for remark in unreachable_ids(table)]
        with self._timed("load"):
            notes = self._move(plan)
            if accepted:
                accepted.result()
        with self._timed("schema"):
            self.observer.stage_begun(Stage.CONSTRAINTS)
            self._finish_schema(new)
        if not self.settings.dry_run:
            with self._timed("sequences"):
                self.observer.stage_begun(Stage.SEQUENCES)
                self._reset_sequences(plan)
        if self.record.reconciled:
            with self._timed("reconcile"):
                self.observer.stage_begun(Stage.COMPARE)
                self._compare(plan)
        self.record.accounting.note_unused_repairs()
        if notes is not None:
            notes.write(self.record.folder, self._wrote(plan), self._created(new))
        if any(table.in_doubt for table in self.record.accounting.tables):
            self.source.verify_sound()
        return plan

    def _begin_notes(self, plan: Plan) -> UndoNotes | None:
        """What is needed to undo the load; a dry run needs none."""
        if self.settings.dry_run:
            return None
        return UndoNotes.begin(self.record.run_id, UndoKind.LOAD, self.target, self.session, plan.tables)

    def _wrote(self, plan: Plan) -> Iterator[Wrote]:
        """Rows by table. Where others could not write, those count too that triggers have put there."""
        for table in plan.tables:
            report = self.record.accounting.report_of(table.name)
            loaded = report.loaded_rows or 0
            grown = (report.target_rows_after or 0) - (report.target_rows_before or 0)
            yield Wrote(table, max(loaded, grown) if table.target.lockable else loaded)

    def _created(self, new: NewSchema) -> list[Created]:
        if not new.created and not new.views:
            return self._added
        return [*created_relations(self.session, new.schema, [*new.created, *new.views]), *self._added]

    def _create_schema(self) -> NewSchema:
        """Tables and keys that the target lacks; on the embedded server they need not be asked for."""
        if not (self.settings.create_schema or self.target.embedded):
            return NewSchema(names=names_given_before(self.source, self.session))
        self.observer.stage_begun(Stage.LOOK)
        schema = require_schema(self.session, current_schema(self.session))
        description = description_of(self.source.tables)
        new = create_what_is_missing(self.source, self.session, self.settings, schema, description)
        if new.created:
            self.observer.tables_created(new.created)
        return new

    def _finish_schema(self, new: NewSchema) -> None:
        """What is built behind the rows; the record keeps what became of all of it."""
        finish_schema(self.session, new)
        self.record.accounting.schema = new.report()
        write_schema_files(self.source, new, self.record.folder)

    def _plan(self, names: NameMap) -> Plan:
        said = check_map(self.settings.mapping or NameMap(), self.source.tables)
        self.record.accounting.allowed = check_repairs(self.settings.repair, self.source.tables, said)
        plan = self._plan_with(names, self.settings.extra_columns)
        self.record.accounting.note_drift(plan.drift)
        if self.settings.extra_columns is ExtraColumns.ADD and any(table.lacking for table in plan.tables):
            add_columns(self.session, plan)
            self._added.extend(added for table in plan.tables for added in created_columns(table, table.lacking))
            plan = self._plan_with(names, ExtraColumns.STOP)
        self.record.accounting.note_names(plan)
        if plan.starter:
            path = self.record.leave_starter(plan.starter)
            self.record.accounting.remarks.append(
                f"Tables without a counterpart may have one under another name: guesses are in {path}, for --map"
            )
        self.observer.planned(plan)
        return plan

    def _plan_with(self, names: NameMap, extra_columns: ExtraColumns) -> Plan:
        return plan_between(
            self.source,
            self.session,
            only=self.settings.tables,
            extra_columns=extra_columns,
            times=self.settings.times,
            names=self.settings.mapping,
            created=names,
            allowed=self.record.accounting.allowed,
        )

    def _use_suites(self, plan: Plan) -> Future[None] | None:
        """Reads and checks the suites; what Great Expectations itself says of them is known before the commit."""
        if self.validator is None:
            return None
        known = description_of(self.source.tables).suites
        folder = self.settings.expectations or known
        if self.settings.expectations is not None:
            others = [name for name in self.source.tables if name not in {table.name for table in plan.tables}]
            others += [*plan.missing_in_source, *(TABLE_NAMES if known is not None else ())]
            refuse_strangers(self.settings.expectations, [table.target.name for table in plan.tables], others)
        return self.validator.use(suites_for(folder, [table.target for table in plan.tables]))

    def _move(self, plan: Plan) -> UndoNotes | None:
        self.observer.stage_begun(Stage.FORECAST if self.settings.dry_run else Stage.LOAD)
        require_to_load(self.session, plan.tables, dry_run=self.settings.dry_run)
        require_locks(self.session, [table.target for table in plan.tables])
        if not self.settings.dry_run:
            lock_tables(self.session, plan)
        notes = self._begin_notes(plan)
        mover = Mover(
            settings=self.settings,
            observer=self.observer,
            source=self.source,
            session=self.session,
            validator=self.validator,
            record=self.record,
        )
        if self.settings.disable_triggers and not self.settings.dry_run:
            with without_triggers(self.session, [table.target for table in plan.tables]):
                mover.move_all(plan)
        else:
            mover.move_all(plan)
        return notes

    def _reset_sequences(self, plan: Plan) -> None:
        for table in plan.tables:
            self.record.accounting.sequences += reset_sequences(self.session, table)
        self.observer.sequences_reset(self.record.accounting.sequences)

    def _compare(self, plan: Plan) -> None:
        """Compares every value that arrived with the source, before anything is committed."""
        accounting = self.record.accounting
        prepare_session(self.session)
        for table in plan.tables:
            report, comparison = compare_loaded(
                self.source,
                self.session,
                table,
                self.record.folder,
                report=accounting.report_of(table.name),
                zone=self.settings.assume_timezone,
                progress=progress_of(self.observer, table),
            )
            accounting.note_comparison(report, comparison)
            self.observer.table_compared(report)

    def commit(self, plan: Plan, interruptions: Interruptions) -> None:
        """The end of the transaction; what there is to say about it becomes a remark of the report."""
        remark = commit(
            self.session,
            self.target.engine,
            interruptions,
            evidence=self._evidence(plan),
            on_lost=self.observer.confirmation_lost,
        )
        if remark is not None:
            self.record.accounting.remarks.append(remark)

    def _evidence(self, plan: Plan) -> Evidence | None:
        """The smallest table that grew, by which a lost answer to COMMIT is told: counting it again is quick."""
        reports = [(self.record.accounting.report_of(table.name), table) for table in plan.tables]
        grown = [(report.target_rows_after or 0, table) for report, table in reports if report.loaded_rows]
        if not grown:
            return None
        rows, table = min(grown, key=lambda item: item[0])
        return Evidence(identifier(table.target), rows)

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.record.accounting.timings[stage] = time.monotonic() - started
