"""The source: what may be opened, what it is seen to hold, and that nothing of it is ever changed."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import adbc_driver_sqlite.dbapi  # noqa: F401 - the read-only test could not import it any more
import pytest
from support.sources import make_sqlite, series, sqlite

from etl.core.errors import SourceError
from etl.core.values import UndecodableText
from etl.source import file as source_file
from etl.source.batches import read_batches
from etl.source.database import Source

NOBODY = 65534


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def names(source: Source, table: str = "t", column: str = "name") -> list[object]:
    """The values of one column, by the way that the load takes."""
    batches = read_batches(source, source.tables[table], [column])
    return [value for batch in batches for value in batch.frame[column].tolist()]


_APPLICATION = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA wal_autocheckpoint = 0")
connection.execute("PRAGMA synchronous = OFF")
for line in sys.stdin:
    connection.execute(line)
    print("done", flush=True)
"""


class Application:
    """Another process with a WAL-mode database open, whose commits lie in the -wal only.

    Inside this process it would share our file locks, and two SQLite libraries (Python's and ADBC's) would not notice.
    """

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _APPLICATION, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def execute(self, statement: str) -> None:
        """Runs and commits a statement; returns when that is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(statement, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "done\n"

    def crash(self) -> None:
        """Ends the process without giving it the time to clean up."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def running(path: Path) -> Iterator[Application]:
    """An application that is gone at the end."""
    application = Application(path)
    try:
        yield application
    finally:
        application.crash()


def small(path: Path) -> Path:
    return make_sqlite(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO t VALUES (1, 'Ann')")


# -- nothing is changed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "PERSIST", "WAL"])
def test_a_file_at_rest_and_its_folder_stay_as_they_are(tmp_path: Path, mode: str) -> None:
    path = small(tmp_path / "a.db")
    make_sqlite(path, f"PRAGMA journal_mode = {mode}", "INSERT INTO t VALUES (2, 'Bob')")
    before = snapshot(tmp_path)
    with Source(path) as source:
        assert names(source) == ["Ann", "Bob"]
        source.verify_unchanged()
    assert snapshot(tmp_path) == before


def test_what_lies_in_the_wal_of_a_running_application_is_read(tmp_path: Path) -> None:
    path = small(tmp_path / "a.db")
    with running(path) as application:
        application.execute("INSERT INTO t VALUES (2, 'in the -wal')")
        before = snapshot(tmp_path)
        with Source(path) as source:
            assert names(source) == ["Ann", "in the -wal"]
            assert source.bytes == path.stat().st_size + (tmp_path / "a.db-wal").stat().st_size
        after = snapshot(tmp_path)
    assert after.keys() == before.keys() == {"a.db", "a.db-wal", "a.db-shm"}
    assert (after["a.db"], after["a.db-wal"]) == (before["a.db"], before["a.db-wal"])


@pytest.mark.parametrize("index_left", [True, False])
def test_the_wal_that_a_crashed_application_left_is_read_and_left(tmp_path: Path, index_left: bool) -> None:
    path = small(tmp_path / "a.db")
    with running(path) as application:
        application.execute("INSERT INTO t VALUES (2, 'in the -wal')")
    if not index_left:
        (tmp_path / "a.db-shm").unlink()
    before = snapshot(tmp_path)
    with Source(path) as source:
        assert names(source) == ["Ann", "in the -wal"]
        source.verify_unchanged()
    after = snapshot(tmp_path)
    assert after.keys() == before.keys()
    assert (after["a.db"], after["a.db-wal"]) == (before["a.db"], before["a.db-wal"])


def test_a_hot_journal_is_undone_for_us_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path, left = tmp_path / "a.db", tmp_path / "left"
    left.mkdir()
    make_sqlite(
        path, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", f"INSERT INTO t {series(5000, 'n, hex(n)')}"
    )
    with contextlib.closing(sqlite3.connect(path)) as application:
        application.execute("PRAGMA cache_size = 5")  # so that half of the transaction is on disk already
        application.execute("UPDATE t SET name = 'half done'")
        for suffix in ("", "-journal"):
            shutil.copyfile(tmp_path / f"a.db{suffix}", left / f"a.db{suffix}")
        application.rollback()
    assert b"half done" in (left / "a.db").read_bytes()
    before = snapshot(left)
    with Source(left / "a.db") as source:
        assert list(temporary.iterdir()) == []  # the private copy has no name: it cannot outlive a killed process
        assert "half done" not in names(source)
        assert source.tables["t"].row_count == 5000
    assert snapshot(left) == before


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder without the right to write, as a user whom that right binds (root is not)."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("case", ["rollback journal", "wal at rest", "wal left behind"])
def test_a_read_only_folder_is_enough(case: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # tmp_path is below a folder that only its owner may enter
        folder = Path(name)
        folder.chmod(0o755)
        path = small(folder / "a.db")
        expected: list[object] = ["Ann"]
        if case == "wal at rest":
            make_sqlite(path, "PRAGMA journal_mode = WAL")
        if case == "wal left behind":
            with running(path) as application:
                application.execute("INSERT INTO t VALUES (2, 'in the -wal')")
            expected.append("in the -wal")
        before = snapshot(folder)
        with read_only(folder), Source(path) as source:
            assert names(source) == expected
        assert snapshot(folder) == before


# -- one consistent state -----------------------------------------------------------------------------------------


def test_both_lanes_see_one_state_while_the_application_keeps_committing(tmp_path: Path) -> None:
    """Each commit adds a row to both tables; `plain` is read by the fast lane, `mixed` by the careful one."""
    path = tmp_path / "a.db"
    make_sqlite(
        path,
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE plain (id INTEGER PRIMARY KEY, v INTEGER)",
        "CREATE TABLE mixed (id INTEGER PRIMARY KEY, v BLOB)",
    )
    stop = threading.Event()
    thread = threading.Thread(target=_keep_committing, args=(path, stop))
    thread.start()
    try:
        for _ in range(15):
            with Source(path) as source:
                first = source.tables["plain"].row_count
                _wait_for_a_commit(path, behind=first)
                counts = [
                    len(names(source, "mixed", "v")),
                    len(names(source, "plain", "v")),
                    source.count_values("mixed", "v"),
                    source.tables["mixed"].row_count,
                ]
                assert counts == [first] * 4
    finally:
        stop.set()
        thread.join()


def _wait_for_a_commit(path: Path, *, behind: int) -> None:
    deadline = time.monotonic() + 60
    with contextlib.closing(sqlite3.connect(path)) as connection:
        while connection.execute("SELECT count(*) FROM plain").fetchone()[0] <= behind:
            assert time.monotonic() < deadline, "the application did not commit meanwhile, so nothing was tested"
            time.sleep(0.005)


def _keep_committing(path: Path, stop: threading.Event) -> None:
    with running(path) as application:
        count = 0
        while not stop.is_set():
            count += 1
            application.execute("BEGIN")
            application.execute(f"INSERT INTO plain VALUES ({count}, {count})")
            application.execute(f"INSERT INTO mixed VALUES ({count}, x'00')")
            application.execute("COMMIT")


def test_an_application_that_starts_and_only_fills_its_log_does_no_harm(tmp_path: Path) -> None:
    path = make_sqlite(small(tmp_path / "a.db"), "PRAGMA journal_mode = WAL")
    with Source(path) as source, running(path) as application:
        application.execute("INSERT INTO t VALUES (2, 'Bob')")
        assert names(source) == ["Ann"]
        source.verify_unchanged()


def test_an_application_that_starts_and_writes_into_a_file_at_rest_is_noticed(tmp_path: Path) -> None:
    path = make_sqlite(small(tmp_path / "a.db"), "PRAGMA journal_mode = WAL")
    with Source(path) as source:
        assert names(source) == ["Ann"]
        make_sqlite(path, "INSERT INTO t VALUES (2, 'Bob')")  # closing the last connection writes the -wal back
        with pytest.raises(SourceError, match="changed while it was read"):
            source.verify_unchanged()


# -- what is refused ----------------------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    make_sqlite(path, "CREATE TABLE t (v)", f"INSERT INTO t {series(2000, 'hex(n)')}")
    path.write_bytes(path.read_bytes()[:8192])


def scribbled_over(path: Path) -> None:
    small(path)
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8092)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, "does not exist"),
    "a folder": (lambda path: path.mkdir(), "is not a file"),
    "0 bytes": (lambda path: path.touch(), r"is empty \(0 bytes\)"),
    "another kind of file": (lambda path: path.write_text("id,name\n1,Ann\n" * 100), "is not a SQLite database"),
    "the header only": (lambda path: path.write_bytes(b"SQLite format 3\x00"), "damaged|no SQLite database"),
    "truncated": (truncated, "is truncated: its header promises"),
    "scribbled over": (scribbled_over, "damaged or no SQLite database"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_clear_line_and_nothing_made(tmp_path: Path, case: str) -> None:
    make, message = REFUSED[case]
    path = tmp_path / "a.db"
    make(path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SourceError, match=message) as caught, Source(path) as source:
        source.tables  # noqa: B018
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1
    assert sorted(tmp_path.iterdir()) == before


def test_an_exclusive_lock_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_file, "BUSY_SECONDS", 0.2)
    path = small(tmp_path / "a.db")
    with contextlib.closing(sqlite3.connect(path)) as application:
        application.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match="locked by another process"), Source(path):
            pass


def test_a_page_that_breaks_behind_the_first_ones_is_a_source_error(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (name TEXT)", f"INSERT INTO t {series(20000, 'hex(n)')}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096 * 4] = b"\xff" * 4096 * 4
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.db"), Source(path) as source:
        names(source)


# -- what it holds ------------------------------------------------------------------------------------------------


def test_the_catalogue(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, twice AS (name || name))",
        "INSERT INTO numbered (id, name) VALUES (7, 'ä'), (41, 'b')",
        "DELETE FROM numbered WHERE id = 41",
        "CREATE TABLE pair (b TEXT, a INT, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "CREATE TABLE shadowed (rowid TEXT, oid TEXT)",
        "CREATE TABLE hidden_rowid (rowid TEXT, oid TEXT, _rowid_ TEXT)",
        "CREATE VIEW looked AS SELECT 1",
        "CREATE VIRTUAL TABLE found USING fts5(words)",
    )
    with Source(path) as source:
        tables = source.tables
    assert list(tables) == ["found", "hidden_rowid", "numbered", "pair", "shadowed"]
    numbered = tables["numbered"]
    assert [(c.name, c.declared_type, c.not_null, c.key_position) for c in numbered.columns] == [
        ("id", "INTEGER", False, 1),
        ("name", "TEXT", True, 0),
        ("twice", "", False, 0),
    ]
    assert (numbered.row_count, numbered.autoincrement_last, tables["pair"].autoincrement_last) == (1, 41, None)
    assert [(c.name, c.key_position) for c in tables["pair"].columns] == [("b", 2), ("a", 1)]
    assert [tables[name].rowid_name for name in tables] == [None, None, "rowid", None, "_rowid_"]


@pytest.mark.parametrize("name", ["with space.db", "per%20cent.db", "what?.db", "#hash.db", "uni-ünïcode-文.db"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    with Source(small(tmp_path / name)) as source:
        assert names(source) == ["Ann"]


def test_counting_values_and_finding_rows(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        'CREATE TABLE "od""d" (id INTEGER PRIMARY KEY, "x y" TEXT)',
        """INSERT INTO "od""d" VALUES (1, NULL), (-5, ''), (3, CAST(x'FF' AS TEXT)), (9, 'z')""",
    )
    with Source(path) as source:
        table = source.tables['od"d']
        assert source.count_values('od"d', "x y") == 3
        assert source.has_row('od"d', {"id": 9, "x y": "z"})
        assert not source.has_row('od"d', {"id": 9, "x y": "y"})
        found = list(source.rows(table, [4, 1, 3], [9, -5, 3]))
    assert found == [
        (1, {"id": -5, "x y": ""}),
        (3, {"id": 3, "x y": b"\xff"}),
        (4, {"id": 9, "x y": "z"}),
    ]
    assert isinstance(found[1][1]["x y"], UndecodableText)


def test_rows_without_rowid_are_found_by_counting(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite(path) as connection:
        connection.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [("b", 2), ("a", 1), ("c", 3)])
    with Source(path) as source:
        found = list(source.rows(source.tables["t"], [3, 1], [None, None]))
    assert found == [(1, {"k": "a", "v": 1}), (3, {"k": "c", "v": 3})]


def test_a_utf_16_database_reads_the_same(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "PRAGMA encoding = 'UTF-16le'",
        "CREATE TABLE t (name TEXT)",
        "INSERT INTO t VALUES ('文 ü 🤖')",
    )
    with Source(path) as source:
        assert names(source) == ["文 ü 🤖"]


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE naïve (a)", "CREATE TABLE t (naïve)", "CREATE TABLE t (a, b, naïve TEXT)"]
)
def test_a_name_that_is_not_utf8_is_named(tmp_path: Path, statement: str) -> None:
    path = make_sqlite(tmp_path / "s.db", statement)
    path.write_bytes(path.read_bytes().replace("naïve".encode(), b"na\xff\xffve"))
    with Source(path) as source, pytest.raises(SourceError, match=r"name b'na\\xff\\xffve' is not valid UTF-8; rename"):
        _ = source.tables


def test_a_declared_type_that_is_not_utf8_does_no_harm(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "s.db", "CREATE TABLE t (a naïve)")
    path.write_bytes(path.read_bytes().replace("naïve".encode(), b"na\xff\xffve"))
    with Source(path) as source:
        assert source.tables["t"].columns[0].declared_type == "na\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}ve"


def test_rows_that_are_not_found_again_are_damage(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "s.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)")
    with Source(path) as source, pytest.raises(SourceError, match=r"damaged: rows of table 't' \(1\) are not found"):
        list(source.rows(source.tables["t"], [1, 2, 3], [1, 2, 3]))


def test_a_broken_rule_is_no_damage(tmp_path: Path) -> None:
    """SQLite's integrity check names NULLs in columns that were later declared NOT NULL; the file is sound."""
    path = make_sqlite(
        *(tmp_path / "s.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (NULL)", "PRAGMA writable_schema = ON"),
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a NOT NULL)'",
    )
    with Source(path) as source:
        assert source.query("PRAGMA integrity_check") == [("NULL value in t.a",)]
        source.verify_sound()
