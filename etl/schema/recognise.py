"""Tells whether a database is the one whose 20 tables are described: by all of it, never by one table's name."""

from collections.abc import Collection, Mapping

from etl.schema.unified import TABLE_NAMES, metadata

LEAST_TABLES = len(TABLE_NAMES) // 2
LEAST_SHARE = 0.8  # of a table's described columns: older and newer versions of the application differ in a few


def is_unified(tables: Mapping[str, Collection[str]]) -> bool:
    """Whether `tables` (column names by table) are most of the 20 tables, each with most of its columns.

    Another application may well have a table `users`, with columns of its own.
    """
    alike = [name for name in TABLE_NAMES if name in tables and _is_alike(name, tables[name])]
    return len(alike) >= LEAST_TABLES


def is_part_of(table: str, columns: Collection[str]) -> bool:
    """Whether columns, of a frame say, are those of one of the 20 tables, or some of them.

    There is nothing but the columns to go by: another application's table of that name has others.
    """
    if table not in metadata.tables:
        return False
    described = {column.name for column in metadata.tables[table].columns}
    return len(described & set(columns)) >= LEAST_SHARE * len(columns)


def _is_alike(name: str, columns: Collection[str]) -> bool:
    described = {column.name for column in metadata.tables[name].columns}
    return len(described & set(columns)) >= LEAST_SHARE * len(described)
