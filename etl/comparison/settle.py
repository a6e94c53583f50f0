"""Columns of both sides whose values look different: which of them are surely equal all the same."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.comparison.fast_json import surely_same
from etl.comparison.source_forms import STRANGE_INTEGER, STRANGE_REAL
from etl.core.types import TargetType

Mask = npt.NDArray[np.bool_]
Settle = Callable[[pa.Array, pa.Array, Mask, TargetType], None]
"""Sets in the mask what is equal, of the source's column and the target's."""


def equal_cells(one: pa.Array, other: pa.Array) -> Mask:
    """Which cells are equal; marks of what is not ordinary are not."""
    same = pc.fill_null(pc.equal(one, other), False)
    both_null = pc.and_(pc.is_null(one), pc.is_null(other))
    if one.type in (pa.int64(), pa.float64()):
        strange = pa.scalar(STRANGE_INTEGER if one.type == pa.int64() else STRANGE_REAL, one.type)
        same = pc.and_(same, pc.not_equal(one, strange)).fill_null(False)
    return np.asarray(pc.or_(same, both_null).to_numpy(zero_copy_only=False), np.bool_)


def settle_numbers(one: pa.Array, other: pa.Array, equal: Mask, _target: TargetType) -> None:
    """numeric(10,2) prints 1.50 where 1.5 was stored."""
    equal |= equal_cells(_without_zeros(one), _without_zeros(other))


def _without_zeros(numbers: pa.Array) -> pa.Array:
    """Plain decimals without zeros that do not count: numeric(10,2) prints 1.50 where 1.5 was stored."""
    texts = pc.replace_substring_regex(numbers, r"^(-?[0-9]+\.[0-9]*?)0+$", r"\1")
    return pc.replace_substring_regex(texts, r"^(-?[0-9]+)\.$", r"\1")


def settle_documents(one: pa.Array, other: pa.Array, equal: Mask, target: TargetType) -> None:
    """Looks through spaces and the order of keys, which jsonb prints in ways of its own."""
    places = np.flatnonzero(~equal)
    chosen = pa.array(places)
    equal[places] = _same_documents(one.take(chosen), other.take(chosen), unique=target.base == "jsonb")


def _same_documents(one: pa.Array, other: pa.Array, *, unique: bool) -> Mask:
    """Each distinct pair is looked at once: applications store the same few documents again and again."""
    left, right = one.dictionary_encode(), other.dictionary_encode()
    codes = pc.fill_null(left.indices, -1).to_numpy().astype(np.int64) * (len(right.dictionary) + 1)
    codes += pc.fill_null(right.indices, -1).to_numpy()
    _, first, back = np.unique(codes, return_index=True, return_inverse=True)
    distinct = pa.array(first)
    return np.fromiter(surely_same(one.take(distinct), other.take(distinct), unique=unique), np.bool_)[back]
