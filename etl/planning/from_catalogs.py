"""Asks both databases for their catalogues and makes the plan of them."""

from collections.abc import Sequence
from dataclasses import replace

from etl.core.drift import Drift, DriftKind
from etl.core.errors import DriftError
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns, Plan
from etl.planning.left_out import cost_of_leaving_out
from etl.planning.map_check import check_map
from etl.planning.plan import make_plan, starter_of
from etl.planning.repairs import Allowed, plan_with_repairs
from etl.planning.time_units import check_units, plan_with_units
from etl.schema import unified as schema
from etl.source.database import Source
from etl.target.catalog import read_catalog, read_other_relations
from etl.target.privileges import require_schema
from etl.target.search_path import current_schema
from etl.target.session import Session


def plan_between(
    source: Source,
    session: Session,
    *,
    only: Sequence[str] = (),
    extra_columns: ExtraColumns = ExtraColumns.STOP,
    comparing: bool = False,
    times: Sequence[tuple[str, str]] = (),
    names: NameMap | None = None,
    created: NameMap | None = None,
    allowed: Allowed | None = None,
) -> Plan:
    """The plan from both catalogues as they stand; the 20 known tables in their usual order where keys leave a choice.

    Raises `DriftError` where nothing could be loaded or a decision is needed, `UsageError` for unknown names in `only`
    and `names`, which are the user's decisions. `created`: how the run itself has named what it has created.
    `allowed`: the repairs that the user allows.
    """
    schema_name = require_schema(session, current_schema(session))
    usual = {name: place for place, name in enumerate(schema.TABLE_NAMES)}
    tables = dict(sorted(source.tables.items(), key=lambda item: (usual.get(item[0], len(usual)), item[0])))
    said = check_units(times, tables, check_map(names or NameMap(), tables))
    target = read_catalog(session, schema_name)
    plan = make_plan(
        tables,
        target,
        source.count_values,
        only=only,
        extra_columns=extra_columns,
        comparing=comparing,
        others=read_other_relations(session, schema_name),
        names=names,
        created=created,
    )
    if not plan.tables:
        open_targets = {name: target[name] for name in plan.missing_in_source}
        raise DriftError(
            _nothing_in_common(len(tables), len(target), plan.drift),
            starter_of(plan.not_migrated, open_targets, said=names),
        )
    groups = tuple(
        tuple(plan_with_repairs(plan_with_units(source, table, said), allowed or Allowed()) for table in group)
        for group in plan.groups
    )
    costs = () if comparing else tuple(cost_of_leaving_out(plan, target, source, session))
    return replace(plan, groups=groups, drift=plan.drift + costs)


def _nothing_in_common(source_tables: int, target_tables: int, drift: Sequence[Drift]) -> str:
    for item in drift:
        if item.kind in (DriftKind.NOT_A_TABLE, DriftKind.NO_COMMON_COLUMN):
            return f"None of the source's tables can be matched. {item.warning}."
    if not source_tables:
        return "The source has no tables: is it the right file?"
    if not target_tables:
        return (
            f"The target has no tables, the source {source_tables}. "
            "Add --create-schema: it creates them as the source's declarations and values ask for (`python -m etl "
            "schema` shows how). Or let the application create its own schema first."
        )
    return (
        f"None of the source's {source_tables} tables is among the target's {target_tables}: is it the right database?"
    )
