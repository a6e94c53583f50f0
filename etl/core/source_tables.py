"""A table of the source as SQLite's catalogue describes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceColumn:
    """A column as SQLite declares it; the declaration says nothing binding about what is stored."""

    name: str
    declared_type: str
    not_null: bool
    key_position: int  # 1-based place in the primary key, 0 where it is none


@dataclass(frozen=True)
class SourceTable:
    """A table of the source: its columns, its rows and how a row is found again."""

    name: str
    columns: tuple[SourceColumn, ...]
    row_count: int
    largest_row_bytes: int
    rowid_name: str | None  # how SQL calls the rowid here; None in WITHOUT ROWID tables
    autoincrement_last: int | None  # what sqlite_sequence remembers: the largest id ever given
    unreadable: str | None = None  # why this SQLite cannot read it: a virtual table of a module that it lacks
    without_numbers: frozenset[str] = frozenset()  # columns declared as dates or times that hold no number

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in the order of the table."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class RowidRange:
    """A part of a table that can be read by itself: the rows behind the rowid `after`, and none behind `until`.

    None means that there is no limit on that side. `rows_before` rows lie in front of the part, so that its row numbers
    are those of the whole table. A table without rowids is always read as a whole.
    """

    after: int | None = None
    until: int | None = None
    rows_before: int = 0


WHOLE_TABLE = RowidRange()


def quoted(name: str) -> str:
    """`name` as a SQL identifier (SQLite and PostgreSQL quote alike)."""
    return '"' + name.replace('"', '""') + '"'
