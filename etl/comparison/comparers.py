"""One cell looked at carefully, a function for each family of types.

Each takes the stored value, what came from the target, the target's type and how the column is read. NULL is dealt with
before. MeaninglessError: the stored value means nothing in the type, so it is equal to nothing there.
"""

import math
from decimal import Decimal

import numpy as np

from etl.comparison import meaning, readers, time_readers
from etl.comparison.cell_results import EQUAL, CellResult, Question, Reading, WireValue, float_of, text_of, whole_of
from etl.comparison.large import kind_of_large, mark_parts, octets_of
from etl.comparison.meaning import MeaninglessError
from etl.core.difference_kinds import (
    MICROSECONDS,
    DifferenceKind,
    kind_of_bytes,
    kind_of_number,
    kind_of_text,
    kind_of_time,
)
from etl.core.types import Kind, TargetType
from etl.core.values import LargeText, StorageValue

_DAY_SECONDS = 86_400


# -- numbers and truth --------------------------------------------------------------------------------------------


def compare_truth(value: StorageValue, wire: WireValue, _target: TargetType, _reading: Reading) -> CellResult:
    return EQUAL if meaning.truth(value) == bool(wire) else CellResult(DifferenceKind.BOOLEAN_FLIPPED)


def compare_whole(value: StorageValue, wire: WireValue, _target: TargetType, _reading: Reading) -> CellResult:
    found = whole_of(wire)
    return EQUAL if meaning.is_integer(value, found) else _number_result(value, Decimal(found))


def compare_float(value: StorageValue, wire: WireValue, target: TargetType, _reading: Reading) -> CellResult:
    found, single = float_of(wire), target.kind is Kind.REAL
    if meaning.is_float(value, found, single=single):
        return EQUAL
    return _number_result(value, Decimal(str(np.float32(found)) if single else repr(found)))


def compare_numeric(value: StorageValue, wire: WireValue, _target: TargetType, _reading: Reading) -> CellResult:
    found = Decimal(text_of(wire))
    return EQUAL if meaning.is_number(value, found) else _number_result(value, found)


def compare_money(value: StorageValue, wire: WireValue, target: TargetType, _reading: Reading) -> CellResult:
    stored = readers.read(readers.stored_text(value, target), target, written=False)
    found = readers.read(text_of(wire), target, written=True)
    if not isinstance(stored, Decimal) or not isinstance(found, Decimal):
        raise TypeError("amounts are decimals")
    return EQUAL if stored == found else CellResult(kind_of_number(stored, found))


def _number_result(value: StorageValue, found: Decimal) -> CellResult:
    """A real stands for its shortest decimal here, which is what people see of it."""
    number = Decimal(repr(value)) if isinstance(value, float) else meaning.number(value)
    return CellResult(kind_of_number(number, found))


# -- texts and bytes ----------------------------------------------------------------------------------------------


def compare_text(value: StorageValue, wire: WireValue, target: TargetType, _reading: Reading) -> CellResult:
    found = text_of(wire)
    if meaning.is_text(value, found, padded=target.padded):
        return EQUAL
    return CellResult(kind_of_text(meaning.text(value), found))


def compare_label(value: StorageValue, wire: WireValue, target: TargetType, _reading: Reading) -> CellResult:
    stored, found = readers.stored_text(value, target), text_of(wire)
    return EQUAL if stored == found else CellResult(kind_of_text(stored, found))


def compare_bits(value: StorageValue, wire: WireValue, target: TargetType, _reading: Reading) -> CellResult:
    stored, found = readers.stored_text(value, target), text_of(wire)
    return EQUAL if stored == found else CellResult(kind_of_bytes(stored.encode(), found.encode()))


def compare_octets(value: StorageValue, wire: WireValue, _target: TargetType, _reading: Reading) -> CellResult:
    stored, found = meaning.octets(value), bytes.fromhex(text_of(wire))
    return EQUAL if stored == found else CellResult(kind_of_bytes(stored, found))


# -- times --------------------------------------------------------------------------------------------------------


def compare_time(value: StorageValue, wire: WireValue, target: TargetType, reading: Reading) -> CellResult:
    expected, found = meaning.microseconds(value, target.kind, reading.zone, reading.unit), whole_of(wire)
    return EQUAL if expected == found else CellResult(*kind_of_time(expected, found))


def compare_date(value: StorageValue, wire: WireValue, target: TargetType, _reading: Reading) -> CellResult:
    stored, written = readers.stored_text(value, target), text_of(wire)
    if stored == written:
        return EQUAL
    found = time_readers.read_date(written, target, True)
    try:
        expected = time_readers.read_date(stored, target, False)
    except MeaninglessError:
        instant = meaning.microseconds(stored, Kind.TIMESTAMP, "UTC")
        same_day = time_readers.day_of(instant) == found
        return CellResult(DifferenceKind.LOST_CLOCK if same_day else DifferenceKind.OTHER)
    if expected == found:
        return EQUAL
    if math.isinf(found):
        return CellResult(DifferenceKind.OTHER)
    return CellResult(DifferenceKind.TIME_SHIFTED, (found - expected) * _DAY_SECONDS)


def compare_clock(value: StorageValue, wire: WireValue, target: TargetType, _reading: Reading) -> CellResult:
    stored, written = readers.stored_text(value, target), text_of(wire)
    if stored == written:
        return EQUAL
    expected, found = time_readers.read_clock(stored, target, False), time_readers.read_clock(written, target, True)
    if expected == found:
        return EQUAL
    kind, _ = kind_of_time(expected, found)
    return CellResult(kind, (found - expected) / MICROSECONDS if kind is DifferenceKind.TIME_SHIFTED else None)


# -- documents, and whatever has a written form of its own --------------------------------------------------------


def compare_document(value: StorageValue, wire: WireValue, _target: TargetType, _reading: Reading) -> CellResult:
    return EQUAL if meaning.is_json(value, text_of(wire)) else CellResult(DifferenceKind.JSON_CHANGED)


def compare_written(
    value: StorageValue, wire: WireValue, target: TargetType, reading: Reading
) -> CellResult | Question:
    """By our own reading of both sides; where a part has none, PostgreSQL has to agree.

    A part without an offset means nothing where wall clocks are read in a zone: PostgreSQL would read it in UTC.
    """
    stored, written = readers.stored_text(value, target), text_of(wire)
    if stored == written:
        return EQUAL
    if reading.zone != "UTC" and readers.holds_wall_clock(stored, target):
        raise MeaninglessError
    if not readers.means_same(stored, written, target):
        return CellResult(DifferenceKind.OTHER)
    return Question(target, stored, written) if target.needs_server else EQUAL


# -- large values -------------------------------------------------------------------------------------------------


def compare_large_content(value: StorageValue, wire: bytes, target: TargetType) -> CellResult:
    """Texts and bytes, by their digests."""
    if target.kind is Kind.BYTEA and mark_parts(wire) is None:
        wire = bytes.fromhex(wire.decode())
    kind = kind_of_large(octets_of(value, target), wire)
    return CellResult(
        DifferenceKind.OTHER if kind is DifferenceKind.CHANGED_TEXT and target.kind is Kind.BYTEA else kind
    )


def ask_large(value: StorageValue, wire: bytes, target: TargetType) -> Question:
    """Everything that has another form: PostgreSQL reads it."""
    text = value if isinstance(value, LargeText) else meaning.text(value)
    return Question(target, text, wire.decode())
