"""What the connected role must be allowed to do, asked before any row moves: each missing right with its GRANT.

A right that is missing in the end, at the sequences say, would otherwise be found when all the rows are there.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from sqlalchemy.exc import DBAPIError

from etl.core.errors import TargetError
from etl.core.plan import TablePlan
from etl.target.session import Row, Session, first_line

_ORDER = ("USAGE", "TEMPORARY", "SELECT", "INSERT", "UPDATE", "DELETE")
_WRITABLE = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool"

_SCHEMAS_WITHOUT_USAGE = """
SELECT 'USAGE', format('SCHEMA %I', n.nspname)
FROM regexp_split_to_table(current_setting('search_path'), '\\s*,\\s*') AS part
JOIN pg_namespace n ON n.nspname = CASE btrim(part, '"') WHEN '$user' THEN current_user ELSE btrim(part, '"') END
WHERE NOT has_schema_privilege(n.oid, 'USAGE')
"""
_COLUMNS = """
SELECT DISTINCT p.privilege, format('%I.%I', n.nspname, c.relname)
FROM unnest({oids}::oid[], {names}::text[], {privileges}::text[]) AS p(oid, name, privilege)
JOIN pg_class c ON c.oid = p.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT has_column_privilege(p.oid, p.name, p.privilege)
"""
_PARENTS = """
SELECT DISTINCT 'SELECT', format('%I.%I', n.nspname, c.relname)
FROM pg_constraint x JOIN pg_class c ON c.oid = x.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.contype = 'f' AND x.conrelid = ANY ({oids}::oid[])
  AND EXISTS (SELECT FROM unnest(x.confkey) AS key WHERE NOT has_column_privilege(x.confrelid, key, 'SELECT'))
"""
_PARENT_SCHEMAS = """
SELECT DISTINCT 'USAGE', format('SCHEMA %I', n.nspname)
FROM pg_constraint x JOIN pg_class c ON c.oid = x.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.contype = 'f' AND x.conrelid = ANY ({oids}::oid[]) AND NOT has_schema_privilege(n.oid, 'USAGE')
"""
_TABLES = """
SELECT 'DELETE', format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ({oids}::oid[]) AND NOT has_table_privilege(c.oid, 'DELETE')
"""
_REFERRERS = """
SELECT DISTINCT 'SELECT', format('%I.%I', n.nspname, c.relname)
FROM pg_constraint x JOIN pg_class c ON c.oid = x.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.contype = 'f' AND x.confrelid = ANY ({oids}::oid[]) AND NOT has_table_privilege(c.oid, 'SELECT')
"""
_REFERRER_SCHEMAS = """
SELECT DISTINCT 'USAGE', format('SCHEMA %I', n.nspname)
FROM pg_constraint x JOIN pg_class c ON c.oid = x.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.contype = 'f' AND x.confrelid = ANY ({oids}::oid[]) AND NOT has_schema_privilege(n.oid, 'USAGE')
"""
_SEQUENCES = """
SELECT privilege, 'SEQUENCE ' || name
FROM unnest({names}::text[]) AS name, unnest(ARRAY['SELECT', 'UPDATE']) AS privilege
WHERE NOT has_sequence_privilege(name, privilege)
"""
_ON_TABLES = """
SELECT DISTINCT p.privilege, format('%I.%I', n.nspname, c.relname)
FROM unnest({oids}::oid[], {privileges}::text[]) AS p(oid, privilege)
JOIN pg_class c ON c.oid = p.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT has_table_privilege(p.oid, p.privilege)
"""
_SCHEMAS_OF = """
SELECT DISTINCT 'USAGE', format('SCHEMA %I', n.nspname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY({oids}::oid[]) AND NOT has_schema_privilege(n.oid, 'USAGE')
"""
_TEMPORARY = """
SELECT 'TEMPORARY', format('DATABASE %I', current_database())
WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
"""


def require_writable(session: Session) -> None:
    """Raises `TargetError` on a standby, and where the role may not write: a dry run, too, needs temporary tables."""
    standby, read_only = session.rows(sql.SQL(_WRITABLE))[0]
    if standby:
        raise TargetError(
            "The target is a read-only standby; connect to the primary. (etl.reconcile can compare with a standby.)"
        )
    if read_only:
        raise TargetError(
            "The target lets this role read only (default_transaction_read_only is on). Connect as a role that may "
            "write, or add options=-c%20default_transaction_read_only%3Doff to the URL."
        )


def require_schema(session: Session, name: str | None) -> str:
    """The schema that unqualified names mean; raises `TargetError` where there is none or the role may not use it."""
    if name is not None:
        return name
    _refuse(session, session.rows(sql.SQL(_SCHEMAS_WITHOUT_USAGE)))
    raise TargetError("No schema of the role's search_path exists; name one with --schema, or create one.")


def require_ownership(session: Session, plans: Sequence[TablePlan]) -> None:
    """Raises `TargetError` for tables that are to get columns and belong to somebody else."""
    foreign = [plan.name for plan in plans if not plan.target.owned]
    if foreign:
        raise TargetError(
            f"Only the owner of a table can add columns to it, and {session.value(sql.SQL('SELECT current_user'))} "
            f"does not own {', '.join(foreign)}. Connect as the owner, or drop the values with "
            "--extra-columns drop."
        )


def creation_error(error: DBAPIError, schema: str) -> TargetError:
    """Why the missing tables could not be created in `schema`."""
    said = first_line(error.orig or error)
    if not isinstance(error.orig, psycopg2.errors.InsufficientPrivilege):
        return TargetError(f"The missing tables cannot be created: {said}. Nothing was committed.")
    return TargetError(
        f"The role lacks a right to create the missing tables: {said}. Nothing was committed. Needed are GRANT CREATE "
        f'ON SCHEMA "{schema}" and GRANT REFERENCES on the tables that the new ones refer to, or ask the owner to '
        "create them."
    )


def require_to_read(session: Session, plans: Sequence[TablePlan]) -> None:
    """Raises `TargetError` that names every right that a comparison lacks."""
    _refuse(session, session.rows(_columns_query(plans, ["SELECT"])))


def require_to_load(session: Session, plans: Sequence[TablePlan], *, dry_run: bool) -> None:
    """Raises `TargetError` that names every right that the load of these tables lacks, whichever way they go."""
    oids = sql.Literal([plan.target.oid for plan in plans])
    queries = [
        _columns_query(plans, ["SELECT"] if dry_run else ["SELECT", "INSERT"]),
        sql.SQL(_PARENT_SCHEMAS).format(oids=oids),
        sql.SQL(_PARENTS).format(oids=oids),
        sql.SQL(_TEMPORARY),
    ]
    if not dry_run:
        names = [column.sequence for plan in plans for column in plan.target.columns if column.sequence]
        queries.append(sql.SQL(_SEQUENCES).format(names=sql.Literal(names)))
    _refuse(session, [missing for query in queries for missing in session.rows(query)])


def require_to_sync(session: Session, plans: Sequence[TablePlan], *, delete: bool, dry_run: bool) -> None:
    """Raises `TargetError` that names every right that a sync of these tables lacks.

    Before a row is deleted it is asked who refers to it, so that those tables have to be readable as well.
    """
    oids = sql.Literal([plan.target.oid for plan in plans])
    queries = [
        _columns_query(plans, [] if dry_run else ["INSERT", "UPDATE"], ["SELECT"]),
        sql.SQL(_PARENT_SCHEMAS).format(oids=oids),
        sql.SQL(_PARENTS).format(oids=oids),
        sql.SQL(_TEMPORARY),
    ]
    if delete:
        queries += [sql.SQL(_REFERRER_SCHEMAS).format(oids=oids), sql.SQL(_REFERRERS).format(oids=oids)]
    if not dry_run:
        names = [column.sequence for plan in plans for column in plan.target.columns if column.sequence]
        queries.append(sql.SQL(_SEQUENCES).format(names=sql.Literal(names)))
        if delete:
            queries.append(sql.SQL(_TABLES).format(oids=oids))
    _refuse(session, [missing for query in queries for missing in session.rows(query)])


def require_to_undo(session: Session, wanted: Collection[tuple[int, str]]) -> None:
    """Raises `TargetError` that names every right that is missing of those `wanted`: a table's oid and a privilege."""
    oids, kinds = ([each[place] for each in wanted] for place in range(2))
    queries = [
        sql.SQL(_SCHEMAS_OF).format(oids=sql.Literal(oids)),
        sql.SQL(_ON_TABLES).format(oids=sql.Literal(oids), privileges=sql.Literal(kinds)),
        sql.SQL(_TEMPORARY),
    ]
    _refuse(session, [missing for query in queries for missing in session.rows(query)])


def _columns_query(
    plans: Sequence[TablePlan], privileges: Sequence[str], of_all_columns: Sequence[str] = ()
) -> sql.Composed:
    """`of_all_columns` are asked of the target's other columns, too."""
    wanted = [*_wanted(plans, privileges), *_wanted_of_all(plans, of_all_columns)]
    oids, names, kinds = ([entry[place] for entry in wanted] for place in range(3))
    return sql.SQL(_COLUMNS).format(oids=sql.Literal(oids), names=sql.Literal(names), privileges=sql.Literal(kinds))


def _wanted(plans: Sequence[TablePlan], privileges: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    for plan in plans:
        for column in plan.columns:
            for privilege in privileges:
                yield plan.target.oid, column.target, privilege


def _wanted_of_all(plans: Sequence[TablePlan], privileges: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    for plan in plans:
        for column in plan.target.columns:
            for privilege in privileges:
                yield plan.target.oid, column.name, privilege


def _refuse(session: Session, missing: Sequence[Row]) -> None:
    """Raises `TargetError` for (privilege, object) pairs, if there are any."""
    if not missing:
        return
    role = session.value(sql.SQL("SELECT format('%I', current_user)"))
    raise TargetError(
        f"The role {role} lacks rights in the target; nothing was committed. Its owner can give them: "
        f"{'; '.join(_grants(missing, role))}."
    )


def _grants(missing: Sequence[Row], role: str) -> Iterator[str]:
    """GRANT statements, one for all objects of a kind that lack the same rights."""
    lacking: defaultdict[str, list[str]] = defaultdict(list)
    for privilege, name in missing:
        if privilege not in lacking[name]:
            lacking[name].append(privilege)
    together: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, privileges in lacking.items():
        kind = next((word for word in ("SCHEMA ", "SEQUENCE ", "DATABASE ") if name.startswith(word)), "")
        rights = ", ".join(sorted(privileges, key=_ORDER.index))
        together[rights, kind].append(name.removeprefix(kind))
    for (rights, kind), names in together.items():
        yield f"GRANT {rights} ON {kind}{', '.join(sorted(names))} TO {role}"
