"""What unqualified names mean in a transaction: the system's first, then those of the schema that was asked for.

PostgreSQL searches pg_catalog first where the path does not name it; a path that names it searches it at its place, so
that a function or view of a user could stand for one of the system (documentation, "Schemas and the search path").
"""

import psycopg2
from psycopg2 import sql

from etl.core.errors import TargetError, UsageError
from etl.core.text import unknown_names
from etl.target.session import Session, first_line

_NAMED = """
SELECT pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' ORDER BY i)
FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path(s, i)
WHERE s OPERATOR(pg_catalog.<>) 'pg_catalog'
HAVING 'pg_catalog' OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(false))
"""
_SCHEMAS = """
SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' ORDER BY 1
"""
# What stood in the search_path stays behind the schema: types and functions of extensions are found as before.
_ENTER = "SELECT set_config('search_path', concat_ws(', ', {}, nullif(current_setting('search_path'), '')), true)"


def enter_schema(session: Session, name: str | None) -> None:
    """Makes `name` the schema of this transaction; None leaves it at the one that the role's search_path leads to.

    Comes before all questions to the catalogue: from here on the system's names mean the system's own. Raises
    `UsageError` where there is no such schema, `TargetError` where the role may not use it.
    """
    _search_system_first(session)
    if name is None:
        return
    schemas = [str(schema) for (schema,) in session.rows(sql.SQL(_SCHEMAS))]
    quoted = sql.Identifier(name).as_string(session.driver)
    if name not in schemas:
        problem = unknown_names("--schema: the target has no schema", [name], schemas)
        raise UsageError(f"{problem} Name one of these, or create it first: CREATE SCHEMA {quoted}.")
    session.run(sql.SQL(_ENTER).format(sql.Literal(quoted)))
    if current_schema(session) != name:  # PostgreSQL passes over schemas that the role may not use
        raise TargetError(
            f"The role that is connected may not use the schema {name!r}; its owner may GRANT USAGE ON SCHEMA {quoted}."
        )


def make_schema(session: Session, name: str) -> None:
    """Creates the schema where there is none of that name; raises `TargetError` where the role may not."""
    if session.value(
        sql.SQL("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {})").format(sql.Literal(name))
    ):
        return
    try:
        session.run(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    except psycopg2.errors.InsufficientPrivilege as error:
        raise TargetError(
            f"The schema {name!r} cannot be created: {first_line(error)}. Nothing was committed. Needed is GRANT "
            "CREATE ON DATABASE, or create the schema first."
        ) from error


def current_schema(session: Session) -> str | None:
    """The schema in which unqualified tables would be created."""
    name = session.value(sql.SQL("SELECT current_schema()"))
    return None if name is None else str(name)


def _search_system_first(session: Session) -> None:
    """Takes pg_catalog out of this transaction's search path, where it was named, so that it comes first."""
    for (others,) in session.rows(sql.SQL(_NAMED)):
        session.run(sql.SQL("SET LOCAL search_path = ") + sql.SQL(others or "''"))
