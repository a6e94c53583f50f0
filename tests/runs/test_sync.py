"""A sync makes both sides equal, with what differs and nothing else; what it overwrites is kept."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2.errors
import pytest
from support.database import Database
from support.loads import load, rejects, table_report
from support.sources import make_sqlite
from support.targets import contents, execute, query, state, url_as, value

import etl
from etl.core.errors import DriftError, TargetError, UsageError
from etl.core.report import Outcome
from etl.reporting.report import Report
from etl.runs import self_test
from etl.sample.build import make_sample


def sync(database: Database, source: Path, folder: Path, **options: Any) -> Report:
    """`etl.sync` into the test's database, without validation unless it is asked for."""
    return etl.sync(source, url_as(database), report_folder=folder, **{"validate": False, **options})


def change(source: Path, *statements: str) -> None:
    """What the application does to its database."""
    with closing(sqlite3.connect(source)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def counts(report: Report, table: str) -> tuple[int | None, ...]:
    """Matched, inserted, updated, kept, rejected, deleted rows of a table; fails where the sum does not hold."""
    found = table_report(report, table)
    parts = (found.matched_rows, found.inserted_rows, found.updated_rows, found.kept_rows, found.rejected_rows)
    assert found.source_rows == sum(part or 0 for part in parts)
    assert not found.unaccounted_rows
    return (*parts, found.deleted_rows)


def lines(report: Report, folder: str, table: str) -> list[dict[str, Any]]:
    """A file of rows in the report's folder."""
    return rejects(report, table, folder)


def equal(database: Database, source: Path, folder: Path) -> bool:
    """Whether a comparison of its own finds both sides equal."""
    return etl.compare(source, url_as(database), report_folder=folder).exit_code == 0


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Path:
    """People and their orders, loaded into a created schema."""
    source = make_sqlite(
        tmp_path / "shop.db",
        "CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, name TEXT)",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES person, total REAL)",
        "INSERT INTO person VALUES (1, 'ann@x', 'Ann'), (2, 'bob@x', 'Bob'), (3, 'cyd@x', NULL)",
        "INSERT INTO orders VALUES (10, 1, 1.5), (11, 2, 2.5), (12, 3, 3.5), (13, 3, 4.5)",
    )
    assert load(database, source, tmp_path / "load", create_schema=True).exit_code == 0
    return source


def test_changes_are_applied_and_proved(database: Database, shop: Path, tmp_path: Path) -> None:
    change(
        shop,
        "UPDATE person SET name = 'Anna' WHERE id = 1",
        "INSERT INTO person VALUES (7, 'dan@x', 'Dan')",
        "INSERT INTO orders VALUES (14, 7, 9)",
        "DELETE FROM orders WHERE id = 13",
    )
    report = sync(database, shop, tmp_path / "sync", delete=True)
    assert (report.exit_code, report.outcome) == (0, Outcome.RECONCILED)
    assert counts(report, "person") == (2, 1, 1, 0, 0, 0)
    assert counts(report, "orders") == (3, 1, 0, 0, 0, 1)
    assert equal(database, shop, tmp_path / "compare")
    assert value(database, "SELECT nextval('person_id_seq')") == 8
    (old,) = lines(report, "overwritten", "person")
    assert old == {
        "change": "updated", "key": {"id": "1"}, "row": {"id": "1", "email": "ann@x", "name": "Ann"}
    }  # fmt: skip
    (gone,) = lines(report, "overwritten", "orders")
    assert (gone["change"], gone["key"], gone["row"]["total"]) == ("deleted", {"id": "13"}, "4.5")
    path = tmp_path / "sync" / "overwritten" / "person.ndjson"
    assert path.stat().st_mode & 0o777 == 0o600
    undo = json.loads((tmp_path / "sync" / "undo.json").read_bytes())
    assert [(item["table"], item["inserted"], item["updated"], item["deleted"]) for item in undo["tables"]] == [
        ("person", 1, 1, 0),
        ("orders", 1, 0, 1),
    ]
    written = query(database, "SELECT xmin::text::bigint FROM person WHERE id IN (1, 7)")
    assert {str(xmin) for (xmin,) in written} <= {undo["transaction"], *undo["savepoints"]}


def test_nothing_changed_nothing_written(database: Database, shop: Path, tmp_path: Path) -> None:
    before = state(database)
    report = sync(database, shop, tmp_path / "sync", delete=True)
    assert report.exit_code == 0
    assert state(database) == before
    assert not (tmp_path / "sync" / "undo.json").exists()
    assert not (tmp_path / "sync" / "overwritten").exists()


def test_a_dry_run_forecasts_every_change_and_writes_nothing(database: Database, shop: Path, tmp_path: Path) -> None:
    change(
        shop,
        "UPDATE person SET name = 'Anna' WHERE id = 1",
        "INSERT INTO person VALUES (7, 'dan@x', 'Dan')",
        "INSERT INTO orders VALUES (14, 8, 9)",  # has no parent
        "DELETE FROM orders WHERE id = 13",
    )
    before = state(database)
    forecast = sync(database, shop, tmp_path / "dry", delete=True, dry_run=True)
    assert state(database) == before
    assert forecast.outcome is Outcome.DRY_RUN
    report = sync(database, shop, tmp_path / "sync", delete=True)
    for table in ("person", "orders"):
        assert counts(forecast, table) == counts(report, table)
    assert counts(report, "orders") == (3, 0, 0, 0, 1, 1)
    assert forecast.exit_code == report.exit_code == 3
    found = {(line["kind"], line["column"]) for line in lines(forecast, "found", "person")}
    assert found == {("changed_text", "name"), ("missing", None)} or ("truncated", "name") in found
    (refused,) = lines(report, "rejects", "orders")
    assert (refused["code"], refused["row_number"], refused["rowid"]) == ("parent_missing", 4, 14)


def test_rows_of_the_target_alone_stay_without_delete(database: Database, shop: Path, tmp_path: Path) -> None:
    execute(database, "INSERT INTO person (id, email) VALUES (99, 'own@x')")
    report = sync(database, shop, tmp_path / "sync")
    assert report.exit_code == 3
    assert table_report(report, "person").extra_rows == 1
    assert [item["kind"] for item in report.differences] == ["extra"]
    assert [line["kind"] for line in lines(report, "differences", "person")] == ["extra"]
    assert value(database, "SELECT count(*) FROM person") == 4
    change(shop, "UPDATE person SET name = 'Bobby' WHERE id = 2")
    report = sync(database, shop, tmp_path / "again")  # the row is named beside changes as well
    assert [item["kind"] for item in report.differences] == ["extra"]
    assert [line["kind"] for line in lines(report, "differences", "person")] == ["extra"]
    assert counts(report, "person") == (2, 0, 1, 0, 0, 0)


EXCHANGES = [
    ("email TEXT NOT NULL UNIQUE", "'a'", "'b'", "'c'", "text UNIQUE NOT NULL"),
    ("email TEXT UNIQUE", "'a'", "'b'", "'c'", "varchar(4) UNIQUE CHECK (length(email) < 3)"),
    ("email INTEGER NOT NULL UNIQUE", "1", "2", "3", "int UNIQUE NOT NULL"),
    ("email INTEGER NOT NULL UNIQUE", "1", "2", "3", "int UNIQUE NOT NULL CHECK (email < 4)"),
    ("email TEXT NOT NULL UNIQUE", "'2020-01-01'", "'2020-01-02'", "'2020-01-03'", "date UNIQUE NOT NULL"),
    (
        "email TEXT NOT NULL UNIQUE",
        "'a0000000-0000-0000-0000-000000000001'",
        "'a0000000-0000-0000-0000-000000000002'",
        "'a0000000-0000-0000-0000-000000000003'",
        "uuid UNIQUE NOT NULL",
    ),
]


@pytest.mark.parametrize(("declared", "a", "b", "c", "column"), EXCHANGES)
def test_unique_values_change_places(
    database: Database, tmp_path: Path, declared: str, a: str, b: str, c: str, column: str
) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, {declared})",
        f"INSERT INTO t VALUES (1, {a}), (2, {b}), (3, {c})",
    )
    execute(database, f"CREATE TABLE t (id int PRIMARY KEY, email {column})")
    assert load(database, source, tmp_path / "load").exit_code == 0
    change(  # a circle of three, the last of which is a new row
        source,
        "DELETE FROM t",
        f"INSERT INTO t VALUES (1, {b}), (2, {a}), (4, {c})",
    )
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert report.exit_code == 0, report.rejects
    assert counts(report, "t") == (0, 1, 2, 0, 0, 1)
    assert equal(database, source, tmp_path / "compare")


def test_what_cannot_step_aside_is_refused_by_name(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, flag INTEGER NOT NULL UNIQUE)",
        "INSERT INTO t VALUES (1, 0), (2, 1)",
    )
    execute(database, "CREATE TABLE t (id int PRIMARY KEY, flag boolean UNIQUE NOT NULL)")
    assert load(database, source, tmp_path / "load").exit_code == 0
    change(source, "DELETE FROM t", "INSERT INTO t VALUES (1, 1), (2, 0)")
    report = sync(database, source, tmp_path / "sync")
    assert counts(report, "t") == (0, 0, 0, 0, 2, 0)
    assert "cannot step aside" in report.rejects[0].reason
    assert contents(database, "t") == {"t": ["(1,f)", "(2,t)"]}


def test_a_key_that_changed_takes_its_children_along(database: Database, tmp_path: Path) -> None:
    """The old row goes last, when nobody refers to it any more, and lends its unique value to the new one before."""
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER NOT NULL REFERENCES p)",
        "INSERT INTO p VALUES (5, 'ann@x')",
        "INSERT INTO c VALUES (1, 5), (2, 5)",
    )
    execute(
        database,
        "CREATE TABLE p (id int PRIMARY KEY, email text NOT NULL UNIQUE)",
        "CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p ON DELETE CASCADE, note text)",
    )
    assert load(database, source, tmp_path / "load").exit_code == 0
    execute(database, "UPDATE c SET note = 'the target''s own'")
    change(source, "UPDATE p SET id = 50", "UPDATE c SET p = 50")
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert report.exit_code == 0
    assert counts(report, "p") == (0, 1, 0, 0, 0, 1)
    assert contents(database, "p", "c") == {
        "p": ["(50,ann@x)"],
        "c": ["""(1,50,"the target's own")""", """(2,50,"the target's own")"""],
    }


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"])
def test_a_deletion_never_reaches_what_the_source_has(database: Database, tmp_path: Path, action: str) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER)",
        "INSERT INTO p VALUES (1), (2), (3), (4)",
        "INSERT INTO c VALUES (1, 1), (2, 2), (3, 3)",
    )
    execute(
        database,
        "CREATE TABLE p (id int PRIMARY KEY)",
        f"CREATE TABLE c (id int PRIMARY KEY, p int DEFAULT 4 REFERENCES p ON DELETE {action})",
    )
    assert load(database, source, tmp_path / "load").exit_code == 0
    # 1: its child stays, an orphan in the source; 2: its child goes too; 3: its child moves away
    change(source, "DELETE FROM p WHERE id < 4", "DELETE FROM c WHERE id = 2", "UPDATE c SET p = 4 WHERE id = 3")
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert counts(report, "p") == (1, 0, 0, 0, 0, 2)
    assert counts(report, "c") == (1, 0, 1, 0, 0, 1)
    assert contents(database, "p", "c") == {"p": ["(1)", "(4)"], "c": ["(1,1)", "(3,4)"]}
    (kept,) = lines(report, "kept", "p")
    assert kept == {"reason": "public.c refers to it (c_p_fkey)", "key": {"id": "1"}, "row": {"id": "1"}}
    assert report.exit_code == 3
    assert table_report(report, "p").extra_rows == 1


def test_rows_to_which_others_outside_of_the_plan_refer_stay(database: Database, shop: Path, tmp_path: Path) -> None:
    execute(
        database,
        "CREATE TABLE visit (person bigint REFERENCES person ON DELETE CASCADE)",
        "INSERT INTO person (id, email) VALUES (98, 'old@x'), (99, 'older@x')",
        "INSERT INTO visit VALUES (98)",
    )
    report = sync(database, shop, tmp_path / "sync", delete=True)
    assert counts(report, "person") == (3, 0, 0, 0, 0, 1)
    (kept,) = lines(report, "kept", "person")
    assert kept["reason"] == "public.visit refers to it (visit_person_fkey)"
    assert value(database, "SELECT count(*) FROM visit") == 1


@pytest.mark.parametrize("deferrable", ["", "DEFERRABLE"])
def test_circles(database: Database, tmp_path: Path, deferrable: str) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a, up INTEGER REFERENCES b)",
        "INSERT INTO a VALUES (1, 1), (2, 2)",
        "INSERT INTO b VALUES (1, 1, NULL), (2, 2, 1)",
    )
    execute(
        database,
        "CREATE TABLE a (id int PRIMARY KEY, b int)",
        f"CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a {deferrable}, up int REFERENCES b)",
        f"ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b {deferrable}",
    )
    assert load(database, source, tmp_path / "load").exit_code == 0
    change(
        source,
        "DELETE FROM a WHERE id = 2",
        "DELETE FROM b WHERE id = 2",
        "INSERT INTO a VALUES (3, 4)",
        "INSERT INTO b VALUES (4, 3, 5), (5, 1, 4)",
        "UPDATE a SET b = 5 WHERE id = 1",
    )
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert report.exit_code == 0, report.rejects
    assert (counts(report, "a"), counts(report, "b")) == ((0, 1, 1, 0, 0, 1), (1, 2, 0, 0, 0, 1))
    assert equal(database, source, tmp_path / "compare")


def test_tables_without_a_key_are_multisets(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE log (at TEXT, what TEXT)",
        "INSERT INTO log VALUES ('2020-01-01 00:00:00', 'x'), ('2020-01-01 00:00:00', 'x'), "
        "('2020-01-01 00:00:00', 'x'), (NULL, NULL), (NULL, NULL), (NULL, 'y')",
    )
    execute(database, "CREATE TABLE log (at timestamptz, what text)")
    assert load(database, source, tmp_path / "load").exit_code == 0
    change(
        source,
        "DELETE FROM log WHERE rowid IN (1, 2, 4)",
        "INSERT INTO log VALUES ('2020-01-01T00:00:00Z', 'z'), ('2020-01-01 00:00:00', 'z')",
        "UPDATE log SET what = 'w' WHERE what = 'y'",
    )
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert counts(report, "log") == (2, 3, 0, 0, 0, 4)
    assert report.exit_code == 0
    assert equal(database, source, tmp_path / "compare")
    kept = lines(report, "overwritten", "log")
    assert [line["key"] for line in kept] == [{}] * 4
    assert sorted(str(line["row"]["what"]) for line in kept) == ["None", "x", "x", "y"]


def test_without_rowid_composite_and_padded_keys(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE w (a TEXT, b INTEGER, v REAL, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "CREATE TABLE n (k TEXT PRIMARY KEY, v TEXT)",
        "INSERT INTO w VALUES ('x', 1, 1), ('x', 2, 2), ('y', 1, 3)",
        "INSERT INTO n VALUES ('1.50', 'a'), ('2', 'b')",
    )
    execute(
        database,
        "CREATE TABLE w (a char(3), b int, v float8, PRIMARY KEY (a, b))",
        "CREATE TABLE n (k numeric(6,2) PRIMARY KEY, v jsonb)",
        """INSERT INTO n VALUES (2, '"b"'), (3, '{}')""",
    )
    change(source, """UPDATE n SET v = '{"a": [1, 2]}' WHERE k = '2'""", "UPDATE n SET v = '[]' WHERE k = '1.50'")
    assert sync(database, source, tmp_path / "first", delete=True).exit_code == 0
    change(
        source,
        "UPDATE w SET v = 9.5 WHERE b = 2",
        "DELETE FROM w WHERE a = 'y'",
        "INSERT INTO w VALUES ('', 0, NULL)",
    )
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert counts(report, "w") == (1, 1, 1, 0, 0, 1)
    assert report.exit_code == 0
    assert equal(database, source, tmp_path / "compare")


def test_rows_that_were_rejected_and_mended_come_in(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT)",
        "INSERT INTO t VALUES (1, '1'), (2, 'two'), (3, 'three')",
    )
    execute(database, "CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n < 10))")
    assert load(database, source, tmp_path / "load").exit_code == 3
    change(source, "UPDATE t SET n = '2' WHERE id = 2", "UPDATE t SET n = '11' WHERE id = 1")
    report = sync(database, source, tmp_path / "sync")
    assert counts(report, "t") == (0, 1, 0, 0, 2, 0)
    codes = [(line["rowid"], line["row_number"], line["code"]) for line in lines(report, "rejects", "t")]
    assert sorted(codes) == [(1, 1, "check"), (3, 3, "not_a_whole_number")]
    assert contents(database, "t") == {"t": ["(1,1)", "(2,2)"]}  # what is refused leaves the row as it was
    assert table_report(report, "t").different_rows == 1
    change(source, "UPDATE t SET n = '3' WHERE id <> 2")
    assert sync(database, source, tmp_path / "again").exit_code == 0


def test_what_the_target_computes_and_what_is_its_own(database: Database, tmp_path: Path) -> None:
    """Own columns stay; generated columns and identities are not written; a difference there is named, not fought."""
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, twice INTEGER, serial INTEGER)",
        "INSERT INTO t VALUES (1, 1, 2, 1), (2, 2, 4, 2), (3, 3, 6, 3)",
    )
    execute(
        database,
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int, "
        "twice int GENERATED ALWAYS AS (n * 2) STORED, own text DEFAULT 'mine')",
        "ALTER TABLE t ADD serial int",
    )
    assert load(database, source, tmp_path / "load").exit_code == 0
    execute(database, "UPDATE t SET own = 'kept'")
    change(
        source,
        "UPDATE t SET n = 5, twice = 10 WHERE id = 1",
        "UPDATE t SET twice = 5 WHERE id = 2",
        "INSERT INTO t VALUES (9, 9, 18, 9)",
    )
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert counts(report, "t") == (1, 1, 1, 1, 0, 0)
    assert table_report(report, "t").different_rows == 1
    assert report.exit_code == 3
    assert contents(database, "t")["t"] == [
        "(1,5,10,kept,1)", "(2,2,4,kept,2)", "(3,3,6,kept,3)", "(9,9,18,mine,9)"
    ]  # fmt: skip
    (old,) = lines(report, "overwritten", "t")
    assert old["row"] == {"id": "1", "n": "1", "own": "kept", "serial": "1"}


def test_partitioned_tables(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER, day TEXT, n INTEGER, PRIMARY KEY (id, day))",
        "CREATE TABLE r (n INTEGER, v TEXT)",
        "INSERT INTO t VALUES (1, '2020-01-01', 1), (2, '2021-01-01', 2), (3, '2021-06-01', 3)",
        "INSERT INTO r VALUES (1, 'a'), (1, 'a'), (11, 'a'), (11, 'a')",
    )
    execute(
        database,
        "CREATE TABLE t (id int, day date, n int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
        "CREATE TABLE t20 PARTITION OF t FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
        "CREATE TABLE t21 PARTITION OF t FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')",
        "CREATE TABLE r (n int, v text) PARTITION BY RANGE (n)",
        "CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20)",
    )
    assert load(database, source, tmp_path / "load").exit_code == 0
    change(
        source,
        "UPDATE t SET n = 9 WHERE id = 3",
        "UPDATE t SET day = '2020-05-05' WHERE id = 2",  # another key, in another partition
        "DELETE FROM r WHERE rowid IN (1, 3)",
        "INSERT INTO t VALUES (4, '2025-01-01', 4)",  # no partition takes it
    )
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert counts(report, "t") == (1, 1, 1, 0, 1, 1)
    assert counts(report, "r") == (2, 0, 0, 0, 0, 2)
    assert contents(database, "t20", "t21", "r1", "r2") == {
        "t20": ["(1,2020-01-01,1)", "(2,2020-05-05,2)"],
        "t21": ["(3,2021-06-01,9)"],
        "r1": ["(1,a)"],
        "r2": ["(11,a)"],
    }


TRIGGER = "CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {1} END $$"


def test_what_a_trigger_makes_again_is_reported_not_fought(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
        "CREATE TABLE other (id INTEGER PRIMARY KEY, v TEXT)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        "INSERT INTO other VALUES (1, 'a')",
    )
    execute(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "CREATE TABLE other (id int PRIMARY KEY, v text)",
    )
    assert load(database, source, tmp_path / "load").exit_code == 0
    execute(
        database,
        TRIGGER.format("shout", "NEW.v = upper(NEW.v); UPDATE other SET v = 'spoilt'; RETURN NEW;"),
        TRIGGER.format("never", "RETURN NULL;"),
        "CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION shout()",
        "CREATE TRIGGER stay BEFORE DELETE ON t FOR EACH ROW WHEN (OLD.id = 3) EXECUTE FUNCTION never()",
        "CREATE TRIGGER fixed BEFORE UPDATE ON t FOR EACH ROW WHEN (OLD.id = 2) EXECUTE FUNCTION never()",
    )
    change(
        source,
        "UPDATE t SET v = 'x'",
        "INSERT INTO t VALUES (4, 'd')",
        "DELETE FROM t WHERE id = 3",
    )
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert counts(report, "t") == (0, 1, 1, 0, 1, 0)
    found = table_report(report, "t")
    assert (found.overruled_rows, found.different_rows, found.extra_rows) == (2, 3, 1)
    assert {line["target"] for line in lines(report, "differences", "t") if line["column"]} == {"X", "D", "b"}
    assert table_report(report, "other").different_rows == 1  # reached by the trigger
    (refused,) = lines(report, "rejects", "t")
    assert (refused["code"], refused["rowid"]) == ("left_out", 2)
    (kept,) = lines(report, "kept", "t")
    assert kept["reason"] == "a trigger, rule or policy of the target has kept it"
    assert report.exit_code == 3
    report = sync(database, source, tmp_path / "again", delete=True, disable_triggers=True)
    assert report.exit_code == 0


def test_what_somebody_changed_in_the_target(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, Updated TEXT)",
        "INSERT INTO t VALUES (1, 'a', '2020-01-01'), (2, 'b', '2020-01-01'), (3, 'c', NULL)",
    )
    execute(database, "CREATE TABLE t (id int PRIMARY KEY, v text, updated timestamptz)")
    assert load(database, source, tmp_path / "load").exit_code == 0
    execute(database, "UPDATE t SET v = 'mine', updated = '2021-01-01' WHERE id < 3")
    change(source, "UPDATE t SET v = 'yours', Updated = '2022-01-01' WHERE id = 2")
    report = sync(database, source, tmp_path / "sync", keep_newer="updated")
    assert counts(report, "t") == (1, 0, 1, 1, 0, 0)
    assert report.exit_code == 3
    (kept,) = lines(report, "kept", "t")
    assert (kept["key"], kept["row"]["v"]) == ({"id": "1"}, "mine")
    assert kept["reason"] == "its updated is later than the source's"
    (old,) = lines(report, "overwritten", "t")
    assert (old["row"]["v"], old["row"]["updated"]) == ("mine", "2021-01-01 00:00:00+00")
    report = sync(database, source, tmp_path / "all", verify="all")
    assert counts(report, "t") == (2, 0, 1, 0, 0, 0)
    assert report.exit_code == 0
    with pytest.raises(UsageError, match="--keep-newer: no table has the column 'updatet'"):
        sync(database, source, tmp_path / "typo", keep_newer="updatet")


def test_every_damage_of_the_self_test_is_repaired(database: Database, tmp_path: Path) -> None:
    """Or refused by name: what the target cannot hold has to be mended in the source."""
    source = tmp_path / "sample.db"
    make_sample(source)
    self_test._add_types(source, database.url)
    self_test._load(source, database.url, tmp_path / "load", None)
    self_test._damage(source, database.url)
    report = sync(database, source, tmp_path / "sync", delete=True, verify="all")
    assert {group.code for group in report.rejects} == {"nul_character", "part_lost"}
    for table in report.tables:
        assert table.different_rows == table.rejected_rows, table
        assert table.missing_rows == table.extra_rows == table.overruled_rows == 0
    change(
        source,
        "UPDATE agent_usage_logs SET query = 'mended' WHERE hex(query) LIKE '%00%'",
        "UPDATE selftest_types SET v1 = substr(v1, 1, 10), v19 = '{}'",
    )
    report = sync(database, source, tmp_path / "again", delete=True)
    assert report.exit_code == 0, report.rejects
    assert equal(database, source, tmp_path / "compare")


def test_rights_are_asked_before(database: Database, shop: Path, tmp_path: Path, role: str) -> None:
    change(shop, "UPDATE person SET name = 'Anna' WHERE id = 1")
    execute(
        database,
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT, INSERT ON person, orders TO {role}",
        "CREATE TABLE visit (person bigint REFERENCES person)",
    )

    def refused(**options: bool) -> str:
        with pytest.raises(TargetError) as caught:
            etl.sync(shop, url_as(database, role), report_folder=tmp_path / "sync", validate=False, **options)
        return str(caught.value)

    text = refused()
    assert f"GRANT UPDATE ON public.orders, public.person TO {role}" in text
    assert "DELETE" not in text
    text = refused(delete=True)
    assert "GRANT UPDATE, DELETE ON public.orders, public.person" in text
    assert "GRANT SELECT ON public.visit" in text


def test_columns_that_the_target_lacks(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'a')"
    )
    execute(database, "CREATE TABLE t (id int PRIMARY KEY, v text)")
    assert load(database, source, tmp_path / "load").exit_code == 0
    change(source, "ALTER TABLE t ADD more TEXT", "INSERT INTO t VALUES (2, 'b', 'more')")
    with pytest.raises(DriftError, match="more"):
        sync(database, source, tmp_path / "stop")
    report = sync(database, source, tmp_path / "drop", extra_columns="drop")
    assert report.exit_code == 0
    assert [line["values"] for line in lines(report, "dropped", "t")] == [{"more": "more"}]
    change(source, "UPDATE t SET more = 'also' WHERE id = 1")
    report = sync(database, source, tmp_path / "add", extra_columns="add")
    assert counts(report, "t") == (0, 0, 2, 0, 0, 0)
    assert contents(database, "t") == {"t": ["(1,a,also)", "(2,b,more)"]}


def test_a_sync_can_be_undone(database: Database, shop: Path, tmp_path: Path) -> None:
    before = state(database)
    change(
        shop,
        "UPDATE person SET email = 'moment' WHERE id = 1",  # two addresses change places
        "UPDATE person SET email = 'ann@x' WHERE id = 2",
        "UPDATE person SET email = 'bob@x' WHERE id = 1",
        "INSERT INTO person VALUES (7, 'dan@x', 'Dan')",
        "INSERT INTO orders VALUES (14, 7, 9)",
        "DELETE FROM orders WHERE id IN (12, 13)",
        "DELETE FROM person WHERE id = 3",
    )
    report = sync(database, shop, tmp_path / "sync", delete=True)
    assert report.exit_code == 0
    undone = etl.undo(report, url_as(database), report_folder=tmp_path / "undo")
    assert undone.exit_code == 0
    assert state(database) == before


def test_a_key_that_the_target_takes_for_the_same_loses_no_row(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db", "CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES ('ann', '1')"
    )
    try:
        execute(database, "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg2.errors.FeatureNotSupported:
        pytest.skip("this server was built without ICU")
    execute(database, "CREATE TABLE t (k text COLLATE ci PRIMARY KEY, v text)")
    assert load(database, source, tmp_path / "load").exit_code == 0
    change(source, "UPDATE t SET k = 'Ann'")
    report = sync(database, source, tmp_path / "sync", delete=True)
    assert counts(report, "t") == (0, 0, 0, 0, 1, 0)
    assert contents(database, "t") == {"t": ["(ann,1)"]}
    (kept,) = lines(report, "kept", "t")
    assert "spelled otherwise" in kept["reason"]


def test_what_is_written_is_validated(database: Database, tmp_path: Path) -> None:
    """The rows that differ, and no others, by the suites of the load."""
    source = tmp_path / "sample.db"
    make_sample(source)
    assert load(database, source, tmp_path / "load", create_schema=True).exit_code == 0
    change(
        source,
        "PRAGMA ignore_check_constraints = ON",
        "UPDATE users SET role = 'king', email = 'spoilt@x' WHERE rowid = 1",
        "UPDATE users SET email = 'renamed@x' WHERE rowid = 2",
    )
    report = sync(database, source, tmp_path / "sync", validate=True)
    assert counts(report, "users") == (3, 0, 1, 0, 1, 0)
    (refused,) = lines(report, "rejects", "users")
    assert (refused["stage"], refused["column"], refused["row_number"]) == ("validate", "role", 1)
    assert {item.table for item in report.expectations} == {"users"}
    assert {item.judged_rows for item in report.expectations if item.column == "role"} == {2}
    failed = [item for item in report.expectations if not item.success and item.column == "role"]
    assert [item.unexpected_rows for item in failed] == [1]
    assert value(database, "SELECT count(*) FROM users WHERE email IN ('spoilt@x', 'renamed@x')") == 1
