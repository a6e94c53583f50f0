"""The comparison's own reading of repairs says the same as the load's, though neither knows of the other: of each value
whether it fits, else what becomes of it and by which repairs."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.comparison.cell_results import Reading
from etl.comparison.repairs import fits, repaired
from etl.conversion.convert import convert
from etl.core.plan import ColumnPlan
from etl.core.repairs import SUGGESTED, Repair
from etl.core.time_units import TimeUnit
from etl.core.types import Kind, TargetType, named_type
from etl.core.values import StorageValue, UndecodableText

VARCHAR = TargetType(Kind.TEXT, "character varying(3)", length=3)
JSONB = named_type("jsonb")
TYPES = {
    "varchar": VARCHAR,
    "text": named_type("text"),
    "jsonb": JSONB,
    "json": named_type("json"),
    "numeric": TargetType(Kind.NUMERIC, "numeric(6,2)", precision=6, scale=2),
    "double": named_type("double precision"),
    "integer": named_type("integer"),
    "boolean": named_type("boolean"),
    "uuid": named_type("uuid"),
    "date": named_type("date"),
    "time": TargetType(Kind.TIME, "time(2)", precision=2),
    "timetz": named_type("timetz"),
    "interval": named_type("interval"),
    "timestamptz": named_type("timestamptz"),
    "timestamp": TargetType(Kind.TIMESTAMP, "timestamp(3)", precision=3),
    "texts": TargetType(Kind.ARRAY, "text[]", element=named_type("text")),
    "documents": TargetType(Kind.ARRAY, "jsonb[]", element=JSONB),
}

SIGNS = ["\0", " ", "\t", "\ufeff", "a", "b", "é", "e\u0301", "👨‍👩‍👧", '"', "\\"]
MARKS = ["[", "]", "{", "}", ":", ",", "-", ".5", "1"]
ESCAPES = ["\\u0000", "\\ud800", "\\ud83d\\ude00"]
DOCUMENTS = ['"a":', '"a":1', '{"a":1,"a":2}', '["a",null]', "null", "true"]
OTHERS = ["1.005", "yes", "no", "0000-00-00", "2024-01-01", " 10:00:00", ".1234567", "Z", "+02", "1 day ", "0" * 32]
PIECES = st.sampled_from([*SIGNS, *MARKS, *ESCAPES, *DOCUMENTS, *OTHERS])
TEXTS = st.lists(PIECES, max_size=4).map("".join)
BYTES = st.one_of(TEXTS.map(str.encode), st.binary(min_size=15, max_size=17), st.sampled_from([b"\xe9", b"\x81", b"["]))
VALUES = st.one_of(
    TEXTS,
    BYTES,
    BYTES.filter(lambda value: not value.isascii()).map(lambda value: UndecodableText(b"\xff" + value)),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False),
    st.floats(0, 2e9).map(lambda number: round(number, 4)),
)
WITHOUT_ONE_CHOICE = [repair for repair in Repair if repair in SUGGESTED]


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=40)
@given(value=VALUES, chosen=st.sets(st.sampled_from(WITHOUT_ONE_CHOICE)), every=st.booleans())
def test_both_say_the_same(name: str, value: StorageValue, chosen: set[Repair], every: bool) -> None:
    target = TYPES[name]
    repairs = tuple(repair for repair in WITHOUT_ONE_CHOICE if (every or repair in chosen) and repair.suits(target))
    column = ColumnPlan("v", "v", target, TimeUnit.MILLISECONDS, repairs=repairs)
    reading = Reading("UTC", column.unit)
    converted = convert(pd.DataFrame({"v": pd.Series([value], dtype=object)}), [column])
    if not converted.altered:
        assert converted.frame.empty or fits(value, target, reading)
        return
    (cell,) = converted.altered
    assert not fits(value, target, reading)
    found = [one for one in repaired(value, column, reading) if fits(one.value, target, reading)]
    assert found, cell
    assert found[0].words == cell.repair
    again = ColumnPlan("v", "v", target, TimeUnit.MILLISECONDS)
    by_the_other = convert(pd.DataFrame({"v": pd.Series([found[0].value], dtype=object)}), [again])
    assert by_the_other.rejected.empty
    assert as_plain(by_the_other.frame["v"].iloc[0], target) == as_plain(converted.frame["v"].iloc[0], target)


def as_plain(loaded: object, target: TargetType) -> object:
    """What both texts mean; the two may spell it otherwise."""
    if pd.isna(loaded):  # type: ignore[call-overload]
        return None
    if target.kind is Kind.NUMERIC:
        return float(str(loaded))
    if target.kind is Kind.JSON:
        return json.loads(str(loaded))
    return loaded if target.kind is not Kind.ARRAY else str(loaded).replace('"', "").replace("\\", "")
