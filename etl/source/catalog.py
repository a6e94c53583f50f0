"""Reads the structure of a SQLite database from its own PRAGMAs; texts of statements are handed on as they are."""

from etl.core.source_catalog import (
    CatalogColumn,
    CatalogForeignKey,
    CatalogIndex,
    CatalogObject,
    CatalogTable,
    IndexPart,
    SourceCatalog,
)
from etl.core.source_tables import quoted
from etl.core.values import StorageValue, UndecodableText
from etl.source.database import Source

_GENERATED = (2, 3)  # PRAGMA table_xinfo's "hidden": computed when read, computed when written
Statements = dict[tuple[str, str], CatalogObject]  # by type and name
_ROWID, _EXPRESSION = -1, -2  # PRAGMA index_xinfo's "cid" where no plain column is indexed


def read_source_catalog(source: Source) -> SourceCatalog:
    """The structure of all ordinary tables, the views, the triggers, and the statements of virtual tables.

    :param source: an open source.
    :raises SourceError: where the catalogue cannot be read.
    """
    listed = source.query("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' ORDER BY name")
    statements = _statements(source)
    tables = {
        name: _table(source, name, bool(without_rowid), statements)
        for name, kind, without_rowid in ((_text(row[0]), row[1], row[2]) for row in listed)
        if kind == "table" and not name.startswith("sqlite_")
    }
    virtual = [_text(name) for name, kind, _ in listed if kind == "virtual"]
    return SourceCatalog(
        tables=tables,
        views=tuple(found for (kind, _), found in statements.items() if kind == "view"),
        triggers=tuple(found for (kind, _), found in statements.items() if kind == "trigger"),
        virtual_tables=tuple(statements["table", name] for name in virtual),
    )


def _statements(source: Source) -> Statements:
    rows = source.query("SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL")
    return {
        (_text(kind), _text(name)): CatalogObject(_text(name), _text(table), _text(sql))
        for kind, name, table, sql in rows
    }


def _table(source: Source, name: str, without_rowid: bool, statements: Statements) -> CatalogTable:
    columns = tuple(
        CatalogColumn(
            name=_text(column),
            declared=_text(declared),
            not_null=bool(not_null),
            key_position=_number(key),
            default=None if default is None else _text(default),
            generated=hidden in _GENERATED,
        )
        for _, column, declared, not_null, default, key, hidden in source.query(
            f"PRAGMA main.table_xinfo({quoted(name)})"
        )
        if hidden != 1
    )
    return CatalogTable(
        name=name,
        columns=columns,
        indexes=_indexes(source, name, statements, next((one.name for one in columns if one.key_position), None)),
        foreign_keys=_foreign_keys(source, name),
        without_rowid=without_rowid,
        sql=statements["table", name].sql,
    )


def _indexes(source: Source, table: str, statements: Statements, rowid: str | None) -> tuple[CatalogIndex, ...]:
    """`rowid`: the column that is the rowid, if any is."""
    found = []
    for _, name, unique, origin, partial in source.query(f"PRAGMA main.index_list({quoted(table)})"):
        parts = source.query(f"PRAGMA main.index_xinfo({quoted(_text(name))})")
        found.append(
            CatalogIndex(
                name=_text(name),
                unique=bool(unique),
                origin=_text(origin),
                partial=bool(partial),
                parts=tuple(
                    IndexPart(_part(cid, column, rowid), bool(descending), _text(collation))
                    for _, cid, column, descending, collation, key in parts
                    if key
                ),
                sql=statements["index", _text(name)].sql if ("index", _text(name)) in statements else None,
            )
        )
    return tuple(sorted(found, key=lambda index: index.name))


def _part(cid: StorageValue, column: StorageValue, rowid: str | None) -> str | None:
    if cid == _ROWID:
        return rowid
    return None if cid == _EXPRESSION else _text(column)


def _foreign_keys(source: Source, table: str) -> tuple[CatalogForeignKey, ...]:
    """SQLite lists the last one first."""
    rows = source.query(f"PRAGMA main.foreign_key_list({quoted(table)})")
    keys: dict[int, list[tuple[StorageValue, ...]]] = {}
    for row in rows:
        keys.setdefault(_number(row[0]), []).append(row)
    return tuple(
        CatalogForeignKey(
            columns=tuple(_text(row[3]) for row in parts),
            parent=_text(parts[0][2]),
            parent_columns=tuple(_text(row[4]) for row in parts if row[4] is not None),
            on_update=_text(parts[0][5]),
            on_delete=_text(parts[0][6]),
        )
        for _, parts in sorted(keys.items(), reverse=True)
    )


def _text(value: StorageValue) -> str:
    return value.decode(errors="replace") if isinstance(value, UndecodableText) else str(value)


def _number(value: StorageValue) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value
