"""A column in front of every key: it tells the files of a fleet apart, whose keys are unique in each file alone."""

from dataclasses import replace

from etl.core.source_catalog import CatalogForeignKey, CatalogIndex, CatalogTable, IndexPart


def with_leading(table: CatalogTable, column: str) -> CatalogTable:
    """The table with `column`, which it has, in front of the others and of every primary, unique and foreign key."""
    lead = next(one for one in table.columns if one.name == column)
    keyed = bool(table.primary_key)
    others = [
        replace(one, key_position=one.key_position + 1) if one.key_position else one
        for one in table.columns
        if one.name != column
    ]
    return replace(
        table,
        columns=(replace(lead, key_position=int(keyed), default=None), *others),
        indexes=tuple(_index(index, column) for index in table.indexes),
        foreign_keys=tuple(_foreign_key(key, column) for key in table.foreign_keys),
        leading=column,
    )


def _index(index: CatalogIndex, column: str) -> CatalogIndex:
    """Indexes with expressions get the column where their SQL is made: their parts are counted by their text."""
    if not index.unique or index.has_expressions:
        return index
    return replace(index, parts=(IndexPart(column, False, "BINARY"), *index.parts))


def _foreign_key(key: CatalogForeignKey, column: str) -> CatalogForeignKey:
    """Without names of its own the key means the parent's primary key, which has the column, too."""
    parents = (column, *key.parent_columns) if key.parent_columns else ()
    return replace(key, columns=(column, *key.columns), parent_columns=parents)
