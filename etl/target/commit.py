"""COMMIT, and what became of it where the connection broke before the server confirmed it.

The server knows: the number of the transaction is noted before, and asked for over a new connection afterwards. A
number alone does not prove it, since a server that crashed may give it anew if nothing of the transaction had reached
its disk; so the rows are looked for as well.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from etl.concurrency.background import run_in_background
from etl.concurrency.interruption import Interruptions, ended
from etl.core.errors import EtlError, TargetError, UnconfirmedError
from etl.target.session import Session, first_line

ASK_SECONDS = 60.0  # a server that restarts, and recovers from a crash, has usually answered by then
ASK_AGAIN_SECONDS = 0.5
PATIENCE_SECONDS = 3.0  # with a server that keeps silent during COMMIT, once somebody wants to leave
IN_PROGRESS_SECONDS = 3.0  # a COMMIT that is still under way then may never have reached the server


@dataclass(frozen=True)
class Evidence:
    """A table that holds as many rows if, and only if, the load was committed."""

    table: sql.Identifier
    rows: int


@dataclass(frozen=True)
class Pending:
    """A transaction whose COMMIT is on its way: its number, and the server's process that it runs in."""

    number: int
    backend: int


def commit(
    session: Session,
    engine: Engine,
    interruptions: Interruptions,
    *,
    evidence: Evidence | None,
    on_lost: Callable[[int], None],
) -> str | None:
    """Commits. Where the confirmation is lost, asks the server over a new connection and says so in the result.

    `on_lost` hears the transaction's number when the asking begins. Raises `TargetError` if nothing was committed,
    `UnconfirmedError` if nobody could be asked. An interruption changes nothing, but ends waiting for a silent server.
    """
    number, backend = session.rows(sql.SQL("SELECT txid_current_if_assigned(), pg_backend_pid()"))[0]
    failure = _try(session, interruptions)
    if failure is None or number is None:  # without a number there was nothing to be committed
        return None
    if not session.driver.closed:
        raise TargetError(
            f"PostgreSQL refused the COMMIT, so nothing was committed: {first_line(failure)}."
        ) from failure
    on_lost(number)
    lost = f"The connection broke during COMMIT ({first_line(failure)})"
    committed = _ask(engine, interruptions, Pending(number, backend), evidence)
    if committed is None:
        raise UnconfirmedError(
            f"{lost}, and the server could not be asked whether transaction {number} was committed. Run again when it "
            "answers: rows that arrived are then reported as present, and if none did, all are loaded. "
            f"(The server's own word: SELECT txid_status({number}).)"
        ) from failure
    if not committed:
        raise TargetError(
            f"{lost}. The server was asked: transaction {number} was rolled back, so nothing was committed. Run again."
        ) from failure
    return f"{lost}, so the confirmation was lost. The server was asked: transaction {number} is committed."


def _try(session: Session, interruptions: Interruptions) -> Exception | None:
    """What became of the COMMIT as far as this connection can tell."""
    answer = run_in_background(session.driver.commit, name="etl-commit")
    patience_ends = 0.0
    while not ended(answer, seconds=0.05):
        if interruptions.heard and not patience_ends:
            patience_ends = time.monotonic() + PATIENCE_SECONDS
        if patience_ends and time.monotonic() > patience_ends:
            session.hang_up()
    failure = answer.exception()
    if failure is None or isinstance(failure, psycopg2.Error):
        return failure
    raise failure


def _ask(engine: Engine, interruptions: Interruptions, pending: Pending, evidence: Evidence | None) -> bool | None:
    """Whether the transaction was committed; None if nobody could tell in time, or somebody does not want to wait."""
    started, heard = time.monotonic(), interruptions.heard

    def waiting() -> bool:
        return time.monotonic() < started + ASK_SECONDS and interruptions.heard == heard

    def ask() -> bool | None:
        end_it = time.monotonic() > started + IN_PROGRESS_SECONDS
        with contextlib.suppress(psycopg2.Error, DBAPIError, EtlError):  # it does not answer yet
            return _outcome_of(engine, pending, evidence, end_it=end_it)
        return None

    while waiting():
        question = run_in_background(ask, name="etl-ask")  # a connection may keep silent for long
        while not ended(question, seconds=0.05):
            if not waiting():
                return None
        if question.result() is not None:
            return question.result()
        time.sleep(ASK_AGAIN_SECONDS)
    return None


def _outcome_of(engine: Engine, pending: Pending, evidence: Evidence | None, *, end_it: bool) -> bool | None:
    """What the server says now; None where it does not know. `end_it` stops a transaction that still waits for us."""
    with engine.connect() as connection:
        session = Session(connection)
        if session.value(sql.SQL("SELECT pg_is_in_recovery()")):  # a standby: it may not have heard of it yet
            return None
        number = sql.Literal(pending.number)
        try:
            status = session.value(sql.SQL("SELECT txid_status({})").format(number))
        except psycopg2.errors.InvalidParameterValue:  # it lies in the future: a crash has lost all of it
            return False
        if status == "in progress" and end_it:
            session.rows(_END.format(backend=sql.Literal(pending.backend), number=number))
        if status == "committed" and evidence is not None:
            return _holds(session, evidence) or None
        return {"committed": True, "aborted": False}.get(status)


# Only if that process is still at this very transaction; it gives up its locks with it.
_END = sql.SQL(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid = {backend} AND backend_xid::text::bigint = {number} % 4294967296"
)


def _holds(session: Session, evidence: Evidence) -> bool:
    return bool(session.value(sql.SQL("SELECT count(*) FROM {}").format(evidence.table)) >= evidence.rows)
