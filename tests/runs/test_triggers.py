"""Triggers of the target that write into tables that are loaded: named first, and told truly afterwards."""

from pathlib import Path

from support.database import Database
from support.loads import rejects, table_report
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
