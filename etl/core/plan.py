"""A plan as data: which table goes where, in which order, column by column."""

import html
from dataclasses import dataclass, replace
from enum import StrEnum

from etl.core.display import as_written
from etl.core.drift import Drift
from etl.core.name_map import NamePair
from etl.core.redaction import is_secret
from etl.core.repairs import Repair
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable
from etl.core.text import counted
from etl.core.time_units import TimeUnit
from etl.core.types import TargetType


@dataclass(frozen=True)
class ColumnPlan:
    """One column's way: the source's name, the target's name, the target's type."""

    source: str
    target: str
    type: TargetType
    unit: TimeUnit | None = None  # of the numbers in a column of times; None: it holds none, as far as is known
    zone: str | None = None  # of the column's times without one, where the user names it; None: that of the run
    repairs: tuple[Repair, ...] = ()  # that the user allows for its values
    helpful: tuple[Repair, ...] = ()  # that may be suggested for them: they suit the column

    @property
    def masked_as(self) -> str:
        """The name by which it is known whether the column's values may be shown: a secret's, if either is."""
        return self.target if is_secret(self.target) else self.source


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
    left_out: tuple[str, ...] = ()  # those of `dropped` that the user's map leaves out
    computed: tuple[ColumnPlan, ...] = ()  # the target computes them; the source has columns of these names
    share: tuple[str, str] | None = None  # a column of the target and its value in the rows that are this source's

    @property
    def compared(self) -> "TablePlan":
        """The plan of the comparison, which looks at what the target computes as well."""
        return replace(self, columns=self.columns + self.computed)

    @property
    def name(self) -> str:
        """The source's name for the table, which the report uses."""
        return self.source.name

    @property
    def target_name(self) -> str | None:
        """The target's name for the table where it is another, else None."""
        return self.target.name if self.target.name != self.source.name else None

    @property
    def lacking(self) -> tuple[str, ...]:
        """Columns that the target lacks, with values, about which the user's map says nothing."""
        return tuple(name for name in self.dropped if name not in self.left_out)

    @property
    def source_of(self) -> dict[str, str]:
        """Target column → source column."""
        return {column.target: column.source for column in (*self.columns, *self.computed)}

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
    names: tuple[NamePair, ...] = ()  # every pair of names that are not exactly equal
    left_out: tuple[SourceTable, ...] = ()  # by the user's map
    starter: str = ""  # a map with guesses, where tables without a counterpart on both sides may be the same

    @property
    def tables(self) -> tuple[TablePlan, ...]:
        """All tables in the order of the load."""
        return tuple(table for group in self.groups for table in group)

    def __str__(self) -> str:
        lines = [
            f"{table.name}: {counted(table.source.row_count, 'row')}, "
            + ", ".join(f"{column.source} → {column.type.sql}" for column in table.columns)
            for table in self.tables
        ]
        return "\n".join([*lines, *(f"paired: {pair}" for pair in self.names)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{place}</td>{_text(table.name)}<td>{table.source.row_count:,}</td>"
            + _text(", ".join(f"{column.target} {column.type.sql}" for column in table.columns))
            + "</tr>"
            for place, table in enumerate(self.tables, start=1)
        )
        heads = f"<tr><td>order</td>{_text('table')}<td>rows</td>{_text('columns')}</tr>"
        tables = f"<table><thead>{heads}</thead><tbody>{rows}</tbody></table>"
        if not self.names:
            return as_written(tables)
        pairs = "".join(f"<tr>{_text(pair.source)}{_text(pair.target)}{_text(pair.by)}</tr>" for pair in self.names)
        heads = f"<tr>{_text('source')}{_text('target')}{_text('paired by')}</tr>"
        return as_written(f"{tables}<table><thead>{heads}</thead><tbody>{pairs}</tbody></table>")


def _text(text: str) -> str:
    return f"<td style='text-align:left'>{html.escape(text)}</td>"
