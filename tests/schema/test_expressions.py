"""What SQLite's expressions become, and why some become nothing; `test_expressions_agree` proves the values."""

import logging
import sqlite3

import pytest
from support.database import Server, fresh_database
from support.targets import connected

from etl.schema.expressions import (
    Column,
    NotTranslatable,
    Translated,
    implied_by_type,
    translate_check,
    translate_default,
    translate_generated,
    translate_index,
)


def _column(name: str, type_: str, declared: str, storage: str = "", collation: str = "BINARY") -> Column:
    return Column(name, type_, declared, frozenset(storage.split()), collation)


COLUMNS = {
    "Id": _column("id", "bigint", "INTEGER", "integer"),
    "Status": _column("status", "text", "TEXT", "text"),
    "Active": _column("is_active", "boolean", "BOOLEAN", "integer"),
    "flagged": _column("flagged", "boolean", "BOOLEAN", "text"),
    "price": _column("price", "numeric(10,2)", "DECIMAL(10,2)", "integer real"),
    "amount": _column("amount", "numeric", "TEXT", "text"),
    "weight": _column("weight", "double precision", "REAL", "real"),
    "narrow": _column("narrow", "real", "REAL", "real"),
    "email": _column("email", "text", "TEXT", "text", "NOCASE"),
    "trimmed": _column("trimmed", "text", "TEXT", "text", "RTRIM"),
    "mixed": _column("mixed", "text", "TEXT", "text blob"),
    "born": _column("born", "date", "DATE", "text"),
    "seen": _column("seen", "timestamp with time zone", "DATETIME", "text"),
    "data": _column("data", "jsonb", "JSON", "text"),
    "body": _column("body", "text", "TEXT", "text"),
    "key": _column("key", "uuid", "GUID", "text"),
    "Order": _column("order", "character varying(20)", "VARCHAR(20)", "text"),
    "image": _column("image", "bytea", "BLOB", "blob"),
}

CHECKS = [
    ("status IN ('a','b')", "\"status\" IN ('a', 'b')"),
    ('Status <> "draft"', "\"status\" <> 'draft'"),
    ('"things"."Active" = 1', '"is_active"'),
    ("[Order] = `Status`", '"order" = "status"'),
    ("Active = 1", '"is_active"'),
    ("Active = 0", 'NOT "is_active"'),
    ("Active IN (0, 1) AND price >= 0", '"price" >= 0'),
    ("price >= 0 OR Active AND id > 3", '"price" >= 0 OR "is_active" AND "id" > 3'),
    ("(price >= 0 OR Active) AND id > 3", '("price" >= 0 OR "is_active") AND "id" > 3'),
    ("NOT (id = 1 OR id = 2)", 'NOT ("id" = 1 OR "id" = 2)'),
    ("id BETWEEN 1 AND 5", '"id" >= 1 AND "id" <= 5'),
    ("id / 2 = 1", '("id" / 2) = 1'),
    ("10 / id = 1", '(10 / NULLIF("id", 0)) = 1'),
    ("price * id <= 100", '("price"::double precision * "id") <= 100'),
    ("id = '5'", '"id" = 5'),
    ("status = 5", "\"status\" = '5'"),
    ("status > 'a'", '"status" COLLATE "C" > \'a\''),
    ("status LIKE 'A_%'", "lower(\"status\" COLLATE \"C\") LIKE 'a_%' ESCAPE ''"),
    ("status LIKE '%@%'", "\"status\" LIKE '%@%' ESCAPE ''"),
    ("status LIKE '10!%' ESCAPE '!'", "\"status\" LIKE '10!%' ESCAPE '!'"),
    ("status GLOB '[A-Z]*'", '"status" COLLATE "C" ~ \'^[A-Z]\''),
    ("status NOT GLOB '*[^0-9]*'", 'NOT ("status" COLLATE "C" ~ \'[^0-9]\')'),
    ("status GLOB 'a.b?'", '"status" COLLATE "C" ~ E\'^a\\\\.b.$\''),
    ("email = 'A@B'", 'lower("email" COLLATE "C") = \'a@b\''),
    ("status = 'x' COLLATE NOCASE", 'lower("status" COLLATE "C") = \'x\''),
    ("upper(status) = status", 'upper("status" COLLATE "C") = "status"'),
    ("length(image) = 16", 'octet_length("image") = 16'),
    ("born >= '2000-01-01'", "\"born\" >= DATE '2000-01-01'"),
    ("typeof(id) = 'integer'", '"id" IS NOT NULL'),
    ("seen IS NOT NULL", '"seen" IS NOT NULL'),
    ("data ->> 'kind' = 'x'", "(\"data\" ->> 'kind') = 'x'"),
    ("json_extract(data, '$.a[0].b') IN ('x','y')", "(\"data\" -> 'a' -> 0 ->> 'b') IN ('x', 'y')"),
    ("json_type(data) = 'array'", "jsonb_typeof(\"data\") = 'array'"),
    ("status = 'it''s \\ here' -- a comment", "\"status\" = E'it''s \\\\ here'"),
    ("status IS NOT 'x'", "\"status\" IS DISTINCT FROM 'x'"),
    ("replace(status, 'a', 'b') = ''", "replace(\"status\", 'a', 'b') = ''"),
]
REFUSED = [
    ("nowhere = 1", "no column nowhere"),
    ("id = 'x'", "column id (bigint) is compared with the text 'x'"),
    ("+id = 5", "plus sign"),
    ("status", "a text is taken as a truth value"),
    ("status + 1 > 2", "a text is taken as a number"),
    ("flagged = 1", "is compared with"),  # its values are texts
    ("amount > 0", "is compared with"),  # SQLite compares these decimals as texts
    ("narrow > 0.1", "is compared with"),
    ("mixed = 'x'", "is compared with"),
    ("trimmed = 'x'", "RTRIM"),
    ("key = 'ABC'", "column key (uuid)"),
    ("seen > '2020-01-01'", "form is not known"),
    ("born > '2020-1-1'", "not of the form"),
    ("born > '2020-02-30'", "not of the form"),
    ("id < weight", "rounds large integers"),
    ("price / 2 > 1", "as integers"),
    ("weight % 2 = 1", "fractions"),
    ("mod(id, 2) = 1", "mod()"),
    ("round(weight) = 1", "ROUND"),
    ("max(id, 3) = 3", "GREATEST"),
    ("status REGEXP 'x'", "REGEXP"),
    ("status MATCH 'x'", "known equal"),
    ("printf('%d', id) = '1'", "printf()"),
    ("hex(image) = '00'", "HEX"),
    ("id & 4 = 4", "BITWISE AND"),
    ("unicode(status) = 65", "UNICODE"),
    ("my_function(id)", "my_function()"),
    ("json_extract(data, '$.a') = '5'", "more than one value"),
    ("json_extract(data, '$.a') > 5", "no written text"),
    ("json_extract(body, '$.a') = 'x'", "kept as a text"),
    ("json_valid(body)", "PostgreSQL 16"),
    ("status LIKE id", "written pattern"),
    ("status GLOB '[a'", "bracket"),
    ("substr(status, 0) = 'a'", "ways of its own"),
    ("CAST(status AS INTEGER) > 0", "leading part"),
    ("CAST(weight AS NUMERIC) > 0", "CAST to DECIMAL"),
    ("seen < datetime('now')", "clock"),
    ("id = random()", "RAND"),
    ("id IN (SELECT 1)", "SELECT cannot stand"),
    ("(id, status) = (1, 'a')", "TUPLE"),
    ("id = ?", "PLACEHOLDER"),
    ("id = status LIKE 'x'", "without parentheses"),
    ("id = 9223372036854775808", "beyond 64 bits"),
    ("status = 'a", "not understood"),
    ("1) OR (1", "not one expression"),
    ("1); DROP TABLE x; SELECT (1", "not one statement"),
    ("(" * 5000 + "id" + ")" * 5000, "nested too deeply"),
    ("id = 1 OR " * 5000 + "id = 2", "longer than"),
]


@pytest.mark.parametrize(("sqlite", "postgres"), CHECKS)
def test_a_check_becomes(sqlite: str, postgres: str) -> None:
    assert translate_check(sqlite, COLUMNS) == Translated(postgres, immutable=True)


@pytest.mark.parametrize(("sqlite", "reason"), REFUSED, ids=lambda text: text[:40])
def test_a_check_is_refused(sqlite: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        found = translate_check(sqlite, COLUMNS)
    assert isinstance(found, NotTranslatable)
    assert reason in found.reason
    assert not caplog.records


@pytest.mark.parametrize(
    "condition",
    [
        "Active IN (1)",
        "Active NOT IN (0, 1)",
        "flagged IN (0, 1)",
        "typeof(status) = 'text'",
        "typeof(id) = 'text'",
        "length([Order]) <= 19",
        "json_valid(body)",
        "date(born) IS NOT NULL",
        "date(seen) = seen",
        "not understood (",
    ],
)
def test_a_check_that_a_value_may_break_is_not_implied(condition: str) -> None:
    assert not implied_by_type(condition, COLUMNS)


LITERALS = [
    ("0", "boolean", "FALSE"),
    ("'1'", "boolean", "TRUE"),
    ("'f'", "boolean", "FALSE"),
    ("true", "boolean", "TRUE"),
    ("TRUE", "bigint", "1"),
    ("(0)", "boolean", "FALSE"),
    ("NULL", "timestamptz", "NULL"),
    ("-1", "bigint", "-1"),
    ("+1", "bigint", "1"),
    ("'5'", "integer", "5"),
    ("3.0", "bigint", "3"),
    ("0x10", "bigint", "16"),
    ("-9223372036854775808", "bigint", "-9223372036854775808"),
    ("1.50", "numeric(5,2)", "1.50"),
    ("'1.5'", "numeric", "1.5"),
    ("1e3", "double precision", "1E+3"),
    ("'abc'", "text", "'abc'"),
    ('"abc"', "text", "'abc'"),
    ("abc", "text", "'abc'"),
    ("'it''s \\'", "text", "E'it''s \\\\'"),
    ("5", "text", "'5'"),
    ("1.50", "text", "'1.5'"),
    ("1.0", "text", "'1.0'"),
    ("''", "varchar(3)", "''"),
    ("x'00FF'", "bytea", "'\\x00ff'::bytea"),
    ("'ä'", "bytea", "'\\xc3a4'::bytea"),
    ("'2020-02-29'", "date", "DATE '2020-02-29'"),
    ("'10:30'", "time", "TIME '10:30:00'"),
    ("'2020-01-01'", "timestamptz", "TIMESTAMPTZ '2020-01-01 00:00:00+00'"),
    ("'2020-01-01T10:00:00.5Z'", "timestamptz", "TIMESTAMPTZ '2020-01-01 10:00:00.500000+00'"),
    ("'2020-01-01 10:00:00 +02:00'", "timestamptz", "TIMESTAMPTZ '2020-01-01 10:00:00+02:00'"),
    ("'2020-01-01 10:00:00'", "timestamp without time zone", "TIMESTAMP '2020-01-01 10:00:00'"),
    ("'{\"a\": 1}'", "jsonb", "'{\"a\": 1}'::jsonb"),
    ("'9E4B1A5C-0000-4000-8000-000000000000'", "uuid", "'9e4b1a5c-0000-4000-8000-000000000000'::uuid"),
    ("'a' || 'b'", "text", "'a' || 'b'"),
    ("60 * 60", "bigint", "60::bigint * 60"),
]
NOT_CARRIED = [
    ("2", "boolean"),
    ("'yes'", "boolean"),
    ("1.5", "bigint"),
    ("'abc'", "bigint"),
    ("40000", "smallint"),
    ("1.005", "numeric(5,2)"),
    ("12345", "numeric(5,2)"),
    ("'abcd'", "varchar(3)"),
    ("''", "timestamptz"),
    ("'0000-00-00 00:00:00'", "timestamptz"),
    ("'2023-02-29'", "date"),
    ("'2020-01-01 10:00:00'", "date"),
    ("0", "timestamptz"),
    ("'2020-01-01 10:00:00+02:00'", "timestamp"),
    ("'['", "jsonb"),
    ("'NaN'", "jsonb"),
    ("'x'", "uuid"),
    ("1e400", "double precision"),
    ("datetime('now', 'localtime')", "text"),
    ("datetime('now', '+1 day')", "text"),
    ("strftime('%W', 'now')", "text"),
    ("random()", "bigint"),
    ("abs(random()) % 10", "bigint"),
    ("CURRENT_TIMESTAMP", "bigint"),
    ("my_function()", "text"),
    ("lower(hex(randomblob(8)))", "uuid"),
]
_UTC = "CURRENT_TIMESTAMP AT TIME ZONE 'UTC'"
_LONG_UUID = """lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4' ||
  substr(lower(hex(randomblob(2))),2) || '-' || substr('89ab', abs(random()) % 4 + 1, 1) ||
  substr(lower(hex(randomblob(2))),2) || '-' || lower(hex(randomblob(6)))"""
CLOCK = [
    ("CURRENT_TIMESTAMP", "timestamp with time zone", "CURRENT_TIMESTAMP"),
    ("CURRENT_TIMESTAMP", "timestamp", f"({_UTC})"),
    ("CURRENT_TIMESTAMP", "text", f"to_char({_UTC}, 'YYYY-MM-DD HH24:MI:SS')"),
    ("CURRENT_DATE", "date", f"({_UTC})::date"),
    ("CURRENT_TIME", "time", f"({_UTC})::time"),
    ("datetime('now')", "timestamptz", "CURRENT_TIMESTAMP"),
    ("date()", "text", f"to_char({_UTC}, 'YYYY-MM-DD')"),
    ("strftime('%Y-%m-%dT%H:%M:%fZ','now')", "text", f'to_char({_UTC}, \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\')'),
    ("strftime('%Y-%m-%dT%H:%M:%fZ','now')", "timestamptz", "CURRENT_TIMESTAMP"),
    ("unixepoch()", "bigint", "floor(extract(epoch FROM CURRENT_TIMESTAMP))::bigint"),
    ("strftime('%s','now')", "bigint", "floor(extract(epoch FROM CURRENT_TIMESTAMP))::bigint"),
    ("(unixepoch() * 1000)", "bigint", "floor(extract(epoch FROM CURRENT_TIMESTAMP))::bigint * 1000"),
    ("unixepoch()", "timestamptz", "CURRENT_TIMESTAMP"),
    ("lower(hex(randomblob(16)))", "text", "replace(gen_random_uuid()::text, '-', '')"),
    ("hex(randomblob(16))", "text", "upper(replace(gen_random_uuid()::text, '-', ''))"),
    ("lower(hex(randomblob(16)))", "uuid", "gen_random_uuid()"),
    ("randomblob(16)", "uuid", "gen_random_uuid()"),
    (_LONG_UUID, "text", "gen_random_uuid()::text"),
    (f"({_LONG_UUID})", "uuid", "gen_random_uuid()"),
]


@pytest.mark.parametrize(("sqlite", "type_", "postgres"), LITERALS)
def test_a_default_becomes(sqlite: str, type_: str, postgres: str) -> None:
    assert translate_default(sqlite, type_) == Translated(postgres, immutable=True)


@pytest.mark.parametrize(("sqlite", "type_", "postgres"), CLOCK)
def test_the_clock_and_random_ids_become(sqlite: str, type_: str, postgres: str) -> None:
    assert translate_default(sqlite, type_) == Translated(postgres, immutable=False)


@pytest.mark.parametrize(("sqlite", "type_"), NOT_CARRIED)
def test_a_default_is_not_carried(sqlite: str, type_: str) -> None:
    assert isinstance(translate_default(sqlite, type_), NotTranslatable)


def test_the_server_takes_every_default(server: Server) -> None:
    moment = "julianday('now')", "double precision"
    milliseconds = "cast((julianday('now') - 2440587.5) * 86400000 as integer)", "bigint"
    columns = [(s, t) for s, t, _ in [*LITERALS, *CLOCK]] + [moment, milliseconds, ("hex(randomblob(20))", "text")]
    with fresh_database(server) as database, connected(database) as connection, connection.cursor() as cursor:
        for number, (sqlite, type_) in enumerate(columns):
            found = translate_default(sqlite, type_)
            assert isinstance(found, Translated), (sqlite, found)
            cursor.execute(f"CREATE TABLE t{number} (id integer, x {type_} DEFAULT {found.sql})")
            cursor.execute(f"INSERT INTO t{number} (id) VALUES (1)")


@pytest.mark.parametrize(
    "sqlite",
    [
        "CURRENT_TIMESTAMP",
        "date('now')",
        "strftime('%Y-%m-%dT%H:%M:%fZ','now')",
        "unixepoch()",
        "julianday('now')",
        "strftime('%s','now') * 1000",
        "hex(randomblob(16))",
        "lower(hex(randomblob(5)))",
        _LONG_UUID,
    ],
)
def test_a_made_value_has_the_same_form(server: Server, sqlite: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        try:
            (expected,) = connection.execute(f"SELECT {sqlite}").fetchone()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite lacks the function")
    type_ = {str: "text", int: "bigint", float: "double precision"}[type(expected)]
    found = translate_default(sqlite, type_)
    assert isinstance(found, Translated)
    with fresh_database(server) as database, connected(database) as postgres, postgres.cursor() as cursor:
        cursor.execute(f"SELECT {found.sql}")
        row = cursor.fetchone()
    assert row is not None
    if isinstance(expected, str):
        assert _shape(row[0]) == _shape(expected)
    else:
        assert type(row[0]) is type(expected)
        assert row[0] == pytest.approx(expected, rel=1e-6)


def _shape(text: str) -> str:
    """Hexadecimal digits as one; the text is of one case."""
    assert text in (text.lower(), text.upper())
    return "".join("h" if character in "0123456789abcdefABCDEF" else character for character in text)


GENERATED = [
    ("price * id", "double precision", "REAL", '"price"::double precision * "id"'),
    ("price * 2", "numeric(12,2)", "DECIMAL", '("price"::double precision * 2)::text::numeric'),
    ("id + 1", "bigint", "INTEGER", '"id" + 1'),
    ("status || '-' || id", "text", "TEXT", '("status" || \'-\') || "id"::text'),
    ("price > 10", "boolean", "BOOLEAN", '"price" > 10'),
    ("price > 10", "bigint", "INTEGER", '("price" > 10)::integer'),
    ("id", "text", "TEXT", '"id"::text'),
    ("lower(status)", "text", "TEXT", 'lower("status" COLLATE "C")'),
]


@pytest.mark.parametrize(("sqlite", "type_", "declared", "postgres"), GENERATED)
def test_a_generated_column_becomes(sqlite: str, type_: str, declared: str, postgres: str) -> None:
    column = Column("g", type_, declared)
    assert translate_generated(sqlite, column, COLUMNS) == Translated(postgres, immutable=True)


@pytest.mark.parametrize(
    ("sqlite", "type_", "declared"),
    [
        ("lower(status)", "text", "NUMERIC"),  # '5' becomes a number there
        ("json_extract(data, '$.a')", "text", "TEXT"),
        ("id", "boolean", "BOOLEAN"),
        ("date('now')", "text", "TEXT"),
        ("strftime('%Y', born)", "text", "TEXT"),
    ],
)
def test_a_generated_column_is_not_carried(sqlite: str, type_: str, declared: str) -> None:
    assert isinstance(translate_generated(sqlite, Column("g", type_, declared), COLUMNS), NotTranslatable)


INDEXED = [
    ("lower(status)", 'lower("status" COLLATE "C")'),
    ("email COLLATE NOCASE", 'lower("email" COLLATE "C")'),
    ("status COLLATE NOCASE", 'lower("status" COLLATE "C")'),
    ("id % 10", '"id" % 10'),
    ("coalesce(status, '')", "COALESCE(\"status\", '')"),
]


@pytest.mark.parametrize(("sqlite", "postgres"), INDEXED)
def test_an_index_becomes(sqlite: str, postgres: str) -> None:
    assert translate_index(sqlite, COLUMNS) == Translated(postgres, immutable=True)


@pytest.mark.parametrize("sqlite", ["json_extract(data, '$.a')", "typeof(status)", "NULL", "date(seen)", "trimmed"])
def test_an_index_is_not_carried(sqlite: str) -> None:
    assert isinstance(translate_index(sqlite, COLUMNS), NotTranslatable)


def test_the_server_takes_all_that_is_immutable_where_it_asks_for_that(server: Server) -> None:
    columns = ", ".join(f'"{column.name}" {column.type}' for column in COLUMNS.values())
    with fresh_database(server) as database, connected(database) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t ({columns})")
        for _, condition in CHECKS:
            cursor.execute(f"ALTER TABLE t ADD CHECK ({condition})")
            cursor.execute(f"CREATE INDEX ON t (id) WHERE {condition}")
        for _, expression in INDEXED:
            cursor.execute(f"CREATE INDEX ON t (({expression}))")
        for number, (_, type_, _, expression) in enumerate(GENERATED):
            cursor.execute(f"ALTER TABLE t ADD g{number} {type_} GENERATED ALWAYS AS ({expression}) STORED")
