"""What a SQLite database declares: tables with their keys and checks, indexes, views, triggers, virtual tables."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class CatalogColumn:
    """A column as it is declared.

    `key_position` is its 1-based place in the primary key, 0 where it is in none. `generated` is the expression of a
    generated column, between its parentheses. `default` is the text of the DEFAULT.
    """

    name: str
    declared: str
    not_null: bool = False
    key_position: int = 0
    default: str | None = None
    generated: str | None = None
    collation: str = "BINARY"


@dataclass(frozen=True)
class CatalogCheck:
    """A CHECK: its condition is what stands between the parentheses."""

    name: str | None
    condition: str


@dataclass(frozen=True)
class CatalogForeignKey:
    """A foreign key. `parent_columns` are those of the parent's primary key where the declaration names none.

    `on_update` and `on_delete` are SQLite's words ("NO ACTION", "CASCADE" …); `deferrable` is the declaration's own
    text, such as "DEFERRABLE INITIALLY DEFERRED", or ''.
    """

    name: str | None
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_update: str
    on_delete: str
    deferrable: str = ""

    @property
    def sql(self) -> str:
        """The key as SQLite would have it written."""
        child, parent = ", ".join(self.columns), ", ".join(self.parent_columns)
        rules = [f"ON {event} {rule}" for event, rule in (("UPDATE", self.on_update), ("DELETE", self.on_delete))]
        actions = [rule for rule in rules if not rule.endswith("NO ACTION")]
        written = [f"FOREIGN KEY ({child}) REFERENCES {self.parent} ({parent})", *actions, self.deferrable]
        return " ".join(filter(None, written))


@dataclass(frozen=True)
class IndexPart:
    """What an index sorts by: a column, or an expression."""

    column: str | None
    expression: str | None
    descending: bool
    collation: str


@dataclass(frozen=True)
class CatalogIndex:
    """An index, or the index behind a UNIQUE (`sql` None, `name` that of the constraint, if it has one)."""

    name: str | None
    unique: bool
    parts: tuple[IndexPart, ...]
    where: str | None = None
    sql: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The plain columns among its parts."""
        return tuple(part.column for part in self.parts if part.column is not None)

    @property
    def is_key(self) -> bool:
        """Whether it makes plain columns of all rows unique, so that a foreign key may point at them."""
        return self.unique and self.where is None and len(self.columns) == len(self.parts)


@dataclass(frozen=True)
class CatalogTable:
    """A table. `rowid_alias` is the column that is the rowid (INTEGER PRIMARY KEY), if there is one."""

    name: str
    sql: str
    columns: tuple[CatalogColumn, ...]
    without_rowid: bool = False
    strict: bool = False
    rowid_alias: str | None = None
    autoincrement: bool = False
    primary_key: tuple[str, ...] = ()
    primary_key_name: str | None = None
    primary_key_collations: tuple[str, ...] = ()
    indexes: tuple[CatalogIndex, ...] = ()
    foreign_keys: tuple[CatalogForeignKey, ...] = ()
    checks: tuple[CatalogCheck, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, CatalogColumn]:
        """The columns by their name in lower case: SQLite tells no cases apart."""
        return {fold_ascii(column.name): column for column in self.columns}

    def column(self, name: str) -> CatalogColumn | None:
        """The column of this name, in any case."""
        return self.by_name.get(fold_ascii(name))


@dataclass(frozen=True)
class CatalogObject:
    """A view or trigger; `table` is what it belongs to, a view itself."""

    name: str
    table: str
    sql: str


@dataclass(frozen=True)
class CatalogVirtualTable:
    """A virtual table and the tables in which its module keeps its content."""

    name: str
    sql: str
    shadows: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceCatalog:
    """Everything that the database declares, each sorted by name; triggers by table and name."""

    tables: tuple[CatalogTable, ...]
    views: tuple[CatalogObject, ...] = ()
    triggers: tuple[CatalogObject, ...] = ()
    virtual_tables: tuple[CatalogVirtualTable, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, CatalogTable]:
        """The tables by their name in lower case."""
        return {fold_ascii(table.name): table for table in self.tables}

    def table(self, name: str) -> CatalogTable | None:
        """The table of this name, in any case."""
        return self.by_name.get(fold_ascii(name))


_FOLDED = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def fold_ascii(name: str) -> str:
    """The name with ASCII's letters in lower case, which is all that SQLite and PostgreSQL fold in names."""
    return name.translate(_FOLDED)
