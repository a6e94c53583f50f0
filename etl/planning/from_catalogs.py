"""Asks both databases for their catalogues and makes the plan of them."""

from collections.abc import Sequence
from dataclasses import replace

from etl.core.drift import Drift, DriftKind
from etl.core.errors import DriftError
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns, Plan
from etl.planning.plan import make_plan
from etl.planning.time_units import check_units, plan_with_units
from etl.schema import unified as schema
from etl.source.database import Source
from etl.target.catalog import current_schema, read_catalog, read_other_relations
from etl.target.privileges import require_schema
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
) -> Plan:
    """The plan from both catalogues as they stand; the 20 known tables in their usual order where keys leave a choice.

    Raises `DriftError` where nothing could be loaded or a decision is needed, `UsageError` for unknown names in `only`.
    """
    schema_name = require_schema(session, current_schema(session))
    usual = {name: place for place, name in enumerate(schema.TABLE_NAMES)}
    tables = dict(sorted(source.tables.items(), key=lambda item: (usual.get(item[0], len(usual)), item[0])))
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
    )
    if not plan.tables:
        raise DriftError(_nothing_in_common(len(tables), len(target), plan.drift))
    said = check_units(times, tables)
    groups = tuple(tuple(plan_with_units(source, table, said) for table in group) for group in plan.groups)
    return replace(plan, groups=groups)


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
