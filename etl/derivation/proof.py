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
from etl.core.types import Kind, TargetType
from etl.core.values import LargeText, UndecodableText
from etl.source.batches import Batch, read_batches
from etl.source.database import Source

TIMES = (Kind.TIMESTAMPTZ, Kind.TIMESTAMP)
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

    Types behind the first that holds are tried only where all were asked for.
    """

    blames: Mapping[TargetType, Blame]
    unit: TimeUnit | None = None

    def holds(self, target: TargetType) -> bool:
        """Whether the type holds every value."""
        blame = self.blames.get(target)
        return blame is not None and not blame.values


@dataclass
class _Column:
    name: str
    evidence: ColumnEvidence
    unit: TimeUnit | None
    wanted: Sequence[TargetType]
    blames: dict[TargetType, Blame] = field(default_factory=dict)

    def next_types(self, *, thoroughly: bool) -> list[TargetType]:
        """What is to be tried next: nothing behind a type that holds, or else all that were not tried."""
        if thoroughly:
            return [target for target in self.wanted if target not in self.blames]
        for target in self.wanted:
            if target not in self.blames:
                return [target]
            if not self.blames[target].values:
                break
        return []


def prove(
    source: Source,
    table: SourceTable,
    wanted: Mapping[str, Sequence[TargetType]],
    evidence: Mapping[str, ColumnEvidence],
    *,
    zone: str,
    units: Mapping[str, TimeUnit] | None = None,
    thoroughly: bool = False,
) -> dict[str, Proof]:
    """Tries types on columns, one after the other until one holds; a pass over the table for each.

    :param source: an open source.
    :param table: the table.
    :param wanted: the types to try, by column.
    :param evidence: the storage classes of all columns; where they tell all, no value is read.
    :param zone: the zone of times without one.
    :param units: units of numbers in columns of times that the user has said.
    :param thoroughly: try all of them, in one pass.
    :returns: a proof for each column of `wanted`.
    :raises SourceError: where the table cannot be read.
    """
    found = _units(source, table, wanted, evidence, units or {})
    columns = [_Column(name, evidence[name], found.get(name), targets) for name, targets in wanted.items()]
    for column in columns:
        told = {target: _told_by_classes(column.evidence, target) for target in column.wanted}
        column.blames |= {target: blame for target, blame in told.items() if blame is not None}
    while asked := {column.name: types for column in columns if (types := column.next_types(thoroughly=thoroughly))}:
        unproved = [column for column in columns if column.name in asked]
        for column in unproved:
            column.blames |= {target: Blame() for target in asked[column.name]}
        for batch in read_batches(source, table, list(asked)):
            for column in unproved:
                _try_batch(batch, table, column, asked[column.name], zone)
    return {column.name: Proof(column.blames, column.unit) for column in columns}


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


def _try_batch(batch: Batch, table: SourceTable, column: _Column, targets: Sequence[TargetType], zone: str) -> None:
    frame = batch.frame[[column.name]]
    for target in targets:
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
