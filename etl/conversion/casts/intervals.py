"""interval: ISO 8601 durations, and PostgreSQL's own way of writing one.

Bare numbers, and .NET's `d.hh:mm:ss`, are refused: PostgreSQL would read something else than was meant.
"""

import re
from functools import partial

import pyarrow as pa

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, look_singly
from etl.conversion.casts.timestamps import SHORTEN
from etl.core.rejects import RejectRule
from etl.core.types import TargetType

NOT_INTERVAL = Refusal(RejectRule.NOT_AN_INTERVAL, f"{VALUE} is not an interval (P1DT2H30M, or 1 day 02:30:00)")

_SECOND = 1_000_000
_MICROS = {"hour": 3600 * _SECOND, "minute": 60 * _SECOND, "second": _SECOND}
_UNITS = {
    **dict.fromkeys(("year", "years"), "year"),
    **dict.fromkeys(("mon", "mons", "month", "months"), "month"),
    **dict.fromkeys(("week", "weeks"), "week"),
    **dict.fromkeys(("day", "days"), "day"),
    **dict.fromkeys(("hour", "hours"), "hour"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "minute"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "second"),
}
_WHOLE = r"[+-]?[0-9]{1,15}"
_SECONDS = r"[+-]?[0-9]{1,15}(?:\.[0-9]+)?"
_ISO = re.compile(
    rf"P(?=.)(?:({_WHOLE})Y)?(?:({_WHOLE})M)?(?:({_WHOLE})W)?(?:({_WHOLE})D)?"
    rf"(?:T(?=.)(?:({_WHOLE})H)?(?:({_WHOLE})M)?(?:({_SECONDS})S)?)?"
)
_WORDS = re.compile(rf"(?:({_SECONDS}) ?([a-z]+) ?)")
_CLOCK = re.compile(r"([+-]?)([0-9]{1,10}):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]+)?))?")
_FIELDS = ("year", "month", "day", "hour", "minute", "second")

Parts = tuple[int, int, int]
"""Months, days and microseconds, as PostgreSQL keeps an interval."""


def interval_from_text(values: pa.Array, target: TargetType) -> Cells:
    """Intervals that the type keeps whole: its fields and its fraction digits are honoured by refusing."""
    return look_singly(values, pa.nulls(len(values), values.type), partial(_checked, target=target))


def _checked(text: str, *, target: TargetType) -> str:
    months, days, micros = parts_of(text, clock_has_seconds=target.interval_fields == "minute to second")
    lowest = (target.interval_fields or "second").rpartition(" ")[2]
    place = _FIELDS.index(lowest)
    below = {"year": 12, "month": 1}.get(lowest)
    lost = (below is not None and (months % below or days or micros)) or (lowest == "day" and micros)
    if place >= _FIELDS.index("hour") and lowest != "second":
        lost = micros % _MICROS[lowest]
    if lost:
        raise RefusalError(
            RejectRule.TOO_FINE, f"{VALUE} has smaller parts than the column keeps ({target.interval_fields})"
        )
    if target.precision is not None and micros % 10 ** (6 - target.precision):
        raise RefusalError(RejectRule.TOO_FINE, f"{VALUE} has more fraction digits than the column keeps; {SHORTEN}")
    return text


def parts_of(text: str, *, clock_has_seconds: bool = False) -> Parts:
    """The months, days and microseconds of an interval; RefusalError for what is none.

    `clock_has_seconds`: a clock of two numbers would mean minutes and seconds here, and is refused.
    """
    iso = _ISO.fullmatch(text)
    if iso:
        years, months, weeks, days, hours, minutes, seconds = (group or "0" for group in iso.groups())
        micros = int(hours) * _MICROS["hour"] + int(minutes) * _MICROS["minute"] + _micros(seconds)
        return int(years) * 12 + int(months), int(weeks) * 7 + int(days), micros
    return _from_words(text.lower().removeprefix("@ "), clock_has_seconds)


def _from_words(text: str, clock_has_seconds: bool) -> Parts:
    totals = dict.fromkeys(("year", "month", "week", "day", "hour", "minute", "second"), 0)
    place, seen = 0, set()
    while word := _WORDS.match(text, place):
        unit = _UNITS.get(word[2])
        if unit is None or unit in seen or ("." in word[1] and unit != "second"):
            raise RefusalError(*NOT_INTERVAL)
        seen.add(unit)
        totals[unit] = _micros(word[1]) if unit == "second" else int(word[1])
        place = word.end()
    rest = text[place:]
    micros = totals["hour"] * _MICROS["hour"] + totals["minute"] * _MICROS["minute"] + totals["second"]
    if rest:
        clock = _CLOCK.fullmatch(rest)
        if clock is None or seen & {"hour", "minute", "second"} or (clock[4] is None and clock_has_seconds):
            raise RefusalError(*NOT_INTERVAL)
        hours = int(clock[2]) * _MICROS["hour"] + int(clock[3]) * _MICROS["minute"] + _micros(clock[4] or "0")
        micros += -hours if clock[1] == "-" else hours
    elif not seen:
        raise RefusalError(*NOT_INTERVAL)
    return totals["year"] * 12 + totals["month"], totals["week"] * 7 + totals["day"], micros


def _micros(seconds: str) -> int:
    whole, _, fraction = seconds.partition(".")
    if fraction[6:].strip("0"):
        raise RefusalError(RejectRule.TOO_FINE, f"{VALUE} is finer than a microsecond; {SHORTEN}")
    size = int(whole.lstrip("+-")) * _SECOND + int(fraction[:6].ljust(6, "0"))
    return -size if whole.startswith("-") else size
