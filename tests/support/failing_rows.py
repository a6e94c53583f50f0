"""Rows of the 20 tables that meet every expectation of a suite, or fail exactly one that is asked for."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from etl.core.types import Kind
from etl.sample.build import create_sqlite_tables
from etl.schema.unified import TABLE_NAMES, target_types
from etl.validation.suites import Expectation, Suite, default_folder, load_suites
from support.sources import sqlite

SUITES = load_suites(default_folder(), {name: target_types(name) for name in TABLE_NAMES})
DIFFERENT = ("username", "api_key_id", "share_token", "external_id", "tag", "key")  # of unique keys
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAIN = {Kind.BOOLEAN: True, Kind.INTEGER: 1, Kind.REAL: 1.0, Kind.TEXT: "x", Kind.JSON: "{}", Kind.TIMESTAMPTZ: NOW}
GOOD_TEXT = {
    "email": "ada@example.org",
    "account_email": "ada@example.org",
    "ip_address": "fe80::1%eth0",
    "web_url": "https://example.org/a",
    "date": "2026-03-01",
}
BAD_TEXT = {
    "email": "ada@example",
    "account_email": "two@at@example.org",
    "ip_address": "10.0.0.1, 10.0.0.2",
    "web_url": "javascript:alert(1)",
    "date": "2026-13-01",
}  # the other patterns are "not blank"


def good_row(suite: Suite) -> dict[str, Any]:
    """A row that every expectation of the suite accepts."""
    row: dict[str, Any] = {name: GOOD_TEXT.get(name, PLAIN[kind.kind]) for name, kind in suite.columns.items()}
    for item in suite.expectations:
        if "value_set" in item.kwargs:
            row[item.columns[0]] = item.kwargs["value_set"][0]  # type: ignore[index]
    return row


def bad_row(suite: Suite, item: Expectation, *, now: datetime = NOW) -> dict[str, Any]:
    """A good row with the one value that the expectation is there to find; later than `now` where that is its fault."""
    row = good_row(suite)
    column = item.columns[0]
    match item.type:
        case "expect_column_values_to_not_be_null":
            row[column] = None
        case "expect_column_values_to_be_in_set":
            row[column] = "Admin"
        case "expect_column_values_to_match_regex":
            row[column] = BAD_TEXT.get(column, "\t\n ")
        case "expect_column_pair_values_a_to_be_greater_than_b":
            row[column] = row[item.columns[1]] - timedelta(microseconds=1)
        case "expect_column_values_to_be_between" if suite.columns[column].kind is Kind.TIMESTAMPTZ:
            row[column] = now + timedelta(days=1, microseconds=1)
        case "expect_column_values_to_be_between":
            low, high = item.kwargs.get("min_value"), item.kwargs.get("max_value")
            row[column] = low - 1 if low is not None else high + 1  # type: ignore[operator]
        case other:
            raise NotImplementedError(other)
    return row


def failing_database(path: Path) -> dict[str, list[dict[str, Any]]]:
    """A source without constraints: in each of the 20 tables a good row, then one for each expectation that fails it.

    All references are to rows that are there, and no unique key is taken twice, so that nothing else is wrong.
    Returns the rows as written, by table; a row's place in the list is its row number less one.
    """
    rows = {name: list(_rows(suite)) for name, suite in SUITES.items()}
    rows["users"] += [good_row(SUITES["users"]) | {"id": f"u{n}", "username": f"u{n}"} for n in range(1, 30)]
    with sqlite(path) as connection:
        for name, found in rows.items():
            _create_loosely(connection, name)
            for row in found:
                places = ", ".join("?" * len(row))
                connection.execute(f'INSERT INTO "{name}" VALUES ({places})', [_stored(cell) for cell in row.values()])
    return rows


def _rows(suite: Suite) -> Iterator[dict[str, Any]]:
    later = datetime.now(UTC) + timedelta(hours=1)  # "the future" begins a day after the load, which is yet to come
    numbered = suite.columns["id"].kind is Kind.INTEGER  # INTEGER PRIMARY KEY: SQLite itself lets nothing else in
    wrong = [bad_row(suite, item, now=later) for item in suite.expectations if item.columns]
    for number, row in enumerate([good_row(suite), *wrong], start=1):
        if numbered:
            row["id"] = number
        elif number > 1 and row["id"] is not None:
            row["id"] = f"x{number}"
        different = {name: f"x{number}" for name in DIFFERENT if row.get(name) == "x"}
        users = {"user_id": f"u{number}"} if number > 1 and row.get("user_id") == "x" else {}
        yield row | different | users


def _create_loosely(connection: sqlite3.Connection, table: str) -> None:
    with closing(sqlite3.connect(":memory:")) as strict:
        create_sqlite_tables(strict)
        declared = strict.execute("SELECT name, type, pk FROM pragma_table_info(?)", [table]).fetchall()
    columns = [
        f'"{name}" {type_name}' + " PRIMARY KEY" * (pk and type_name == "INTEGER") for name, type_name, pk in declared
    ]
    connection.execute(f'CREATE TABLE "{table}" ({", ".join(columns)})')


def _stored(value: object) -> object:
    return value.isoformat(" ") if isinstance(value, datetime) else value


def fails(item: Expectation, row: dict[str, Any], *, latest: datetime) -> bool:
    """Whether the row fails the expectation, by a reading of it that knows nothing of Great Expectations."""
    values = [row[name] for name in item.columns]
    if item.type == "expect_column_values_to_not_be_null":
        return values == [None]
    if None in values:
        return False
    match item.type:
        case "expect_column_values_to_be_in_set":
            return values[0] not in item.kwargs["value_set"]  # type: ignore[operator]
        case "expect_column_values_to_match_regex":
            return re.search(str(item.kwargs["regex"]), values[0]) is None
        case "expect_column_pair_values_a_to_be_greater_than_b":
            return bool(values[0] < values[1])
        case "expect_column_values_to_be_between":
            low, high = (item.kwargs.get(name) for name in ("min_value", "max_value"))
            high = latest if isinstance(high, dict) else high
            return (low is not None and values[0] < low) or (high is not None and values[0] > high)
        case other:
            raise NotImplementedError(other)
