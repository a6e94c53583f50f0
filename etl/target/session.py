"""One PostgreSQL connection in one transaction: statements in, rows and counts out, errors in plain words.

Statements are composed with `psycopg2.sql`, so identifiers are always quoted and values always escaped by the driver;
no parameters are passed beside them, so that a `%` in a name is just a character.
"""

import contextlib
import itertools
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2 import sql
from sqlalchemy import Connection

from etl.core.errors import LockedError, TargetError
from etl.target.locks import explain_timeout
from etl.target.server_errors import explain

Row = tuple[Any, ...]

# A process that was killed, or is behind a network that was cut, would otherwise keep its locks until its statement
# ends, or for the two hours that most systems take to notice (PostgreSQL documentation, 19.3.2).
_WATCH = {
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class Readable(Protocol):
    """What COPY reads from: bytes until there are none."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writable(Protocol):
    """What COPY writes to."""

    def write(self, data: bytes, /) -> object: ...


class Session:
    """Runs statements on the psycopg2 connection under a SQLAlchemy one; the transaction is the caller's."""

    def __init__(self, connection: Connection) -> None:
        self.sqlalchemy = connection
        driver = connection.connection.driver_connection
        if not isinstance(driver, psycopg2.extensions.connection):
            raise TargetError("The target has to be reached through psycopg2 (postgresql+psycopg2://…).")
        self.driver = driver
        self.interrupted = False  # set from outside: the worker stops at its next statement
        self._mark = ""  # what each savepoint does at its end
        self._savepoints = itertools.count(1)

    @property
    def server_version(self) -> int:
        """As PostgreSQL numbers it: 150018 for 15.18."""
        return int(self.driver.server_version)

    @property
    def keeps_unicode(self) -> bool:
        """Whether the database's own encoding has every character, and so orders texts by their UTF-8."""
        return str(self.driver.get_parameter_status("server_encoding")) == "UTF8"

    def run(self, statement: sql.Composable) -> int:
        """Executes; returns the number of rows that the server says were touched."""
        with self._cursor(statement) as cursor:
            cursor.execute(statement)
            return int(cursor.rowcount)

    def rows(self, query: sql.Composable) -> list[Row]:
        """All rows of a query."""
        with self._cursor(query) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def value(self, query: sql.Composable) -> Any:
        """The first column of the one row of a query."""
        return self.rows(query)[0][0]

    def copy_in(self, statement: sql.Composable, data: Readable) -> int:
        """COPY … FROM STDIN; returns the rows that the server says it took."""
        with self._cursor(statement) as cursor, _LAST_WORDS.heard():
            cursor.copy_expert(statement.as_string(cursor), data, size=2**18)
            return int(cursor.rowcount)

    def copy_out(self, query: sql.Composable, sink: Writable) -> int:
        """COPY (query) TO STDOUT as CSV in UTF-8; `sink` hears each row by itself. Returns the number of rows."""
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')").format(query)
        with self._cursor(statement) as cursor:
            cursor.copy_expert(statement.as_string(cursor), sink)
            return int(cursor.rowcount)

    def hang_up(self) -> None:
        """Ends the connection from any thread, whatever it waits for; the server rolls back."""
        self.interrupted = True
        closed_already = (psycopg2.InterfaceError, OSError)
        with contextlib.suppress(*closed_already), socket.socket(fileno=os.dup(self.driver.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def be_watched(self) -> None:
        """Asks the server to notice soon, in this transaction, when we are gone; what it cannot do it leaves."""
        settings = sql.SQL(", ").join(sql.SQL("({}, {})").format(*map(sql.Literal, item)) for item in _WATCH.items())
        query = (
            "SELECT set_config(name, wanted, true) FROM (VALUES {}) AS w (name, wanted) JOIN pg_settings USING (name)"
        )
        with contextlib.suppress(psycopg2.errors.InvalidParameterValue), self.savepoint():  # not on its platform
            self.rows(sql.SQL(query).format(settings))

    @contextlib.contextmanager
    def _cursor(self, statement: sql.Composable) -> Iterator[psycopg2.extensions.cursor]:
        if self.interrupted:
            raise KeyboardInterrupt
        with self._lock_holders_named(statement), _world_errors_named(), self.driver.cursor() as cursor:
            yield cursor

    @contextlib.contextmanager
    def _lock_holders_named(self, statement: sql.Composable) -> Iterator[None]:
        try:
            yield
        except psycopg2.errors.LockNotAvailable as error:
            holders = explain_timeout(self.sqlalchemy.engine, self.driver.info.backend_pid, statement)
            raise LockedError(f"Another session holds a lock that is needed here: {holders}") from error

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """What fails inside leaves the transaction as it was before."""
        name = sql.Identifier(f"etl_{next(self._savepoints)}")
        release = sql.SQL(self._mark + "RELEASE SAVEPOINT {}").format(name)
        self.run(sql.SQL("SAVEPOINT {}").format(name))
        try:
            yield
        except Exception:
            if self.driver.closed:
                raise
            self.run(sql.SQL("ROLLBACK TO SAVEPOINT {}").format(name))
            self.run(sql.SQL("RELEASE SAVEPOINT {}").format(name))
            raise
        self.run(release)

    def mark_savepoints(self) -> None:
        """From here on `savepoint_marks` knows the numbers of the savepoints: their rows bear these, and not the
        transaction's. Not to be called inside of a savepoint."""
        self.run(sql.SQL("CREATE TEMP TABLE etl_marks () ON COMMIT DROP"))
        self._mark = "INSERT INTO pg_temp.etl_marks DEFAULT VALUES; "  # it goes where the savepoint is rolled back

    def savepoint_marks(self) -> list[int]:
        """The numbers of all savepoints so far that were not rolled back, as `xmin` shows them."""
        rows = self.rows(sql.SQL("SELECT DISTINCT xmin::text::bigint FROM pg_temp.etl_marks"))
        return [number for (number,) in rows]


# SQLSTATE classes that say something about one row: data, integrity, WITH CHECK OPTION, limits such as an index entry's
# size, and what triggers and functions raise (PostgreSQL documentation, appendix A).
_ROW_CLASSES = ("22", "23", "44", "54", "P0", "38", "39")
# PostgreSQL before 16 calls a JSON escape that the database's encoding lacks a missing feature; this is who says so.
_ESCAPE_READER = "pg_unicode_to_server"
# Classes that end the run whatever the row was: connection, rollback by the server, resources, operator, system.
_WORLD_CLASSES = ("08", "25006", "40", "53", "57", "58", "XX001", "XX002")


def concerns_one_row(error: psycopg2.Error, *, row_security: bool = False) -> bool:
    """Whether the server refused a row, not the statement; a row policy refuses with "insufficient privilege"."""
    code = error.pgcode or ""
    if code == "0A000":
        return bool(error.diag.source_function == _ESCAPE_READER)
    return code.startswith(_ROW_CLASSES) or (row_security and code == "42501")


# By SQLSTATE, what is no fault of the text that is read: lost connections, full disks, a cancelled statement, a damaged
# page. Anything else may be what some type's input says of a text: regclass names no table, aclitem finds a name too
# long, xml is not built in, hstore before PostgreSQL 16 gives no code of its own.
NO_READING_ERRORS = ("08", "25", "40", "53", "57", "58", "XX001", "XX002")


def cannot_be_read(error: psycopg2.Error) -> bool:
    """Whether a type's input refused a text; only to be asked where the statement itself is known to be right."""
    return error.pgcode is not None and not error.pgcode.startswith(NO_READING_ERRORS)


class _LastWords:
    """What the server says in the middle of a COPY before it ends the connection: that its disk is full, for instance.

    psycopg2 raises only that the connection is gone, and prints the rest through `sys.excepthook`. One hook serves all
    COPYs that are under way, in whatever order they begin and end; the last one takes it away again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[int, list[psycopg2.Error]] = {}  # by thread: psycopg2 calls the hook on the thread that copies
        self._before: Callable[..., object] = sys.excepthook

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Inside, they are raised instead of psycopg2's own error."""
        me = threading.get_ident()
        said = self._begin(me)
        try:
            yield
        except psycopg2.Error as error:
            if said:
                raise said[0] from error
            raise
        finally:
            self._end(me)

    def _begin(self, me: int) -> list[psycopg2.Error]:
        with self._lock:
            if not self._said:
                self._before, sys.excepthook = sys.excepthook, self._hear
            return self._said.setdefault(me, [])

    def _end(self, me: int) -> None:
        with self._lock:
            self._said.pop(me, None)
            if not self._said and sys.excepthook == self._hear:
                sys.excepthook = self._before

    def _hear(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        said = self._said.get(threading.get_ident())
        if said is not None and isinstance(error.__cause__, psycopg2.Error):
            said.append(error.__cause__)
        else:
            self._before(kind, error, trace)


_LAST_WORDS = _LastWords()


@contextlib.contextmanager
def _world_errors_named() -> Iterator[None]:
    try:
        yield
    except psycopg2.errors.LockNotAvailable:
        raise  # named by the session, which can ask who is in the way
    except psycopg2.Error as error:
        if error.pgcode is None and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
            raise TargetError(
                f"The connection to PostgreSQL was lost ({first_line(error)}). "
                "Nothing was committed: run again when it answers."
            ) from error
        if (error.pgcode or "").startswith(_WORLD_CLASSES):
            raise TargetError(explain(error.pgcode or "", first_line(error))) from error
        raise


def first_line(error: Exception) -> str:
    """The message without psycopg2's context lines, which may repeat the statement and its values."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
