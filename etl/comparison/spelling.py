"""One spelling for each value of a type, as PostgreSQL's `canonical_sql` spells it: for keys and rows to be matched by.

A function for each family that needs no server. MeaninglessError: the stored value has no meaning in the type.
"""

import struct
from decimal import Decimal

import numpy as np

from etl.comparison import meaning, plain_readers, readers, time_readers
from etl.comparison.cell_results import Reading
from etl.comparison.large import is_large, mark_of, octets_of
from etl.comparison.meaning import MeaninglessError
from etl.core.types import Kind, TargetType
from etl.core.values import StorageValue

_LONGEST_AMOUNT = 20  # digits: money has 64 bits
_LONGEST_NUMBER = 150_000  # digits: PostgreSQL's numeric has 131,072 before the point


def spell_truth(value: StorageValue, _target: TargetType, _reading: Reading) -> str:
    return str(int(meaning.truth(value)))


def spell_whole(value: StorageValue, _target: TargetType, _reading: Reading) -> str:
    number = meaning.number(value)
    whole = int(number) if number.is_finite() and number.adjusted() < _LONGEST_NUMBER else 0
    if not meaning.is_integer(value, whole):
        raise MeaninglessError
    return _plain(Decimal(whole))


def spell_time(value: StorageValue, target: TargetType, reading: Reading) -> str:
    return str(meaning.microseconds(value, target.kind, reading.zone, reading.unit))


def spell_float(value: StorageValue, target: TargetType, _reading: Reading) -> str:
    single = target.kind is Kind.REAL
    number = float(meaning.number(value)) + 0.0  # which makes −0 the same as 0
    if single:
        with np.errstate(over="ignore"):
            number = float(np.float32(number))
    if not meaning.is_float(value, number, single=single):
        raise MeaninglessError
    return struct.pack(">d", number).hex()


def spell_numeric(value: StorageValue, _target: TargetType, _reading: Reading) -> str:
    return _plain(Decimal(repr(value)) if isinstance(value, float) else meaning.number(value))


def _plain(number: Decimal) -> str:
    if not number.is_finite() or abs(number.adjusted()) > _LONGEST_NUMBER:
        raise MeaninglessError
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.removeprefix("+") if text not in ("-0", "") else "0"


def spell_octets(value: StorageValue, target: TargetType, _reading: Reading) -> str:
    return mark_of(octets_of(value, target)) if is_large(value) else meaning.octets(value).hex()


def spell_text(value: StorageValue, target: TargetType, _reading: Reading) -> str:
    if is_large(value):
        return mark_of(octets_of(value, target))
    text = meaning.text(value)
    return text.rstrip(" ") if target.padded else text


def spell_written(value: StorageValue, target: TargetType, _reading: Reading) -> str:
    """Types whose texts have one other form at most: PostgreSQL's."""
    if is_large(value):
        return mark_of(octets_of(value, target))
    stored = readers.stored_text(value, target)
    try:
        return _WRITTEN[target.kind](stored, target)
    except MeaninglessError:
        return stored  # which PostgreSQL may have all the same, `infinity` say


def _date(text: str, target: TargetType) -> str:
    return time_readers.date_text(int(time_readers.read_date(text, target, False)))


def _clock(text: str, target: TargetType) -> str:
    return time_readers.clock_text(time_readers.read_clock(text, target, False))


def _uuid(text: str, target: TargetType) -> str:
    return plain_readers.uuid_text(plain_readers.read_uuid(text, target, False))


def _hardware(text: str, target: TargetType) -> str:
    return plain_readers.hardware_text(plain_readers.read_hardware(text, target, False))


def _whole(text: str, target: TargetType) -> str:
    return str(plain_readers.read_whole(text, target, False))


def _money(text: str, target: TargetType) -> str:
    amount = plain_readers.read_money(text, target, False)
    cents = amount.scaleb(2)
    if abs(amount.adjusted()) > _LONGEST_AMOUNT or cents != cents.to_integral_value():
        raise MeaninglessError
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def _as_it_stands(text: str, _target: TargetType) -> str:
    return text


_WRITTEN = {
    Kind.DATE: _date,
    Kind.TIME: _clock,
    Kind.UUID: _uuid,
    Kind.MACADDR: _hardware,
    Kind.MACADDR8: _hardware,
    Kind.OID: _whole,
    Kind.MONEY: _money,
    Kind.BIT: _as_it_stands,
    Kind.VARBIT: _as_it_stands,
    Kind.ENUM: _as_it_stands,
}
