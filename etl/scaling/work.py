"""What a worker does: one part of a table read, converted, checked and copied, in one transaction with its ledger line.

Everything here runs in a worker's process; `load_part` is the only task that Dask gets.
"""

import contextlib
import os
import platform
import time
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg2
from psycopg2 import sql
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from etl.core.errors import CannotRun, SourceError, TargetError
from etl.core.plan import TablePlan
from etl.core.rejects import Fault, RejectedRow, StatedFault
from etl.core.row_examples import RowExample
from etl.files.reject_files import Altered, AlteredValue, DroppedValues, WarnedRow
from etl.loading.staging import copy_what_fits, numbered, staged_types
from etl.runs.connect import Target
from etl.runs.load_session import set_up
from etl.runs.pipeline import Pipeline
from etl.scaling.fingerprint import Facts, State, facts_about, require_same
from etl.scaling.ledger import Ledger, PartLine, fault_text
from etl.scaling.parts import Part
from etl.source.database import Source
from etl.target.session import Session, first_line
from etl.target.url import connection_error, make_engine, resolve
from etl.validation.suites import Suite
from etl.validation.validator import Validator

WORKER_URL = "ETL_WORKER_URL"  # in the environment of workers that this product starts: the target, password included


@dataclass(frozen=True)
class Job:
    """What a worker has to know about a table's parts. `url` holds no password: a worker has that from its own
    environment. `suites` are those of all tables; none means that validation is skipped."""

    ledger: Ledger
    url: str
    schema: str | None
    source: Path
    facts: Facts
    plan: TablePlan = field(repr=False)
    suites: Mapping[str, Suite] = field(repr=False)
    started_at: datetime
    assume_timezone: str
    batch_rows: int


@dataclass(frozen=True)
class Answer:
    """What became of a part. `first` says that this worker's rows count, and not those of another one."""

    part: int
    table: str
    rows: int
    first: bool


def load_part(job: Job, part: Part) -> Answer:
    """Loads one part, if the ledger lacks it.

    Raises `EtlError` where that cannot be; nothing of the part is left then.
    """
    require_same(job.facts, _facts(job.source), f"{platform.node()}:{os.getpid()}")
    try:
        with _session(job) as session:
            if job.ledger.is_done(session, part.number):
                return Answer(part.number, part.table, part.rows, first=False)
            first = _load(job, part, session)
            if first:  # else the rows of another worker are the part's, and ours are rolled back
                session.driver.commit()
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL refused a part of {part.table}: {first_line(error)}.") from None
    return Answer(part.number, part.table, part.rows, first=first)


def hang_up(run_id: str) -> None:
    """Ends the run's statements in this process, until the run goes on; from any thread."""
    _STOPPED.add(run_id)
    for session in _SESSIONS.get(run_id, ()):
        session.hang_up()
    forget(run_id)


def forget(run_id: str) -> None:
    """Ends the validation process that was kept for the run."""
    kept = _KEPT.pop(run_id, None)
    if kept is not None:
        kept.__exit__(None, None, None)


def begin(run_id: str, path: Path | None) -> Facts | str:
    """A run begins, or goes on: the facts of this process, or why there are none."""
    _STOPPED.discard(run_id)
    try:
        return facts_about(path)
    except SourceError as error:
        return str(error)


_STOPPED: set[str] = set()  # runs that were interrupted: no part of them is begun or tried again
_SESSIONS: dict[str, list[Session]] = {}
_KEPT: dict[str, Validator] = {}
_FACTS: dict[tuple[Path, State], Facts] = {}


def _facts(path: Path) -> Facts:
    """Those of the file as it is now; a checksum is made once for each state."""
    state = State.of(path)
    if (path, state) not in _FACTS:
        _FACTS[path, state] = facts_about(path)
    return _FACTS[path, state]


def _load(job: Job, part: Part, session: Session) -> bool:
    before, started = State.of(job.source), time.monotonic()
    sink = PartRejects()
    rows, copying = 0, 0.0
    types = staged_types(job.plan.columns, job.ledger.row, job.ledger.rowid)
    table = job.ledger.rows_of(part.table)
    with Source(job.source) as source, _validator(job) as validator:
        pipeline = Pipeline(
            source,
            {part.table: sink},
            validator,
            assume_timezone=job.assume_timezone,
            batch_rows=job.batch_rows,
        )
        with pipeline, contextlib.closing(pipeline.surely_accepted(job.plan, part.range, _nobody_looks)) as batches:
            for batch in batches:
                columns = [column.target for column in job.plan.columns]
                staged = numbered(batch.frame[columns], batch.rowids, job.ledger.row, job.ledger.rowid)
                begun = time.monotonic()
                refused = list(copy_what_fits(session, table, staged, types, job.plan))
                copying += time.monotonic() - begun
                rows += len(staged) - len(refused)
                for row in refused:
                    sink.take(row.row_number, row.rowid, StatedFault(row.fault, row.detail))
                del batch, staged
        results = validator.results(job.plan.target.name).result() if validator else ()
        source.verify_unchanged()
    if State.of(job.source) != before:
        raise SourceError(f"{job.source} was changed while a worker read it; what was read may be mixed.")
    if rows + sink.rejected_rows != part.rows:
        raise SourceError(
            f"{job.source}: a part of {part.table} has {rows + sink.rejected_rows:,} rows instead of {part.rows:,}; "
            "the file was changed, or is damaged."
        )
    seconds = {"total": round(time.monotonic() - started, 4), "copy": round(copying, 4)}
    line = PartLine(part.number, rows, sink.rejected_rows, results, seconds)
    lines = [(part.table, *row) for row in sink.rows]
    return job.ledger.note(session, line, lines, f"{platform.node()}:{os.getpid()}")


def _nobody_looks(rows: int) -> None:
    """The coordinator counts whole parts."""


class PartRejects:
    """The rejects of one part, without their original values: the coordinator reads these from the source.
    Rows that a warning is about are only counted.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[int, int | None, str]] = []
        self.faults: Counter[Fault] = Counter()
        self.others: Counter[Fault] = Counter()
        self.examples: Mapping[Fault, Sequence[RowExample]] = {}
        self.warned_examples: Mapping[Hashable, Sequence[RowExample]] = {}

    @property
    def rejected_rows(self) -> int:
        """Rows so far."""
        return len(self.rows)

    def reject(self, rejected: RejectedRow) -> None:
        """Takes one rejected row."""
        self.take(rejected.row_number, rejected.rowid, StatedFault(rejected.fault, rejected.reason), rejected.others)

    def take(self, row_number: int, rowid: int | None, stated: StatedFault, others: Sequence[StatedFault] = ()) -> None:
        """The same of a row whose values nobody has at hand."""
        self.rows.append((row_number, rowid, fault_text(stated, others)))
        self.faults[stated.fault] += 1

    def keep_dropped(self, kept: DroppedValues) -> None:
        """The coordinator reads these from the source as well."""

    def wanted_of(self, rule: Hashable) -> int:  # noqa: ARG002
        """No row of a warning is kept."""
        return 0

    def warn(self, warned: WarnedRow) -> None:
        """None comes, since none is wanted."""

    def keep_altered(self, altered: AlteredValue) -> None:
        """None comes: a load by workers takes no repairs."""

    def settle_altered(self) -> Altered:
        """Nothing was altered."""
        return Altered()

    def restart(self) -> None:
        """Forgets all rows."""
        self.rows.clear()
        self.faults.clear()

    def close(self) -> None:
        """Nothing is open."""


@contextlib.contextmanager
def _session(job: Job) -> Iterator[Session]:
    """A transaction of its own on the worker's own connection; what is not committed inside is rolled back."""
    url = target_of_worker(job.url)
    engine = make_engine(url)
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise connection_error(error, url) from None  # its text may hold the connection string
    with connection:
        connection.begin()
        session = Session(connection)
        sessions = _SESSIONS.setdefault(job.ledger.run_id, [])
        sessions.append(session)
        try:
            if job.ledger.run_id in _STOPPED:
                raise CannotRun("The run was interrupted.")
            session.run(sql.SQL("SET application_name = {}").format(sql.Literal(application_name(job.ledger.run_id))))
            set_up(session, job.schema)
            yield session
        finally:
            sessions.remove(session)


def target_of_worker(url: str) -> URL:
    """The target as this process's environment names it, else `url`, which holds no password."""
    own = resolve(os.environ.get(WORKER_URL), os.environ) or resolve(url, {})
    assert own is not None
    return own


def worker_url(pg: str | None, target: Target) -> str | None:
    """The target with its password, for workers of our own; None where the environment that they inherit says it."""
    if pg is not None:
        return pg
    return target.engine.url.render_as_string(hide_password=False) if target.embedded else None


def application_name(run_id: str) -> str:
    """By which a run's workers are known to the server."""
    return f"etl part of {run_id}"


def end_workers(session: Session, run_id: str) -> None:
    """Ends what workers of the run still do on the server: theirs is done already, or is not to be done any more."""
    session.rows(
        sql.SQL(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = {} "
            "AND datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        ).format(sql.Literal(application_name(run_id)))
    )


@contextlib.contextmanager
def _validator(job: Job) -> Iterator[Validator | None]:
    """The validation process of this worker, kept from part to part; a new one behind an error."""
    if not job.suites:
        yield None
        return
    run_id = job.ledger.run_id
    if run_id not in _KEPT:
        _KEPT[run_id] = Validator(now=job.started_at)
        _KEPT[run_id].use(job.suites)
    try:
        yield _KEPT[run_id]
    except BaseException:
        forget(run_id)
        raise
