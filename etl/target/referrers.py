"""Foreign keys of the whole database that lead to the tables of a plan, whoever owns them and wherever they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from etl.core.tables import TargetTable
from etl.target.session import Session

_REFERRERS = """
SELECT x.confrelid, x.conrelid, n.nspname, c.relname, x.conname,
       ARRAY(SELECT a.attname::text FROM unnest(x.conkey) WITH ORDINALITY k(num, place)
             JOIN pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = k.num ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM unnest(x.confkey) WITH ORDINALITY k(num, place)
             JOIN pg_attribute a ON a.attrelid = x.confrelid AND a.attnum = k.num ORDER BY k.place),
       x.confupdtype NOT IN ('a', 'r') OR x.confdeltype NOT IN ('a', 'r')
FROM pg_constraint x JOIN pg_class c ON c.oid = x.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.contype = 'f' AND x.conparentid = 0 AND x.confrelid = ANY ({oids}::oid[]) {enforced}
ORDER BY x.confrelid, n.nspname, c.relname, x.conname
"""


@dataclass(frozen=True)
class Referrer:
    """A foreign key: `columns` of the table `schema`.`table` refer to `parent_columns` of the table `parent` (its oid).

    `acts`: where a parent changes or goes, its children do (CASCADE, SET NULL, SET DEFAULT).
    """

    parent: int
    oid: int
    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]
    acts: bool


def read_referrers(session: Session, tables: Sequence[TargetTable]) -> list[Referrer]:
    """All foreign keys to these tables, those within and between them as well."""
    enforced = "AND x.conenforced" if session.server_version >= 180_000 else ""
    rows = session.rows(
        sql.SQL(_REFERRERS).format(oids=sql.Literal([table.oid for table in tables]), enforced=sql.SQL(enforced))
    )
    return [
        Referrer(parent, oid, schema, table, name, tuple(columns), tuple(parent_columns), acts)
        for parent, oid, schema, table, name, columns, parent_columns, acts in rows
    ]
