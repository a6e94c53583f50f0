"""Rows looked at singly, with what the source really stores: pairs that may differ, and rows that only one side has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.comparison.cell_results import CellResult, Question, Reading, WireValue
from etl.comparison.large import described, described_target, is_large
from etl.comparison.orphans import Reference, references_with
from etl.comparison.questions import Asked, Doubt
from etl.comparison.repairs import fits, repaired
from etl.comparison.source_side import ROW, SourceRows, key_of
from etl.comparison.target_side import PRESENT
from etl.comparison.value import compare_value, printed
from etl.comparison.wire import Wire
from etl.core.difference_kinds import DifferenceKind
from etl.core.plan import ColumnPlan
from etl.core.repairs import Repair
from etl.core.report import Difference
from etl.core.types import Kind
from etl.core.values import LargeText, StorageValue, UndecodableText
from etl.files.private_files import jsonable

LOOKED_AT_ONCE = 1_000  # rows whose originals are in memory together
LOOKED_AT_BYTES = 64 * 2**20

_STORAGE = {
    int: "integer",
    float: "real",
    str: "text",
    LargeText: "text",
    UndecodableText: "text",
    bytes: "blob",
    type(None): "null",
}

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Pair:
    """A source row as it is stored, and where its counterpart comes from."""

    rowid: int
    original: Mapping[str, StorageValue]
    present: bool


class RowComparer:
    """Compares pairs of rows of one table; wall clock times are read in `zone`."""

    def __init__(self, rows: SourceRows, zone: str) -> None:
        self._rows = rows
        self._zone = zone

    def look(
        self, source: pa.RecordBatch, target: pa.RecordBatch, places: Places, unequal: Mapping[Wire, Mask]
    ) -> Iterator[Doubt]:
        """What there is to say about the rows at `places`, in the columns whose masks are set there."""
        step = at_once(self._rows)
        for start in range(0, len(places), step):
            yield from self._look(source, target, places[start : start + step], unequal)

    def _look(
        self, source: pa.RecordBatch, target: pa.RecordBatch, places: Places, unequal: Mapping[Wire, Mask]
    ) -> Iterator[Doubt]:
        chosen = pa.array(places)
        rowids = source.column(ROW).take(chosen).to_pylist()
        originals = self._rows.originals(rowids)
        values = {wire: target.column(wire.name).take(chosen).to_pylist() for wire in unequal}
        present = _present(target, chosen)
        for number, (place, rowid) in enumerate(zip(places.tolist(), rowids, strict=True)):
            pair = _Pair(rowid, originals[rowid], present[number])
            doubt = Doubt()
            for wire, mask in unequal.items():
                if mask[place]:
                    self._compare_value(wire, pair, values[wire][number], doubt)
            yield doubt

    def _compare_value(self, wire: Wire, pair: _Pair, found: WireValue, doubt: Doubt) -> None:
        """Adds to `doubt` what there is to say about one cell."""
        column = wire.column
        value = pair.original[column.source]
        reading = Reading(column.zone or self._zone, column.unit)
        result = compare_value(value, found, column.type, reading)
        if isinstance(result, Question) and (not column.repairs or fits(value, column.type, reading)):
            self._ask(wire, pair, found, result, doubt)
        elif isinstance(result, CellResult) and result.kind is None:
            return
        elif not (column.repairs and self._is_repaired(wire, pair, found, reading, doubt)):
            unlike = self._unlike(column) if isinstance(result, Question) else result
            doubt.differences.append(self._difference(wire, pair, found, unlike))

    def _is_repaired(self, wire: Wire, pair: _Pair, found: WireValue, reading: Reading, doubt: Doubt) -> bool:
        """Whether the cell is equal after a repair that the user allows, or may be: PostgreSQL is asked then."""
        column = wire.column
        for candidate in repaired(pair.original[column.source], column, reading):
            result = compare_value(candidate.value, found, column.type, reading)
            if isinstance(result, Question):
                self._ask(wire, pair, found, result, doubt, candidate.words)
                return True
            if result.kind is None:
                doubt.repaired.append((column.source, candidate.words))
                return True
        references = self._references(column, pair) if found is None else ()
        if references:
            difference = self._difference(wire, pair, found, CellResult(DifferenceKind.NULL_AGAINST_VALUE))
            doubt.questions.append(Asked(references, difference, str(Repair.ORPHAN_NULL)))
        return bool(references)

    def _references(self, column: ColumnPlan, pair: _Pair) -> tuple[Reference, ...]:
        """The whole references of the row in which the column takes part, if they may have become NULL."""
        if Repair.ORPHAN_NULL not in column.repairs:
            return ()
        found = (
            Reference(key, columns, tuple(pair.original[one.source] for one in columns))
            for key, columns in references_with(self._rows.plan, column)
        )
        return tuple(reference for reference in found if None not in reference.values)

    def _ask(
        self,
        wire: Wire,
        pair: _Pair,
        found: WireValue,
        question: Question,
        doubt: Doubt,
        repair: str | None = None,
    ) -> None:
        difference = self._difference(wire, pair, found, self._unlike(wire.column))
        doubt.questions.append(Asked(question, difference, repair))

    @staticmethod
    def _unlike(column: ColumnPlan) -> CellResult:
        """What a question is about, if PostgreSQL denies it."""
        return CellResult(DifferenceKind.JSON_CHANGED if column.type.kind is Kind.JSON else DifferenceKind.OTHER)

    def _difference(self, wire: Wire, pair: _Pair, found: WireValue, result: CellResult) -> Difference:
        value = pair.original[wire.column.source]
        key = key_of(self._rows.plan, pair.original)
        return Difference(
            table=self._rows.plan.name,
            key={name: jsonable(part) for name, part in key.items()} or None,
            column=wire.column.source,
            source=described(value) if is_large(value) else jsonable(value),
            storage=_STORAGE[type(value)],
            target=described_target(found, wire.column.type) or printed(found, wire.column.type),
            kind=result.kind or DifferenceKind.OTHER,
            shift_seconds=result.shift_seconds,
            present_before=pair.present,
            rowid=pair.rowid,
            target_column=wire.column.target if wire.column.target != wire.column.source else None,
        )


def missing_rows(rows: SourceRows, missing: pa.RecordBatch) -> Iterator[Difference]:
    """One entry for each row that the target lacks: its key, or the whole row where there is none."""
    rowids = missing.column(ROW).to_pylist() if missing.num_rows else []
    step = at_once(rows)
    for start in range(0, len(rowids), step):
        originals = rows.originals(rowids[start : start + step])
        for rowid in rowids[start : start + step]:
            original = originals[rowid]
            key = key_of(rows.plan, original)
            shown = key or {column.source: original[column.source] for column in rows.plan.columns}
            values = {name: described(value) if is_large(value) else jsonable(value) for name, value in shown.items()}
            yield Difference(
                table=rows.plan.name,
                key=values if key else None,
                column=None,
                source=values,
                storage=None,
                target=None,
                kind=DifferenceKind.MISSING,
                rowid=rowid,
            )


def extra_rows(rows: SourceRows, extra: pa.RecordBatch) -> Iterator[Difference]:
    """One entry for each row that only the target has: its key, or the whole row where there is none, as text."""
    if not extra.num_rows:
        return
    key = {column.target for column in rows.plan.key}
    shown = [wire for wire in rows.wires if not key or wire.column.target in key]
    columns = [extra.column(wire.name).to_pylist() for wire in shown]
    present = _present(extra, pa.array(range(extra.num_rows), pa.int64()))
    for cells, before in zip(zip(*columns, strict=True), present, strict=True):
        values = {
            wire.column.source: described_target(cell, wire.column.type) or printed(cell, wire.column.type)
            for wire, cell in zip(shown, cells, strict=True)
        }
        yield Difference(
            table=rows.plan.name,
            key=values if key else None,
            column=None,
            source=None,
            storage=None,
            target=values,
            kind=DifferenceKind.EXTRA,
            present_before=before,
        )


def at_once(rows: SourceRows) -> int:
    """How many original rows may be in memory together."""
    return max(1, min(LOOKED_AT_ONCE, LOOKED_AT_BYTES // max(rows.plan.source.largest_row_bytes, 1)))


def _present(rows: pa.RecordBatch, places: pa.Array) -> list[bool]:
    if PRESENT not in rows.schema.names:
        return [False] * len(places)
    return [bool(flag) for flag in rows.column(PRESENT).take(places).to_pylist()]
