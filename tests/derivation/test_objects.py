"""Keys, constraints, defaults, generated columns, views and the rest: carried, or named with the reason."""

from pathlib import Path

import psycopg2
import pytest
from support.database import Database
from support.sources import make_sqlite
from support.targets import connected, execute, query

import etl
from etl.core.proposal import NameStyle, ObjectKind, Proposal
from etl.derivation.derive import Wishes, derive
from etl.schema.ddl import script
from etl.source.database import Source


def proposed(path: Path, wishes: Wishes | None = None) -> Proposal:
    with Source(path) as source:
        return derive(source, wishes)


def made(database: Database, tmp_path: Path, *statements: str, wishes: Wishes | None = None) -> Proposal:
    """The schema of a source made by the statements, made in the database by the script."""
    proposal = proposed(make_sqlite(tmp_path / "a.db", *statements), wishes)
    execute(database, script(proposal, "a.db"))
    return proposal


def kinds(proposal: Proposal) -> set[ObjectKind]:
    """The kinds of what became other than declared."""
    return {choice.kind for choice in proposal.choices}


def constraints(database: Database, kind: str) -> list[str]:
    """Definitions of the constraints of a kind: p, u, c or f."""
    found = query(
        database,
        f"SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = '{kind}' "
        "AND connamespace = 'public'::regnamespace ORDER BY 1",
    )
    return [text for (text,) in found]


def indexes(database: Database) -> dict[str, str]:
    """Definitions of all indexes behind the table's name, by their names."""
    found = query(database, "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    return {name: definition.partition(" ON public.")[2] for name, definition in found}


def refused(database: Database, statement: str) -> str:
    """The SQLSTATE with which the server refuses a statement; '' where it takes it. Nothing is kept."""
    with connected(database) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except psycopg2.Error as error:
            return error.pgcode or "?"
        finally:
            connection.rollback()
    return ""


UNIQUE, NOT_NULL, CHECK, FOREIGN = "23505", "23502", "23514", "23503"


# -- primary keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declaration", "key"),
    [
        ("id INTEGER PRIMARY KEY, x", "t PRIMARY KEY (id)"),
        ("x, a INT, b TEXT, PRIMARY KEY (b, a)", "t PRIMARY KEY (b, a)"),
        ("a TEXT PRIMARY KEY", "t PRIMARY KEY (a)"),
    ],
)
def test_primary_keys_keep_their_order(declaration: str, key: str, tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, f"CREATE TABLE t ({declaration})")
    assert constraints(database, "p") == [key]


@pytest.mark.parametrize("declared", ["INTEGER PRIMARY KEY", "integer primary key autoincrement"])
def test_the_rowid_is_an_identity_that_takes_values_too(declared: str, tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, f"CREATE TABLE t (id {declared}, x)")
    execute(database, "INSERT INTO t (x) VALUES ('a')", "INSERT INTO t (id, x) VALUES (7, 'b')")
    assert query(database, "SELECT id FROM t ORDER BY 1") == [(1,), (7,)]


@pytest.mark.parametrize("declared", ["INT PRIMARY KEY", "INTEGER PRIMARY KEY DESC", "BIGINT PRIMARY KEY"])
def test_other_keys_are_no_identities(declared: str, tmp_path: Path, database: Database) -> None:
    proposal = made(database, tmp_path, f"CREATE TABLE t (id {declared}, x)", "INSERT INTO t VALUES (1, 'a')")
    assert not proposal.tables[0].columns[0].identity


def test_a_key_without_rowid_is_not_null(tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, "CREATE TABLE t (a TEXT PRIMARY KEY, b) WITHOUT ROWID")
    assert refused(database, "INSERT INTO t VALUES (NULL, 'x')") == NOT_NULL


def test_nulls_in_a_key_leave_a_unique_index(tmp_path: Path, database: Database) -> None:
    proposal = made(
        database, tmp_path, "CREATE TABLE t (a TEXT PRIMARY KEY)", "INSERT INTO t VALUES (NULL), (NULL), ('x')"
    )
    execute(database, "INSERT INTO t VALUES (NULL), (NULL), ('x')")
    assert constraints(database, "p") == []
    assert refused(database, "INSERT INTO t VALUES ('x')") == UNIQUE
    assert ObjectKind.PRIMARY_KEY in kinds(proposal)


# -- NOT NULL, UNIQUE, indexes --------------------------------------------------------------------------------------


def test_not_null_is_kept(tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, "CREATE TABLE t (a TEXT NOT NULL)")
    assert refused(database, "INSERT INTO t VALUES (NULL)") == NOT_NULL


def test_not_null_that_rows_break_is_dropped_and_named(tmp_path: Path, database: Database) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (a TEXT)",
        "INSERT INTO t VALUES (NULL), ('x')",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a TEXT NOT NULL)'",
    )
    proposal = proposed(path)
    execute(database, script(proposal, "a.db"), "INSERT INTO t VALUES (NULL)")
    (choice,) = proposal.choices
    assert (choice.kind, choice.column, choice.values) == (ObjectKind.NOT_NULL, "a", 1)


def test_unique_constraints_keep_their_names(tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, "CREATE TABLE t (a TEXT CONSTRAINT only_a UNIQUE, b, c, CONSTRAINT Both UNIQUE (c, b))")
    assert constraints(database, "u") == ["t UNIQUE (a)", "t UNIQUE (c, b)"]
    assert {"only_a", "both"} <= indexes(database).keys()


@pytest.mark.parametrize(
    ("index", "definition"),
    [
        ("INDEX i ON t (a, b DESC)", "t USING btree (a, b DESC)"),
        ("UNIQUE INDEX i ON t (a)", "t USING btree (a)"),
        ("INDEX i ON t (a) WHERE b > 3", "t USING btree (a) WHERE (b > 3)"),
        ("UNIQUE INDEX i ON t (a) WHERE b IS NOT NULL", "t USING btree (a) WHERE (b IS NOT NULL)"),
        ("INDEX i ON t (lower(a) DESC, b)", 't USING btree (lower((a COLLATE "C")) DESC, b)'),
        ("INDEX i ON t (b + 1)", "t USING btree (((b + 1)))"),
    ],
)
def test_indexes_are_carried(index: str, definition: str, tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, "CREATE TABLE t (a TEXT, b INTEGER)", f"CREATE {index}")
    assert indexes(database)["i"] == definition


def test_an_index_that_means_something_else_is_not_carried(tmp_path: Path, database: Database) -> None:
    proposal = made(database, tmp_path, "CREATE TABLE t (a TEXT)", "CREATE INDEX i ON t (hex(a))")
    (lost,) = proposal.not_carried
    assert (lost.kind, lost.name, lost.sql) == (ObjectKind.INDEX, "i", "CREATE INDEX i ON t (hex(a))")


@pytest.mark.parametrize("index", ["INDEX i ON t (a)", "UNIQUE INDEX i ON t (a)", "INDEX i ON t (lower(a))"])
def test_values_too_large_for_an_index_cost_the_index_and_no_row(
    index: str, tmp_path: Path, database: Database
) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (a TEXT)",
        "INSERT INTO t VALUES (hex(randomblob(20000))), ('x')",
        f"CREATE {index}",
    )
    proposal = proposed(path)
    execute(database, script(proposal, "a.db"))
    report = etl.migrate(path, database.url, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    assert indexes(database) == {}
    assert proposal.choices or proposal.not_carried


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        ("UUID", "'9E4B1A5C-0000-4000-8000-0000000000AB', '9e4b1a5c-0000-4000-8000-0000000000ab'"),
        ("DATETIME", "'2024-01-01', '2024-01-01 00:00:00'"),
        ("JSON", """'{"a": 1, "b": 2.0}', '{"b":2,"a":1}'"""),
        ("TIME", "'10:30', '10:30:00'"),
        ("BOOLEAN", "1, 'true'"),
        ("", "1, '1'"),
    ],
)
def test_keys_that_become_equal_are_plain_indexes(
    declared: str, values: str, tmp_path: Path, database: Database
) -> None:
    first, second = values.rsplit(", '", 1)
    path = make_sqlite(
        tmp_path / "a.db",
        f"CREATE TABLE t (x {declared} UNIQUE)",
        f"INSERT INTO t VALUES ({first}), ('{second})",
    )
    report = etl.migrate(path, database.url, create_schema=True, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    assert query(database, "SELECT count(*) FROM t") == [(2,)]
    assert constraints(database, "u") == []
    assert ObjectKind.UNIQUE in kinds(proposed(path))


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE t (a TEXT COLLATE NOCASE UNIQUE)"],
        ["CREATE TABLE t (a TEXT)", "CREATE UNIQUE INDEX i ON t (a COLLATE NOCASE)"],
        ["CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID"],
    ],
)
def test_nocase_keys_go_on_refusing_other_cases(statements: list[str], tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, *statements)
    execute(database, "INSERT INTO t VALUES ('Abc'), ('Ä')")
    assert refused(database, "INSERT INTO t VALUES ('aBC')") == UNIQUE
    assert refused(database, "INSERT INTO t VALUES ('ä')") == ""


# -- foreign keys ---------------------------------------------------------------------------------------------------

PARENT = "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT UNIQUE)"


@pytest.mark.parametrize(
    ("declaration", "definition"),
    [
        ("x INT REFERENCES p", "c FOREIGN KEY (x) REFERENCES p(id)"),
        ("x INT REFERENCES p (id) ON DELETE CASCADE", "c FOREIGN KEY (x) REFERENCES p(id) ON DELETE CASCADE"),
        (
            "x INT REFERENCES p ON UPDATE SET NULL ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED",
            "c FOREIGN KEY (x) REFERENCES p(id) ON UPDATE SET NULL ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED",
        ),
        (
            "x TEXT, FOREIGN KEY (x) REFERENCES P (CODE) ON DELETE RESTRICT",
            "c FOREIGN KEY (x) REFERENCES p(code) ON DELETE RESTRICT",
        ),
    ],
)
def test_foreign_keys_are_carried(declaration: str, definition: str, tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, PARENT, f"CREATE TABLE c ({declaration})")
    assert constraints(database, "f") == [definition]


def test_orphans_are_kept_and_new_ones_refused(tmp_path: Path, database: Database) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        PARENT,
        "CREATE TABLE c (x INT REFERENCES p)",
        "INSERT INTO p VALUES (1, 'a')",
        "INSERT INTO c VALUES (1), (9), (NULL)",
    )
    report = etl.migrate(path, database.url, create_schema=True, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    assert query(database, "SELECT count(*) FROM c") == [(3,)]
    assert constraints(database, "f") == ["c FOREIGN KEY (x) REFERENCES p(id) NOT VALID"]
    assert refused(database, "INSERT INTO c VALUES (10)") == FOREIGN


def test_the_script_leaves_orphans_keys_for_after_the_load(tmp_path: Path, database: Database) -> None:
    proposal = made(database, tmp_path, PARENT, "CREATE TABLE c (x INT REFERENCES p)", "INSERT INTO c VALUES (9)")
    assert constraints(database, "f") == []
    (key,) = [one for table in proposal.tables for one in table.constraints if one.kind is ObjectKind.FOREIGN_KEY]
    assert key.broken_rows == 1
    assert f"-- {key.unchecked};" in script(proposal, "a.db")


@pytest.mark.parametrize(
    "declaration",
    ["x INT REFERENCES nobody", "x TEXT REFERENCES q (plain)", "x TEXT REFERENCES p (id)"],
    ids=["no parent", "not unique", "no common type"],
)
def test_foreign_keys_that_cannot_be_are_named(declaration: str, tmp_path: Path, database: Database) -> None:
    proposal = made(
        database,
        tmp_path,
        PARENT,
        "CREATE TABLE q (plain TEXT)",
        f"CREATE TABLE c ({declaration})",
        "INSERT INTO c VALUES ('one')",
    )
    assert [lost.kind for lost in proposal.not_carried] == [ObjectKind.FOREIGN_KEY]
    assert constraints(database, "f") == []


@pytest.mark.parametrize(
    ("parent", "child", "type_"),
    [
        ("k DATE PRIMARY KEY", "x TEXT REFERENCES p", "text"),
        ("k VARCHAR(9) PRIMARY KEY", "x UUID REFERENCES p", "text"),
        ("k INTEGER PRIMARY KEY", "x TEXT REFERENCES p", "bigint"),
    ],
)
def test_tied_columns_get_one_type(parent: str, child: str, type_: str, tmp_path: Path, database: Database) -> None:
    value = "1" if "INTEGER" in parent else "'v'"
    proposal = made(
        database,
        tmp_path,
        f"CREATE TABLE p ({parent})",
        f"CREATE TABLE c ({child})",
        f"INSERT INTO p VALUES ({value})",
        f"INSERT INTO c VALUES ({value})",
    )
    types = {column.source: column.type.sql for table in proposal.tables for column in table.columns}
    assert types["x"] == type_
    assert len(constraints(database, "f")) == 1


# -- checks, defaults, generated columns ----------------------------------------------------------------------------


def test_checks_go_on_refusing(tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, "CREATE TABLE t (a INT CONSTRAINT positive CHECK (a > 0), b TEXT, CHECK (length(b) < 3))")
    assert refused(database, "INSERT INTO t VALUES (0, 'x')") == CHECK
    assert refused(database, "INSERT INTO t VALUES (1, 'xyz')") == CHECK
    assert refused(database, "INSERT INTO t VALUES (1, NULL)") == ""


@pytest.mark.parametrize(
    ("declaration", "value"),
    [("a BOOLEAN CHECK (a IN (0, 1))", "1"), ("a JSON CHECK (json_valid(a))", "'{}'")],
)
def test_a_check_that_the_type_keeps_is_none(declaration: str, value: str, tmp_path: Path, database: Database) -> None:
    proposal = made(database, tmp_path, f"CREATE TABLE t ({declaration})", f"INSERT INTO t VALUES ({value})")
    assert constraints(database, "c") == []
    assert kinds(proposal) == {ObjectKind.CHECK}


def test_a_check_that_rows_break_holds_new_rows(tmp_path: Path, database: Database) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (a INT CHECK (a > 0))",
        "PRAGMA ignore_check_constraints = ON",
        "INSERT INTO t VALUES (0), (1)",
    )
    report = etl.migrate(path, database.url, create_schema=True, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    assert query(database, "SELECT a FROM t ORDER BY 1") == [(0,), (1,)]
    assert refused(database, "INSERT INTO t VALUES (-1)") == CHECK


def test_a_check_without_an_equal_is_named(tmp_path: Path, database: Database) -> None:
    proposal = made(database, tmp_path, "CREATE TABLE t (a TEXT, CONSTRAINT odd CHECK (a GLOB 'x*' OR unicode(a) = 7))")
    assert constraints(database, "c") == [] or proposal.not_carried == ()
    assert [lost.name for lost in proposal.not_carried] == ["odd"]


@pytest.mark.parametrize(
    ("declaration", "value"),
    [
        ("x INT DEFAULT 7", 7),
        ("x INT DEFAULT -7", -7),
        ("x TEXT DEFAULT 'it''s'", "it's"),
        ("x BOOLEAN DEFAULT 1", True),
        ("x BOOLEAN DEFAULT 'false'", False),
        ("x REAL DEFAULT (1.5)", 1.5),
        ("x TEXT DEFAULT NULL", None),
        ("x BLOB DEFAULT x'00ff'", b"\x00\xff"),
    ],
)
def test_defaults_are_carried(declaration: str, value: object, tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, {declaration})")
    execute(database, "INSERT INTO t DEFAULT VALUES")
    (found,) = query(database, "SELECT x FROM t")[0]
    assert (bytes(found) if isinstance(found, memoryview) else found) == value


@pytest.mark.parametrize(
    "declaration",
    [
        "x DATETIME DEFAULT CURRENT_TIMESTAMP",
        "x INTEGER DEFAULT (unixepoch())",
        "x TEXT DEFAULT (datetime('now'))",
        "x DATE DEFAULT CURRENT_DATE",
    ],
)
def test_the_present_time_is_a_default(declaration: str, tmp_path: Path, database: Database) -> None:
    made(database, tmp_path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, {declaration})")
    execute(database, "INSERT INTO t DEFAULT VALUES")
    assert query(database, "SELECT x IS NOT NULL FROM t") == [(True,)]


def test_a_default_without_an_equal_is_named(tmp_path: Path, database: Database) -> None:
    proposal = made(database, tmp_path, "CREATE TABLE t (x INT DEFAULT (random()))")
    assert [(lost.kind, lost.name) for lost in proposal.not_carried] == [(ObjectKind.DEFAULT, "x")]


@pytest.mark.parametrize("storage", ["STORED", "VIRTUAL"])
def test_generated_columns_are_computed(storage: str, tmp_path: Path, database: Database) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        f"CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) {storage})",
        "INSERT INTO t (a) VALUES (4)",
    )
    report = etl.migrate(path, database.url, create_schema=True, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    execute(database, "INSERT INTO t (a) VALUES (5)")
    assert query(database, "SELECT b FROM t ORDER BY 1") == [(8,), (10,)]


def test_what_postgresql_cannot_compute_becomes_values(tmp_path: Path, database: Database) -> None:
    path = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (a TEXT, b TEXT AS (hex(a)))",
        "INSERT INTO t (a) VALUES ('k')",
    )
    report = etl.migrate(path, database.url, create_schema=True, report_folder=tmp_path / "report")
    assert report.exit_code == 0
    assert query(database, "SELECT b FROM t") == [("6B",)]
    assert [lost.kind for lost in proposed(path).not_carried] == [ObjectKind.GENERATED]


# -- views, triggers, virtual tables --------------------------------------------------------------------------------


def test_views_come_behind_those_that_they_read(tmp_path: Path, database: Database) -> None:
    made(
        database,
        tmp_path,
        "CREATE TABLE t (a INTEGER)",
        "CREATE VIEW a_late AS SELECT a FROM z_first WHERE a > 1",
        "CREATE VIEW z_first AS SELECT a FROM t",
    )
    execute(database, "INSERT INTO t VALUES (1), (2)")
    assert query(database, "SELECT * FROM a_late") == [(2,)]


def test_what_is_never_carried_is_named_with_its_sql(tmp_path: Path, database: Database) -> None:
    proposal = made(
        database,
        tmp_path,
        "CREATE TABLE t (a TEXT)",
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END",
        "CREATE VIEW v AS SELECT hex(a) FROM t",
        "CREATE VIRTUAL TABLE f USING fts5(body)",
        "INSERT INTO f VALUES ('one'), ('two')",
    )
    lost = {item.kind: item for item in proposal.not_carried}
    assert set(lost) == {ObjectKind.TRIGGER, ObjectKind.VIEW, ObjectKind.VIRTUAL_TABLE}
    assert "DELETE FROM t" in lost[ObjectKind.TRIGGER].sql
    assert "hex(a)" in lost[ObjectKind.VIEW].sql
    assert lost[ObjectKind.VIRTUAL_TABLE].rows == 2
    assert [table.source for table in proposal.tables] == ["t"], "shadow tables are no tables"
    text = script(proposal, "a.db")
    assert all(item.reason in text for item in lost.values())


def test_virtual_tables_become_plain_ones_where_it_is_asked_for(tmp_path: Path, database: Database) -> None:
    proposal = made(
        database,
        tmp_path,
        "CREATE VIRTUAL TABLE f USING fts5(body)",
        "INSERT INTO f VALUES ('one')",
        wishes=Wishes(virtual_tables=True),
    )
    assert [(table.source, table.columns[0].type.sql) for table in proposal.tables] == [("f", "text")]


# -- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "names"),
    [
        (NameStyle.LOWER, ["orderdetails", "unitprice", "order id", "ÄB".replace("B", "b")]),
        (NameStyle.KEEP, ["OrderDetails", "UnitPrice", "Order ID", "ÄB"]),
        (NameStyle.SNAKE, ["order_details", "unit_price", "order_id", "Äb"]),
    ],
)
def test_names_in_their_styles(style: NameStyle, names: list[str], tmp_path: Path, database: Database) -> None:
    proposal = made(
        database,
        tmp_path,
        'CREATE TABLE OrderDetails (UnitPrice, "Order ID", "ÄB")',
        wishes=Wishes(names=style),
    )
    (table,) = proposal.tables
    assert [table.name, *(column.name for column in table.columns)] == names


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE TABLE t ("a b", "a-b", "A B2", ctid, xmin, "select", "")',
        f'CREATE TABLE t ("{"ä" * 40}", "{"ä" * 39}b", "{"ä" * 31}")',
        f'CREATE TABLE "{"n" * 80}" (x)',
    ],
)
def test_names_that_cannot_stay_are_named_and_told_apart(statement: str, tmp_path: Path, database: Database) -> None:
    proposal = made(database, tmp_path, statement, wishes=Wishes(names=NameStyle.SNAKE))
    (table,) = proposal.tables
    assert len({column.name for column in table.columns}) == len(table.columns)
    assert all(0 < len(column.name.encode()) <= 63 for column in table.columns)
    assert ObjectKind.NAME in kinds(proposal)


def test_reserved_words_stay_and_are_named(tmp_path: Path, database: Database) -> None:
    proposal = made(database, tmp_path, 'CREATE TABLE "Order" ("user", plain)')
    named = [(choice.column, choice.became) for choice in proposal.choices]
    assert named == [(None, "order"), ("user", "user")]
    assert query(database, 'SELECT "user" FROM "order"') == []


def test_names_of_indexes_and_constraints_do_not_meet(tmp_path: Path, database: Database) -> None:
    proposal = made(
        database,
        tmp_path,
        "CREATE TABLE a (x INT CONSTRAINT same CHECK (x > 0), y INT CONSTRAINT same UNIQUE)",
        "CREATE TABLE b (x INT CONSTRAINT same UNIQUE, a INT)",
        "CREATE INDEX b_pkey ON a (x)",
        "CREATE TABLE same (x INTEGER PRIMARY KEY)",
        "CREATE INDEX same_pkey ON b (a)",
    )
    assert len(proposal.tables) == 3
    assert len(indexes(database)) == 5


def test_strict_tables_are_tables(tmp_path: Path, database: Database) -> None:
    proposal = made(
        database,
        tmp_path,
        "CREATE TABLE t (a INT, b REAL, c TEXT, d BLOB, e ANY) STRICT",
        "INSERT INTO t VALUES (1, 1.5, 'x', x'00', 'y')",
    )
    types = [column.type.sql for column in proposal.tables[0].columns]
    assert types == ["bigint", "double precision", "text", "bytea", "text"]
