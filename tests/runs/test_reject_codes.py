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
CASES: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "not_convertible": (table("1", "'x'"), target("integer")),
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
    assert (line["row_number"], line["column"]) == (2, group.column)
