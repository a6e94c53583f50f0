"""Whether a record still says the truth: the same server, database and history, and numbers that mean one transaction.

The number that a row bears has 32 bits, so it means one transaction only as long as not half of them have been used
since; and only on the server that gave it, as long as nobody set that back to an earlier moment.
"""

from collections.abc import Iterator, Sequence

import psycopg2.errors
from psycopg2 import sql

from etl.core.errors import CannotRun, TargetError
from etl.core.undo_record import IDS, Undone, UndoRecord
from etl.target.identity import identify, next_number
from etl.target.session import Session

_UNCHANGED = "Nothing was changed."


def require_trust(session: Session, record: UndoRecord) -> Iterator[str]:
    """Gives remarks about what could not be asked.

    Raises `TargetError` where this is not the database that the run wrote into, or numbers of transactions say nothing
    any more; `CannotRun` where the run was never committed.
    """
    here = identify(session)
    if None in (here.system_identifier, record.system_identifier):
        yield (
            "which server this is could not be asked (pg_control_system() is not allowed to this role, or was not in "
            "the run): that it is the run's own was taken from the database, the tables and the transaction alone"
        )
    elif here.system_identifier != record.system_identifier:
        raise TargetError(
            f"This is another server than that of run {record.run}{_where(record)}: its system identifier is "
            f"{here.system_identifier}, not {record.system_identifier}. {_UNCHANGED}"
        )
    if here.database_oid != record.database_oid:
        raise TargetError(
            f"Database {here.database} is not the one that run {record.run} wrote into{_where(record)}, or it was "
            f"dropped and created anew. {_UNCHANGED}"
        )
    if None not in (here.timeline, record.timeline) and here.timeline != record.timeline:
        raise TargetError(
            f"The server's history has branched since run {record.run} (timeline {record.timeline}, now "
            f"{here.timeline}): it was restored to an earlier moment, or is a standby that took over. Numbers of "
            f"transactions may have been given twice, so the run's rows cannot be told. {_UNCHANGED}"
        )
    _require_numbers(session, record)


def _where(record: UndoRecord) -> str:
    return f" ({record.target})" if record.target else ""


def _require_numbers(session: Session, record: UndoRecord) -> None:
    following = next_number(session)
    if following <= record.transaction:
        raise TargetError(
            f"The server has not come to transaction {record.transaction} of run {record.run} yet (the next is "
            f"{following}): it was restored to an earlier moment. {_UNCHANGED}"
        )
    if following - record.transaction >= IDS // 2:
        raise TargetError(
            f"{following - record.transaction:,} transactions have gone by since run {record.run}, and the numbers "
            f"that rows bear have wrapped round: its rows cannot be told any more. {_UNCHANGED}"
        )
    if _status(session, record.transaction) == "aborted":
        raise CannotRun(f"Run {record.run} was rolled back, so there is nothing to undo. {_UNCHANGED}")


def done_before(session: Session, undone: Sequence[Undone]) -> tuple[Undone, ...]:
    """Those undos that were committed."""
    return tuple(item for item in undone if _status(session, item.transaction) in ("committed", None))


def _status(session: Session, transaction: int) -> str | None:
    """What became of a transaction; None where the server does not remember any more, as of old ones."""
    try:
        with session.savepoint():
            return session.value(sql.SQL("SELECT txid_status({})").format(sql.Literal(transaction)))  # type: ignore[no-any-return]
    except psycopg2.errors.InvalidParameterValue:
        return "lost"  # the server crashed before anything of it had reached its disk
