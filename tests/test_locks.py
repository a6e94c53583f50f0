"""Locks: who is in the way is named, and what the load itself locks, how strongly and for how long, is as promised."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from commands import Commands, commands
from conftest import Database, Server
from own_server import own_server
from psycopg2.extensions import connection as Connection  # noqa: N812 - the driver's class is written small
from sqlalchemy import make_url
from support import connected, execute, load, make_sqlite, query, series, state, value

from etl.observer import Observer
from etl.plan import Plan, TablePlan
from etl.report import SequenceReport, TableReport

__all__ = ["commands"]  # a fixture
TABLES = (
    "CREATE TABLE p (id serial PRIMARY KEY, v text)",
    "CREATE TABLE c (id serial PRIMARY KEY, p integer REFERENCES p)",
    "CREATE INDEX i ON c (p)",
    "CREATE TABLE elsewhere (id integer PRIMARY KEY)",
)
WAIT = "300ms"


@pytest.fixture
def target(database: Database) -> Database:
    execute(database, *TABLES)
    return database


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT)",
        f"INSERT INTO p {series(50, 'n, n')}",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER)",
        f"INSERT INTO c {series(50, 'n, n')}",
    )


def impatient(database: Database, **options: str) -> str:
    """The database's URL, with settings of the connection in it."""
    settings = {"lock_timeout": WAIT, **options}
    url = make_url(database.url).update_query_dict({"options": " ".join(f"-c {n}={v}" for n, v in settings.items())})
    return url.render_as_string(hide_password=False)


# -- who is in the way ----------------------------------------------------------------------------------------------

IN_THE_WAY = {
    # what somebody does, how the target is prepared, whose lock is named
    "a locked table": ("LOCK TABLE p", [], "ACCESS EXCLUSIVE on p"),
    "a locked child": ("LOCK TABLE c IN SHARE MODE", [], "SHARE on c"),
    "a writer": ("INSERT INTO p (v) VALUES ('s3cret')", [], "ROW EXCLUSIVE on p"),
    "a reader of a table that is to be rebuilt": ("SELECT count(*) FROM c WHERE p = 20042", [], "ACCESS SHARE on c"),
    "a reader of rows under a lock": ("SELECT * FROM p FOR UPDATE", [], "ROW SHARE on p"),
    "a schema change": ("ALTER TABLE c ADD COLUMN w text", [], "ACCESS EXCLUSIVE on c"),
    "an index being made": ("CREATE INDEX j ON p (v)", [], "SHARE on p"),
}


@contextlib.contextmanager
def busy(database: Database, *statements: str) -> Iterator[Connection]:
    """A session that has done something and does not come to its end."""
    with connected(database) as other, other.cursor() as cursor:
        cursor.execute("SET application_name = 'the app\\033'")
        for statement in statements:
            cursor.execute(statement)
        yield other
        other.rollback()


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_who_holds_a_lock_is_named_without_what_it_says(
    target: Database, source: Path, tmp_path: Path, commands: Commands, case: str
) -> None:
    statement, prepared, lock = IN_THE_WAY[case]
    execute(target, *prepared)
    before = state(target)
    if case == "a reader of rows under a lock":
        execute(target, "INSERT INTO p (id) VALUES (1)", "ALTER SEQUENCE p_id_seq RESTART WITH 2")
        before = state(target)
    with busy(target, statement) as other:
        done = commands.load(source, impatient(target), tmp_path / "report", "--extra-columns", "add")
        pid = other.info.backend_pid
    if case == "a reader of rows under a lock":  # is in nobody's way: p has rows, so it is not rebuilt
        assert done.code == 3
        return
    assert (done.code, len(done.err.splitlines())) == (1, 1), done.err
    keyword = statement.split()[0]
    assert f"pid {pid} (user postgres, application \"the app" in done.err
    assert f"idle in transaction, since 20" in done.err
    assert f"UTC, last statement {keyword}) holds {lock}" in done.err
    assert "Nothing was committed. Wait until it has finished or end it, then run again" in done.err
    assert "s3cret" not in done.err
    assert "20042" not in done.err
    assert "\x1b" not in done.err
    assert state(target) == before
    assert commands.load(source, impatient(target), tmp_path / "report").code == 0


def test_a_role_without_rights_to_see_others_still_names_them(
    server: Server, target: Database, source: Path, tmp_path: Path, commands: Commands
) -> None:
    server.execute("CREATE ROLE etl_blind")
    try:
        execute(
            target,
            "GRANT ALL ON p, c TO etl_blind",
            "GRANT ALL ON SEQUENCE p_id_seq, c_id_seq TO etl_blind",
        )
        with busy(target, "LOCK TABLE p") as other:
            done = commands.load(source, impatient(target, role="etl_blind"), tmp_path / "report")
            pid = other.info.backend_pid
        assert done.code == 1
        assert f"pid {pid} (user postgres, application \"the app" in done.err
        assert "holds ACCESS EXCLUSIVE on p" in done.err
        assert "LOCK" not in done.err
    finally:
        execute(target, "DROP OWNED BY etl_blind")
        server.execute("DROP ROLE etl_blind")


def test_a_prepared_transaction_is_named_and_no_second_connection_needed(
    source: Path, tmp_path: Path, commands: Commands
) -> None:
    """Nobody's session holds its locks, not even after a restart."""
    with own_server(max_prepared_transactions="2") as server, server.database("target") as target:
        execute(target, *TABLES)
        server.ask("CREATE ROLE app LOGIN")
        execute(target, "ALTER TABLE p OWNER TO app", "ALTER TABLE c OWNER TO app")
        before = state(target)
        with connected(target) as other, other.cursor() as cursor:
            cursor.execute("INSERT INTO p (v) VALUES ('s3cret'); PREPARE TRANSACTION 'left behind'")
        server.stop()
        server.start()
        done = commands.load(source, impatient(target), tmp_path / "report")
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert 'the prepared transaction "left behind" (of postgres, since 20' in done.err
        assert "holds ROW EXCLUSIVE on p" in done.err
        server.ask("ALTER ROLE app CONNECTION LIMIT 1")
        alone = impatient(Database(server.url("target", "app")))
        done = commands.load(source, alone, tmp_path / "report")
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert "who holds it could not be asked, since no second connection was to be had" in done.err
        assert state(target) == {**before, "p_id_seq": [(1, True)]}
        server.ask("ROLLBACK PREPARED 'left behind'", "target")
        assert commands.load(source, impatient(target), tmp_path / "report").code == 0


def test_a_deadlock_is_told_and_nothing_stays(
    target: Database, source: Path, tmp_path: Path, commands: Commands
) -> None:
    """The other session has read a table that is to be rebuilt, and waits for one that the load holds."""
    before = state(target)
    failed: list[Exception] = []
    with busy(target, "SET deadlock_timeout = '1h'", "SELECT * FROM c") as other:

        def write() -> None:
            try:
                with other.cursor() as cursor:
                    cursor.execute("INSERT INTO p (v) VALUES ('x')")
            except psycopg2.Error as error:
                failed.append(error)

        writer = threading.Thread(target=write)
        locks = (
            f"SELECT count(*) FROM pg_locks WHERE pid = {other.info.backend_pid} AND NOT granted AND relation = 'p'::regclass"
        )

        class Later(Observer):
            def table_finished(self, table: TableReport) -> None:
                if table.name == "p":
                    writer.start()
                    while not value(target, locks):
                        pass

        with pytest.raises(Exception, match="deadlock detected.*Nothing was committed"):
            load(target, source, tmp_path / "report", observer=Later())
        writer.join()
    assert failed == []
    assert state(target) == {**before, "p_id_seq": [(1, True)]}
    assert commands.load(source, impatient(target), tmp_path / "report").code == 0


# -- how long it waits ----------------------------------------------------------------------------------------------


class Asked(Observer):
    """Asks something of the target at each event, from another session, and keeps the answers."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self.answers: dict[str, object] = {}

    def planned(self, plan: Plan) -> None:
        assert plan.tables
        self.answers["planned"] = self._ask()

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        assert rows
        self.answers[f"{plan.name} read"] = self._ask()

    def table_finished(self, table: TableReport) -> None:
        self.answers[f"{table.name} done"] = self._ask()

    def sequences_reset(self, sequences: list[SequenceReport]) -> None:  # type: ignore[override]
        assert sequences is not None
        self.answers["sequences"] = self._ask()

    def table_compared(self, table: TableReport) -> None:
        self.answers[f"{table.name} compared"] = self._ask()


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "10s"),
        ({"lock_timeout": "42s"}, "42s"),
        ({"lock_timeout": "0"}, "0"),
        ({"role": True, "lock_timeout": "5s"}, "5s"),
        ({"role": True, "lock_timeout": "0"}, "10s"),
    ],
)
def test_the_time_to_wait_is_ours_only_if_nobody_chose_one(
    target: Database, source: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, object], expected: str
) -> None:
    from etl.locks import choose_timeout
    from etl.session import Session

    if chosen.get("role"):
        execute(target, f"ALTER DATABASE {value(target, 'SELECT current_database()')} SET lock_timeout = '{chosen['lock_timeout']}'")
    elif chosen:
        monkeypatch.setenv("PGOPTIONS", f"-c lock_timeout={chosen['lock_timeout']}")
    assert source
    with target.engine().connect() as connection:
        session = Session(connection)
        for _ in range(2):  # the comparison at the end of a load chooses again
            choose_timeout(session.rows, session.run)
        with session._cursor(None) as cursor:  # type: ignore[arg-type]
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == (expected,)
