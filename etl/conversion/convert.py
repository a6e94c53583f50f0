"""Raw frame → Converted(frame, rejected): every cell in its target type, or its row set aside with a reason.

The stage does no I/O and guesses nothing; the rules stand in `families` and the casts that it names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import CANDIDATES, LARGE_BYTES, VALUE, Cells, Refusal, Storage
from etl.conversion.casts.storage import Part, split
from etl.conversion.families import FAMILIES
from etl.conversion.mend import CastPart, Mended, mend
from etl.core import defaults
from etl.core.plan import ColumnPlan
from etl.core.redaction import SHOWN_CHARACTERS, shown
from etl.core.rejects import RejectRule
from etl.core.repairs import AlteredCell, HelpfulWish, joined
from etl.core.time_units import NumberRange, TimeUnit, candidates, decide_unit
from etl.core.types import TIMES, TargetType

_NOT_UTF8 = Refusal(RejectRule.INVALID_UTF8, f"{VALUE} is not valid UTF-8")


class RefusedCell(NamedTuple):
    """The cell for which a row is rejected, as the columns of `Converted.rejected` have it."""

    column: str
    code: RejectRule
    rule: str
    reason: str
    repairs: tuple[HelpfulWish, ...] = ()


@dataclass(frozen=True)
class Converted:
    """The rows whose every cell has its target type, and the others.

    `frame`: columns by target name, Arrow dtypes as in `FAMILIES`, NULL as <NA>. `rejected`: columns "column"
    (source name of the first column at fault, in column order), "code" (a `RejectRule`),
    "rule" (the fault without the value, the same for all
    rows that share it), "reason" (with the value) and "repairs" (`HelpfulWish`es, which together would have let the row
    in; none where nothing would). Both keep the raw frame's index; each row is in one of them.
    `others` has the same columns as `rejected`, an entry for each further column at fault; `faulty` has the columns of
    `frame` for the rejected rows, with <NA> where a cell could not be converted.
    `altered`: the values of accepted rows that a repair of the plan has altered.
    """

    frame: pd.DataFrame
    rejected: pd.DataFrame
    others: pd.DataFrame
    faulty: pd.DataFrame
    altered: tuple[AlteredCell, ...] = ()


def convert(
    frame: pd.DataFrame, columns: Sequence[ColumnPlan], *, assume_timezone: str = defaults.TIMEZONE
) -> Converted:
    """Cast the columns of a raw frame to their target types by the rules of `FAMILIES`.

    Takes integers, reals, text and BLOBs as SQLite stores them: uniform Arrow columns, or `object` columns of any
    mixture. Wall clock times are read in `assume_timezone`. The caller's frame is left as it is, and no row makes it
    raise. KeyError for a column that the frame lacks, TypeError for values that no SQLite column holds, zoneinfo's
    errors for the zone.
    """
    zone = ZoneInfo(assume_timezone)
    values: dict[str, pa.Array] = {}
    faults: dict[int, list[RefusedCell]] = {}
    altered: list[AlteredCell] = []
    for column in columns:
        parts = split(frame[column.source])
        own_zone = ZoneInfo(column.zone) if column.zone else zone
        array, found, changed = _cells(parts, column, _Times(own_zone, _unit(column, parts)), frame.index)
        values[column.target] = array
        altered += changed
        for position, cell in found.items():
            faults.setdefault(position, []).append(cell)
    return _separated(values, faults, altered, frame.index)


def _first(cells: Sequence[RefusedCell]) -> RefusedCell:
    """The first cell at fault, with what lets the row in: nothing, unless each of its cells can be repaired."""
    every = all(cell.repairs for cell in cells)
    return cells[0]._replace(repairs=tuple(wish for cell in cells for wish in cell.repairs) if every else ())


class _Times(NamedTuple):
    """How a column of times is to be read."""

    zone: ZoneInfo
    unit: TimeUnit


def _unit(column: ColumnPlan, parts: Iterable[Part]) -> TimeUnit:
    """The plan's; for a column of times that no plan has looked at as a whole, what the numbers of this frame say."""
    if column.unit is not None or column.type.kind not in TIMES:
        return column.unit or TimeUnit.UNDECIDED
    numbers = [part.values for part in parts if part.storage in (Storage.INTEGER, Storage.REAL)]
    bounds = [pc.min_max(values).as_py() for values in numbers]
    known = [bound for bound in bounds if bound["min"] is not None]
    if not known:
        return TimeUnit.UNDECIDED
    low, high = min(bound["min"] for bound in known), max(bound["max"] for bound in known)
    sizes = [pc.min(pc.abs(values.filter(pc.not_equal(values, 0)))).as_py() for values in numbers]
    smallest = min((size for size in sizes if size is not None), default=0)
    return decide_unit(NumberRange(low, high, smallest, any(pa.types.is_floating(values.type) for values in numbers)))


def _cells(
    parts: Iterable[Part], column: ColumnPlan, times: _Times, index: pd.Index
) -> tuple[pa.Array, dict[int, RefusedCell], list[AlteredCell]]:
    """One column's parts, each cast by its storage class, put together again in the order of the rows."""
    origin = np.full(len(index), -1, np.int64)
    chunks: list[pa.Array] = []
    faults: dict[int, RefusedCell] = {}
    altered: list[AlteredCell] = []
    offset = 0
    for part in parts:
        cells = _cast(part, column.type, times)
        cast = partial(_cast, target=column.type, times=times)
        mended = mend(part, cells.faults, column, column.repairs, times.unit, cast)
        left = {place: refusal for place, refusal in cells.faults.items() if place not in mended.values}
        faults |= _located(left, part, column, _helpful(part, left, column, times.unit, cast))
        altered += _changed(part, mended, column, index)
        for positions, values in ((np.arange(len(cells.values)), cells.values), *mended.pieces):
            chunks.append(values)
            origin[part.positions[positions]] = np.arange(offset, offset + len(values))
            offset += len(values)
    return _in_order(chunks, origin, FAMILIES[column.type.kind].arrow), faults, altered


def _helpful(
    part: Part, left: Mapping[int, Refusal], column: ColumnPlan, unit: TimeUnit, cast: CastPart
) -> dict[int, tuple[HelpfulWish, ...]]:
    """By place, the repairs that are not allowed and would have let the value in."""
    if not left or not column.helpful:
        return {}
    tried = mend(part, left, column, [*column.repairs, *column.helpful], unit, cast)
    return {
        place: tuple(HelpfulWish(column.source, repair) for repair in found.used if repair not in column.repairs)
        for place, found in tried.values.items()
    }


def _changed(part: Part, mended: Mended, column: ColumnPlan, index: pd.Index) -> list[AlteredCell]:
    return [
        AlteredCell(int(index[part.positions[place]]), column.source, found.before, found.value, joined(found.steps))
        for place, found in mended.values.items()
    ]


def _cast(part: Part, target: TargetType, times: _Times) -> Cells:
    family = FAMILIES[target.kind]
    cast = family.cast_of(part.storage, times.zone, times.unit, any_storage=target.any_storage)
    if cast is not None:
        return cast(part.values, target)
    refusal = _NOT_UTF8 if part.storage is Storage.UNDECODABLE else family.otherwise
    refused = np.flatnonzero(part.values.is_valid().to_numpy(zero_copy_only=False))
    return Cells(pa.nulls(len(part.values), family.arrow), dict.fromkeys(refused.tolist(), refusal))


def _located(
    faults: Mapping[int, Refusal],
    part: Part,
    column: ColumnPlan,
    helpful: Mapping[int, tuple[HelpfulWish, ...]],
) -> dict[int, RefusedCell]:
    """The faults by the row's position in the frame, with the values in their reasons."""
    values = _beginnings(part.values).take(pa.array(list(faults), pa.int64())).to_pylist()
    return {
        int(part.positions[position]): RefusedCell(
            column.source,
            refusal.code,
            refusal.words.replace(VALUE, "value").replace(CANDIDATES, ""),
            refusal.words.replace(VALUE, shown(value, column=column.masked_as)).replace(
                CANDIDATES, f" ({_named(value)})"
            ),
            helpful.get(position, ()),
        )
        for (position, refusal), value in zip(faults.items(), values, strict=True)
    }


def _named(value: object) -> str:
    return candidates(value) if isinstance(value, int | float) else ""


def _beginnings(values: pa.Array) -> pa.Array:
    """As much of large texts and BLOBs as a reason shows."""
    if values.nbytes > LARGE_BYTES and pa.types.is_string(values.type):
        return pc.utf8_slice_codeunits(values, 0, SHOWN_CHARACTERS + 1)
    if values.nbytes > LARGE_BYTES and pa.types.is_binary(values.type):
        return pc.binary_slice(values, 0, SHOWN_CHARACTERS + 1)
    return values


def _in_order(chunks: Sequence[pa.Array], origin: npt.NDArray[np.int64], arrow_type: pa.DataType) -> pa.Array:
    if len(chunks) == 1 and len(chunks[0]) == len(origin):
        return chunks[0].cast(arrow_type)
    joined = pa.concat_arrays([chunk.cast(arrow_type) for chunk in chunks] or [pa.nulls(0, arrow_type)])
    return joined.take(pa.array(origin, mask=origin < 0))


def _separated(
    values: Mapping[str, pa.Array],
    faults: Mapping[int, list[RefusedCell]],
    altered: Sequence[AlteredCell],
    index: pd.Index,
) -> Converted:
    at_fault = sorted(faults)
    kept = np.ones(len(index), np.bool_)
    kept[at_fault] = False
    others = [(position, cell) for position in at_fault for cell in faults[position][1:]]
    gone = set(index[at_fault]) if altered else set()
    return Converted(
        _frame(values if not faults else _rows(values, kept), index[kept] if faults else index),
        _refused([_first(faults[position]) for position in at_fault], index[at_fault]),
        _refused([cell for _, cell in others], index[[position for position, _ in others]]),
        _frame(_rows(values, ~kept) if faults else _none(values), index[at_fault]),
        tuple(sorted((cell for cell in altered if cell.row not in gone), key=lambda cell: cell.row)),
    )


def _none(values: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
    return {name: array.slice(0, 0) for name, array in values.items()}


def _rows(values: Mapping[str, pa.Array], chosen: npt.NDArray[np.bool_]) -> Mapping[str, pa.Array]:
    return {name: array.filter(pa.array(chosen)) for name, array in values.items()}


def _frame(values: Mapping[str, pa.Array], index: pd.Index) -> pd.DataFrame:
    columns = {name: pd.arrays.ArrowExtensionArray(array) for name, array in values.items()}
    return pd.DataFrame(columns, index=index, copy=False)


def _refused(cells: Sequence[RefusedCell], index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(cells, index=index, columns=RefusedCell._fields, dtype=object)
