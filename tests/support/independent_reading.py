"""What a text means in a scalar type of PostgreSQL, read by Python alone: no code of the product, no server.

A reading is strict. Where it is None, the text means nothing in the type, and a row that holds it has to be rejected.
"""

import ipaddress
import json
import re
import struct
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from fractions import Fraction

Reading = Callable[[str], object]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_CLOCK = r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
_ZONE = r" ?(Z|UTC|[+-]\d\d(?::?\d\d(?::\d\d)?)?)"
_DAY = re.compile(r"(\d{4,6})-(\d{1,2})-(\d{1,2})", re.ASCII)
_TIME = re.compile(rf"{_CLOCK}(?:{_ZONE})?", re.ASCII | re.IGNORECASE)
_MOMENT = re.compile(r"(\d{4,6}-\d{1,2}-\d{1,2})(?:[ T](.*))?", re.ASCII | re.IGNORECASE)
_ISO_INTERVAL = re.compile(
    r"P(?:nY)?(?:nM)?(?:nW)?(?:nD)?(?:T(?:nH)?(?:nM)?(?:nS)?)?".replace("n", r"([+-]?\d+(?:\.\d+)?)"), re.ASCII
)
_UNITS = {
    "year": "y",
    "mon": "mon",
    "month": "mon",
    "week": "w",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
}
_AMOUNT = r"([+-]?\d+(?:\.\d+)?) ?([a-z]+)"
_INTERVAL = re.compile(
    rf"(?P<words>{_AMOUNT}(?: {_AMOUNT})*)? ?(?P<clock>[+-]?\d+:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII
)
_SIZES = {
    "y": ("months", 12),
    "mon": ("months", 1),
    "w": ("days", 7),
    "d": ("days", 1),
    "h": ("microseconds", 3_600_000_000),
    "min": ("microseconds", 60_000_000),
    "s": ("microseconds", 1_000_000),
}
_TRUTH = {"t": True, "true": True, "f": False, "false": False}


def _number(text: str) -> Fraction | None:
    text = text.strip(" ")
    if not _NUMBER.fullmatch(text):
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return (Fraction(value) if abs(value.adjusted()) < 200_000 else None) if value else Fraction(0)


def _floating(form: str) -> Reading:
    """A number that double precision holds or prints again, with the digits of the type; None for any other."""

    def read(text: str) -> object:
        exact = _number(text)
        try:
            double = None if exact is None else float(exact)
            kept = None if double is None else struct.unpack(form, struct.pack(form, double))[0]
        except OverflowError:
            return None
        if kept is None or (exact and not kept):
            return None
        return kept if exact in (Fraction(double), Fraction(repr(double))) else None

    return read


def _integer(lowest: int, highest: int) -> Reading:
    def read(text: str) -> object:
        value = _number(text)
        fits = value is not None and value.denominator == 1 and lowest <= value <= highest
        return value if fits else None

    return read


def _boolean(text: str) -> object:
    number = _number(text)
    return _TRUTH.get(text.strip(" ").lower()) if number is None else {0: False, 1: True}.get(int(number * 2) / 2)


def _money(text: str) -> object:
    value = _number(re.sub(r"^(-?)\$", r"\1", text.strip(" ").replace(",", "")))
    return value if value is not None and (value * 100).denominator == 1 else None


def _date(text: str) -> object:
    found = _DAY.fullmatch(text.strip(" "))
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def _offset(text: str) -> timezone:
    if text.upper() in ("Z", "UTC"):
        return UTC
    hours, minutes, seconds = ([*re.findall(r"\d\d", text), "0", "0"])[:3]
    size = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return timezone(-size if text[0] == "-" else size)


def _clock(text: str) -> tuple[time, timezone | None] | None:
    found = _TIME.fullmatch(text.strip(" "))
    if not found:
        return None
    hour, minute, second, fraction, zone = found.groups()
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6:
        return None
    try:
        clock = time(int(hour), int(minute), int(second or 0), int(fraction.ljust(6, "0")))
        return clock, _offset(zone) if zone else None
    except ValueError:
        return None


def _time(text: str) -> object:
    found = _clock(text)
    return found[0] if found and found[1] is None else None


def _time_with_zone(text: str) -> object:
    found = _clock(text)
    return found if found and found[1] is not None else None


def _moment(text: str) -> object:
    """A point in time; a column without a zone takes one with an offset as UTC, so both are read alike."""
    found = _MOMENT.fullmatch(text.strip(" "))
    day = _date(found[1]) if found else None
    clock = _clock(found[2]) if found and found[2] else (time(), None)
    if not isinstance(day, date) or clock is None:
        return None
    try:
        return datetime.combine(day, clock[0], clock[1] or UTC).astimezone(UTC)
    except OverflowError:
        return None


def _json(text: str) -> object:
    def once(pairs: list[tuple[str, object]]) -> object:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return frozenset(pairs_of(pairs))

    def pairs_of(pairs: list[tuple[str, object]]) -> list[tuple[str, object]]:
        return [(key, tuple(value) if isinstance(value, list) else value) for key, value in pairs]

    def refuse(word: str) -> object:
        raise ValueError(word)

    try:
        value = json.loads(text, object_pairs_hook=once, parse_float=_exact, parse_int=_exact, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return ("json", repr(value))


def _exact(text: str) -> str:
    sign, digits, exponent = Decimal(text).as_tuple()
    plain = "".join(map(str, digits)).lstrip("0")
    short = plain.rstrip("0")
    return f"number {'-' * sign if short else ''}{short}e{int(exponent) + len(plain) - len(short) if short else 0}"


def _address(*, network: bool) -> Reading:
    def read(text: str) -> object:
        try:
            found = ipaddress.ip_interface(text)
            return ipaddress.ip_network(text) if network else found
        except ValueError:
            return None

    return read


def _uuid(text: str) -> object:
    plain = text.strip("{}").replace("-", "")
    return uuid.UUID(plain) if re.fullmatch(r"[0-9a-fA-F]{32}", plain) else None


def _hardware(digits: int) -> Reading:
    def read(text: str) -> object:
        plain = re.sub(r"[:.\- ]", "", text).lower()
        return plain if re.fullmatch(rf"[0-9a-f]{{{digits}}}", plain) else None

    return read


def _itself(text: str) -> object:
    return text


def _without_blanks(text: str) -> object:
    return text.rstrip(" ")


def _interval(text: str) -> object:
    """Months, days and microseconds."""
    iso = _ISO_INTERVAL.fullmatch(text)
    words = None if iso else _INTERVAL.fullmatch(text.strip())
    if (iso and text[-1] in "PT") or not (iso or words):
        return None
    total: Counter[str] = Counter()
    if iso:
        amounts = zip(("y", "mon", "w", "d", "h", "min", "s"), iso.groups(), strict=True)
    else:
        assert words is not None
        amounts = [(_UNITS[unit.rstrip("s")], amount) for amount, unit in re.findall(_AMOUNT, words["words"] or "")]
        if words["clock"]:
            sign, *clock = re.fullmatch(r"([+-]?)(\d+):(\d\d)(?::([\d.]+))?", words["clock"]).groups()
            amounts += [(unit, f"{sign}{one}") for unit, one in zip(("h", "min", "s"), clock, strict=True) if one]
    for unit, amount in amounts:
        place, size = _SIZES[unit]
        total[place] += Fraction(amount or 0) * size
    return None if any(value.denominator != 1 for value in total.values()) else {k: v for k, v in total.items() if v}


def _bytes(text: str) -> object:
    return text.encode()


def _bytes_in_hexadecimal(text: str) -> object:
    return bytes.fromhex(text[2:]) if re.fullmatch(r"\\x(?:[0-9A-Fa-f]{2})*", text) else None


SOURCE: dict[str, Reading] = {
    "boolean": _boolean,
    "smallint": _integer(-(2**15), 2**15 - 1),
    "integer": _integer(-(2**31), 2**31 - 1),
    "bigint": _integer(-(2**63), 2**63 - 1),
    "oid": _integer(0, 2**32 - 1),
    "real": _floating("f"),
    "double precision": _floating("d"),
    "numeric": _number,
    "money": _money,
    "text": _itself,
    "character varying": _itself,
    "name": _itself,
    '"char"': _itself,
    "xml": _itself,
    "json": _itself,
    "jsonb": _json,
    "bytea": _bytes,
    "date": _date,
    "time without time zone": _time,
    "time with time zone": _time_with_zone,
    "timestamp without time zone": _moment,
    "timestamp with time zone": _moment,
    "uuid": _uuid,
    "inet": _address(network=False),
    "cidr": _address(network=True),
    "macaddr": _hardware(12),
    "macaddr8": _hardware(16),
    "bit": _itself,
    "bit varying": _itself,
    "character": _without_blanks,
    "interval": _interval,
}
"""How the text of the source is read, by the type's name."""

IN_OTHERS: dict[str, Reading] = {**SOURCE, "bytea": _bytes_in_hexadecimal}
"""How it is read in a part of an array or a range: these are in PostgreSQL's text form."""

STORED: dict[str, Reading] = IN_OTHERS
"""How PostgreSQL's own text of a value is read."""
