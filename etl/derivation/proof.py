"""Proves on all values of a table which of several types hold them, by the casts that the load uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from etl.conversion.convert import convert
from etl.core.evidence import ColumnEvidence
from etl.core.plan import ColumnPlan
from etl.core.redaction import shown
from etl.core.source_tables import SourceTable
from etl.core.time_units import TimeUnit, decide_unit
from etl.core.types import TIMES, Kind, TargetType
from etl.core.values import LargeText, UndecodableText
from etl.source.batches import Batch, read_batches
from etl.source.database import Source

_TEXT = TargetType(Kind.TEXT, "text")


@dataclass
class Blame:
    """How many values a type does not hold, and one of them with the row that it is in."""

    values: int = 0
    example: str | None = None
    row: str | None = None


@dataclass(frozen=True)
class Proof:
    """For one column: the blame of each type that was tried, and the unit of its numbers as times.

    A type behind one that holds every value is tried only where all are asked for.
    """

    blames: Mapping[TargetType, Blame]
    unit: TimeUnit | None = None

    def holds(self, target: TargetType) -> bool:
        """Whether the type holds every value."""
        return target in self.blames and not self.blames[target].values


@dataclass
class _Column:
    name: str
    evidence: ColumnEvidence
    unit: TimeUnit | None
    untried: list[TargetType]
    blames: dict[TargetType, Blame] = field(default_factory=dict)
    open: list[TargetType] = field(default_factory=list)

    def begin(self, *, every: bool) -> None:
        """Takes the next type that only the values can tell of, or all of them; none, where one holds every value."""
        self.open = []
        while self.untried and (every or not (self.open or self.is_held)):
            target = self.untried.pop(0)
            told = _told_by_classes(self.evidence, target)
            self.blames[target] = told or Blame()
            self.open += [target] if told is None else []

    @property
    def is_held(self) -> bool:
        """Whether one of the types tried so far holds every value."""
        return any(not blame.values for blame in self.blames.values())


def prove(
    source: Source,
    table: SourceTable,
    wanted: Mapping[str, Sequence[TargetType]],
    evidence: Mapping[str, ColumnEvidence],
    *,
    zone: str,
    units: Mapping[str, TimeUnit] | None = None,
    every: bool = False,
) -> dict[str, Proof]:
    """Tries types on columns, one after the other until one holds every value; a pass over the table for each try.

    :param source: an open source.
    :param table: the table.
    :param wanted: the types to try, by column.
    :param evidence: the storage classes of all columns; where they tell all, no value is read.
    :param zone: the zone of times without one.
    :param units: units of numbers in columns of times that the user has said.
    :param every: try all types of a column, in one pass.
    :returns: a proof for each column of `wanted`.
    :raises SourceError: where the table cannot be read.
    """
    found = _units(source, table, wanted, evidence, units or {})
    columns = [_Column(name, evidence[name], found.get(name), list(wanted[name])) for name in wanted]
    while unproved := _begun(columns, every=every):
        for batch in read_batches(source, table, [column.name for column in unproved]):
            for column in unproved:
                _try_batch(batch, table, column, zone)
    return {column.name: Proof(column.blames, column.unit) for column in columns}


def _begun(columns: Sequence[_Column], *, every: bool) -> list[_Column]:
    """The columns whose values have to be read for the next type."""
    for column in columns:
        column.begin(every=every)
    return [column for column in columns if column.open]


def _told_by_classes(evidence: ColumnEvidence, target: TargetType) -> Blame | None:
    """The blame, where the storage classes say it without a look at the values. A text with a NUL no type holds."""
    if not evidence.values:
        return Blame()
    if target.kind is Kind.BIGINT and evidence.holds_only("integer"):
        return Blame()
    if target.kind is Kind.DOUBLE and evidence.holds_only("real"):
        return Blame()
    if target.kind is Kind.NUMERIC and target.precision is None and evidence.holds_only("integer"):
        return Blame()
    if target.kind is Kind.TEXT and target.length is None and evidence.holds_only("integer", "real", "text"):
        return Blame()
    if target.kind is Kind.BYTEA and evidence.holds_only("text", "blob"):
        return Blame()
    return None


def _units(
    source: Source,
    table: SourceTable,
    wanted: Mapping[str, Sequence[TargetType]],
    evidence: Mapping[str, ColumnEvidence],
    said: Mapping[str, TimeUnit],
) -> dict[str, TimeUnit]:
    asked = [
        name
        for name, targets in wanted.items()
        if any(target.kind in TIMES for target in targets)
        and name not in said
        and not evidence[name].holds_only("text", "blob")
    ]
    ranges = source.number_ranges(table.name, asked) if asked else {}
    return {**{name: decide_unit(found) for name, found in ranges.items() if found is not None}, **said}


def _try_batch(batch: Batch, table: SourceTable, column: _Column, zone: str) -> None:
    frame = batch.frame[[column.name]]
    for target in column.open:
        refused = _refused(frame, column, target, zone)
        if target.kind is Kind.TEXT and len(refused):
            refused = refused.difference(_no_text_at_all(frame[column.name], _refused(frame, column, _TEXT, zone)))
        if not len(refused):
            continue
        blame = column.blames[target]
        if blame.example is None:
            number = int(refused[0])
            blame.example = shown(frame[column.name].loc[number], column=column.name)
            blame.row = f"row {number:,}" if batch.rowids is None else _rowid(batch, table, number)
        blame.values += len(refused)


def _no_text_at_all(values: pd.Series, refused: pd.Index) -> pd.Index:
    """Those texts that no type for texts takes: with a NUL, or in no valid UTF-8. A longer type is no way out."""
    found: pd.Index = pd.Index([n for n in refused if isinstance(values.loc[n], str | UndecodableText | LargeText)])
    return found


def _refused(frame: pd.DataFrame, column: _Column, target: TargetType, zone: str) -> pd.Index:
    plan = ColumnPlan(column.name, column.name, target, column.unit)
    return convert(frame, [plan], assume_timezone=zone).rejected.index


def _rowid(batch: Batch, table: SourceTable, number: int) -> str:
    place = int(np.flatnonzero(batch.frame.index == number)[0])
    return f"{table.rowid_name} {int(batch.rowids[place]):,}" if batch.rowids is not None else ""
