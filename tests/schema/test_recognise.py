"""The application's database is recognised as a whole; a table's name alone says nothing."""

from collections.abc import Collection, Mapping

import pytest

from etl.schema.recognise import is_part_of, is_unified
from etl.schema.unified import TABLE_NAMES, metadata

COLUMNS = {name: [column.name for column in metadata.tables[name].columns] for name in TABLE_NAMES}
HALF = len(TABLE_NAMES) // 2


def some(tables: int) -> dict[str, list[str]]:
    return {name: COLUMNS[name] for name in TABLE_NAMES[:tables]}


DATABASES: dict[str, tuple[Mapping[str, Collection[str]], bool]] = {
    "all 20 tables": (COLUMNS, True),
    "with columns and tables of a newer version": (
        {**{name: [*columns, "newer"] for name, columns in COLUMNS.items()}, "newest": ["id"]},
        True,
    ),
    "without one column each": ({name: columns[:-1] for name, columns in COLUMNS.items() if len(columns) > 5}, True),
    "half of the tables": (some(HALF), True),
    "less than half": (some(HALF - 1), False),
    "the names alone": ({name: ["uuid", "x"] for name in TABLE_NAMES}, False),
    "another application's users": ({"users": ["uuid", "email", "name"], "posts": ["id"]}, False),
    "nothing": ({}, False),
}


@pytest.mark.parametrize("database", DATABASES)
def test_a_database_is_recognised_as_a_whole(database: str) -> None:
    tables, known = DATABASES[database]
    assert is_unified(tables) is known


@pytest.mark.parametrize(
    ("table", "columns", "part"),
    [
        ("users", COLUMNS["users"], True),
        ("users", ["id", "role"], True),
        ("users", ["uuid", "name", "role"], False),
        ("posts", ["id"], False),
    ],
)
def test_a_frame_is_known_by_its_columns(table: str, columns: list[str], part: bool) -> None:
    assert is_part_of(table, columns) is part
