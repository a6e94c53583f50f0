"""One transaction around a run: whatever happens inside, the target is as it was unless it was committed there."""

import contextlib
from collections.abc import Iterator

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from etl.core.errors import TargetError
from etl.target.session import first_line


@contextlib.contextmanager
def one_transaction(connection: Connection) -> Iterator[None]:
    """Begins a transaction, and rolls back what is not committed inside.

    Raises `TargetError` where the role lacks a right, or the server refuses a step for a reason that is not a fault in
    our own SQL.
    """
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
