"""The fingerprint of a file: what `sha256sum` says, or nothing."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from support.sources import make_sqlite

from etl.source.database import Source
from etl.source.fingerprint import Fingerprint, fingerprint


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def asked(path: Path) -> Fingerprint | None:
    return fingerprint(path, stopped=lambda: False)


def test_it_is_that_of_the_file_and_of_its_log(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id)")
    assert asked(path) == Fingerprint(sha256(path), None)
    with closing(sqlite3.connect(path)) as application:
        application.execute("PRAGMA journal_mode=WAL")
        application.execute("INSERT INTO t VALUES (1)")
        application.commit()
        wal = tmp_path / "a.db-wal"
        assert asked(path) == Fingerprint(sha256(path), sha256(wal))


def test_there_is_none_of_a_file_that_is_gone_or_that_nobody_asks_for_any_more(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id)")
    assert fingerprint(path, stopped=lambda: True) is None
    assert asked(tmp_path / "gone.db") is None


def test_there_is_none_of_a_file_that_is_written_to_meanwhile(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id)")

    def write() -> bool:
        make_sqlite(path, "CREATE TABLE IF NOT EXISTS another (id)")
        return False

    assert fingerprint(path, stopped=write) is None


def test_a_source_waits_for_it_only_where_asked(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id)")
    with Source(path) as source:
        assert source.fingerprint(wait=True) is None
        source.fingerprint_ahead()
        found = source.fingerprint(wait=True)
        assert found is not None
        assert found == source.fingerprint(wait=False) == asked(path)
