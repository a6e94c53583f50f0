"""`insert_ignoring_conflicts` takes what pandas' own `to_sql` takes, and leaves the same table."""

import enum
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import psycopg2.extras
import pyarrow as pa
import pytest
from pandas.errors import DatabaseError
from sqlalchemy import ARRAY, Enum, Integer, LargeBinary, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine
from support.database import Database, Server, fresh_database
from support.targets import execute, query

import etl
from etl.core.errors import CannotRun

psycopg2.extras.register_uuid()


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Database]:
    """One database for all of them."""
    with fresh_database(server) as found:
        execute(found, "CREATE TYPE money_of AS (amount numeric, currency text)")
        yield found


@pytest.fixture
def database(shared: Database) -> Iterator[Database]:
    """The same, without the tables of the test before."""
    yield shared
    execute(shared, "DROP TABLE IF EXISTS t, ours, theirs", "DROP TYPE IF EXISTS colour")


class Colour(enum.StrEnum):
    """Texts with names."""

    RED = "r"
    GREEN = "g"


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
    "small floats": ("double precision", pd.Series([0.1, None], dtype="float32")),
    "large floats into texts": ("text", [1.5, 1e20, 1e-7, None]),
    "decimals into texts": ("varchar(9)", [Decimal("1E+5"), Decimal("1.10"), None]),
    "booleans into texts": ("text", [True, False]),
    "bytes into texts": ("text", [b"\x00", b"a"]),
    "UUIDs into texts": ("text", [UUID(int=1)]),
    "naive times into texts": ("text", pd.to_datetime(["2024-01-01 10:00:00.5", "2024-01-01 10:00:00.25"])),
    "aware times into texts": ("text", pd.to_datetime(["2024-01-01 10:00:00+05:00"], utc=True)),
    "aware times into naive ones": ("timestamp", pd.to_datetime(["2024-07-01 10:00:00.25+05:00", None], utc=True)),
    "naive times into aware ones": ("timestamptz", pd.to_datetime(["2024-07-01 10:00", None])),
    "aware beside naive": (
        "timestamp",
        pd.Series([datetime(2024, 7, 1, 3, tzinfo=UTC), datetime(2024, 7, 1, 3)], dtype=object),
    ),
    "times into dates": ("date", pd.to_datetime(["2024-01-01", "2024-02-29"])),
    "times into clocks": ("time", pd.to_datetime(["2024-01-01 10:30", None])),
    "dates into times": ("timestamp", [date(2024, 2, 29), None]),
    "nanoseconds": ("timestamp", pd.Series(pd.to_datetime(["2024-01-01 00:00:00.123456999"])).astype("M8[ns]")),
    "clocks with a zone": ("timetz", [time(10, 30, tzinfo=UTC), None]),
    "timedelta objects into texts": ("text", pd.Series([timedelta(1, 7200), None], dtype=object)),
    "coarse timedeltas into bigint": ("bigint", pd.Series(pd.to_timedelta(["1 day"])).astype("m8[s]")),
    "lists into texts": ("text", [["a b", 'c"'], [], None]),
    "numbers in lists": ("numeric[]", [[1.5, 2], None]),
    "numbers in lists into lists of texts": ("text[]", [[1.50, 1e20], None]),
    "lists in lists": ("integer[]", [[[1, 2], [3, 4]]]),
    "tuples into composites": ("money_of", [(Decimal("1.5"), 'E"UR\\'), (None, ""), None]),
    "ranges of the driver": ("daterange", [psycopg2.extras.DateRange(date(2024, 1, 1), date(2024, 2, 1)), None]),
    "JSON of the driver": ("jsonb", [psycopg2.extras.Json({"a": [1, None]})]),
    "JSON texts": ("json", ['{"b": 1,  "a": 2}', None]),
    "members of enumerations": ("text", [Colour.RED, None]),
    "Arrow's floats": ("double precision", pd.Series([1.5, float("nan"), None], dtype="float64[pyarrow]")),
    "Arrow's nanoseconds": ("timestamp", pd.Series(["2024-01-01 00:00:00.123456999"], dtype="timestamp[ns][pyarrow]")),
    "Arrow's aware times": ("timestamp", pd.Series(["2024-07-01 03:00"], dtype="timestamp[us, UTC][pyarrow]")),
    "Arrow's durations": ("bigint", pd.Series([timedelta(1), None], dtype="duration[us][pyarrow]")),
    "Arrow's dates": ("timestamp", pd.Series([date(2024, 2, 29), None], dtype="date32[pyarrow]")),
    "Arrow's decimals": ("text", pd.Series([Decimal("1.10")], dtype=pd.ArrowDtype(pa.decimal128(5, 2)))),
    "Arrow's bytes": ("bytea", pd.Series([b"\x00", None], dtype="binary[pyarrow]")),
}


@pytest.mark.parametrize("case", SAME)
@pytest.mark.parametrize("chunksize", [None, 2])
def test_both_methods_leave_the_same_table(database: Database, case: str, chunksize: int | None) -> None:
    type_name, values = SAME[case]
    frame = pd.DataFrame({"v": pd.Series(values) if not isinstance(values, list) else pd.Series(values, dtype=None)})
    execute(database, f"CREATE TABLE theirs (v {type_name})", f"CREATE TABLE ours (v {type_name})")
    both_methods(database, frame, if_exists="append", index=False, chunksize=chunksize)
    assert query(database, "SELECT v::text FROM ours") == query(database, "SELECT v::text FROM theirs")


def both_methods(database: Database, frame: pd.DataFrame, **options: Any) -> None:
    """Writes the frame into the tables `theirs`, by pandas' own method, and `ours`."""
    with database.engine().begin() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas says what it makes of timedeltas
        connection.exec_driver_sql("SET LOCAL timezone = 'Europe/Berlin'")
        frame.to_sql("theirs", connection, **options)
        frame.to_sql("ours", connection, method=etl.insert_ignoring_conflicts, **options)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([{"a": [1, None]}, [1], "text", None], JSONB()),
        ([Decimal("1.10"), None], Numeric(6, 2)),
        ([1, 2], Text()),
        ([[1, 2], None], ARRAY(Integer)),
        ([Colour.RED, Colour.GREEN], Enum(Colour, name="colour")),
        ([b"\x00", None], LargeBinary()),
        ([UUID(int=1), None], Uuid()),
    ],
)
def test_types_that_the_user_names(database: Database, values: list[object], dtype: TypeEngine[Any]) -> None:
    both_methods(database, pd.DataFrame({"v": pd.Series(values, dtype=object)}), index=False, dtype={"v": dtype})
    assert query(database, "SELECT v::text FROM ours") == query(database, "SELECT v::text FROM theirs")


REFUSALS = (psycopg2.Error, DatabaseError, CannotRun)


@pytest.mark.parametrize(
    ("type_name", "values"),
    [
        ("interval", [5_400_000_000]),
        ("interval", pd.Series([1.5, None])),
        ("date", [20240101]),
        ("date[]", [[20240101]]),
        ("time", pd.Series([103000], dtype="int64[pyarrow]")),
        ("timestamptz", [Decimal("20240101")]),
        ("bytea", [123]),
        ("integer", [True, False]),
        ("text", [{1, 2}]),
        ("text", [object()]),
        ("bigint", pd.Series([2**63], dtype=object)),
    ],
)
def test_both_methods_refuse(database: Database, type_name: str, values: Any) -> None:
    """A number is not the text of a time: `20240101` would be read as a date, `5400000000` as an interval."""
    execute(database, f"CREATE TABLE t (v {type_name})")
    frame = pd.DataFrame({"v": values})
    for method in (None, etl.insert_ignoring_conflicts):
        with pytest.raises(REFUSALS), database.engine().begin() as connection:
            frame.to_sql("t", connection, if_exists="append", index=False, method=method)
    assert query(database, "SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize(
    ("type_name", "values", "message"),
    [
        ("interval", pd.to_timedelta(["1 s", "1 ns"]), r"Column 'v' \(interval\), row 2: .* finer than a microsecond"),
        ("jsonb", [{"a": Decimal("0.1000000000000000000001")}], r"row 1: a dict has a Decimal, which JSON cannot hold"),
        ("jsonb", [{"a": float("nan")}], "not JSON compliant"),
        ("money_of", [(1, "EUR", 2)], "has 3 values, the type 2 fields"),
        ("bigint", [1.5], 'invalid input syntax for type bigint: "1.5"'),
    ],
)
@pytest.mark.filterwarnings("ignore:the 'timedelta' type:UserWarning")
def test_what_would_be_altered_is_refused(database: Database, type_name: str, values: Any, message: str) -> None:
    execute(database, f"CREATE TABLE t (v {type_name})")
    frame = pd.DataFrame({"v": values})
    with pytest.raises((CannotRun, psycopg2.Error), match=message), database.engine().begin() as connection:
        frame.to_sql("t", connection, if_exists="append", index=False, method=etl.insert_ignoring_conflicts)
    assert query(database, "SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("chunksize", [None, 1])
@pytest.mark.parametrize(
    ("type_name", "values", "expected"),
    [
        ("interval", pd.to_timedelta(["1 day 2 h", "-1 s", None]), ["1 day 02:00:00", "-1 days +23:59:59", None]),
        ("jsonb", [{"a": [1, None]}, [1, "x"], None], ['{"a": [1, null]}', '[1, "x"]', None]),
        ("json", [{"ä": True}, "[1]", None], ['{"ä": true}', "[1]", None]),
        ("jsonb", [1.5, True, "null"], ["1.5", "true", "null"]),
        ("text[]", [["a", None], [["b"], ["c"]]], ["{a,NULL}", "{{b},{c}}"]),
        ("bigint[]", [np.array([1, 2]), None], ["{1,2}", None]),
        ("integer[]", pd.Series([[1, None], []], dtype=pd.ArrowDtype(pa.list_(pa.int64()))), ["{1,NULL}", "{}"]),
        ("interval", pd.Series([timedelta(1), None], dtype="duration[us][pyarrow]"), ["1 day", None]),
        ("interval", pd.Series(pd.to_timedelta(["1 day"])).astype("m8[s]"), ["1 day"]),
        ("text", pd.to_timedelta(["1 day 2 h"]), ["1 day 02:00:00"]),
        ("jsonb", [{"n": np.int64(1), "l": np.array([1.5]), "x": pd.NaT}], ['{"l": [1.5], "n": 1, "x": null}']),
        ("jsonb", [{"t": datetime(2024, 1, 1, tzinfo=UTC)}], ['{"t": "2024-01-01T00:00:00+00:00"}']),
        ("jsonb", [Decimal("0.10000000000000000001")], ["0.10000000000000000001"]),
        ("jsonb[]", [[{"a": 1}, None]], ['{"{\\"a\\": 1}",NULL}']),
    ],
)
def test_what_pandas_alone_cannot_send(
    database: Database, type_name: str, values: Any, expected: list[str | None], chunksize: int | None
) -> None:
    execute(database, f"CREATE TABLE t (n integer, v {type_name})")
    frame = pd.DataFrame({"n": range(len(values)), "v": pd.Series(values)})
    with database.engine().begin() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        frame.to_sql(
            "t",
            connection,
            if_exists="append",
            index=False,
            chunksize=chunksize,
            method=etl.insert_ignoring_conflicts,
        )
    assert [row[0] for row in query(database, "SELECT v::text FROM t ORDER BY n")] == expected


def test_an_index_of_timedeltas_goes_along(database: Database) -> None:
    execute(database, "CREATE TABLE t (waited interval, v text)")
    frame = pd.DataFrame({"v": ["a"]}, index=pd.Index(pd.to_timedelta(["1 day 2 h"]), name="waited"))
    with database.engine().begin() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        frame.to_sql("t", connection, if_exists="append", method=etl.insert_ignoring_conflicts)
    assert query(database, "SELECT waited::text FROM t") == [("1 day 02:00:00",)]


def test_an_index_goes_along(database: Database) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'there')")
    frame = pd.DataFrame({"v": ["a", "b"]}, index=pd.Index([1, 2], name="id"))
    with database.engine().begin() as connection:
        frame.to_sql("t", connection, if_exists="append", method=etl.insert_ignoring_conflicts)
    assert query(database, "SELECT * FROM t ORDER BY id") == [(1, "there"), (2, "b")]
