"""Which server and database this is, and which numbers of transactions the rows of this run bear."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from etl.core.tables import TargetTable
from etl.core.undo_record import IDS
from etl.target.constraints import identifier
from etl.target.session import Session

# An ordinary role may call them; where somebody has taken that right away, nothing is known.
_MAY_ASK = """
SELECT to_regprocedure('pg_catalog.' || name || '()') IS NOT NULL
    AND has_function_privilege(to_regprocedure('pg_catalog.' || name || '()')::oid, 'EXECUTE')
FROM (VALUES ({name})) AS asked (name)
"""
_DATABASE = "SELECT oid, datname FROM pg_database WHERE datname = current_database()"


@dataclass(frozen=True)
class Identity:
    """A database of a server. `system_identifier` and `timeline` are None where the role may not ask for them.

    A server that was restored to an earlier moment goes on under the same identifier, but on another timeline.
    """

    system_identifier: str | None
    timeline: int | None
    database_oid: int
    database: str


def identify(session: Session) -> Identity:
    """Asks the server who it is."""
    system = _asked(session, "pg_control_system", "system_identifier::text")
    timeline = _asked(session, "pg_control_checkpoint", "timeline_id")
    oid, name = session.rows(sql.SQL(_DATABASE))[0]
    return Identity(None if system is None else str(system), timeline, int(oid), name)


def _asked(session: Session, function: str, column: str) -> Any:
    if not session.value(sql.SQL(_MAY_ASK).format(name=sql.Literal(function))):
        return None
    return session.value(sql.SQL("SELECT {} FROM {}()").format(sql.SQL(column), sql.SQL(function)))


def own_number(session: Session) -> int:
    """The 64-bit number of this transaction, which gets one now if it had none."""
    return int(session.value(sql.SQL("SELECT txid_current()")))


def next_number(session: Session) -> int:
    """The 64-bit number that the next transaction will get: rows that others have committed by now bear lower ones."""
    return int(session.value(sql.SQL("SELECT txid_snapshot_xmax(txid_current_snapshot())")))


def whole_numbers(marks: Iterable[int], transaction: int) -> tuple[int, ...]:
    """64-bit numbers of savepoints, from the 32 bits that `xmin` shows; they are higher than the transaction's."""
    return tuple(sorted(transaction + (mark - transaction) % IDS for mark in marks))


def number_between(xmin: sql.Composable, first: int, last: int) -> sql.Composable:
    """Whether the 32 bits that `xmin` shows are those of a number from `first` to `last`.

    Not by `age`, which takes the savepoints of the asking transaction for newer than new.
    """
    return sql.SQL("({}::text::bigint - {} + {ids}) % {ids} <= {}").format(
        xmin, sql.Literal(first % IDS), sql.Literal(last - first), ids=sql.Literal(IDS)
    )


def marks_of_triggers(session: Session, tables: Sequence[TargetTable], first: int, last: int) -> set[int]:
    """What rows of `tables` bear from the number `first` to `last`: functions that catch errors write in savepoints of
    their own. Others must not have been able to write meanwhile."""
    which = number_between(sql.Identifier("xmin"), first, last)
    found: set[int] = set()
    for table in tables:
        query = sql.SQL("SELECT DISTINCT xmin::text::bigint FROM {} WHERE {}").format(identifier(table), which)
        found |= {number for (number,) in session.rows(query)}
    return found
