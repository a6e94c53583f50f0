"""What the user has decided about created tables: types by their SQL, names, and columns that are left out."""

import re
from collections.abc import Collection
from dataclasses import replace

from etl.core.source_catalog import CatalogTable
from etl.core.types import Kind, TargetType, named_type

_SPELLED = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_ ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*")
# PostgreSQL's other names for its own types (PostgreSQL documentation, table 8.1).
_ALIASES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "decimal": "numeric",
    "varchar": "character varying",
    "char": "character",
    "varbit": "bit varying",
}
_CHARACTERS = ("character varying", "character")


def said_type(text: str) -> TargetType:
    """The type behind its SQL, such as "numeric(12,2)"; what is not known here only the server can judge.

    :param text: as CREATE TABLE takes it.
    """
    found = _SPELLED.fullmatch(text)
    if found is None:
        return TargetType(Kind.OTHER, text)
    word = " ".join(found[1].lower().split())
    name = _ALIASES.get(word, word)
    first, second = (None if part is None else int(part) for part in found.groups()[1:])
    if name in _CHARACTERS:
        return TargetType(Kind.TEXT, text, length=first, padded=name == "character")
    base = named_type(name)
    if base.kind is Kind.NUMERIC and first is not None:
        return TargetType(Kind.NUMERIC, text, precision=first, scale=second or 0)
    if base.kind in (Kind.BIT, Kind.VARBIT):
        return TargetType(base.kind, text, length=first)
    return replace(base, sql=text, precision=first)


def without_columns(table: CatalogTable, left_out: Collection[str]) -> CatalogTable:
    """The table without columns, and without the keys and indexes that need them."""

    def complete(names: Collection[str | None]) -> bool:
        return not any(name in left_out for name in names)

    keyed = complete(table.primary_key)
    columns = [column for column in table.columns if column.name not in left_out]
    return replace(
        table,
        columns=tuple(column if keyed else replace(column, key_position=0) for column in columns),
        indexes=tuple(
            index
            for index in table.indexes
            if complete([part.column for part in index.parts]) and (keyed or index.origin != "pk")
        ),
        foreign_keys=tuple(key for key in table.foreign_keys if complete(key.columns)),
    )
