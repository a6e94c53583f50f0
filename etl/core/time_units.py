"""Units in which numbers stand for times, and which of them a column's numbers are in.

The unit belongs to the column: one value alone can be plausible in several. So the decision looks at the lowest and the
highest number of the whole column.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class TimeUnit(StrEnum):
    """How a number names a time; `UNDECIDED`: no one unit makes all numbers of the column plausible."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    JULIAN = "julian"  # days since noon of 24 November 4714 BC
    CHROME = "chrome"  # microseconds since 1601
    MAC = "mac"  # seconds since 2001
    EXCEL = "excel"  # days since 30 December 1899
    UNDECIDED = "undecided"


EPOCH_UNITS = {
    TimeUnit.SECONDS: 1_000_000.0,
    TimeUnit.MILLISECONDS: 1_000.0,
    TimeUnit.MICROSECONDS: 1.0,
    TimeUnit.NANOSECONDS: 0.001,
}
"""Microseconds of each unit that counts from 1970, the coarsest first."""

WORDS = {
    TimeUnit.SECONDS: "seconds",
    TimeUnit.MILLISECONDS: "milliseconds",
    TimeUnit.MICROSECONDS: "microseconds",
    TimeUnit.NANOSECONDS: "nanoseconds",
}
FIRST_PLAUSIBLE, END_OF_PLAUSIBLE = datetime(1900, 1, 1), datetime(2200, 1, 1)
NEVER = datetime(9999, 12, 30)  # and later: "never expires"
LEAST_COUNT = 1e8
"""Three years of seconds: smaller numbers may as well be days, years or ids."""

JULIAN_FIRST, JULIAN_END = 1721425.5, 5373484.5  # years 1 to 9999
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class NumberRange:
    """The numbers of a column: lowest, highest, the smallest size but 0, and whether any is stored as a real."""

    lowest: float
    highest: float
    smallest: float
    has_reals: bool


def decide_unit(numbers: NumberRange) -> TimeUnit:
    """The one unit that makes all numbers of a column plausible: in 1900 to 2199, or at the end of 9999.

    Of several the coarsest: a finer one would put all of them into the first days of 1970. None, where the smallest
    is plausible in a coarser one as well: the column holds two units then. Reals that are Julian days
    of the years 1 to 9999 are such. Zeros alone are 1970 in every unit that counts from there.
    """
    low, high = numbers.lowest, numbers.highest
    if low == high == 0:
        return TimeUnit.SECONDS
    if numbers.has_reals and low >= JULIAN_FIRST and high < JULIAN_END:
        return TimeUnit.JULIAN
    if max(abs(low), abs(high)) < LEAST_COUNT:
        return TimeUnit.UNDECIDED
    fitting = [unit for unit, micros in EPOCH_UNITS.items() if _plausible(low * micros) and _plausible(high * micros)]
    if not fitting or _is_mixed(numbers, fitting[0]):
        return TimeUnit.UNDECIDED
    return fitting[0]


def _is_mixed(numbers: NumberRange, chosen: TimeUnit) -> bool:
    """Whether the smallest number is a plausible time in a coarser unit too: seconds among milliseconds, say."""
    coarser = list(EPOCH_UNITS)[: list(EPOCH_UNITS).index(chosen)]
    return numbers.smallest >= LEAST_COUNT and any(_plausible(numbers.smallest * EPOCH_UNITS[unit]) for unit in coarser)


def _plausible(micros: float) -> bool:
    moment = _moment(micros)
    return moment is not None and (FIRST_PLAUSIBLE <= moment < END_OF_PLAUSIBLE or moment >= NEVER)


def _moment(micros: float) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except (OverflowError, ValueError):
        return None


def candidates(number: float) -> str:
    """What each unit would make of a number: `as seconds 4384-11-01, as milliseconds 1972-06-01`."""
    found = [(unit, _moment(number * micros)) for unit, micros in EPOCH_UNITS.items()]
    named = [f"as {WORDS[unit]} {moment.date().isoformat()}" for unit, moment in found if moment is not None]
    return ", ".join(named) or "no unit makes it a date"
