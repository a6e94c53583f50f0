"""Properties of the casts for any value, and their agreement with SQLite and PostgreSQL themselves."""

import math
import random
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from support.database import Database

from etl.conversion.casts.cells import Cast
from etl.conversion.casts.decimals import numeric_from_real, numeric_from_text
from etl.conversion.casts.floats import float_from_integer, float_from_real, float_from_text
from etl.conversion.casts.integers import integer_from_integer, integer_from_real, integer_from_text
from etl.conversion.casts.texts import bytes_from_text, sqlite_texts, text_from_text
from etl.conversion.casts.timestamps import time_from_integer, time_from_real, time_from_text
from etl.core.time_units import TimeUnit
from etl.core.types import Kind, TargetType

INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
RANGES = {Kind.SMALLINT: 2**15, Kind.INTEGER: 2**31, Kind.BIGINT: 2**63}
BERLIN = ZoneInfo("Europe/Berlin")
TIMESTAMPTZ = TargetType(Kind.TIMESTAMPTZ, "timestamp with time zone")


def cast_one(cast: Cast, value: object, target: TargetType | Kind, arrow_type: pa.DataType) -> object:
    target = TargetType(target, target.value) if isinstance(target, Kind) else target
    cells = cast(pa.array([value, None], arrow_type), target)
    first, second = cells.values.to_pylist()
    assert second is None
    assert list(cells.faults) == ([] if first is not None else [0])
    return first


def time_of(value: str, zone: str = "UTC") -> object:
    cells = time_from_text(pa.array([value]), TIMESTAMPTZ, zone=ZoneInfo(zone), unit=TimeUnit.UNDECIDED)
    return cells.values.to_pylist()[0]


@given(INT64, st.sampled_from(sorted(RANGES, key=str)))
def test_integers_arrive_or_are_out_of_range(number: int, kind: Kind) -> None:
    expected = number if -RANGES[kind] <= number < RANGES[kind] else None
    assert cast_one(integer_from_integer, number, kind, pa.int64()) == expected
    assert cast_one(integer_from_text, str(number), kind, pa.string()) == expected
    assert cast_one(integer_from_text, f"{number:+030d}", kind, pa.string()) == expected


@given(FINITE | INT64.map(float))
def test_whole_reals_are_integers_and_no_others(real: float) -> None:
    expected = int(real) if real.is_integer() and -(2**63) <= real < 2**63 else None
    assert cast_one(integer_from_real, real, Kind.BIGINT, pa.float64()) == expected


@given(INT64 | st.integers(-(2**54), 2**54))
def test_integers_become_floats_only_if_exact(number: int) -> None:
    assert cast_one(float_from_integer, number, Kind.DOUBLE, pa.int64()) == (
        float(number) if int(float(number)) == number else None
    )


@given(FINITE)
def test_doubles_survive_as_real_text_and_decimal(real: float) -> None:
    assert cast_one(float_from_real, real, Kind.DOUBLE, pa.float64()) == real
    assert cast_one(float_from_text, repr(real), Kind.DOUBLE, pa.string()) == real
    decimal = cast_one(numeric_from_real, real, Kind.NUMERIC, pa.float64())
    assert isinstance(decimal, str)
    assert Decimal(decimal) == Decimal(repr(real))


@given(FINITE)
def test_narrowing_is_ieee_or_refused(real: float) -> None:
    with np.errstate(all="ignore"):
        narrow = float(np.float32(real))
    lost = math.isinf(narrow) or (narrow == 0 and real != 0)
    assert cast_one(float_from_real, real, Kind.REAL, pa.float64()) == (None if lost else narrow)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12), st.integers(0, 6))
def test_numeric_with_a_scale_never_rounds(number: Decimal, scale: int) -> None:
    target = TargetType(Kind.NUMERIC, f"numeric(10,{scale})", precision=10, scale=scale)
    quantum = Decimal(1).scaleb(-scale)
    fits = abs(number) < Decimal(10) ** (10 - scale) and number % quantum == 0
    for spelling in {str(number), f"{number:f}"}:
        assert cast_one(numeric_from_text, spelling, target, pa.string()) == (spelling if fits else None)


@given(TEXT, st.integers(1, 12))
def test_text_arrives_whole_or_not_at_all(value: str, length: int) -> None:
    fits = "\0" not in value and len(value) <= length
    assert cast_one(text_from_text, value, TargetType(Kind.TEXT, "varchar", length), pa.string()) == (
        value if fits else None
    )
    assert cast_one(bytes_from_text, value, Kind.BYTEA, pa.string()) == value.encode()


# Beyond these sizes SQLite's own rendering is off by more than the last digit.
REALS = (
    st.floats(1e-200, 1e200)
    | st.floats(-1e200, -1e-200)
    | INT64.map(float)
    | st.decimals(0, 10**6, places=2).map(float)
)


@given(st.lists(REALS, max_size=30))
@pytest.mark.skipif(sqlite3.sqlite_version_info >= (3, 53), reason="renders 17 digits")
def test_reals_read_as_sqlite_renders_them(reals: list[float]) -> None:
    with sqlite3.connect(":memory:") as connection:
        rendered = [connection.execute("SELECT CAST(? AS TEXT)", [real]).fetchone()[0] for real in reals]
    connection.close()
    for real, ours, theirs in zip(
        reals, sqlite_texts(pa.array(reals, pa.float64())).to_pylist(), rendered, strict=True
    ):
        if len(Decimal(repr(real)).normalize().as_tuple().digits) <= 15:
            assert ours == theirs
        else:  # more digits have to be rounded, which SQLite does not always do correctly: 8.284314058082915e+199
            last_digit = Decimal(10) ** (Decimal(ours).adjusted() - 14)
            assert abs(Decimal(ours) - Decimal(theirs)) <= last_digit


OFFSETS = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
SPELLINGS = st.sampled_from(["%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dt%H:%M:%S.%f000"])


def spelled(moment: datetime, spelling: str) -> str:
    return moment.strftime(spelling.replace("%Y", f"{moment.year:04}"))


@given(st.datetimes(), SPELLINGS)
def test_any_time_of_any_year(moment: datetime, spelling: str) -> None:
    assert time_of(spelled(moment, spelling)) == moment.replace(tzinfo=UTC)
    assert time_of(spelled(moment, spelling) + "z") == moment.replace(tzinfo=UTC)
    assert time_of(f"{moment.year:04}{moment:-%m-%d}") == datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


@given(st.datetimes(timezones=OFFSETS), SPELLINGS, st.sampled_from(["%z", "%:z"]))
def test_any_offset(moment: datetime, spelling: str, offset: str) -> None:
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        expected = None
    numeric = moment.strftime("%z")
    written = numeric if offset == "%z" else f"{numeric[:3]}:{numeric[3:]}"
    assert time_of(spelled(moment, spelling) + written, "Europe/Berlin") == expected


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_wall_clock_times_as_zoneinfo_has_them(moment: datetime) -> None:
    local = moment.replace(tzinfo=BERLIN)
    certain = local.utcoffset() == local.replace(fold=1).utcoffset()
    assert time_of(spelled(moment, "%Y-%m-%d %H:%M:%S.%f"), "Europe/Berlin") == (
        local.astimezone(UTC) if certain else None
    )


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))
def test_instants_as_wall_clock_times(moment: datetime) -> None:
    target = TargetType(Kind.TIMESTAMP, "timestamp without time zone")
    texts = pa.array([spelled(moment, "%Y-%m-%dT%H:%M:%S.%fZ")])
    cells = time_from_text(texts, target, zone=BERLIN, unit=TimeUnit.UNDECIDED)
    assert cells.values.to_pylist() == [moment.astimezone(BERLIN).replace(tzinfo=None)]


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))
def test_epoch_numbers_of_any_unit(moment: datetime) -> None:
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    units = {TimeUnit.MICROSECONDS: 1, TimeUnit.MILLISECONDS: 1_000, TimeUnit.SECONDS: 1_000_000}
    for unit, factor in units.items():
        whole = EPOCH + timedelta(microseconds=micros // factor * factor)
        cells = time_from_integer(pa.array([micros // factor]), TIMESTAMPTZ, zone=BERLIN, unit=unit)
        assert cells.values.to_pylist() == [whole]
    seconds = float(micros // 1_000_000) + 0.25
    cells = time_from_real(pa.array([seconds]), TIMESTAMPTZ, zone=BERLIN, unit=TimeUnit.SECONDS)
    assert cells.values.to_pylist() == [EPOCH + timedelta(seconds=seconds)]


@given(st.lists(st.floats(1721425.5, 5373484.4), min_size=1, max_size=20))
def test_julian_days_as_sqlite_reads_them(days: list[float]) -> None:
    with sqlite3.connect(":memory:") as connection:
        query = "SELECT strftime('%Y-%m-%dT%H:%M:%f', ?)"
        expected = [datetime.fromisoformat(connection.execute(query, [day]).fetchone()[0]) for day in days]
    connection.close()
    found = time_from_real(pa.array(days), TIMESTAMPTZ, zone=BERLIN, unit=TimeUnit.JULIAN).values.to_pylist()
    assert [moment.replace(tzinfo=None) for moment in found] == expected


@given(st.text("0123456789-:T Zt.+", max_size=26) | TEXT)
def test_whatever_is_taken_for_a_time_is_one(value: str) -> None:
    found = time_of(value)
    if found is not None:
        usual = value.replace("t", "T").replace("z", "Z")
        assert datetime.fromisoformat(usual).replace(tzinfo=None) - found.replace(tzinfo=None) < timedelta(days=1)  # type: ignore[attr-defined]


def test_postgresql_reads_the_same_numbers(database: Database) -> None:
    generator = random.Random(7)
    numbers = ["".join(generator.choices("00123459.eE+-", k=generator.randint(1, 9))) for _ in range(20_000)]
    numbers += ["1e131071", "1e131072", "1e-16383", "1e-16384", "0e1073741822", "0e1073741824", "0" * 200_000 + "1"]
    function = """
        CREATE FUNCTION pg_temp.accepts(value text) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN RETURN value::numeric IS NOT NULL; EXCEPTION WHEN OTHERS THEN RETURN false; END $$"""
    with database.engine().connect() as connection:
        connection.execute(text(function))
        query = text("SELECT pg_temp.accepts(value) FROM unnest(:texts) WITH ORDINALITY AS t(value, n) ORDER BY n")
        theirs = list(connection.scalars(query, {"texts": numbers}))
    ours = numeric_from_text(pa.array(numbers), TargetType(Kind.NUMERIC, "numeric")).values.is_valid().to_pylist()
    assert [value for value, here, there in zip(numbers, ours, theirs, strict=True) if here != there] == []


def test_postgresql_reads_the_same_times(database: Database) -> None:
    generator = random.Random(8)
    starts = [
        f"{generator.randint(1, 9998):04}-{generator.randint(1, 12):02}-{generator.randint(1, 28):02}"
        for _ in range(2000)
    ]
    clock = [f"{generator.choice(' T')}{generator.randint(0, 23):02}:{generator.randint(0, 59):02}" for _ in starts]
    ends = ["", "Z", ":07", ":59.5", ":59.123456Z", "+02", "-0330", "+15:59", ":01-11:30"]
    texts = [start + middle + generator.choice(ends) for start, middle in zip(starts, clock, strict=True)]
    with database.engine().connect() as connection:
        connection.execute(text("SET TimeZone = 'Europe/Berlin'"))
        query = """SELECT (extract(epoch FROM value::timestamptz) * 1000000)::bigint
            FROM unnest(:texts) WITH ORDINALITY AS t(value, n) ORDER BY n"""
        theirs = list(connection.scalars(text(query), {"texts": texts}))
    cells = time_from_text(pa.array(texts), TIMESTAMPTZ, zone=BERLIN, unit=TimeUnit.UNDECIDED)
    ours = cells.values.cast(pa.int64()).to_pylist()
    assert len(cells.faults) < 5
    assert [
        (t, here, there) for t, here, there in zip(texts, ours, theirs, strict=True) if here not in (there, None)
    ] == []
