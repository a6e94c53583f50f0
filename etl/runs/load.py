"""The conductor of a load: plan → move → sequences → compare → commit → report, in one transaction.

Whatever touches a database happens in the modules that it calls; here stands in which order.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from etl.comparison.after_load import compare_loaded
from etl.comparison.target_side import prepare_session
from etl.concurrency.interruption import Interruptions, interruptible
from etl.core.errors import DriftError
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns, Plan, TablePlan
from etl.core.proposal import Proposal
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
from etl.runs.known import Description, NoDescription, description_of
from etl.runs.load_session import lock_tables, prepare_load_session
from etl.runs.move import Mover
from etl.runs.observer import Observer, Stage, progress_of
from etl.runs.one_of_many import OneOfMany
from etl.runs.record import RunRecord, describe_source
from etl.runs.schema_files import write_schema_files
from etl.runs.settings import Settings
from etl.runs.startup import Startup
from etl.runs.transaction import one_transaction
from etl.runs.undo_notes import UndoNotes, Wrote
from etl.schema.unified import TABLE_NAMES
from etl.source.database import Source
from etl.target.catalog import read_catalog
from etl.target.commit import Evidence, commit
from etl.target.constraints import identifier
from etl.target.created import created_columns, created_relations
from etl.target.loading_schemas import cut_off_runs
from etl.target.lock_room import require_locks
from etl.target.privileges import require_schema, require_to_load
from etl.target.search_path import current_schema, make_schema
from etl.target.sequences import reset_sequences, unreachable_ids
from etl.target.session import Session
from etl.target.triggers import without_triggers
from etl.validation.suites import Suite, refuse_strangers, require_folder, suites_for
from etl.validation.validator import Validator


def run_migration(
    settings: Settings,
    observer: Observer | None = None,
    startup: Startup | None = None,
    *,
    opening: AbstractContextManager[Target] | None = None,
    one: OneOfMany | None = None,
) -> Report:
    """Loads, or in a dry run forecasts, and writes the report folder.

    Raises `EtlError` where it cannot, and KeyboardInterrupt where it is interrupted: nothing is committed then, and the
    report says "failed" if both ends had answered before. An interruption after COMMIT has begun is not heard any more.
    Two errors are otherwise: `CommittedError`, `UnconfirmedError`. `startup` is the caller's to close. `opening` gives
    the target; None: the one that the settings name.
    `one` says that the source is one file of a fleet.
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
        if one is not None:
            record = replace(record, source=replace(record.source, path=str(one.path)))
        with record.failures_reported(), target.connect() as connection, one_transaction(connection):
            session = Session(connection)
            load = Load(
                settings=settings,
                observer=observer,
                source=begun.source,
                target=target,
                session=session,
                validator=validator,
                record=record,
                one=one,
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


@dataclass(frozen=True)
class Prepared:
    """What is settled before the first row moves. `accepted` is done when Great Expectations has taken the suites."""

    plan: Plan
    new: NewSchema
    suites: Mapping[str, Suite]
    accepted: Future[None] | None


@dataclass(frozen=True, kw_only=True)
class Load:
    """One load inside its transaction.

    `mover` is how the rows come into the tables, `derived` the schema of tables to be created where it is known before.
    """

    settings: Settings
    observer: Observer
    source: Source
    target: Target
    session: Session
    validator: Validator | None
    record: RunRecord
    mover: Callable[..., Mover] = Mover
    derived: Proposal | None = None
    one: OneOfMany | None = None
    _added: list[Created] = field(default_factory=list)  # columns

    def prepare(self) -> Prepared:
        """The tables that are there or are created, the plan between both sides, and the suites."""
        if self.one is not None and self.one.new_schema is not None:
            make_schema(self.session, self.one.new_schema)
        shared = self.one is not None and not self.one.column
        prepare_load_session(self.session, self.target.schema, shared=shared)
        self._name_runs_that_were_cut_off()
        new = self._create_schema()
        self.observer.stage_begun(Stage.PLAN)
        plan = self._plan(new.names)
        suites = self._suites(plan)
        accepted = self.validator.use(suites) if self.validator else None
        return Prepared(plan, new, suites, accepted)

    def carry_out(self) -> Plan:
        """All stages in their order, but for the COMMIT."""
        with self._timed("plan"):
            prepared = self.prepare()
        plan, new, accepted = prepared.plan, prepared.new, prepared.accepted
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
        if self.one is not None and not self.settings.dry_run:
            self.one.note(self.session, self.record.report())
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

    def _name_runs_that_were_cut_off(self) -> None:
        for run in cut_off_runs(self.session):
            if run.run_id != self.record.run_id:
                self.observer.remarked(str(run))
                self.record.accounting.remarks.append(str(run))

    @property
    def _description(self) -> Description:
        """None fits tables whose keys have a column more."""
        return NoDescription() if self.one and self.one.column else description_of(self.source.tables)

    def _create_schema(self) -> NewSchema:
        """Tables and keys that the target lacks; on the embedded server they need not be asked for."""
        if not (self.settings.create_schema or self.target.embedded):
            return NewSchema(names=names_given_before(self.source, self.session))
        self.observer.stage_begun(Stage.LOOK)
        schema = require_schema(self.session, current_schema(self.session))
        new = create_what_is_missing(
            self.source,
            self.session,
            self.settings,
            schema,
            self._description,
            self.derived,
            self.one.column if self.one else "",
        )
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
        if self.one is not None and self.one.column:
            plan = _of_share(plan, self.one.column, self.one.value)
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

    def _suites(self, plan: Plan) -> Mapping[str, Suite]:
        """Reads and checks the suites; what Great Expectations itself says of them is known before the commit."""
        if self.validator is None:
            return {}
        known = self._description.suites
        folder = self.settings.expectations or known
        if self.settings.expectations is not None:
            others = [name for name in self.source.tables if name not in {table.name for table in plan.tables}]
            others += [*plan.missing_in_source, *(TABLE_NAMES if known is not None else ())]
            others += read_catalog(self.session, require_schema(self.session, current_schema(self.session)))
            refuse_strangers(self.settings.expectations, [table.target.name for table in plan.tables], others)
        return suites_for(folder, [table.target for table in plan.tables])

    def _move(self, plan: Plan) -> UndoNotes | None:
        self.observer.stage_begun(Stage.FORECAST if self.settings.dry_run else Stage.LOAD)
        require_to_load(self.session, plan.tables, dry_run=self.settings.dry_run)
        require_locks(self.session, [table.target for table in plan.tables])
        if not self.settings.dry_run:
            lock_tables(self.session, plan)
        notes = self._begin_notes(plan)
        mover = self.mover(
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
        """The smallest table that grew, by which a lost answer to COMMIT is told: counting it again is quick.

        None where the counts are of a share of its rows.
        """
        if self.one is not None and self.one.column:
            return None
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


def _of_share(plan: Plan, column: str, value: str) -> Plan:
    """The plan for the rows with `value` in the column of the target that takes the source's `column`.

    Raises `DriftError` where a table of the target has no such column.
    """
    groups = tuple(tuple(_table_of_share(table, column, value) for table in group) for group in plan.groups)
    return replace(plan, groups=groups)


def _table_of_share(table: TablePlan, column: str, value: str) -> TablePlan:
    target = next((one.target for one in table.columns if one.source == column), None)
    if target is None:
        raise DriftError(
            f"The target's table {table.target.name} has no column {column}, which is to tell the files apart. Add it "
            "to the table and to its keys, or let an empty schema be created with --create-schema."
        )
    return replace(table, share=(target, value))
