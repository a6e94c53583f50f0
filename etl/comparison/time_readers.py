"""Reads dates, clocks, instants and intervals out of texts: the source's strictly, PostgreSQL's own output wholly.

Every value becomes a whole number, or numbers, of days and microseconds; infinity stays infinite, so that bounds of
ranges can be put in order. `written`: PostgreSQL wrote the text, and so it may hold what no source text means.
"""

import math
import re
from datetime import date

from etl.comparison import meaning
from etl.comparison.meaning import MeaninglessError
from etl.core.types import TargetType

SECOND = 1_000_000
DAY = 86_400 * SECOND
_LONGEST_NUMBER = 15  # digits of a part of an interval: no microseconds of more fit into 64 bits

_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_WRITTEN_DAY = r"([0-9]{4,7})-([0-9]{2})-([0-9]{2})"
_WRITTEN_DATE = re.compile(rf"{_WRITTEN_DAY}( BC)?")
_WRITTEN_INSTANT = re.compile(
    rf"{_WRITTEN_DAY} ([0-9]{{2}}):([0-9]{{2}}):([0-9]{{2}})(?:\.([0-9]{{1,6}}))?(?:\+00)?( BC)?"
)
_INFINITE = {"infinity": math.inf, "-infinity": -math.inf}
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?")
_OFFSET = re.compile(r" ?(?:Z|z|UTC|([+-])([0-9]{2})(?::?([0-9]{2}))?(?::([0-9]{2}))?)")
_COUNT = rf"([+-]?[0-9]{{1,{_LONGEST_NUMBER}}})"
_DURATION = re.compile(
    rf"P(?=.)(?:{_COUNT}Y)?(?:{_COUNT}M)?(?:{_COUNT}W)?(?:{_COUNT}D)?"
    rf"(?:T(?=.)(?:{_COUNT}H)?(?:{_COUNT}M)?(?:{_COUNT}(?:\.([0-9]+))?S)?)?"
)
_WORDY = re.compile(
    rf"{_COUNT}(?:\.([0-9]+))? ?(years?|months?|mons?|weeks?|days?|hours?|minutes?|mins?|seconds?|secs?)(?![a-z])"
)
_WORDY_CLOCK = re.compile(rf"([+-]?)([0-9]{{1,{_LONGEST_NUMBER}}}):([0-9]{{2}})(?::([0-9]{{2}})(?:\.([0-9]+))?)?")
_SHORT_UNITS = {"mon": "month", "min": "minute", "sec": "second"}
_MONTHS, _DAYS = {"year": 12, "month": 1}, {"week": 7, "day": 1}
_MICROS = {"hour": 3600 * SECOND, "minute": 60 * SECOND, "second": SECOND}


def read_date(text: str, _target: TargetType, written: bool) -> int | float:
    """Days since 1 January of the year 1."""
    if written:
        return _written_date(text)
    found = _DATE.fullmatch(text)
    if found is None:
        raise MeaninglessError
    try:
        return date(*map(int, found.groups())).toordinal()
    except ValueError:
        raise MeaninglessError from None


def date_text(day: int) -> str:
    """A day of the years 1 to 9999 as PostgreSQL writes it."""
    return date.fromordinal(day).isoformat()


def day_of(micros: int) -> int:
    """The day of an instant, as `read_date` counts them."""
    return micros // DAY + date(1970, 1, 1).toordinal()


def _written_date(text: str) -> int | float:
    if text in _INFINITE:
        return _INFINITE[text]
    found = _WRITTEN_DATE.fullmatch(text)
    if found is None:
        raise MeaninglessError
    year, month, day, before_christ = found.groups()
    return _ordinal(1 - int(year) if before_christ else int(year), int(month), int(day))


def _ordinal(year: int, month: int, day: int) -> int:
    """Days since 1 January of the year 1, for any year: the calendar repeats itself after 400 years of 146,097 days."""
    cycles, within = divmod(year - 1, 400)
    return cycles * 146_097 + date(within + 1, month, day).toordinal()


def read_instant(text: str, target: TargetType, written: bool) -> int | float:
    """Microseconds since 1970; for times inside of other types, which the server reads and writes in UTC."""
    if not written:
        return meaning.microseconds(text, target.kind, "UTC")
    if text in _INFINITE:
        return _INFINITE[text]
    found = _WRITTEN_INSTANT.fullmatch(text)
    if found is None:
        raise MeaninglessError
    year, month, day, hour, minute, second = (int(group) for group in found.groups()[:6])
    days = _ordinal(1 - year if found[8] else year, month, day) - date(1970, 1, 1).toordinal()
    return days * DAY + _clock_micros(hour, minute, second) + _fraction(found[7])


def read_clock(text: str, _target: TargetType, written: bool) -> int:
    """Microseconds since midnight; only PostgreSQL writes 24:00:00."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise MeaninglessError
    hour, minute, second = (int(group or 0) for group in found.groups()[:3])
    if hour > (24 if written else 23) or minute > 59 or second > 59:
        raise MeaninglessError
    return _clock_micros(hour, minute, second) + _fraction(found[4])


def clock_text(micros: int) -> str:
    """Microseconds since midnight as PostgreSQL writes them."""
    seconds, fraction = divmod(micros, SECOND)
    plain = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{plain}.{fraction:06}".rstrip("0") if fraction else plain


def _clock_micros(hour: int, minute: int, second: int) -> int:
    return hour * _MICROS["hour"] + minute * _MICROS["minute"] + second * SECOND


def _fraction(digits: str | None) -> int:
    """Microseconds of a fraction; finer ones than that have no meaning in any type."""
    if digits and digits[6:].strip("0"):
        raise MeaninglessError
    return int((digits or "")[:6].ljust(6, "0"))


def read_zoned_clock(text: str, target: TargetType, written: bool) -> tuple[int, int]:
    """(microseconds since midnight, seconds east of Greenwich): PostgreSQL keeps both."""
    found = _OFFSET.search(text)
    if found is None or found.end() != len(text):
        raise MeaninglessError
    hours, minutes, seconds = (int(group or 0) for group in found.groups()[1:])
    if minutes > 59 or hours > 15:
        raise MeaninglessError
    offset = (hours * 60 + minutes) * 60 + seconds
    return read_clock(text[: found.start()], target, written), -offset if found[1] == "-" else offset


# -- intervals ----------------------------------------------------------------------------------------------------


def read_interval(text: str, _target: TargetType, written: bool) -> tuple[int, int, int] | float:
    """(months, days, microseconds), as PostgreSQL keeps them apart."""
    if written and text in _INFINITE:
        return _INFINITE[text]
    found = _DURATION.fullmatch(text)
    if found is None:
        return _wordy_interval(text.lower())
    years, months, weeks, days, hours, minutes = (int(group or 0) for group in found.groups()[:6])
    micros = hours * _MICROS["hour"] + minutes * _MICROS["minute"] + _signed_seconds(found[7] or "0", found[8])
    return years * 12 + months, weeks * 7 + days, micros


def _signed_seconds(whole: str, fraction: str | None) -> int:
    size = abs(int(whole)) * SECOND + _fraction(fraction)
    return -size if whole.startswith("-") else size


def _wordy_interval(text: str) -> tuple[int, int, int]:
    counts: dict[str, int] = {}
    rest = text.removeprefix("@ ")
    while found := _WORDY.match(rest):
        whole, fraction, word = found.groups()
        unit = _SHORT_UNITS.get(word.removesuffix("s"), word.removesuffix("s"))
        if unit in counts or (fraction and unit != "second"):
            raise MeaninglessError
        counts[unit] = _signed_seconds(whole, fraction) if unit == "second" else int(whole) * _MICROS.get(unit, 1)
        rest = rest[found.end() :].removeprefix(" ")
    micros = sum(counts.get(unit, 0) for unit in _MICROS)
    if rest:
        micros += _interval_clock(rest, has_clock=not counts.keys().isdisjoint(_MICROS))
    elif not counts:
        raise MeaninglessError
    months = sum(size * counts.get(unit, 0) for unit, size in _MONTHS.items())
    return months, sum(size * counts.get(unit, 0) for unit, size in _DAYS.items()), micros


def _interval_clock(text: str, *, has_clock: bool) -> int:
    found = _WORDY_CLOCK.fullmatch(text)
    if found is None or has_clock or int(found[3]) > 59 or int(found[4] or 0) > 59:
        raise MeaninglessError
    size = _clock_micros(int(found[2]), int(found[3]), int(found[4] or 0)) + _fraction(found[5])
    return -size if found[1] == "-" else size
