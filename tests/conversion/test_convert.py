"""The conversion rules as a table: one row per cell of the design's table and more, uniform and mixed columns alike."""

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from etl.conversion.convert import Converted, convert
from etl.conversion.families import FAMILIES
from etl.core.plan import ColumnPlan
from etl.core.types import SERVER_READ, Kind, TargetType
from etl.core.values import UndecodableText

BOOLEAN = TargetType(Kind.BOOLEAN, "boolean")
SMALLINT = TargetType(Kind.SMALLINT, "smallint")
INTEGER = TargetType(Kind.INTEGER, "integer")
BIGINT = TargetType(Kind.BIGINT, "bigint")
REAL = TargetType(Kind.REAL, "real")
DOUBLE = TargetType(Kind.DOUBLE, "double precision")
NUMERIC = TargetType(Kind.NUMERIC, "numeric")
MONEY = TargetType(Kind.NUMERIC, "numeric(10,2)", precision=10, scale=2)
THOUSANDS = TargetType(Kind.NUMERIC, "numeric(4,-3)", precision=4, scale=-3)
TINY = TargetType(Kind.NUMERIC, "numeric(2,4)", precision=2, scale=4)
TEXT = TargetType(Kind.TEXT, "text")
VARCHAR = TargetType(Kind.TEXT, "character varying(20)", 20)
CHAR = TargetType(Kind.TEXT, "character(3)", 3)
TIMESTAMPTZ = TargetType(Kind.TIMESTAMPTZ, "timestamp with time zone")
TIMESTAMP = TargetType(Kind.TIMESTAMP, "timestamp without time zone")
JSON = TargetType(Kind.JSON, "json")
JSONB = TargetType(Kind.JSON, "jsonb")
BYTEA = TargetType(Kind.BYTEA, "bytea")
TIMES = (Kind.TIMESTAMPTZ, Kind.TIMESTAMP)  # numbers beside the one that is looked at would decide its unit
UUID = TargetType(Kind.UUID, "uuid")
DATE = TargetType(Kind.DATE, "date")

INFINITY = float("inf")


class Reason(NamedTuple):
    """The rejection that a case expects, as a part of its reason."""

    part: str


NOT_BOOLEAN = Reason("is not a boolean (0, 1, true, false)")
NOT_WHOLE = Reason("is not a whole number")
NOT_NUMBER = Reason("is not a number")
NOT_TIME = Reason("is not a date and time")
NOT_EPOCH = Reason("is not an unambiguous time")
NOT_DATE = Reason("is not a date that exists")
NOT_CLOCK = Reason("is not a time of day that exists")
NOT_JSON = Reason("is not JSON")
NOT_UTF8 = Reason("is not valid UTF-8")
OUTSIDE = Reason("is outside the years 1 to 9999")
NUL = Reason("holds a NUL character")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


CASES: list[tuple[object, TargetType, object]] = [
    # boolean
    (0, BOOLEAN, False),
    (1, BOOLEAN, True),
    *[(text, BOOLEAN, False) for text in ("0", "f", "F", "false", "False", "FALSE")],
    *[(text, BOOLEAN, True) for text in ("1", "t", "T", "true", "True", "tRUE")],
    (2, BOOLEAN, Reason("2 is not a boolean (0, 1, true, false)")),
    (-1, BOOLEAN, NOT_BOOLEAN),
    (0.5, BOOLEAN, NOT_BOOLEAN),
    (1.0, BOOLEAN, True),
    (0.0, BOOLEAN, False),
    *[(text, BOOLEAN, NOT_BOOLEAN) for text in ("", "yes", "on", " true", "2", "true\n", "ｔ", "İ")],
    (b"1", BOOLEAN, Reason("x'31' is not a boolean")),
    (UndecodableText(b"\xff"), BOOLEAN, NOT_UTF8),
    # smallint, integer, bigint
    (-32768, SMALLINT, -32768),
    (32767, SMALLINT, 32767),
    (32768, SMALLINT, Reason("32768 is out of range for smallint (-32768 to 32767)")),
    (2**31 - 1, INTEGER, 2**31 - 1),
    (-(2**31), INTEGER, -(2**31)),
    (2**31, INTEGER, Reason("is out of range for integer")),
    (2**63 - 1, BIGINT, 2**63 - 1),
    (-(2**63), BIGINT, -(2**63)),
    (2**53 + 1, BIGINT, 2**53 + 1),
    (3.0, INTEGER, 3),
    (-0.0, INTEGER, 0),
    (2.0**53, BIGINT, 2**53),
    (-(2.0**63), BIGINT, -(2**63)),
    (2.0**63, BIGINT, Reason("is out of range for bigint")),
    (1e300, BIGINT, Reason("is out of range for bigint")),
    (40000.0, SMALLINT, Reason("40000.0 is out of range for smallint")),
    (3.5, INTEGER, Reason("3.5 is not a whole number")),
    (INFINITY, BIGINT, NOT_WHOLE),
    ("12", INTEGER, 12),
    ("+12", INTEGER, 12),
    ("-12", SMALLINT, -12),
    ("007", INTEGER, 7),
    ("-0", INTEGER, 0),
    ("0" * 5000 + "7", INTEGER, 7),
    ("9223372036854775807", BIGINT, 2**63 - 1),
    ("-9223372036854775808", BIGINT, -(2**63)),
    ("9223372036854775808", BIGINT, Reason("is out of range for bigint")),
    ("9" * 5000, BIGINT, Reason("is out of range for bigint")),
    ("32768", SMALLINT, Reason("'32768' is out of range for smallint")),
    *[
        (text, INTEGER, NOT_WHOLE)
        for text in ("", " 1", "1 ", "1\n", "1.0", "1e3", "0x1F", "1_000", "--1", "+", "١", "abc")
    ],
    (b"1", INTEGER, NOT_WHOLE),
    (UndecodableText(b"1\xff"), INTEGER, NOT_UTF8),
    # real, double precision
    (3, DOUBLE, 3.0),
    (2**53, DOUBLE, 2.0**53),
    (-(2**60), DOUBLE, -(2.0**60)),
    (2**53 + 1, DOUBLE, Reason("9007199254740993 is not exact as a floating point number")),
    (2**63 - 1, DOUBLE, Reason("is not exact")),
    (0.1, DOUBLE, 0.1),
    (INFINITY, DOUBLE, INFINITY),
    (-INFINITY, REAL, -INFINITY),
    (0.1, REAL, float(np.float32(0.1))),
    (1e39, REAL, Reason("1e+39 is out of range for real")),
    (1e-46, REAL, Reason("1e-46 is out of range for real")),
    (1e-45, REAL, float(np.float32(1e-45))),
    (3.4028235e38, REAL, float(np.finfo(np.float32).max)),
    (7, REAL, 7.0),
    ("0.1", DOUBLE, 0.1),
    ("-1.5e3", DOUBLE, -1500.0),
    ("+.5", REAL, 0.5),
    ("5.", DOUBLE, 5.0),
    ("0e999", DOUBLE, 0.0),
    ("1e999", DOUBLE, Reason("is out of range for double precision")),
    ("1e-999", DOUBLE, Reason("is out of range for double precision")),
    ("1e39", REAL, Reason("is out of range for real")),
    *[
        (text, DOUBLE, NOT_NUMBER)
        for text in ("", ".", "e5", "1e", "inf", "NaN", "Infinity", " 1", "1 ", "1,5", "1_0", "0x1")
    ],
    (b"1", DOUBLE, NOT_NUMBER),
    (UndecodableText(b"\xff"), REAL, NOT_UTF8),
    # numeric
    (2**63 - 1, NUMERIC, "9223372036854775807"),
    (0.1, NUMERIC, "0.1"),
    (3.0, NUMERIC, "3.0"),
    (1e22, NUMERIC, "1e+22"),
    ("123456789012345678901234567890.123456789", NUMERIC, "123456789012345678901234567890.123456789"),
    ("-1.50E+2", NUMERIC, "-1.50E+2"),
    ("+.5", NUMERIC, "+.5"),
    ("9" * 2000, NUMERIC, "9" * 2000),
    ("1e131071", NUMERIC, "1e131071"),
    ("1e131072", NUMERIC, Reason("is out of range for numeric")),
    ("1e-16383", NUMERIC, "1e-16383"),
    ("1e-16384", NUMERIC, Reason("is out of range for numeric")),
    ("1e" + "9" * 5000, NUMERIC, Reason("is out of range for numeric")),
    (INFINITY, NUMERIC, NOT_NUMBER),
    *[(text, NUMERIC, NOT_NUMBER) for text in ("", "abc", "NaN", "inf", "1 ", "1_000", "１", "1e1.5")],
    (b"1", NUMERIC, NOT_NUMBER),
    (UndecodableText(b"\xff"), NUMERIC, NOT_UTF8),
    (12345678, MONEY, "12345678"),
    (123456789, MONEY, Reason("123456789 is out of range for numeric(10,2)")),
    (0.25, MONEY, "0.25"),
    (0.125, MONEY, Reason("0.125 has more decimals than numeric(10,2) keeps")),
    ("0012.3400", MONEY, "0012.3400"),
    ("12.345", MONEY, Reason("has more decimals")),
    ("1234e-2", MONEY, "1234e-2"),
    ("1234e-3", MONEY, Reason("has more decimals")),
    ("1e8", MONEY, Reason("is out of range for numeric(10,2)")),
    ("1e7", MONEY, "1e7"),
    ("0e-9", MONEY, "0e-9"),
    ("12000", THOUSANDS, "12000"),
    ("12500", THOUSANDS, Reason("has more decimals than numeric(4,-3)")),
    ("0.0012", TINY, "0.0012"),
    ("0.01", TINY, Reason("is out of range for numeric(2,4)")),
    # text, varchar(n), char(n)
    ("", TEXT, ""),
    ("año 🎉\t\n", TEXT, "año 🎉\t\n"),
    ("NULL", TEXT, "NULL"),
    (42, TEXT, "42"),
    (-(2**63), TEXT, "-9223372036854775808"),
    (1.0, TEXT, "1.0"),
    (-0.0, TEXT, "0.0"),
    (1e15, TEXT, "1.0e+15"),
    (1e-5, TEXT, "1.0e-05"),
    (1 / 3, TEXT, "0.333333333333333"),
    (-INFINITY, TEXT, "-Inf"),
    ("a\x00b", TEXT, NUL),
    (b"text", TEXT, Reason("x'74657874' is a BLOB, the column takes text")),
    (UndecodableText(b"a\xffb"), TEXT, Reason("x'61ff62' is not valid UTF-8")),
    ("é" * 20, VARCHAR, "é" * 20),
    ("é" * 25, VARCHAR, Reason("too long: 25 characters, the column takes 20")),
    ("x" * 20 + " ", VARCHAR, Reason("too long: 21 characters, the column takes 20")),
    (123, CHAR, "123"),
    (1234, CHAR, Reason("too long: 4 characters, the column takes 3")),
    (12.5, CHAR, Reason("too long: 4 characters")),
    ("a\x00", CHAR, NUL),
    # timestamptz: texts
    ("2026-01-30T06:37:24.966Z", TIMESTAMPTZ, utc(2026, 1, 30, 6, 37, 24, 966000)),
    ("2026-01-30 07:20:20", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20, 20)),
    ("2026-01-30 07:20", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20)),
    ("2026-01-30T07:20", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20)),
    ("2026-01-30", TIMESTAMPTZ, utc(2026, 1, 30)),
    ("2026-01-30 07:20:20.1", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20, 20, 100000)),
    ("2026-01-30 07:20:20.123456", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20, 20, 123456)),
    ("2026-01-30 07:20:20.123456000", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20, 20, 123456)),
    ("2026-01-30 07:20:20.1234567", TIMESTAMPTZ, Reason("is finer than a microsecond")),
    ("2026-01-30t07:20:20z", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20, 20)),
    ("2026-01-30 07:20Z", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20)),
    ("2026-01-30 07:20:20+02", TIMESTAMPTZ, utc(2026, 1, 30, 5, 20, 20)),
    ("2026-01-30 07:20:20-0330", TIMESTAMPTZ, utc(2026, 1, 30, 10, 50, 20)),
    ("2026-01-30 07:20:20.5+05:45", TIMESTAMPTZ, utc(2026, 1, 30, 1, 35, 20, 500000)),
    ("2026-01-30 07:20:20+16:00", TIMESTAMPTZ, Reason("has an offset beyond 15:59 hours")),
    ("2026-01-30 07:20:20+02:60", TIMESTAMPTZ, Reason("has an offset beyond 15:59 hours")),
    ("9999-12-31T23:59:59.999999", TIMESTAMPTZ, utc(9999, 12, 31, 23, 59, 59, 999999)),
    ("0001-01-01", TIMESTAMPTZ, utc(1, 1, 1)),
    ("2024-02-29 12:00", TIMESTAMPTZ, utc(2024, 2, 29, 12)),
    ("2000-02-29", TIMESTAMPTZ, utc(2000, 2, 29)),
    ("1900-02-29", TIMESTAMPTZ, NOT_DATE),
    ("2026-02-30", TIMESTAMPTZ, Reason("'2026-02-30' is not a date that exists")),
    ("2026-04-31 10:00", TIMESTAMPTZ, NOT_DATE),
    ("2026-13-01", TIMESTAMPTZ, NOT_DATE),
    ("0000-00-00", TIMESTAMPTZ, NOT_DATE),
    ("0000-01-01 00:00:00", TIMESTAMPTZ, NOT_DATE),
    ("2026-01-30 24:00", TIMESTAMPTZ, NOT_CLOCK),
    ("2026-01-30 23:60", TIMESTAMPTZ, NOT_CLOCK),
    ("2026-01-30 23:59:60", TIMESTAMPTZ, NOT_CLOCK),
    ("9999-12-31T23:59:59-01:00", TIMESTAMPTZ, OUTSIDE),
    ("0001-01-01T00:00:00+01:00", TIMESTAMPTZ, OUTSIDE),
    *[
        (text, TIMESTAMPTZ, NOT_TIME)
        for text in (
            *("", "now", "today", "infinity", "1627303906", "2026", "2026-01", "20260130", "2026-1-3", "01/02/2026"),
            *(" 2026-01-30", "2026-01-30 ", "2026-01-30\n", "2026-01-30T", "2026-01-30Z", "2026-01-30 07", "10:00"),
            *("2026-01-30 07:20:20.", "2026-01-30  07:20"),
            *("2026-01-30 7:20", "12026-01-30", "-2026-01-30", "２０２６-01-30", "2026-W05-5"),
        )
    ],
    # as Go, Rails and Sequelize write an offset
    ("2026-01-30 07:20:20 Z", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20, 20)),
    ("2026-01-30 07:20 UTC", TIMESTAMPTZ, utc(2026, 1, 30, 7, 20)),
    ("2026-01-30 07:20:20 +02:00", TIMESTAMPTZ, utc(2026, 1, 30, 5, 20, 20)),
    ("2026-01-30 07:20:20.5 +0530", TIMESTAMPTZ, utc(2026, 1, 30, 1, 50, 20, 500000)),
    ("2026-01-30 07:20:20  Z", TIMESTAMPTZ, NOT_TIME),
    # timestamptz: numbers
    (1627303906, TIMESTAMPTZ, utc(2021, 7, 26, 12, 51, 46)),
    (1627303906123, TIMESTAMPTZ, utc(2021, 7, 26, 12, 51, 46, 123000)),
    (1627303906123456, TIMESTAMPTZ, utc(2021, 7, 26, 12, 51, 46, 123456)),
    (-1627303906, TIMESTAMPTZ, utc(1918, 6, 8, 11, 8, 14)),
    (10**8, TIMESTAMPTZ, utc(1973, 3, 3, 9, 46, 40)),
    (10**11, TIMESTAMPTZ, utc(1973, 3, 3, 9, 46, 40)),
    (10**14, TIMESTAMPTZ, utc(1973, 3, 3, 9, 46, 40)),
    (76204800000, TIMESTAMPTZ, utc(1972, 6, 1)),
    (0, TIMESTAMPTZ, utc(1970, 1, 1)),
    (1627303906123456789, TIMESTAMPTZ, Reason("more fraction digits")),
    (1627303906123456000, TIMESTAMPTZ, utc(2021, 7, 26, 12, 51, 46, 123456)),
    *[(n, TIMESTAMPTZ, NOT_EPOCH) for n in (1, -1, 20260130, 10**8 - 1, -(2**63))],
    (1627303906.25, TIMESTAMPTZ, utc(2021, 7, 26, 12, 51, 46, 250000)),
    (1627303906.123456, TIMESTAMPTZ, utc(2021, 7, 26, 12, 51, 46, 123456)),
    (1627303906123.5, TIMESTAMPTZ, utc(2021, 7, 26, 12, 51, 46, 123500)),
    (-1627303906.25, TIMESTAMPTZ, utc(1918, 6, 8, 11, 8, 13, 750000)),
    (2459423.5, TIMESTAMPTZ, utc(2021, 7, 28)),
    (2459423.123456789, TIMESTAMPTZ, utc(2021, 7, 27, 14, 57, 46, 667000)),
    (1721425.5, TIMESTAMPTZ, utc(1, 1, 1)),
    *[(x, TIMESTAMPTZ, NOT_EPOCH) for x in (0.5, 1721425.4, 5373484.5, 99999999.0, 1e19, INFINITY, -2459423.5)],
    (0.0, TIMESTAMPTZ, utc(1970, 1, 1)),
    (b"2026-01-30", TIMESTAMPTZ, NOT_TIME),
    (UndecodableText(b"2026-01-30\xff"), TIMESTAMPTZ, NOT_UTF8),
    # timestamp without time zone
    ("2026-01-30 07:20:20", TIMESTAMP, datetime(2026, 1, 30, 7, 20, 20)),
    ("2026-01-30 07:20:20+02", TIMESTAMP, datetime(2026, 1, 30, 5, 20, 20)),
    (1627303906, TIMESTAMP, datetime(2021, 7, 26, 12, 51, 46)),
    ("9999-12-31T23:59:59.999999", TIMESTAMP, datetime.max),
    ("now", TIMESTAMP, NOT_TIME),
    (b"x", TIMESTAMP, NOT_TIME),
    # json, jsonb (test_json_text.py has the texts themselves)
    ('{"a": [1, 2.50, null]}', JSONB, '{"a": [1, 2.50, null]}'),
    ('"default"', JSONB, '"default"'),
    (" 1 ", JSON, " 1 "),
    ("12345678901234567890.12345678901234567890", JSONB, "12345678901234567890.12345678901234567890"),
    (7, JSONB, "7"),
    (2.5, JSONB, "2.5"),
    (3.0, JSON, "3.0"),
    (1e22, JSONB, "1e+22"),
    (INFINITY, JSONB, Reason("inf is not a JSON number")),
    ("", JSONB, NOT_JSON),
    ("{'a': 1}", JSON, NOT_JSON),
    ("NaN", JSONB, NOT_JSON),
    ("[1, Infinity]", JSON, NOT_JSON),
    (r'"\u0000"', JSONB, Reason(r"holds \u0000, which jsonb cannot store")),
    (r'"\ud800"', JSON, Reason(r"holds half a surrogate pair (\ud800)")),
    (b"{}", JSONB, Reason("x'7b7d' is not JSON")),
    (UndecodableText(b'"\xff"'), JSONB, NOT_UTF8),
    # bytea
    (b"\x00\xff", BYTEA, b"\x00\xff"),
    (b"", BYTEA, b""),
    ("é\x00", BYTEA, "é\x00".encode()),
    (UndecodableText(b"a\xff"), BYTEA, b"a\xff"),
    (1, BYTEA, Reason("1 is a number, the column takes bytes")),
    (1.5, BYTEA, Reason("1.5 is a number, the column takes bytes")),
    # what only PostgreSQL can judge
    ("2026-01-30", DATE, "2026-01-30"),
    *((word, DATE, Reason("is not a date")) for word in ("infinity", "today", " Now ", "tomorrow allballs", "epoch")),
    ("today", TargetType(Kind.OTHER, "timetable"), "today"),
    ("b7c1", UUID, Reason("is not a UUID")),
    (5, UUID, Reason("5 is not a UUID")),
    (1.5, UUID, Reason("is not a UUID")),
    ("a\x00", UUID, Reason("is not a UUID")),
    (b"\x01", UUID, Reason("is not a UUID")),
    (UndecodableText(b"\xff"), UUID, NOT_UTF8),
]

ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}
ODD_ONES = [1, 0.5, "text", b"blob", UndecodableText(b"\xfe"), None]


def arrow(values: list[object], arrow_type: pa.DataType) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, arrow_type)))


def raw(column: pd.Series) -> pd.DataFrame:
    """A raw frame of one column, its rows numbered from 11 on."""
    return pd.DataFrame({"c": column.set_axis(pd.RangeIndex(11, 11 + len(column), name="row_number"))})


def converted(column: pd.Series, target: TargetType, **options: str) -> Converted:
    frame = raw(column)
    before = frame.copy(deep=True)
    result = convert(frame, [ColumnPlan("c", "d", target)], **options)
    pd.testing.assert_frame_equal(frame, before)
    assert sorted([*result.frame.index, *result.rejected.index]) == frame.index.tolist()
    assert result.frame["d"].dtype == pd.ArrowDtype(FAMILIES[target.kind].arrow)
    return result


def outcome(result: Converted, row: int) -> object:
    """What became of a row: its value, or the rejection."""
    if row in result.rejected.index:
        assert result.rejected.loc[row, "column"] == "c"
        return Reason(result.rejected.loc[row, "reason"])
    return pa.array(result.frame["d"])[result.frame.index.get_loc(row)].as_py()


def check(found: object, expected: object) -> None:
    if isinstance(expected, Reason):
        assert isinstance(found, Reason), found
        assert expected.part in found.part
    else:
        assert found == expected
        assert type(found) is type(expected)


def name(value: object) -> str:
    return value.sql if isinstance(value, TargetType) else ascii(value)[:40]


@pytest.mark.parametrize(("value", "target", "expected"), CASES, ids=name)
def test_a_value_in_a_mixed_column(value: object, target: TargetType, expected: object) -> None:
    odd_ones = [odd for odd in ODD_ONES if not isinstance(odd, int | float) or target.kind not in TIMES]
    result = converted(pd.Series([*odd_ones, value, *odd_ones], dtype=object), target)
    check(outcome(result, 11 + len(odd_ones)), expected)


@pytest.mark.parametrize(
    ("value", "target", "expected"), [case for case in CASES if not isinstance(case[0], UndecodableText)], ids=name
)
def test_a_value_in_a_uniform_column(value: object, target: TargetType, expected: object) -> None:
    result = converted(arrow([None, value, None, value], ARROW[type(value)]), target)
    check(outcome(result, 12), expected)
    check(outcome(result, 14), expected)
    assert outcome(result, 11) is None


def test_every_cell_of_the_table_has_a_case() -> None:
    storages = {int, float, str, bytes, UndecodableText}
    tried = {(target.kind, type(value)) for value, target, _ in CASES}
    kinds = set(Kind) - SERVER_READ - {Kind.TIMESTAMP} | {Kind.UUID}
    wanted = {(kind, storage) for kind in kinds for storage in storages}
    wanted -= {(Kind.SMALLINT, storage) for storage in (bytes, UndecodableText)}
    wanted -= {(Kind.BIGINT, storage) for storage in (bytes, UndecodableText)}
    wanted -= {(Kind.REAL, bytes), (Kind.DOUBLE, UndecodableText)}
    assert wanted <= tried
    assert set(FAMILIES) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_null_stays_null_and_nothing_stays_nothing(kind: Kind) -> None:
    target = TargetType(kind, kind.value)
    for column in (arrow([None, None], pa.null()), pd.Series([None, None], dtype=object), arrow([None], pa.int64())):
        result = converted(column, target)
        assert result.frame["d"].isna().all()
        assert len(result.rejected) == 0
    for empty in (arrow([], pa.null()), pd.Series([], dtype=object), arrow([], pa.string()), arrow([], pa.float64())):
        result = converted(empty, target)
        assert len(result.frame) == len(result.rejected) == 0
        assert result.frame.index.name == result.rejected.index.name == "row_number"


@pytest.mark.parametrize("arrow_type", [pa.large_string(), pa.string()])
def test_both_string_widths_are_taken(arrow_type: pa.DataType) -> None:
    assert converted(arrow(["a", None], arrow_type), TEXT).frame["d"].tolist() == ["a", pd.NA]


def test_the_first_column_at_fault_names_the_row() -> None:
    frame = pd.DataFrame(
        {"a": [1, 2, 3], "b": ["x", "2", "y"]}, index=pd.Index([4, 5, 6], name="row_number"), dtype=object
    )
    plan = [ColumnPlan("b", "B", INTEGER), ColumnPlan("a", "A", BOOLEAN)]
    result = convert(frame, plan)
    assert result.rejected.drop(columns="repairs").to_dict("index") == {
        4: {
            "column": "b",
            "code": "not_a_whole_number",
            "rule": "value is not a whole number",
            "reason": "'x' is not a whole number",
        },
        5: {
            "column": "a",
            "code": "not_a_boolean",
            "rule": "value is not a boolean (0, 1, true, false)",
            "reason": "2 is not a boolean (0, 1, true, false)",
        },
        6: {
            "column": "b",
            "code": "not_a_whole_number",
            "rule": "value is not a whole number",
            "reason": "'y' is not a whole number",
        },
    }
    assert result.frame.columns.tolist() == ["B", "A"]
    assert result.frame.empty


def test_three_bad_rows_among_a_hundred_thousand() -> None:
    texts = ["2026-01-30T06:37:24.966Z", "2026-01-30 07:20:20"] * 50_000
    texts[7], texts[70_000], texts[99_999] = "now", "2026-02-30", ""
    result = converted(arrow(texts, pa.string()), TIMESTAMPTZ)
    assert result.rejected.index.tolist() == [18, 70_011, 100_010]
    assert len(result.frame) == 99_997


def test_a_secret_is_not_told() -> None:
    frame = pd.DataFrame({"access_token": pd.Series(["hunter2\x00"], dtype=object)})
    reason = convert(frame, [ColumnPlan("access_token", "access_token", TEXT)]).rejected["reason"].item()
    assert reason == "a hidden value holds a NUL character"


def test_a_long_value_is_shortened() -> None:
    frame = raw(pd.Series(["x" * 1_000_000], dtype=object))
    assert len(convert(frame, [ColumnPlan("c", "c", JSONB)]).rejected["reason"].item()) < 80


def test_what_is_no_sqlite_value_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="not datetime"):
        converted(pd.Series([datetime(2026, 1, 1)], dtype=object), TEXT)
    with pytest.raises(TypeError, match="not bool"):
        converted(arrow([True], pa.bool_()), BOOLEAN)
    with pytest.raises(KeyError):
        convert(pd.DataFrame({"a": [1]}), [ColumnPlan("b", "b", TEXT)])


# Wall clock times in zones with daylight saving time


BERLIN = {"assume_timezone": "Europe/Berlin"}
NEW_YORK = {"assume_timezone": "America/New_York"}

ZONED: list[tuple[str | int, TargetType, dict[str, str], object]] = [
    ("2026-01-30 12:00", TIMESTAMPTZ, BERLIN, utc(2026, 1, 30, 11)),
    ("2026-07-30 12:00", TIMESTAMPTZ, BERLIN, utc(2026, 7, 30, 10)),
    ("2050-07-30 12:00", TIMESTAMPTZ, BERLIN, utc(2050, 7, 30, 10)),
    ("2026-07-30 12:00Z", TIMESTAMPTZ, BERLIN, utc(2026, 7, 30, 12)),
    ("2026-07-30", TIMESTAMPTZ, BERLIN, utc(2026, 7, 29, 22)),
    (1627303906, TIMESTAMPTZ, BERLIN, utc(2021, 7, 26, 12, 51, 46)),
    ("2026-03-29 02:30", TIMESTAMPTZ, BERLIN, Reason("'2026-03-29 02:30' does not exist in Europe/Berlin")),
    ("2026-03-29 03:00", TIMESTAMPTZ, BERLIN, utc(2026, 3, 29, 1)),
    ("2026-10-25 02:30", TIMESTAMPTZ, BERLIN, Reason("'2026-10-25 02:30' occurs twice in Europe/Berlin")),
    ("2026-10-25 02:30+01", TIMESTAMPTZ, BERLIN, utc(2026, 10, 25, 1, 30)),
    ("2026-10-25 03:00", TIMESTAMPTZ, BERLIN, utc(2026, 10, 25, 2)),
    ("9999-12-31 23:59:59.999999", TIMESTAMPTZ, BERLIN, utc(9999, 12, 31, 22, 59, 59, 999999)),
    ("9999-12-31 23:59:59", TIMESTAMPTZ, NEW_YORK, OUTSIDE),
    ("9999-12-31 18:59:59", TIMESTAMPTZ, NEW_YORK, utc(9999, 12, 31, 23, 59, 59)),
    ("0001-01-01", TIMESTAMPTZ, BERLIN, OUTSIDE),
    ("0001-01-01", TIMESTAMPTZ, NEW_YORK, utc(1, 1, 1, 4, 56, 2)),
    ("2026-03-29 02:30", TIMESTAMP, BERLIN, datetime(2026, 3, 29, 2, 30)),
    ("2026-07-30 12:00Z", TIMESTAMP, BERLIN, datetime(2026, 7, 30, 14)),
    (1627303906, TIMESTAMP, BERLIN, datetime(2021, 7, 26, 14, 51, 46)),
    ("9999-12-31 23:59:59.999999", TIMESTAMP, NEW_YORK, datetime.max),
    ("9999-12-31 23:59:59Z", TIMESTAMP, BERLIN, OUTSIDE),
    ("9999-12-31 23:59:59Z", TIMESTAMP, NEW_YORK, datetime(9999, 12, 31, 18, 59, 59)),
    ("0001-01-01 00:00Z", TIMESTAMP, NEW_YORK, OUTSIDE),
]


@pytest.mark.parametrize(("value", "target", "zone", "expected"), ZONED)
def test_wall_clock_times(value: str | int, target: TargetType, zone: dict[str, str], expected: object) -> None:
    result = converted(pd.Series(["2026-01-01", value, 1627303906, None], dtype=object), target, **zone)
    check(outcome(result, 12), expected)
    assert len(result.rejected) == isinstance(expected, Reason)
