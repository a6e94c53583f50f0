"""What a sync overwrote: rows that it updated get their old values again, rows that it deleted come back.

The old rows are staged as texts, PostgreSQL's own, in a temporary table for each table. What does not fit at once (a
parent or a unique value that another row brings, or still has) is tried again when the others had their turn.
"""

import contextlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2 import sql

from etl.target.session import Session, concerns_one_row, first_line
from etl.undoing.written import Column, Marks, WrittenTable

UPDATED, DELETED = "updated", "deleted"
_STAGED_BYTES = 2**22
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}

# Unique keys that no foreign key leads to, whose definition says all there is to say of them.
_UNIQUES = """
SELECT x.conname, pg_get_constraintdef(x.oid) FROM pg_constraint x
WHERE x.conrelid = {oid} AND x.contype = 'u' AND obj_description(x.oid, 'pg_constraint') IS NULL
    AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = x.conindid)
"""
_UNIQUE_INDEXES = """
SELECT n.nspname, c.relname, pg_get_indexdef(c.oid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = {oid} AND i.indisunique AND NOT i.indisclustered AND NOT i.indisreplident AND c.reltablespace = 0
    AND obj_description(c.oid, 'pg_class') IS NULL
    AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.conindid = c.oid)
"""


class OldRows:
    """The old rows of one table, staged; without `lines` there are none, as after a load.

    `again`: an undo has put rows back before; those without a key then are not put back a second time.
    """

    def __init__(
        self, session: Session, table: WrittenTable, marks: Marks, lines: Iterable[Mapping[str, Any]], *, again: bool
    ) -> None:
        self.session = session
        self.table = table
        self.marks = marks
        self._said: dict[int, str] = {}  # what the server says against a row
        rows = iter(lines)
        first = next(rows, None)
        self.known = first is not None
        names = first["row"].keys() if first else ()
        self.columns = tuple(column for column in table.columns if column.name in names and not column.generated)
        # Staged under names that no column of the table can meet: c0, c1 and so on.
        self._places = {column.name: sql.Identifier("o", f"c{place}") for place, column in enumerate(self.columns)}
        if first is not None:
            self._create()
            self._fill(line for part in ((first,), rows) for line in part)
            self._forget_those_that_are_back(again=again)

    def _create(self) -> None:
        texts = sql.SQL("").join(sql.SQL(", {} text").format(sql.Identifier(f"c{n}")) for n in range(len(self.columns)))
        statement = "CREATE TEMP TABLE {} (etl_n bigint, etl_change text, etl_done boolean{}) ON COMMIT DROP"
        self.session.run(sql.SQL(statement).format(sql.Identifier(self._name), texts))

    @property
    def _name(self) -> str:
        return f"etl_old_{self.table.oid}"

    @property
    def _staged(self) -> sql.Identifier:
        return sql.Identifier("pg_temp", self._name)

    def _fill(self, lines: Iterator[Mapping[str, Any]]) -> None:
        names = [column.name for column in self.columns]
        data = io.BytesIO()
        for number, line in enumerate(lines):
            values = [str(number), line["change"], "f", *(line["row"].get(name) for name in names)]
            data.write(("\t".join(map(_copied, values)) + "\n").encode())
            if data.tell() > _STAGED_BYTES:
                self._copy(data)
                data = io.BytesIO()
        self._copy(data)
        self.session.run(sql.SQL("ANALYZE {}").format(self._staged))

    def _copy(self, data: io.BytesIO) -> None:
        data.seek(0)
        self.session.copy_in(sql.SQL("COPY {} FROM STDIN").format(self._staged), data)

    def _forget_those_that_are_back(self, *, again: bool) -> None:
        """Rows that are as before already, after an earlier undo or by somebody's own doing."""
        if self.table.key:
            self._run(
                "UPDATE {old} o SET etl_done = true FROM {table} r WHERE {key} AND NOT {marked} AND {same}",
                same=sql.SQL(" AND ").join(
                    sql.SQL("r.{}::text IS NOT DISTINCT FROM {}").format(sql.Identifier(name), place)
                    for name, place in self._places.items()
                ),
            )
        elif again:
            self._run("UPDATE {old} SET etl_done = true WHERE etl_change = 'deleted'")

    def count(self, change: str, *, done: bool) -> int:
        """Rows that were updated or deleted, and are back or not."""
        if not self.known:
            return 0
        query = "SELECT count(*) FROM {} WHERE etl_change = {} AND etl_done = {}"
        return int(self.session.value(sql.SQL(query).format(self._staged, sql.Literal(change), sql.Literal(done))))

    @property
    def waiting(self) -> bool:
        """Whether any row is not back yet."""
        return any(self.count(change, done=False) for change in (UPDATED, DELETED))

    def goes(self, alias: str) -> sql.Composable:
        """Whether the row of an alias was inserted by the run, and neither updated nor written since."""
        marked = self.marks.on(alias)
        if not self.known or not self.table.key:
            return marked
        updated = sql.SQL("EXISTS (SELECT FROM {} o WHERE o.etl_change = 'updated' AND {})")
        return sql.SQL("({} AND NOT {})").format(marked, updated.format(self._staged, self._key(alias)))

    def restorable(self) -> int:
        """Updated rows that are as the run left them."""
        if not self.known:
            return 0
        return int(
            self.session.value(
                self._query(
                    "SELECT count(*) FROM {old} o JOIN {table} r ON {key} "
                    "WHERE o.etl_change = 'updated' AND NOT o.etl_done AND {marked}"
                )
            )
        )

    def changed_since(self) -> sql.Composable:
        """Which rows (called r) the run had updated, and somebody else has written since."""
        if not self.known:
            return sql.SQL("false")
        return self._query(
            "EXISTS (SELECT FROM {old} o WHERE o.etl_change = 'updated' AND NOT o.etl_done AND {key}) AND NOT {marked}"
        )

    def put_back(self) -> int:
        """Inserts those deleted rows that fit by now; returns how many."""
        if not self.known:
            return 0
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in self.columns)
        return self._all_or_singly(
            DELETED,
            "WITH took AS (UPDATE {old} o SET etl_done = true WHERE o.etl_change = 'deleted' AND NOT o.etl_done "
            "AND {which} RETURNING o.*) "
            "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM took o",
            names=names,
            values=sql.SQL(", ").join(map(self._old, self.columns)),
        )

    def restore(self) -> int:
        """Gives those updated rows their old values that fit by now and are as the run left them; returns how many."""
        settable = [
            column for column in self.columns if column.name not in self.table.key and not column.identity_always
        ]
        if not self.known or not self.table.key or not settable:
            return 0
        return self._all_or_singly(
            UPDATED,
            "WITH took AS (UPDATE {table} r SET {values} FROM {old} o WHERE o.etl_change = 'updated' "
            "AND NOT o.etl_done AND {key} AND {marked} AND {which} RETURNING o.etl_n) "
            "UPDATE {old} SET etl_done = true WHERE etl_n IN (SELECT etl_n FROM took)",
            values=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(column.name), self._old(column)) for column in settable
            ),
        )

    def left(self) -> Iterator[tuple[str, Mapping[str, str | None], str]]:
        """Rows that are not back and could not be: the change, the old row, and what the server says against it.

        Updated rows that were changed or deleted since are not among them.
        """
        if not self.known:
            return
        waiting = self._query(
            "SELECT o.etl_n, o.etl_change, {values} FROM {old} o WHERE NOT o.etl_done AND (o.etl_change = 'deleted' "
            "OR {keyless} OR EXISTS (SELECT FROM {table} r WHERE {key} AND {marked})) ORDER BY 1",
            keyless=sql.Literal(not self.table.key),
            values=sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join(self._places.values())),
        )
        for number, change, values in self.session.rows(waiting):
            row = dict(zip([column.name for column in self.columns], values, strict=True))
            yield change, row, self._said.get(number, "")

    def _all_or_singly(self, change: str, statement: str, **parts: sql.Composable) -> int:
        """In one statement where all fit, else with the unique keys made again behind it, else one by one."""
        waiting = self.count(change, done=False)
        if not waiting:
            return 0
        whole = self._query(statement, which=sql.SQL("true"), **parts)
        try:
            with self.session.savepoint():
                return self.session.run(whole)
        except psycopg2.Error as error:
            if not concerns_one_row(error):
                raise
        with contextlib.suppress(psycopg2.Error), self.session.savepoint(), _without_uniques(self.session, self.table):
            return self.session.run(whole)
        return sum(self._singly(number, statement, **parts) for number in self._waiting(change))

    def _waiting(self, change: str) -> list[int]:
        query = "SELECT etl_n FROM {} WHERE etl_change = {} AND NOT etl_done ORDER BY 1"
        return [n for (n,) in self.session.rows(sql.SQL(query).format(self._staged, sql.Literal(change)))]

    def _singly(self, number: int, statement: str, **parts: sql.Composable) -> int:
        try:
            with self.session.savepoint():
                one = sql.SQL("o.etl_n = {}").format(sql.Literal(number))
                return self.session.run(self._query(statement, which=one, **parts))
        except psycopg2.Error as error:
            if not concerns_one_row(error):
                raise
            self._said[number] = first_line(error)
            return 0

    def _run(self, statement: str, **parts: sql.Composable) -> int:
        return self.session.run(self._query(statement, **parts))

    def _query(self, statement: str, **parts: sql.Composable) -> sql.Composable:
        return sql.SQL(statement).format(
            old=self._staged,
            table=self.table.identifier,
            key=self._key("r") if self.table.key else sql.SQL("false"),
            marked=self.marks.on("r"),
            **parts,
        )

    def _key(self, alias: str) -> sql.Composable:
        types = {column.name: column.type for column in self.table.columns}
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}::{}").format(sql.Identifier(alias, name), self._places[name], sql.SQL(types[name]))
            for name in self.table.key
        )

    def _old(self, column: Column) -> sql.Composable:
        return sql.SQL("{}::{}").format(self._places[column.name], sql.SQL(column.type))


def _copied(value: str | None) -> str:
    """A value as COPY's text format has it."""
    return "\\N" if value is None else _SPECIAL.sub(lambda found: _ESCAPES[found[0]], value)


@contextlib.contextmanager
def _without_uniques(session: Session, table: WrittenTable) -> Iterator[None]:
    """Inside, the table lacks unique keys: values may change places. Making them again fails where two are equal."""
    oid = sql.Literal(table.oid)
    constraints = session.rows(sql.SQL(_UNIQUES).format(oid=oid))
    indexes = session.rows(sql.SQL(_UNIQUE_INDEXES).format(oid=oid))
    for name, _ in constraints:
        session.run(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table.identifier, sql.Identifier(name)))
    for schema, name, _ in indexes:
        session.run(sql.SQL("DROP INDEX {}").format(sql.Identifier(schema, name)))
    yield
    for name, definition in constraints:
        session.run(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                table.identifier, sql.Identifier(name), sql.SQL(definition)
            )
        )
    for *_, definition in indexes:
        session.run(sql.SQL(definition))
