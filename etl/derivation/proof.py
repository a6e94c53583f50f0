"""Proves a type on every value of a column: by what was counted where that is enough, else by the load's own casts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.convert import Converted, convert
from etl.core.plan import ColumnPlan
from etl.core.redaction import shown
from etl.core.source_tables import SourceTable, quoted
from etl.core.time_units import TimeUnit
from etl.core.types import Kind, TargetType
from etl.core.values import UndecodableText
from etl.derivation.evidence import ColumnEvidence
from etl.source.batches import Batch, read_batches
from etl.source.database import Source

_CAST = "cast"  # the name of the one column that is converted


@dataclass(frozen=True)
class Attempt:
    """A type, tried on a column. `faults` of its values do not fit, one of them `example` in `row`, for the `rule`.

    `merged`: values that are different in SQLite and equal in this type.
    """

    type: TargetType
    faults: int = 0
    rule: str = ""
    example: str | None = None
    row: str | None = None
    merged: int = 0

    @property
    def holds(self) -> bool:
        """Whether every value fits, and different values stay different."""
        return not self.faults and not self.merged


@dataclass(frozen=True)
class Question:
    """Whether a type holds a column's values; `keyed` ones have to stay different from each other."""

    column: str
    type: TargetType
    evidence: ColumnEvidence
    unit: TimeUnit | None = None
    keyed: bool = False


def is_sure(question: Question) -> bool:
    """Whether the storage classes and lengths that were counted prove that the type holds every value."""
    classes, evidence = question.evidence.classes, question.evidence
    if not classes:
        return True
    kind = question.type.kind
    if kind is Kind.TEXT and question.type.length is not None:
        return classes == {"text"} and (evidence.most_bytes or question.type.length + 1) <= question.type.length
    if kind is Kind.BOOLEAN:
        return classes == {"integer"} and evidence.not_bits == 0
    if question.keyed:
        return classes <= _FAITHFUL.get(kind, set())
    return classes <= _HELD.get(kind, set())


_FAITHFUL = {
    Kind.TEXT: {"text"},
    Kind.BIGINT: {"integer"},
    Kind.NUMERIC: {"integer"},
    Kind.DOUBLE: {"real"},
    Kind.BYTEA: {"blob"},
}
# numeric(p,s) and the like are asked value by value: `precision` tells them apart below.
_HELD = {**_FAITHFUL, Kind.TEXT: {"text", "integer", "real"}, Kind.BYTEA: {"blob", "text"}}


def prove(
    source: Source, table: SourceTable, questions: Sequence[Question], assume_timezone: str
) -> dict[str, Attempt]:
    """Tries one type for each of some columns of a table, in one pass over those that are not sure."""
    sure = {question.column: Attempt(question.type) for question in questions if _is_proven(question)}
    trials = [_Trial(question) for question in questions if question.column not in sure]
    if trials:
        for batch in read_batches(source, table, [trial.question.column for trial in trials]):
            for trial in trials:
                trial.look_at(batch, assume_timezone)
    return sure | {trial.question.column: trial.attempt(source, table) for trial in trials}


def _is_proven(question: Question) -> bool:
    limited = question.type.kind is Kind.NUMERIC and question.type.precision is not None
    return is_sure(question) and not (limited and question.evidence.classes)


@dataclass
class _Trial:
    question: Question
    faults: int = 0
    rule: str = ""
    example: str | None = None
    row: str | None = None
    unloadable: set[Any] = field(default_factory=set)
    distinct: list[pa.Array] = field(default_factory=list)

    def look_at(self, batch: Batch, assume_timezone: str) -> None:
        """Casts the column's part of a batch."""
        column = self.question.column
        plan = ColumnPlan(column, _CAST, self.question.type, self.question.unit)
        converted = convert(batch.frame[[column]], [plan], assume_timezone=assume_timezone)
        if self.question.keyed:
            self.distinct.append(pc.unique(pa.array(converted.frame[_CAST])))
        if len(converted.rejected):
            self._note(batch, converted)

    def _note(self, batch: Batch, converted: Converted) -> None:
        """Texts that no column can hold say nothing about the type."""
        values = batch.frame.loc[converted.rejected.index, self.question.column]
        unloadable = values.map(_is_unloadable)
        self.unloadable.update(values[unloadable])
        rejected = converted.rejected[~unloadable.to_numpy(dtype=bool)]
        if self.example is None and len(rejected):
            number = rejected.index[0]
            self.rule = str(rejected["rule"].iloc[0])
            self.example = shown(values[number], column=self.question.column)
            self.row = _row(batch, number)
        self.faults += len(rejected)

    def attempt(self, source: Source, table: SourceTable) -> Attempt:
        """What was found."""
        merged = 0
        if self.question.keyed and not self.faults:
            name = quoted(self.question.column)
            query = f"SELECT count(DISTINCT {name} COLLATE BINARY) FROM main.{quoted(table.name)}"
            different = int(str(source.query(query)[0][0])) - len(self.unloadable)
            merged = max(0, different - _count_distinct(self.distinct, self.question.type))
        return Attempt(self.question.type, self.faults, self.rule, self.example, self.row, merged)


def _row(batch: Batch, number: Any) -> str:
    if batch.rowids is None:
        return f"row {number}"
    return f"rowid {batch.rowids[batch.frame.index.get_loc(number)]}"


def _is_unloadable(value: object) -> bool:
    """A text that no PostgreSQL text holds."""
    return isinstance(value, UndecodableText) or (isinstance(value, str) and "\x00" in value)


_CANONICAL: Mapping[Kind, Callable[[str], object]] = {
    Kind.NUMERIC: Decimal,
    Kind.UUID: UUID,
    Kind.TIME: lambda text: time.fromisoformat(f"0{text}" if text[1:2] == ":" else text),
}


def _count_distinct(parts: Iterable[pa.Array], type_: TargetType) -> int:
    """How many different values there are in the type's own sense."""
    values = pa.chunked_array(list(parts))
    canonical = _CANONICAL.get(type_.kind)
    if canonical is None:
        return int(pc.count_distinct(values).as_py())
    return len({canonical(text) for text in values.unique().to_pylist() if text is not None})
