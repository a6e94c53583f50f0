"""What a text means in the types that have a written form of their own, by one strict reading of both sides.

The source's text and the target's output become plain values, and these are compared. Nothing is asked of PostgreSQL's
input, which is lenient, and no code of the conversion is used. MeaninglessError: the text is none of the type.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from etl.comparison import meaning, plain_readers, time_readers
from etl.comparison.meaning import MeaninglessError
from etl.comparison.plain_readers import NOT_A_NUMBER
from etl.comparison.written_parts import ranges_of, split_array, split_range, split_row
from etl.core.types import Kind, TargetType
from etl.core.values import StorageValue

Plain = object
"""A value that equals another exactly where the two mean the same."""

_NUMBERS_TOO = {Kind.OID: (int,), Kind.MONEY: (int, float), Kind.ENUM: (int, float), Kind.OTHER: (int, float)}
"""Storage classes beside text that have a meaning in a type."""


def read(text: str, target: TargetType, *, written: bool) -> Plain:
    """The plain value of a text; `written`: PostgreSQL wrote it, and so it may hold what no source text means."""
    return READERS[target.kind](text, target, written)


def stored_text(value: StorageValue, target: TargetType) -> str:
    """The text of a stored value, where its storage class has one in this type."""
    if isinstance(value, str):
        return value
    if isinstance(value, _NUMBERS_TOO.get(target.kind, ())):
        return repr(value) if target.kind is Kind.MONEY else meaning.text(value)
    raise MeaninglessError


def means_same(stored: str, written: str, target: TargetType) -> bool:
    """Whether the target's output is what the stored text means; raises MeaninglessError where that has no meaning.

    Parts that only the server can read are taken for the same if they hold the same words: ask the server as well
    where `TargetType.needs_server` says so.
    """
    return read(stored, target, written=False) == read(written, target, written=True)


def holds_wall_clock(text: str, target: TargetType) -> bool:
    """Whether a time without an offset stands for an instant in a text, be it in a part of a part."""
    if target.kind is Kind.TIMESTAMPTZ:
        return meaning.is_wall_clock(text)
    return any(holds_wall_clock(part, type_) for part, type_ in _parts_of(text, target))


def _parts_of(text: str, target: TargetType) -> Iterator[tuple[str, TargetType]]:
    if target.kind is Kind.ARRAY:
        for item in _flat(split_array(text)[1]):
            yield item, _part(target.element)
    elif target.kind is Kind.COMPOSITE:
        for field, (_, type_) in zip(split_row(text), target.fields, strict=False):
            if field is not None:
                yield field, type_
    elif target.kind in (Kind.RANGE, Kind.MULTIRANGE):
        for one in ranges_of(text) if target.kind is Kind.MULTIRANGE else [text]:
            parts = split_range(one)
            for bound in parts.bounds if parts else ():
                if bound is not None:
                    yield bound, _part(target.subtype)


def _flat(item: object) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, list):
        for inner in item:
            yield from _flat(inner)


# -- types made of others -----------------------------------------------------------------------------------------


def _array(text: str, target: TargetType, written: bool) -> Plain:
    """The lower bounds of the dimensions, and the elements; those that are not NULL in tuples of their own."""
    element = _part(target.element)

    def plain(item: object) -> Plain:
        if isinstance(item, list):
            return list(map(plain, item))
        return (read(item, element, written=written),) if isinstance(item, str) else None

    bounds, items = split_array(text)
    return bounds, plain(items)


def _row(text: str, target: TargetType, written: bool) -> Plain:
    fields = split_row(text)
    if len(fields) != len(target.fields):
        raise MeaninglessError
    return [
        None if field is None else (read(field, type_, written=written),)
        for field, (_, type_) in zip(fields, target.fields, strict=True)
    ]


_EMPTY = "empty"
_STEPPING = (Kind.INTEGER, Kind.BIGINT, Kind.DATE)
"""Subtypes whose ranges PostgreSQL writes with a lower bound that belongs to them and an upper one that does not."""

_IN_ORDER = frozenset(
    {
        *(Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.OID),
        *(Kind.REAL, Kind.DOUBLE, Kind.NUMERIC, Kind.MONEY),
        *(Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ),
    }
)
"""Subtypes whose plain values are in PostgreSQL's order; texts, say, are in the order of a collation."""

_End = tuple[Plain, bool]
"""A bound (None: there is none), and whether it belongs to the range."""


def _range(text: str, target: TargetType, written: bool) -> Plain:
    """Both ends, or that the range is empty."""
    subtype = _part(target.subtype)
    parts = split_range(text)
    if parts is None:
        return _EMPTY
    low, high = (None if bound is None else read(bound, subtype, written=written) for bound in parts.bounds)
    start, end = _stepped(subtype, (low, parts.low_in and low is not None), (high, parts.high_in and high is not None))
    if start[0] is None or end[0] is None:
        return start, end
    if subtype.kind in _IN_ORDER and _rank(start[0]) > _rank(end[0]):
        if written or _rank(low) <= _rank(high):
            return _EMPTY  # (1,2) holds no whole number
        raise MeaninglessError
    return _EMPTY if start[0] == end[0] and not (start[1] and end[1]) else (start, end)


def _stepped(subtype: TargetType, start: _End, end: _End) -> tuple[_End, _End]:
    """The ends as PostgreSQL writes those of whole steps."""
    if subtype.kind in _STEPPING:
        if isinstance(start[0], int):
            start = (start[0] + (not start[1]), True)
        if isinstance(end[0], int):
            end = (end[0] + end[1], False)
    return start, end


def _rank(value: Plain) -> tuple[bool, Plain]:
    """NaN is the largest number in PostgreSQL."""
    return (True, 0) if value == NOT_A_NUMBER else (False, value)


def _multirange(text: str, target: TargetType, written: bool) -> Plain:
    """The ranges without the empty ones, in order, those that meet made one."""
    found = [part for part in (_range(one, target, written) for one in ranges_of(text)) if isinstance(part, tuple)]
    if _part(target.subtype).kind not in _IN_ORDER:
        return found  # only PostgreSQL knows their order, and it writes them in that
    found.sort(key=lambda part: _start_rank(part[0]))
    merged: list[tuple[_End, _End]] = []
    for start, end in found:
        if merged and _meet(merged[-1][1], start):
            merged[-1] = (merged[-1][0], max(merged[-1][1], end, key=_end_rank))
        else:
            merged.append((start, end))
    return merged


def _start_rank(start: _End) -> tuple[Plain, ...]:
    return (start[0] is not None, _rank(0 if start[0] is None else start[0]), not start[1])


def _end_rank(end: _End) -> tuple[Plain, ...]:
    return (end[0] is None, _rank(0 if end[0] is None else end[0]), end[1])


def _meet(end: _End, start: _End) -> bool:
    if end[0] is None or start[0] is None or _rank(start[0]) < _rank(end[0]):
        return True
    return start[0] == end[0] and (start[1] or end[1])


def _part(part: TargetType | None) -> TargetType:
    if part is None:
        raise TypeError("the catalogue describes the parts of every type that has any")
    return part


Reader = Callable[[str, TargetType, bool], Plain]


def _all(kinds: Sequence[Kind], reader: Reader) -> Mapping[Kind, Reader]:
    return dict.fromkeys(kinds, reader)


READERS: Mapping[Kind, Reader] = {
    Kind.BOOLEAN: plain_readers.read_truth,
    **_all((Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.OID), plain_readers.read_whole),
    **_all((Kind.REAL, Kind.DOUBLE), plain_readers.read_float),
    Kind.NUMERIC: plain_readers.read_decimal,
    Kind.MONEY: plain_readers.read_money,
    **_all((Kind.TEXT, Kind.ENUM), plain_readers.read_exact),
    **_all((Kind.BIT, Kind.VARBIT), plain_readers.read_bits),
    **_all((Kind.TIMESTAMPTZ, Kind.TIMESTAMP), time_readers.read_instant),
    Kind.DATE: time_readers.read_date,
    Kind.TIME: time_readers.read_clock,
    Kind.TIMETZ: time_readers.read_zoned_clock,
    Kind.INTERVAL: time_readers.read_interval,
    Kind.JSON: plain_readers.read_document,
    Kind.BYTEA: plain_readers.read_octets,
    Kind.UUID: plain_readers.read_uuid,
    **_all((Kind.INET, Kind.CIDR), plain_readers.read_address),
    **_all((Kind.MACADDR, Kind.MACADDR8), plain_readers.read_hardware),
    Kind.ARRAY: _array,
    Kind.COMPOSITE: _row,
    Kind.RANGE: _range,
    Kind.MULTIRANGE: _multirange,
    Kind.OTHER: plain_readers.read_words,
}
"""Each kind once."""
