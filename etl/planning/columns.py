"""Plans one pair of tables, column by column: what is moved, dropped, computed by the target, or stops the plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from etl.core.drift import Drift, DriftAction, DriftKind
from etl.core.plan import ColumnPlan, ExtraColumns, TablePlan
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetColumn, TargetTable
from etl.planning.ambiguities import refuse_ambiguities
from etl.planning.matching import Pair, match_names
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
    """A table's plan, how its columns were paired, where its two sides differ, and what has to be decided first."""

    plan: TablePlan
    pairs: tuple[Pair, ...]
    drift: tuple[Drift, ...]
    problems: tuple[PlanProblem, ...]


def plan_table(
    source: SourceTable,
    target: TargetTable,
    count_values: CountValues,
    extra_columns: ExtraColumns,
    decided: Mapping[str, str | None],
) -> PlannedTable:
    """Pairs the columns of the two tables, as `decided` where it says anything (None: left out).

    Raises `DriftError` where a name could be any of several.
    """
    targets = {column.name: column for column in target.columns}
    matching = match_names(source.column_names, targets, decided=decided)
    refuse_ambiguities(matching.ambiguities, f"column of {source.name}")
    pairs = matching.names
    pairing = _Pairing(source, target, count_values, extra_columns)
    for name in source.column_names:
        if name not in pairs and name in decided:
            pairing.note_left_out(name)
        elif name not in pairs:
            pairing.note_extra(name)
        elif targets[pairs[name]].generated:
            pairing.note_generated(name, targets[pairs[name]])
    pairing.note_missing(pairs)
    columns = tuple(
        ColumnPlan(name, other, targets[other].type) for name, other in pairs.items() if not targets[other].generated
    )
    plan = TablePlan(source, target, columns, tuple(pairing.dropped), tuple(pairing.left_out), tuple(pairing.computed))
    return PlannedTable(plan, matching.pairs, tuple(pairing.drift), tuple(pairing.problems))


@dataclass(frozen=True)
class _Pairing:
    """What is found while the columns of two tables are gone through."""

    source: SourceTable
    target: TargetTable
    count_values: CountValues
    extra_columns: ExtraColumns
    dropped: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    computed: list[ColumnPlan] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    problems: list[PlanProblem] = field(default_factory=list)

    def note_left_out(self, name: str) -> None:
        """A column that the user's map leaves out: its values are kept in a file."""
        values = self.count_values(self.source.name, name)
        action = DriftAction.DROPPED if values else DriftAction.IGNORED_EMPTY
        self._note(name, DriftKind.COLUMN_LEFT_OUT, values, action)
        if values:
            self.dropped.append(name)
            self.left_out.append(name)

    def note_extra(self, name: str) -> None:
        """A column that the target lacks."""
        values = self.count_values(self.source.name, name)
        action = _EXTRA_COLUMN_ACTIONS[self.extra_columns] if values else DriftAction.IGNORED_EMPTY
        self._note(name, DriftKind.COLUMN_MISSING_IN_TARGET, values, action)
        if values:
            self.dropped.append(name)
        if action is DriftAction.STOPPED:
            rows = self.source.row_count
            self.problems.append(self._problem(ProblemKind.EXTRA_COLUMN, name, values, rows))

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
                self.problems.append(self._problem(ProblemKind.REQUIRED_COLUMN, column.name))

    def _note(self, column: str, kind: DriftKind, values: int | None, action: DriftAction) -> None:
        self.drift.append(Drift(self.source.name, column, kind, values, action))

    def _problem(self, kind: ProblemKind, column: str, values: int = 0, rows: int = 0) -> PlanProblem:
        return PlanProblem(kind, self.source.name, self.target.name, column, values, rows)
