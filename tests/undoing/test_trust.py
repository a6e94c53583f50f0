"""A record is believed only where it can still be true; rows keep or lose what tells them, as PostgreSQL has it."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.database import Database, Server, fresh_database
from support.own_server import own_server
from support.targets import execute, state, url_as, value
from undoing.conftest import Load, Undo

import etl
from etl.core.errors import CannotRun, TargetError, UsageError
from etl.core.undo_report import LeftReason


def altered(folder: Path, **changes: Any) -> None:
    """Another record in the place of the run's."""
    path = folder / "load" / "undo.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"system_identifier": "7"}, "This is another server"),
        ({"database_oid": 1}, "is not the one that run"),
        ({"timeline": 77}, "history has branched"),
        ({"transaction": str(2**40)}, "restored to an earlier moment"),
        ({"transaction": str(-(2**31))}, "have wrapped round"),
    ],
)
def test_a_record_of_another_server_database_or_time_is_refused(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    loaded(target, source)
    altered(tmp_path, **changes)
    before = state(target)
    with pytest.raises(TargetError, match=words):
        undo(target)
    assert state(target) == before
    assert json.loads((tmp_path / "undo" / "report.json").read_text())["outcome"] == "failed"


def test_where_nobody_may_ask_for_the_server_that_is_said(
    target: Database, role: str, source: Path, loaded: Load, tmp_path: Path
) -> None:
    functions = ("pg_control_system()", "pg_control_checkpoint()")
    execute(target, *(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC" for name in functions))
    execute(target, f"GRANT ALL ON p, c TO {role}", f"GRANT ALL ON p_id_seq, c_id_seq TO {role}")
    loaded(target, source, role=role)
    report = etl.undo(tmp_path / "load", url_as(target, role), report_folder=tmp_path / "undo")
    assert report.exit_code == 0
    assert any("could not be asked" in remark for remark in report.remarks)


def test_a_copy_of_the_database_is_another_one(
    server: Server, target: Database, source: Path, loaded: Load, undo: Undo
) -> None:
    """It has the same tables with the same oids, and rows with the same numbers."""
    loaded(target, source)
    name = target.url.split("?")[0].rsplit("/", 1)[1]
    with fresh_database(server) as copy:
        other = copy.url.split("?")[0].rsplit("/", 1)[1]
        server.execute(f'DROP DATABASE "{other}"')
        server.execute(f'CREATE DATABASE "{other}" TEMPLATE "{name}"')
        with pytest.raises(TargetError, match="is not the one that run"):
            undo(copy)


def test_a_table_that_was_created_anew_is_refused_and_one_that_is_gone_is_no_loss(
    target: Database, source: Path, loaded: Load, undo: Undo
) -> None:
    loaded(target, source)
    execute(target, "CREATE TABLE copy AS SELECT * FROM c", "DROP TABLE c", "ALTER TABLE copy RENAME TO c")
    with pytest.raises(TargetError, match=r"Dropped and created anew since the run.*public\.c"):
        undo(target)
    execute(target, "DROP TABLE c")
    report = undo(target)
    assert (report.exit_code, value(target, "SELECT count(*) FROM p")) == (0, 0)
    assert [table.target for table in report.tables] == ["public.p", None]


def test_a_table_may_have_got_another_name(target: Database, source: Path, loaded: Load, undo: Undo) -> None:
    loaded(target, source)
    execute(target, "CREATE SCHEMA other", "ALTER TABLE c SET SCHEMA other", "ALTER TABLE p RENAME TO parents")
    assert undo(target).exit_code == 0
    assert value(target, "SELECT (SELECT count(*) FROM parents) + (SELECT count(*) FROM other.c)") == 0


@pytest.mark.parametrize("command", ["VACUUM FULL", "VACUUM FREEZE", "CLUSTER c USING c_pkey", "ANALYZE"])
def test_maintenance_keeps_the_marks(target: Database, source: Path, loaded: Load, undo: Undo, command: str) -> None:
    loaded(target, source)
    connection = target.engine().raw_connection()
    connection.driver_connection.autocommit = True  # type: ignore[union-attr]
    connection.cursor().execute(command)
    connection.close()
    assert undo(target).exit_code == 0
    assert value(target, "SELECT count(*) FROM c") == 0


def test_a_table_that_was_rewritten_is_left_as_a_whole(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    loaded(target, source)
    execute(target, "ALTER TABLE c ALTER v TYPE integer USING v::integer")
    report = undo(target)
    assert report.exit_code == 3
    assert {(rows.table, rows.reason, rows.rows) for rows in report.left} == {
        ("c", LeftReason.REWRITTEN, 40),
        ("p", LeftReason.REFERENCED, 20),
    }
    assert not (tmp_path / "undo" / "left" / "c.ndjson").exists()  # who would want a copy of the table?


def test_rows_of_others_that_bear_the_same_numbers_are_noticed(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    loaded(target, source)
    execute(target, "INSERT INTO c (v) VALUES ('mine')")
    mine = value(target, "SELECT xmin::text FROM c WHERE v = 'mine'")
    record = json.loads((tmp_path / "load" / "undo.json").read_text())
    altered(tmp_path, savepoints=[*record["savepoints"], mine])
    with pytest.raises(TargetError, match="1 more rows with the numbers of run"):
        undo(target)


def test_a_load_that_was_rolled_back_needs_no_undo(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    loaded(target, source)
    with target.engine().connect() as connection:
        number = connection.exec_driver_sql("SELECT txid_current()").scalar()
        connection.rollback()
    altered(tmp_path, transaction=str(number))
    with pytest.raises(CannotRun, match="was rolled back"):
        undo(target)


def test_a_server_has_to_be_named_unless_it_is_the_embedded_one(
    target: Database, source: Path, loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(target, source)
    for name in ("DATABASE_URL", "PGHOST", "PGDATABASE", "PGUSER", "PGSERVICE", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="Name the server that run"):
        etl.undo(tmp_path / "load")


def test_numbers_that_have_wrapped_round_are_refused_by_a_server_that_has_come_so_far(
    source: Path, loaded: Load, undo: Undo
) -> None:
    """pg_resetwal sets the server's counter four thousand million transactions on."""
    with own_server() as server, server.database("target") as database:
        execute(
            database,
            "CREATE TABLE p (id integer, v text)",
            "CREATE TABLE c (id integer, p integer, v text)",
        )
        loaded(database, source)
        server.ask("CHECKPOINT")
        server.stop()
        server.run("pg_resetwal", "-f", "-e", "1", "-D", server.data)
        server.start()
        with pytest.raises(TargetError, match=r"4,29\d,\d{3},\d{3} transactions have gone by"):
            undo(database)
        assert value(database, "SELECT count(*) FROM p") == 20
