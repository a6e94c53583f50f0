"""What SQLite's catalogue says of a database's structure: keys, indexes, defaults, views and triggers, as data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CatalogColumn:
    """A column as declared. `generated`: SQLite computes it; `default` is SQL."""

    name: str
    declared: str
    not_null: bool
    key_position: int
    default: str | None
    generated: bool


@dataclass(frozen=True)
class IndexPart:
    """What an index is ordered by: a column, or an expression (`column` None)."""

    column: str | None
    descending: bool
    collation: str


@dataclass(frozen=True)
class CatalogIndex:
    """An index. `origin`: "pk", "u" (a UNIQUE constraint) or "c" (CREATE INDEX); `sql` is None for the first two."""

    name: str
    unique: bool
    origin: str
    partial: bool
    parts: tuple[IndexPart, ...]
    sql: str | None

    @property
    def has_expressions(self) -> bool:
        """Whether it is ordered by an expression, or has a condition."""
        return self.partial or any(part.column is None for part in self.parts)


@dataclass(frozen=True)
class CatalogForeignKey:
    """A foreign key; `parent_columns` is empty where the parent's primary key is meant."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_update: str
    on_delete: str


@dataclass(frozen=True)
class CatalogTable:
    """An ordinary table; foreign keys are in the order of their declaration. `sql` is its CREATE TABLE.

    `leading` is a column that the product has put in front of every key, to tell the files of a fleet apart.
    """

    name: str
    columns: tuple[CatalogColumn, ...]
    indexes: tuple[CatalogIndex, ...]
    foreign_keys: tuple[CatalogForeignKey, ...]
    without_rowid: bool
    sql: str
    leading: str = ""

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The primary key's columns in its order."""
        keyed = sorted((column for column in self.columns if column.key_position), key=lambda one: one.key_position)
        return tuple(column.name for column in keyed)

    @property
    def rowid_alias(self) -> str | None:
        """The column that is the rowid: the one INTEGER in a primary key that needs no index of its own."""
        own = [name for name in self.primary_key if name != self.leading]
        if self.without_rowid or len(own) != 1 or any(index.origin == "pk" for index in self.indexes):
            return None
        (name,) = own
        return next(column.name for column in self.columns if column.name == name)


@dataclass(frozen=True)
class CatalogObject:
    """A view or a trigger (of the table `table`), with the statement that makes it."""

    name: str
    table: str
    sql: str


@dataclass(frozen=True)
class SourceCatalog:
    """A database's structure, by table name; virtual tables by their CREATE statements."""

    tables: Mapping[str, CatalogTable]
    views: tuple[CatalogObject, ...]
    triggers: tuple[CatalogObject, ...]
    virtual_tables: tuple[CatalogObject, ...]
