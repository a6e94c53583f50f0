"""A plan as data: which table goes where, in which order, column by column."""

import html
from dataclasses import dataclass, replace
from enum import StrEnum

from etl.core.drift import Drift
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable
from etl.core.time_units import TimeUnit
from etl.core.types import TargetType


@dataclass(frozen=True)
class ColumnPlan:
    """One column's way: the source's name, the target's name, the target's type."""

    source: str
    target: str
    type: TargetType
    unit: TimeUnit | None = None  # of the numbers in a column of times; None: it holds none, as far as is known


class ExtraColumns(StrEnum):
    """What becomes of a source column with values that the target lacks."""

    STOP = "stop"
    ADD = "add"
    DROP = "drop"


@dataclass(frozen=True)
class TablePlan:
    """One table's way into the target. `key` identifies a row on both sides; it is empty where the target has none."""

    source: SourceTable
    target: TargetTable
    columns: tuple[ColumnPlan, ...]
    dropped: tuple[str, ...] = ()
    computed: tuple[ColumnPlan, ...] = ()  # the target computes them; the source has columns of these names

    @property
    def compared(self) -> "TablePlan":
        """The plan of the comparison, which looks at what the target computes as well."""
        return replace(self, columns=self.columns + self.computed)

    @property
    def name(self) -> str:
        """The target's name for the table, which the report uses."""
        return self.target.name

    @property
    def key(self) -> tuple[ColumnPlan, ...]:
        """Columns of the primary key, else of the first unique key that allows no NULL."""
        planned = {column.target: column for column in self.columns}
        required = {column.name for column in self.target.columns if column.not_null}
        for candidate in self.target.keys:
            if set(candidate.columns) <= planned.keys() & required:
                return tuple(planned[name] for name in candidate.columns)
        return ()

    @property
    def source_key(self) -> tuple[str, ...]:
        """The source's names of the key's columns."""
        return tuple(column.source for column in self.key)

    @property
    def source_columns(self) -> tuple[str, ...]:
        """What has to be read: the planned columns and those that are dropped but kept in a file."""
        return (*(column.source for column in self.columns), *self.dropped)


@dataclass(frozen=True)
class Plan:
    """Tables in foreign-key order; a group of several tables is a cycle of references and is loaded as one."""

    groups: tuple[tuple[TablePlan, ...], ...]
    missing_in_source: tuple[str, ...]
    not_migrated: tuple[SourceTable, ...]
    drift: tuple[Drift, ...]

    @property
    def tables(self) -> tuple[TablePlan, ...]:
        """All tables in the order of the load."""
        return tuple(table for group in self.groups for table in group)

    def __str__(self) -> str:
        return "\n".join(
            f"{table.name}: {table.source.row_count:,} rows, "
            + ", ".join(f"{column.source} → {column.type.sql}" for column in table.columns)
            for table in self.tables
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{place}</td><td>{html.escape(table.name)}</td><td style='text-align:right'>"
            f"{table.source.row_count:,}</td><td style='text-align:left'>"
            + html.escape(", ".join(f"{column.target} {column.type.sql}" for column in table.columns))
            + "</td></tr>"
            for place, table in enumerate(self.tables, start=1)
        )
        return f"<table><tr><th>order</th><th>table</th><th>rows</th><th>columns</th></tr>{rows}</table>"
