"""Any SQLite schema and data into an empty PostgreSQL: every value arrives, or each exception is named.

A second program, which shares no code with the product, compares the two sides.
"""

import contextlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from support.any_schema import AnySchema, schemas
from support.database import Database, Server, fresh_database
from support.round_trip import Names, differences
from support.targets import connected, execute, state

import etl

LEAST_INTEGER = AnySchema(("CREATE TABLE t (a DATETIME, b DATE)",), (("t", 2, ((-(2**63), -(2**63)), (1, 0))),))


@pytest.fixture(scope="module")
def playground(server: Server) -> Iterator[Database]:
    """One database for all examples; each begins with an empty schema."""
    with fresh_database(server) as found:
        yield found


@settings(max_examples=2 * settings.default.max_examples)  # 200; 2,000 with the nightly profile
@given(schemas())
@example(LEAST_INTEGER)
def test_any_schema_arrives_whole(playground: Database, schema: AnySchema) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(playground, schema, Path(folder))


def check(playground: Database, schema: AnySchema, folder: Path) -> None:
    """A load that creates, and a second one: nothing differs, and nothing is loaded twice.

    A row may be rejected for a value that no type holds beside the column's others, and is named then.
    """
    source = schema.make(folder / "source.db")
    execute(playground, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    report = etl.migrate(source, playground.url, create_schema=True, validate=False, report_folder=folder / "report")
    tables = etl.propose_schema(source).proposal.tables
    sources = {table.name: table.source for table in tables}
    for group in report.rejects:
        assert group.reason.startswith("value is not valid UTF-8") or has_blobs_and_others(
            source, sources[group.table], group.column
        ), group
    lacking = {table.name: table.rejected_rows for table in report.tables if table.rejected_rows}
    assert report.exit_code == (3 if lacking else 0), [*report.rejects, *report.differences, *report.drift]
    names = {
        table.source: Names(table.name, {column.source: column.name for column in table.columns}) for table in tables
    }
    with connected(playground) as connection:
        found = differences(source, connection, names)
    assert [one for one in found if one.what != "the row is missing in PostgreSQL" or one.column is not None] == []
    assert Counter(names[one.table].table for one in found) == lacking
    before = state(playground)
    again = etl.migrate(source, playground.url, create_schema=True, validate=False, report_folder=folder / "again")
    assert (again.exit_code, again.total("loaded_rows")) == (report.exit_code, 0), [*again.rejects, *again.drift]
    assert state(playground) == before


def has_blobs_and_others(source: Path, table: str, column: str | None) -> bool:
    """Whether a column holds BLOBs beside texts or numbers."""
    quoted_table, quoted_column = ('"' + name.replace('"', '""') + '"' for name in (table, column or ""))
    with contextlib.closing(sqlite3.connect(source)) as connection:
        rows = connection.execute(f"SELECT DISTINCT typeof({quoted_column}) FROM {quoted_table}").fetchall()
    classes = {name for (name,) in rows} - {"null"}
    return "blob" in classes and len(classes) > 1
