"""Chooses the columns' types: the declared one where all values fit it, else the next one of its row that they fit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from etl.core.proposal import Choice, ObjectKind, TypeRule
from etl.core.source_catalog import CatalogTable
from etl.core.source_tables import SourceTable
from etl.core.text import counted
from etl.core.time_units import TimeUnit, decide_unit
from etl.core.types import Kind, TargetType
from etl.derivation.declared import BIGINT, Family, candidates, declared_type, spelled_type
from etl.derivation.evidence import ColumnEvidence, TableEvidence
from etl.derivation.proof import Attempt, Question, prove
from etl.derivation.settings import DerivationSettings
from etl.source.database import Source

_FURTHER = {  # storage classes that a type takes only where the column was made to take them
    Kind.TEXT: frozenset({"blob"}),
    Kind.UUID: frozenset({"blob"}),
    Kind.BYTEA: frozenset({"integer", "real"}),
}
_TIMES = (Kind.TIMESTAMPTZ, Kind.TIMESTAMP)
WAYS_OUT = "mend the values, or say the type in [types] of the map file"


@dataclass(frozen=True)
class ChosenType:
    """A column's type and why; `attempts` failed before it. `merged`: different values become equal in it, so that it
    cannot be unique. `fixed`: nothing may change it any more: a rowid, or the user's word."""

    type: TargetType
    reason: str
    attempts: tuple[Attempt, ...] = ()
    merged: int = 0
    fixed: bool = False
    unit: TimeUnit | None = None


@dataclass(frozen=True)
class TableFacts:
    """A table as it is declared and as it is, with the columns whose different values have to stay different."""

    table: CatalogTable
    described: SourceTable
    evidence: TableEvidence
    keyed: frozenset[str]
    units: Mapping[str, TimeUnit] = field(default_factory=dict)

    def question(self, column: str, type_: TargetType) -> Question:
        """Whether the type holds the column's values."""
        evidence = self.evidence.columns[column]
        further = bool(evidence.classes & _FURTHER.get(type_.kind, frozenset()))
        type_ = replace(type_, any_storage=further)
        return Question(column, type_, evidence, self.units.get(column), column in self.keyed)


def time_units(
    source: Source, table: CatalogTable, evidence: TableEvidence, settings: DerivationSettings
) -> dict[str, TimeUnit]:
    """The units of the numbers in columns that are declared as times."""
    declared = [c.name for c in table.columns if declared_type(c.declared).family in (Family.DATE, Family.DATETIME)]
    numbers = [name for name in declared if evidence.columns[name].classes & {"integer", "real"}]
    said = {column: unit for (owner, column), unit in settings.units.items() if owner == table.name}
    open_columns = [name for name in numbers if name not in said]
    ranges = source.number_ranges(table.name, open_columns) if open_columns else {}
    return said | {name: decide_unit(found) for name, found in ranges.items() if found is not None}


def choose_types(source: Source, facts: TableFacts, settings: DerivationSettings) -> dict[str, ChosenType]:
    """The type of every column of a table, by the source's names."""
    said = settings.decided.types.get(facts.table.name, {})
    chosen: dict[str, ChosenType] = {}
    rows: dict[str, list[TargetType]] = {}
    for column in facts.table.columns:
        if column.name in said:
            chosen[column.name] = ChosenType(spelled_type(said[column.name]), "said by the user", fixed=True)
        elif column.name == facts.table.rowid_alias:
            chosen[column.name] = ChosenType(BIGINT, "the rowid", fixed=True)
        else:
            classes = facts.evidence.columns[column.name].classes
            row = candidates(declared_type(column.declared), classes, settings.times)
            rows[column.name] = [t for t in row if not (t.kind is Kind.JSON and column.name in facts.keyed)]
    if settings.types is TypeRule.DECLARED:
        return chosen | {name: ChosenType(row[0], "declared") for name, row in rows.items()}
    return chosen | _widened(source, facts, rows, settings)


def _widened(
    source: Source, facts: TableFacts, rows: Mapping[str, list[TargetType]], settings: DerivationSettings
) -> dict[str, ChosenType]:
    """Tries the types of each column's row until one holds all values; a pass over the table for each round."""
    chosen: dict[str, ChosenType] = {}
    failed: dict[str, list[Attempt]] = {name: [] for name in rows}
    while open_columns := [name for name in rows if name not in chosen]:
        questions = [facts.question(name, rows[name][len(failed[name])]) for name in open_columns]
        for name, attempt in prove(source, facts.described, questions, settings.assume_timezone).items():
            if attempt.holds:
                chosen[name] = _chosen(facts, name, attempt, failed[name])
                continue
            failed[name].append(attempt)
            if len(failed[name]) == len(rows[name]):
                chosen[name] = _least_bad(failed[name])
    return chosen


def _chosen(facts: TableFacts, name: str, attempt: Attempt, failed: Sequence[Attempt]) -> ChosenType:
    column, evidence = facts.table.column(name), facts.evidence.columns[name]
    assert column is not None
    unit = facts.units.get(name) if attempt.type.kind in _TIMES and evidence.classes & {"integer", "real"} else None
    return ChosenType(attempt.type, _reason(column.declared, evidence, failed), tuple(failed), unit=unit)


def _reason(declared: str, evidence: ColumnEvidence, failed: Sequence[Attempt]) -> str:
    if failed:
        return f"{complaint(failed[0], evidence)}; this is the first type that holds all values"
    if declared_type(declared).family is not Family.UNKNOWN:
        return f"declared as {declared}"
    classes = ", ".join(f"{count:,} {name}" for name, count in evidence.storage.items())
    return f"by the values: {classes}" if classes else "no type that says anything, and no values"


def complaint(attempt: Attempt, evidence: ColumnEvidence) -> str:
    """Why a type does not do: `3 of 200 values do not fit date`."""
    if attempt.faults:
        return f"{attempt.faults:,} of {counted(evidence.values, 'value')} do not fit {attempt.type.sql}"
    values = counted(attempt.merged, "value")
    return f"{values} would become equal to others in {attempt.type.sql}, and the column is part of a key"


def _least_bad(failed: Sequence[Attempt]) -> ChosenType:
    """No type keeps different values apart, such as 1 and '1': then one that holds them, and no unique key."""
    holding = [attempt for attempt in failed if not attempt.faults]
    best = holding[0] if holding else min(failed, key=lambda attempt: attempt.faults)
    reason = "no type holds all values" if best.faults else "no type keeps all different values apart"
    return ChosenType(best.type, reason, tuple(failed), best.merged)


def choices_of(facts: TableFacts, chosen: Mapping[str, ChosenType]) -> Iterable[Choice]:
    """Where a column has another type than its declaration proposes."""
    for column in facts.table.columns:
        found = chosen[column.name]
        if not found.attempts:
            continue
        first, evidence = found.attempts[0], facts.evidence.columns[column.name]
        yield Choice(
            ObjectKind.COLUMN,
            facts.table.name,
            column.name,
            column.declared,
            found.type.sql,
            f"{complaint(first, evidence)}{f': {first.rule}' if first.rule else ''}",
            first.faults or first.merged,
            evidence.values,
            first.example,
            first.row,
            WAYS_OUT,
        )


def with_type(chosen: ChosenType, attempt: Attempt, reason: str) -> ChosenType:
    """The same column with a type that another column needs."""
    return replace(chosen, type=attempt.type, reason=reason, merged=attempt.merged)
