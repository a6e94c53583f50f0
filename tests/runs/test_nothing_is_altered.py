"""From end to end: what a type's own lenient input would bend is rejected, and different values are never called equal.

Each line is a stored value and what has to be in the target afterwards; None: the row is rejected.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.database import Database
from support.loads import rejects, table_report
from support.sources import sqlite
from support.targets import execute, query

import etl

Stored = str | int | float | bytes | None
Case = tuple[str, Sequence[tuple[Stored, str | None]]]

TYPES = (
    "CREATE DOMAIN price AS numeric(10,2)",
    "CREATE DOMAIN code AS varchar(3)",
    "CREATE DOMAIN whole_second AS timestamp(0)",
    "CREATE DOMAIN whole_instant AS timestamptz(0)",
    "CREATE DOMAIN raw AS bytea",
    "CREATE DOMAIN truth AS boolean",
    "CREATE DOMAIN small_code AS code CHECK (VALUE <> 'zzz')",
    "CREATE TYPE amount AS (value numeric(6,2), note varchar(3))",
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'very ok')",
)
CASES: Sequence[Case] = (
    ("date", [("2024-01-31", "2024-01-31"), ("0099-12-31", "0099-12-31"), ("9999-12-31", "9999-12-31")]),
    ("date", [("03/04/2024", None), ("13/04/2024", None), ("2024-01-31 17:45:00", None), ("2024-02-30", None)]),
    (
        "date",
        [("infinity", None), ("epoch", None), ("today", None), ("Jan 5 2024", None), (20240131, None), ("", None)],
    ),
    ("time", [("10:00", "10:00:00"), ("23:59:59.123456", "23:59:59.123456"), ("10:00:00.1230000", "10:00:00.123")]),
    ("time", [("23:59:59.9999999", None), ("2024-01-01 10:00", None), ("24:00", None), ("10 PM", None)]),
    ("time", [("allballs", None), ("now", None), ("10:00:60", None)]),
    ("time(0)", [("10:00:01", "10:00:01"), ("10:00:01.5", None)]),
    ("timetz", [("10:00:00+02", "10:00:00+02"), ("10:00:00.1234567+02", None), ("24:00+00", None)]),
    ("interval", [("1 day 2 hours", "1 day 02:00:00"), ("P1DT2H", "1 day 02:00:00"), ("01:02:03.5", "01:02:03.5")]),
    ("interval", [(5400000000, None), ("5400000000", None), ("1.12:30:00", None), ("1.0000004 s", None)]),
    ("interval", [("1:02:03.1234567", None), ("infinity", None), ("", None)]),
    ("numeric(10,2)", [("1.005", None), ("1.50", "1.50"), (0.30000000000000004, None), ("1e2", "100.00")]),
    ("price", [("1.005", None), ("1.5", "1.50"), (7, "7.00"), ("12345678901", None)]),
    ("numeric(10,2)[]", [("{1.005}", None), ("{1.01,2}", "{1.01,2.00}"), ("{}", "{}"), ("{1.01,NULL}", "{1.01,NULL}")]),
    ("integer[]", [("{1,2}", "{1,2}"), ("{1.5}", None), ("{{1},{2}}", "{{1},{2}}"), ("{1", None), ("1,2", None)]),
    ("varchar(3)[]", [("{abc}", "{abc}"), ("{abcdef}", None), ('{"a,b"}', '{"a,b"}')]),
    ("date[]", [("{2024-01-31}", "{2024-01-31}"), ("{2024-01-31 10:00}", None), ("{01/02/2024}", None)]),
    ("timestamp[]", [("{2024-01-01 10:00+02}", None), ('{"2024-01-01T10:00Z"}', '{"2024-01-01 10:00:00"}')]),
    ("tsrange", [("[2024-01-01 10:00 +0200,)", None), ("[2024-01-01 10:00Z,)", '["2024-01-01 10:00:00",)')]),
    ("boolean[]", [("{t,f}", "{t,f}"), ("{yes}", None)]),
    ("timestamptz(0)", [("2024-12-31 23:59:59.999999", None), ("2024-12-31 23:59:59", "2024-12-31 23:59:59+00")]),
    ("whole_second", [("2024-12-31 23:59:59.999999", None), ("2024-12-31 23:59:59", "2024-12-31 23:59:59")]),
    ("whole_instant", [("2024-12-31 23:59:59.5", None), ("2024-12-31 23:59:59Z", "2024-12-31 23:59:59+00")]),
    ("code", [("ab    ", None), ("abc", "abc"), ("abcd", None)]),
    ("small_code", [("abc", "abc"), ("zzz", None), ("abc ", None)]),
    ("raw", [(b"\x41", "\\x41"), ("\\x41", "\\x5c783431"), ("é", "\\xc3a9")]),
    ("truth", [(1, "true"), (0.0, "false"), ("yes", None), (2, None)]),
    ("boolean", [(1.0, "true"), (0.0, "false"), (0.5, None), ("true", "true"), ("on", None)]),
    ("amount", [("(1.005,a)", None), ("(1.50,abc)", "(1.50,abc)"), ("(1,abcdef)", None), ("(1)", None)]),
    ("bit(3)", [("101", "101"), ("1011", None), ("10", None)]),
    ("bit varying(3)", [("10110", None), ("10", "10"), ("", "")]),
    ("oid", [(-5, None), (4294967295, "4294967295"), (4294967296, None), ("7", "7"), ("010", None)]),
    ("daterange", [("[2024-01-01,2024-02-01)", "[2024-01-01,2024-02-01)"), ("[2024-01-01 10:00,2024-02-01)", None)]),
    ("daterange", [("[2024-01-01,2024-01-31]", "[2024-01-01,2024-02-01)"), ("empty", "empty")]),
    ("tsrange", [("[2024-01-01 00:00:00.1234567,)", None), ("[2024-01-01 10:00,)", '["2024-01-01 10:00:00",)')]),
    ("int4range", [("[1,5]", "[1,6)"), ("[1.5,3]", None), ("[5,1]", None)]),
    ("numrange", [("[1.10,2.5)", "[1.10,2.5)"), ("[a,b]", None)]),
    ("double precision", [("9007199254740993", None), ("9007199254740992", "9.007199254740992e+15"), ("0.1", "0.1")]),
    (
        "double precision",
        [("0.12345678901234567890123", None), (2**53 + 1, None), ("1e400", None), ("0e99999999999999999999", None)],
    ),
    ("jsonb", [('{"a":1,"a":2}', None), ('[{"b":{"a":1,"a":1}}]', None), ('{"a": 1}', '{"a": 1}')]),
    ("json", [('{"a":1,"a":2}', '{"a":1,"a":2}'), ("{", None)]),
    ("money", [("12.34", "$12.34"), ("12.345", None), (0.1, "$0.10")]),
    ("uuid", [("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), ("a0ee", None)]),
    ("inet", [("192.168.0.1/24", "192.168.0.1/24"), ("192.168.1", None), ("::1", "::1/128"), ("300.1.1.1", None)]),
    ("cidr", [("192.168.0.0/24", "192.168.0.0/24"), ("192.168.0.1/24", None)]),
    ("macaddr", [("08:00:2b:01:02:03", "08:00:2b:01:02:03"), ("08:00:2b", None)]),
    ("mood", [("ok", "ok"), ("OK", None), ("ok ", None), ("very ok", "very ok")]),
    (
        "timestamptz",
        [("2024-01-31 10:00:00 +00:00", "2024-01-31 10:00:00+00"), ("2024-01-31 10:00:00 Z", "2024-01-31 10:00:00+00")],
    ),
    (
        "timestamptz",
        [
            ("2024-01-31 10:00:00 +0530", "2024-01-31 04:30:00+00"),
            ("2024-01-31 10:00:00 UTC", "2024-01-31 10:00:00+00"),
        ],
    ),
    (
        "timestamptz",
        [("2024-01-31 10:00:00.1234567", None), ("2024-01-31 10:00:00.1234560", "2024-01-31 10:00:00.123456+00")],
    ),
    (
        "timestamp",
        [
            (490233600000, "1985-07-15 00:00:00"),
            (76204800000, "1972-06-01 00:00:00"),
            (-52358400000, "1968-05-05 00:00:00"),
        ],
    ),
    ("timestamp", [(1700000000, "2023-11-14 22:13:20"), (0, "1970-01-01 00:00:00"), (-86400, "1969-12-31 00:00:00")]),
    ("point", [("( 1.0 , 2 )", "(1,2)"), ("(1,2)", "(1,2)"), ("(1,2,3)", None)]),
    ("tsvector", [("b a", "'a' 'b'"), ("a a", None)]),
)
"""Type, and stored value → what PostgreSQL then prints; None: rejected."""


def fill(path: Path, values: Sequence[Sequence[Stored]]) -> None:
    """One table for each list of values, in a column without affinity: SQLite keeps them as they are."""
    with sqlite(path) as connection:
        for place, column in enumerate(values):
            connection.execute(f"CREATE TABLE t{place} (id INTEGER PRIMARY KEY, v)")
            connection.executemany(f"INSERT INTO t{place} VALUES (?, ?)", list(enumerate(column)))


def tables_of(types: Sequence[str]) -> list[str]:
    return [f"CREATE TABLE t{place} (id integer PRIMARY KEY, v {name})" for place, name in enumerate(types)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("altered") / "source.db"
    fill(path, [[stored for stored, _ in values] for _, values in CASES])
    return path


@pytest.mark.parametrize("keep_constraints", [False, True], ids=["fast", "staged"])
def test_what_a_type_would_bend_is_rejected(
    database: Database, source: Path, tmp_path: Path, keep_constraints: bool
) -> None:
    execute(database, *TYPES, *tables_of([name for name, _ in CASES]))
    foretold = etl.migrate(source, database.url, validate=False, dry_run=True, report_folder=tmp_path / "dry")
    report = etl.migrate(
        source, database.url, validate=False, keep_constraints=keep_constraints, report_folder=tmp_path / "report"
    )
    wrong = []
    for place, (name, values) in enumerate(CASES):
        there = dict(query(database, f"SELECT id, v::text FROM t{place}"))
        wrong += [
            (name, stored, there.get(number, "rejected"), wanted)
            for number, (stored, wanted) in enumerate(values)
            if there.get(number) != wanted
        ]
        told = {line["key"]["id"] for line in rejects(report, f"t{place}")}
        assert told == {number for number in range(len(values)) if number not in there}, name
        assert table_report(foretold, f"t{place}").rejected_rows == len(told), name
    assert not wrong
    compared = etl.compare(source, database.url, load_report=tmp_path / "report", report_folder=tmp_path / "compared")
    bad = [(CASES[int(table.name[1:])], table) for table in compared.tables if table.different_rows or table.extra_rows]
    assert not bad


DIFFERENT: Sequence[tuple[str, Stored, str]] = (
    ("code", "abcdef", "'abc'"),
    ("bit(3)", "1011", "B'101'"),
    ("bit varying(3)", "10110", "B'101'"),
    ("varchar(3)[]", "{abcdef}", "'{abc}'"),
    ("date", "2024-01-01 10:00", "'2024-01-01'"),
    ("date", "03/04/2024", "'2024-03-04'"),
    ("time", "23:59:59.9999999", "'24:00:00'"),
    ("time", "2024-01-01 10:00", "'10:00'"),
    ("interval", 5400000000, "'1500000 hours'"),
    ("interval", "1.12:30:00", "'1 day 32:52:48'"),
    ("price", "1.005", "1.01"),
    ("numeric(10,2)[]", "{1.005}", "'{1.01}'"),
    ("amount", "(1.005,a)", "'(1.01,a)'"),
    ("whole_second", "2024-12-31 23:59:59.999999", "'2025-01-01'"),
    ("timestamptz(0)", "2024-12-31 23:59:59.999999", "'2025-01-01+00'"),
    ("raw", "\\x41", "'\\x41'"),
    ("truth", "yes", "true"),
    ("oid", -5, "4294967291"),
    ("daterange", "[2024-01-01 10:00,2024-02-01)", "'[2024-01-01,2024-02-01)'"),
    ("daterange", "[2024-01-01,2024-02-01)", "'[2024-01-01,2024-02-02)'"),
    ("int4range", "[1,5]", "'[1,5)'"),
    ("double precision", "9007199254740993", "9007199254740992"),
    ("jsonb", '{"a":1,"a":2}', """'{"a":2}'"""),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'"),
    ("inet", "192.168.0.1/24", "'192.168.0.1'"),
    ("money", "12.345", "'12.35'"),
    ("mood", "OK", "'ok'"),
    ("date[]", "{2024-01-31 10:00}", "'{2024-01-31}'"),
    ("integer[]", "{{1},{2}}", "'{1,2}'"),
    ("timestamp", 76204800000, "'4384-10-22'"),
    ("tsvector", "a a", "'a'"),
    ("point", "(1,2)", "'(2,1)'"),
    ("small_code", "abcdef", "'abc'"),
    ("small_code[]", "{abcdef}", "'{abc}'"),
    ("price[]", "{1.005}", "'{1.01}'"),
    ("whole_second[]", '{"2024-12-31 23:59:59.9"}', "'{2025-01-01}'"),
    ("mood[]", "{ok,sad}", "'{sad,ok}'"),
    ("name", "n" * 64, "repeat('n', 63)"),
    ("char(3)", "abcd", "'abc'"),
    ('"char"', "ab", "'a'"),
    ("bit(2)[]", "{011}", "'{01}'"),
    ("cidr", "10.0.0.1/8", "'10.0.0.0/8'"),
    ("inet[]", "{10.0.0.1}", "'{10.0.0.1/8}'"),
    ("macaddr8", "08:00:2b:01:02:03", "'08:00:2b:ff:fe:01:02:03'"),
    ("pg_lsn", "0/16B3748", "'0/16B3749'"),
    ("jsonpath", "$.a", "'$.b'"),
    ("regtype", "integer", "'bigint'"),
    ("txid_snapshot", "10:20:10,14", "'10:20:10,15'"),
    ("box", "(1,1),(0,0)", "'(1,2),(0,0)'"),
    ("polygon", "((0,0),(0.1,0))", "'((0,0),(0.1000001,0))'"),
    ("point", "(0.30000000000000004,1)", "'(0.3,1)'"),
    ("numrange", "[1.10,2.5)", "'[1.10,2.5]'"),
    ("money", "$1,234.56", "'1234.57'"),
)
"""Type, what SQLite holds, and another value in the target, as SQL."""


def test_different_values_are_never_called_equal(database: Database, tmp_path: Path) -> None:
    fill(tmp_path / "source.db", [[stored] for _, stored, _ in DIFFERENT])
    rows = [f"INSERT INTO t{place} VALUES (0, {value})" for place, (_, _, value) in enumerate(DIFFERENT)]
    execute(database, *TYPES, *tables_of([name for name, _, _ in DIFFERENT]), *rows)
    report = etl.compare(tmp_path / "source.db", database.url, report_folder=tmp_path / "report")
    assert report.exit_code == 3
    missed = [DIFFERENT[int(table.name[1:])] for table in report.tables if table.different_rows != 1]
    assert not missed


def test_the_unit_of_a_column_is_one(database: Database, tmp_path: Path) -> None:
    """Numbers that one unit does not explain are refused, and the refusal shows what each unit would make of them."""
    fill(tmp_path / "source.db", [[1_700_000_000, 1_700_000_000_000], [math.pi * 1e6, 12]])
    execute(database, *tables_of(["timestamptz", "timestamptz"]))
    report = etl.migrate(tmp_path / "source.db", database.url, validate=False, report_folder=tmp_path / "report")
    assert report.total("loaded_rows") == 0
    for table in ("t0", "t1"):
        assert all("seconds" in line["reason"] for line in rejects(report, table))


INSTANTS_INSIDE = {
    "timestamptz[]": ("{2024-07-01 12:00}", "{2024-07-01}", '{"2024-07-01 12:00+02"}'),
    "tstzrange": ("[2024-07-01 12:00,)", "(,2024-07-01]", "[2024-07-01 12:00+02,)"),
    "tstzmultirange": ("{[2024-07-01 12:00,)}", "{(,2024-07-01]}", "{[2024-07-01 12:00Z,)}"),
    "stay": ("(a,2024-07-01 12:00)", "(,2024-07-01)", "(a,2024-07-01 12:00+02)"),
    "stay[]": ('{"(a,2024-07-01 12:00)"}', '{"(,2024-07-01)"}', '{"(a,2024-07-01 12:00 UTC)"}'),
}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
@pytest.mark.parametrize("column", INSTANTS_INSIDE)
def test_a_wall_clock_inside_of_another_type_is_not_read_in_another_zone(
    database: Database, tmp_path: Path, column: str, zone: str
) -> None:
    source = tmp_path / "source.db"
    with sqlite(source) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        connection.executemany("INSERT INTO t (v) VALUES (?)", [(text,) for text in INSTANTS_INSIDE[column]])
    execute(database, "CREATE TYPE stay AS (who text, since timestamptz)")
    execute(database, f"CREATE TABLE t (id integer PRIMARY KEY, v {column})")
    report = etl.migrate(source, database.url, validate=False, assume_timezone=zone, report_folder=tmp_path / "report")
    refused = {} if zone == "UTC" else {1: "no_offset", 2: "no_offset"}
    assert {line["row_number"]: line["code"] for line in rejects(report, "t")} == refused
    loaded_in_utc = [(n, text) for n, text in enumerate(INSTANTS_INSIDE[column], start=1) if n in refused]
    for row in loaded_in_utc:
        execute(database, "INSERT INTO t VALUES ({}, '{}')".format(*row))
    compared = etl.compare(source, database.url, assume_timezone=zone, report_folder=tmp_path / "compared")
    assert table_report(compared, "t").different_rows == len(refused)
