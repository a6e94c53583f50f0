"""What the source declares, by SQLite's PRAGMAs; only expressions and names of constraints are read from texts."""

from collections.abc import Iterator, Sequence
from typing import Any

from etl.core.errors import SourceError
from etl.core.source_catalog import (
    CatalogCheck,
    CatalogColumn,
    CatalogForeignKey,
    CatalogIndex,
    CatalogObject,
    CatalogTable,
    CatalogVirtualTable,
    IndexPart,
    SourceCatalog,
    fold_ascii,
)
from etl.core.source_tables import quoted
from etl.core.values import UndecodableText
from etl.source.database import Source
from etl.source.declarations import Declaration, DeclaredReference, IndexDeclaration, read_index, read_table

_HIDDEN, _VIRTUAL, _STORED = 1, 2, 3  # table_xinfo: of a virtual table; generated


def read_source_catalog(source: Source) -> SourceCatalog:
    """Everything that the source declares but SQLite's own tables. Raises `SourceError` where it cannot be read."""
    return _Reader(source).read()


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._sql: dict[tuple[str, str], str] = {}

    def read(self) -> SourceCatalog:
        schema = self._rows("SELECT type, name, tbl_name, sql FROM main.sqlite_schema ORDER BY tbl_name, name")
        self._sql = {(kind, name): sql or "" for kind, name, _, sql in schema}
        listed = sorted(self._rows("PRAGMA main.table_list"), key=lambda row: row[1])
        shadows = [row[1] for row in listed if row[2] == "shadow"]
        return SourceCatalog(
            tuple(
                self._table(name, bool(without_rowid), bool(strict))
                for _, name, kind, _, without_rowid, strict in listed
                if kind == "table" and not name.startswith("sqlite_")
            ),
            tuple(CatalogObject(name, name, sql) for kind, name, _, sql in schema if kind == "view"),
            tuple(CatalogObject(name, table, sql) for kind, name, table, sql in schema if kind == "trigger"),
            tuple(
                CatalogVirtualTable(row[1], self._sql["table", row[1]], _of(row[1], shadows))
                for row in listed
                if row[2] == "virtual"
            ),
        )

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        rows = self._source.query(query)
        if any(isinstance(value, UndecodableText) for row in rows for value in row):
            raise SourceError(f"{self._source.path}: its schema holds a name or text that is not valid UTF-8.")
        return rows

    def _table(self, name: str, without_rowid: bool, strict: bool) -> CatalogTable:
        sql = self._sql["table", name]
        said = read_table(sql)
        columns = tuple(self._columns(name, said))
        key = tuple(c.name for c in sorted(columns, key=lambda c: c.key_position) if c.key_position)
        indexes = self._rows(f"PRAGMA main.index_list({quoted(name)})")
        key_index = next((row[1] for row in indexes if row[3] == "pk"), None)
        alias = _rowid_alias(columns, key, has_index=key_index is not None or without_rowid)
        return CatalogTable(
            name,
            sql,
            columns,
            without_rowid,
            strict,
            alias,
            said.autoincrement,
            key,
            said.primary_key.name if said.primary_key else None,
            tuple(part.collation for part in self._parts(key_index, None)) if key_index else (),
            tuple(sorted(self._indexes(indexes, said), key=lambda index: (index.sql is not None, index.name or ""))),
            tuple(self._foreign_keys(name, said.references)),
            tuple(CatalogCheck(*check) for check in said.checks),
        )

    def _columns(self, table: str, said: Declaration) -> Iterator[CatalogColumn]:
        for _, name, declared, not_null, default, key, hidden in self._rows(
            f"PRAGMA main.table_xinfo({quoted(table)})"
        ):
            folded = name.lower()
            generated = said.generated.get(folded) if hidden in (_VIRTUAL, _STORED) else None
            if hidden != _HIDDEN:
                collation = said.collations.get(folded, "BINARY").upper()
                yield CatalogColumn(name, declared, bool(not_null), key, default, generated, collation)

    def _indexes(self, listed: Sequence[tuple[Any, ...]], said: Declaration) -> Iterator[CatalogIndex]:
        for _, name, unique, origin, _partial in listed:
            if origin == "pk":
                continue
            sql = self._sql["index", name]
            text = read_index(sql) if sql else None
            parts = self._parts(name, text)
            named = name if text else _name_of_unique(parts, said)
            yield CatalogIndex(named, bool(unique), parts, text.where if text else None, sql or None)

    def _parts(self, index: str, text: IndexDeclaration | None) -> tuple[IndexPart, ...]:
        rows = [row for row in self._rows(f"PRAGMA main.index_xinfo({quoted(index)})") if row[5]]
        texts = text.parts if text else [None] * len(rows)
        return tuple(
            IndexPart(column, None if column is not None else written, bool(descending), collation.upper())
            for (_, _, column, descending, collation, _), written in zip(rows, texts, strict=True)
        )

    def _foreign_keys(self, table: str, said: Sequence[DeclaredReference]) -> Iterator[CatalogForeignKey]:
        """In the order of the declaration; the PRAGMA has the last one first."""
        rows = self._rows(f"PRAGMA main.foreign_key_list({quoted(table)})")
        numbers = sorted({row[0] for row in rows}, reverse=True)
        texts = said if len(said) == len(numbers) else [DeclaredReference(None, "")] * len(numbers)
        for number, text in zip(numbers, texts, strict=True):
            mine = sorted((row for row in rows if row[0] == number), key=lambda row: row[1])
            _, _, parent, _, _, on_update, on_delete, _ = mine[0]
            yield CatalogForeignKey(
                text.name,
                tuple(row[3] for row in mine),
                parent,
                tuple(row[4] for row in mine) if mine[0][4] is not None else self._key_of(parent),
                on_update,
                on_delete,
                text.deferrable,
            )

    def _key_of(self, table: str) -> tuple[str, ...]:
        """The primary key of a parent that the declaration names without columns; none where there is no such table."""
        rows = [row for row in self._rows(f"PRAGMA main.table_xinfo({quoted(table)})") if row[5]]
        return tuple(row[1] for row in sorted(rows, key=lambda row: row[5]))


def _rowid_alias(columns: Sequence[CatalogColumn], key: Sequence[str], *, has_index: bool) -> str | None:
    if len(key) != 1 or has_index:
        return None
    (column,) = (column for column in columns if column.name == key[0])
    return column.name if fold_ascii(column.declared) == "integer" else None


def _name_of_unique(parts: Sequence[IndexPart], said: Declaration) -> str | None:
    columns = [fold_ascii(part.column or "") for part in parts]
    return next((key.name for key in said.uniques if list(map(fold_ascii, key.columns)) == columns), None)


def _of(name: str, shadows: Sequence[str]) -> tuple[str, ...]:
    return tuple(shadow for shadow in shadows if shadow.startswith(f"{name}_"))
