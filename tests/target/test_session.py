"""A session leaves the process as it was, whatever happens beside it."""

import sys
import threading

import psycopg2
import pytest
from psycopg2 import sql
from support.database import Database
from support.targets import execute, query

from etl.core.errors import TargetError
from etl.target.session import Session

COPY = sql.SQL("COPY t FROM STDIN")


class Slow:
    """Gives its one line when it may."""

    def __init__(self) -> None:
        self.asked, self.may_go = threading.Event(), threading.Event()
        self._parts = [b"1\n"]

    def read(self, size: int = -1, /) -> bytes:  # noqa: ARG002 - the protocol's argument
        self.asked.set()
        assert self.may_go.wait(60)
        return self._parts.pop() if self._parts else b""


def copy_slowly(database: Database, data: Slow) -> threading.Thread:
    """A COPY under way on a thread of its own."""

    def run() -> None:
        with database.engine().begin() as connection:
            Session(connection).copy_in(COPY, data)

    thread = threading.Thread(target=run)
    thread.start()
    assert data.asked.wait(60)
    return thread


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_copies_that_overlap_leave_the_hook_for_errors_as_it_was(database: Database, first_to_end: int) -> None:
    execute(database, "CREATE TABLE t (n integer)")
    before = sys.excepthook
    copies = [(data, copy_slowly(database, data)) for data in (Slow(), Slow())]
    for data, thread in (copies[first_to_end], copies[1 - first_to_end]):
        data.may_go.set()
        thread.join(60)
    assert sys.excepthook is before
    assert query(database, "SELECT count(*) FROM t") == [(2,)]


def test_what_the_server_says_in_the_middle_of_a_copy_is_raised_beside_another_copy(database: Database) -> None:
    """The other one is not told, and the hook is as before."""
    execute(database, "CREATE TABLE t (n integer)")
    before = sys.excepthook
    other, ended = Slow(), Slow()
    thread = copy_slowly(database, other)
    ended.may_go.set()
    with database.engine().connect() as connection:
        session = Session(connection)
        pid = session.driver.info.backend_pid

        class Ending(Slow):
            def read(self, size: int = -1, /) -> bytes:
                execute(database, f"SELECT pg_terminate_backend({pid}, 10000)")
                return ended.read(size)

        with pytest.raises((TargetError, psycopg2.Error), match="terminating connection"):
            session.copy_in(COPY, Ending())
        connection.invalidate()
    other.may_go.set()
    thread.join(60)
    assert sys.excepthook is before
    assert query(database, "SELECT count(*) FROM t") == [(1,)]
