"""The user's decisions about names, types and times, as data; the file that holds them is read in `etl.planning`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NameMap:
    """What the user has decided, all by the source's names, as the source spells them.

    `tables`: source table → target table, None: left out. `columns`: source table → source column → target column,
    None: dropped, its values kept in a file. `types`: source table → source column → PostgreSQL type, for tables that
    the load creates. `times`: source table → source column → unit of its numbers or zone of its texts.
    """

    tables: Mapping[str, str | None] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    times: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def left_out(self) -> frozenset[str]:
        """Source tables that are left out knowingly."""
        return frozenset(table for table, target in self.tables.items() if target is None)

    def columns_of(self, table: str) -> Mapping[str, str | None]:
        """What is decided about the columns of a source table."""
        return self.columns.get(table, {})

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns or self.types or self.times)
