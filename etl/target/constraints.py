"""Foreign keys and secondary indexes: dropped before a table is filled, made again after it, in one transaction.

Building an index over all rows at once, and checking a foreign key with one join, costs a fraction of doing both row
by row. A failure rolls everything back to what it was.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from psycopg2 import sql

from etl.core.plan import TablePlan
from etl.core.tables import ForeignKey, TargetTable
from etl.target.session import Session

# The row's creator is older than we are. Rows of this run belong to it or to its savepoints, whose numbers are higher.
# `age` counts back from now and so survives the wrap-around of the numbers.
OLDER = "age(xmin) > age((txid_current() % 4294967296)::text::xid)"


def identifier(table: TargetTable) -> sql.Identifier:
    """The table's qualified name."""
    return sql.Identifier(table.schema, table.name)


def rows_of_share(plan: TablePlan) -> sql.Composable:
    """The WHERE clause for the rows of a table that belong to the source; nothing where all of them do."""
    if plan.share is None:
        return sql.SQL("")
    column, value = plan.share
    return sql.SQL(" WHERE {} = {}").format(sql.Identifier(column), sql.Literal(value))


def chosen_rows(plan: TablePlan, only: sql.Composable | None) -> sql.Composable:
    """The WHERE clause for those of these rows that meet the condition `only`; None: for all of them."""
    share = rows_of_share(plan)
    if only is None:
        return share
    return sql.SQL("{} {} ({})").format(share, sql.SQL(" WHERE" if plan.share is None else "AND"), only)


@contextlib.contextmanager
def without_constraints(session: Session, table: TargetTable) -> Iterator[None]:
    """Inside, `table` has neither its foreign keys nor its plain secondary indexes; afterwards it has them again.

    Dropping a foreign key locks its parent against readers until the commit, so those stay whose parent has rows that
    others read. Making one again fails with psycopg2's ForeignKeyViolation where rows have no parent.
    """
    foreign_keys = [key for key in table.foreign_keys if key.plain and not _others_read(session, key)]
    for key in foreign_keys:
        session.run(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(identifier(table), sql.Identifier(key.name)))
    for index in table.indexes:
        session.run(sql.SQL("DROP INDEX {}").format(sql.Identifier(table.schema, index.name)))
    yield
    for key in foreign_keys:
        session.run(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                identifier(table), sql.Identifier(key.name), sql.SQL(key.definition)
            )
        )
    if table.indexes:  # they lay in the database's own tablespace, which their definitions do not name
        session.run(sql.SQL("SET LOCAL default_tablespace = ''"))
    for index in table.indexes:
        session.run(sql.SQL(index.definition))


def _others_read(session: Session, key: ForeignKey) -> bool:
    """Whether the parent has rows that were there before this transaction."""
    parent = sql.Identifier(key.parent_schema, key.parent)
    name = sql.Literal(parent.as_string(session.driver))
    if not session.value(sql.SQL("SELECT has_table_privilege({}, 'SELECT')").format(name)):
        return True  # not ours to look at, so not ours to lock either
    return bool(session.value(sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(parent, sql.SQL(OLDER))))


@contextlib.contextmanager
def deferred(session: Session, table: TargetTable, keys: list[ForeignKey]) -> Iterator[None]:
    """Inside, these foreign keys of `table` are not checked; they are on leaving. For references in a circle."""
    # SET CONSTRAINTS goes by the name alone, and stumbles over namesakes on other tables.
    given, keys = (
        keys,
        [
            replace(key, name=f"etl_{table.oid}_{place}") if key.has_namesake and table.owned else key
            for place, key in enumerate(keys)
        ],
    )
    _rename(session, table, given, keys)
    fixed = [key for key in keys if not key.deferrable and table.owned]
    _alter(session, table, fixed, "DEFERRABLE")
    names = [sql.Identifier(table.schema, key.name) for key in keys if key.deferrable or table.owned]
    if names:
        session.run(sql.SQL("SET CONSTRAINTS {} DEFERRED").format(sql.SQL(", ").join(names)))
    yield
    if names:
        session.run(sql.SQL("SET CONSTRAINTS {} IMMEDIATE").format(sql.SQL(", ").join(names)))
    _alter(session, table, fixed, "NOT DEFERRABLE")
    _rename(session, table, keys, given)


def _rename(session: Session, table: TargetTable, before: list[ForeignKey], after: list[ForeignKey]) -> None:
    for old, new in zip(before, after, strict=True):
        if old.name != new.name:
            session.run(
                sql.SQL("ALTER TABLE {} RENAME CONSTRAINT {} TO {}").format(
                    identifier(table), sql.Identifier(old.name), sql.Identifier(new.name)
                )
            )


def _alter(session: Session, table: TargetTable, keys: list[ForeignKey], property_: str) -> None:
    for key in keys:
        session.run(
            sql.SQL("ALTER TABLE {} ALTER CONSTRAINT {} {}").format(
                identifier(table), sql.Identifier(key.name), sql.SQL(property_)
            )
        )
