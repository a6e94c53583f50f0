"""Makes the plan from a source catalogue and a target catalogue: pairs of tables and columns, drift, order.

The only question that it asks the source is how many values a column holds for which the target has no place.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from etl.core.errors import DriftError, UsageError
from etl.core.name_map import MatchedBy, NameMap, NamePair
from etl.core.plan import ExtraColumns, Plan, TablePlan
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable
from etl.core.text import unknown_names
from etl.planning.ambiguities import refuse_ambiguities
from etl.planning.columns import CountValues, PlannedTable, plan_table
from etl.planning.drift import (
    left_out,
    missing_in_source,
    missing_table,
    peculiarities,
    refuse_families,
    refuse_rules,
    with_writers,
    without_common_column,
)
from etl.planning.map_check import check_columns, check_map
from etl.planning.matching import Ambiguity, Pair, match_names
from etl.planning.order import in_foreign_key_order
from etl.planning.problems import explain
from etl.planning.starter_map import Unpaired, guess_tables, starter_map


def make_plan(
    source: Mapping[str, SourceTable],
    target: Mapping[str, TargetTable],
    count_values: CountValues,
    *,
    only: Sequence[str] = (),
    extra_columns: ExtraColumns = ExtraColumns.STOP,
    comparing: bool = False,
    others: Mapping[str, str] | None = None,
    names: NameMap | None = None,
    created: NameMap | None = None,
) -> Plan:
    """The plan for the tables of both catalogues, or those named in `only`.

    `comparing`: nothing will be loaded, so nothing has to be decided. `others`: what else bears a name in the target
    ("a view"). `names`: what the user has decided about names; `created`: how the run itself has named what it has
    created. Raises `UsageError` for names in `only` and `names` that there are not, `DriftError` where the schemas
    cannot be brought together without a decision.
    """
    said = check_map(names or NameMap(), source)
    names = check_map(said.over(created or NameMap()), source, target)
    every_target = target
    source, target, paired = _selected(source, target, only, names)
    pairs = {pair.source: pair.target for pair in paired}
    check_columns(names, pairs, every_target)
    out = [source[name] for name in source if name in names.left_out]
    left = [table for name, table in source.items() if name not in pairs and table not in out]
    unreadable = {table.name.lower() for table in left if table.unreadable is not None}
    absent = tuple(name for name in target if name not in pairs.values() and name.lower() not in unreadable)
    open_targets = {name: target[name] for name in absent}
    with _starter(left, open_targets, (), said):
        planned = [
            plan_table(source[name], target[other], count_values, extra_columns, names.columns_of(name))
            for name, other in pairs.items()
        ]
    problems = [problem for table in planned for problem in table.problems]
    if problems and not comparing:
        with _starter(left, open_targets, planned, said):
            raise DriftError(explain(problems))
    apart = [table.plan for table in planned if _has_nothing_to_move(table.plan, extra_columns)]
    plans = [table.plan for table in planned if table.plan not in apart]
    targets = with_writers([plan.target for plan in plans])
    plans = [replace(plan, target=target) for plan, target in zip(plans, targets, strict=True)]
    refuse_families(targets)
    if not comparing:
        refuse_rules(targets)
    drift = (
        *(item for table in planned for item in table.drift),
        *map(without_common_column, apart),
        *peculiarities(plans),
        *map(left_out, out),
        *(missing_table(table, others or {}) for table in left),
        *map(missing_in_source, absent),
    )
    return Plan(
        groups=in_foreign_key_order(plans),
        missing_in_source=absent,
        not_migrated=(*left, *(plan.source for plan in apart)),
        drift=drift,
        names=tuple(_unequal(paired, planned, said)),
        left_out=tuple(out),
        starter=starter_of(left, open_targets, said=said)
        if any(guess_tables(table, open_targets) for table in left)
        else "",
    )


def _unequal(tables: Sequence[Pair], planned: Sequence[PlannedTable], said: NameMap) -> Iterator[NamePair]:
    """Every pair of names that are not exactly equal, each table before its columns."""
    for pair, table in zip(tables, planned, strict=True):
        if pair.source != pair.target:
            yield NamePair(pair.source, None, pair.target, _why(pair, said.tables))
        for column in table.pairs:
            if column.source != column.target:
                yield NamePair(pair.source, column.source, column.target, _why(column, said.columns_of(pair.source)))


def _why(pair: Pair, said: Mapping[str, str | None]) -> MatchedBy:
    """A decision that is not the user's is the run's own."""
    return MatchedBy.CREATED if pair.by is MatchedBy.MAP and pair.source not in said else pair.by


@contextlib.contextmanager
def _starter(
    left: Sequence[SourceTable],
    open_targets: Mapping[str, TargetTable],
    planned: Sequence[PlannedTable],
    said: NameMap,
) -> Iterator[None]:
    """Inside, a `DriftError` is given a map to begin with."""
    try:
        yield
    except DriftError as error:
        error.starter = starter_of(left, open_targets, planned, said)
        raise


def starter_of(
    left: Sequence[SourceTable],
    open_targets: Mapping[str, TargetTable],
    planned: Sequence[PlannedTable] = (),
    said: NameMap | None = None,
) -> str:
    """A map with what is decided already, and guesses for tables and columns that found no counterpart."""
    extra = {
        table.plan.name: {
            column.name: column.declared_type
            for column in table.plan.source.columns
            if column.name in table.plan.lacking
        }
        for table in planned
        if table.plan.lacking
    }
    open_columns = {}
    for table in planned:
        taken = {pair.target for pair in table.pairs}
        free = {column.name: column.type.sql for column in table.plan.target.columns if column.name not in taken}
        open_columns[table.plan.name] = free
    return starter_map(Unpaired(left, open_targets, extra, open_columns, said or NameMap()))


def _has_nothing_to_move(plan: TablePlan, extra_columns: ExtraColumns) -> bool:
    return not plan.columns and not (extra_columns is ExtraColumns.ADD and plan.dropped)


def _selected(
    source: Mapping[str, SourceTable], target: Mapping[str, TargetTable], only: Sequence[str], names: NameMap
) -> tuple[Mapping[str, SourceTable], Mapping[str, TargetTable], list[Pair]]:
    """The tables of both sides that are asked for, by either side's name, and how they are paired."""
    _refuse_unknown(source, target, only, names)
    readable = [name for name, table in source.items() if table.unreadable is None]
    matching = match_names(readable, target, decided=names.tables)
    wanted = {name.lower() for name in only}

    def chosen(*found: str) -> bool:
        return not wanted or any(name.lower() in wanted for name in found)

    ambiguities = [item for item in matching.ambiguities if chosen(*item.sources, *item.targets)]
    _refuse_ambiguous_tables(ambiguities, source, target, names)
    pairs = [pair for pair in matching.pairs if chosen(pair.source, pair.target)]
    sources, targets = {pair.source for pair in pairs}, {pair.target for pair in pairs}
    return (
        {name: table for name, table in source.items() if name in sources or chosen(name)},
        {name: table for name, table in target.items() if name in targets or chosen(name)},
        pairs,
    )


def _refuse_ambiguous_tables(
    ambiguities: Sequence[Ambiguity],
    source: Mapping[str, SourceTable],
    target: Mapping[str, TargetTable],
    names: NameMap,
) -> None:
    left = [source[name] for item in ambiguities for name in item.sources]
    open_targets = {name: target[name] for item in ambiguities for name in item.targets}
    with _starter(left, open_targets, (), names):
        refuse_ambiguities(ambiguities, "table")


def _refuse_unknown(
    source: Mapping[str, SourceTable], target: Mapping[str, TargetTable], only: Sequence[str], names: NameMap
) -> None:
    unknown = [name for name in only if name not in source and name not in target]
    if unknown:
        raise UsageError(unknown_names("--tables: neither side has a table", unknown, {**source, **target}))
    contradicted = [name for name in only if name in names.left_out]
    if contradicted:
        raise UsageError(f"--tables names {', '.join(contradicted)}, which the map leaves out. Nothing was written.")
