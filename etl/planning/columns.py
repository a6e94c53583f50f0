"""Plans one pair of tables, column by column: what is moved, dropped, computed by the target, or stops the plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from etl.core.drift import Drift, DriftAction, DriftKind
from etl.core.plan import ColumnPlan, ExtraColumns, TablePlan
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetColumn, TargetTable
from etl.planning.matching import match_names
from etl.planning.problems import PlanProblem, ProblemKind

CountValues = Callable[[str, str], int]
"""How many values a column of a table of the source holds."""

_EXTRA_COLUMN_ACTIONS = {
    ExtraColumns.STOP: DriftAction.STOPPED,
    ExtraColumns.ADD: DriftAction.ADDED,
    ExtraColumns.DROP: DriftAction.DROPPED,
}


@dataclass(frozen=True)
class PlannedTable:
    """A table's plan, where its two sides differ, and what has to be decided first."""

    plan: TablePlan
    drift: tuple[Drift, ...]
    problems: tuple[PlanProblem, ...]


def plan_table(
    source: SourceTable,
    target: TargetTable,
    count_values: CountValues,
    extra_columns: ExtraColumns,
    decided: Mapping[str, str | None] | None = None,
) -> PlannedTable:
    """Pairs the columns of the two tables; raises `DriftError` where a name could be any of several.

    `decided`: names of the source → names of the target; None: the column is dropped, its values kept in a file.
    """
    decided = decided or {}
    targets = {column.name: column for column in target.columns}
    pairs = match_names(source.column_names, targets, decided=decided).unambiguous(f"column of {target.name}")
    pairing = _Pairing(source, target, count_values, extra_columns)
    for name in source.column_names:
        if name not in pairs:
            pairing.note_extra(name, left_out=name in decided)
        elif targets[pairs[name]].generated:
            pairing.note_generated(name, targets[pairs[name]])
    pairing.note_missing(pairs)
    columns = tuple(
        ColumnPlan(name, other, targets[other].type) for name, other in pairs.items() if not targets[other].generated
    )
    plan = TablePlan(source, target, columns, tuple(pairing.dropped), tuple(pairing.computed))
    return PlannedTable(plan, tuple(pairing.drift), tuple(pairing.problems))


@dataclass(frozen=True)
class _Pairing:
    """What is found while the columns of two tables are gone through."""

    source: SourceTable
    target: TargetTable
    count_values: CountValues
    extra_columns: ExtraColumns
    dropped: list[str] = field(default_factory=list)
    computed: list[ColumnPlan] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    problems: list[PlanProblem] = field(default_factory=list)

    def note_extra(self, name: str, *, left_out: bool) -> None:
        """A column that the target lacks, or that is left out knowingly."""
        values = self.count_values(self.source.name, name)
        wanted = ExtraColumns.DROP if left_out else self.extra_columns
        action = _EXTRA_COLUMN_ACTIONS[wanted] if values else DriftAction.IGNORED_EMPTY
        self._note(name, DriftKind.COLUMN_MISSING_IN_TARGET, values, action)
        if values:
            self.dropped.append(name)
        if action is DriftAction.STOPPED:
            rows = self.source.row_count
            self.problems.append(PlanProblem(ProblemKind.EXTRA_COLUMN, self.target.name, name, values, rows))

    def note_generated(self, name: str, column: TargetColumn) -> None:
        """A column that the target computes: it is not written, and compared where the source holds values in it."""
        values = self.count_values(self.source.name, name)
        action = DriftAction.COMPUTED_COMPARED if values else DriftAction.COMPUTED
        self._note(name, DriftKind.GENERATED_IN_TARGET, values, action)
        if values:
            self.computed.append(ColumnPlan(name, column.name, column.type))

    def note_missing(self, pairs: Mapping[str, str]) -> None:
        """Columns that the source lacks; one that the target requires is a problem where there are rows."""
        for column in self.target.columns:
            if column.generated or column.name in pairs.values():
                continue
            action = DriftAction.TAKES_DEFAULT if column.has_default else DriftAction.STAYS_NULL
            self._note(column.name, DriftKind.COLUMN_MISSING_IN_SOURCE, None, action)
            if column.not_null and not column.has_default and self.source.row_count:
                self.problems.append(PlanProblem(ProblemKind.REQUIRED_COLUMN, self.target.name, column.name))

    def _note(self, column: str, kind: DriftKind, values: int | None, action: DriftAction) -> None:
        self.drift.append(Drift(self.target.name, column, kind, values, action))
