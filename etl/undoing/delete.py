"""Deletes what a run inserted: children before parents, tables that refer to each other in one statement."""

from collections.abc import Mapping, Sequence

import psycopg2
from psycopg2 import sql

from etl.core.errors import TargetError
from etl.planning.order import circles
from etl.target.session import Session, concerns_one_row, first_line
from etl.undoing.references import Goes, Reference, is_kept
from etl.undoing.written import WrittenTable, by_oid


def parents_first(tables: Sequence[WrittenTable], references: Sequence[Reference]) -> list[list[WrittenTable]]:
    """The tables, parents before their children; those of a circle together."""
    ours = by_oid(tables)
    names = {(table.schema, table.name): table for table in tables}
    parents: dict[tuple[str, str], list[tuple[str, str]]] = {name: [] for name in names}
    for reference in references:
        if reference.child_oid in ours:
            child, parent = ours[reference.child_oid], ours[reference.parent_oid]
            parents[child.schema, child.name].append((parent.schema, parent.name))
    return [[names[name] for name in group] for group in circles(parents)]


def delete_inserted(
    session: Session, groups: Sequence[Sequence[WrittenTable]], goes: Mapping[int, Goes]
) -> dict[int, int]:
    """Deletes the rows that go and are not kept; returns how many, by the oid of their table.

    Raises `TargetError` where the target refuses that, as a trigger may.
    """
    deleted: dict[int, int] = {}
    for group in reversed(groups):
        try:
            deleted |= _delete(session, group, goes)
        except psycopg2.Error as error:
            if not concerns_one_row(error):
                raise
            names = ", ".join(table.shown for table in group)
            raise TargetError(
                f"PostgreSQL refuses to delete the run's rows in {names}: {first_line(error)}. Nothing was changed."
            ) from error
    return deleted


def _delete(session: Session, group: Sequence[WrittenTable], goes: Mapping[int, Goes]) -> dict[int, int]:
    statements = [
        sql.SQL("DELETE FROM {} r WHERE {} AND NOT {}").format(table.identifier, goes[table.oid]("r"), is_kept("r"))
        for table in group
    ]
    if len(group) == 1:
        return {group[0].oid: session.run(statements[0])}
    # Foreign keys are checked when the statement has ended, so the order of what is in it does not matter.
    names = [sql.Identifier(f"d{place}") for place in range(len(group))]
    parts = [sql.SQL("{} AS ({} RETURNING 1)").format(name, one) for name, one in zip(names, statements, strict=True)]
    counts = [sql.SQL("(SELECT count(*) FROM {})").format(name) for name in names]
    statement = sql.SQL("WITH {} SELECT {}").format(sql.SQL(", ").join(parts), sql.SQL(", ").join(counts))
    rows = session.rows(statement)[0]
    return {table.oid: int(count) for table, count in zip(group, rows, strict=True)}
