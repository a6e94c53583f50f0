"""What a text means in the types that have a written form of their own, by one strict reading of both sides.

The source's text and the target's output become plain values, and these are compared. Nothing is asked of PostgreSQL's
input, which is lenient, and no code of the conversion is used. MeaninglessError: the text is none of the type.
"""

import ipaddress
import re
from collections.abc import Callable
from datetime import date
from decimal import InvalidOperation

from etl.comparison import meaning
from etl.comparison.meaning import MeaninglessError
from etl.comparison.written_parts import ranges_of, split_array, split_range, split_row
from etl.core.types import Kind, TargetType
from etl.core.values import StorageValue

Plain = object
"""A value that equals another exactly where the two mean the same."""

SECOND = 1_000_000
_DAYS_FORM = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_CLOCK_FORM = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?")
_OFFSET_FORM = re.compile(r" ?(?:Z|([+-])([0-9]{2})(?::?([0-9]{2}))?(?::([0-9]{2}))?)")
_DURATION = re.compile(
    r"P(?:(-?[0-9]+)Y)?(?:(-?[0-9]+)M)?(?:(-?[0-9]+)W)?(?:(-?[0-9]+)D)?"
    r"(?:T(?:(-?[0-9]+)H)?(?:(-?[0-9]+)M)?(?:(-?[0-9]+)(?:\.([0-9]+))?S)?)?"
)
_WORDY = re.compile(
    r"([+-]?[0-9]+)(?:\.([0-9]+))? ?(years?|months?|mons?|weeks?|days?|hours?|minutes?|mins?|seconds?|secs?)"
)
_WORDY_CLOCK = re.compile(r"([+-]?)([0-9]+):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?")


def read(text: str, target: TargetType, *, written: bool) -> Plain:
    """The plain value of a text; `written`: PostgreSQL wrote it, and so it may hold what no source text means."""
    reader = _READERS.get(target.kind)
    if reader is None:
        raise MeaninglessError
    return reader(text, target, written)


def is_readable(target: TargetType) -> bool:
    """Whether the type, and every type that it is made of, is read here."""
    parts = [*filter(None, (target.element, target.subtype)), *(type_ for _, type_ in target.fields)]
    return target.kind in _READERS and all(map(is_readable, parts))


def stored_text(value: StorageValue, target: TargetType) -> str:
    """The text of a stored value, where its storage class has one in this type."""
    if isinstance(value, str):
        return value
    numbers = {Kind.OID: (int,), Kind.MONEY: (int, float), Kind.ENUM: (int, float)}.get(target.kind, ())
    if isinstance(value, numbers) and not isinstance(value, bool):
        return repr(value) if target.kind is Kind.MONEY else meaning.text(value)
    raise MeaninglessError


def means_same(value: StorageValue, written: str, target: TargetType) -> bool:
    """Whether the target's output is what the stored value means; raises MeaninglessError where that has no meaning."""
    return read(stored_text(value, target), target, written=False) == read(written, target, written=True)


# -- dates and clocks ---------------------------------------------------------------------------------------------


def _date(text: str, _target: TargetType, written: bool) -> Plain:
    found = _DAYS_FORM.fullmatch(text)
    if found is None:
        return _only_written(text, written)
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        raise MeaninglessError from None


def _only_written(text: str, written: bool) -> Plain:
    """What PostgreSQL alone can hold: infinity, years before Christ and after 9999."""
    if written:
        return ("only in the target", text)
    raise MeaninglessError


def _clock(text: str, _target: TargetType, written: bool) -> Plain:
    found = _CLOCK_FORM.fullmatch(text)
    if found is None:
        raise MeaninglessError
    hour, minute, second = (int(group or 0) for group in found.groups()[:3])
    if hour > (24 if written else 23) or minute > 59 or second > 59:
        raise MeaninglessError
    return (hour * 3600 + minute * 60 + second) * SECOND + _micros(found[4])


def _micros(digits: str | None) -> int:
    """Microseconds of a fraction; finer ones than that have no meaning in any type."""
    if digits and digits[6:].strip("0"):
        raise MeaninglessError
    return int((digits or "")[:6].ljust(6, "0"))


def _zoned_clock(text: str, target: TargetType, written: bool) -> Plain:
    found = _OFFSET_FORM.search(text)
    if found is None or found.end() != len(text):
        raise MeaninglessError
    hours, minutes, seconds = (int(group or 0) for group in found.groups()[1:])
    if minutes > 59 or hours > 15:
        raise MeaninglessError
    offset = (hours * 60 + minutes) * 60 + seconds
    return _clock(text[: found.start()], target, written), -offset if found[1] == "-" else offset


def _instant(text: str, target: TargetType, written: bool) -> Plain:
    """Times inside of other types, which the server reads in UTC."""
    if written and ("infinity" in text or "BC" in text or not text[:5].endswith("-")):
        return ("only in the target", text)
    return meaning.microseconds(text, target.kind, "UTC")


# -- intervals ----------------------------------------------------------------------------------------------------


def _interval(text: str, _target: TargetType, written: bool) -> Plain:
    """(months, days, microseconds), as PostgreSQL keeps them apart."""
    found = _DURATION.fullmatch(text)
    if found and text not in ("P", "PT") and not text.endswith("T"):
        years, months, weeks, days, hours, minutes = (int(group or 0) for group in found.groups()[:6])
        whole = found[7] or "0"
        size = abs(int(whole)) * SECOND + _micros(found[8])
        seconds = -size if whole.startswith("-") else size
        return years * 12 + months, weeks * 7 + days, (hours * 60 + minutes) * 60 * SECOND + seconds
    if written and "infinity" in text:
        return ("only in the target", text)
    return _wordy_interval(text.lower())


def _wordy_interval(text: str) -> Plain:
    months = days = micros = 0
    seen: set[str] = set()
    rest = text.removeprefix("@ ")
    while found := _WORDY.match(rest):
        named = found[3].removesuffix("s")
        unit = {"mon": "month", "min": "minute", "sec": "second"}.get(named, named)
        if unit in seen or (found[2] and unit != "second"):
            raise MeaninglessError
        seen.add(unit)
        count, sign = int(found[1]), -1 if found[1].startswith("-") else 1
        months += {"year": 12, "month": 1}.get(unit, 0) * count
        days += {"week": 7, "day": 1}.get(unit, 0) * count
        micros += {"hour": 3600, "minute": 60, "second": 1}.get(unit, 0) * count * SECOND
        micros += sign * _micros(found[2]) if unit == "second" else 0
        rest = rest[found.end() :].removeprefix(" ")
    if rest:
        micros += _interval_clock(rest, seen)
    elif not seen:
        raise MeaninglessError
    return months, days, micros


def _interval_clock(text: str, seen: set[str]) -> int:
    found = _WORDY_CLOCK.fullmatch(text)
    if found is None or seen & {"hour", "minute", "second"} or int(found[3]) > 59 or int(found[4] or 0) > 59:
        raise MeaninglessError
    size = (int(found[2]) * 3600 + int(found[3]) * 60 + int(found[4] or 0)) * SECOND + _micros(found[5])
    return -size if found[1] == "-" else size


# -- numbers, bits, addresses -------------------------------------------------------------------------------------


def _decimal(text: str, _target: TargetType, written: bool) -> Plain:
    try:
        return meaning.number(text)
    except MeaninglessError:
        return _only_written(text, written)


def _float(text: str, target: TargetType, written: bool) -> Plain:
    try:
        found = float(meaning.number(text))
    except MeaninglessError:
        return _only_written(text, written)
    if not written and not meaning.is_float(text, found, single=False):
        raise MeaninglessError
    return found if target.kind is Kind.DOUBLE else float(f"{found:.6g}")


def _whole(text: str, _target: TargetType, _written: bool) -> Plain:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise MeaninglessError
    return int(text)


def _money(text: str, _target: TargetType, written: bool) -> Plain:
    plain = text.replace(",", "") if written else text
    plain = re.sub(r"^(-?)\$", r"\1", plain)
    try:
        return meaning.number(plain)
    except InvalidOperation:
        raise MeaninglessError from None


def _truth(text: str, _target: TargetType, _written: bool) -> Plain:
    return meaning.truth(text)


def _exact(text: str, target: TargetType, _written: bool) -> Plain:
    return text.rstrip(" ") if target.padded else text


def _bits(text: str, _target: TargetType, _written: bool) -> Plain:
    if text.strip("01"):
        raise MeaninglessError
    return text


def _uuid(text: str, _target: TargetType, _written: bool) -> Plain:
    inner = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    if not re.fullmatch("(?:[0-9A-Fa-f]{4}-?){7}[0-9A-Fa-f]{4}", inner):
        raise MeaninglessError
    return inner.replace("-", "").lower()


def _address(text: str, target: TargetType, _written: bool) -> Plain:
    if not text.isascii() or "%" in text or "." in text.partition("/")[2]:
        raise MeaninglessError
    try:
        return ipaddress.ip_network(text) if target.kind is Kind.CIDR else ipaddress.ip_interface(text)
    except ValueError:
        raise MeaninglessError from None


def _hardware(text: str, target: TargetType, _written: bool) -> Plain:
    digits = re.sub("[:-]", "", text).lower()
    if not re.fullmatch("[0-9a-f]+", digits) or len(digits) != (12 if target.kind is Kind.MACADDR else 16):
        raise MeaninglessError
    return digits


def _octets(text: str, _target: TargetType, _written: bool) -> Plain:
    """Bytes inside of other types: in hexadecimal, on both sides."""
    if not re.fullmatch(r"\\x(?:[0-9A-Fa-f]{2})*", text):
        raise MeaninglessError
    return bytes.fromhex(text[2:])


def _document(text: str, target: TargetType, _written: bool) -> Plain:
    return meaning.plain_json(text, unique=target.base == "jsonb")


# -- types made of others -----------------------------------------------------------------------------------------


def _array(text: str, target: TargetType, written: bool) -> Plain:
    element = _part(target.element)

    def plain(item: object) -> Plain:
        if isinstance(item, list):
            return tuple(map(plain, item))
        return (read(item, element, written=written),) if isinstance(item, str) else None

    return plain(split_array(text))


def _row(text: str, target: TargetType, written: bool) -> Plain:
    fields = split_row(text)
    if len(fields) != len(target.fields):
        raise MeaninglessError
    return tuple(
        None if field is None else (read(field, type_, written=written),)
        for field, (_, type_) in zip(fields, target.fields, strict=True)
    )


def _range(text: str, target: TargetType, written: bool) -> Plain:
    """None where it is empty, else its bounds, each with whether it belongs to the range; whole steps end open."""
    subtype = _part(target.subtype)
    parts = split_range(text)
    if parts is None:
        return None
    low, high = (None if bound is None else read(bound, subtype, written=written) for bound in parts.bounds)
    low_in, high_in = parts.low_in and low is not None, parts.high_in and high is not None
    step = _STEPS.get(subtype.kind)
    if step is not None:
        low, low_in = (low, low is not None) if low_in or low is None else (step(low), True)
        high, high_in = (step(high), False) if high_in and high is not None else (high, False)
    if low is not None and high is not None and (low > high or (low == high and not (low_in and high_in))):  # type: ignore[operator]
        return None
    return (low, low_in), (high, high_in)


def _next_day(day: Plain) -> Plain:
    try:
        return date.fromordinal(day.toordinal() + 1) if isinstance(day, date) else day
    except (ValueError, OverflowError):
        return ("after", day)


def _next_whole(number: Plain) -> Plain:
    return number + 1 if isinstance(number, int) else number


_STEPS: dict[Kind, Callable[[Plain], Plain]] = {
    Kind.INTEGER: _next_whole,
    Kind.BIGINT: _next_whole,
    Kind.DATE: _next_day,
}


def _multirange(text: str, target: TargetType, written: bool) -> Plain:
    """The ranges without the empty ones, in order, those that meet made one."""
    found = [part for part in (_range(one, target, written) for one in ranges_of(text)) if part is not None]
    try:
        found.sort(key=lambda part: (part[0][0] is not None, part[0][0] or 0, not part[0][1]))  # type: ignore[index]
    except TypeError:
        raise MeaninglessError from None
    merged: list[Plain] = []
    for part in found:
        if merged and _meet(merged[-1], part):
            merged[-1] = _joined(merged[-1], part)
        else:
            merged.append(part)
    return tuple(merged)


def _meet(one: Plain, other: Plain) -> bool:
    (high, high_in), (low, low_in) = one[1], other[0]  # type: ignore[index]
    if high is None or low is None:
        return True
    return bool(low < high or (low == high and (high_in or low_in)))


def _joined(one: Plain, other: Plain) -> Plain:
    ends = [one[1], other[1]]  # type: ignore[index]
    if any(end[0] is None for end in ends):
        return one[0], (None, False)  # type: ignore[index]
    return one[0], max(ends)  # type: ignore[index]


def _part(part: TargetType | None) -> TargetType:
    if part is None:
        raise MeaninglessError
    return part


Reader = Callable[[str, TargetType, bool], Plain]
_READERS: dict[Kind, Reader] = {
    Kind.BOOLEAN: _truth,
    **dict.fromkeys((Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.OID), _whole),
    **dict.fromkeys((Kind.REAL, Kind.DOUBLE), _float),
    Kind.NUMERIC: _decimal,
    Kind.MONEY: _money,
    **dict.fromkeys((Kind.TEXT, Kind.ENUM), _exact),
    **dict.fromkeys((Kind.BIT, Kind.VARBIT), _bits),
    **dict.fromkeys((Kind.TIMESTAMPTZ, Kind.TIMESTAMP), _instant),
    Kind.DATE: _date,
    Kind.TIME: _clock,
    Kind.TIMETZ: _zoned_clock,
    Kind.INTERVAL: _interval,
    Kind.JSON: _document,
    Kind.BYTEA: _octets,
    Kind.UUID: _uuid,
    **dict.fromkeys((Kind.INET, Kind.CIDR), _address),
    **dict.fromkeys((Kind.MACADDR, Kind.MACADDR8), _hardware),
    Kind.ARRAY: _array,
    Kind.COMPOSITE: _row,
    Kind.RANGE: _range,
    Kind.MULTIRANGE: _multirange,
}
"""Each family once; `OTHER` is missing, since only the server reads it."""
