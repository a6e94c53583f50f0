"""Tables, views and columns that this run has created, as the catalogue knows them at its end."""

from collections.abc import Iterator, Sequence

from psycopg2 import sql

from etl.core.plan import TablePlan
from etl.core.undo_record import Created, CreatedKind
from etl.target.definitions import definitions
from etl.target.session import Session

_FOUND = """
SELECT c.oid, c.relname, c.relkind FROM pg_class c
WHERE c.relnamespace = quote_ident({schema})::regnamespace AND c.relname = ANY({names}) AND c.relkind IN ('r', 'p', 'v')
"""


def created_relations(session: Session, schema: str, names: Sequence[str]) -> Iterator[Created]:
    """The tables and views of these names, with a digest of what belongs to them."""
    rows = session.rows(sql.SQL(_FOUND).format(schema=sql.Literal(schema), names=sql.Literal(list(names))))
    digests = definitions(session, [oid for oid, _, _ in rows])
    for oid, name, kind in rows:
        created = CreatedKind.VIEW if kind == "v" else CreatedKind.TABLE
        yield Created(created, schema, name, oid, definition=digests[oid])


def created_columns(plan: TablePlan, columns: Sequence[str]) -> Iterator[Created]:
    """Columns that the run has added to a table."""
    for column in columns:
        yield Created(CreatedKind.COLUMN, plan.target.schema, plan.target.name, plan.target.oid, column)
