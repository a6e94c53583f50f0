# ruff: noqa: E501, ISC004 - statements as one reads them
"""A translated view gives the rows in PostgreSQL that SQLite's gives, or is not carried, with a reason."""

import contextlib
import sqlite3
from collections.abc import Iterator

import psycopg2.extensions
import pytest
from support.database import Server, fresh_database
from support.expressions import plain
from support.targets import connected

from etl.schema.expressions import Column, NotTranslatable, Table, TranslatedView, translate_view

_SQLITE = """
CREATE TABLE Person (PersonId INTEGER PRIMARY KEY, Name TEXT NOT NULL, "Group" TEXT, Active BOOLEAN, Nick TEXT COLLATE NOCASE);
CREATE TABLE "Order Item" (id INTEGER PRIMARY KEY, PersonId INTEGER, price REAL, qty INTEGER, day DATE, raw TEXT);
INSERT INTO Person VALUES (1, 'Ada', 'x', 1, 'a'), (2, 'Bob', 'x', 0, 'B'), (3, 'äl', NULL, 1, 'A'), (4, 'Zoe', 'y', NULL, NULL);
INSERT INTO "Order Item" VALUES (1, 1, 1.5, 2, '2024-01-01', 'a'), (2, 1, 2.25, 1, '2024-01-02', 'b'),
  (3, 2, 0.1, 10, NULL, NULL), (4, NULL, 9.0, 3, '2023-12-31', 'a');
"""
_POSTGRES = """
CREATE TABLE person (personid bigint PRIMARY KEY, name text NOT NULL, "group" text, active boolean, nick text);
CREATE TABLE order_item (id bigint PRIMARY KEY, personid bigint, price double precision, qty bigint, day date, raw text);
INSERT INTO person VALUES (1, 'Ada', 'x', true, 'a'), (2, 'Bob', 'x', false, 'B'), (3, 'äl', NULL, true, 'A'), (4, 'Zoe', 'y', NULL, NULL);
INSERT INTO order_item VALUES (1, 1, 1.5, 2, '2024-01-01', 'a'), (2, 1, 2.25, 1, '2024-01-02', 'b'),
  (3, 2, 0.1, 10, NULL, NULL), (4, NULL, 9.0, 3, '2023-12-31', 'a');
"""
_TEXT, _INT = frozenset({"text"}), frozenset({"integer"})
TABLES = {
    "Person": Table(
        "person",
        {
            "PersonId": Column("personid", "bigint", "INTEGER", _INT),
            "Name": Column("name", "text", "TEXT", _TEXT),
            "Group": Column("group", "text", "TEXT", _TEXT),
            "Active": Column("active", "boolean", "BOOLEAN", _INT),
            "Nick": Column("nick", "text", "TEXT", _TEXT, collation="NOCASE"),
        },
    ),
    "Order Item": Table(
        "order_item",
        {
            "id": Column("id", "bigint", "INTEGER", _INT),
            "PersonId": Column("personid", "bigint", "INTEGER", _INT),
            "price": Column("price", "double precision", "REAL", frozenset({"real"})),
            "qty": Column("qty", "bigint", "INTEGER", _INT),
            "day": Column("day", "date", "DATE", _TEXT),
            "raw": Column("raw", "text", "TEXT", _TEXT),
        },
    ),
}
_CARRIED = [
    "SELECT * FROM Person",
    "SELECT p.* FROM person p WHERE p.Active",
    "SELECT Name AS 'Full Name', \"group\" FROM Person WHERE Active = 1 ORDER BY Name DESC",
    "SELECT name, length(name) AS len, upper(name) up FROM Person ORDER BY 1",
    'SELECT Name FROM Person ORDER BY "Group", Name LIMIT 3',
    'SELECT Name FROM Person ORDER BY "Group" DESC, Name LIMIT 3 OFFSET 1',
    "SELECT p.Name, i.price * i.qty AS total FROM Person p JOIN [Order Item] i ON i.PersonId = p.PersonId ORDER BY i.id",
    "SELECT Name, price FROM Person LEFT JOIN `Order Item` USING (PersonId) ORDER BY Name, price",
    'SELECT Name, id FROM Person, "Order Item" WHERE Person.PersonId = "Order Item".PersonId ORDER BY id',
    'SELECT PersonId, count(*) AS n, sum(qty) AS q, sum(price) AS s, avg(qty) AS a, total(qty) AS t FROM "Order Item" '
    "GROUP BY PersonId ORDER BY PersonId",
    'SELECT PersonId, max(day) AS last, min(raw) AS first FROM "Order Item" GROUP BY 1 HAVING count(*) > 1 ORDER BY 1',
    'SELECT count(DISTINCT raw) AS raws, count(raw) AS n FROM "Order Item"',
    'SELECT DISTINCT "Group" FROM Person ORDER BY 1',
    'SELECT DISTINCT raw AS r FROM "Order Item" ORDER BY raw DESC LIMIT 2',
    'SELECT Name FROM Person UNION SELECT raw FROM "Order Item" ORDER BY Name',
    "SELECT CASE WHEN Active THEN 'on' ELSE 'off' END AS state, Name FROM Person ORDER BY Name",
    'SELECT Name FROM Person WHERE PersonId IN (SELECT PersonId FROM "Order Item") ORDER BY Name',
    'SELECT Name FROM Person p WHERE NOT EXISTS (SELECT 1 FROM "Order Item" i WHERE i.PersonId = p.PersonId) ORDER BY Name',
    'SELECT Name, (SELECT max(price) FROM "Order Item" i WHERE i.PersonId = p.PersonId) AS top FROM Person p ORDER BY Name',
    "SELECT q.n FROM (SELECT count(*) AS n FROM Person) q",
    'WITH big AS (SELECT * FROM "Order Item" WHERE qty > 1) SELECT id, price FROM big ORDER BY id',
    'SELECT Name FROM Person UNION ALL SELECT raw FROM "Order Item" WHERE raw IS NOT NULL',
    'SELECT PersonId FROM Person INTERSECT SELECT PersonId FROM "Order Item" ORDER BY 1',
    'SELECT PersonId FROM Person EXCEPT SELECT PersonId FROM "Order Item" ORDER BY PersonId DESC',
    'SELECT Name, row_number() OVER (PARTITION BY "Group" ORDER BY Name) AS rn FROM Person ORDER BY Name',
    "SELECT Name FROM Person WHERE Nick = 'A' ORDER BY Name",
    "SELECT Name FROM Person ORDER BY Nick, Name",
    'CREATE VIEW v (who, what) AS SELECT Name, "Group" FROM Person ORDER BY 1',
    "CREATE VIEW IF NOT EXISTS v AS SELECT count(*) FROM main.Person",
    "SELECT 'x' AS kind, 1 AS one, 0.5 AS half, NULL AS none",
    'SELECT Name, coalesce(sum(qty), 0) AS q FROM Person p LEFT JOIN "Order Item" i ON p.PersonId = i.PersonId '
    "GROUP BY p.PersonId, Name ORDER BY Name",
    'SELECT count(*) FILTER (WHERE qty > 2) AS many FROM "Order Item"',
    "SELECT id FROM \"Order Item\" WHERE day >= '2024-01-01' ORDER BY id",
]
_NOT_CARRIED = [
    ("SELECT * FROM elsewhere", "no table elsewhere"),
    ("SELECT missing FROM Person", "no column missing"),
    ("SELECT printf('%d', PersonId) AS x FROM Person", "printf()"),
    ("SELECT Name FROM Person ORDER BY random()", "RAND"),
    ('SELECT Name FROM Person NATURAL JOIN "Order Item"', "method"),
    ("SELECT Nick, count(*) AS n FROM Person GROUP BY Nick", "without regard to case"),
    ('SELECT PersonId FROM Person, "Order Item"', "in two tables"),
    ("SELECT p.Name, q.Name FROM Person p, Person q", "two of its columns"),
    ("SELECT Name FROM aux.Person", "another database"),
    ("SELECT 1 AS a UNION SELECT 'x'", "another gives"),
    ('SELECT sum(qty) OVER (ORDER BY id) AS running FROM "Order Item"', "window function"),
    ("SELECT julianday('2024-01-01') AS d", "'now'"),
    ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t", "recursive"),
    ("DELETE FROM Person", "no SELECT"),
    ("SELECT 1; DROP TABLE person", "not one statement"),
    ("SELECT Name FROM Person LIMIT -1", "no written number"),
    ("SELECT Name FROM Person WHERE Name MATCH 'x'", "no known equal"),
    ("CREATE TEMP VIEW v AS SELECT 1", "properties"),
    ("CREATE TABLE v AS SELECT 1", "no view"),
    ("not SQL at all (", "not understood"),
    ("SELECT max(Name, Nick) AS m FROM Person", "GREATEST"),
]


@pytest.fixture(scope="module")
def databases(server: Server) -> Iterator[tuple[sqlite3.Connection, psycopg2.extensions.connection]]:
    with fresh_database(server) as database, connected(database) as postgres:
        with postgres.cursor() as cursor:
            cursor.execute(_POSTGRES)
        postgres.commit()
        with contextlib.closing(sqlite3.connect(":memory:")) as sqlite:
            sqlite.executescript(_SQLITE)
            yield sqlite, postgres


@pytest.mark.parametrize("view", _CARRIED)
def test_a_view_gives_the_same_rows(
    databases: tuple[sqlite3.Connection, psycopg2.extensions.connection], view: str
) -> None:
    sqlite, postgres = databases
    postgres.rollback()
    found = translate_view(view, TABLES)
    assert isinstance(found, TranslatedView), found
    query = view.partition(" AS ")[2] if view.startswith("CREATE") else view
    expected = [tuple(map(plain, row)) for row in sqlite.execute(query)]
    with postgres.cursor() as cursor:
        cursor.execute(f"CREATE VIEW translated AS {found.sql}")
        cursor.execute("SELECT * FROM translated")
        rows = [tuple(map(plain, row)) for row in cursor.fetchall()]
        assert [column.name for column in cursor.description or ()] == [c.name for c in found.columns.values()]
    assert rows == expected if "ORDER BY" in view else sorted(rows) == sorted(expected)


@pytest.mark.parametrize(("view", "reason"), _NOT_CARRIED)
def test_a_view_that_may_mean_something_else_is_not_carried(view: str, reason: str) -> None:
    found = translate_view(view, TABLES)
    assert isinstance(found, NotTranslatable)
    assert reason.lower() in found.reason.lower()


def test_a_view_reads_a_view() -> None:
    first = translate_view("SELECT PersonId, Name AS Who, Active FROM Person", TABLES)
    assert isinstance(first, TranslatedView)
    assert first.reads == {"person"}
    views = {**TABLES, "people": Table("people", first.columns)}
    second = translate_view("SELECT Who FROM people WHERE Active = 1", views)
    assert isinstance(second, TranslatedView)
    assert second.sql == 'SELECT "people"."who" AS "who" FROM "people" AS "people" WHERE "people"."active"'
    assert second.reads == {"people"}


def test_names_are_as_the_caller_wants_them() -> None:
    found = translate_view("SELECT Name AS FullName FROM Person", TABLES, rename=str)
    assert isinstance(found, TranslatedView)
    assert found.sql == 'SELECT "person"."name" AS "FullName" FROM "person" AS "person"'
