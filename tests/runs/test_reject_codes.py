"""Every rejected row is counted under a stable code; the words beside it are for people."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.database import Database
from support.loads import load, rejects
from support.sources import make_sqlite
from support.targets import execute

PARENT = ("CREATE TABLE parent (id TEXT PRIMARY KEY COLLATE NOCASE, n INTEGER)", "INSERT INTO parent VALUES ('a', 1)")
PARENTS_TARGET = (
    "CREATE TABLE parent (id text PRIMARY KEY, n integer)",
    "CREATE TABLE t (id integer PRIMARY KEY, v text CONSTRAINT up REFERENCES parent)",
)


def table(*values: str) -> list[str]:
    rows = [f"INSERT INTO t VALUES ({number}, {value})" for number, value in enumerate(values, start=1)]
    return ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", *rows]


def target(column: str, *others: str) -> list[str]:
    return [f"CREATE TABLE t (id integer PRIMARY KEY, v {column})", *others]


SKIPPING = (
    "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
    "CREATE TRIGGER skip BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.v = 'x') EXECUTE FUNCTION skip()",
)
# A column's type, a value that it takes and one that it refuses, and the refusal's code.
CONVERSIONS = {
    "other_storage": ("text", "'a'", "x'00'"),
    "not_a_boolean": ("boolean", "1", "'yes'"),
    "not_a_number": ("numeric", "1", "'x'"),
    "not_a_whole_number": ("integer", "1", "'x'"),
    "out_of_range": ("smallint", "1", "40000"),
    "not_exact": ("double precision", "1", "'9007199254740993'"),
    "too_fine": ("numeric(5,2)", "1", "1.005"),
    "too_long": ("varchar(2)", "'a'", "'abc'"),
    "wrong_length": ("bit(2)", "'01'", "'011'"),
    "not_a_time": ("date", "'2024-01-31'", "'31.1.2024'"),
    "no_such_time": ("timestamp", "'2024-01-31'", "'2024-02-30'"),
    "ambiguous_unit": ("timestamp", "'2024-01-31'", "1e300"),
    "not_an_interval": ("interval", "'P1D'", "'5400'"),
    "part_lost": ("date", "'2024-01-31'", "'2024-01-31 10:00'"),
    "not_json": ("jsonb", "'{}'", "'{'"),
    "duplicate_json_key": ("jsonb", "'{}'", """'{"a": 1, "a": 2}'"""),
    "invalid_utf8": ("text", "'a'", "CAST(x'ff' AS TEXT)"),
    "invalid_unicode": ("jsonb", "'{}'", r"""'"\ud800"'"""),
    "nul_character": ("text", "'a'", "CAST(x'6100' AS TEXT)"),
    "not_bytes": ("bytea[]", r"""'{"\\x41"}'""", "'{A}'"),
    "not_bits": ("varbit", "'01'", "'02'"),
    "not_a_uuid": ("uuid", "'00000000-0000-0000-0000-000000000001'", "'1'"),
    "not_an_address": ("inet", "'10.0.0.1'", "'10.1'"),
    "not_an_oid": ("oid", "1", "-5"),
    "not_in_form": ("integer[]", "'{1}'", "'1'"),
}
CASES: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    **{code: (table(good, bad), target(column)) for code, (column, good, bad) in CONVERSIONS.items()},
    "not_accepted": (table("'a'", "'x'"), ["CREATE TYPE kind AS ENUM ('a', 'b')", *target("kind")]),
    "null_in_required": (table("'a'", "NULL"), target("text NOT NULL")),
    "check": (table("'a'", "'x'"), target("text CHECK (v <> 'x')")),
    "duplicate_in_source": (table("'a'", "'a'"), target("text UNIQUE")),
    "blocked": (table("'b'", "'a'"), target("text UNIQUE", "INSERT INTO t VALUES (9, 'a')")),
    "left_out": (table("'a'", "'x'"), target("text", *SKIPPING)),
    "parent_missing": ([*PARENT, *table("'a'", "'z'")], PARENTS_TARGET),
    "parent_rejected": ([*PARENT, "INSERT INTO parent VALUES ('b', 'x')", *table("'a'", "'b'")], PARENTS_TARGET),
    "parent_spelled_otherwise": ([*PARENT, *table("'a'", "'A'")], PARENTS_TARGET),
}


@pytest.mark.parametrize("code", CASES)
def test_the_code_of_a_fault(database: Database, tmp_path: Path, code: str) -> None:
    source, schema = CASES[code]
    execute(database, *schema)
    report = load(database, make_sqlite(tmp_path / "source.db", *source), tmp_path / "report")
    (group,) = [group for group in report.rejects if group.table == "t"]
    assert (group.code, group.rows) == (code, 1)
    (line,) = rejects(report, "t")
    assert (line["row_number"], line["column"], line["code"]) == (2, group.column, code)
