"""The tables of a record as they stand now, and how the run's rows are told from all others in them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from etl.core.errors import TargetError
from etl.core.undo_record import UndoRecord, UndoTable
from etl.target.identity import number_between
from etl.target.session import Row, Session

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', row_security_active(c.oid),
    ARRAY(
        SELECT tgname::text FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D'
            AND tgtype & 8 <> 0 ORDER BY tgname
    ),
    EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal),
    ARRAY(
        WITH RECURSIVE below(oid) AS (
            SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid
            UNION SELECT i.inhrelid FROM pg_inherits i JOIN below ON i.inhparent = below.oid
        )
        SELECT oid::bigint FROM below
    )
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY({oids}::oid[]) AND c.relkind IN ('r', 'p')
"""
_COLUMNS = """
SELECT attrelid, attname, format_type(atttypid, atttypmod), attgenerated <> '', attidentity = 'a'
FROM pg_attribute WHERE attrelid = ANY({oids}::oid[]) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum
"""
_ANEW = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = {schema} AND c.relname = {table}
"""


@dataclass(frozen=True)
class Column:
    """A column as it is now; `type` is SQL."""

    name: str
    type: str
    generated: bool
    identity_always: bool


@dataclass(frozen=True)
class WrittenTable:
    """A table that the run wrote into. `below` are its partitions, and tables that inherit from it."""

    record: UndoTable
    schema: str
    name: str
    partitioned: bool
    delete_triggers: tuple[str, ...]  # in force
    has_triggers: bool
    below: tuple[int, ...]
    columns: tuple[Column, ...]

    @property
    def oid(self) -> int:
        """It stays the same when the table is renamed."""
        return self.record.oid

    @property
    def identifier(self) -> sql.Identifier:
        """Its qualified name."""
        return sql.Identifier(self.schema, self.name)

    @property
    def shown(self) -> str:
        """Its qualified name for people."""
        return f"{self.schema}.{self.name}"

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row; none where one of them is gone."""
        names = {column.name for column in self.columns}
        return self.record.key if names.issuperset(self.record.key) else ()


def read_tables(session: Session, record: UndoRecord) -> list[WrittenTable]:
    """Those tables of the record that are there, whatever they are called by now.

    Raises `TargetError` for a table that was dropped and created anew, or whose policies hide rows from this role.
    """
    oids = sql.Literal([table.oid for table in record.tables])
    found = {row[0]: row for row in session.rows(sql.SQL(_TABLES).format(oids=oids))}
    columns: defaultdict[int, list[Column]] = defaultdict(list)
    for oid, *column in session.rows(sql.SQL(_COLUMNS).format(oids=oids)):
        columns[oid].append(Column(*column))
    _refuse_created_anew(session, [table for table in record.tables if table.oid not in found])
    _refuse_hidden(f"{row[1]}.{row[2]}" for row in found.values() if row[4])
    return [_table(table, found[table.oid], columns[table.oid]) for table in record.tables if table.oid in found]


def _table(table: UndoTable, row: Row, columns: Sequence[Column]) -> WrittenTable:
    _, schema, name, partitioned, _, delete_triggers, has_triggers, below = row
    return WrittenTable(
        record=table,
        schema=schema,
        name=name,
        partitioned=partitioned,
        delete_triggers=tuple(delete_triggers),
        has_triggers=has_triggers,
        below=tuple(below),
        columns=tuple(columns),
    )


def _refuse_created_anew(session: Session, missing: Iterable[UndoTable]) -> None:
    anew = [
        name
        for table in missing
        for (name,) in session.rows(
            sql.SQL(_ANEW).format(schema=sql.Literal(table.schema), table=sql.Literal(table.table))
        )
    ]
    if anew:
        raise TargetError(
            f"Dropped and created anew since the run, so that its rows cannot be told from others: {', '.join(anew)}. "
            "Nothing was changed."
        )


def _refuse_hidden(tables: Iterable[str]) -> None:
    hidden = sorted(tables)
    if hidden:
        raise TargetError(
            f"Policies may hide rows from this role, so what is left cannot be told: {', '.join(hidden)}. "
            "Connect as the owner of the tables, or as a role with BYPASSRLS. Nothing was changed."
        )


@dataclass(frozen=True)
class Marks:
    """The numbers that the run's rows bear; `following` is the one after all that others have committed by now."""

    record: UndoRecord
    following: int

    def on(self, alias: str) -> sql.Composable:
        """Whether the row `alias` is as the run left it."""
        numbers = "{" + ",".join(map(str, self.record.marks)) + "}"
        return sql.SQL("{}.xmin = ANY({}::xid[])").format(sql.Identifier(alias), sql.Literal(numbers))

    def since(self, alias: str) -> sql.Composable:
        """Whether somebody else has written the row `alias` since the run began."""
        between = number_between(sql.Identifier(alias, "xmin"), self.record.transaction, self.following)
        return sql.SQL("({} AND NOT {})").format(between, self.on(alias))


def by_oid(tables: Iterable[WrittenTable]) -> Mapping[int, WrittenTable]:
    """The tables by their own oids and by those below them."""
    return {oid: table for table in tables for oid in (table.oid, *table.below)}
