"""Whole columns compared at once: which rows are surely equal, which have to be looked at singly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.comparison.fast_json import surely_same
from etl.comparison.wire import STRANGE_INTEGER, STRANGE_REAL, Wire
from etl.core.types import Kind

Mask = npt.NDArray[np.bool_]
_KEY_END = r"(?:\"|\\u0022)\s*:"


@dataclass(frozen=True)
class Doubts:
    """`unequal`: by wire, the rows whose values are not surely equal. `narrowed`: by wire, how many real numbers kept
    fewer digits because the target's type holds no more."""

    unequal: dict[Wire, Mask]
    narrowed: dict[Wire, int]

    def rows(self, count: int) -> npt.NDArray[np.int64]:
        """Places (of `count`) of the rows with any value that is not surely equal."""
        doubtful = np.zeros(count, np.bool_)
        for mask in self.unequal.values():
            doubtful |= mask
        return np.flatnonzero(doubtful)


def compare_columns(source: pa.RecordBatch, target: pa.RecordBatch, wires: Sequence[Wire]) -> Doubts:
    """Compares rows that belong together, column by column."""
    unequal: dict[Wire, Mask] = {}
    narrowed: dict[Wire, int] = {}
    for wire in wires:
        one, other = source.column(wire.name), target.column(wire.name)
        if wire.zoned:
            native = pc.equal(source.column(wire.native), 1)
            other = pc.if_else(pc.fill_null(native, True), other, target.column(wire.other))
        elif wire.column.type.kind is Kind.REAL:
            one, narrowed[wire] = _narrow(one, other)
        if one.equals(other) and not _has_strange(one):
            continue
        equal = _equal(one, other)
        if wire.column.type.kind is Kind.JSON:
            _settle_json(one, other, equal, unique=wire.column.type.base == "jsonb")
        elif wire.column.type.kind is Kind.NUMERIC:
            equal |= _equal(_without_zeros(one), _without_zeros(other))
        if not equal.all():
            unequal[wire] = ~equal
    return Doubts(unequal, narrowed)


def _settle_json(one: pa.Array, other: pa.Array, equal: Mask, *, unique: bool) -> None:
    """Looks through spaces and the order of keys; json and jsonb print them in ways of their own.

    `unique`: jsonb drops all but one of equal keys, which shows in their number; such pairs are left to be looked at.
    """
    places = np.flatnonzero(~equal)
    chosen = pa.array(places)
    left, right = one.take(chosen), other.take(chosen)
    equal[places] = _same_documents(left, right)
    if unique:
        equal[places] &= _keys(left) == _keys(right)


def _keys(documents: pa.Array) -> npt.NDArray[np.int64]:
    """How many keys a document seems to have; a quote before a colon inside of a text counts as well, on both sides."""
    counts = pc.count_substring_regex(documents, _KEY_END)
    return np.asarray(pc.fill_null(counts, -1).to_numpy(zero_copy_only=False), np.int64)


def _same_documents(one: pa.Array, other: pa.Array) -> Mask:
    """Each distinct pair is looked at once: applications store the same few documents again and again."""
    left, right = one.dictionary_encode(), other.dictionary_encode()
    codes = pc.fill_null(left.indices, -1).to_numpy().astype(np.int64) * (len(right.dictionary) + 1)
    codes += pc.fill_null(right.indices, -1).to_numpy()
    _, first, back = np.unique(codes, return_index=True, return_inverse=True)
    distinct = pa.array(first)
    return np.fromiter(surely_same(one.take(distinct), other.take(distinct)), np.bool_)[back]


def _without_zeros(numbers: pa.Array) -> pa.Array:
    """Plain decimals without zeros that do not count: numeric(10,2) prints 1.50 where 1.5 was stored."""
    texts = pc.replace_substring_regex(numbers, r"^(-?[0-9]+\.[0-9]*?)0+$", r"\1")
    return pc.replace_substring_regex(texts, r"^(-?[0-9]+)\.$", r"\1")


def _narrow(one: pa.Array, other: pa.Array) -> tuple[pa.Array, int]:
    """The source's numbers in single precision, where that loses neither magnitude nor the number itself."""
    values = one.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32).astype(np.float64)
    kept = ~(np.isinf(single) & np.isfinite(values)) & ~((single == 0) & (values != 0))
    result = np.where(kept, single, values)
    result[values == STRANGE_REAL] = STRANGE_REAL
    narrow = pa.array(result, mask=np.asarray(pc.is_null(one)))
    count = pc.sum(pc.and_(pc.equal(narrow, other), pc.not_equal(narrow, one))).as_py()
    return narrow, int(count or 0)


def _has_strange(values: pa.Array) -> bool:
    if values.type == pa.int64():
        return bool(pc.any(pc.equal(values, STRANGE_INTEGER)).as_py())
    if values.type == pa.float64():
        return bool(pc.any(pc.equal(values, STRANGE_REAL)).as_py())
    return False  # strange texts are not UTF-8, so no text of the target equals them


def _equal(one: pa.Array, other: pa.Array) -> Mask:
    same = pc.fill_null(pc.equal(one, other), False)
    both_null = pc.and_(pc.is_null(one), pc.is_null(other))
    if one.type in (pa.int64(), pa.float64()):
        strange = pa.scalar(STRANGE_INTEGER if one.type == pa.int64() else STRANGE_REAL, one.type)
        same = pc.and_(same, pc.not_equal(one, strange)).fill_null(False)
    return np.asarray(pc.or_(same, both_null).to_numpy(zero_copy_only=False), np.bool_)
