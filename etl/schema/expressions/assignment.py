"""What a value becomes in a column: literals by the column's type, as the load would convert them, and expressions."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation

from etl.schema.expressions.moments import UTC_NOW
from etl.schema.expressions.terms import NUMBERS, Affinity, Sort, Term, base_type, number, sort_of_type, text
from etl.schema.expressions.values import Refusal, text_literal

_LIMITS = re.compile(r"\((\d+)(?:,(-?\d+))?\)")
_INTEGER_BITS = {"smallint": 15, "integer": 31, "int": 31, "bigint": 63}
_TRUTH = {"0": "FALSE", "f": "FALSE", "false": "FALSE", "1": "TRUE", "t": "TRUE", "true": "TRUE"}
_INTEGER = re.compile(r"[+-]?\d+(\.0*)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?( ?(Z|[+-]\d{2}:\d{2}))?")


def assigned(term: Term, type_: str) -> str:
    """The term as a column of this type takes it.

    Raises:
        Refusal: the column would hold another value than SQLite's.
    """
    if term.sort is Sort.NULL:
        return "NULL"
    if term.now:
        return _from_now(term, type_)
    if term.literal is not None:
        return _literal(term, type_)
    return _expression(term, type_)


def _mismatch(term: Term, type_: str) -> Refusal:
    return Refusal(f"{term.sort.value} does not become {type_} unchanged")


_NOW = {
    "timestamptz": "CURRENT_TIMESTAMP",
    "timestamp with time zone": "CURRENT_TIMESTAMP",
    "timestamp": f"({UTC_NOW})",
    "timestamp without time zone": f"({UTC_NOW})",
    "date": f"({UTC_NOW})::date",
    "time": f"({UTC_NOW})::time",
    "time without time zone": f"({UTC_NOW})::time",
}


def _from_now(term: Term, type_: str) -> str:
    """The present time, or a random identifier, which comes from nothing but itself as well."""
    base = base_type(type_)
    random = "gen_random_uuid()" in term.sql
    if base == "uuid" and random and ("::text" in term.sql or term.sort is Sort.BYTES) and "sha256" not in term.sql:
        return "gen_random_uuid()"
    if base in _NOW and not random:
        return _NOW[base]
    return _expression(term, type_)


def _expression(term: Term, type_: str) -> str:
    sort = sort_of_type(type_)
    if sort is term.sort and sort in (Sort.TEXT, Sort.BYTES, Sort.BOOLEAN, Sort.INTEGER, Sort.REAL, Sort.DATE):
        return term.sql
    if term.sort in (Sort.INTEGER, Sort.BOOLEAN) and sort in NUMBERS - {Sort.BOOLEAN}:
        return number(term).sql
    if sort is Sort.TEXT and term.sort in (Sort.INTEGER, Sort.BOOLEAN):
        return text(term)
    if sort is Sort.DECIMAL and term.sort is Sort.DECIMAL:
        return term.sql
    if sort is Sort.DECIMAL and term.sort is Sort.REAL:
        # By its shortest text, as the load reads a REAL; PostgreSQL's own cast keeps 15 digits.
        return f"{term.as_('text')}::numeric"
    raise _mismatch(term, type_)


def generated(term: Term, type_: str, affinity: Affinity) -> str:
    """The term as a generated column takes it, whose affinity may turn a text into a number."""
    if term.sort is Sort.TEXT and affinity not in (Affinity.TEXT, Affinity.BLOB):
        raise Refusal("the column is declared as a number, and SQLite turns texts that look like one into it")
    if term.sort in NUMBERS and sort_of_type(type_) is Sort.TEXT and affinity is not Affinity.TEXT:
        raise Refusal("the column holds numbers in SQLite, and texts in PostgreSQL")
    return assigned(term, type_)


@dataclass(frozen=True)
class _Type:
    name: str
    length: int | None
    scale: int | None


def _parsed(type_: str) -> _Type:
    limits = _LIMITS.search(type_)
    length = int(limits[1]) if limits else None
    scale = int(limits[2] or 0) if limits else None
    return _Type(base_type(type_), length, scale)


def _literal(term: Term, type_: str) -> str:
    parsed = _parsed(type_)
    reader = _READERS.get(parsed.name)
    if reader is None or term.literal is None or term.sort not in NUMBERS | {Sort.TEXT}:
        raise _mismatch(term, type_)
    found = reader(term, term.literal, parsed)
    if found is None:
        raise Refusal(f"{term.sql} is no value of {type_}")
    return found


def _boolean(term: Term, value: str, _type: _Type) -> str | None:
    if term.sort not in NUMBERS:
        return _TRUTH.get(value.lower())
    return {"0": "FALSE", "1": "TRUE"}.get(value.removesuffix(".0"))


def _integer(_term: Term, value: str, type_: _Type) -> str | None:
    if not _INTEGER.fullmatch(value):
        return None
    whole = int(Decimal(value))
    bits = _INTEGER_BITS[type_.name]
    return str(whole) if -(2**bits) <= whole < 2**bits else None


def _number(_term: Term, value: str, _type: _Type) -> str | None:
    try:
        found = Decimal(value.strip())
    except InvalidOperation:
        return None
    return str(found) if found.is_finite() else None


def _decimal(term: Term, value: str, type_: _Type) -> str | None:
    found = _number(term, value, type_)
    if found is None or type_.length is None or type_.scale is None:
        return found
    kept = round(Decimal(found), type_.scale)
    return found if kept == Decimal(found) and abs(kept) < Decimal(10) ** (type_.length - type_.scale) else None


def _as_text(term: Term, value: str, type_: _Type) -> str | None:
    if term.sort is Sort.REAL:
        value = format(float(value), ".15g")
        if "e" in value:
            return None
        value = value if "." in value else value + ".0"
    if type_.length is not None and len(value) > type_.length:
        return None
    return text_literal(value)


def _as_bytes(term: Term, value: str, _type: _Type) -> str | None:
    return f"'\\x{value.encode().hex()}'::bytea" if term.sort is Sort.TEXT else None


def _zoned(term: Term, value: str, type_: _Type) -> str | None:
    found = _plain_moment(term, value)
    if found is None:
        return None
    zone = _MOMENT.fullmatch(value)
    offset = zone[5] if zone and zone[5] not in (None, "Z") else "+00"
    word = "TIMESTAMPTZ" if type_.name.startswith("timestamptz") or "with time" in type_.name else "TIMESTAMP"
    return f"{word} '{found}{offset}'" if word == "TIMESTAMPTZ" else f"TIMESTAMP '{found}'"


def _plain(term: Term, value: str, type_: _Type) -> str | None:
    zone = _MOMENT.fullmatch(value)
    return None if zone and zone[5] not in (None, "Z") else _zoned(term, value, type_)


def _plain_moment(term: Term, value: str) -> str | None:
    if term.sort is not Sort.TEXT or not _MOMENT.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value.replace(" +", "+").replace(" -", "-"))
    except ValueError:
        return None
    return moment.replace(tzinfo=None).isoformat(sep=" ")


def _as_date(term: Term, value: str, _type: _Type) -> str | None:
    if term.sort is not Sort.TEXT or not _DATE.fullmatch(value):
        return None
    try:
        return f"DATE '{date.fromisoformat(value)}'"
    except ValueError:
        return None


def _as_time(term: Term, value: str, _type: _Type) -> str | None:
    if term.sort is not Sort.TEXT or not _CLOCK.fullmatch(value):
        return None
    try:
        return f"TIME '{time.fromisoformat(value)}'"
    except ValueError:
        return None


def _as_uuid(term: Term, value: str, _type: _Type) -> str | None:
    try:
        return f"'{uuid.UUID(value)}'::uuid" if term.sort is Sort.TEXT else None
    except ValueError:
        return None


def _as_json(_term: Term, value: str, type_: _Type) -> str | None:
    try:
        found = json.loads(value, parse_constant=_no_json)
    except ValueError:
        return None
    return None if "\\u0000" in json.dumps(found) else f"{text_literal(value)}::{type_.name}"


def _no_json(name: str) -> object:
    raise ValueError(name)


_READERS: dict[str, Callable[[Term, str, _Type], str | None]] = {
    "boolean": _boolean,
    "bool": _boolean,
    **dict.fromkeys(_INTEGER_BITS, _integer),
    "double precision": _number,
    "real": _number,
    "numeric": _decimal,
    "decimal": _decimal,
    **dict.fromkeys(("text", "varchar", "character varying"), _as_text),
    "bytea": _as_bytes,
    "timestamptz": _zoned,
    "timestamp with time zone": _zoned,
    "timestamp": _plain,
    "timestamp without time zone": _plain,
    "date": _as_date,
    "time": _as_time,
    "time without time zone": _as_time,
    "uuid": _as_uuid,
    "json": _as_json,
    "jsonb": _as_json,
}
