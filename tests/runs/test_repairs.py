"""From end to end: what would be rejected is altered where a repair is allowed, counted everywhere, and proved apart.

Each line is a stored value, what has to be in the target afterwards (None: the row is rejected; NULL: a NULL is there),
and the repair that the report names; None: the value arrives as it is.
"""

import json
import shlex
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.commands import Commands, commands
from support.database import Database
from support.loads import rejects, table_report
from support.sources import make_sqlite, sqlite
from support.targets import execute, query, value

import etl
from etl.core.errors import UsageError
from etl.core.repairs import Repair, Wish
from etl.core.report import Outcome
from etl.core.values import LARGE_BYTES, UndecodableText
from etl.planning.wishes import NAMES, read_wish, read_wishes

Stored = str | int | float | bytes | None
NULL = "a NULL"
Line = tuple[Stored, str | None, str | None]
Case = tuple[str, str, Sequence[Line]]

UUID = bytes(range(16))
FAMILY = "👨‍👩‍👧"
__all__ = ["commands"]  # a fixture
TYPES = (
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE DOMAIN price AS numeric(10,2)",
    "CREATE DOMAIN code AS varchar(3)",
)
CASES: Sequence[Case] = (
    ("text", "nul", [("a\0b\0", "ab", "nul"), ("ab", "ab", None), ("\0", "", "nul"), (b"x", None, None)]),
    ("jsonb", "nul", [('{"a\\u0000":"\\u0000b"}', '{"a": "b"}', "nul"), ('["\\\\u0000"]', '["\\\\u0000"]', None)]),
    ("jsonb", "nul", [("[1.50]\0", "[1.50]", "nul"), ('{"a":1,"a\\u0000":2}', None, None), ("\0", None, None)]),
    ("mood", "nul", [("o\0k", "ok", "nul"), ("ok", "ok", None)]),
    ("text[]", "nul", [("{a\0b}", "{ab}", "nul")]),
    ("text", "utf8", [(UndecodableText(b"caf\xe9 \x80"), "café €", "utf8 (Windows-1252)"), ("é", "é", None)]),
    ("text", "utf8", [(UndecodableText(b"a\x81b"), "a\ufffdb", "utf8 (U+FFFD)"), (b"\xff", None, None)]),
    ("jsonb", "utf8", [(UndecodableText(b'"\xe9"'), '"é"', "utf8 (Windows-1252)")]),
    ("jsonb", "surrogates", [('"\\ud800x"', '"\ufffdx"', "surrogates"), ('"\\ud83d\\ude00"', '"😀"', None)]),
    ("jsonb", "surrogates", [('{"\\udc00": 1.0}', '{"\ufffd": 1.0}', "surrogates")]),
    ("text", "blob-text", [(b"caf\xc3\xa9", "café", "blob-text"), (b"\xff", None, None), (7, "7", None)]),
    ("jsonb", "blob-text", [(b'{"a":[1]}', '{"a": [1]}', "blob-text"), (b"{", None, None)]),
    ("uuid", "uuid-blob", [(UUID, "00010203-0405-0607-0809-0a0b0c0d0e0f", "uuid-blob"), (UUID[1:], None, None)]),
    ("uuid", "uuid-blob-le", [(UUID, "03020100-0504-0706-0809-0a0b0c0d0e0f", "uuid-blob-le")]),
    (
        "timestamptz",
        "excess-digits",
        [
            ("2024-01-01 10:00:00.1234567", "2024-01-01 10:00:00.123456+00", "excess-digits"),
            ("2024-01-01 10:00:00.1234567+02:00", "2024-01-01 08:00:00.123456+00", "excess-digits"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31 23:59:59.999999+00", "excess-digits"),
            ("2024-01-01 10:00:00.1234560", "2024-01-01 10:00:00.123456+00", None),
        ],
    ),
    ("timestamp(0)", "excess-digits", [("2024-12-31 23:59:59.9", "2024-12-31 23:59:59", "excess-digits")]),
    ("timestamp(0)", "excess-digits", [(1700000000123, "2023-11-14 22:13:20", "excess-digits")]),
    ("timestamp(3)", "excess-digits", [(1700000000.1239, "2023-11-14 22:13:20.123", "excess-digits")]),
    ("timestamptz", "excess-digits", [(1700000000123456789, "2023-11-14 22:13:20.123456+00", "excess-digits")]),
    ("time(2)", "excess-digits", [("10:00:01.239", "10:00:01.23", "excess-digits"), ("24:00:00.001", None, None)]),
    ("timetz", "excess-digits", [("10:00:00.1234567+02", "10:00:00.123456+02", "excess-digits")]),
    (
        "interval",
        "excess-digits",
        [
            ("1:02:03.1234567", "01:02:03.123456", "excess-digits"),
            ("PT0.0000009S", "00:00:00", "excess-digits"),
            ("-1 day -0:00:01.5555555", "-1 days -00:00:01.555555", "excess-digits"),
        ],
    ),
    (
        "numeric(10,2)",
        "excess-digits",
        [
            (0.30000000000000004, "0.30", "excess-digits"),
            ("1.005", "1.00", "excess-digits"),
            ("1.015", "1.02", "excess-digits"),
            ("-1.0051", "-1.01", "excess-digits"),
            ("1.234e1", "12.34", None),
            ("1.2345e1", "12.34", "excess-digits"),
            ("-0.001", "0.00", "excess-digits"),
            ("99999999.999", None, None),
            ("1e-99", "0.00", "excess-digits"),
        ],
    ),
    ("price", "excess-digits", [("1.005", "1.00", "excess-digits"), (7, "7.00", None)]),
    ("numeric(4,-2)", "excess-digits", [(1234, None, None), (1200, "1200", None)]),
    ("money", "excess-digits", [("12.345", "$12.34", "excess-digits"), ("$0.005", None, None)]),
    ("double precision", "excess-digits", [("0.1234567890123456789", "0.12345678901234568", "excess-digits")]),
    ("double precision", "excess-digits", [("9007199254740993", None, None), ("1e400", None, None)]),
    ("integer", "excess-digits", [("1.5", None, None)]),
    ("integer", "empty-null", [("", NULL, "empty-null"), ("7", "7", None), (" ", None, None)]),
    ("date", "empty-null", [("", NULL, "empty-null")]),
    ("jsonb", "empty-null", [("", NULL, "empty-null"), ('""', '""', None)]),
    ("inet", "empty-null", [("", NULL, "empty-null")]),
    ("text", "empty-null", [("", "", None)]),
    ("bit(3)", "empty-null", [("", NULL, "empty-null"), ("1", None, None)]),
    (
        "timestamptz",
        "zero-date",
        [
            ("0000-00-00 00:00:00", NULL, "zero-date"),
            ("0000-00-00T00:00:00.000Z", NULL, "zero-date"),
            ("0000-00-00", NULL, "zero-date"),
            ("0000-00-00 00:00 +00:00", NULL, "zero-date"),
            ("0000-01-01", None, None),
            ("2024-00-00", None, None),
            ("0000-00-00 10:00:00", None, None),
        ],
    ),
    ("date", "zero-date", [("0000-00-00", NULL, "zero-date"), ("0000-00-00 00:00:00", NULL, "zero-date")]),
    (
        "boolean",
        "bool-words",
        [("Yes", "true", "bool-words"), ("N", "false", "bool-words"), ("on", "true", "bool-words"), ("ok", None, None)],
    ),
    (
        "jsonb",
        "json-twice=first",
        [
            ('{"a":1,"b":2,"a":3}', '{"a": 1, "b": 2}', "json-twice=first"),
            ('[{"x":{"a":1.10,"\\u0061":2}}]', '[{"x": {"a": 1.10}}]', "json-twice=first"),
        ],
    ),
    (
        "jsonb",
        "json-twice=last",
        [
            ('{"a":1,"b":[{}],"a":{"c":3,"c":4}}', '{"a": {"c": 4}, "b": [{}]}', "json-twice=last"),
            ('{"a": "}", "a": "{,\\""}', '{"a": "{,\\""}', "json-twice=last"),
            ("{", None, None),
        ],
    ),
    ("json", "json-twice=last", [('{"a":1,"a":2}', '{"a":1,"a":2}', None)]),
    ("jsonb", "json-text", [('say "x"\n', '"say \\"x\\"\\n"', "json-text"), ("7", "7", None), ("", '""', "json-text")]),
    (
        "text[]",
        "array-json",
        [
            ('["a","b,\\"c\\"",null,"NULL",1.50,true]', '{a,"b,\\"c\\"",NULL,"NULL",1.50,true}', "array-json"),
            ("[]", "{}", "array-json"),
            ('["\\\\", "", "{}"]', '{"\\\\","","{}"}', "array-json"),
            ('[["a"]]', None, None),
            ('[{"a":1}]', None, None),
            ("{a}", "{a}", None),
        ],
    ),
    ("integer[]", "array-json", [("[1, 2,null]", "{1,2,NULL}", "array-json"), ("[1.5]", None, None)]),
    ("jsonb[]", "array-json", [('[{"a":[1]},null]', '{"{\\"a\\": [1]}","null"}', "array-json")]),
    ("boolean[]", "array-json", [("[true,false]", "{t,f}", "array-json")]),
    (
        "varchar(3)",
        "truncate",
        [
            ("abcd", "abc", "truncate"),
            ("ab" + FAMILY, "ab", "truncate"),
            ("e\u0301e\u0301", "e\u0301", "truncate"),
            (FAMILY, None, None),
            ("abc", "abc", None),
            (1234, None, None),
        ],
    ),
    ("code", "truncate", [("abcd", "abc", "truncate")]),
    ("char(3)", "truncate", [("abcd", "abc", "truncate")]),
    ("integer", "trim", [(" 7\t", "7", "trim"), ("\u00a07\ufeff", "7", "trim"), ("7 8", None, None)]),
    ("varchar(3)", "trim", [(" abc ", "abc", "trim"), (" a ", " a ", None), ("abcd ", None, None)]),
    ("timestamptz", "trim", [("2024-01-01 10:00\n", "2024-01-01 10:00:00+00", "trim")]),
    ("jsonb", "trim", [("\x0b[1]", "[1]", "trim"), (" [1] ", "[1]", None)]),
    ("uuid", "trim", [(f" {'0' * 32} ", "00000000-0000-0000-0000-000000000000", "trim")]),
    # Several for one value, no more than needed:
    ("varchar(3)", "nul trim truncate", [("\0 abcde", "abc", "nul + trim + truncate"), ("abc\0", "abc", "nul")]),
    ("varchar(3)", "trim truncate", [("abc ", "abc", "trim"), (" abcd", "abc", "trim + truncate")]),
    (
        "jsonb",
        "nul surrogates json-twice=last json-text blob-text utf8 empty-null",
        [
            ('{"a":"\\ud800","a":"\\u0000"}', '{"a": ""}', "json-twice=last + nul"),
            (b"x\0", '"x"', "blob-text + json-text + nul"),
            (UndecodableText(b"\xe9"), '"é"', "json-text + utf8 (Windows-1252)"),
            ("", NULL, "empty-null"),
            ('{"a":1}', '{"a": 1}', None),
        ],
    ),
    ("integer", "trim empty-null", [("  ", NULL, "empty-null + trim")]),
    ("timestamptz", "trim excess-digits zero-date empty-null", [(" 0000-00-00 ", NULL, "trim + zero-date")]),
    ("text[]", "array-json utf8", [(UndecodableText(b'["\xe9"]'), "{é}", "array-json + utf8 (Windows-1252)")]),
)


def fill(path: Path, values: Sequence[Sequence[Stored]]) -> None:
    """One table for each list of values, in a column without affinity: SQLite keeps them as they are."""
    with sqlite(path) as connection:
        for place, column in enumerate(values):
            connection.execute(f"CREATE TABLE t{place} (id INTEGER PRIMARY KEY, v)")
            for number, stored in enumerate(column):
                mark = "CAST(? AS TEXT)" if isinstance(stored, UndecodableText) else "?"
                connection.execute(f"INSERT INTO t{place} VALUES (?, {mark})", (number, stored))


def tables_of(types: Sequence[str]) -> list[str]:
    return [f"CREATE TABLE t{place} (id integer PRIMARY KEY, v {name})" for place, name in enumerate(types)]


def wishes_of(cases: Sequence[Case]) -> list[str]:
    """Each repair for the one column of its case."""
    return [
        str(Wish(read_wish(name).repair, (f"t{place}.v",)))
        for place, (_, names, _) in enumerate(cases)
        for name in names.split()
    ]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repairs") / "source.db"
    fill(path, [[stored for stored, _, _ in lines] for _, _, lines in CASES])
    return path


@pytest.mark.parametrize("keep_constraints", [False, True], ids=["fast", "staged"])
def test_values_are_altered_as_allowed_and_proved(
    database: Database, source: Path, tmp_path: Path, keep_constraints: bool
) -> None:
    execute(database, *TYPES, *tables_of([name for name, _, _ in CASES]))
    repair = wishes_of(CASES)
    report = etl.migrate(
        source,
        database.url,
        validate=False,
        keep_constraints=keep_constraints,
        repair=repair,
        report_folder=tmp_path / "report",
    )
    wrong = []
    for place, (name, _, lines) in enumerate(CASES):
        there = dict(query(database, f"SELECT id, coalesce(v::text, '{NULL}') FROM t{place}"))
        wrong += [
            (name, stored, there.get(number, "rejected"), wanted)
            for number, (stored, wanted, _) in enumerate(lines)
            if there.get(number) != wanted
        ]
        told = {line["key"]["id"]: line["repair"] for line in rejects(report, f"t{place}", "altered")}
        assert told == {number: words for number, (_, _, words) in enumerate(lines) if words}, name
        rows = table_report(report, f"t{place}")
        assert (rows.altered_rows, rows.rejected_rows) == (len(told), len(lines) - len(there)), name
        assert rows.matched_rows == len(there), name
    assert not wrong
    frame = report.frames.altered
    assert frame[frame["values"] != frame["confirmed"]].to_numpy().tolist() == []
    assert frame["values"].sum() == sum(words is not None for _, _, lines in CASES for _, _, words in lines)

    again = etl.migrate(source, database.url, validate=False, repair=repair, report_folder=tmp_path / "again")
    assert again.total("loaded_rows") == again.total("present_different_rows") == again.total("different_rows") == 0
    assert again.frames.altered.equals(frame)

    compared = etl.compare(source, database.url, load_report=tmp_path / "report", report_folder=tmp_path / "compared")
    assert not [table for table in compared.tables if table.different_rows or table.missing_rows or table.extra_rows]
    assert compared.frames.altered["confirmed"].tolist() == frame["values"].tolist()
    unaware = etl.compare(source, database.url, report_folder=tmp_path / "unaware")
    found = {table.name: table.different_rows for table in unaware.tables if table.different_rows}
    assert found == {
        f"t{place}": count
        for place, (_, _, lines) in enumerate(CASES)
        if (count := sum(words is not None for _, _, words in lines))
    }


def test_rejects_name_the_repairs_that_let_them_in(database: Database, source: Path, tmp_path: Path) -> None:
    """Whatever is suggested is allowed then, and all of those rows arrive."""
    execute(database, *TYPES, *tables_of([name for name, _, _ in CASES]))
    foretold = etl.migrate(source, database.url, validate=False, dry_run=True, report_folder=tmp_path / "dry")
    helpful = foretold.repairs
    assert helpful["rows"].sum() >= helpful["alone_rows"].sum() > 50
    lines = [line for place in range(len(CASES)) for line in rejects(foretold, f"t{place}")]
    hopeful = {(line["table"], line["row_number"]) for line in lines if line["repair"]}
    assert len(hopeful) == sum(group.repairable_rows for group in foretold.rejects)
    options = [part for option in helpful["option"] for part in shlex.split(option) if part != "--repair"]
    report = etl.migrate(source, database.url, validate=False, repair=options, report_folder=tmp_path / "report")
    left = [line for place in range(len(CASES)) for line in rejects(report, f"t{place}")]
    assert {(line["table"], line["row_number"]) for line in left} == {
        (line["table"], line["row_number"]) for line in lines if not line["repair"]
    }
    assert report.repairs.empty


DIFFERENT: Sequence[tuple[str, str, Stored, str]] = (
    ("text", "nul", "a\0b", "'a b'"),
    ("text", "nul", "a\0b", "'a'"),
    ("text", "nul", "ab", "'a'"),
    ("jsonb", "nul", '"a\\u0000b"', """'"a"'"""),
    ("text", "utf8", UndecodableText(b"\xe9"), "U&'\\FFFD'"),
    ("text", "utf8", UndecodableText(b"\x81\xe9"), "'é'"),
    ("text", "blob-text", b"ab", "'a'"),
    ("uuid", "uuid-blob", UUID, "'03020100-0504-0706-0809-0a0b0c0d0e0f'"),
    ("uuid", "uuid-blob-le", UUID, "'00010203-0405-0607-0809-0a0b0c0d0e0f'"),
    ("numeric(10,2)", "excess-digits", "1.005", "1.01"),
    ("numeric(10,2)", "excess-digits", "1.015", "1.01"),
    ("numeric(10,2)", "excess-digits", "1.01", "1.02"),
    ("timestamp", "excess-digits", "2024-01-01 00:00:00.1234567", "'2024-01-01 00:00:00.123457'"),
    ("timestamp(0)", "excess-digits", 1700000000999, "'2023-11-14 22:13:21'"),
    ("time(0)", "excess-digits", "10:00:00.9", "'10:00:01'"),
    ("integer", "empty-null", "", "0"),
    ("integer", "empty-null", "7", "NULL"),
    ("integer", "empty-null", " ", "NULL"),
    ("date", "zero-date", "0000-00-00", "'0001-01-01'"),
    ("date", "zero-date", "2024-01-01", "NULL"),
    ("boolean", "bool-words", "yes", "false"),
    ("boolean", "bool-words", "ja", "true"),
    ("jsonb", "json-twice=first", '{"a":1,"a":2}', """'{"a":2}'"""),
    ("jsonb", "json-twice=last", '{"a":1,"a":2}', """'{"a":1}'"""),
    ("jsonb", "json-text", "x", """'"y"'"""),
    ("jsonb", "json-text", "[1]", """'"[1]"'"""),
    ("text[]", "array-json", '["a","b"]', "'{b,a}'"),
    ("text[]", "array-json", "[null]", """'{"null"}'"""),
    ("text[]", "array-json", '[["a"]]', "'{a}'"),
    ("varchar(4)", "truncate", "ab" + FAMILY, f"'ab{FAMILY[0]}'"),
    ("varchar(4)", "truncate", "abcdef", "'abc'"),
    ("varchar(4)", "truncate", "abcd", "'abc'"),
    ("text", "trim", " a ", "'a'"),
    ("varchar(4)", "trim", " a ", "'a'"),
    ("integer", "trim", " 7 ", "8"),
    ("jsonb", "surrogates", '"\\ud800"', """'"?"'"""),
)
"""Type, repair, what SQLite holds, and what the repair does not make of it, as SQL."""


def test_what_a_repair_does_not_lead_to_is_different(database: Database, tmp_path: Path) -> None:
    fill(tmp_path / "source.db", [[stored] for _, _, stored, _ in DIFFERENT])
    inserts = [f"INSERT INTO t{place} VALUES (0, {other})" for place, (_, _, _, other) in enumerate(DIFFERENT)]
    execute(database, *tables_of([name for name, _, _, _ in DIFFERENT]), *inserts)
    repair = wishes_of([(name, repair, ()) for name, repair, _, _ in DIFFERENT])
    report = etl.compare(tmp_path / "source.db", database.url, repair=repair, report_folder=tmp_path / "report")
    assert [DIFFERENT[int(table.name[1:])] for table in report.tables if table.different_rows != 1] == []
    assert report.frames.altered.empty


# -- keys and references ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "repair", "stored", "there"),
    [
        ("uuid", "uuid-blob", [UUID, "f" * 32, UUID[::-1]], 3),
        ("text", "nul", ["b", "a\0", "c\0d"], 3),
        ("text", "utf8", ["b", UndecodableText(b"\xe9"), "a"], 3),
        ("integer", "trim", [" 3 ", 2, "1 "], 3),
        ("varchar(3)", "trim", ["  abc", "b", "a"], 3),
    ],
)
def test_keys_are_altered_and_found_again(
    database: Database, tmp_path: Path, type_: str, repair: str, stored: Sequence[Stored], there: int
) -> None:
    fill(tmp_path / "source.db", [stored])
    make_sqlite(tmp_path / "source.db", "CREATE TABLE k (v, id)", "INSERT INTO k SELECT v, id FROM t0", "DROP TABLE t0")
    execute(database, f"CREATE TABLE k (v {type_} PRIMARY KEY, id integer)")
    for folder in ("first", "second"):
        report = etl.migrate(
            tmp_path / "source.db", database.url, repair=repair, validate=False, report_folder=tmp_path / folder
        )
        assert (report.exit_code, report.total("matched_rows")) == (0, there)
        assert (report.frames.altered["values"] == report.frames.altered["confirmed"]).all()
    without_key = etl.compare(tmp_path / "source.db", database.url, repair=repair, report_folder=tmp_path / "alone")
    assert without_key.exit_code == 0
    execute(database, "ALTER TABLE k DROP CONSTRAINT k_pkey")  # now as a multiset of whole rows
    assert etl.compare(tmp_path / "source.db", database.url, repair=repair, report_folder=tmp_path / "rows").settled


@pytest.mark.parametrize("keep_constraints", [False, True], ids=["fast", "staged"])
def test_a_key_that_a_repair_makes_equal_is_rejected(
    database: Database, tmp_path: Path, keep_constraints: bool
) -> None:
    """The altered row gives way, wherever it stands; nothing is merged, and a second run says the same."""
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE k (v TEXT, u TEXT, what TEXT)",
        "INSERT INTO k VALUES ('a' || char(0), 'x', 'altered'), ('a', 'y', 'plain'), ('b' || char(0), 'z', 'alone')",
        "INSERT INTO k VALUES ('c', 'u' || char(0), 'altered'), ('d', 'u', 'plain')",
    )
    execute(database, "CREATE TABLE k (v text PRIMARY KEY, u text UNIQUE, what text)")
    for folder in ("first", "second"):
        report = etl.migrate(
            source,
            database.url,
            repair="nul",
            validate=False,
            keep_constraints=keep_constraints,
            report_folder=tmp_path / folder,
        )
        told = [(line["row_number"], line["code"]) for line in rejects(report, "k")]
        assert told[0] == (1, "duplicate_in_source")
        assert [number for number, _ in told] == [1, 4]
        assert [line["row_number"] for line in rejects(report, "k", "altered")] == [3]
        assert (table_report(report, "k").altered_rows, table_report(report, "k").matched_rows) == (1, 3)
        assert query(database, "SELECT v, what FROM k ORDER BY v") == [("a", "plain"), ("b", "alone"), ("d", "plain")]


def test_a_key_is_never_truncated(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE p (v TEXT, u TEXT)",
        "CREATE TABLE c (p TEXT)",
        "INSERT INTO p VALUES ('abcd', 'x'), ('b', 'abcd')",
    )
    execute(
        database,
        "CREATE TABLE p (v varchar(3) PRIMARY KEY, u varchar(3) UNIQUE)",
        "CREATE TABLE c (p varchar(3) REFERENCES p)",
    )
    report = etl.migrate(source, database.url, repair="truncate=p.v,p.u,c.p", validate=False, report_folder=tmp_path)
    assert report.total("rejected_rows") == 2
    assert report.repairs.empty
    assert sum("the column is part of a key" in remark for remark in report.remarks) == 3


ORPHANS = (
    "CREATE TABLE parent (id INTEGER, name TEXT)",
    "INSERT INTO parent VALUES (1, 'fine'), (2, 'rejected' || char(0))",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, parent, other INTEGER)",
    "INSERT INTO child VALUES (1, 1, 1), (2, 2, NULL), (3, 99, NULL), (4, NULL, 4), (5, 98, 5), (6, ' 97 ', 6)",
)
ORPHANS_TARGET = (
    "CREATE TABLE parent (id integer PRIMARY KEY, name text)",
    "CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent, other integer REFERENCES child)",
)


@pytest.mark.parametrize("keep_constraints", [False, True], ids=["fast", "staged"])
def test_references_to_nobody_become_null(database: Database, tmp_path: Path, keep_constraints: bool) -> None:
    """But not those to a parent that was rejected: it may still come."""
    source = make_sqlite(tmp_path / "source.db", *ORPHANS)
    execute(database, *ORPHANS_TARGET)
    foretold = etl.migrate(source, database.url, dry_run=True, validate=False, report_folder=tmp_path / "foretold")
    assert "--repair orphan-null=child.parent" in foretold.repairs["option"].tolist()
    repair = ["orphan-null", "trim"]
    dry = etl.migrate(source, database.url, dry_run=True, repair=repair, validate=False, report_folder=tmp_path / "dry")
    for folder in ("first", "second"):
        report = etl.migrate(
            source,
            database.url,
            repair=repair,
            validate=False,
            keep_constraints=keep_constraints,
            report_folder=tmp_path / folder,
        )
        assert query(database, "SELECT id, parent, other FROM child ORDER BY id") == [
            (1, 1, 1),
            (3, None, None),
            (4, None, 4),
            (5, None, 5),
            (6, None, 6),
        ]
        assert [line["code"] for line in rejects(report, "child")] == ["parent_rejected"]
        altered = {line["row_number"]: line for line in rejects(report, "child", "altered")}
        assert {number: (line["before"], line["after"], line["repair"]) for number, line in altered.items()} == {
            3: (99, None, "orphan-null"),
            5: (98, None, "orphan-null"),
            6: (" 97 ", None, "orphan-null"),
        }
        assert report.frames.altered[["values", "confirmed"]].to_numpy().tolist() == [[3, 3]]
        assert table_report(report, "child").present_different_rows == 0
    assert dry.frames.altered["values"].tolist() == [3]
    assert dry.total("rejected_rows") == report.total("rejected_rows") == 2
    execute(database, "INSERT INTO parent VALUES (99, 'came later')")
    late = etl.compare(source, database.url, repair=repair, report_folder=tmp_path / "late")
    assert table_report(late, "child").different_rows == 1, "the parent exists by now"


def test_references_of_two_columns_become_null_in_what_may_be(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE parent (a INTEGER, b INTEGER)",
        "INSERT INTO parent VALUES (1, 1)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER)",
        "INSERT INTO child VALUES (1, 1, 1), (2, 1, 2), (3, 7, NULL)",
        "CREATE TABLE required (id INTEGER PRIMARY KEY, a INTEGER)",
        "INSERT INTO required VALUES (1, 5)",
        "CREATE TABLE whole (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER)",
        "INSERT INTO whole VALUES (1, 1, 2), (2, 1, 1)",
    )
    execute(
        database,
        "CREATE TABLE parent (a integer UNIQUE, b integer, PRIMARY KEY (a, b))",
        "CREATE TABLE child (id integer PRIMARY KEY, a integer NOT NULL, b integer, "
        "FOREIGN KEY (a, b) REFERENCES parent)",
        "CREATE TABLE required (id integer PRIMARY KEY, a integer NOT NULL REFERENCES parent (a))",
        "CREATE TABLE whole (id integer PRIMARY KEY, a integer, b integer, "
        "FOREIGN KEY (a, b) REFERENCES parent MATCH FULL)",
    )
    report = etl.migrate(source, database.url, repair="orphan-null", validate=False, report_folder=tmp_path / "report")
    assert query(database, "SELECT * FROM child ORDER BY 1") == [(1, 1, 1), (2, 1, None), (3, 7, None)]
    assert query(database, "SELECT * FROM whole ORDER BY 1") == [(1, None, None), (2, 1, 1)]
    assert [line["code"] for line in rejects(report, "required")] == ["parent_missing"]
    assert report.frames.altered[["table", "column", "values", "confirmed"]].to_numpy().tolist() == [
        ["child", "b", 1, 1],
        ["whole", "a", 1, 1],
        ["whole", "b", 1, 1],
    ]


# -- how it is asked for ------------------------------------------------------------------------------------------


@pytest.fixture
def small(database: Database, tmp_path: Path) -> Path:
    execute(database, "CREATE TABLE posts (id integer PRIMARY KEY, body text NOT NULL, note varchar(3), made date)")
    return make_sqlite(
        tmp_path / "small.db",
        "CREATE TABLE Posts (id INTEGER PRIMARY KEY, body TEXT, note TEXT, made TEXT)",
        "INSERT INTO Posts VALUES (1, 'a' || char(0), 'long', ''), (2, 'b', 'ok', '2024-01-01')",
    )


def test_a_map_allows_repairs_too(database: Database, small: Path, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        '[repair]\nnul = true\ntruncate = ["Posts.note"]\nempty-null = "posts.MADE"\njson-twice = "last"\n'
    )
    report = etl.migrate(
        small, database.url, mapping=tmp_path / "map.toml", validate=False, report_folder=tmp_path / "r"
    )
    assert report.exit_code == 0
    assert sorted(report.allowed_repairs) == ["empty-null=Posts.made", "json-twice=last", "nul", "truncate=Posts.note"]
    assert report.remarks == ("--repair json-twice=last matched nothing",)
    opened = etl.open_report(tmp_path / "r")
    assert opened.altered == report.altered
    assert opened.allowed_repairs == report.allowed_repairs


def test_repairs_that_match_nothing_say_why(database: Database, small: Path, tmp_path: Path) -> None:
    repair = ["nul=Posts.body,Posts.note", "empty-null=Posts.body", "truncate=Posts.id", "utf8", "orphan-null=Posts.id"]
    report = etl.migrate(small, database.url, repair=repair, validate=False, report_folder=tmp_path / "r")
    assert report.remarks == (
        "--repair nul=Posts.body matched nothing",
        "--repair nul=Posts.note matched nothing",
        "--repair empty-null=Posts.body matched nothing: it is not for text",
        "--repair truncate=Posts.id matched nothing: it is not for integer",
        "--repair utf8 matched nothing",
        "--repair orphan-null=Posts.id matched nothing: the column is NOT NULL",
    )
    assert report.frames.altered.empty, "row 1 needs more than these, so nothing of it is altered"
    assert not (tmp_path / "r" / "altered").exists()
    (group,) = report.rejects
    assert group.repair is None or "nul" not in group.repair
    assert set(report.repairs["option"]) == {"--repair truncate=Posts.note", "--repair empty-null=Posts.made"}


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("truncat", "did you mean 'truncate'?"),
        ("nul=posts", "'posts' is not TABLE.COLUMN"),
        ("nul=Posts.bodi", "did you mean 'Posts.body'?"),
        ("json-twice", "json-twice=first or =last"),
        ("json-twice=first,last", "json-twice=first or =last"),
        (["uuid-blob", "uuid-blob-le"], "exclude each other"),
        (["json-twice=first,Posts.body", "json-twice=last,posts.body"], "of Posts.body exclude each other"),
    ],
)
def test_what_there_is_not_is_told_with_the_nearest(
    database: Database, small: Path, tmp_path: Path, wish: str | list[str], words: str
) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        etl.migrate(small, database.url, repair=wish, validate=False, report_folder=tmp_path / "r")
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        etl.compare(small, database.url, repair=wish, report_folder=tmp_path / "r")
    assert value(database, "SELECT count(*) FROM posts") == 0


def test_a_column_wins_over_what_is_said_of_all(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (a BLOB, b BLOB)",
        f"INSERT INTO t VALUES (x'{UUID.hex()}', x'{UUID.hex()}')",
    )
    execute(database, "CREATE TABLE t (a uuid, b uuid)")
    etl.migrate(source, database.url, repair=["uuid-blob", "uuid-blob-le=t.b"], validate=False, report_folder=tmp_path)
    assert query(database, "SELECT a::text, b::text FROM t") == [
        ("00010203-0405-0607-0809-0a0b0c0d0e0f", "03020100-0504-0706-0809-0a0b0c0d0e0f")
    ]


def test_every_wish_can_be_read_again() -> None:
    wishes = [Wish(repair, places) for repair in Repair for places in ((), ("a.b",), ("a.b", "c d.e"))]
    assert [read_wish(str(wish)) for wish in wishes] == wishes
    assert {read_wish(str(repair)).repair for repair in Repair} == set(Repair)
    assert read_wishes("nul") == (Wish(Repair.NUL),)
    assert len(NAMES) == len(Repair) - 1


def test_the_commands_take_and_name_them(database: Database, small: Path, tmp_path: Path, commands: Commands) -> None:
    dry = commands.load(small, database.url, tmp_path / "dry", "--dry-run")
    assert dry.code == 3
    for option in ("nul=Posts.body", "truncate=Posts.note", "empty-null=Posts.made"):
        assert f"1  --repair {option} (0 by itself)" in dry.out
    options = ("--repair", "nul", "--repair", "truncate", "--repair", "empty-null=Posts.made")
    loaded = commands.load(small, database.url, tmp_path / "r", *options)
    assert loaded.code == 0
    assert "2 rows migrated, 1 altered by repairs" in loaded.out
    assert "1  Posts.note: truncate" in loaded.out
    assert "but for 3 values that repairs have altered" in loaded.out
    content = json.loads((tmp_path / "r" / "report.json").read_bytes())
    assert Counter(item["repair"] for item in content["altered"]) == {"nul": 1, "truncate": 1, "empty-null": 1}
    file = tmp_path / "r" / "altered" / "Posts.ndjson"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for page in ("report.html", "report.md"):
        assert "altered/Posts.ndjson" in (tmp_path / "r" / page).read_text()
    compared = commands.reconcile(small, database.url, tmp_path / "c", "--load-report", str(tmp_path / "r"))
    assert compared.code == 0
    assert "3 values are equal only after repairs" in compared.out
    assert commands.reconcile(small, database.url, tmp_path / "c").code == 3


def test_nothing_is_altered_without_being_asked(database: Database, small: Path, tmp_path: Path) -> None:
    report = etl.migrate(small, database.url, validate=False, report_folder=tmp_path / "r")
    assert report.total("rejected_rows") == 1
    assert report.outcome is Outcome.DIFFERENCES
    assert report.altered == ()
    assert table_report(report, "Posts").altered_rows is None


@pytest.mark.parametrize("keep_constraints", [False, True], ids=["fast", "staged"])
def test_what_is_rejected_after_all_does_not_count_as_altered(
    database: Database, tmp_path: Path, keep_constraints: bool
) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n TEXT)",
        "INSERT INTO t VALUES (1, 'a' || char(0), ' 1 '), (2, 'bb' || char(0), '2'), (3, 'cc', 3)",
    )
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v text CHECK (length(v) > 1), n integer)")
    report = etl.migrate(
        source,
        database.url,
        repair=["nul", "trim"],
        validate=False,
        keep_constraints=keep_constraints,
        report_folder=tmp_path / "r",
    )
    assert [line["code"] for line in rejects(report, "t")] == ["check"]
    assert [line["key"] for line in rejects(report, "t", "altered")] == [{"id": 2}]
    assert report.frames.altered[["column", "values", "confirmed"]].to_numpy().tolist() == [["v", 1, 1]]
    assert report.remarks == ("--repair trim matched nothing",)


def test_large_values_are_altered_too(database: Database, tmp_path: Path) -> None:
    large = "x" * (LARGE_BYTES + 1)
    with sqlite(tmp_path / "source.db") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, d TEXT)")
        connection.execute("INSERT INTO t VALUES (1, ?, ?)", (f"{large}\0", f'{{"a":1,"a":"{large}"}}'))
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v text, d jsonb)")
    repair = ["nul", "json-twice=last"]
    report = etl.migrate(tmp_path / "source.db", database.url, repair=repair, validate=False, report_folder=tmp_path)
    assert (report.exit_code, report.frames.altered["confirmed"].tolist()) == (0, [1, 1])
    assert query(database, "SELECT length(v), length(d ->> 'a') FROM t") == [(len(large), len(large))]


def test_a_check_of_the_source_counts_repairs(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, made DATETIME, ok BOOLEAN)",
        "INSERT INTO t VALUES (1, '0000-00-00', 1), (2, '0000-00-00', 'yes'), (3, '2024-01-01', 0), (4, 'soon', 1)",
    )
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, made timestamptz, ok boolean)")
    found = etl.check_source(source, database.url)
    assert found.repairs.to_numpy().tolist() == [
        ["t", "made", "zero-date", 2, 1, "--repair zero-date=t.made"],
        ["t", "ok", "bool-words", 1, 0, "--repair bool-words=t.ok"],
    ]
    assert "--repair zero-date=t.made would let 2 rows of t in, 1 by itself" in list(found.findings())
    repaired = etl.check_source(source, database.url, repair=["zero-date", "bool-words"])
    assert (repaired.rejected_rows, len(repaired.helpful)) == (1, 0)
    assert {(item.column, item.repair): item.values for item in repaired.altered} == {
        ("made", "zero-date"): 2,
        ("ok", "bool-words"): 1,
    }
