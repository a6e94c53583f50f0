"""Two databases that differ in one value of a type, or only in its spelling: written by hand, no cast takes part."""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.database import Database, Server
from support.loads import table_report
from support.profiles import nightly
from support.sources import sqlite
from support.targets import execute

import etl
from etl.core.difference_kinds import DifferenceKind as Kind
from etl.core.values import LARGE_BYTES
from etl.files.private_files import file_name
from etl.reporting.report import Report

SAME = None
Stored = str | int | float | bytes

TYPES = (
    "CREATE DOMAIN code AS varchar(3)",
    "CREATE DOMAIN codes AS code[]",
    "CREATE DOMAIN price AS numeric(10,2)",
    "CREATE DOMAIN whole_second AS timestamp(0)",
    "CREATE DOMAIN raw AS bytea",
    "CREATE DOMAIN truth AS boolean",
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'very ok')",
    "CREATE TYPE amount AS (value numeric(6,2), note varchar(3))",
    "CREATE TYPE order_line AS (item amount, days daterange, tags text[])",
    "CREATE TYPE mixed AS (day date, place point)",
    'CREATE TYPE names AS RANGE (subtype = text, collation = "C")',
)

# Type, what SQLite stores, what PostgreSQL is given, the difference's kind.
PAIRS: Sequence[tuple[str, Stored, str, Kind | None]] = (
    ("code", "abcdef", "'abc'", Kind.TRUNCATED),
    ("code", "abc", "'abc'", SAME),
    ("codes", "{abcdef}", "'{abc}'", Kind.OTHER),
    ("codes", '{ "abc" }', "'{abc}'", SAME),
    ("varchar(3)[]", "{abcdef}", "'{abc}'", Kind.OTHER),
    ("bpchar", "ab  ", "'ab'", SAME),
    ("bpchar", "ab", "'abc'", Kind.CHANGED_TEXT),
    ("char(3)[]", "{a}", "'{a}'", SAME),
    ("bit(3)", "1011", "B'101'", Kind.TRUNCATED),
    ("bit(3)", "101", "B'101'", SAME),
    ("bit(3)", 101, "B'101'", Kind.OTHER),
    ("bit varying(3)", "10110", "B'101'", Kind.TRUNCATED),
    ("bit varying(3)", "10", "B'01'", Kind.OTHER),
    ("bit varying(3)[]", "{1}", "'{0}'", Kind.OTHER),
    ("date", "2024-01-01 10:00", "'2024-01-01'", Kind.LOST_CLOCK),
    ("date", "03/04/2024", "'2024-03-04'", Kind.OTHER),
    ("date", "2024-1-5", "'2024-01-05'", SAME),
    ("date", "2024-01-05", "'2024-01-06'", Kind.TIME_SHIFTED),
    ("date", "9999-12-31", "'infinity'", Kind.OTHER),
    ("date", "infinity", "'infinity'", SAME),
    ("date", 20240131, "'2024-01-31'", Kind.OTHER),
    ("date[]", "{2024-01-01 10:00}", "'{2024-01-01}'", Kind.OTHER),
    ("time", "7:05", "'07:05'", SAME),
    ("time", "23:59:59.9999999", "'24:00:00'", Kind.OTHER),
    ("time", "2024-01-01 10:00", "'10:00'", Kind.OTHER),
    ("time", "10:00:00.5", "'10:00:00'", Kind.LOST_SUBSECONDS),
    ("time", "10:00", "'11:00'", Kind.TIME_SHIFTED),
    ("timetz", "10:00Z", "'10:00+00'", SAME),
    ("timetz", "10:00+00", "'11:00+01'", Kind.OTHER),
    ("interval", "P1DT2H", "'1 day 02:00'", SAME),
    ("interval", "1 day", "'24 hours'", Kind.OTHER),
    ("interval", "1.12:30:00", "'1 day 32:52:48'", Kind.OTHER),
    ("interval", 5400000000, "'1500000 hours'", Kind.OTHER),
    ("interval[]", '{P1D,"1 day"}', "'{1 day,1 day}'", SAME),
    ("money", "12.345", "'12.35'", Kind.LOST_DIGITS),
    ("money", 1234.5, "'1234.50'", SAME),
    ("money", "12.34", "'12.43'", Kind.OTHER),
    ("oid", -5, "4294967291", Kind.OTHER),
    ("oid", 7, "7", SAME),
    ("uuid", "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", SAME),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'", Kind.OTHER),
    ("inet", "::FFFF:1.2.3.4/128", "'::ffff:1.2.3.4'", SAME),
    ("inet", "192.168.0.1/24", "'192.168.0.1'", Kind.OTHER),
    ("cidr", "192.168.0.0/24", "'192.168.0.0/24'", SAME),
    ("macaddr", "08002B010203", "'08:00:2b:01:02:03'", SAME),
    ("macaddr8", "08-00-2b-01-02-03-04-05", "'08:00:2b:01:02:03:04:06'", Kind.OTHER),
    ("price", "1.005", "1.01", Kind.LOST_DIGITS),
    ("price", 1.5, "1.50", SAME),
    ("numeric(10,2)[]", "{1.005}", "'{1.01}'", Kind.OTHER),
    ("numeric(10,2)[]", "{1.5,NULL}", "'{1.50,NULL}'", SAME),
    ("real[]", "{1.2345678}", "'{1.2345671}'", Kind.OTHER),
    ("integer[]", "{{1},{2}}", "'{1,2}'", Kind.OTHER),
    ("integer[]", "[0:1]={1,2}", "'[0:1]={1,2}'", SAME),
    ("integer[]", "[1:2]={1,2}", "'{1,2}'", SAME),
    ("integer[]", "{1,2}", "'[0:1]={1,2}'", Kind.OTHER),
    ("text[]", '{"a,b",NULL,""}', "ARRAY['a,b', NULL, '']", SAME),
    ("text[]", "{NULL}", "ARRAY['NULL']", Kind.OTHER),
    ("jsonb[]", '{"{\\"a\\": 1}"}', """ARRAY['{"a":1}'::jsonb]""", SAME),
    ("jsonb[]", '{"{\\"a\\":1,\\"a\\":2}"}', """ARRAY['{"a":2}'::jsonb]""", Kind.OTHER),
    ("bytea[]", '{"\\\\x00ff"}', "ARRAY[decode('00ff', 'hex')]", SAME),
    ("whole_second", "2024-12-31 23:59:59.999999", "'2025-01-01'", Kind.LOST_SUBSECONDS),
    ("timestamptz(0)", "2024-12-31 23:59:59.5", "'2025-01-01+00'", Kind.LOST_SUBSECONDS),
    ("timestamp", "2024-01-01 10:00:00", "'2024-01-01'", Kind.TIME_SHIFTED),
    ("timestamptz", "2024-01-31 10:00:00 +0530", "'2024-01-31 04:30:00+00'", SAME),
    ("timestamptz", "2024-01-31 10:00:00 UTC", "'2024-01-31 10:00:00+00'", SAME),
    ("timestamptz[]", "{2024-01-31T10:00:00+02:00}", "'{2024-01-31 08:00:00+00}'", SAME),
    ("raw", "\\x41", "'\\x41'", Kind.OTHER),
    ("raw", b"\x41", "'\\x41'", SAME),
    ("truth", "yes", "true", Kind.OTHER),
    ("boolean", 1.0, "true", SAME),
    ("boolean", 0.0, "true", Kind.BOOLEAN_FLIPPED),
    ("boolean[]", "{yes}", "'{t}'", Kind.OTHER),
    ("mood", "ok", "'ok'", SAME),
    ("mood", "OK", "'ok'", Kind.CASE),
    ("mood[]", '{"very ok"}', "'{very ok}'", SAME),
    ("amount", "(1.005,a)", "'(1.01,a)'", Kind.OTHER),
    ("amount", '("1.5","a")', "'(1.50,a)'", SAME),
    (
        "order_line",
        '("(1.5,a)","[2024-01-01,2024-01-31]","{a,""b c""}")',
        "ROW('(1.50,a)','[2024-01-01,2024-02-01)','{a,b c}')",
        SAME,
    ),
    ("order_line", '("(1.5,a)",,)', "ROW('(1.51,a)',NULL,NULL)", Kind.OTHER),
    ("order_line[]", '{"(\\"(1.5,a)\\",,{x})"}', "ARRAY[ROW('(1.50,a)',NULL,'{y}')::order_line]", Kind.OTHER),
    ("mixed", '(2024-1-5,"(1.0,2)")', "ROW('2024-01-05','(1,2)')", SAME),
    ("mixed", '(01-05-2024,"(1,2)")', "ROW('2024-05-01','(1,2)')", Kind.OTHER),
    ("int4range", "[1,5]", "'[1,6)'", SAME),
    ("int4range", "[1,5]", "'[1,5)'", Kind.OTHER),
    ("daterange", "[2024-01-01 10:00,2024-02-01)", "'[2024-01-01,2024-02-01)'", Kind.OTHER),
    ("daterange", "[2024-01-01,9999-12-31]", "'[2024-01-01,9999-12-31]'", SAME),
    ("daterange", "[2024-01-01,)", "'[2024-01-01,infinity)'", Kind.OTHER),
    ("daterange[]", '{"[2024-01-01,2024-01-31]"}', "ARRAY['[2024-01-01,2024-01-31]'::daterange]", SAME),
    ("numrange", "[1,2)", "'[1,NaN)'", Kind.OTHER),
    ("tsrange", "[2024-01-01 00:00:00.1234567,)", "'[2024-01-01 00:00:00.123457,)'", Kind.OTHER),
    ("tsrange", "[2024-01-01,2024-02-01)", "'[2024-01-01,infinity)'", Kind.OTHER),
    ("names", "[a,B)", '\'["","")\'', Kind.OTHER),
    ("names", "[B,a)", "'[B,b)'", Kind.OTHER),
    ("int4multirange", "{[3,4),[1,2]}", "'{[1,4)}'", SAME),
    ("int4multirange", "{[1,3),[5,7)}", "'{[1,7)}'", Kind.OTHER),
    ("double precision", "9007199254740993", "9007199254740992", Kind.LOST_DIGITS),
    ("jsonb", '{"a":1,"a":2}', """'{"a":2}'""", Kind.JSON_CHANGED),
    ("jsonb", '{"a":1,"a":"x\\"\\u003a"}', """'{"a":"x\\":"}'""", Kind.JSON_CHANGED),
    ("json", '{"a":3,"a":2}', """'{"a":1,"a":2}'""", Kind.JSON_CHANGED),
    ("json", '{"a":1,"a":2}', """'{"a":1,"a":2}'""", SAME),
    ("json", '{"a": 1}', """'{"a":1}'""", SAME),
    ("numeric", "1e99999999999999999999", "1", Kind.OTHER),
    ("integer", "9" * 5_000, "1", Kind.OTHER),
    ("tsvector", "a a", "'a'", Kind.OTHER),
    ("tsvector", "b a", "'a b'", SAME),
    ("point", "( 1.0 , 2 )", "'(1,2)'", SAME),
    ("point", "(1,2)", "'(2,1)'", Kind.OTHER),
    ("point[]", '{"(1,2)"}', "ARRAY['(1,3)'::point]", Kind.OTHER),
    ('"char"', "abc", "'a'", Kind.OTHER),
    ("name", "n" * 70, f"'{'n' * 63}'", Kind.OTHER),
)


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Database]:
    """One database for the module."""
    name = f"etl_test_{secrets.token_hex(6)}"
    server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield Database(server.admin.set(database=name).render_as_string(hide_password=False))
    finally:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def side_by_side(database: Database, folder: Path, columns: Sequence[str]) -> Report:
    """Each pair in a table of its own, with a key, without one, and as the key."""
    with sqlite(folder / "source.db") as connection:
        for place, (_, stored, _, _) in enumerate(PAIRS):
            for kind, definition in enumerate(columns):
                connection.execute(f"CREATE TABLE t{place}_{kind} ({definition})")
                connection.execute(f"INSERT INTO t{place}_{kind} VALUES (7, ?)", (stored,))
    made = [
        statement
        for place, (type_name, _, value, _) in enumerate(PAIRS)
        for kind, definition in enumerate(columns)
        for statement in (
            f"CREATE TABLE t{place}_{kind} ({definition.replace(' v', f' v {type_name}')})",
            f"INSERT INTO t{place}_{kind} VALUES (7, {value})",
        )
    ]
    execute(database, "DROP SCHEMA IF EXISTS public CASCADE", "CREATE SCHEMA public", *TYPES, *made)
    return etl.compare(folder / "source.db", database.url, report_folder=folder / "report")


@pytest.fixture(scope="module")
def compared(shared: Database, tmp_path_factory: pytest.TempPathFactory) -> Report:
    columns = ("id integer PRIMARY KEY, v", "id integer, v")
    return side_by_side(shared, tmp_path_factory.mktemp("pairs"), columns)


def kinds(report: Report, table: str) -> list[str]:
    assert report.folder is not None
    path = report.folder / "differences" / file_name(f"{table}.ndjson")
    return [json.loads(line)["kind"] for line in path.read_bytes().splitlines()] if path.exists() else []


@pytest.mark.parametrize("place", range(len(PAIRS)), ids=lambda place: f"{PAIRS[place][0]} {PAIRS[place][1]!s:.30}")
def test_one_value(compared: Report, place: int) -> None:
    expected = PAIRS[place][3]
    assert kinds(compared, f"t{place}_0") == ([expected] if expected else [])
    without_key = table_report(compared, f"t{place}_1")
    assert (without_key.matched_rows, without_key.missing_rows) == ((0, 1) if expected else (1, 0))


@pytest.mark.parametrize("key", ["id integer PRIMARY KEY", pytest.param("id integer", marks=nightly)])
def test_a_cast_does_not_shorten_large_values_either(shared: Database, tmp_path: Path, key: str) -> None:
    size = LARGE_BYTES + 1
    bits, texts, document = "1" * size, f"{{ {'a' * size} }}", '{"a":1,"a":"' + "b" * size + '"}'
    with sqlite(tmp_path / "source.db") as connection:
        connection.execute(f"CREATE TABLE t ({key}, bits, texts, document)")
        connection.execute("INSERT INTO t VALUES (1, ?, NULL, NULL)", (bits,))
        connection.execute("INSERT INTO t VALUES (2, NULL, ?, NULL)", (texts,))
        connection.execute("INSERT INTO t VALUES (3, NULL, NULL, ?)", (document,))
    execute(
        shared,
        "DROP SCHEMA IF EXISTS public CASCADE",
        "CREATE SCHEMA public",
        f"CREATE TABLE t ({key}, bits bit varying(3), texts text[], document jsonb)",
        f"INSERT INTO t VALUES (1, '111', NULL, NULL), (2, NULL, ARRAY[repeat('a', {size})], NULL)",
        f"INSERT INTO t VALUES (3, NULL, NULL, jsonb_build_object('a', repeat('b', {size})))",
    )
    report = etl.compare(tmp_path / "source.db", shared.url, report_folder=tmp_path / "report")
    assert table_report(report, "t").matched_rows == 1
    if "PRIMARY" in key:
        assert [(line["key"]["id"], line["column"]) for line in lines(report)] == [(1, "bits"), (3, "document")]


# -- any value of a type, in any spelling --------------------------------------------------------------------------


@dataclass(frozen=True)
class Generated:
    """Values of a type, the texts that mean one of them, and the text that PostgreSQL is given."""

    values: st.SearchStrategy[Any]
    spelled: Callable[[Any], Sequence[str]]
    written: Callable[[Any], str]


def clock_texts(value: time) -> list[str]:
    whole = value.isoformat("microseconds")
    return [whole, f"{whole}00"] + ([value.isoformat("minutes")] if not (value.second or value.microsecond) else [])


def interval_texts(value: tuple[int, int, int]) -> list[str]:
    months, days, seconds = value
    iso = f"P{months}M{days}DT{seconds}S"
    return [iso, f"{months} months {days} days {seconds} seconds", f"{months} mons {days} days {seconds} secs"]


def range_texts(value: tuple[int, int]) -> list[str]:
    low, high = value
    return [f"[{low},{high})", f"[{low},{high - 1}]", f"({low - 1},{high})"]


def day_range_texts(value: tuple[date, int]) -> list[str]:
    day, length = value
    return [f"[{day},{day + timedelta(length)})", f"[{day},{day + timedelta(length - 1)}]"]


def numbers_text(items: Sequence[int | None], null: str, mark: str) -> str:
    return "{" + mark.join(null if item is None else str(item) for item in items) + "}"


def quoted(part: str | None) -> str:
    if part is None:
        return "NULL"
    return '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'


SMALL = st.integers(-3, 3)
DAYS = st.dates(date(1, 1, 2), date(9990, 1, 1))
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
ADDRESSES = st.tuples(st.ip_addresses(v=4), st.sampled_from([8, 24, 32]))
GENERATED: dict[str, Generated] = {
    "date": Generated(DAYS, lambda day: [str(day), f"{day.year:04}-{day.month}-{day.day}"], str),
    "time": Generated(st.times(), clock_texts, str),
    "timetz": Generated(
        st.tuples(st.times(), st.integers(-12, 12)),
        lambda value: [f"{value[0]}{value[1]:+03}:00", f"{value[0]}{value[1]:+03}00", f"{value[0]} {value[1]:+03}"],
        lambda value: f"{value[0]}{value[1]:+03}",
    ),
    "interval": Generated(
        st.tuples(SMALL, SMALL, SMALL),
        interval_texts,
        lambda value: f"{value[0]} mon {value[1]} day {value[2]} sec",
    ),
    "money": Generated(
        st.decimals(-9999, 9999, places=2),
        lambda amount: [str(amount), f"{amount:.2f}0", str(amount).replace("-", "-$") if amount < 0 else f"${amount}"],
        str,
    ),
    "bit(3)": Generated(st.text("01", min_size=3, max_size=3), lambda bits: [bits], str),
    "bit varying(4)": Generated(st.text("01", max_size=4), lambda bits: [bits], str),
    "uuid": Generated(
        st.sampled_from([UUID(int=n) for n in (0, 1, 2**127 + 5)]) | st.uuids(),
        lambda value: [str(value), str(value).upper(), value.hex, f"{{{value}}}"],
        str,
    ),
    "inet": Generated(
        ADDRESSES,
        lambda value: [f"{value[0]}/{value[1]}"] + ([str(value[0])] if value[1] == 32 else []),
        lambda value: f"{value[0]}/{value[1]}",
    ),
    "cidr": Generated(
        st.integers(0, 255).map(lambda part: IPv4Address(part << 24)),
        lambda value: [f"{value}/8"],
        lambda value: f"{value}/8",
    ),
    "macaddr": Generated(
        st.binary(min_size=6, max_size=6),
        lambda octets: [octets.hex(), octets.hex(":").upper(), octets.hex("-")],
        lambda octets: octets.hex(":"),
    ),
    "oid": Generated(st.integers(0, 2**32 - 1), lambda number: [str(number), f"0{number}"], str),
    "integer[]": Generated(
        st.lists(st.none() | SMALL, max_size=3),
        lambda items: [numbers_text(items, "null", ","), numbers_text(items, "NULL", " , ")],
        lambda items: numbers_text(items, "NULL", ","),
    ),
    "text[]": Generated(
        st.lists(st.none() | WORDS, max_size=3),
        lambda items: ["{" + ",".join(map(quoted, items)) + "}"],
        lambda items: "{" + ", ".join(map(quoted, items)) + "}",
    ),
    "numeric(6,2)[]": Generated(
        st.lists(st.decimals(-99, 99, places=2), max_size=2),
        lambda items: ["{" + ",".join(map(str, items)) + "}", "{" + ",".join(f"{item}00" for item in items) + "}"],
        lambda items: "{" + ",".join(map(str, items)) + "}",
    ),
    "int4range": Generated(st.tuples(SMALL, st.integers(4, 6)), range_texts, lambda value: f"[{value[0]},{value[1]})"),
    "daterange": Generated(
        st.tuples(DAYS, st.integers(1, 3)), day_range_texts, lambda value: day_range_texts(value)[0]
    ),
    "tsrange": Generated(
        st.datetimes(datetime(1, 1, 2), datetime(9990, 1, 1)),
        lambda moment: [f"[{moment},)", f'["{moment}",]', f"[{moment.isoformat()},)"],
        lambda moment: f"[{moment},)",
    ),
    "int4multirange": Generated(
        st.frozensets(st.integers(0, 5)),
        lambda numbers: ["{" + ",".join(f"[{n},{n + 1})" for n in numbers) + "}"],
        lambda numbers: "{" + ",".join(f"[{n},{n}]" for n in sorted(numbers)) + "}",
    ),
    "amount": Generated(
        st.tuples(st.none() | st.decimals(-99, 99, places=2), st.none() | st.text("ab ", max_size=3)),
        lambda value: [row_text(value), row_text((None if value[0] is None else Decimal(f"{value[0]}0"), value[1]))],
        lambda value: row_text(value),
    ),
    "mood": Generated(st.sampled_from(["sad", "ok", "very ok"]), lambda label: [label], str),
    "code": Generated(st.text("ab", max_size=3), lambda word: [word], str),
    "price": Generated(
        st.decimals(-99, 99, places=2),
        lambda value: [str(value), f"{value}0", f"+{value}" if value > 0 else str(value)],
        str,
    ),
    "jsonb": Generated(
        st.dictionaries(st.text("ab", min_size=1, max_size=2), st.booleans() | SMALL, max_size=3),
        lambda found: [json.dumps(found), json.dumps(found, indent=1), json.dumps(dict(reversed(found.items())))],
        json.dumps,
    ),
    "point": Generated(
        st.tuples(SMALL, SMALL), lambda value: [f"({value[0]},{value[1]})", f"( {value[0]}.0 , {value[1]} )"], str
    ),
}


def row_text(fields: Sequence[object]) -> str:
    return "(" + ",".join("" if field is None else quoted(str(field)) for field in fields) + ")"


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            name: generated.values.flatmap(
                lambda one, of=generated: st.tuples(  # type: ignore[misc]
                    st.just(one), st.sampled_from(of.spelled(one)), st.just(one) | of.values
                )
            )
            for name, generated in GENERATED.items()
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=ROWS)
def test_equal_exactly_where_the_values_are(shared: Database, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    names = list(GENERATED)
    listed = ", ".join(f"c{place}" for place in range(len(names)))
    folder = tmp_path / secrets.token_hex(4)
    folder.mkdir()
    marks = ", ".join("?" * (len(names) + 1))
    with sqlite(folder / "source.db") as connection:
        connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {listed})")
        texts = [[row[name][1] for name in names] for row in rows]
        connection.executemany(f"INSERT INTO t VALUES ({marks})", [(place, *row) for place, row in enumerate(texts)])
    columns = ", ".join(f"c{place} {name}" for place, name in enumerate(names))
    inserts = [
        f"INSERT INTO t VALUES ({place}, {', '.join(literal(GENERATED[name].written(row[name][2])) for name in names)})"
        for place, row in enumerate(rows)
    ]
    made = f"CREATE TABLE t (id integer PRIMARY KEY, {columns})"
    execute(shared, "DROP SCHEMA IF EXISTS public CASCADE", "CREATE SCHEMA public", *TYPES, made, *inserts)
    report = etl.compare(folder / "source.db", shared.url, report_folder=folder / "report")
    found = {(line["key"]["id"], line["column"]) for line in lines(report)}
    expected = {
        (place, f"c{number}")
        for place, row in enumerate(rows)
        for number, name in enumerate(names)
        if row[name][0] != row[name][2]
    }
    assert found == expected


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def lines(report: Report) -> list[dict[str, Any]]:
    assert report.folder is not None
    path = report.folder / "differences" / file_name("t.ndjson")
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
