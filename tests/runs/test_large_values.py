"""Large values through the whole command: loaded, present, rejected, left behind or different, in bounded memory.

The normal profile is a tenth of the size that is promised; HYPOTHESIS_PROFILE=nightly takes the whole.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from benchmarks.measure import Run, run
from support.database import Database, Server, fresh_database
from support.profiles import NIGHTLY, nightly
from support.sources import make_sqlite, series, sqlite
from support.targets import execute, query, state, value

MEGABYTE = 2**20
LARGE = (200 if NIGHTLY else 20) * MEGABYTE
DOCUMENT = (100 if NIGHTLY else 17) * MEGABYTE
MOST_MEMORY = 1_500_000_000 if NIGHTLY else 800_000_000  # all processes of the command together
DEEP = 1_000
TOO_DEEP_FOR_EVERY_SERVER = 16_380  # and yet within what the conversion lets pass
MOST_REPORTED = 100_000  # bytes of a report file, or of a difference

DDL = [
    "CREATE TABLE texts (id integer PRIMARY KEY, v text)",
    "CREATE TABLE blobs (id integer PRIMARY KEY, v bytea)",
    "CREATE TABLE documents (id integer PRIMARY KEY, v jsonb)",
    "CREATE TABLE short (id integer PRIMARY KEY, v varchar(10))",
    "CREATE TABLE numbers (id integer PRIMARY KEY, v integer)",
    "CREATE TABLE keyless (v text, d json)",
]
REJECTED = {"documents": {4, 5}, "short": {2}, "numbers": {2}}


def large_text() -> str:
    """One sign beyond the first 65,536 makes a Python text of four bytes a character, and is one of four in UTF-8."""
    line = "a line of text, and the next one\n"
    return (line * (LARGE // len(line) + 1))[: LARGE - 4] + "😀"


def large_document() -> str:
    """Many small objects; PostgreSQL prints them with other spaces and in another order."""
    item = '{"number":1%08d,"a":[true,null,1.50,"x"]}'
    count = DOCUMENT // (len(item % 0) + 1)
    return "[" + ",".join(item % number for number in range(count)) + "]"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@dataclass(frozen=True)
class Large:
    """A source with a large value in each table, a target that is to take it, and the command's runs so far."""

    source: Path
    database: Database
    folder: Path
    first: Run
    before: dict[str, object]  # the target's state after the first run


def command(source: Path, database: Database, folder: Path, *more: str, module: str = "etl.run") -> Run:
    """The whole command in a process of its own, and what it took."""
    options = ["--sqlite", str(source), "--pg", database.url, "--report", str(folder), *more]
    return run([sys.executable, "-m", module, *options], watch_memory=True)


def report(folder: Path) -> dict[str, Any]:
    return dict(orjson.loads((folder / "report.json").read_bytes()))


def lines(folder: Path, kind: str, table: str) -> list[dict[str, Any]]:
    with (folder / kind / f"{table}.ndjson").open("rb") as file:
        return [orjson.loads(line) for line in file]


def digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def pages_are_bounded(folder: Path) -> bool:
    return all(path.stat().st_size < MOST_REPORTED for path in folder.glob("report.*"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.db"
    make_sqlite(
        path,
        *(f"CREATE TABLE {name} (id integer PRIMARY KEY, v)" for name in ("texts", "blobs", "documents")),
        "CREATE TABLE short (id integer PRIMARY KEY, v)",
        "CREATE TABLE numbers (id integer PRIMARY KEY, v)",
        "CREATE TABLE keyless (v, d)",
        "INSERT INTO texts VALUES (1, 'small'), (3, NULL)",
        "INSERT INTO blobs VALUES (1, x'00'), (3, x'')",
        "INSERT INTO short VALUES (1, 'small'), (3, 'small')",
        "INSERT INTO numbers VALUES (1, 1), (3, 3)",
        "INSERT INTO keyless VALUES ('small', '1'), ('small', '1')",
    )
    text = large_text()
    with sqlite(path) as connection:
        connection.execute("INSERT INTO texts VALUES (2, ?)", [text])
        connection.execute("INSERT INTO texts VALUES (4, ?)", [text])  # and another one right behind
        connection.execute("INSERT INTO short VALUES (2, ?)", [text])
        connection.execute("INSERT INTO numbers VALUES (2, ?)", [text])
        connection.execute("INSERT INTO keyless VALUES (?, ?)", [text, nested(DEEP)])
        connection.execute("INSERT INTO blobs VALUES (2, ?)", [os.urandom(LARGE)])
        documents = [nested(DEEP), large_document(), "7", nested(TOO_DEEP_FOR_EVERY_SERVER), "[1]]"]
        connection.executemany("INSERT INTO documents VALUES (?, ?)", enumerate(documents, start=1))
    return path


@pytest.fixture(scope="module")
def large(server: Server, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    with fresh_database(server) as database:
        execute(database, *DDL)
        folder = tmp_path_factory.mktemp("large-report") / "out"
        first = command(source, database, folder)
        yield Large(source, database, folder, first, state(database))


def test_every_large_value_arrives_or_is_rejected_in_bounded_memory(large: Large) -> None:
    assert large.first.exit_code == 3, large.first.messages
    assert large.first.peak_bytes is not None
    assert large.first.peak_bytes < MOST_MEMORY
    books = {table["name"]: table for table in report(large.folder)["tables"]}
    for name, table in books.items():
        assert (table["unaccounted_rows"], table["rejected_rows"]) == (0, len(REJECTED.get(name, ()))), name
        assert table["matched_rows"] == table["loaded_rows"], name


@pytest.mark.parametrize(
    ("stored", "content", "row"),
    [
        ("texts WHERE id = 4", "convert_to(v, 'UTF8')", "texts WHERE id = 4"),
        ("blobs WHERE id = 2", "v", "blobs WHERE id = 2"),
        ("keyless WHERE rowid = 3", "convert_to(v, 'UTF8')", "keyless WHERE length(v) > 5"),
    ],
)
def test_it_is_the_same_value(large: Large, stored: str, content: str, row: str) -> None:
    with sqlite(large.source) as connection:
        (original,) = connection.execute(f"SELECT v FROM {stored}").fetchone()
    assert value(large.database, f"SELECT encode(sha256({content}), 'hex') FROM {row}") == digest(original)


def test_a_large_and_a_deep_document_arrive(large: Large) -> None:
    items = value(large.database, "SELECT jsonb_array_length(v) FROM documents WHERE id = 2")
    assert items == len(json.loads(large_document()))
    assert value(large.database, "SELECT v::text FROM documents WHERE id = 1") == nested(DEEP)


@pytest.mark.parametrize("table", REJECTED)
def test_the_reject_file_holds_the_original_row(large: Large, table: str) -> None:
    rejected = lines(large.folder, "rejects", table)
    assert {line["row"]["id"] for line in rejected} == REJECTED[table]
    with sqlite(large.source) as connection:
        for line in rejected:
            (stored,) = connection.execute(f"SELECT v FROM {table} WHERE id = ?", [line["row"]["id"]]).fetchone()
            assert digest(line["row"]["v"]) == digest(stored)
            assert len(line["reason"]) < 200
            assert line["column"] == "v"


def test_reasons_say_what_is_wrong(large: Large) -> None:
    reasons = {
        (table, line["row"]["id"]): line["reason"]
        for table in REJECTED
        for line in lines(large.folder, "rejects", table)
    }
    assert f"too long: {LARGE - 3} characters, the column takes 10" in reasons["short", 2]
    assert "whole number" in reasons["numbers", 2]
    assert "stack depth limit exceeded" in reasons["documents", 4]
    assert "is not JSON" in reasons["documents", 5]


def test_console_and_pages_stay_short(large: Large) -> None:
    assert pages_are_bounded(large.folder)
    assert len(large.first.messages) < 5_000


def test_a_run_on_the_full_target_changes_nothing(large: Large, tmp_path: Path) -> None:
    again = command(large.source, large.database, tmp_path / "out", "--skip-validation")
    assert again.exit_code == 3, again.messages
    assert again.peak_bytes is not None
    assert again.peak_bytes < MOST_MEMORY
    books = {table["name"]: table for table in report(tmp_path / "out")["tables"]}
    for name, table in books.items():
        assert table["loaded_rows"] == table["present_different_rows"] == table["different_rows"] == 0, name
        assert table["present_rows"] == table["source_rows"] - len(REJECTED.get(name, ())), name
    assert state(large.database) == large.before


CHANGES = {
    ("texts", 2): ("UPDATE texts SET v = overlay(v PLACING 'A' FROM 1000 FOR 1) WHERE id = 2", "changed_text"),
    ("texts", 4): (f"UPDATE texts SET v = left(v, {LARGE - 100}) WHERE id = 4", "truncated"),
    ("texts", 1): ("UPDATE texts SET v = (SELECT v FROM texts WHERE id = 2) WHERE id = 1", "changed_text"),
    ("blobs", 2): ("UPDATE blobs SET v = set_byte(v, 9, (get_byte(v, 9) + 1) % 256) WHERE id = 2", "other"),
    ("documents", 2): ("UPDATE documents SET v = jsonb_set(v, '{5,a,2}', '1.51') WHERE id = 2", "json_changed"),
    ("documents", 3): ("UPDATE documents SET v = (SELECT v FROM documents WHERE id = 2) WHERE id = 3", "json_changed"),
}


def test_differences_of_large_values_are_named_and_described(large: Large, tmp_path: Path) -> None:
    try:
        execute(large.database, *(statement for statement, _ in reversed(CHANGES.values())))
        options = ["--load-report", str(large.folder)]
        compared = command(large.source, large.database, tmp_path / "out", *options, module="etl.reconcile")
        assert compared.exit_code == 3, compared.messages
        assert compared.peak_bytes is not None
        assert compared.peak_bytes < MOST_MEMORY
        found = {
            (line["table"], line["key"]["id"]): line
            for table in ("texts", "blobs", "documents")
            for line in lines(tmp_path / "out", "differences", table)
        }
        assert {row: line["kind"] for row, line in found.items()} == {row: kind for row, (_, kind) in CHANGES.items()}
        assert all(len(json.dumps(line)) < MOST_REPORTED for line in found.values())
        assert found["texts", 2]["source"] == {
            "bytes": LARGE,
            "sha256": digest(large_text()),
            "begins": large_text()[:200],
        }
        assert found["texts", 4]["target"]["bytes"] == LARGE - 100
        assert found["blobs", 2]["target"]["sha256"] != found["blobs", 2]["source"]["sha256"]
        assert pages_are_bounded(tmp_path / "out")
    finally:
        # The other tests find what they expect, in whatever order they run.
        execute(large.database, "TRUNCATE texts, blobs, documents")
        options = ["--tables", "texts,blobs,documents", "--skip-validation", "--no-reconcile"]
        command(large.source, large.database, tmp_path / "mended", *options)


def test_large_values_of_a_column_that_the_target_lacks_are_kept(database: Database, tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id integer PRIMARY KEY, v text, b blob)")
    with sqlite(path) as connection:
        connection.execute("INSERT INTO t VALUES (1, ?, NULL)", [large_text()])
        connection.execute("INSERT INTO t VALUES (2, 'small', ?)", [bytes(LARGE)])
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY)")
    done = command(path, database, tmp_path / "out", "--extra-columns", "drop", "--skip-validation")
    assert done.exit_code == 0, done.messages
    assert done.peak_bytes is not None
    assert done.peak_bytes < MOST_MEMORY
    first, second = lines(tmp_path / "out", "dropped", "t")
    assert digest(first["values"]["v"]) == digest(large_text())
    assert first["values"].keys() == {"v"}
    assert second["values"]["v"] == "small"
    assert second["values"]["b"]["base64"].strip("A=") == ""
    assert len(second["values"]["b"]["base64"]) == (LARGE + 2) // 3 * 4
    assert pages_are_bounded(tmp_path / "out")


# -- many columns -------------------------------------------------------------------------------------------------


def wide(path: Path, database: Database, columns: int, declared: str, rows: list[object]) -> Path:
    """A table `t` of so many columns on both sides; each row holds one value over and over behind its id."""
    names = [f"c{number}" for number in range(1, columns)]
    execute(database, f"CREATE TABLE t (id integer PRIMARY KEY, {', '.join(f'{name} {declared}' for name in names)})")
    make_sqlite(path, f"CREATE TABLE t (id integer PRIMARY KEY, {', '.join(names)})")
    with sqlite(path) as connection:
        for number, cell in enumerate(rows, start=1):
            connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * columns)})", [number, *[cell] * (columns - 1)])
    return path


def test_as_many_columns_as_postgresql_takes(database: Database, tmp_path: Path) -> None:
    source = wide(tmp_path / "a.db", database, 1_600, "integer", [1, 2, "x", None])
    done = command(source, database, tmp_path / "out", "--skip-validation")
    assert done.exit_code == 3, done.messages
    assert done.peak_bytes is not None
    assert done.peak_bytes < MOST_MEMORY
    (table,) = report(tmp_path / "out")["tables"]
    assert [table[f"{what}_rows"] for what in ("loaded", "rejected", "matched", "unaccounted")] == [3, 1, 3, 0]
    before = state(database)
    again = command(source, database, tmp_path / "again", "--skip-validation")
    assert again.exit_code == 1
    assert "Table t has 1,600 columns." in again.messages
    assert "--tables" in again.messages
    assert state(database) == before


def test_a_row_wider_than_a_page_is_rejected_alone(database: Database, tmp_path: Path) -> None:
    source = wide(tmp_path / "a.db", database, 600, "text", ["x", "y" * 40, "z"])
    done = command(source, database, tmp_path / "out", "--skip-validation")
    assert done.exit_code == 3, done.messages
    (line,) = lines(tmp_path / "out", "rejects", "t")
    assert (line["row_number"], line["stage"], line["row"]["c599"]) == (2, "load", "y" * 40)
    assert "row is too big" in line["reason"]
    assert query(database, "SELECT id, c599 FROM t ORDER BY id") == [(1, "x"), (3, "z")]


@nightly
def test_five_million_tiny_rows(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id integer PRIMARY KEY, n, s)",
        f"INSERT INTO t {series(5_000_000, 'n, n % 7, n')}",
    )
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, n integer, s text)")
    for count in ("loaded_rows", "present_rows"):
        done = command(source, database, tmp_path / "out")
        assert done.exit_code == 0, done.messages
        assert done.peak_bytes is not None
        assert done.peak_bytes < MOST_MEMORY
        (table,) = report(tmp_path / "out")["tables"]
        assert table[count] == table["matched_rows"] == 5_000_000
