"""Faults of the surroundings: full disks, report folders, connections, a standby, and a source that is taken away.

Each time the real command is run; the target is as it was, one line says why and what to do, and once the fault is
mended the same command succeeds.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from importlib import import_module
from pathlib import Path

import psycopg2
import pytest
from support.commands import Commands, commands
from support.database import Database
from support.own_server import OwnServer, SmallDisk, own_server, small_disk, standby_of
from support.profiles import nightly
from support.sources import make_sqlite, series, sqlite
from support.targets import execute, state, value

from etl.console.compare import ReconcileConsole
from etl.core.plan import Plan, TablePlan
from etl.runs.load import run_migration
from etl.runs.observer import Observer

__all__ = ["commands"]  # a fixture
TABLES = (
    "CREATE TABLE p (id integer PRIMARY KEY, v text)",
    "CREATE TABLE c (id serial PRIMARY KEY, p int REFERENCES p)",
)
ROWS = 12_000  # of 500 bytes: 6 MB


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    with own_server(max_connections="8", superuser_reserved_connections="2", wal_level="replica") as server:
        yield server


@pytest.fixture
def target(own: OwnServer) -> Iterator[Database]:
    with own.database("target") as database:
        execute(database, *TABLES)
        yield database


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two tables; of p, every 100th row has no value."""
    return make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT)",
        f"INSERT INTO p {series(ROWS, 'n, CASE WHEN n % 100 THEN hex(randomblob(250)) END')}",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER)",
        "INSERT INTO c VALUES (1, 1), (2, 2)",
    )


def loaded(database: Database) -> object:
    return value(database, "SELECT (SELECT count(*) FROM p) + (SELECT count(*) FROM c)")


# -- the server's disk ----------------------------------------------------------------------------------------------


LEFT = {"empty table": 2_000_000, "table with rows": 2_000_000, "dry run": 200_000, "index made again": 9_000_000}


@pytest.mark.parametrize("way", LEFT)
def test_the_servers_disk_is_full(own: OwnServer, source: Path, tmp_path: Path, commands: Commands, way: str) -> None:
    """Under the tables themselves, under temporary ones, and under an index that is made again."""
    with ExitStack() as ends:
        disk = ends.enter_context(small_disk(own.folder / "tablespace", 64))
        own.ask(f"CREATE TABLESPACE small LOCATION '{disk.path}'")
        ends.callback(own.ask, "DROP TABLESPACE small")
        target = ends.enter_context(own.database("on_small", "TABLESPACE small"))
        execute(target, *TABLES)
        if way == "table with rows":
            execute(target, "INSERT INTO p VALUES (0, 'own')")
        if way == "index made again":
            execute(target, "CREATE INDEX i ON p (v)")
        before = state(target)
        disk.fill(leaving=LEFT[way])
        options = ["--dry-run", "--batch-rows", "2000"] if way == "dry run" else ["--batch-rows", "2000"]
        done = commands.load(source, target.url, tmp_path / "report", *options)
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert "(the database server's disk is full; make space there" in done.err
        assert "Nothing was committed." in done.err
        assert state(target) == before
        (disk.path / "ballast").unlink()
        again = commands.load(source, target.url, tmp_path / "report", *options)
        assert again.code == 0, again.err
        own_rows = 1 if way == "table with rows" else 0
        assert loaded(target) == (0 if way == "dry run" else ROWS + 2 + own_rows)


def test_the_servers_log_disk_is_full(source: Path, tmp_path: Path, commands: Commands) -> None:
    """The server itself goes down then; with more space it comes back as it was."""
    with small_disk(tmp_path / "wal", 8) as disk:
        place = ("--wal-segsize=1", "-X", str(disk.path / "pg_wal"))
        with own_server(*place, min_wal_size="2MB", max_wal_size="1GB") as server, server.database("target") as target:
            execute(target, *TABLES)
            before = state(target)
            done = commands.load(source, target.url, tmp_path / "report", "--batch-rows", "2000")
            assert (done.code, len(done.err.splitlines())) == (1, 1)
            assert "the database server's disk is full" in done.err
            disk.make_room(200)
            server.stop()
            server.start()
            assert state(target) == before
            assert commands.load(source, target.url, tmp_path / "report").code == 0
            assert loaded(target) == ROWS + 2


# -- the report folder ----------------------------------------------------------------------------------------------


class Meanwhile(Observer):
    """Does something when the first batch of table `c` or `p` was read, or when the plan stands."""

    def __init__(self, act: Callable[[], object], when: str = "planned") -> None:
        self._act = act
        self._when = when
        self.acted = False

    def planned(self, plan: Plan) -> None:
        assert plan.tables
        self._now("planned")

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        assert rows
        self._now(f"{plan.name} progressed")

    def sequences_reset(self, _: object) -> None:
        self._now("sequences reset")

    def _now(self, event: str) -> None:
        if event == self._when and not self.acted:
            self.acted = True
            self._act()


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object], str], Meanwhile]:
    """Lets something happen in the middle of the next commands."""

    def arrange(act: Callable[[], object], when: str = "planned") -> Meanwhile:
        listener = Meanwhile(act, when)
        monkeypatch.setattr(
            import_module("etl.scaling.choose"),
            "run_migration",
            lambda settings, _console, startup: run_migration(settings, listener, startup),
        )
        monkeypatch.setattr("etl.console.load.ConsoleObserver.finished", lambda *_: None)
        return listener

    return arrange


Arrange = Callable[[Callable[[], object], str], Meanwhile]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 1) as disk:
        yield disk


def make_unusable(case: str, disk: SmallDisk) -> Path:
    """A report folder that cannot be written."""
    match case:
        case "disk full":
            disk.fill()
            return disk.path / "report"
        case "read-only":
            disk.make_read_only()
            return disk.path / "report"
        case "below a file":
            (disk.path / "file").touch()
            return disk.path / "file" / "report"
    (disk.path / "file").touch()
    return disk.path / "file"


@pytest.mark.parametrize(
    ("case", "code", "reason"),
    [
        ("disk full", 1, "No space left on device"),
        ("read-only", 1, "Read-only file system"),
        ("below a file", 1, "Not a directory"),
        ("a file", 2, "is not a folder"),
    ],
)
def test_a_report_folder_that_is_of_no_use_is_found_out_before_the_load(
    target: Database, source: Path, disk: SmallDisk, commands: Commands, case: str, code: int, reason: str
) -> None:
    before = state(target)
    done = commands.load(source, target.url, make_unusable(case, disk))
    assert (done.code, len(done.err.splitlines())) == (code, 1)
    assert reason in done.err
    assert str(disk.path) in done.err
    assert state(target) == before


@pytest.mark.parametrize("fault", ["full", "read-only"])
@pytest.mark.parametrize("kind", ["rejects", "dropped", "differences"])
def test_the_report_folder_becomes_unusable_while_rows_are_written_there(
    target: Database, tmp_path: Path, disk: SmallDisk, commands: Commands, meanwhile: Arrange, kind: str, fault: str
) -> None:
    """Not one row of the load stays, since what became of the others could not be kept."""
    source = make_sqlite(tmp_path / "source.db", "CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT, w)")
    faulty = {"rejects": "x'00', NULL", "dropped": "'v', hex(zeroblob(200))", "differences": "hex(zeroblob(200)), NULL"}
    make_sqlite(source, f"INSERT INTO p {series(3000, 'n, ' + faulty[kind])}")
    if kind == "differences":
        execute(target, "INSERT INTO p SELECT n, 'other' FROM generate_series(1, 3000) n")
    before = state(target)
    report = disk.path / "report"
    breaks = meanwhile(disk.fill if fault == "full" else disk.make_read_only, "planned")
    done = commands.load(source, target.url, report, "--extra-columns", "drop")
    assert breaks.acted
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert f"report/{kind} cannot be written: {'No space' if fault == 'full' else 'Read-only'}" in done.err
    assert "Nothing was committed" in done.err
    assert state(target) == before


def test_the_reason_of_a_failure_is_told_even_if_its_report_cannot_be_written(
    target: Database, source: Path, disk: SmallDisk, commands: Commands, meanwhile: Arrange
) -> None:
    def break_both() -> None:
        disk.fill()
        execute(
            target,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'etl' "
            "AND pid <> pg_backend_pid()",
        )

    meanwhile(break_both, "p progressed")
    done = commands.load(source, target.url, disk.path / "report")
    assert done.code == 1
    assert "report folder" not in done.err
    assert loaded(target) == 0


# -- connections ----------------------------------------------------------------------------------------------------


@pytest.fixture
def app(own: OwnServer, target: Database) -> Iterator[str]:
    """The role of an application, owner of the tables."""
    own.ask("CREATE ROLE app LOGIN")
    execute(target, "ALTER TABLE p OWNER TO app", "ALTER TABLE c OWNER TO app", "GRANT CREATE ON SCHEMA public TO app")
    yield own.url("target", "app")
    own.ask("ALTER DATABASE target RESET ALL")
    execute(target, "DROP OWNED BY app CASCADE")
    own.ask("DROP ROLE app")


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("server", "all connections of the server are taken; close some"),
        ("role", 'user "app" may have no more connections; close some, or ALTER ROLE "app" CONNECTION LIMIT'),
        (
            "database",
            'database "target" may have no more connections; close some, or ALTER DATABASE "target"',
        ),
        (
            "CONNECT",
            'the user may not connect to database "target"; its owner can GRANT CONNECT ON DATABASE "target" TO',
        ),
        ("stopped", "no server listens on the socket"),
    ],
)
def test_no_connection_is_to_be_had(
    own: OwnServer, target: Database, app: str, source: Path, tmp_path: Path, commands: Commands, case: str, reason: str
) -> None:
    before = state(target)
    with ExitStack() as ends:
        match case:
            case "server":
                for _ in range(6):
                    ends.enter_context(closing(psycopg2.connect(app.replace("+psycopg2", ""))))
            case "role":
                own.ask("ALTER ROLE app CONNECTION LIMIT 0")
                ends.callback(own.ask, "ALTER ROLE app CONNECTION LIMIT -1")
            case "database":
                own.ask("ALTER DATABASE target CONNECTION LIMIT 0")
                ends.callback(own.ask, "ALTER DATABASE target CONNECTION LIMIT -1")
            case "CONNECT":
                own.ask("REVOKE CONNECT ON DATABASE target FROM PUBLIC")
                ends.callback(own.ask, "GRANT CONNECT ON DATABASE target TO PUBLIC")
            case "stopped":
                own.stop()
                ends.callback(own.start)
        done = commands.load(source, app, tmp_path / "report")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert reason in done.err
    assert state(target) == before
    assert commands.load(source, app, tmp_path / "report").code == 0


def test_one_connection_is_enough(
    own: OwnServer, target: Database, app: str, source: Path, tmp_path: Path, commands: Commands
) -> None:
    own.ask("ALTER ROLE app CONNECTION LIMIT 1")
    assert commands.load(source, app, tmp_path / "report").code == 0
    assert loaded(target) == ROWS + 2
    assert commands.reconcile(source, app, tmp_path / "again").code == 0


# -- read only ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def standby(own: OwnServer) -> Iterator[OwnServer]:
    with standby_of(own, max_standby_streaming_delay="0") as standby:
        yield standby


def caught_up(own: OwnServer, standby: OwnServer) -> None:
    """Waits until the standby has what the primary has."""
    standby.wait_for(f"SELECT pg_last_wal_replay_lsn() >= '{own.ask('SELECT pg_current_wal_lsn()')}'")


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--create-schema"]])
def test_a_standby_is_refused(
    own: OwnServer,
    standby: OwnServer,
    target: Database,
    source: Path,
    tmp_path: Path,
    commands: Commands,
    options: list[str],
) -> None:
    before = state(target)
    caught_up(own, standby)
    done = commands.load(source, standby.url("target"), tmp_path / "report", *options)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "The target is a read-only standby; connect to the primary." in done.err
    assert state(target) == before


def test_a_standby_can_be_compared_with(
    own: OwnServer, standby: OwnServer, target: Database, source: Path, tmp_path: Path, commands: Commands
) -> None:
    assert commands.load(source, target.url, tmp_path / "load").code == 0
    caught_up(own, standby)
    assert commands.reconcile(source, standby.url("target"), tmp_path / "equal").code == 0
    execute(target, "UPDATE p SET v = 'other' WHERE id = 7")
    caught_up(own, standby)
    assert commands.reconcile(source, standby.url("target"), tmp_path / "different").code == 3


def test_a_standby_that_has_to_keep_up_ends_the_comparison_with_a_clear_line(
    own: OwnServer,
    standby: OwnServer,
    target: Database,
    source: Path,
    tmp_path: Path,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows that the comparison may still want to see are removed on the primary."""
    assert commands.load(source, target.url, tmp_path / "load").code == 0
    caught_up(own, standby)

    def remove() -> None:
        execute(target, "DELETE FROM p WHERE id > 5000")
        own.ask("VACUUM p", "target")
        caught_up(own, standby)

    monkeypatch.setattr(ReconcileConsole, "planned", lambda *_: remove())
    done = commands.reconcile(source, standby.url("target"), tmp_path / "compared")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert re.search("conflict with recovery|connection to PostgreSQL was lost", done.err)


@pytest.mark.parametrize("where", ["ROLE app", "DATABASE target"])
def test_where_only_reading_is_allowed(
    own: OwnServer, target: Database, app: str, source: Path, tmp_path: Path, commands: Commands, where: str
) -> None:
    before = state(target)
    own.ask(f"ALTER {where} SET default_transaction_read_only = on")
    done = commands.load(source, app, tmp_path / "report")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "default_transaction_read_only is on" in done.err
    assert state(target) == before
    assert commands.reconcile(source, app, tmp_path / "compared").code == 3
    overruled = f"{app}&options=-c%20default_transaction_read_only%3Doff"
    assert commands.load(source, overruled, tmp_path / "report").code == 0


# -- the source -----------------------------------------------------------------------------------------------------


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    other = make_sqlite(path.with_name("other"), "CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT)")
    other.replace(path)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 8192 * 4096)


def lock(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.rollback()


def write(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=0)) as other:
        other.execute("PRAGMA synchronous = OFF")
        other.execute("UPDATE p SET v = 'written meanwhile'")
        other.commit()


CHANGED, DAMAGED, FINE = "was changed while it was read", "malformed", ""
TAKEN_AWAY = [
    # A file in rollback-journal mode: our reading keeps every writer out.
    ("journal", delete, FINE),
    ("journal", replace, FINE),
    ("journal", cut, DAMAGED),
    ("journal", lock, sqlite3.OperationalError),
    ("journal", write, sqlite3.OperationalError),
    # A file in WAL mode that an application has open.
    ("WAL", delete, FINE),
    ("WAL", replace, FINE),
    ("WAL", cut, DAMAGED),
    ("WAL", lock, FINE),
    ("WAL", write, FINE),
    # A file in WAL mode that nobody else has open.
    ("WAL at rest", delete, CHANGED),
    ("WAL at rest", replace, CHANGED),
    ("WAL at rest", cut, DAMAGED),
    ("WAL at rest", lock, FINE),
    ("WAL at rest", write, CHANGED),
]


@pytest.mark.parametrize(
    "when",
    [pytest.param("planned", marks=nightly), "p progressed", pytest.param("sequences reset", marks=nightly)],
)
@pytest.mark.parametrize(("mode", "act", "outcome"), TAKEN_AWAY)
def test_something_happens_to_the_source_while_it_is_read(
    target: Database,
    source: Path,
    tmp_path: Path,
    commands: Commands,
    meanwhile: Arrange,
    mode: str,
    act: Callable[[Path], None],
    outcome: str | type[Exception],
    when: str,
) -> None:
    """Either everything arrives as it was at the beginning, or nothing does."""
    with closing(sqlite3.connect(source)) as application:
        if mode != "journal":
            application.execute("PRAGMA journal_mode = WAL")
        if mode != "WAL at rest":
            application.execute("SELECT count(*) FROM p").fetchone()
        else:
            application.close()
        sums = "SELECT count(*), count(v), sum(length(v)) FROM p"
        with sqlite(source) as connection:
            rows = connection.execute(sums).fetchone()
        before = state(target)

        def happen() -> None:
            if isinstance(outcome, str):
                act(source)
            else:
                with pytest.raises(outcome, match="locked"):
                    act(source)

        listener = meanwhile(happen, when)
        done = commands.load(source, target.url, tmp_path / "report", "--batch-rows", "1000")
    assert listener.acted
    if isinstance(outcome, str) and outcome:
        assert (done.code, len(done.err.splitlines())) == (1, 1), done.err
        assert outcome in done.err
        assert str(source) in done.err
        assert state(target) == before
    else:
        assert (done.code, done.err) == (0, "")
        assert value(target, "SELECT row(count(*), count(v), sum(length(v)))::text FROM p") == "({},{},{})".format(
            *rows
        )
