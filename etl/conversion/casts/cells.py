"""What all casts share: the storage classes, the outcome of a cast, and the careful second look at single values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.rejects import RejectRule
from etl.core.types import TargetType

VALUE = "{value}"
"""Stands in a reason where the value itself is to be shown; whoever knows the column puts it in."""

CANDIDATES = "{candidates}"
"""Stands where a reason shows what each unit would make of a number."""

LARGE_BYTES = 2**26  # columns that are larger hold a large value, of which there shall not be many copies
LONGEST_SINGLE = 2**20
_BEGINNING = 1_000

Mask = npt.NDArray[np.bool_]
Source = TypeVar("Source")
Result = TypeVar("Result")


class Storage(Enum):
    """SQLite's storage classes, with TEXT that is not UTF-8 told apart."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    BLOB = "blob"
    UNDECODABLE = "undecodable text"


class Refusal(NamedTuple):
    """Why a value has no meaning in the target type: a code for programs, and words with VALUE for the value."""

    code: RejectRule
    words: str


class RefusalError(ValueError):
    """One value has no meaning in the target type."""

    def __init__(self, code: RejectRule, words: str) -> None:
        super().__init__(words)
        self.refusal = Refusal(code, words)


@dataclass(frozen=True)
class Cells:
    """Cast values (null where the source is NULL or the value was refused) and the refusals by position."""

    values: pa.Array
    faults: Mapping[int, Refusal] = field(default_factory=dict)


Cast = Callable[[pa.Array, TargetType], Cells]


def mask_of(flags: pa.BooleanArray) -> Mask:
    """The flags as numpy booleans, null counted as False."""
    return np.asarray(pc.fill_null(flags, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def where(flags: pa.BooleanArray, values: pa.Array) -> pa.Array:
    """The values where the flag is true, null elsewhere."""
    return pc.if_else(flags, values, pa.scalar(None, values.type))


def chosen(values: pa.Array, positions: Sequence[int]) -> Iterator[tuple[Any, bool]]:
    """The values at these positions for Python, each with whether it is the whole: of large texts only the beginning,
    since one sign would make a Python text of four times the size of them."""
    if values.nbytes <= LARGE_BYTES or not pa.types.is_string(values.type):
        for value in values.take(pa.array(positions, pa.int64())).to_pylist():
            yield value, True
        return
    for position in positions:
        content = values[position].as_buffer()
        whole = content.size <= LONGEST_SINGLE
        yield content[: content.size if whole else _BEGINNING].to_pybytes().decode(errors="ignore"), whole


def look_singly(values: pa.Array, done: pa.Array, one: Callable[[Source], Result]) -> Cells:
    """Complete `done`: call `one`, which may raise RefusalError, for each value that the vectorised cast left null.

    It is not for texts that may be as long as they like: nothing else is written in more than a million bytes.
    """
    rest = pc.and_(pc.is_valid(values), pc.is_null(done))
    positions = np.flatnonzero(mask_of(rest))
    if not len(positions):
        return Cells(done)
    results: list[Result | None] = []
    faults: dict[int, Refusal] = {}
    for position, (value, whole) in zip(positions.tolist(), chosen(values, positions.tolist()), strict=True):
        try:
            result = one(value)
            if not whole:
                raise RefusalError(RejectRule.OUT_OF_RANGE, f"{VALUE} is written in more than {LONGEST_SINGLE:,} bytes")
            results.append(result)
        except RefusalError as refusal:
            results.append(None)
            faults[position] = refusal.refusal
    return Cells(pc.replace_with_mask(done, rest, pa.array(results, done.type)), faults)
