"""Tables, views and columns that the run created: dropped where they are empty, unchanged and unused."""

from collections.abc import Collection, Iterator, Sequence

import psycopg2
from psycopg2 import sql

from etl.core.undo_record import Created, CreatedKind
from etl.core.undo_report import ThingUndone
from etl.target.definitions import definitions
from etl.target.session import Session, first_line

_FOUND = """
SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY({oids}::oid[])
"""
_HAS_COLUMN = "SELECT FROM pg_attribute WHERE attrelid = {oid} AND attname = {column} AND NOT attisdropped"
_DROPPED = "dropped"


class CreatedThings:
    """What the run created and what is there of it."""

    def __init__(self, session: Session, created: Sequence[Created]) -> None:
        self._session = session
        oids = sql.Literal([item.oid for item in created])
        self._names = {oid: (schema, name) for oid, schema, name in session.rows(sql.SQL(_FOUND).format(oids=oids))}
        self._created = [item for item in created if item.oid in self._names]
        self._digests = definitions(session, self._names)

    def drop_with_rows(self, tables: Collection[int]) -> list[ThingUndone] | None:
        """Drops everything at once, with the rows of the run in it, where `tables`, which hold these rows and nothing
        else, were all created by the run and nothing stands against that; else changes nothing and gives None."""
        views = [item for item in self._created if item.kind is CreatedKind.VIEW]
        created = [item for item in self._created if item.kind is CreatedKind.TABLE]
        whole = len(views) + len(created) == len(self._created) and {item.oid for item in created}.issuperset(tables)
        if not whole or any(self._in_the_way(item, 0 if item.oid in tables else None) for item in self._created):
            return None
        statements = [sql.SQL("DROP VIEW {} RESTRICT").format(self._names_of(views))] if views else []
        statements.append(sql.SQL("DROP TABLE {} RESTRICT").format(self._names_of(created)))
        if not created or self._attempt(*statements) is not None:
            return None
        return [ThingUndone(item.kind, self._shown(item), True, _DROPPED) for item in (*views, *created)]

    def drop(self) -> Iterator[ThingUndone]:
        """Drops what can go: views, then tables, then columns of other tables."""
        views = [item for item in self._created if item.kind is CreatedKind.VIEW]
        tables = [item for item in self._created if item.kind is CreatedKind.TABLE]
        yield from self._drop_all(views, "VIEW")
        yield from self._drop_all(tables, "TABLE")
        for item in self._created:
            if item.kind is CreatedKind.COLUMN and self._has_column(item):
                yield self._drop_column(item)

    def forecast(self, remaining: dict[int, int]) -> Iterator[ThingUndone]:
        """What `drop` would do, without asking what depends on it; `remaining` rows by the oid of a table."""
        for item in self._created:
            if item.kind is not CreatedKind.COLUMN:
                why = self._in_the_way(item, remaining.get(item.oid))
                yield ThingUndone(item.kind, self._shown(item), not why, why or "would be dropped")
            elif self._has_column(item):
                yield ThingUndone(item.kind, self._shown(item), True, "would be dropped, if it holds nothing by then")

    def _drop_all(self, items: Sequence[Created], word: str) -> Iterator[ThingUndone]:
        going = []
        for item in items:
            why = self._in_the_way(item, None)
            if why:
                yield ThingUndone(item.kind, self._shown(item), False, why)
            else:
                going.append(item)
        if going and self._try(word, going) is None:
            yield from (ThingUndone(item.kind, self._shown(item), True, _DROPPED) for item in going)
        else:
            yield from self._drop_singly(going, word)

    def _drop_singly(self, items: Sequence[Created], word: str) -> Iterator[ThingUndone]:
        """As far as it goes, whatever the order is in which they depend on each other."""
        waiting = list(items)
        said: dict[int, str] = {}
        progress = True
        while progress:
            progress = False
            for item in tuple(waiting):
                refused = self._try(word, [item])
                if refused is None:
                    waiting.remove(item)
                    progress = True
                    yield ThingUndone(item.kind, self._shown(item), True, _DROPPED)
                else:
                    said[item.oid] = refused
        for item in waiting:
            yield ThingUndone(item.kind, self._shown(item), False, f"left, PostgreSQL says: {said[item.oid]}")

    def _try(self, word: str, items: Sequence[Created]) -> str | None:
        """What the server says against it."""
        return self._attempt(sql.SQL("DROP {} {} RESTRICT").format(sql.SQL(word), self._names_of(items)))

    def _names_of(self, items: Sequence[Created]) -> sql.Composable:
        return sql.SQL(", ").join(sql.Identifier(*self._names[item.oid]) for item in items)

    def _attempt(self, *statements: sql.Composable) -> str | None:
        try:
            with self._session.savepoint():
                for statement in statements:
                    self._session.run(statement)
        except psycopg2.Error as error:
            return first_line(error)
        return None

    def _in_the_way(self, item: Created, remaining: int | None) -> str:
        """Why a table or view cannot go; "" where nothing is known to be in the way."""
        if self._digests[item.oid] != item.definition:
            return "left: its definition, its rights or what belongs to it was changed since"
        if item.kind is CreatedKind.VIEW:
            return ""
        if remaining is None:
            query = "SELECT EXISTS (SELECT FROM {})"
            remaining = int(self._session.value(sql.SQL(query).format(sql.Identifier(*self._names[item.oid]))))
        return "left, as it holds rows" if remaining else ""

    def _has_column(self, item: Created) -> bool:
        query = sql.SQL(_HAS_COLUMN).format(oid=sql.Literal(item.oid), column=sql.Literal(item.column))
        return bool(self._session.rows(query))

    def _drop_column(self, item: Created) -> ThingUndone:
        table, column = sql.Identifier(*self._names[item.oid]), sql.Identifier(item.column or "")
        filled = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} IS NOT NULL)").format(table, column)
        if self._session.value(filled):
            return ThingUndone(item.kind, self._shown(item), False, "left, as it holds values")
        refused = self._attempt(sql.SQL("ALTER TABLE {} DROP COLUMN {} RESTRICT").format(table, column))
        done = _DROPPED if refused is None else f"left, PostgreSQL says: {refused}"
        return ThingUndone(item.kind, self._shown(item), refused is None, done)

    def _shown(self, item: Created) -> str:
        return ".".join([*self._names[item.oid], *([item.column] if item.column else [])])
