"""The unit of a column's numbers: decided on all of them, or not at all."""

import pytest

from etl.core.time_units import NumberRange, TimeUnit, candidates, decide_unit

S, MS, US, NS = TimeUnit.SECONDS, TimeUnit.MILLISECONDS, TimeUnit.MICROSECONDS, TimeUnit.NANOSECONDS
NEVER = 253402300799  # 9999-12-31 23:59:59


@pytest.mark.parametrize(
    ("numbers", "unit"),
    [
        ([490233600000, 76204800000, -52358400000], MS),  # births in 1985, 1972 and 1968
        ([76204800000], MS),
        ([1_700_000_000, 86_400, -86_400, 0], S),
        ([1_700_000_000_000, 0], MS),
        ([1_700_000_000_000_000], US),
        ([1_700_000_000_123_456_789], NS),
        ([0], S),
        ([1_700_000_000, NEVER], S),
        ([1_700_000_000_000, NEVER * 1000 + 999], MS),
        ([2_460_000.5, 2_415_020.5], TimeUnit.JULIAN),
        ([2_460_000.5, 2_460_001], TimeUnit.JULIAN),
        ([1_700_000_000, 1_700_000_000_000], TimeUnit.UNDECIDED),  # two units
        ([1_700_000_000_000, 1_700_000_000_000_000], TimeUnit.UNDECIDED),
        ([2_460_000], TimeUnit.UNDECIDED),  # a day, or a second of 1970
        ([20240131], TimeUnit.UNDECIDED),
        ([1], TimeUnit.UNDECIDED),
        ([45_000.5], TimeUnit.UNDECIDED),
        ([-(2**63), 2**63 - 1], TimeUnit.UNDECIDED),
        ([float("inf"), 1.7e9], TimeUnit.UNDECIDED),
    ],
)
def test_one_unit_for_all_numbers(numbers: list[float], unit: TimeUnit) -> None:
    smallest = min((abs(number) for number in numbers if number), default=0)
    reals = any(isinstance(number, float) for number in numbers)
    assert decide_unit(NumberRange(min(numbers), max(numbers), smallest, reals)) is unit


def test_what_each_unit_would_make_of_a_number() -> None:
    assert candidates(76204800000).startswith("as seconds 4384-11-01, as milliseconds 1972-06-01, as microseconds")
    assert candidates(float("inf")) == "no unit makes it a date"
