"""What SQL can count in the source: sizes, storage classes, distinct values, lengths, orphans; nothing is converted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from etl.core.redaction import shown
from etl.core.source_tables import SourceColumn, SourceTable, quoted
from etl.core.values import StorageValue
from etl.schema import unified as schema
from etl.source.database import Source

DISTINCT_ROWS = 1_000_000  # counting distinct values sorts them: about a second for each column of so many rows
COLUMNS_PER_QUERY = 50  # SQLite gives back 2,000 columns at most
STORAGE_CLASSES = ("integer", "real", "text", "blob", "null")

_PAGES = (
    "SELECT s.tbl_name, s.type, CAST(sum(d.pgsize) AS INTEGER) "
    "FROM dbstat AS d JOIN sqlite_schema AS s ON s.name = d.name WHERE d.aggregate = TRUE GROUP BY 1, 2"
)

Sizes = Mapping[str, tuple[int, int | None]]


@dataclass(frozen=True)
class StoredColumn:
    """What a column stores: `classes` are the rows of each of STORAGE_CLASSES.

    Lengths are those of texts (in characters, up to a NUL) and BLOBs (in bytes); None where there are none.
    """

    name: str
    declared_type: str
    classes: tuple[int, ...]
    distinct: int | None
    shortest: int | None
    longest: int | None


def stored_columns(source: Source, table: SourceTable) -> list[StoredColumn]:
    """One pass over the table for every 50 columns."""
    return [
        column
        for start in range(0, len(table.columns), COLUMNS_PER_QUERY)
        for column in _stored(source, table, table.columns[start : start + COLUMNS_PER_QUERY])
    ]


def _stored(source: Source, table: SourceTable, columns: Sequence[SourceColumn]) -> Iterator[StoredColumn]:
    counted = table.row_count <= DISTINCT_ROWS
    facts = ", ".join(fact for column in columns for fact in _facts(quoted(column.name), counted))
    (row,) = source.query(f"SELECT {facts} FROM main.{quoted(table.name)} NOT INDEXED")
    numbers = iter(value if isinstance(value, int) else None for value in row)
    for column in columns:
        classes = tuple(next(numbers) or 0 for _ in STORAGE_CLASSES)
        yield StoredColumn(column.name, column.declared_type, classes, next(numbers), next(numbers), next(numbers))


def _facts(column: str, counted: bool) -> Iterator[str]:
    for storage in STORAGE_CLASSES:
        yield f"count(*) FILTER (WHERE typeof({column}) = '{storage}')"
    # A column may be declared to compare without regard to case.
    yield f"count(DISTINCT {column} COLLATE BINARY)" if counted else "NULL"
    for bound in ("min", "max"):
        yield f"{bound}(length({column})) FILTER (WHERE typeof({column}) IN ('text', 'blob'))"


def measure_sizes(source: Source, tables: Sequence[SourceTable]) -> tuple[Sizes, str]:
    """Bytes of each table and of its indexes, and where they are from: "dbstat", else "lengths" (indexes unknown)."""
    with source.fast.cursor() as cursor:
        try:
            cursor.execute(_PAGES)
            pages = {(name, kind): int(size) for name, kind, size in cursor.fetchall()}
        except (OSError, source.fast.Error):  # an SQLite that was built without it
            return {table.name: (_length(source, table), None) for table in tables}, "lengths"
    return {t.name: (pages.get((t.name, "table"), 0), pages.get((t.name, "index"), 0)) for t in tables}, "dbstat"


def _length(source: Source, table: SourceTable) -> int:
    lengths = " + ".join(f"coalesce(length(CAST({quoted(name)} AS BLOB)), 0)" for name in table.column_names)
    ((total,),) = source.query(f"SELECT sum({lengths}) FROM main.{quoted(table.name)} NOT INDEXED")
    return total if isinstance(total, int) else 0


# -- orphans ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reference:
    """A foreign key, by the names that the source is asked for."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


def find_orphans(source: Source, table: SourceTable) -> Iterator[tuple[str, str, str, str, int, int, str]]:
    """For each foreign key: table, column, parent, its column, rows that refer to a parent, orphans, some missing keys.

    A parent table that the source lacks has no rows: all are orphans, unless the target has them.
    """
    for key in references_of(source, table):
        child = f"main.{quoted(table.name)}"
        filled = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in key.columns)
        lost = f"{filled} AND {_is_orphan(source, key)}"
        ((rows,),) = source.query(f"SELECT count(*) FROM {child} WHERE {filled}")
        ((orphans,),) = source.query(f"SELECT count(*) FROM {child} WHERE {lost}")
        names = ", ".join(map(quoted, key.columns))
        examples = source.query(f"SELECT DISTINCT {names} FROM {child} WHERE {lost} ORDER BY {names} LIMIT 3")
        yield (
            table.name,
            ", ".join(key.columns),
            key.parent,
            ", ".join(key.parent_columns),
            _whole(rows),
            _whole(orphans),
            ", ".join(_key_text(key, values) for values in examples),
        )


def _whole(value: StorageValue) -> int:
    return value if isinstance(value, int) else 0


def _key_text(key: Reference, values: Sequence[StorageValue]) -> str:
    return " + ".join(shown(value, column=column) for column, value in zip(key.columns, values, strict=True))


def _is_orphan(source: Source, key: Reference) -> str:
    parent = source.tables.get(key.parent)
    present = {name.lower() for name in parent.column_names} if parent else set()
    if not present.issuperset(name.lower() for name in key.parent_columns):
        return "TRUE"
    child = ", ".join(f"{quoted(name)} COLLATE BINARY" for name in key.columns)
    names = ", ".join(map(quoted, key.parent_columns))
    filled = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in key.parent_columns)
    # NOT IN is answered from a list that is made once; NOT EXISTS searches anew where the parent has no index.
    return f"({child}) NOT IN (SELECT {names} FROM main.{quoted(key.parent)} WHERE {filled})"


def references_of(source: Source, table: SourceTable) -> list[Reference]:
    """The application's foreign keys for its own tables, else those that the source declares itself."""
    known = schema.metadata.tables.get(table.name)
    if known is None:
        return _declared(source, table)
    keys = (
        Reference(
            tuple(column.name for column in key.columns),
            key.referred_table.name,
            tuple(element.column.name for element in key.elements),
        )
        for key in known.foreign_key_constraints
    )
    present = set(table.column_names)
    return sorted((key for key in keys if present.issuperset(key.columns)), key=lambda key: key.columns)


def _declared(source: Source, table: SourceTable) -> list[Reference]:
    rows = source.query(f"PRAGMA main.foreign_key_list({quoted(table.name)})")
    keys: dict[StorageValue, list[tuple[str, str, str | None]]] = {}
    for number, _, parent, column, parent_column, *_ in sorted(rows, key=lambda row: row[:2]):
        name = None if parent_column is None else str(parent_column)
        keys.setdefault(number, []).append((str(parent), str(column), name))
    return [_reference(source, key) for key in keys.values()]


def _reference(source: Source, parts: Sequence[tuple[str, str, str | None]]) -> Reference:
    """A key that names no columns of its parent means the parent's primary key."""
    parent = _spelled(source, parts[0][0])
    named = tuple(name for _, _, name in parts if name is not None)
    return Reference(tuple(column for _, column, _ in parts), parent, named or _primary_key(source, parent))


def _spelled(source: Source, name: str) -> str:
    return next((table for table in source.tables if table.lower() == name.lower()), name)


def _primary_key(source: Source, table: str) -> tuple[str, ...]:
    columns = source.tables[table].columns if table in source.tables else ()
    key = sorted((column.key_position, column.name) for column in columns if column.key_position)
    return tuple(name for _, name in key)
