"""Triggers of the target that write into tables that are loaded: named first, and told truly afterwards."""

from pathlib import Path

import pytest
from support.database import Database
from support.loads import books, load, rejects, table_report
from support.sources import make_sqlite
from support.targets import execute, query, value

import etl

SOURCE = (
    "CREATE TABLE note (id INTEGER PRIMARY KEY, t TEXT)",
    "CREATE TABLE zaudit (id INTEGER PRIMARY KEY, note INTEGER UNIQUE, at TEXT)",
    "INSERT INTO note VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    "INSERT INTO zaudit VALUES (1, 1, 'then'), (2, 2, 'then'), (9, 3, 'then')",
)
TARGET = (
    "CREATE TABLE note (id integer PRIMARY KEY, t text)",
    "CREATE TABLE zaudit (id integer PRIMARY KEY, note integer UNIQUE, at text)",
    """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO zaudit VALUES (NEW.id, NEW.id, 'now'); RETURN NEW; END$$""",
    "CREATE TRIGGER keep AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION keep()",
    "ALTER TABLE note ENABLE ALWAYS TRIGGER keep",
)


def test_rows_that_a_trigger_wrote_are_told_as_what_they_are(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", *SOURCE)
    execute(database, *TARGET)
    report = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "report")
    (named,) = [drift for drift in report.drift if drift.kind == "trigger_writes"]
    assert named.table == "zaudit"
    assert "keep on note" in named.action
    audit = table_report(report, "zaudit")
    assert (audit.target_rows_before, audit.loaded_rows, audit.present_rows, audit.rejected_rows) == (0, 0, 0, 3)
    for line in rejects(report, "zaudit"):
        assert "a trigger of the target has written in this load (keep on note)" in line["reason"]
        assert "--disable-triggers" in line["reason"]


def test_triggers_are_switched_off_and_on_again_as_they_were(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", *SOURCE)
    execute(database, *TARGET)
    done = etl.migrate(source, database.url, validate=False, disable_triggers=True, report_folder=tmp_path / "report")
    assert done.exit_code == 0
    assert query(database, "SELECT at FROM zaudit ORDER BY id") == [("then",)] * 3
    assert value(database, "SELECT tgenabled FROM pg_trigger WHERE tgname = 'keep'") == "A"


KEYED = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
    "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')",
)


def before_insert(body: str) -> tuple[str, ...]:
    return (
        "CREATE TABLE t (id integer PRIMARY KEY, v text)",
        f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$",
        "CREATE TRIGGER change BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION change()",
    )


@pytest.mark.parametrize(
    ("body", "stored", "codes"),
    [
        ("NEW.id := NEW.id + 100; RETURN NEW;", [101, 102, 103, 104], {}),
        ("IF NEW.id = 2 THEN NEW.id := 102; END IF; RETURN NEW;", [1, 3, 4, 102], {}),
        ("NEW.id := NEW.id / 2 + 100; RETURN NEW;", [100, 101, 102], {3: "blocked"}),
        (
            "IF NEW.id = 2 THEN RETURN NULL; END IF; NEW.id := NEW.id + 100; RETURN NEW;",
            [101, 103, 104],
            {2: "left_out"},
        ),
        ("IF NEW.id > 2 THEN RETURN NULL; END IF; RETURN NEW;", [1, 2], {3: "left_out", 4: "left_out"}),
    ],
    ids=["every key", "one key", "keys that meet", "one left out, others changed", "some left out"],
)
def test_a_row_whose_key_a_trigger_changes_is_not_in_its_own_way(
    database: Database, tmp_path: Path, body: str, stored: list[int], codes: dict[int, str]
) -> None:
    execute(database, *before_insert(body))
    report = load(database, make_sqlite(tmp_path / "source.db", *KEYED), tmp_path / "report")
    assert {line["row_number"]: line["code"] for line in rejects(report, "t")} == codes
    assert [row for (row,) in query(database, "SELECT id FROM t ORDER BY id")] == stored
    assert books(report) == {"t": (4, 4 - len(codes), 0, len(codes))}


def test_rows_that_a_trigger_puts_into_a_child_are_the_tables(database: Database, tmp_path: Path) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v text)", "CREATE TABLE late () INHERITS (t)")
    elsewhere = "IF NEW.id > 2 THEN INSERT INTO late VALUES (NEW.*); RETURN NULL; END IF; RETURN NEW;"
    execute(database, *before_insert(elsewhere)[1:])
    report = load(database, make_sqlite(tmp_path / "source.db", *KEYED), tmp_path / "report")
    assert (report.exit_code, books(report)["t"]) == (0, (4, 4, 0, 0))
    assert value(database, "SELECT count(*) FROM late") == 2
