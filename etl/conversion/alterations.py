"""What each repair makes of a stored value: another stored value, which the casts then take as any other.

A value that a repair does not concern comes back as it is, the same object.
"""

import json
import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import partial

import numpy as np
import pyarrow as pa
from wcwidth import iter_graphemes

from etl.conversion.casts.cells import RefusalError
from etl.conversion.casts.clocks import MOST_DIGITS
from etl.conversion.casts.decimals import DECIMAL
from etl.conversion.casts.json_text import check_json
from etl.conversion.casts.timestamps import time_from_integer, time_from_real
from etl.conversion.families import UTC
from etl.conversion.json_surgery import elements_of, with_each_key_once, without_lone_surrogates, without_nul
from etl.core.repairs import Repair
from etl.core.time_units import TimeUnit
from etl.core.types import TIMES, Kind, TargetType
from etl.core.values import StorageValue, UndecodableText

Alteration = Callable[[StorageValue, TargetType], StorageValue]

_ZERO_DATE = re.compile(r"0000-00-00(?:[T ]00:00(?::00(?:\.0+)?)?(?: ?(?:Z|UTC|[+-]00(?::?00)?))?)?")
_WORDS = {"yes": "true", "y": "true", "on": "true", "no": "false", "n": "false", "off": "false"}
_FRACTION = re.compile(r"\.([0-9]+)")
_LARGEST_SCALE = 16383
_MONEY_SCALE = 2
_EXACT = 2**53
_SPACES = frozenset({"Zs", "Zl", "Zp", "Cc"})
_BYTE_ORDER_MARK = "\ufeff"
_UUID_BYTES = 16


def alter(repair: Repair, values: Sequence[StorageValue], target: TargetType, unit: TimeUnit) -> Sequence[StorageValue]:
    """The values as the repair leaves them; `unit` is that of numbers in a column of times."""
    if repair is Repair.EXCESS_DIGITS and target.kind in TIMES:
        return _cut_times(values, target, unit)
    one = _ALTERATIONS[repair]
    return [one(value, target) for value in values]


def _decoded(value: StorageValue, _target: TargetType) -> StorageValue:
    if not isinstance(value, UndecodableText):
        return value
    try:
        return value.decode("cp1252")
    except UnicodeDecodeError:
        return value.decode(errors="replace")


def _text_of_blob(value: StorageValue, _target: TargetType) -> StorageValue:
    if not isinstance(value, bytes) or isinstance(value, UndecodableText):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _uuid_of_blob(value: StorageValue, _target: TargetType, *, little_endian: bool) -> StorageValue:
    if not isinstance(value, bytes) or isinstance(value, UndecodableText) or len(value) != _UUID_BYTES:
        return value
    return str(uuid.UUID(bytes_le=value) if little_endian else uuid.UUID(bytes=value))


def _without_nul(value: StorageValue, target: TargetType) -> StorageValue:
    if not isinstance(value, str):
        return value
    if target.kind is Kind.JSON:
        return _unless_equal(value, without_nul(value))
    return value.replace("\0", "") if "\0" in value else value


def _without_surrogates(value: StorageValue, _target: TargetType) -> StorageValue:
    return _unless_equal(value, without_lone_surrogates(value)) if isinstance(value, str) else value


def _empty(value: StorageValue, _target: TargetType) -> StorageValue:
    return None if value == "" else value


def _zero_date(value: StorageValue, _target: TargetType) -> StorageValue:
    return None if isinstance(value, str) and _ZERO_DATE.fullmatch(value) else value


def _word(value: StorageValue, _target: TargetType) -> StorageValue:
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value


def _each_key_once(value: StorageValue, _target: TargetType, *, last: bool) -> StorageValue:
    """Escapes that jsonb does not take are another repair's affair."""
    if not isinstance(value, str) or "\0" in value or not _is_document(without_lone_surrogates(without_nul(value))):
        return value
    return _unless_equal(value, with_each_key_once(value, last=last))


def _json_string(value: StorageValue, _target: TargetType) -> StorageValue:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else value


def _array(value: StorageValue, target: TargetType) -> StorageValue:
    """PostgreSQL's form of a JSON array; inner arrays and objects are elements of arrays of JSON alone."""
    if not isinstance(value, str) or target.element is None or not _is_document(value):
        return value
    elements = elements_of(value)
    if elements is None:
        return value
    as_documents = target.element.kind is Kind.JSON
    if not as_documents and any(element[:1] in ("[", "{") for element in elements):
        return value
    return "{" + ",".join(_element(element, as_document=as_documents) for element in elements) + "}"


def _element(text: str, *, as_document: bool) -> str:
    if as_document:
        return _quoted(text)
    if text == "null":
        return "NULL"
    return _quoted(json.loads(text)) if text.startswith('"') else text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_document(text: str) -> bool:
    try:
        check_json(text)
    except RefusalError:
        return False
    return True


def _trimmed(value: StorageValue, _target: TargetType) -> StorageValue:
    if not isinstance(value, str):
        return value
    start, end = 0, len(value)
    while start < end and _is_space(value[start]):
        start += 1
    while end > start and _is_space(value[end - 1]):
        end -= 1
    return value if end - start == len(value) else value[start:end]


def _is_space(character: str) -> bool:
    blank = character == _BYTE_ORDER_MARK or unicodedata.category(character) in _SPACES
    return blank and character != "\0"  # which has a repair of its own


def _cut(value: StorageValue, target: TargetType) -> StorageValue:
    """As many whole graphemes as the column takes; a value of which nothing would be left stays as it is."""
    if not isinstance(value, str) or target.length is None or len(value) <= target.length:
        return value
    end = 0
    for grapheme in iter_graphemes(value):
        if end + len(grapheme) > target.length:
            break
        end += len(grapheme)
    return value[:end] or value


# -- digits -------------------------------------------------------------------------------------------------------


def _with_fewer_digits(value: StorageValue, target: TargetType) -> StorageValue:
    if isinstance(value, bytes):
        return value
    if target.kind in (Kind.NUMERIC, Kind.MONEY):
        return _rounded(value, _scale(target))
    if target.kind in (Kind.REAL, Kind.DOUBLE):
        return _nearest_float(value)
    return _cut_fraction(value, target) if isinstance(value, str) else value


def _scale(target: TargetType) -> int:
    if target.kind is Kind.MONEY:
        return _MONEY_SCALE
    return _LARGEST_SCALE if target.precision is None else target.scale or 0


def _rounded(value: StorageValue, scale: int) -> StorageValue:
    text = value if isinstance(value, str) else repr(value)
    if DECIMAL.fullmatch(text) is None or scale < 0:  # which would touch digits in front of the point
        return value
    try:
        number = Decimal(text)
        context = Context(prec=len(text) + abs(number.adjusted()) + abs(scale) + 1)
        rounded = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_EVEN, context)
    except InvalidOperation:  # an exponent that no number of PostgreSQL has
        return value
    return value if rounded == number else format(rounded, "f")


def _nearest_float(value: StorageValue) -> StorageValue:
    """Digits in front of the point are never touched: beyond 2**53 a float does not keep all of them."""
    if not isinstance(value, str) or DECIMAL.fullmatch(value) is None or "." not in value:
        return value
    number = float(value)
    return repr(number) if 0 < abs(number) < _EXACT else value


def _cut_fraction(value: str, target: TargetType) -> str:
    digits = MOST_DIGITS if target.precision is None else target.precision
    found = _FRACTION.search(value)
    if found is None or len(found[1]) <= digits:
        return value
    kept = f".{found[1][:digits]}" if digits else ""
    return value[: found.start()] + kept + value[found.end() :]


def _cut_times(values: Sequence[StorageValue], target: TargetType, unit: TimeUnit) -> Sequence[StorageValue]:
    """Texts with fewer digits; numbers as the texts of the same instants with fewer digits."""
    results = [_cut_fraction(value, target) if isinstance(value, str) else value for value in values]
    for kind, cast in ((int, time_from_integer), (float, time_from_real)):
        places = [place for place, value in enumerate(values) if isinstance(value, kind)]
        if places:
            numbers = pa.array([_whole_micros(values[place], unit) for place in places])
            cells = cast(numbers, replace(target, kind=Kind.TIMESTAMPTZ, precision=None), zone=UTC, unit=unit)
            texts = _instants(cells.values, target)
            for place, text in zip(places, texts, strict=True):
                results[place] = values[place] if text is None else text
    return results


def _whole_micros(value: StorageValue, unit: TimeUnit) -> StorageValue:
    return value // 1000 * 1000 if isinstance(value, int) and unit is TimeUnit.NANOSECONDS else value


def _instants(times: pa.Array, target: TargetType) -> list[str | None]:
    step = 10 ** (MOST_DIGITS - (MOST_DIGITS if target.precision is None else target.precision))
    micros = times.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    texts = np.datetime_as_string((micros // step * step).view("M8[us]"), unit="us")
    return [f"{text}Z" if valid else None for text, valid in zip(texts, times.is_valid().to_pylist(), strict=True)]


def _unless_equal(before: str, after: str) -> str:
    return before if before == after else after


_ALTERATIONS: Mapping[Repair, Alteration] = {
    Repair.UTF8: _decoded,
    Repair.BLOB_TEXT: _text_of_blob,
    Repair.UUID_BLOB: partial(_uuid_of_blob, little_endian=False),
    Repair.UUID_BLOB_LE: partial(_uuid_of_blob, little_endian=True),
    Repair.NUL: _without_nul,
    Repair.SURROGATES: _without_surrogates,
    Repair.EMPTY_NULL: _empty,
    Repair.ZERO_DATE: _zero_date,
    Repair.BOOL_WORDS: _word,
    Repair.EXCESS_DIGITS: _with_fewer_digits,
    Repair.JSON_TWICE_FIRST: partial(_each_key_once, last=False),
    Repair.JSON_TWICE_LAST: partial(_each_key_once, last=True),
    Repair.ARRAY_JSON: _array,
    Repair.TRIM: _trimmed,
    Repair.TRUNCATE: _cut,
    Repair.JSON_TEXT: _json_string,
}
"""All but `orphan-null`, for which the other tables have to be known."""

OF_VALUES = frozenset(_ALTERATIONS)
"""The repairs that a value alone tells the need of."""
