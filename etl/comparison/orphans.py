"""Whether a reference that is NULL in the target has no parent there: the question behind `--repair orphan-null`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from etl.comparison.canonical import Canonical
from etl.comparison.wire import canonical_sql
from etl.core.plan import ColumnPlan, TablePlan
from etl.core.tables import ForeignKey
from etl.core.values import StorageValue
from etl.target.session import Session


@dataclass(frozen=True)
class Reference:
    """A reference of the source: the foreign key, the columns in the key's order, and what the row holds there."""

    key: ForeignKey
    columns: tuple[ColumnPlan, ...]
    values: tuple[StorageValue, ...]


def references_with(plan: TablePlan, column: ColumnPlan) -> Iterator[tuple[ForeignKey, tuple[ColumnPlan, ...]]]:
    """The foreign keys that the column is a part of, with all their columns."""
    planned = {one.target: one for one in plan.columns}
    for key in plan.target.foreign_keys:
        if column.target in key.columns and set(key.columns) <= planned.keys():
            yield key, tuple(planned[name] for name in key.columns)


def are_orphans(session: Session, zone: str, references: Sequence[Reference]) -> list[bool]:
    """For each reference whether the target has no such parent; one query for each foreign key."""
    found = [False] * len(references)
    by_key: dict[tuple[ForeignKey, tuple[ColumnPlan, ...]], list[int]] = {}
    for place, reference in enumerate(references):
        by_key.setdefault((reference.key, reference.columns), []).append(place)
    for (key, columns), places in by_key.items():
        values = [[references[place].values[part] for place in places] for part in range(len(columns))]
        spelled = Canonical(session, zone).of_columns(columns, values)
        for place, orphan in zip(places, _without_parent(session, key, columns, spelled), strict=True):
            found[place] = orphan
    return found


def _without_parent(
    session: Session, key: ForeignKey, columns: Sequence[ColumnPlan], spelled: Sequence[Sequence[bytes | None]]
) -> list[bool]:
    """What has no meaning in the column's type is no reference at all, so that no parent could be missing."""
    meant = [all(cell is not None and _is_text(cell) for cell in row) for row in zip(*spelled, strict=True)]
    texts = [
        [cell.decode() if fine and cell else "" for cell, fine in zip(part, meant, strict=True)] for part in spelled
    ]
    names = [f"k{place}" for place in range(len(columns))]
    same = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(canonical_sql(sql.Identifier("p", parent), column.type), sql.Identifier("v", name))
        for parent, column, name in zip(key.parent_columns, columns, names, strict=True)
    )
    query = sql.SQL(
        "SELECT NOT EXISTS (SELECT FROM {} p WHERE {}) FROM unnest({}) WITH ORDINALITY v({}, n) ORDER BY n"
    ).format(
        sql.Identifier(key.parent_schema, key.parent),
        same,
        sql.SQL(", ").join(sql.SQL("{}::text[]").format(sql.Literal(part)) for part in texts),
        sql.SQL(", ").join(map(sql.Identifier, names)),
    )
    return [bool(absent) and fine for (absent,), fine in zip(session.rows(query), meant, strict=True)]


def _is_text(spelled: bytes) -> bool:
    try:
        return "\0" not in spelled.decode()
    except UnicodeDecodeError:  # the mark of what has no meaning
        return False
