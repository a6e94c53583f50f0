"""Makes the plan from a source catalogue and a target catalogue: pairs of tables and columns, drift, order.

The only question that it asks the source is how many values a column holds for which the target has no place.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from etl.core.errors import DriftError, UsageError
from etl.core.plan import ColumnPlan, Drift, ExtraColumns, Plan, TablePlan
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetColumn, TargetTable
from etl.core.text import did_you_mean
from etl.planning.drift import missing_table, peculiarities, refuse_families, refuse_rules, with_writers
from etl.planning.order import in_foreign_key_order


def make_plan(
    source: Mapping[str, SourceTable],
    target: Mapping[str, TargetTable],
    count_values: Callable[[str, str], int],
    *,
    only: Sequence[str] = (),
    extra_columns: ExtraColumns = ExtraColumns.STOP,
    comparing: bool = False,
    others: Mapping[str, str] | None = None,
) -> Plan:
    """The plan for the tables of both catalogues, or those named in `only`.

    `comparing`: nothing will be loaded, so nothing has to be decided. `others`: what else bears a name in the target
    ("a view"). Raises `UsageError` for a name in `only` that neither side has, `DriftError` where the schemas cannot be
    brought together without a decision.
    """
    source, target = _selected(source, target, only)
    readable = [name for name, table in source.items() if table.unreadable is None]
    pairs = _match(readable, target, "table")
    plans: list[TablePlan] = []
    drift: list[Drift] = []
    problems: list[str] = []
    for source_name, target_name in pairs.items():
        plan = _plan_table(source[source_name], target[target_name], count_values, extra_columns, drift, problems)
        plans.append(plan)
    if problems and not comparing:
        raise DriftError(_explain(problems))
    apart = [plan for plan in plans if not plan.columns and not (extra_columns is ExtraColumns.ADD and plan.dropped)]
    plans = [plan for plan in plans if plan not in apart]
    drift += [Drift(plan.name, None, "no_common_column", plan.source.row_count, "not migrated") for plan in apart]
    plans = [
        replace(plan, target=target)
        for plan, target in zip(plans, with_writers([plan.target for plan in plans]), strict=True)
    ]
    targets = [plan.target for plan in plans]
    refuse_families(targets)
    if not comparing:
        refuse_rules(targets)
    drift += peculiarities(targets)
    left = tuple(table for name, table in source.items() if name not in pairs)
    drift += [missing_table(table, others or {}) for table in left]
    left += tuple(plan.source for plan in apart)
    unreadable = {table.name.lower() for table in left if table.unreadable is not None}
    absent = tuple(name for name in target if name not in pairs.values() and name.lower() not in unreadable)
    drift += [Drift(name, None, "table_missing_in_source", None, "skipped") for name in absent]
    return Plan(in_foreign_key_order(plans), absent, left, tuple(drift))


def _selected(
    source: Mapping[str, SourceTable], target: Mapping[str, TargetTable], only: Sequence[str]
) -> tuple[Mapping[str, SourceTable], Mapping[str, TargetTable]]:
    if not only:
        return source, target
    unknown = [name for name in only if name not in source and name not in target]
    if unknown:
        raise UsageError(
            f"--tables: neither side has {', '.join(unknown)}{did_you_mean(unknown[0], {**source, **target})} "
            f"The source has: {', '.join(source) or 'no tables'}."
        )
    names = {name.lower() for name in only}
    return (
        {name: table for name, table in source.items() if name.lower() in names},
        {name: table for name, table in target.items() if name.lower() in names},
    )


def _match(wanted: Iterable[str], available: Iterable[str], what: str) -> dict[str, str]:
    """Names of the source → names of the target: exactly equal, else equal but for case where that is unambiguous."""
    wanted, available = list(wanted), list(available)
    pairs = {name: name for name in wanted if name in available}
    taken = set(pairs.values())
    for name in wanted:
        if name in pairs:
            continue
        candidates = [other for other in available if other not in taken and other.lower() == name.lower()]
        rivals = [other for other in wanted if other not in pairs and other.lower() == name.lower()]
        if len(candidates) > 1 or (candidates and len(rivals) > 1):
            raise DriftError(
                f"The {what} {name!r} could be any of {', '.join(map(repr, candidates))} in the target "
                f"({', '.join(map(repr, rivals))} in the source); rename one of them."
            )
        if candidates:
            pairs[name] = candidates[0]
            taken.add(candidates[0])
    return {name: pairs[name] for name in wanted if name in pairs}


def _plan_table(
    source: SourceTable,
    target: TargetTable,
    count_values: Callable[[str, str], int],
    extra_columns: ExtraColumns,
    drift: list[Drift],
    problems: list[str],
) -> TablePlan:
    targets = {column.name: column for column in target.columns}
    pairs = _match(source.column_names, targets, f"column of {target.name}")
    dropped, computed = [], []
    for name in source.column_names:
        if name in pairs and not targets[pairs[name]].generated:
            continue
        if name in pairs:
            values = count_values(source.name, name)
            action = "the target computes it; the comparison looks at both" if values else "the target computes it"
            drift.append(Drift(target.name, name, "generated_in_target", values, action))
            if values:
                computed.append(ColumnPlan(name, pairs[name], targets[pairs[name]].type))
            continue
        values = count_values(source.name, name)
        action = _extra_column(target, source, name, values, extra_columns, problems)
        drift.append(Drift(target.name, name, "column_missing_in_target", values, action))
        if values:
            dropped.append(name)
    drift += _missing_columns(target, set(pairs.values()), source.row_count, problems)
    columns = tuple(
        ColumnPlan(name, other, targets[other].type) for name, other in pairs.items() if not targets[other].generated
    )
    return TablePlan(source, target, columns, tuple(dropped), tuple(computed))


def _extra_column(
    target: TargetTable,
    source: SourceTable,
    column: str,
    values: int,
    extra_columns: ExtraColumns,
    problems: list[str],
) -> str:
    if not values:
        return "ignored: it holds no value"
    if extra_columns is ExtraColumns.STOP:
        problems.append(f"{target.name}.{column} ({values:,} values in {source.row_count:,} rows)")
        return "stopped"
    return "added" if extra_columns is ExtraColumns.ADD else "left behind, values kept in dropped/"


def _missing_columns(target: TargetTable, present: set[str], source_rows: int, problems: list[str]) -> Iterable[Drift]:
    for column in target.columns:
        if column.name in present or column.generated:
            continue
        if column.not_null and not column.has_default and source_rows:
            problems.append(
                f"{target.name}.{column.name}: required by the target without a default, absent in the source"
            )
        yield Drift(target.name, column.name, "column_missing_in_source", None, _default_of(column))


def _default_of(column: TargetColumn) -> str:
    return "takes the target's default" if column.has_default else "stays NULL"


def _explain(problems: Sequence[str]) -> str:
    extra = [problem for problem in problems if "absent in the source" not in problem]
    required = [problem for problem in problems if "absent in the source" in problem]
    lines = []
    if extra:
        lines.append("The source has columns with values that the target lacks:")
        lines += [f"  {problem}" for problem in extra]
        lines.append(
            "Decide with --extra-columns add (adds them to the target) or --extra-columns drop "
            "(leaves them behind, their values kept in the report folder). Nothing was written."
        )
    if required:
        lines.append("The target requires columns that the source lacks:")
        lines += [f"  {problem}" for problem in required]
        lines.append("Give these columns a default in the target, or drop their NOT NULL. Nothing was written.")
    return "\n".join(lines)
