"""date, time and timetz: ISO 8601 alone.

What PostgreSQL's own input would bend is refused: other orders of day and month, a clock in a date, 24:00, surplus
digits, words.
"""

import re
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, look_singly, where
from etl.conversion.casts.timestamps import DATE_PATTERN, OFFSET_PATTERN, TOO_FINE
from etl.core.rejects import RejectRule
from etl.core.types import TargetType

NOT_DATE = Refusal(RejectRule.NOT_A_TIME, f"{VALUE} is not a date (YYYY-MM-DD)")
NOT_CLOCK = Refusal(RejectRule.NOT_A_TIME, f"{VALUE} is not a time of day (HH:MM:SS, with a fraction if any)")
NOT_ZONED_CLOCK = Refusal(RejectRule.NOT_A_TIME, f"{VALUE} is not a time of day with an offset (HH:MM:SS+HH:MM)")

_CLOCK = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6}0*)?)?"
_FRACTION = re.compile(r"\.([0-9]+)")
_SHORT_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_DATE_WITH_CLOCK = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]")
MOST_DIGITS = 6  # PostgreSQL keeps microseconds


def date_from_text(values: pa.Array, _target: TargetType) -> Cells:
    """`YYYY-MM-DD`, also with one digit for month or day; years 1 to 9999, a day that exists."""
    fits = pc.match_substring_regex(values, f"^{DATE_PATTERN}$")
    return look_singly(values, where(fits, values), _read_date)


def time_of_day_from_text(values: pa.Array, target: TargetType) -> Cells:
    """`HH:MM[:SS[.f]]` from 00:00 to 23:59:59.999999; digits beyond the type's are accepted if they are zeros."""
    return _clock(values, target, f"^{_CLOCK}$", NOT_CLOCK)


def zoned_time_of_day_from_text(values: pa.Array, target: TargetType) -> Cells:
    """The same with an offset: without one, no zone's clock is meant."""
    return _clock(values, target, f"^{_CLOCK} ?{OFFSET_PATTERN}$", NOT_ZONED_CLOCK)


def _clock(values: pa.Array, target: TargetType, pattern: str, otherwise: Refusal) -> Cells:
    fits = pc.match_substring_regex(values, pattern)
    digits = MOST_DIGITS if target.precision is None else target.precision
    if digits < MOST_DIGITS:
        finer = pc.match_substring_regex(values, rf"\.[0-9]{{{digits}}}[0-9]*[1-9]")
        fits = pc.and_(fits, pc.invert(finer))
    return look_singly(values, where(fits, values), partial(_refuse_clock, digits=digits, otherwise=otherwise))


def _read_date(text: str) -> str:
    """Months and days of one digit, which have one meaning behind the year."""
    found = _SHORT_DATE.fullmatch(text)
    if found:
        try:
            return date(*map(int, found.groups())).isoformat()
        except ValueError:
            raise RefusalError(RejectRule.NO_SUCH_TIME, f"{VALUE} is not a date that exists") from None
    if _DATE_WITH_CLOCK.match(text):
        raise RefusalError(RejectRule.PART_LOST, f"{VALUE} has a time of day, the column takes dates alone")
    raise RefusalError(*NOT_DATE)


def _refuse_clock(text: str, *, digits: int, otherwise: Refusal) -> str:
    fraction = _FRACTION.search(text)
    if fraction and fraction[1][digits:].strip("0"):
        raise RefusalError(*TOO_FINE)
    raise RefusalError(*otherwise)
