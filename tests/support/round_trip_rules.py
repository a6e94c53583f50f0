"""When a text of PostgreSQL's is SQLite's value: one simple rule for each type, of the second comparison's own."""

import json
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

_UNITS: dict[str, Callable[[Decimal], Decimal]] = {
    # what a number counts → seconds since 1970
    "seconds": lambda number: number,
    "milliseconds": lambda number: number / 1_000,
    "microseconds": lambda number: number / 1_000_000,
    "nanoseconds": lambda number: number / 1_000_000_000,
    "julian days": lambda number: (number - Decimal("2440587.5")) * 86_400,
    "seconds since 2001": lambda number: number + 978_307_200,
}


@dataclass(frozen=True)
class Value:
    """A value of SQLite's, and the text that SQLite itself makes of it."""

    value: Any
    text: bytes | None


@dataclass(frozen=True)
class Rule:
    """How both sides' values become comparable ones. What cannot be read is compared as it stands, and so differs."""

    source: Callable[[Value], Any]
    target: Callable[[str], Any]

    def of_source(self, value: Value) -> Any:
        """NULL, the value, or what stands for one that has no such meaning."""
        if value.value is None:
            return None
        try:
            return self.source(value)
        except (ValueError, TypeError, LookupError, OverflowError, InvalidOperation):
            return ("unreadable", repr(value.value))

    def of_target(self, text: str | None) -> Any:
        """NULL or the value."""
        return None if text is None else self.target(text)


def rule_for(type_: str, values: list[Value], texts: list[str | None]) -> Rule:
    """How a column of this type in PostgreSQL is compared."""
    if type_.startswith("timestamp") or type_ == "date":
        return _rule_of_times(values, texts)
    return _RULES.get(type_, Rule(_text, str))


def _text(value: Value) -> str:
    return (value.text or b"").decode()


def _boolean(value: Value) -> bool:
    return {"0": False, "1": True, "f": False, "t": True, "false": False, "true": True}[_text(value).lower()]


def _number(value: Value) -> Decimal:
    if isinstance(value.value, bytes):
        raise ValueError(value)
    return Decimal(repr(value.value) if isinstance(value.value, float) else str(value.value))


def _double(value: Value) -> float:
    if isinstance(value.value, bytes):
        raise ValueError(value)
    return float(value.value)


def _single(value: Value) -> bytes:
    return struct.pack("f", _double(value))


def _bytes(value: Value) -> bytes:
    return value.value if isinstance(value.value, bytes) else (value.text or b"")


def _uuid(value: Value) -> uuid.UUID:
    return uuid.UUID(bytes=value.value) if isinstance(value.value, bytes) else uuid.UUID(str(value.value))


def _json(text: str) -> Any:
    return _frozen(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def _frozen(value: Any) -> Any:
    """With the kind beside the value: true is not 1 here."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return (type(value).__name__, value)


def _json_source(value: Value) -> Any:
    return _json(_text(value))


def _clock(value: Value) -> time:
    return time.fromisoformat(str(value.value))


_RULES = {
    "boolean": Rule(_boolean, lambda text: text == "true"),
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric"), Rule(_number, Decimal)),
    "double precision": Rule(_double, float),
    "real": Rule(_single, lambda text: struct.pack("f", float(text))),
    "bytea": Rule(_bytes, lambda text: bytes.fromhex(text.removeprefix("\\x"))),
    "uuid": Rule(_uuid, uuid.UUID),
    "json": Rule(_json_source, _json),
    "jsonb": Rule(_json_source, _json),
    "time without time zone": Rule(_clock, time.fromisoformat),
}


def _rule_of_times(values: list[Value], texts: list[str | None]) -> Rule:
    """Numbers count in the one unit that makes them the times that are there."""
    numbers = [value for value in values if isinstance(value.value, int | float)]
    present = {_target_time(text) for text in texts if text is not None}
    for unit in _UNITS.values():
        read = [_number_as_time(value, unit) for value in numbers]
        if numbers and all(moment in present for moment in read):
            return Rule(lambda value, unit=unit: _source_time(value, unit), _target_time)  # type: ignore[misc]
    return Rule(lambda value: _source_time(value, _UNITS["seconds"]), _target_time)


def _number_as_time(value: Value, unit: Callable[[Decimal], Decimal]) -> datetime | None:
    try:
        seconds = unit(_number(value))
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int((seconds * 1_000_000).to_integral_value()))
    except OverflowError:
        return None


def _source_time(value: Value, unit: Callable[[Decimal], Decimal]) -> datetime:
    if isinstance(value.value, int | float):
        found = _number_as_time(value, unit)
        if found is None:
            raise ValueError(value)
        return found
    return _read_time(str(value.value))


def _target_time(text: str) -> datetime | str:
    return text if text in ("infinity", "-infinity") or text.endswith("BC") else _read_time(text)


def _read_time(text: str) -> datetime:
    """ISO 8601 with up to six digits that count; a text without an offset is UTC."""
    whole, point, rest = text.replace(" +", "+").replace(" -", "-").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    if digits[6:].strip("0"):
        raise ValueError(f"{text} has more digits than microseconds")
    found = datetime.fromisoformat(whole + point + digits[:6].ljust(6, "0") + rest[len(digits) :] if point else whole)
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
