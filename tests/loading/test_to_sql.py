"""`insert_ignoring_conflicts` takes what pandas' own `to_sql` takes, and leaves the same table."""

import warnings
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import psycopg2.extras
import pytest
from support.database import Database
from support.targets import execute, query

import etl

psycopg2.extras.register_uuid()
SAME: dict[str, tuple[str, Any]] = {
    "integers": ("bigint", [1, -2, 3]),
    "floats with NaN into bigint": ("bigint", [1.0, np.nan, 3.0]),
    "integers beyond 64 bits": ("numeric", [2**70, -(2**65), None]),
    "decimals": ("numeric", [Decimal("1.10"), None, Decimal("-2")]),
    "floats": ("double precision", [0.1, np.inf, None]),
    "booleans": ("boolean", [True, False, None]),
    "texts": ("text", ["a", "", None]),
    "odd texts": ("text", ['"', "\\N", "a,\n\tb"]),
    "categories": ("text", pd.Categorical(["x", "y", None])),
    "mixed objects": ("text", ["a", "1", "2.5"]),
    "bytes": ("bytea", [b"\x00\xff", b"", None]),
    "UUIDs": ("uuid", [UUID(int=1), None, UUID(int=2**127)]),
    "aware times": ("timestamptz", pd.to_datetime(["2024-01-01 10:00:00.123456+02:00", None], utc=True)),
    "naive times": ("timestamp", pd.to_datetime(["2024-01-01 10:00:00.5", "1970-01-01 00:00:00.0"])),
    "datetimes": ("timestamptz", pd.Series([datetime(2024, 1, 1, tzinfo=UTC), None], dtype=object)),
    "dates": ("date", [date(2024, 2, 29), None]),
    "clocks": ("time", [time(10, 30), time(23, 59, 59, 5)]),
    "timedeltas into bigint": ("bigint", pd.to_timedelta(["1 day 2 h", None])),
    "timedelta objects into intervals": ("interval", pd.Series([timedelta(1, 7200, 5), None], dtype=object)),
    "lists into arrays": ("integer[]", [[1, 2], [], None]),
    "lists of texts": ("text[]", [['a"b', "c,d", "\\"], ["NULL", ""], None]),
    "Arrow": ("bigint", pd.Series([1, None], dtype="int64[pyarrow]")),
    "nullable": ("integer", pd.Series([1, None], dtype="Int64")),
}


@pytest.mark.parametrize("case", SAME)
@pytest.mark.parametrize("chunksize", [None, 2])
def test_both_methods_leave_the_same_table(database: Database, case: str, chunksize: int | None) -> None:
    type_name, values = SAME[case]
    frame = pd.DataFrame({"v": pd.Series(values) if not isinstance(values, list) else pd.Series(values, dtype=None)})
    execute(database, f"CREATE TABLE theirs (v {type_name})", f"CREATE TABLE ours (v {type_name})")
    options: dict[str, Any] = {"if_exists": "append", "index": False, "chunksize": chunksize}
    with database.engine().begin() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas says what it makes of timedeltas
        frame.to_sql("theirs", connection, **options)
        frame.to_sql("ours", connection, method=etl.insert_ignoring_conflicts, **options)
    assert query(database, "SELECT v::text FROM ours") == query(database, "SELECT v::text FROM theirs")


@pytest.mark.parametrize(
    ("type_name", "values", "expected"),
    [
        ("interval", pd.to_timedelta(["1 day 2 h", "-1 s", None]), ["1 day 02:00:00", "-1 days +23:59:59", None]),
        ("jsonb", [{"a": [1, None]}, [1, "x"], None], ['{"a": [1, null]}', '[1, "x"]', None]),
        ("json", [{"ä": True}, "[1]", None], ['{"ä": true}', "[1]", None]),
        ("jsonb", [1.5, True, "null"], ["1.5", "true", "null"]),
        ("text[]", [["a", None], [["b"], ["c"]]], ["{a,NULL}", "{{b},{c}}"]),
        ("jsonb[]", [[{"a": 1}, None]], ['{"{\\"a\\": 1}",NULL}']),
    ],
)
def test_what_pandas_alone_cannot_send(
    database: Database, type_name: str, values: Any, expected: list[str | None]
) -> None:
    execute(database, f"CREATE TABLE t (n integer, v {type_name})")
    frame = pd.DataFrame({"n": range(len(values)), "v": pd.Series(values)})
    with database.engine().begin() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        frame.to_sql("t", connection, if_exists="append", index=False, method=etl.insert_ignoring_conflicts)
    assert [row[0] for row in query(database, "SELECT v::text FROM t ORDER BY n")] == expected


def test_an_index_goes_along(database: Database) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'there')")
    frame = pd.DataFrame({"v": ["a", "b"]}, index=pd.Index([1, 2], name="id"))
    with database.engine().begin() as connection:
        frame.to_sql("t", connection, if_exists="append", method=etl.insert_ignoring_conflicts)
    assert query(database, "SELECT * FROM t ORDER BY id") == [(1, "there"), (2, "b")]
