"""An independent reading of the README's conversion table: which value PostgreSQL should hold for a value of SQLite.

Written without the product's code, one value at a time. For the types that the README leaves to PostgreSQL's own input,
and for what it takes for JSON, the server is asked.
"""

import json
import math
import re
import struct
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2 import sql


class Undecodable(bytes):
    """A TEXT of SQLite that is not valid UTF-8."""


Cell = int | float | str | bytes | None
REFUSED = object()

TYPES = [
    *("boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric", "numeric(6,2)", "text"),
    *("varchar(5)", "char(4)", "json", "jsonb", "timestamptz", "timestamp", "bytea"),
    *(
        "date",
        "time",
        "interval",
        "uuid",
        "integer[]",
        "text[]",
        "varchar(3)[]",
        '"mo$$d {} %s"',
        "positive",
        "present",
    ),
]
# The written forms of types that PostgreSQL reads more leniently; whether a day exists, say, the server tells.
_FORMS = {
    "date": r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}",
    "time": r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6}0*)?)?",
    "uuid": r"(?i)\{([0-9a-f]{4}-?){7}[0-9a-f]{4}\}|([0-9a-f]{4}-?){7}[0-9a-f]{4}",
    "interval": r"(?i)(-?\d+ (year|mon|day|hour|minute|second)s? ?)*(-?\d+:\d\d(:\d\d(\.\d{1,6})?)?)?|P.+",
    **dict.fromkeys(("integer[]", "text[]", "varchar(3)[]"), r"\{.*\}"),
}
_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
_SHORT_NAMES = [
    ("character varying", "varchar"),
    ("character", "char"),
    ("timestamp with time zone", "timestamptz"),
    (" without time zone", ""),
]
_LIMITED_TEXT = re.compile(r"(?:varchar|char)\((\d+)\)")
_LIMITED_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?: ?([Zz]|UTC|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)


def short_type(spelled: str) -> str:
    """The usual name of a type, from what PostgreSQL's `format_type` makes of it."""
    for long, short in _SHORT_NAMES:
        spelled = spelled.replace(long, short)
    return spelled


class Oracle:
    """Says what becomes of single values; `connection` serves for questions only, inside savepoints."""

    def __init__(self, connection: psycopg2.extensions.connection) -> None:
        self._connection = connection

    def expected(self, value: Cell, type_: str) -> Any:
        """The value as psycopg2 takes it (a json as its text), or REFUSED."""
        if value is None:
            return self._by_server(None, type_) if type_ == "present" else None
        if type_ == "bytea":
            return _bytes(value)
        if isinstance(value, bytes):  # BLOBs, and text that is no text
            return REFUSED
        if type_ == "boolean":
            return _boolean(value)
        if type_ in _BITS:
            return _integer(value, _BITS[type_])
        if type_ in ("real", "double precision"):
            return _float(value, single=type_ == "real")
        if type_.startswith("numeric"):
            return _numeric(value, _LIMITED_NUMERIC.fullmatch(type_))
        if type_ in ("timestamptz", "timestamp"):
            return _moment(value, aware=type_ == "timestamptz")
        if type_ in ("json", "jsonb"):
            return self._json(value)
        text = _text(value)
        if "\0" in text:
            return REFUSED
        if type_ in _FORMS and (not isinstance(value, str) or not re.fullmatch(_FORMS[type_], text, re.ASCII)):
            return REFUSED
        limited = _LIMITED_TEXT.fullmatch(type_)
        if limited is None:
            return text if type_ in ("text", "varchar") else self._by_server(text, type_)
        if len(text) > int(limited[1]):
            return REFUSED
        return text.ljust(int(limited[1])) if type_.startswith("char") else text

    def _json(self, value: float | str) -> Any:
        if isinstance(value, float) and math.isinf(value):
            return REFUSED
        text = value if isinstance(value, str) else json.dumps(value)
        if "\0" in text or self._by_server(text, "jsonb") is REFUSED:
            return REFUSED
        return text

    def _by_server(self, text: str | None, type_: str) -> Any:
        """What a column of the type makes of a text, as text."""
        with self._connection.cursor() as cursor:
            cursor.execute("SAVEPOINT question")
            try:
                cursor.execute(sql.SQL("CREATE TEMP TABLE probe (v {}) ON COMMIT DROP").format(sql.SQL(type_)))
                cursor.execute(sql.SQL("INSERT INTO probe VALUES ({}) RETURNING v::text").format(sql.Literal(text)))
                (found,) = cursor.fetchone() or (None,)
            except (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.OperationalError):
                found = REFUSED
            cursor.execute("ROLLBACK TO SAVEPOINT question")
        return found


def _bytes(value: Cell) -> Any:
    if isinstance(value, bytes):
        return bytes(value)
    return value.encode() if isinstance(value, str) else REFUSED


def _boolean(value: float | str) -> Any:
    if isinstance(value, str):
        return {"0": False, "f": False, "false": False, "1": True, "t": True, "true": True}.get(
            _ascii_lower(value), REFUSED
        )
    return bool(value) if value in (0, 1) else REFUSED


def _ascii_lower(text: str) -> str:
    return text.lower() if text.isascii() else text


def _integer(value: float | str, bits: int) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]+", value):
            return REFUSED
        value = int(value)
    if isinstance(value, float):
        if not value.is_integer():
            return REFUSED
        value = int(value)
    return value if -(2**bits) <= value < 2**bits else REFUSED


def _float(value: float | str, *, single: bool) -> Any:
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return REFUSED
        exact = Decimal(value)
        value = float(value)
        if math.isinf(value) or (value == 0 and exact != 0):
            return REFUSED
        if exact not in (Decimal(repr(value)), Decimal(value)):
            return REFUSED  # digits that no floating point number has
    if isinstance(value, int) and int(float(value)) != value:
        return REFUSED
    value = float(value)
    if not single or math.isinf(value):
        return value
    try:
        (narrow,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return REFUSED
    return REFUSED if math.isinf(narrow) or (narrow == 0 and value != 0) else narrow


def _numeric(value: float | str, limits: re.Match[str] | None) -> Any:
    text = value if isinstance(value, str) else repr(value)
    if not _NUMBER.fullmatch(text):
        return REFUSED
    number = Decimal(text)
    if limits is None or not number:
        return number
    precision, scale = int(limits[1]), int(limits[2])
    if abs(number.adjusted()) > 1000:
        return REFUSED
    digits = Fraction(number) * 10**scale
    return number if digits.denominator == 1 and abs(digits) < 10**precision else REFUSED


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    mantissa, letter, exponent = f"{value + 0.0:.15g}".partition("e")
    return (mantissa if "." in mantissa else mantissa + ".0") + letter + exponent


# -- times ---------------------------------------------------------------------------------------------------------

_UNITS = [
    (10**8, 1_000_000),
    (10**11, 1_000),
    (10**14, 1),
]  # seconds, milliseconds, microseconds: three magnitudes each


def _moment(value: float | str, *, aware: bool) -> Any:
    instant = _from_text(value) if isinstance(value, str) else _from_number(value)
    if instant is REFUSED or aware:
        return instant
    return instant.replace(tzinfo=None)


def _from_text(text: str) -> Any:
    match = _TIME.fullmatch(text)
    if match is None:
        return REFUSED
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, zone = match[7] or "", match[8] or "Z"
    if fraction[6:].strip("0"):
        return REFUSED
    try:
        found = datetime.combine(
            date(year, month, day), time(hour, minute, second, int(fraction[:6].ljust(6, "0"))), UTC
        )
        if zone in ("Z", "z", "UTC"):
            return found
        hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
        if hours > 15 or minutes > 59:
            return REFUSED
        offset = timedelta(hours=hours, minutes=minutes)
        return found + offset if zone[0] == "-" else found - offset
    except (ValueError, OverflowError):
        return REFUSED


def _from_number(value: float) -> Any:
    if math.isinf(value):
        return REFUSED
    if isinstance(value, float) and 1721425.5 <= value < 5373484.5:
        return datetime(1, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(value * 86_400_000 + 0.5) - 148731163200000)
    for start, factor in _UNITS:
        if start <= abs(value) < start * 1000:
            try:
                return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(Fraction(value) * factor))
            except OverflowError:
                return REFUSED
    return REFUSED


# -- what the target holds -----------------------------------------------------------------------------------------


_AS_THEY_ARE = re.compile(
    r"boolean|smallint|integer|bigint|real|double precision|text|(var)?char(\(\d+\))?|timestamp(tz)?|bytea"
)


def expression(name: sql.Identifier, type_: str) -> sql.Composable:
    """How a column is read, for `canonical`."""
    return name if _AS_THEY_ARE.fullmatch(type_) else sql.SQL("{}::text").format(name)


def canonical(value: Any, type_: str) -> Any:
    """The same for values that are the same, whether expected or read from the target."""
    if value is None or value is REFUSED:
        return value
    if type_ == "bytea":
        return bytes(value)
    if type_.startswith("numeric"):
        return _plain(Decimal(value))
    if type_ == "jsonb" or (type_ == "json" and _NUMBER.fullmatch(value)):
        return _document(value)
    if type_ == "real":  # psycopg2 has the shortest digits, which name another 8-byte number
        (value,) = struct.unpack("f", struct.pack("f", value))
    return repr(value) if isinstance(value, float) else value


def literal(connection: psycopg2.extensions.connection, value: Any) -> str:
    """An expected value in a statement."""
    if isinstance(value, float):
        return f"'{value!r}'::float8"
    return sql.Literal(psycopg2.Binary(value) if isinstance(value, bytes) else value).as_string(connection)


def _plain(number: Decimal) -> str:
    """A decimal without what does not count: the sign of zero, zeros at its ends."""
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    return f"{'-' if sign else ''}{short}e{int(exponent) + len(text) - len(short)}" if short else "0"


def _document(text: str) -> str:
    """A JSON document with its keys sorted and its numbers as exact decimals."""
    return json.dumps(json.loads(text, parse_int=_exact, parse_float=_exact), sort_keys=True)


def _exact(digits: str) -> list[str]:
    return ["number", _plain(Decimal(digits))]
