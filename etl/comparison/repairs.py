"""What a stored value becomes by the repairs that the user allows, worked out by code of its own.

It shares nothing with the repairs of the load (`etl.conversion`), so that a wrong one cannot prove itself right. Each
function takes a stored value and says what it would become, or None where the repair has nothing to do with it; each
looks for what no value that fits its type can have, so that a value that fits is never taken for a repaired one.
"""

import codecs
import json
import math
import re
import struct
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from wcwidth import iter_graphemes

from etl.comparison import meaning, readers
from etl.comparison.cell_results import Reading
from etl.comparison.families import family_of
from etl.comparison.meaning import MeaninglessError, TooDeepError
from etl.comparison.other_classes import as_taken
from etl.core.plan import ColumnPlan
from etl.core.repairs import Repair, joined, spoken
from etl.core.types import TIMES, Kind, TargetType
from etl.core.values import LARGE_BYTES, LargeText, StorageValue, UndecodableText

MOST_STEPS = 4
_CLOCKS = frozenset({Kind.TIME, Kind.TIMETZ, Kind.INTERVAL})
_DIGITS = 6
_LARGEST_SCALE = 16383


@dataclass(frozen=True)
class Repaired:
    """A value that repairs lead to; `words` names them."""

    value: StorageValue
    words: str


@dataclass(frozen=True)
class _Nothing:
    """Stands for no change, since None is NULL."""


_UNCHANGED = _Nothing()
Change = Callable[[StorageValue, TargetType, Reading], StorageValue | _Nothing]


def repaired(value: StorageValue, column: ColumnPlan, reading: Reading) -> Iterator[Repaired]:
    """All that the column's repairs may make of the value, the fewest repairs first."""
    waiting: list[tuple[StorageValue, tuple[Repair, ...], tuple[str, ...]]] = [(_plain(value), (), ())]
    for _ in range(MOST_STEPS):
        following = []
        for found, used, steps in waiting:
            touched = False
            for repair in column.repairs:
                if repair in used or repair not in _CHANGES or (repair is Repair.TRUNCATE and touched):
                    continue  # a text is cut where no other repair has anything to do with it
                change = _CHANGES[repair](found, column.type, reading)
                if not isinstance(change, _Nothing):
                    touched = True
                    words = (*steps, spoken(repair, change))
                    following.append((change, (*used, repair), words))
                    yield Repaired(_kept(change), joined(words))
        waiting = [entry for entry in following if entry[0] is not None]


def as_repaired(value: StorageValue, column: ColumnPlan, reading: Reading) -> StorageValue:
    """The value itself where it fits, else the first that fits and that repairs lead to; for keys and whole rows."""
    if not column.repairs or fits(value, column.type, reading):
        return value
    found = (one.value for one in repaired(value, column, reading) if fits(one.value, column.type, reading))
    return next(found, value)


def _plain(value: StorageValue) -> StorageValue:
    return str(value) if isinstance(value, LargeText) else value


def _kept(value: StorageValue) -> StorageValue:
    if isinstance(value, str) and len(value) > LARGE_BYTES // 4 and len(value.encode()) > LARGE_BYTES:
        return LargeText(value.encode())
    return value


# -- whether a value needs no repair ------------------------------------------------------------------------------


def fits(value: StorageValue, target: TargetType, reading: Reading) -> bool:
    """Whether the value means something in the type and the type keeps all of it."""
    value = _plain(value)
    if value is None or target.kind is Kind.BYTEA:
        return True
    if isinstance(value, UndecodableText) or (isinstance(value, str) and "\0" in value):
        return False
    try:
        return _fits(as_taken(value, target), target, reading)
    except MeaninglessError:
        return False
    except TooDeepError:
        return True  # only the server can tell


def _fits(value: StorageValue, target: TargetType, reading: Reading) -> bool:
    if target.kind is Kind.TEXT:
        text = meaning.text(value)
        return target.length is None or len(text) <= target.length
    if target.kind is Kind.JSON:
        if isinstance(value, str):
            return _Document(value).is_fine(unique=target.base == "jsonb")
        return not isinstance(value, bytes) and _number(value).is_finite()
    if target.kind in (Kind.NUMERIC, Kind.MONEY):
        return _decimals(_number(value)) <= _scale(target)
    if target.kind in TIMES:
        return meaning.microseconds(value, target.kind, reading.zone, reading.unit) % _step(target) == 0
    if isinstance(value, str):
        plain = readers.read(value, target, written=False)
        return target.kind not in _CLOCKS or _micros(plain) % _step(target) == 0
    spell = family_of(target).spell
    if spell is None:
        readers.stored_text(value, target)
    else:
        spell(value, target, reading)
    return True


def _micros(clock: object) -> int:
    """Of a time of day, of one with its offset, of (months, days, microseconds)."""
    if isinstance(clock, tuple):
        return int(clock[-1] if len(clock) > 2 else clock[0])
    return int(clock) if isinstance(clock, int) else 0


def _step(target: TargetType) -> int:
    return int(10 ** (_DIGITS - (_DIGITS if target.precision is None else target.precision)))


def _number(value: StorageValue) -> Decimal:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MeaninglessError
        return Decimal(repr(value))
    return meaning.number(value)


def _scale(target: TargetType) -> int:
    if target.kind is Kind.MONEY:
        return 2
    return _LARGEST_SCALE if target.precision is None else target.scale or 0


def _decimals(number: Decimal) -> int:
    """Digits behind the point, without zeros at the end; negative for zeros in front of it."""
    _, digits, exponent = number.as_tuple()
    written = "".join(map(str, digits))
    if not number or not isinstance(exponent, int):
        return -_LARGEST_SCALE
    return -exponent - (len(written) - len(written.rstrip("0")))


# -- texts --------------------------------------------------------------------------------------------------------


def _utf8(value: StorageValue, _target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    if not isinstance(value, UndecodableText):
        return _UNCHANGED
    # The five bytes that Windows-1252 leaves open: any of them, and the text is none.
    if any(byte in value for byte in b"\x81\x8d\x8f\x90\x9d"):
        return codecs.decode(bytes(value), "utf-8", "replace")
    return codecs.decode(bytes(value), "windows-1252")


def _blob_text(value: StorageValue, target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    if not isinstance(value, bytes) or isinstance(value, UndecodableText) or target.any_storage:
        return _UNCHANGED
    try:
        return codecs.decode(value, "utf-8", "strict")
    except UnicodeDecodeError:
        return _UNCHANGED


def _uuid_blob(value: StorageValue, target: TargetType, _reading: Reading, *, order: str) -> StorageValue | _Nothing:
    if not isinstance(value, bytes) or isinstance(value, UndecodableText) or len(value) != 16 or target.any_storage:
        return _UNCHANGED
    first, second, third = struct.unpack(f"{order}IHH", value[:8])
    return f"{first:08x}-{second:04x}-{third:04x}-{value[8:10].hex()}-{value[10:].hex()}"


def _nul(value: StorageValue, target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    if not isinstance(value, str):
        return _UNCHANGED
    plain = "".join(value.split("\0"))
    if target.kind is Kind.JSON:
        document = _Document(plain)
        if document.holds("\0"):
            return document.written(lambda text: text.replace("\0", ""))
    return plain if plain != value else _UNCHANGED


def _empty_null(value: StorageValue, _target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    return None if value == "" and isinstance(value, str) else _UNCHANGED


def _zero_date(value: StorageValue, _target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    if not isinstance(value, str):
        return _UNCHANGED
    day, rest = value[:10], value[10:]
    clock = re.sub(r" ?(?:Z|UTC|[+-]00(?::?00)?)$", "", rest[1:], count=1)
    is_midnight = rest == "" or (rest[0] in "T " and re.fullmatch(r"00:00(?::00(?:\.0+)?)?", clock) is not None)
    return None if day == "0000-00-00" and is_midnight else _UNCHANGED


_TRUE, _FALSE = ("yes", "y", "on"), ("no", "n", "off")


def _bool_words(value: StorageValue, _target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    word = value.lower() if isinstance(value, str) else ""
    return int(word in _TRUE) if word in _TRUE + _FALSE else _UNCHANGED


def _trim(value: StorageValue, target: TargetType, reading: Reading) -> StorageValue | _Nothing:
    """Only of a text that does not fit as it stands."""
    if not isinstance(value, str) or fits(value, target, reading):
        return _UNCHANGED
    inner = "".join("x" if not _is_blank(character) else " " for character in value).strip(" ")
    start = next((place for place, character in enumerate(value) if not _is_blank(character)), len(value))
    trimmed = value[start : start + len(inner)]
    return trimmed if trimmed != value else _UNCHANGED


def _is_blank(character: str) -> bool:
    if character == "\0":
        return False  # which has a repair of its own
    return unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cc") or character == "\N{ZERO WIDTH NO-BREAK SPACE}"


def _truncate(value: StorageValue, target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    """The longest beginning that ends between two graphemes."""
    if not isinstance(value, str) or target.length is None or len(value) <= target.length:
        return _UNCHANGED
    ends = [0]
    for grapheme in iter_graphemes(value):
        ends.append(ends[-1] + len(grapheme))
        if ends[-1] > target.length:
            break
    return value[: max(end for end in ends if end <= target.length)] or _UNCHANGED


# -- digits -------------------------------------------------------------------------------------------------------


def _excess_digits(value: StorageValue, target: TargetType, reading: Reading) -> StorageValue | _Nothing:
    try:
        if target.kind in (Kind.NUMERIC, Kind.MONEY):
            return _rounded(_number(value), _scale(target))
        if target.kind in (Kind.REAL, Kind.DOUBLE):
            return _nearest(value)
        if isinstance(value, str):
            return _shortened(value, target)
        return _cut_instant(value, target, reading)
    except MeaninglessError:
        return _UNCHANGED


def _rounded(number: Decimal, scale: int) -> StorageValue | _Nothing:
    """By whole numbers: the digits that are too many are divided away, a half goes to the even neighbour."""
    if scale < 0 or _decimals(number) <= scale:
        return _UNCHANGED
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        return _UNCHANGED
    written = "".join(map(str, digits))
    too_many = -exponent - scale
    kept = int(written[:-too_many] or "0") if too_many <= len(written) else 0
    lost = written[-too_many:] if too_many <= len(written) else "0"
    half = "5".ljust(len(lost), "0")
    if lost > half or (lost == half and kept % 2):
        kept += 1
    text = str(kept).rjust(scale + 1, "0")
    whole, fraction = (text[:-scale], text[-scale:]) if scale else (text, "")
    return ("-" if sign and kept else "") + whole + ("." + fraction if fraction else "")


def _nearest(value: StorageValue) -> StorageValue | _Nothing:
    if not isinstance(value, str) or "." not in value:
        return _UNCHANGED
    exact = meaning.number(value)
    nearest = float(exact)
    if exact in (Decimal(nearest), Decimal(repr(nearest))) or not 0 < abs(nearest) < 2**53:
        return _UNCHANGED
    return nearest


def _shortened(text: str, target: TargetType) -> StorageValue | _Nothing:
    """The same text up to the last digit that the type keeps, and what stands behind its digits."""
    before, point, behind = text.partition(".")
    fraction = re.match("[0-9]*", behind)
    digits = fraction[0] if fraction else ""
    most = _DIGITS if target.precision is None else target.precision
    if not point or not digits[most:].strip("0"):
        return _UNCHANGED
    return before + (point + digits[:most] if most else "") + behind[len(digits) :]


def _cut_instant(value: StorageValue, target: TargetType, reading: Reading) -> StorageValue | _Nothing:
    """A number that is a time, as the text of the instant with the digits that the type keeps."""
    if target.kind not in TIMES or isinstance(value, bytes):
        return _UNCHANGED
    try:
        micros = meaning.microseconds(value, Kind.TIMESTAMPTZ, "UTC", reading.unit)
    except MeaninglessError:
        if not isinstance(value, int):
            return _UNCHANGED
        micros = meaning.microseconds(value - value % 1000, Kind.TIMESTAMPTZ, "UTC", reading.unit)
    cut = micros - micros % _step(target)
    if cut == micros and fits(value, target, reading):
        return _UNCHANGED
    text = meaning.time_text(cut, Kind.TIMESTAMPTZ)
    return text if text[:4].isdigit() else _UNCHANGED


# -- documents ----------------------------------------------------------------------------------------------------


class _Number(str):
    """A number of a document by its digits."""


_Pairs = list[tuple[str, object]]


class _Document:
    """A JSON text, read by Python's reader with all of its pairs and digits; `found` is nothing where it is none."""

    def __init__(self, text: str) -> None:
        try:
            decoder = json.JSONDecoder(
                object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number, parse_constant=_refuse
            )
            self.found: object = decoder.decode(text)
        except RecursionError:
            raise TooDeepError from None
        except ValueError:
            self.found = _UNCHANGED

    @property
    def is_json(self) -> bool:
        return not isinstance(self.found, _Nothing)

    def is_fine(self, *, unique: bool) -> bool:
        """Whether jsonb would take it; with `unique`, and keep all of it."""
        return self.is_json and not any(map(_is_odd, self._texts())) and not (unique and self.repeats())

    def holds(self, part: str) -> bool:
        return self.is_json and any(part in text for text in self._texts())

    def has_lone_surrogate(self) -> bool:
        return self.is_json and any(_SURROGATE.search(text) for text in self._texts())

    def repeats(self) -> bool:
        """Whether an object holds a key twice."""
        return any(len({key for key, _ in found.pairs}) < len(found.pairs) for found in self._objects())

    def written(self, change: Callable[[str], str] = str, *, keep: str = "all") -> str:
        """The document again, its texts changed; of equal keys `keep` the "first", the "last" or "all"."""
        return _written(self.found, change, keep)

    def _texts(self) -> Iterator[str]:
        for part in _parts(self.found):
            if isinstance(part, _Members):
                yield from (key for key, _ in part.pairs)
            elif isinstance(part, str) and not isinstance(part, _Number):
                yield part

    def _objects(self) -> "Iterator[_Members]":
        return (part for part in _parts(self.found) if isinstance(part, _Members))


@dataclass(frozen=True)
class _Members:
    """An object with all of its pairs."""

    pairs: _Pairs


_SURROGATE = re.compile("[\ud800-\udfff]")


def _is_odd(text: str) -> bool:
    return "\0" in text or _SURROGATE.search(text) is not None


def _refuse(_constant: str) -> object:
    raise ValueError


def _parts(found: object) -> Iterator[object]:
    """A document and everything inside of it."""
    waiting = [found]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, _Members):
            waiting += [value for _, value in part.pairs]


def _written(found: object, change: Callable[[str], str], keep: str) -> str:
    if isinstance(found, _Number):
        return str(found)
    if isinstance(found, str):
        return json.dumps(change(found), ensure_ascii=False)
    if isinstance(found, list):
        return "[" + ",".join(_written(item, change, keep) for item in found) + "]"
    if not isinstance(found, _Members):
        return json.dumps(found)
    pairs: _Pairs = found.pairs
    if keep == "last":
        pairs = list(dict(pairs).items())
    elif keep == "first":
        pairs = list(dict(reversed(pairs)).items())
    members = (f"{json.dumps(change(key), ensure_ascii=False)}:{_written(value, change, keep)}" for key, value in pairs)
    return "{" + ",".join(members) + "}"


def _surrogates(value: StorageValue, _target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    if not isinstance(value, str) or "\\u" not in value:
        return _UNCHANGED
    document = _Document(value)
    if not document.has_lone_surrogate():
        return _UNCHANGED
    return document.written(lambda text: _SURROGATE.sub("\ufffd", text))


def _json_twice(value: StorageValue, _target: TargetType, _reading: Reading, *, keep: str) -> StorageValue | _Nothing:
    if not isinstance(value, str):
        return _UNCHANGED
    document = _Document(value)
    return document.written(keep=keep) if document.is_json and document.repeats() else _UNCHANGED


def _json_text(value: StorageValue, _target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    return json.dumps(value) if isinstance(value, str) and not _Document(value).is_json else _UNCHANGED


def _array_json(value: StorageValue, target: TargetType, _reading: Reading) -> StorageValue | _Nothing:
    if not isinstance(value, str) or target.element is None:
        return _UNCHANGED
    document = _Document(value).found
    if not isinstance(document, list):
        return _UNCHANGED
    as_documents = target.element.kind is Kind.JSON
    if not as_documents and any(isinstance(item, list | _Members) for item in document):
        return _UNCHANGED
    return "{" + ",".join(_array_item(item, as_document=as_documents) for item in document) + "}"


def _array_item(item: object, *, as_document: bool) -> str:
    if item is None and not as_document:
        return "NULL"
    text = _written(item, str, "all") if as_document or not isinstance(item, str) else str(item)
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


_CHANGES: Mapping[Repair, Change] = {
    Repair.UTF8: _utf8,
    Repair.BLOB_TEXT: _blob_text,
    Repair.UUID_BLOB: partial(_uuid_blob, order=">"),
    Repair.UUID_BLOB_LE: partial(_uuid_blob, order="<"),
    Repair.NUL: _nul,
    Repair.SURROGATES: _surrogates,
    Repair.EMPTY_NULL: _empty_null,
    Repair.ZERO_DATE: _zero_date,
    Repair.BOOL_WORDS: _bool_words,
    Repair.EXCESS_DIGITS: _excess_digits,
    Repair.JSON_TWICE_FIRST: partial(_json_twice, keep="first"),
    Repair.JSON_TWICE_LAST: partial(_json_twice, keep="last"),
    Repair.ARRAY_JSON: _array_json,
    Repair.TRIM: _trim,
    Repair.TRUNCATE: _truncate,
    Repair.JSON_TEXT: _json_text,
}
"""All but `orphan-null`, which the target is asked for (`orphans.py`)."""
