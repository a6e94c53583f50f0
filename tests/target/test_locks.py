"""Locks: who is in the way is named, and what the load itself locks, how strongly and for how long, is as promised."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - the driver's class is written small
from sqlalchemy import make_url
from support.commands import Commands, commands
from support.database import Database, Server
from support.loads import load
from support.own_server import own_server
from support.sources import make_sqlite, series
from support.targets import connected, contents, execute, query, state, value

from etl.api import compare as reconcile
from etl.core.errors import TargetError
from etl.core.plan import Plan, TablePlan
from etl.core.report import SequenceReport, TableReport
from etl.runs.observer import Observer
from etl.target.locks import choose_timeout
from etl.target.session import Session

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
    "a writer": ("INSERT INTO p VALUES (1000, 's3cret')", [], "ROW EXCLUSIVE on p"),
    "a reader of a table that is to be rebuilt": ("SELECT count(*) FROM c WHERE p = 20042", [], "ACCESS SHARE on c"),
    "a locked row that children refer to": (
        "SELECT * FROM p FOR UPDATE",
        ["INSERT INTO p VALUES (1, 'other')"],
        "ROW SHARE on p",
    ),
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
    with busy(target, statement) as other:
        done = commands.load(source, impatient(target), tmp_path / "report")
        person = f'pid {other.info.backend_pid} (user {value(target, "SELECT current_user")}, application "the app'
    assert (done.code, len(done.err.splitlines())) == (1, 1), done.err
    assert person in done.err
    assert ", idle in transaction, since 20" in done.err
    assert f"UTC, last statement {statement.split()[0]}) holds {lock}." in done.err
    assert "Nothing was committed. Wait until it has finished or end it, then run again" in done.err
    assert "s3cret" not in done.err
    assert "20042" not in done.err
    assert "\x1b" not in done.err
    assert state(target) == before
    assert commands.load(source, impatient(target), tmp_path / "report").code == (3 if prepared else 0)


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
        assert f"pid {pid} (user " in done.err
        assert 'application "the app' in done.err
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
            cursor.execute("INSERT INTO p VALUES (1000, 's3cret'); PREPARE TRANSACTION 'left behind'")
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
        assert state(target) == before
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
                    cursor.execute("INSERT INTO p VALUES (1000, 'x')")
            except psycopg2.Error as error:
                failed.append(error)

        writer = threading.Thread(target=write)
        pid = other.info.backend_pid
        locks = f"SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted AND relation = 'p'::regclass"

        class Later(Observer):
            def table_finished(self, table: TableReport) -> None:
                if table.name == "p":
                    writer.start()
                    while not value(target, locks):
                        pass

        with pytest.raises(TargetError, match=r"deadlock detected.*Nothing was committed"):
            load(target, source, tmp_path / "report", observer=Later())
        writer.join()
    assert failed == []
    assert state(target) == before
    assert commands.load(source, impatient(target), tmp_path / "report").code == 0


# -- how long it waits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "chosen", "expected"),
    [
        ("nobody", "", "10s"),
        ("PGOPTIONS", "42s", "42s"),
        ("PGOPTIONS", "0", "0"),
        ("the database", "5s", "5s"),
        ("the database", "0", "10s"),
    ],
)
def test_how_long_is_ours_to_say_only_if_nobody_chose_it(
    target: Database, monkeypatch: pytest.MonkeyPatch, by: str, chosen: str, expected: str
) -> None:
    if by == "the database":
        name = value(target, "SELECT current_database()")
        execute(target, f"ALTER DATABASE {name} SET lock_timeout = '{chosen}'")
    if by == "PGOPTIONS":
        monkeypatch.setenv("PGOPTIONS", f"-c lock_timeout={chosen}")
    with target.engine().connect() as connection:
        session = Session(connection)
        for _ in range(2):  # the comparison at the end of a load chooses again
            choose_timeout(session.rows, session.run)
        assert session.value(sql.SQL("SELECT current_setting('lock_timeout')")) == expected


# -- what the load locks --------------------------------------------------------------------------------------------

STRENGTH = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
READ, CHECKED, WRITERS_WAIT, ALL_WAIT = STRENGTH[0], STRENGTH[1], STRENGTH[5], STRENGTH[7]


def held(database: Database) -> dict[str, str]:
    """The strongest lock of the load on each table and sequence; the load is who holds the lock of a run.

    That it reads where the sequences stand is in nobody's way.
    """
    found = query(
        database,
        "SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.granted "
        "AND (c.relkind = 'r' OR c.relkind = 'S' AND l.mode <> 'AccessShareLock') AND c.relnamespace = 'public'::regnamespace AND l.pid = "
        "(SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database()))",
    )
    return {name: max((mode for n, mode in found if n == name), key=STRENGTH.index) for name, _ in found}


class Asked(Observer):
    """Asks something at each event of a run, and keeps the answers."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self.answers: dict[str, object] = {}

    def planned(self, _: Plan) -> None:
        self.answers["planned"] = self._ask()

    def table_progressed(self, plan: TablePlan, _: int) -> None:
        self.answers[f"{plan.name} read"] = self._ask()

    def table_finished(self, table: TableReport) -> None:
        self.answers[f"{table.name} done"] = self._ask()

    def sequences_reset(self, _: Sequence[SequenceReport]) -> None:
        self.answers["sequences"] = self._ask()

    def table_compared(self, table: TableReport) -> None:
        self.answers[f"{table.name} compared"] = self._ask()


FILL = ("INSERT INTO p VALUES (1, '1')", "INSERT INTO c VALUES (1, 1)")
MOVED = {"p_id_seq": WRITERS_WAIT, "c_id_seq": WRITERS_WAIT}
LOCKED: dict[str, tuple[Sequence[str], dict[str, Any], dict[str, dict[str, str]]]] = {
    "empty tables": (
        (),
        {},
        {
            "planned": {},
            "p read": {"p": WRITERS_WAIT, "c": WRITERS_WAIT},
            "p done": {"p": WRITERS_WAIT, "c": WRITERS_WAIT},
            "c read": {"p": ALL_WAIT, "c": ALL_WAIT},
            "c done": {"p": ALL_WAIT, "c": ALL_WAIT},
            "sequences": {"p": ALL_WAIT, "c": ALL_WAIT, **MOVED},
            "c compared": {"p": ALL_WAIT, "c": ALL_WAIT, **MOVED},
        },
    ),
    "empty tables, kept as they are": (
        (),
        {"keep_constraints": True},
        {
            "planned": {},
            "p read": {"p": WRITERS_WAIT, "c": WRITERS_WAIT},
            "c compared": {"p": WRITERS_WAIT, "c": WRITERS_WAIT, **MOVED},
        },
    ),
    "an empty table, its parent with rows": (
        FILL[:1],
        {},
        {"c read": {"p": WRITERS_WAIT, "c": ALL_WAIT}, "c compared": {"p": WRITERS_WAIT, "c": ALL_WAIT, **MOVED}},
    ),
    "an empty table alone, its parent with rows": (
        ["INSERT INTO p SELECT n, n FROM generate_series(1, 50) n"],
        {"tables": ("c",)},
        {"planned": {}, "c read": {"p": CHECKED, "c": ALL_WAIT}, "c compared": {"p": CHECKED, "c": ALL_WAIT}},
    ),
    "tables with rows": (
        FILL,
        {},
        {
            "planned": {},
            "p read": {"p": WRITERS_WAIT, "c": WRITERS_WAIT},
            "c compared": {"p": WRITERS_WAIT, "c": WRITERS_WAIT, **MOVED},
        },
    ),
    "a dry run": (
        FILL[:1],
        {"dry_run": True},
        {"planned": {}, "p read": {"p": READ, "c": READ}, "c done": {"p": READ, "c": READ}},
    ),
    "a column that is added": (
        (*FILL, "ALTER TABLE p DROP COLUMN v"),
        {"extra_columns": "add"},
        {"planned": {"p": ALL_WAIT}, "c compared": {"p": ALL_WAIT, "c": WRITERS_WAIT, **MOVED}},
    ),
}


@pytest.mark.parametrize("case", LOCKED)
def test_what_is_locked_how_strongly_and_from_when(target: Database, source: Path, tmp_path: Path, case: str) -> None:
    """All of it until the commit, as the README says."""
    prepared, options, expected = LOCKED[case]
    execute(target, *prepared)
    listener = Asked(lambda: held(target))
    load(target, source, tmp_path / "report", observer=listener, **options)
    sequences = () if case != "an empty table alone, its parent with rows" else ("c_id_seq",)
    found = {
        event: {name: mode for name, mode in answer.items() if name not in sequences}
        for event, answer in listener.answers.items()
    }
    assert {event: found[event] for event in expected} == expected
    assert held(target) == {}


def test_readers_and_comparisons_see_the_old_state_and_never_wait_where_rows_were(
    target: Database, source: Path, tmp_path: Path
) -> None:
    execute(target, *FILL)
    before = contents(target, "p", "c")

    def look() -> object:
        found = contents(Database(impatient(target)), "p", "c")
        compared = reconcile(source, impatient(target), report_folder=tmp_path / "compared")
        return found, compared.total("missing_rows")

    listener = Asked(look)
    assert load(target, source, tmp_path / "report", observer=listener).exit_code == 0
    assert set(listener.answers) > {"planned", "p read", "c done", "sequences", "c compared"}
    assert all(answer == (before, 98) for answer in listener.answers.values())
    assert reconcile(source, target.url, report_folder=tmp_path / "compared").exit_code == 0
