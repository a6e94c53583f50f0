"""What it costs to leave a table out to which others refer: told before the first row moves."""

from collections.abc import Iterator, Mapping

from psycopg2 import sql

from etl.core.drift import Drift, DriftAction, DriftKind
from etl.core.plan import Plan, TablePlan
from etl.core.tables import ForeignKey, TargetTable
from etl.core.text import counted
from etl.planning.matching import match_names
from etl.source.database import Source
from etl.target.constraints import identifier
from etl.target.session import Session


def cost_of_leaving_out(
    plan: Plan, target: Mapping[str, TargetTable], source: Source, session: Session
) -> Iterator[Drift]:
    """For each foreign key into a table that the map leaves out: how many rows refer to it, and what they find."""
    if not plan.left_out:
        return
    planned = {table.target.name for table in plan.tables}
    counterparts = match_names(
        [table.name for table in plan.left_out], [name for name in target if name not in planned]
    )
    left_out = {other: name for name, other in counterparts.names.items()}
    for table in plan.tables:
        for key in table.target.foreign_keys:
            if key.parent in left_out and key.parent_schema == table.target.schema:
                found = _cost(table, key, target[key.parent], left_out[key.parent], source, session)
                if found is not None:
                    yield found


def _cost(
    table: TablePlan, key: ForeignKey, parent: TargetTable, parent_name: str, source: Source, session: Session
) -> Drift | None:
    """None where no row refers to it."""
    columns = [table.source_of[name] for name in key.columns if name in table.source_of]
    if len(columns) < len(key.columns):
        return None  # columns that the source lacks stay NULL, and refer to nothing
    rows = min(source.count_values(table.name, column) for column in columns)
    if not rows:
        return None
    there = int(session.value(sql.SQL("SELECT count(*) FROM {}").format(identifier(parent))))
    named = parent_name if parent_name == parent.name else f"{parent_name} ({parent.name} in the target)"
    if there:
        code, detail = DriftAction.PARENTS_IN_TARGET, f"{named} has {counted(there, 'row')}"
    else:
        code, detail = DriftAction.PARENTS_ABSENT, named
    return Drift(table.name, ", ".join(columns), DriftKind.PARENT_LEFT_OUT, rows, code, detail)
