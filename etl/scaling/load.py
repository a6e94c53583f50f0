"""The conductor of a load by several workers: plan → parts → publish.

The plan is made in a transaction that is rolled back; the workers gather the rows in a loading schema, each part in a
transaction of its own; then a load like any other runs in one transaction, with the gathered rows as its source.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from etl.concurrency.interruption import Interruptions, interruptible
from etl.core.errors import CannotRun, UsageError
from etl.core.plan import Plan, TablePlan
from etl.core.text import counted
from etl.reporting.report import Report
from etl.runs.accounting import Accounting
from etl.runs.connect import Target, open_target
from etl.runs.load import Load, Prepared
from etl.runs.load_session import hold_lock_of_a_run, lock_tables
from etl.runs.observer import Observer
from etl.runs.record import RunRecord, describe_source
from etl.runs.run_id import new_run_id
from etl.runs.settings import Settings
from etl.runs.startup import Startup
from etl.runs.transaction import one_transaction
from etl.scaling.at_rest import copy_of, source_at_rest
from etl.scaling.cluster import Cluster, open_cluster
from etl.scaling.cut_off import find_run, keeping
from etl.scaling.fingerprint import Facts, facts_about
from etl.scaling.ledger import Ledger, RunLine, agreed_on
from etl.scaling.parts import PART_BYTES, Part, parts_of
from etl.scaling.publish import Publisher, PublishingObserver
from etl.scaling.work import Answer, Job, end_workers, worker_url
from etl.source.database import Source
from etl.target.lock_room import require_locks
from etl.target.privileges import require_to_load
from etl.target.session import Session
from etl.validation.validator import Validator


def run_parallel(settings: Settings, observer: Observer | None = None, *, part_bytes: int = PART_BYTES) -> Report:
    """Loads by several workers, or goes on with such a load that was cut off, and writes the report folder.

    Raises as `run_migration` does. Once the first part is under way, the loading schema stays behind whatever ends the
    run but its publication, and the error says how to go on with it and how to remove it.
    """
    observer = observer or Observer()
    with contextlib.ExitStack() as ends:
        interruptions = ends.enter_context(Interruptions())
        target = ends.enter_context(open_target(settings.pg, settings.source, settings.schema))
        control = ends.enter_context(target.connect())
        resumed = _begin(control, settings)
        run_id = resumed.run_id if resumed else new_run_id()
        path = Path(resumed.path) if resumed else source_at_rest(settings.source, settings.report_folder, run_id)
        begun = ends.enter_context(Startup(path, validate=settings.validate))
        validator = ends.enter_context(Validator(begun.validation)) if begun.validation else None
        observer.source_opened(describe_source(begun.source))
        observer.target_opened(target)
        record = RunRecord.begin(
            begun.source,
            target,
            settings.report_folder,
            validated=settings.validate,
            reconciled=settings.reconcile,
            run_id=run_id,
        )
        record = replace(record, source=replace(record.source, path=str(settings.source)))
        run = _Run(settings, observer, begun.source, target, control, validator, record, part_bytes, resumed)
        with record.failures_reported(), keeping(run_id, run.say, run.progress):
            gathered = interruptible(run.gather, hang_up=run.stop)
            run.publish(gathered, interruptions)
        copy_of(run_id, path).unlink(missing_ok=True)
        return record.finish()


def _begin(control: Connection, settings: Settings) -> RunLine | None:
    """Takes the lock of a run for as long as the connection lasts; gives the run that is to go on, if any."""
    with one_transaction(control):
        session = Session(control)
        hold_lock_of_a_run(session)
        found = find_run(session, settings.resume, settings.source) if settings.resume else None
        session.driver.commit()
    return found


@dataclass(frozen=True)
class _Gathered:
    """The rows of all tables, in the loading schema."""

    prepared: Prepared
    ledger: Ledger


@dataclass
class _Run:
    """A load by several workers."""

    settings: Settings
    observer: Observer
    source: Source
    target: Target
    control: Connection
    validator: Validator | None
    record: RunRecord
    part_bytes: int
    resumed: RunLine | None
    _cluster: Cluster | None = None
    _session: Session | None = None
    _rows: Counter[str] = field(default_factory=Counter)
    _kept: bool = False
    _open_parts: int = 0
    _done: int = 0

    # -- the parts --------------------------------------------------------------------------------------------------

    def gather(self) -> _Gathered:
        """Has every part loaded into the loading schema."""
        started = time.monotonic()
        prepared = self._prepare()
        if prepared.accepted:
            prepared.accepted.result()
        facts = facts_about(self.source.path)
        parts = parts_of(self.source, prepared.plan.tables, self.part_bytes)
        with open_cluster(
            self._workers(parts), self.settings.scheduler, worker_url(self.settings.pg, self.target)
        ) as cluster:
            self._cluster = cluster
            cluster.check(self.record.run_id, self.source.path)
            self.observer.workers_ready(cluster.said)
            ledger, line = self._open_ledger(prepared, facts, parts)
            self._work(cluster, prepared, ledger, line, facts)
        self.record.accounting.timings["parts"] = time.monotonic() - started
        return _Gathered(prepared, ledger)

    def _work(self, cluster: Cluster, prepared: Prepared, ledger: Ledger, line: RunLine, facts: Facts) -> None:
        """The parts that the ledger lacks; none is left when this returns."""
        jobs = {plan.name: self._job(plan, prepared, ledger, line, facts) for plan in prepared.plan.tables}
        with self._transaction() as session:
            parts = ledger.missing(session)
        self._open_parts = len(parts)

        def on_done(answer: Answer) -> None:
            self._done += 1
            self._progressed(prepared.plan, answer)

        cluster.work(jobs, parts, on_done)
        cluster.forget(ledger.run_id)
        with self._transaction() as session:
            end_workers(session, ledger.run_id)
            if missing := ledger.missing(session):
                raise CannotRun(f"The ledger lacks {counted(len(missing), 'part')} that workers have loaded.")

    def say(self, text: str) -> None:
        """Tells the user, and keeps it for the report."""
        self.observer.remarked(text)
        self.record.accounting.remarks.append(text)

    def progress(self) -> str | None:
        """How many parts this run has loaded; None while there is no loading schema."""
        return f"{self._done:,} of {counted(self._open_parts, 'part')} in this run" if self._kept else None

    def _prepare(self) -> Prepared:
        """The plan as it will be; whatever is created for it is rolled back."""
        with one_transaction(self.control):
            load = self._load(replace(self.record, accounting=Accounting(self.source)), self.observer)
            prepared = load.prepare()
            if load.record.accounting.allowed.wishes:
                raise UsageError(
                    "Workers alter no values: load in one process with --repair or the map's [repair], or without it."
                )
            require_to_load(load.session, prepared.plan.tables, dry_run=False)
            require_locks(load.session, [table.target for table in prepared.plan.tables])
            lock_tables(load.session, prepared.plan)
        return prepared

    def _open_ledger(self, prepared: Prepared, facts: Facts, parts: Sequence[Part]) -> tuple[Ledger, RunLine]:
        plans = prepared.plan.tables
        decisions = (self.settings.assume_timezone, self.settings.validate, sorted(prepared.suites.items()))
        agreed = agreed_on(plans, *decisions)
        with self._transaction() as session:
            if self.resumed is not None:
                self._require_unchanged(self.resumed, facts, agreed)
                self._kept = True
                return Ledger.open(session, self.resumed.run_id)
            line = RunLine(
                self.record.run_id,
                self.record.started_at,
                str(self.settings.source.absolute()),
                str(self.source.path.absolute()),
                facts.file,
                agreed,
            )
            ledger = Ledger.create(session, line, plans, parts)
            self._kept = True  # what ends the run from here on leaves the schema
            session.driver.commit()
        return ledger, line

    def _require_unchanged(self, line: RunLine, facts: Facts, agreed: str) -> None:
        """Raises `CannotRun` where parts that are loaded do not fit to those that are to come."""
        what = "The source was changed" if facts.file != line.file else ""
        if not what and agreed != line.agreed:
            what = "The target's tables, the expectations or the options are others"
        if what:
            raise CannotRun(
                f"{what} since the run {line.run_id} began, so it cannot go on. Remove it with "
                f"--abandon {line.run_id}, then load anew."
            )

    def _workers(self, parts: Sequence[Part]) -> int:
        """No more than there is work for."""
        return max(1, min(self.settings.workers or 1, len(parts)))

    def _job(self, plan: TablePlan, prepared: Prepared, ledger: Ledger, line: RunLine, facts: Facts) -> Job:
        return Job(
            ledger=ledger,
            url=self.target.display_url,
            schema=self.settings.schema,
            source=self.source.path.absolute(),
            facts=facts,
            plan=plan,
            suites=prepared.suites,
            started_at=line.started_at,
            assume_timezone=self.settings.assume_timezone,
            batch_rows=self.settings.batch_rows,
        )

    def _progressed(self, plan: Plan, answer: Answer) -> None:
        table = next(table for table in plan.tables if table.name == answer.table)
        if not self._rows[answer.table]:
            self.observer.table_restarted(table)
        self._rows[answer.table] += answer.rows
        self.observer.table_progressed(table, self._rows[answer.table])

    # -- publication ------------------------------------------------------------------------------------------------

    def publish(self, gathered: _Gathered, interruptions: Interruptions) -> None:
        """Moves all rows into place and compares them, in one transaction."""
        with one_transaction(self.control):
            self._session = Session(self.control)
            mover = partial(
                Publisher,
                ledger=gathered.ledger,
                done=gathered.ledger.done(self._session),
                expected={plan.name: plan.columns for plan in gathered.prepared.plan.tables},
            )
            load = self._load(self.record, PublishingObserver(self.observer))
            load = replace(load, mover=mover, derived=gathered.prepared.new.proposal)
            plan = interruptible(
                load.carry_out, hang_up=load.session.hang_up, let_go=self.validator.stop if self.validator else None
            )
            self.source.verify_unchanged()
            interruptions.hold_back()
            load.commit(plan, interruptions)

    # -- both -------------------------------------------------------------------------------------------------------

    def _load(self, record: RunRecord, observer: Observer) -> Load:
        self._session = Session(self.control)
        return Load(
            settings=self.settings,
            observer=observer,
            source=self.source,
            target=self.target,
            session=self._session,
            validator=self.validator,
            record=record,
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Session]:
        """A short one of the coordinator's; rolled back unless it is committed inside."""
        with one_transaction(self.control):
            self._session = Session(self.control)
            yield self._session

    def stop(self) -> None:
        """Ends whatever waits for the server or for workers, from any thread."""
        if self._session is not None:
            self._session.hang_up()
        if self._cluster is not None:
            self._cluster.stop(self.record.run_id)
        if self.validator is not None:
            self.validator.stop()
