"""Names of the system mean the system's own: pg_catalog is searched before any schema of the user.

PostgreSQL searches pg_catalog first where the path does not name it; a path that names it searches it at its place, so
that a function or view of a user could stand for one of the system (documentation, "Schemas and the search path").
"""

from collections.abc import Callable
from typing import Any

from psycopg2 import sql

_NAMED = """
SELECT pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' ORDER BY i)
FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path(s, i)
WHERE s OPERATOR(pg_catalog.<>) 'pg_catalog'
HAVING 'pg_catalog' OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(false))
"""


def search_system_first(
    rows: Callable[[sql.Composable], list[tuple[Any, ...]]], run: Callable[[sql.Composable], object]
) -> None:
    """Takes pg_catalog out of this transaction's search path, where it was named, so that it comes first."""
    for (others,) in rows(sql.SQL(_NAMED)):
        run(sql.SQL("SET LOCAL search_path = ") + sql.SQL(others or "''"))
