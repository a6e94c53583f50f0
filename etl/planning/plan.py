"""Makes the plan from a source catalogue and a target catalogue: pairs of tables and columns, drift, order.

The only question that it asks the source is how many values a column holds for which the target has no place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from etl.core.errors import DriftError, UsageError
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns, Plan, TablePlan
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable
from etl.core.text import did_you_mean
from etl.planning.columns import CountValues, plan_table
from etl.planning.drift import (
    missing_in_source,
    missing_table,
    peculiarities,
    refuse_families,
    refuse_rules,
    with_writers,
    without_common_column,
)
from etl.planning.matching import match_names
from etl.planning.order import in_foreign_key_order
from etl.planning.problems import explain


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
) -> Plan:
    """The plan for the tables of both catalogues, or those named in `only`.

    `comparing`: nothing will be loaded, so nothing has to be decided. `others`: what else bears a name in the target
    ("a view"). `names`: what the user, or a created schema, has decided about names. Raises `UsageError` for a name in
    `only` that neither side has, `DriftError` where the schemas cannot be brought together without a decision.
    """
    names = names or NameMap()
    readable = [name for name, table in source.items() if table.unreadable is None]
    pairs = match_names(readable, target, decided=names.tables).unambiguous("table")
    source, target = _selected(source, target, pairs, only)
    pairs = {name: other for name, other in pairs.items() if name in source}
    planned = [
        plan_table(source[name], target[other], count_values, extra_columns, names.columns_of(name))
        for name, other in pairs.items()
    ]
    problems = [problem for table in planned for problem in table.problems]
    if problems and not comparing:
        raise DriftError(explain(problems))
    apart = [table.plan for table in planned if _has_nothing_to_move(table.plan, extra_columns)]
    plans = [table.plan for table in planned if table.plan not in apart]
    targets = with_writers([plan.target for plan in plans])
    plans = [replace(plan, target=target) for plan, target in zip(plans, targets, strict=True)]
    refuse_families(targets)
    if not comparing:
        refuse_rules(targets)
    left = [table for name, table in source.items() if name not in pairs]
    unreadable = {table.name.lower() for table in left if table.unreadable is not None}
    absent = tuple(name for name in target if name not in pairs.values() and name.lower() not in unreadable)
    drift = (
        *(item for table in planned for item in table.drift),
        *map(without_common_column, apart),
        *peculiarities(targets),
        *(missing_table(table, others or {}) for table in left),
        *map(missing_in_source, absent),
    )
    return Plan(in_foreign_key_order(plans), absent, (*left, *(plan.source for plan in apart)), drift)


def _has_nothing_to_move(plan: TablePlan, extra_columns: ExtraColumns) -> bool:
    return not plan.columns and not (extra_columns is ExtraColumns.ADD and plan.dropped)


def _selected(
    source: Mapping[str, SourceTable],
    target: Mapping[str, TargetTable],
    pairs: Mapping[str, str],
    only: Sequence[str],
) -> tuple[Mapping[str, SourceTable], Mapping[str, TargetTable]]:
    if not only:
        return source, target
    unknown = [name for name in only if name not in source and name not in target]
    if unknown:
        raise UsageError(
            f"--tables: neither side has {', '.join(unknown)}{did_you_mean(unknown[0], {**source, **target})} "
            f"The source has: {', '.join(source) or 'no tables'}."
        )
    wanted = {name.lower() for name in only}
    paired = {other: name for name, other in pairs.items()}
    chosen = {name: table for name, table in source.items() if {name.lower(), pairs.get(name, name).lower()} & wanted}
    others = {
        name: table
        for name, table in target.items()
        if (paired[name] in chosen if name in paired else name.lower() in wanted)
    }
    return chosen, others
