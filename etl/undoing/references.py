"""Rows of the run that have to stay, since a row that stays refers to them: nobody else's row is deleted or altered.

A foreign key's ON DELETE CASCADE or SET NULL would do that; and whoever stays keeps its own parents, to the root.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from etl.core.errors import TargetError
from etl.target.session import Row, Session
from etl.undoing.written import WrittenTable, by_oid

KEPT = sql.Identifier("pg_temp", "etl_kept")
Goes = Callable[[str], sql.Composable]
"""Whether the row of an alias is to be deleted."""
MANY_PAGES = 20_000
"""From here on it pays to make a foreign key without an index again, instead of reading its table for each row."""

_REFERENCES = """
SELECT x.conname, x.conrelid, cn.nspname, c.relname, c.relkind = 'p', row_security_active(c.oid),
    x.confrelid, pn.nspname, p.relname, p.relkind = 'p',
    ARRAY(SELECT a.attname::text FROM unnest(x.conkey) WITH ORDINALITY AS k (n, i)
          JOIN pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = k.n ORDER BY k.i),
    ARRAY(SELECT a.attname::text FROM unnest(x.confkey) WITH ORDINALITY AS k (n, i)
          JOIN pg_attribute a ON a.attrelid = x.confrelid AND a.attnum = k.n ORDER BY k.i),
    pg_get_constraintdef(x.oid),
    pg_has_role(c.relowner, 'USAGE') AND has_table_privilege(x.confrelid, 'REFERENCES') AND x.convalidated
        AND obj_description(x.oid, 'pg_constraint') IS NULL
        AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = x.oid AND g.tgenabled <> 'O'),
    EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = x.conrelid AND i.indisvalid AND i.indpred IS NULL
            AND i.indkey[0] = ANY(x.conkey)
    ),
    coalesce((SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(c.oid)), pg_relation_size(c.oid))::bigint
        / current_setting('block_size')::bigint
FROM pg_constraint x
JOIN pg_class c ON c.oid = x.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_class p ON p.oid = x.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE x.contype = 'f' AND x.conparentid = 0 AND x.confrelid = ANY({oids}::oid[]) {enforced}
ORDER BY x.oid
"""


@dataclass(frozen=True)
class Reference:
    """A foreign key to a table of the run; `remakable`: ours to drop and to make again without loss."""

    name: str
    child_oid: int
    child_schema: str
    child: str
    child_partitioned: bool
    child_hidden: bool
    parent_oid: int
    parent_schema: str
    parent: str
    parent_partitioned: bool
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]
    definition: str
    remakable: bool
    indexed: bool
    pages: int  # of the table that refers

    @property
    def said(self) -> str:
        """The foreign key for people."""
        return f"{self.child_schema}.{self.child} ({self.name})"

    @property
    def child_identifier(self) -> sql.Identifier:
        """The qualified name of the table that refers."""
        return sql.Identifier(self.child_schema, self.child)


def read_references(session: Session, tables: Sequence[WrittenTable]) -> list[Reference]:
    """All foreign keys to these tables, and to what is below them, from any schema.

    Raises `TargetError` where policies hide rows that may refer.
    """
    enforced = sql.SQL("AND x.conenforced" if session.server_version >= 180_000 else "")
    oids = sql.Literal(list(by_oid(tables)))
    rows = session.rows(sql.SQL(_REFERENCES).format(oids=oids, enforced=enforced))
    found = [_reference(row) for row in rows]
    hidden = sorted({reference.said for reference in found if reference.child_hidden})
    if hidden:
        raise TargetError(
            f"Policies may hide rows from this role that refer to those of the run: {', '.join(hidden)}. Connect as "
            "the owner of these tables, or as a role with BYPASSRLS. Nothing was changed."
        )
    return found


def _reference(row: Row) -> Reference:
    name, child_oid, child_schema, child, child_partitioned, child_hidden, *others = row
    parent_oid, parent_schema, parent, parent_partitioned, columns, parent_columns, *rest = others
    definition, remakable, indexed, pages = rest
    return Reference(
        name=name,
        child_oid=child_oid,
        child_schema=child_schema,
        child=child,
        child_partitioned=child_partitioned,
        child_hidden=child_hidden,
        parent_oid=parent_oid,
        parent_schema=parent_schema,
        parent=parent,
        parent_partitioned=parent_partitioned,
        columns=tuple(columns),
        parent_columns=tuple(parent_columns),
        definition=definition,
        remakable=remakable,
        indexed=indexed,
        pages=pages,
    )


class Kept:
    """The rows that have to stay, in a temporary table: where they are, and which foreign key leads to them."""

    def __init__(self, session: Session, tables: Sequence[WrittenTable]) -> None:
        self._session = session
        self._ours = by_oid(tables)
        session.run(sql.SQL("CREATE TEMP TABLE etl_kept (rel oid, at tid, by text) ON COMMIT DROP"))
        session.run(sql.SQL("CREATE INDEX ON {} (rel, at)").format(KEPT))

    def find(
        self, references: Sequence[Reference], goes: Mapping[int, Goes], lets_go: Mapping[int, Goes] | None = None
    ) -> None:
        """Finds them anew. `goes` says by the oid of each table which of its rows are to be deleted; `lets_go` which
        ones do not refer any more then, where these are others: rows that are to get their old values."""
        self._session.run(sql.SQL("TRUNCATE {}").format(KEPT))
        while sum(self._find_by(reference, goes, lets_go or goes) for reference in references):
            pass

    def _find_by(self, reference: Reference, goes: Mapping[int, Goes], lets_go: Mapping[int, Goes]) -> int:
        ours = self._ours.get(reference.child_oid)
        stays: sql.Composable = sql.SQL("true")
        if ours is not None:
            stays = sql.SQL("NOT ({} AND NOT {})").format(lets_go[ours.oid]("c"), is_kept("c"))
        equal = sql.SQL(" AND ").join(
            sql.SQL("c.{} = r.{}").format(sql.Identifier(one), sql.Identifier(other))
            for one, other in zip(reference.columns, reference.parent_columns, strict=True)
        )
        return self._session.run(
            sql.SQL(
                "INSERT INTO {kept} SELECT DISTINCT r.tableoid, r.ctid, {by} FROM {parent} r JOIN {child} c ON {equal} "
                "WHERE {goes} AND NOT {known} AND {stays}"
            ).format(
                kept=KEPT,
                by=sql.Literal(reference.said),
                parent=_relation(reference.parent_schema, reference.parent, partitioned=reference.parent_partitioned),
                child=_relation(reference.child_schema, reference.child, partitioned=reference.child_partitioned),
                equal=equal,
                goes=goes[self._ours[reference.parent_oid].oid]("r"),
                known=is_kept("r"),
                stays=stays,
            )
        )


def is_kept(alias: str) -> sql.Composable:
    """Whether the row `alias` has to stay."""
    return sql.SQL("EXISTS (SELECT FROM {} k WHERE k.rel = {row}.tableoid AND k.at = {row}.ctid)").format(
        KEPT, row=sql.Identifier(alias)
    )


def kept_by(alias: str) -> sql.Composable:
    """The foreign key that keeps the row `alias`."""
    return sql.SQL("(SELECT min(k.by) FROM {} k WHERE k.rel = {row}.tableoid AND k.at = {row}.ctid)").format(
        KEPT, row=sql.Identifier(alias)
    )


def _relation(schema: str, name: str, *, partitioned: bool) -> sql.Composable:
    """A foreign key concerns the table alone, not those that inherit from it, but all partitions."""
    return sql.SQL("" if partitioned else "ONLY ") + sql.Identifier(schema, name)


@contextlib.contextmanager
def without_slow_references(
    session: Session, references: Sequence[Reference], rows: Mapping[int, int]
) -> Iterator[None]:
    """Inside, foreign keys do not exist that would have their whole table read for each deleted row, if that is long.

    No row refers to those that go, so making them again checks the same. `rows` to be deleted, by the oid of the table.
    """
    slow = [
        reference
        for reference in references
        if reference.remakable
        and not reference.indexed
        and rows.get(reference.parent_oid, 0) * reference.pages >= MANY_PAGES
    ]
    for reference in slow:
        session.run(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                reference.child_identifier, sql.Identifier(reference.name)
            )
        )
    yield
    for reference in slow:
        session.run(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                reference.child_identifier, sql.Identifier(reference.name), sql.SQL(reference.definition)
            )
        )
