"""A load undone: what it brought goes, what others wrote stays and is named, and nobody else's row is touched."""

import json
import stat
from pathlib import Path

import pytest
from support.commands import Commands, commands
from support.database import Database
from support.loads import load
from support.sources import make_sqlite, series
from support.targets import contents, execute, query, state, value
from undoing.conftest import Load, Undo

from etl.core.errors import CannotRun, TargetError
from etl.core.undo_report import LeftReason, UndoOutcome
from etl.reporting.undo import UndoReport

__all__ = ["commands"]  # a fixture


def left(report: UndoReport) -> dict[tuple[str, str], int]:
    """Rows that were left, by table and reason."""
    return {(rows.table, rows.reason): rows.rows for rows in report.left}


@pytest.mark.parametrize("options", [{}, {"keep_constraints": True}])
def test_empty_tables_are_empty_again_and_sequences_as_they_were(
    target: Database, source: Path, loaded: Load, undo: Undo, options: dict[str, bool]
) -> None:
    execute(target, "SELECT nextval('p_id_seq')")
    before = state(target)
    loaded(target, source, **options)
    assert state(target) != before
    report = undo(target)
    assert state(target) == before
    assert (report.exit_code, report.outcome, report.total("removed")) == (0, UndoOutcome.UNDONE, 60)


TABLES = {
    "a circle": (
        "CREATE TABLE p (id integer PRIMARY KEY, v text, c integer)",
        "CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES p, v text)",
        "ALTER TABLE p ADD FOREIGN KEY (c) REFERENCES c",
    ),
    "partitions": (
        "CREATE TABLE p (id integer PRIMARY KEY, v text) PARTITION BY HASH (id)",
        "CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES p ON DELETE CASCADE, v text)",
    ),
    "rows that are refused one by one": (
        "CREATE TABLE p (id integer PRIMARY KEY, v text)",
        "CREATE TABLE c (id integer PRIMARY KEY, p integer REFERENCES p, v text)",
        "CREATE UNIQUE INDEX ON c ((id % 17))",
    ),
    "no keys at all": ("CREATE TABLE p (id integer, v text)", "CREATE TABLE c (id integer, p integer, v text)"),
    "triggers that catch errors": (
        "CREATE TABLE p (id integer PRIMARY KEY, v text)",
        "CREATE TABLE c (id integer PRIMARY KEY, p integer, v text, n integer)",
        """
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            BEGIN UPDATE c SET n = 1 WHERE id = new.id; EXCEPTION WHEN division_by_zero THEN NULL; END;
            RETURN NULL;
        END $$
        """,
        "CREATE TRIGGER t AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION f()",
    ),
}


@pytest.mark.parametrize("tables", TABLES.values(), ids=TABLES)
def test_every_way_into_the_target_leads_back(
    database: Database, source: Path, loaded: Load, undo: Undo, tables: tuple[str, ...]
) -> None:
    execute(database, *tables)
    before = state(database)
    assert loaded(database, source).total("loaded_rows") > 30
    assert undo(database).exit_code == 0
    assert state(database) == before


def test_rows_from_before_stay(target: Database, source: Path, loaded: Load, undo: Undo) -> None:
    execute(
        target, "INSERT INTO p VALUES (3, '3'), (900, 'x')", "INSERT INTO c OVERRIDING SYSTEM VALUE VALUES (1, 3, 'x')"
    )
    before = state(target)
    assert loaded(target, source).total("loaded_rows") == 58
    report = undo(target)
    assert (report.exit_code, report.total("removed")) == (0, 58)
    assert state(target) == before


def test_rows_that_were_changed_since_are_left_and_named(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    loaded(target, source)
    execute(target, "UPDATE c SET v = 'mine' WHERE id = 7", "DELETE FROM c WHERE id = 8")
    report = undo(target)
    assert contents(target, "p", "c") == {"p": ["(4,4)"], "c": ["(7,4,mine)"]}
    assert left(report) == {("c", LeftReason.CHANGED): 1, ("p", LeftReason.REFERENCED): 1}
    assert (report.exit_code, report.outcome) == (3, UndoOutcome.PARTLY)
    assert next(table for table in report.tables if table.name == "c").gone == 2
    kept = tmp_path / "undo" / "left" / "c.ndjson"
    line = json.loads(kept.read_text())
    assert (line["key"], line["row"]["v"], line["reason"]) == ({"id": "7"}, "mine", "changed_since")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_rows_that_others_added_are_no_concern_of_an_undo(
    target: Database, source: Path, loaded: Load, undo: Undo
) -> None:
    loaded(target, source)
    execute(target, "INSERT INTO c (v) VALUES ('mine')")
    report = undo(target)
    assert (report.exit_code, contents(target, "p", "c")) == (0, {"p": [], "c": ["(41,,mine)"]})
    assert any("used since" in sequence.done for sequence in report.sequences)


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL"])
def test_rows_of_others_keep_what_they_refer_to(
    target: Database, source: Path, loaded: Load, undo: Undo, action: str
) -> None:
    """Up to the root, whatever the foreign key would do, and from another schema too."""
    execute(
        target,
        "CREATE SCHEMA elsewhere",
        f"CREATE TABLE elsewhere.mine (c integer REFERENCES c ON DELETE {action})",
        "ALTER TABLE c DROP CONSTRAINT c_p_fkey",
        f"ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p ON DELETE {action}",
    )
    loaded(target, source)
    execute(target, "INSERT INTO elsewhere.mine VALUES (8)")
    report = undo(target)
    assert contents(target, "p", "c", "elsewhere.mine") == {"p": ["(4,4)"], "c": ["(8,4,8)"], "elsewhere.mine": ["(8)"]}
    assert left(report) == {("c", LeftReason.REFERENCED): 1, ("p", LeftReason.REFERENCED): 1}
    assert any("elsewhere.mine" in rows.detail for rows in report.left)
    execute(target, "TRUNCATE elsewhere.mine")
    again = undo(target)
    assert (again.exit_code, again.total("removed")) == (0, 2)
    with pytest.raises(CannotRun, match="was undone already"):
        undo(target)


def test_a_foreign_key_without_an_index_is_no_burden_and_stays(
    database: Database, tmp_path: Path, loaded: Load, undo: Undo
) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, up INTEGER)",
        f"INSERT INTO p {series(3000, 'n, n')}",
    )
    execute(database, "CREATE TABLE p (id integer PRIMARY KEY, up integer, CONSTRAINT k FOREIGN KEY (up) REFERENCES p)")
    before = state(database)
    loaded(database, source)
    assert undo(database).exit_code == 0
    assert state(database) == before


def test_a_second_undo_changes_nothing(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    loaded(target, source)
    undo(target)
    load(target, source, tmp_path / "another", tables=("p",))
    with pytest.raises(CannotRun, match="was undone already"):
        undo(target)
    assert value(target, "SELECT count(*) FROM p") == 20


def test_a_dry_run_says_what_would_go_and_holds_nobody_up(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    loaded(target, source)
    execute(target, "UPDATE c SET v = 'mine' WHERE id = 7")
    before = state(target)
    forecast = undo(target, dry_run=True)
    assert state(target) == before
    assert not (tmp_path / "load" / "undone.json").exists()
    done = undo(target)
    assert (forecast.exit_code, forecast.outcome) == (3, UndoOutcome.DRY_RUN)
    assert forecast.tables == done.tables
    assert forecast.left == done.left
    assert [one.taken_back for one in forecast.sequences] == [one.taken_back for one in done.sequences]


def test_what_was_created_goes_again(database: Database, source: Path, loaded: Load, undo: Undo) -> None:
    make_sqlite(source, "CREATE VIEW w AS SELECT v FROM p", "CREATE INDEX i ON c (v)")
    before = state(database)
    loaded(database, source, create_schema=True)
    assert all(thing.taken_back for thing in undo(database, dry_run=True).created)
    report = undo(database)
    assert state(database) == before
    assert {thing.name for thing in report.created} == {"public.w", "public.p", "public.c"}
    assert value(database, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0


@pytest.mark.parametrize(
    ("change", "remains"),
    [
        ("ALTER TABLE c ADD COLUMN mine integer", ["c", "p"]),
        ("CREATE INDEX mine ON p (v)", ["p"]),
        ("GRANT SELECT ON p TO PUBLIC", ["p"]),
        ("COMMENT ON COLUMN c.v IS 'mine'", ["c", "p"]),
        ("CREATE VIEW mine AS SELECT * FROM c", ["c", "p"]),
        ("CREATE TABLE mine (p integer REFERENCES p)", ["mine", "p"]),
        ("INSERT INTO c (id, v) VALUES (99, 'mine')", ["c", "p"]),
    ],
)
def test_what_was_created_stays_where_somebody_built_on_it(
    database: Database, source: Path, loaded: Load, undo: Undo, change: str, remains: list[str]
) -> None:
    loaded(database, source, create_schema=True)
    execute(database, change)
    report = undo(database)
    assert report.exit_code == 3
    tables = query(
        database, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    assert sorted(name for (name,) in tables) == remains
    assert value(database, "SELECT count(*) FROM p") == 0
    assert [thing.taken_back for thing in report.created].count(False) == len(
        [name for name in remains if name != "mine"]
    )


def test_columns_that_were_added_go_where_they_hold_nothing(
    target: Database, source: Path, loaded: Load, undo: Undo
) -> None:
    make_sqlite(
        source, "ALTER TABLE p ADD COLUMN n INTEGER", "ALTER TABLE p ADD COLUMN m INTEGER", "UPDATE p SET n = 1, m = 2"
    )
    execute(target, "INSERT INTO p VALUES (900, 'x')")
    loaded(target, source, extra_columns="add")
    execute(target, "UPDATE p SET m = 7 WHERE id = 900")
    report = undo(target)
    assert {thing.name: thing.taken_back for thing in report.created} == {"public.p.n": True, "public.p.m": False}
    assert contents(target, "p") == {"p": ["(900,x,7)"]}


def test_a_sequence_stays_ahead_of_the_rows_that_stay(target: Database, source: Path, loaded: Load, undo: Undo) -> None:
    loaded(target, source)
    execute(target, "UPDATE p SET v = 'mine' WHERE id = 5")
    report = undo(target)
    assert {one.name: one.taken_back for one in report.sequences} == {"public.p_id_seq": False, "public.c_id_seq": True}
    assert value(target, "SELECT nextval('p_id_seq')") == 21
    assert value(target, "SELECT nextval('c_id_seq')") == 1


def test_triggers_that_keep_rows_or_refuse_are_named(target: Database, source: Path, loaded: Load, undo: Undo) -> None:
    loaded(target, source)
    execute(
        target,
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER k BEFORE DELETE ON c FOR EACH ROW WHEN (old.id = 40) EXECUTE FUNCTION keep()",
        "ALTER TABLE c DROP CONSTRAINT c_p_fkey",
    )
    report = undo(target, dry_run=True)
    assert any("public.c (k)" in remark for remark in report.remarks)
    report = undo(target)
    assert left(report) == {("c", LeftReason.KEPT): 1}
    assert next(table for table in report.tables if table.name == "c").removed == 39
    execute(
        target,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$",
        "CREATE TRIGGER a BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    with pytest.raises(TargetError, match=r"refuses to delete the run's rows in public\.c: never"):
        undo(target)


def test_the_command_says_what_it_did(
    target: Database, source: Path, loaded: Load, commands: Commands, tmp_path: Path
) -> None:
    loaded(target, source)
    execute(target, "UPDATE c SET v = 'mine' WHERE id = 7")
    run, url = tmp_path / "load", target.url
    first = commands.undo(run, url, tmp_path / "undo", "--dry-run", "--json")
    found = json.loads(first.out)
    assert (first.code, found["exit_code"], found["outcome"]) == (3, 3, "dry-run")
    done = commands.undo(run, url, tmp_path / "undo")
    assert done.code == 3
    assert "✗ c: 39 rows deleted, 1 row changed or deleted since the run, 1 left" in done.out
    assert "p: 1 row left, rows that the run did not write refer to them (public.c (c_p_fkey)): id = '4'" in done.out
    assert "is undone in part: 58 rows taken back, 2 rows left" in done.out
    assert json.loads((tmp_path / "undo" / "report.json").read_text())["exit_code"] == 3
    assert "| c | 40 | 0 | 0 | 39 | 1 |" in (tmp_path / "undo" / "report.md").read_text()
    execute(target, "TRUNCATE c")
    assert commands.undo(run, url, tmp_path / "undo", "-q").code == 0
    again = commands.undo(run, url, tmp_path / "undo")
    assert again.code == 1
    assert "was undone already" in again.err
    assert commands.undo(tmp_path / "undo", url, tmp_path / "other").code == 2
    assert commands.undo(run, url, run).code == 2


def test_a_dry_run_and_a_comparison_leave_no_record(
    target: Database, source: Path, loaded: Load, tmp_path: Path
) -> None:
    loaded(target, source, dry_run=True)
    assert not (tmp_path / "load" / "undo.json").exists()
    assert loaded(target, source).folder == tmp_path / "load"
    assert (tmp_path / "load" / "undo.json").exists()
