"""Whole columns compared at once: which rows are surely equal, which have to be looked at singly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.comparison.settle import Mask, equal_cells
from etl.comparison.source_forms import STRANGE_INTEGER, STRANGE_REAL
from etl.comparison.wire import Wire


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
        elif wire.family.narrows:
            one, narrowed[wire] = _narrow(one, other)
        if one.equals(other) and not _has_strange(one):
            continue
        equal = equal_cells(one, other)
        if wire.family.settle is not None:
            wire.family.settle(one, other, equal, wire.column.type)
        if not equal.all():
            unequal[wire] = ~equal
    return Doubts(unequal, narrowed)


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
