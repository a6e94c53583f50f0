"""Columns that `--extra-columns add` adds to the target: those with values that it lacks."""

from psycopg2 import sql

from etl.core.errors import DriftError
from etl.core.plan import Plan, TablePlan
from etl.core.target_names import NAME_BYTES, SYSTEM_COLUMNS
from etl.planning.declared_types import added_type
from etl.target.constraints import identifier
from etl.target.privileges import require_ownership
from etl.target.session import Session


def add_columns(session: Session, plan: Plan) -> None:
    """Adds each dropped column of the plan, of the type that its declaration in SQLite suggests.

    Raises `TargetError` where a table is not ours to alter, `DriftError` for a name that PostgreSQL cannot have.
    """
    require_ownership(session, [table for table in plan.tables if table.lacking])
    for table in plan.tables:
        _refuse_unfit_names(table)
        declared = {column.name: column.declared_type for column in table.source.columns}
        for name in table.lacking:
            session.run(
                sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                    identifier(table.target), sql.Identifier(name), sql.SQL(added_type(declared[name]))
                )
            )


def _refuse_unfit_names(table: TablePlan) -> None:
    """PostgreSQL would cut or refuse these names."""
    unfit = [name for name in table.lacking if not name or len(name.encode()) > NAME_BYTES or name in SYSTEM_COLUMNS]
    if unfit:
        raise DriftError(
            f"Table {table.name}: PostgreSQL cannot have columns of these names (empty, over {NAME_BYTES} bytes or "
            f"its own): {', '.join(map(repr, unfit))}. Rename them in the source, or drop them with "
            "--extra-columns drop (their values kept in the report folder). Nothing was written."
        )
