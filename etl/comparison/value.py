"""One cell looked at carefully: equal, different in a named way, or a question that only PostgreSQL can answer."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from etl.comparison import meaning
from etl.comparison.large import MARKED_KINDS, is_large, kind_of_large, mark_parts, octets_of
from etl.comparison.meaning import MeaninglessError, TooDeepError
from etl.comparison.readers import is_readable, means_same
from etl.core.difference_kinds import DifferenceKind, kind_of_bytes, kind_of_number, kind_of_text, kind_of_time
from etl.core.time_units import TimeUnit
from etl.core.types import SERVER_READ, Kind, TargetType
from etl.core.values import LargeText, StorageValue

WireValue = int | float | bytes | None
"""A target value as `target_side.py` fetches it: integers for whole numbers, booleans and times (microseconds),
floats for real and double precision, UTF-8 for the other types (bytea in hexadecimal)."""


@dataclass(frozen=True)
class Verdict:
    """`kind` None: the values are equal. `shift_seconds`: how much later the target's time is."""

    kind: DifferenceKind | None
    shift_seconds: float | None = None


@dataclass(frozen=True)
class Question:
    """Whether PostgreSQL reads `source` (a text) as the value that it prints as `target`."""

    type_sql: str
    source: str | LargeText
    target: str  # or its mark


EQUAL = Verdict(None)
_OTHER = Verdict(DifferenceKind.OTHER)


def compare_value(
    value: StorageValue, wire: WireValue, target: TargetType, zone: str, unit: TimeUnit | None = None
) -> Verdict | Question:
    """Compares what `value` means in `target` with what is there.

    Wall clock times are read in `zone`, numbers that stand for times in `unit`.
    """
    if value is None or wire is None:
        return EQUAL if value is wire else Verdict(DifferenceKind.NULL_AGAINST_VALUE)
    try:
        if target.kind in MARKED_KINDS and isinstance(wire, bytes) and (is_large(value) or mark_parts(wire)):
            return _compare_large(value, wire, target)
        return _judge(value, wire, target, zone, unit)
    except MeaninglessError:
        return _OTHER
    except TooDeepError:
        return Question("jsonb", str(value), _text(wire))


def _compare_large(value: StorageValue, wire: bytes, target: TargetType) -> Verdict | Question:
    if target.kind is Kind.JSON or target.kind in SERVER_READ:
        text = value if isinstance(value, LargeText) else meaning.text(value)
        return Question("jsonb" if target.kind is Kind.JSON else target.sql, text, wire.decode())
    if target.kind is Kind.BYTEA and mark_parts(wire) is None:
        wire = bytes.fromhex(wire.decode())
    kind = kind_of_large(octets_of(value, target), wire)
    return Verdict(DifferenceKind.OTHER if kind is DifferenceKind.CHANGED_TEXT and target.kind is Kind.BYTEA else kind)


def _judge(
    value: StorageValue, wire: WireValue, target: TargetType, zone: str, unit: TimeUnit | None
) -> Verdict | Question:
    match target.kind:
        case Kind.BOOLEAN:
            return EQUAL if meaning.truth(value) == bool(wire) else Verdict(DifferenceKind.BOOLEAN_FLIPPED)
        case Kind.SMALLINT | Kind.INTEGER | Kind.BIGINT:
            equal = meaning.is_integer(value, _int(wire))
            return EQUAL if equal else _number_verdict(value, Decimal(_int(wire)))
        case Kind.REAL | Kind.DOUBLE:
            return _compare_float(value, _float(wire), target)
        case Kind.NUMERIC:
            number = Decimal(_text(wire))
            return EQUAL if meaning.is_number(value, number) else _number_verdict(value, number)
        case Kind.TEXT:
            equal = meaning.is_text(value, _text(wire), padded=meaning.is_padded(target))
            return EQUAL if equal else Verdict(kind_of_text(meaning.text(value), _text(wire)))
        case Kind.TIMESTAMPTZ | Kind.TIMESTAMP:
            return _compare_time(meaning.microseconds(value, target.kind, zone, unit), _int(wire))
        case Kind.JSON:
            return (
                EQUAL
                if meaning.is_json(value, _text(wire), unique=target.base == "jsonb")
                else Verdict(DifferenceKind.JSON_CHANGED)
            )
        case Kind.BYTEA:
            stored, found = meaning.octets(value), bytes.fromhex(_text(wire))
            return EQUAL if stored == found else Verdict(kind_of_bytes(stored, found))
        case _ if is_readable(target):
            return EQUAL if means_same(value, _text(wire), target) else _OTHER
        case _:
            return Question(target.sql, meaning.text(value), _text(wire))


def _compare_float(value: StorageValue, found: float, target: TargetType) -> Verdict:
    single = target.kind is Kind.REAL
    if not meaning.is_float(value, found, single=single):
        return _number_verdict(value, Decimal(str(np.float32(found)) if single else repr(found)))
    return EQUAL


def _compare_time(expected: int, found: int) -> Verdict:
    return EQUAL if expected == found else Verdict(*kind_of_time(expected, found))


def _number_verdict(value: StorageValue, found: Decimal) -> Verdict:
    """A real stands for its shortest decimal here, which is what people see of it."""
    number = Decimal(repr(value)) if isinstance(value, float) else meaning.number(value)
    return Verdict(kind_of_number(number, found))


def _text(wire: WireValue) -> str:
    if not isinstance(wire, bytes):
        raise TypeError(f"text was expected from the target, not {type(wire).__name__}")
    return wire.decode()


def _int(wire: WireValue) -> int:
    if not isinstance(wire, int):
        raise TypeError(f"a whole number was expected from the target, not {type(wire).__name__}")
    return wire


def _float(wire: WireValue) -> float:
    if not isinstance(wire, float):
        raise TypeError(f"a float was expected from the target, not {type(wire).__name__}")
    return wire


def printed(wire: WireValue, target: TargetType) -> str | None:
    """A target value as text for people, close to what psql would show in UTC."""
    if wire is None:
        return None
    match target.kind:
        case Kind.BOOLEAN:
            return "true" if wire else "false"
        case Kind.REAL:
            return str(np.float32(_float(wire)))
        case Kind.TIMESTAMPTZ | Kind.TIMESTAMP:
            return meaning.time_text(_int(wire), target.kind)
        case Kind.BYTEA:
            return "\\x" + _text(wire)
    return _text(wire) if isinstance(wire, bytes) else str(wire)
