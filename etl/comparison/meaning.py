"""What a stored SQLite value means in a target type, read by code of its own: value by value, exact, never in a hurry.

The comparison turns to it where the databases' own words (`source_side.py`, `target_side.py`) do not already
agree. It shares nothing with `etl.conversion.convert`, so that a wrong cast cannot prove itself right.
"""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import numpy as np

from etl.core.time_units import TimeUnit
from etl.core.types import Kind
from etl.core.values import StorageValue

BEYOND = {2**63 - 1: "infinity", -(2**63) + 2: "-infinity", 2**63 - 2: "a time after the year 10000"}
"""Numbers that stand for what PostgreSQL can hold and no SQLite value means."""

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:(?<=:[0-9]{2}:[0-9]{2})\.([0-9]+))?"
    r"(?: ?([Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_TRUTH = {"0": False, "f": False, "false": False, "1": True, "t": True, "true": True}


class MeaninglessError(ValueError):
    """The stored value has no meaning in the target type: no value of the target can be equal to it."""


class RepeatedKeyError(MeaninglessError):
    """An object of a JSON document holds a key twice."""


class TooDeepError(ValueError):
    """A JSON text is nested more deeply than Python reads; PostgreSQL can tell."""


# -- numbers ------------------------------------------------------------------------------------------------------


def number(value: StorageValue) -> Decimal:
    """An integer, a real (its exact binary value) or a decimal text as an exact number."""
    if isinstance(value, int | float):
        return Decimal(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        try:
            return Decimal(value)
        except InvalidOperation:  # an exponent that no number of PostgreSQL has
            raise MeaninglessError from None
    raise MeaninglessError


def is_number(value: StorageValue, target: Decimal) -> bool:
    """Whether `target` is the stored number; for a real it may be any decimal that reads back as the same real."""
    if isinstance(value, float):
        return float(target) == value
    return number(value) == target


def is_integer(value: StorageValue, target: int) -> bool:
    """Whether `target` is the stored whole number."""
    exact = number(value)
    if not exact.is_finite() or (isinstance(value, str) and not value.lstrip("+-").isdigit()):
        raise MeaninglessError
    return exact == target


def is_float(value: StorageValue, target: float, *, single: bool) -> bool:
    """Whether `target` is the stored number in the precision of `double precision`, or of `real` where `single`.

    A finite number never became an infinite one, nor another one 0: PostgreSQL refuses both.
    """
    exact = number(value)
    expected = float(exact)
    if isinstance(value, str) and exact not in (Decimal(repr(expected)), Decimal(expected)):
        return False  # digits that no floating point number has
    if single:
        with np.errstate(over="ignore"):
            expected = float(np.float32(expected))
    lost = (np.isinf(target) and exact.is_finite()) or (target == 0 and exact != 0)
    return not lost and expected == target


# -- truth, text, bytes -------------------------------------------------------------------------------------------


def truth(value: StorageValue) -> bool:
    """The whole numbers 0 and 1, and six words in any case."""
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.isascii() and value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    raise MeaninglessError


def text(value: StorageValue) -> str:
    """Text as it stands; integers by their digits, reals as SQLite's CAST prints them, with 15 digits and a point."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        digits, _, exponent = f"{value + 0.0:.15g}".partition("e")
        pointed = digits if "." in digits or "n" in digits else f"{digits}.0"
        return (f"{pointed}e{exponent}" if exponent else pointed).replace("inf", "Inf")
    if isinstance(value, int):
        return str(value)
    raise MeaninglessError


def is_text(value: StorageValue, target: str, *, padded: bool) -> bool:
    """Whether `target` is the stored text; blanks at the end do not count in char(n).

    SQLite renders a real with 15 or 17 digits, depending on its version: both count.
    """
    if isinstance(value, float) and math.isfinite(value):
        return _DECIMAL.fullmatch(target) is not None and float(target) in (value, float(f"{value:.15g}"))
    expected = text(value)
    return expected.rstrip(" ") == target.rstrip(" ") if padded else expected == target


def octets(value: StorageValue) -> bytes:
    """BLOBs byte for byte, text as UTF-8."""
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    raise MeaninglessError


# -- times --------------------------------------------------------------------------------------------------------


def microseconds(value: StorageValue, target: Kind, zone: str, unit: TimeUnit | None = None) -> int:
    """Microseconds since 1970: of the instant for timestamptz, of the wall clock in `zone` for timestamp.

    A number has a meaning only in the `unit` of its column.
    """
    wall, instant = _read_time(value, unit)
    if target is Kind.TIMESTAMPTZ:
        return instant if instant is not None else _instant(wall, zone)
    return wall if instant is None else _wall_clock(instant, zone)


def is_wall_clock(text: str) -> bool:
    """Whether a time has no offset."""
    return _read_time_text(text)[1] is None


def _read_time(value: StorageValue, unit: TimeUnit | None) -> tuple[int, int | None]:
    """(wall clock, None) for a time without a zone, else (0, instant)."""
    if isinstance(value, str):
        return _read_time_text(value)
    if unit not in _UNITS or not isinstance(value, int | float) or not math.isfinite(value):
        raise MeaninglessError
    micros, beginning, steps = _UNITS[unit]
    exact = Decimal(value) * micros + beginning
    if isinstance(value, int) and exact != exact.to_integral_value():
        raise MeaninglessError  # finer than the target can hold
    if steps > 1:  # days, which are kept to the millisecond
        return 0, (math.floor(value * 86_400_000 + 0.5) + beginning // 1000) * 1000
    return 0, int(exact.to_integral_value())


_UNITS = {  # microseconds of one, microseconds from 1970 to its beginning, and the steps that reals are rounded to
    TimeUnit.SECONDS: (Decimal(10**6), 0, 1),
    TimeUnit.MILLISECONDS: (Decimal(10**3), 0, 1),
    TimeUnit.MICROSECONDS: (Decimal(1), 0, 1),
    TimeUnit.NANOSECONDS: (Decimal("0.001"), 0, 1),
    TimeUnit.CHROME: (Decimal(1), (datetime(1601, 1, 1) - _EPOCH) // _MICROSECOND, 1),
    TimeUnit.MAC: (Decimal(10**6), (datetime(2001, 1, 1) - _EPOCH) // _MICROSECOND, 1),
    TimeUnit.EXCEL: (Decimal(86_400 * 10**6), (datetime(1899, 12, 30) - _EPOCH) // _MICROSECOND, 1000),
    TimeUnit.JULIAN: (Decimal(86_400 * 10**6), -210_866_760_000_000_000, 1000),
}


def _read_time_text(value: str) -> tuple[int, int | None]:
    match = _TIME.fullmatch(value)
    if match is None:
        raise MeaninglessError
    day, clock, fraction, zone = match.groups()
    if fraction and fraction[6:].strip("0"):
        raise MeaninglessError  # finer than the target can hold
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}")
    except ValueError:
        raise MeaninglessError from None
    wall = (moment - _EPOCH) // _MICROSECOND + int((fraction or "")[:6].ljust(6, "0"))
    return (wall, None) if zone is None else (0, wall - _offset(zone) // _MICROSECOND)


def _offset(zone: str) -> timedelta:
    if zone in ("Z", "z", "UTC"):
        return timedelta(0)
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset >= timedelta(hours=16) or int(digits[2:]) > 59:
        raise MeaninglessError
    return -offset if zone[0] == "-" else offset


def _instant(wall: int, zone: str) -> int:
    if zone == "UTC":
        return wall
    try:
        offset = (_EPOCH + timedelta(microseconds=wall)).replace(tzinfo=ZoneInfo(zone)).utcoffset()
    except OverflowError:
        raise MeaninglessError from None
    return wall - (offset or timedelta(0)) // _MICROSECOND


def _wall_clock(instant: int, zone: str) -> int:
    if zone == "UTC":
        return instant
    try:
        moment = (_EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))
    except OverflowError:
        raise MeaninglessError from None
    return (moment.replace(tzinfo=None) - _EPOCH) // _MICROSECOND


def time_text(micros: int, target: Kind) -> str:
    """Microseconds since 1970 as PostgreSQL would print them in UTC."""
    if micros in BEYOND:
        return BEYOND[micros]
    try:
        moment = _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return f"{micros} microseconds since 1970"
    zoned = moment.replace(tzinfo=UTC) if target is Kind.TIMESTAMPTZ else moment
    return zoned.isoformat(" ")


# -- JSON ---------------------------------------------------------------------------------------------------------


def is_json(value: StorageValue, target: str) -> bool:
    """Whether both are the same document: numbers by value and exactly, objects in any order.

    Where an object holds a key twice, nothing but the same text is the same: jsonb keeps one of the values only.
    Raises `TooDeepError` where Python cannot read one of them.
    """
    if isinstance(value, float):
        found = _parse_json(target)
        return isinstance(found, Decimal) and is_number(value, found)
    if isinstance(value, int):
        return _same_json(Decimal(value), _parse_json(target))
    if not isinstance(value, str):
        raise MeaninglessError
    try:
        return value == target or _same_json(_parse_json(value), _parse_json(target))
    except RepeatedKeyError:
        return False
    except RecursionError:
        raise TooDeepError from None


def _refuse(_constant: str) -> object:
    raise MeaninglessError  # NaN and Infinity, which are not JSON


def _json_number(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise MeaninglessError from None


def _of_unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedKeyError
    return found


_JSON = json.JSONDecoder(
    parse_int=_json_number, parse_float=_json_number, parse_constant=_refuse, object_pairs_hook=_of_unique
)


def plain_json(document: str) -> object:
    """A document as a value that equals another of the same content; true is not 1. No key may occur twice."""
    try:
        return _frozen(_parse_json(document))
    except RecursionError:
        raise TooDeepError from None


def _frozen(found: object) -> object:
    if isinstance(found, dict):
        return frozenset((key, _frozen(value)) for key, value in found.items())
    if isinstance(found, list):
        return tuple(map(_frozen, found))
    return type(found).__name__, found


def _parse_json(document: str) -> object:
    try:
        return _JSON.decode(document)
    except RecursionError:
        raise TooDeepError from None
    except MeaninglessError:
        raise
    except ValueError:
        raise MeaninglessError from None


_JSON_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[{}:]', re.DOTALL)


def repeats_key(document: str) -> bool:
    """Whether an object holds a key twice, in a document that is known to be one, however deep or large it is."""
    objects: list[set[str]] = []
    last = ""
    for found in _JSON_MARK.finditer(document):
        mark = found[0]
        if mark == "{":
            objects.append(set())
        elif mark == "}":
            objects.pop()
        elif mark == ":":
            key = json.loads(last)
            if key in objects[-1]:
                return True
            objects[-1].add(key)
        last = mark
    return False


def _same_json(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same_json, one, other))
    return type(one) is type(other) and one == other  # True is not 1
