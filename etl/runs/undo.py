"""The conductor of an undo: record → trust → rights → locks → rows → created tables → sequences → COMMIT → report."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg2 import sql

from etl.concurrency.interruption import Interruptions, interruptible
from etl.core import defaults
from etl.core.errors import CannotRun, EtlError, UnconfirmedError, UsageError
from etl.core.report import TargetReport
from etl.core.undo_record import Undone, UndoRecord
from etl.core.undo_report import LeftRows, TableUndone, ThingUndone, UndoOutcome
from etl.files.report_folder import prepare_folder
from etl.files.undo_files import read_overwritten, read_undo_record, read_undone, write_undone
from etl.reporting.undo import UndoReport, write_undo_report
from etl.runs.connect import Target, is_named, open_target
from etl.runs.load_session import prepare_load_session
from etl.runs.run_id import new_run_id
from etl.runs.transaction import one_transaction
from etl.target.commit import commit
from etl.target.identity import next_number, own_number
from etl.target.privileges import require_to_undo
from etl.target.session import Session
from etl.undoing.created import CreatedThings
from etl.undoing.left import LeftBehind
from etl.undoing.overwritten import OldRows
from etl.undoing.references import Reference, read_references
from etl.undoing.rows import RunRows, TakenBack
from etl.undoing.sequences import restore_sequences
from etl.undoing.trust import done_before, require_trust
from etl.undoing.written import Marks, WrittenTable, read_tables


class UndoObserver:
    """The events of an undo, in their order. This one keeps silent."""

    def begun(self, record: UndoRecord, target: Target) -> None:
        """The record is read, and PostgreSQL answers."""

    def table_undone(self, table: TableUndone, left: Sequence[LeftRows]) -> None:
        """A table's rows are taken back, but nothing is committed yet."""

    def confirmation_lost(self, transaction: int) -> None:
        """The connection broke during COMMIT; the server is being asked what became of the transaction."""


@dataclass(frozen=True)
class UndoSettings:
    """What an undo is asked to do: `report` is the report folder of the run that is to be undone."""

    report: Path
    pg: str | None = field(default=None, repr=False)  # it may hold a password
    dry_run: bool = False
    report_folder: Path | None = None


def run_undo(settings: UndoSettings, observer: UndoObserver | None = None) -> UndoReport:
    """Undoes a run, or in a dry run says what would go, and writes a report folder of its own.

    Raises `EtlError` where it cannot, and KeyboardInterrupt where it is interrupted: nothing is changed then. Only
    `UnconfirmedError` leaves open whether it was.
    """
    observer = observer or UndoObserver()
    record = read_undo_record(settings.report)
    undone = read_undone(settings.report)
    with contextlib.ExitStack() as ends:
        interruptions = ends.enter_context(Interruptions())
        target = ends.enter_context(open_target(settings.pg, _source_of(record, settings.pg), None))
        observer.begun(record, target)
        run = _Undo.begin(settings, observer, record, undone, target)
        with run.failures_reported(), target.connect() as connection, one_transaction(connection):
            session = Session(connection)
            interruptible(lambda: run.carry_out(session), hang_up=session.hang_up)
            if not settings.dry_run:
                interruptions.hold_back()
                remark = commit(
                    session, target.engine, interruptions, evidence=None, on_lost=observer.confirmation_lost
                )
                run.remarks += [] if remark is None else [remark]
        return run.finish()


def _source_of(record: UndoRecord, pg: str | None) -> Path:
    """A name by which the embedded server finds the run's database; raises `UsageError` where it was on another."""
    if not is_named(pg) and not record.embedded:
        where = f" ({record.target})" if record.target else ""
        raise UsageError(
            f"Name the server that run {record.run} wrote into{where}: with --pg URL, DATABASE_URL or libpq's PG* "
            "variables."
        )
    return Path(f"{record.database}.db")


@dataclass(kw_only=True)
class _Undo:
    """One undo."""

    settings: UndoSettings
    observer: UndoObserver
    record: UndoRecord
    undone: tuple[Undone, ...]
    target: Target
    run_id: str
    started_at: datetime
    folder: Path
    tables: list[TableUndone] = field(default_factory=list)
    left: list[LeftRows] = field(default_factory=list)
    created: list[ThingUndone] = field(default_factory=list)
    sequences: list[ThingUndone] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        settings: UndoSettings,
        observer: UndoObserver,
        record: UndoRecord,
        undone: tuple[Undone, ...],
        target: Target,
    ) -> "_Undo":
        """Gives the undo its identity and its folder."""
        started = datetime.now(UTC)
        run_id = new_run_id(started)
        folder = settings.report_folder or defaults.REPORTS / run_id
        if folder.resolve() == settings.report.resolve():
            raise UsageError(
                f"--report {folder} holds the record of the run that is to be undone; name another folder."
            )
        return cls(
            settings=settings,
            observer=observer,
            record=record,
            undone=undone,
            target=target,
            run_id=run_id,
            started_at=started,
            folder=prepare_folder(folder),
        )

    def carry_out(self, session: Session) -> None:
        """All stages in their order, but for the COMMIT."""
        # Each statement sees what was committed before it, and so before the locks were given.
        session.run(sql.SQL("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
        with self._timed("check"):
            prepare_load_session(session, None)
            self.remarks += require_trust(session, self.record)
            before = done_before(session, self.undone)
            self._refuse_second(before)
            tables = read_tables(session, self.record)
            references = read_references(session, tables)
            self._require_rights(session, tables, references)
        if tables and not self.settings.dry_run:
            _lock(session, tables)
        with contextlib.closing(LeftBehind(session, self.folder)) as left:
            with self._timed("rows"):
                self._take_back(session, tables, references, before, left)
            self.left = left.rows
        if not self.settings.dry_run:
            self._note_undone(session, before)

    def _refuse_second(self, before: Sequence[Undone]) -> None:
        done = next((item for item in before if item.complete), None)
        if done is not None:
            raise CannotRun(
                f"Run {self.record.run} was undone already, at {done.at} by {done.run}. Nothing was changed."
            )

    def _require_rights(
        self, session: Session, tables: Sequence[WrittenTable], references: Sequence[Reference]
    ) -> None:
        wanted = {(reference.child_oid, "SELECT") for reference in references}
        for table in tables:
            counts = {"DELETE": True, "UPDATE": table.record.updated, "INSERT": table.record.deleted}
            rights = [right for right, needed in counts.items() if needed]
            wanted |= {(table.oid, right) for right in ("SELECT", *([] if self.settings.dry_run else rights))}
        require_to_undo(session, sorted(wanted))

    def _take_back(
        self,
        session: Session,
        tables: Sequence[WrittenTable],
        references: Sequence[Reference],
        before: Sequence[Undone],
        left: LeftBehind,
    ) -> None:
        marks = Marks(self.record, next_number(session))
        olds = {
            table.oid: OldRows(session, table, marks, self._overwritten(table), again=bool(before)) for table in tables
        }
        rows = RunRows(session, tables, references, marks, olds, left)
        things = CreatedThings(session, self.record.created)
        there = {table.oid: table for table in tables}
        gone = {table.oid: rows.note_changed(table, _taken_before(before, table.oid)) for table in tables}
        if self.settings.dry_run:
            counts = rows.forecast()
            self.created += things.forecast(rows.remaining(counts))
        else:
            counts = rows.take_back()
            self.created += things.drop()
        self.sequences += restore_sequences(session, self.record, rows.staying(), dry_run=self.settings.dry_run)
        for item in self.record.tables:
            table = there.get(item.oid)
            back = counts.get(item.oid, TakenBack())
            done = TableUndone(
                name=item.source,
                target=table.shown if table else None,
                inserted=item.inserted,
                updated=item.updated,
                deleted=item.deleted,
                removed=back.removed,
                restored=back.restored,
                put_back=back.put_back,
                gone=gone.get(item.oid, 0),
            )
            self.tables.append(done)
            self.observer.table_undone(done, [one for one in left.rows if one.table == item.source])
        ruled = [f"{table.shown} ({', '.join(table.delete_triggers)})" for table in tables if table.delete_triggers]
        if ruled:
            self.remarks.append(f"triggers fire for each deleted row as for any other: {'; '.join(ruled)}")

    def _overwritten(self, table: WrittenTable) -> Iterator[Mapping[str, Any]]:
        return read_overwritten(self.settings.report, self.record.kind, table.record.source)

    def _note_undone(self, session: Session, before: Sequence[Undone]) -> None:
        now = Undone(
            run=self.run_id,
            at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
            transaction=own_number(session),
            complete=self.report(UndoOutcome.PARTLY).complete,
            taken_back={item.oid: done.removed for item, done in zip(self.record.tables, self.tables, strict=True)},
        )
        write_undone(self.settings.report, (*before, now))

    def report(self, outcome: UndoOutcome, error: str | None = None) -> UndoReport:
        """The report as things stand."""
        return UndoReport(
            run_id=self.run_id,
            undone_run=self.record.run,
            undone_folder=self.settings.report,
            kind=self.record.kind,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            outcome=outcome,
            target=TargetReport(self.target.display_url, self.target.server_version, self.target.embedded),
            tables=tuple(self.tables),
            left=tuple(self.left),
            created=tuple(self.created),
            sequences=tuple(self.sequences),
            remarks=tuple(self.remarks),
            folder=self.folder,
            error=error,
            timings=self.timings,
        )

    @contextlib.contextmanager
    def failures_reported(self) -> Iterator[None]:
        """Inside, an undo that fails leaves a report that says so before its error goes on."""
        try:
            yield
        except (EtlError, KeyboardInterrupt) as error:
            unconfirmed = isinstance(error, UnconfirmedError)
            if not unconfirmed:
                for noted in (self.tables, self.left, self.created, self.sequences):
                    noted.clear()
            outcome = UndoOutcome.UNCONFIRMED if unconfirmed else UndoOutcome.FAILED
            with contextlib.suppress(CannotRun, OSError):
                write_undo_report(self.report(outcome, str(error) or "interrupted"), self.folder)
            raise

    def finish(self) -> UndoReport:
        """Writes the report; where that cannot be, the report that is returned says so."""
        outcome = UndoOutcome.DRY_RUN
        if not self.settings.dry_run:
            complete = self.report(UndoOutcome.PARTLY).complete
            outcome = UndoOutcome.UNDONE if complete else UndoOutcome.PARTLY
        report = self.report(outcome)
        try:
            write_undo_report(report, self.folder)
        except CannotRun as error:
            if self.settings.dry_run:
                raise
            self.remarks.append(f"This is committed, but the report could not be written: {error}")
            return self.report(outcome)
        return report

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.timings[stage] = time.monotonic() - started


def _lock(session: Session, tables: Sequence[WrittenTable]) -> None:
    """Nobody else writes into them, and nobody can come to refer to their rows: that takes ROW SHARE on the parent."""
    names = sql.SQL(", ").join(table.identifier for table in tables)
    session.run(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(names))


def _taken_before(before: Sequence[Undone], oid: int) -> int:
    return sum(item.taken_back.get(oid, 0) for item in before)
