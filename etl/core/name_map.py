"""The user's decisions about names, types and times, as data; the file that holds them is read in `etl.planning`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from etl.core.repairs import Wish

V = TypeVar("V")


class MatchedBy(StrEnum):
    """Why two names are taken for the same thing."""

    MAP = "map"
    CREATED = "created"  # by the run, under this name
    EXACT = "exact"
    CASE = "case"
    CUT = "cut at 63 bytes"
    LETTERS = "letters and digits"


@dataclass(frozen=True)
class NamePair:
    """A table of the source (`column` None), or one of its columns, whose name in the target is another."""

    table: str
    column: str | None
    target: str
    by: MatchedBy

    @property
    def source(self) -> str:
        """`Album`, or `Album.Title`."""
        return self.table if self.column is None else f"{self.table}.{self.column}"

    def __str__(self) -> str:
        return f"{self.source} → {self.target} ({self.by})"


@dataclass(frozen=True)
class NameMap:
    """What the user has decided, all by the source's names, as the source spells them.

    `tables`: source table → target table, None: left out. `columns`: source table → source column → target column,
    None: dropped, its values kept in a file. `types`: source table → source column → PostgreSQL type, for tables that
    the load creates. `times`: source table → source column → unit of its numbers or zone of its texts. `repairs`: what
    may be altered.
    """

    tables: Mapping[str, str | None] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    times: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    repairs: tuple[Wish, ...] = ()

    @property
    def left_out(self) -> frozenset[str]:
        """Source tables that are left out knowingly."""
        return frozenset(table for table, target in self.tables.items() if target is None)

    def columns_of(self, table: str) -> Mapping[str, str | None]:
        """What is decided about the columns of a source table."""
        return self.columns.get(table, {})

    def over(self, others: "NameMap") -> "NameMap":
        """These decisions, and `others` where these say nothing; what is left out here stays so."""

        def of(
            mine: Mapping[str, Mapping[str, V]], theirs: Mapping[str, Mapping[str, V]]
        ) -> dict[str, Mapping[str, V]]:
            rest = {table: cells for table, cells in theirs.items() if table not in self.left_out}
            return rest | {table: {**rest.get(table, {}), **cells} for table, cells in mine.items()}

        return NameMap(
            {**others.tables, **self.tables},
            of(self.columns, others.columns),
            of(self.types, others.types),
            of(self.times, others.times),
            self.repairs + others.repairs,
        )

    def only(self, table: str, columns: Collection[str]) -> "NameMap":
        """What is decided about these columns of one table, but for repairs."""

        def of(section: Mapping[str, Mapping[str, V]]) -> dict[str, dict[str, V]]:
            return {table: {name: value for name, value in section.get(table, {}).items() if name in columns}}

        tables = {table: self.tables[table]} if table in self.tables else {}
        return NameMap(tables, of(self.columns), of(self.types), of(self.times))

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns or self.types or self.times or self.repairs)
