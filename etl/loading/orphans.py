"""References to parents that do not exist, made NULL where the user allows it (`--repair orphan-null`)."""

from collections.abc import Callable, Sequence

from psycopg2 import sql

from etl.core.plan import TablePlan
from etl.core.repairs import Repair
from etl.core.tables import ForeignKey
from etl.loading.staging import ROW, ROWID, Orphan, Staged, Staging, all_present, compose, equal

Fatherless = Callable[[TablePlan, ForeignKey, Sequence[tuple[int, int | None]]], set[int]]
"""Says of rows (number and rowid) whose parent is not on its way which of them never had one, asked of the source: a
parent that was rejected may still come."""


def no_orphans(_plan: TablePlan, _key: ForeignKey, _rows: Sequence[tuple[int, int | None]]) -> set[int]:
    """For loads that have no source to ask: none may become NULL."""
    return set()


def without_parent(key: ForeignKey, staged: Staged) -> sql.Composable:
    """The condition of staged rows whose parent neither is in the target nor may still come."""
    parents: list[sql.Composable] = [sql.Identifier(key.parent_schema, key.parent)]
    if (key.parent_schema, key.parent) in staged:
        parents.append(staged[key.parent_schema, key.parent].name)
    orphan = sql.SQL(" AND ").join(
        compose("NOT EXISTS (SELECT FROM {} p WHERE {})", parent, equal(key.columns, "s", "p", key.parent_columns))
        for parent in parents
    )
    return compose("{} AND {}", all_present(key.columns), orphan)


def null_orphans(stage: Staging, staged: Staged, fatherless: Fatherless) -> None:
    """Makes the references of a table NULL whose parents do not exist, in the columns that may be altered so."""
    for key in stage.plan.target.foreign_keys:
        allowed = nullable_by_repair(stage.plan, key)
        if allowed and set(key.columns) <= stage.names:
            _null_orphans(stage, key, allowed, staged, fatherless)


def nullable_by_repair(plan: TablePlan, key: ForeignKey, *, suggested: bool = False) -> dict[str, str]:
    """The columns of a reference that `orphan-null` makes NULL, source names by target names.

    One is enough for a plain reference, MATCH FULL needs all. `suggested`: those that could have the repair.
    """
    found = {
        column.target: column.source
        for column in plan.columns
        if column.target in key.columns and Repair.ORPHAN_NULL in (column.helpful if suggested else column.repairs)
    }
    return {} if key.match_full and len(found) < len(key.columns) else found


def _null_orphans(
    stage: Staging, key: ForeignKey, columns: dict[str, str], staged: Staged, fatherless: Fatherless
) -> None:
    row = sql.Identifier(ROW)
    suspects = stage.session.rows(
        compose(
            "SELECT {}, {} FROM {} s WHERE {} ORDER BY 1",
            row,
            sql.Identifier(ROWID),
            stage.name,
            without_parent(key, staged),
        )
    )
    orphans = fatherless(stage.plan, key, suspects) if suspects else set()
    if not orphans:
        return
    nulls = sql.SQL(", ").join(compose("{} = NULL", sql.Identifier(name)) for name in columns)
    stage.run("UPDATE {} SET {} WHERE {} = ANY({})", stage.name, nulls, row, sql.Literal(sorted(orphans)))
    sources = tuple(columns.values())
    stage.orphans += [Orphan(number, rowid, sources) for number, rowid in suspects if number in orphans]
