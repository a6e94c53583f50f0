"""Decides for each column of times in which unit its numbers are, from all of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from etl.core.errors import UsageError
from etl.core.plan import ColumnPlan, TablePlan
from etl.core.source_tables import SourceTable
from etl.core.text import did_you_mean
from etl.core.time_units import TimeUnit, decide_unit
from etl.core.types import Kind
from etl.source.database import Source

TIMES = (Kind.TIMESTAMPTZ, Kind.TIMESTAMP)
Units = Mapping[tuple[str, str], TimeUnit]
"""(source table, source column) → the unit that the user says."""


def with_units(
    source: Source, table: SourceTable, columns: Sequence[ColumnPlan], said: Units | None = None
) -> tuple[ColumnPlan, ...]:
    """The columns with the units of their numbers; a column of times without numbers needs none.

    :param source: is asked for the range of the numbers, once for the table, and only where there may be any.
    :param said: units that the user has said; they are not questioned.
    """
    said = said or {}
    open_names = [
        column.source
        for column in columns
        if column.type.kind in TIMES
        and (table.name, column.source) not in said
        and column.source not in table.without_numbers
    ]
    ranges = source.number_ranges(table.name, open_names) if open_names else {}
    decided = {name: decide_unit(found) for name, found in ranges.items() if found is not None}
    return tuple(
        replace(column, unit=said.get((table.name, column.source), decided.get(column.source)))
        if column.type.kind in TIMES
        else column
        for column in columns
    )


def plan_with_units(source: Source, table: TablePlan, said: Units) -> TablePlan:
    """The same for a whole table of a plan."""
    return replace(table, columns=with_units(source, table.source, table.columns, said))


def check_units(times: Iterable[tuple[str, str]], tables: Mapping[str, SourceTable]) -> Units:
    """The units that the user says, `TABLE.COLUMN` → unit, by names of the source.

    Raises `UsageError` for a table, a column or a unit that there is not, with the nearest one.
    """
    units: dict[tuple[str, str], TimeUnit] = {}
    for place, word in times:
        if not place:  # a type for created columns
            continue
        table, column = _column(place, tables)
        known = [str(unit) for unit in TimeUnit if unit is not TimeUnit.UNDECIDED]
        if word not in known:
            raise UsageError(f"--times {place}={word}: there is no such unit; the units are {', '.join(known)}.")
        units[table, column] = TimeUnit(word)
    return units


def _column(place: str, tables: Mapping[str, SourceTable]) -> tuple[str, str]:
    for name, table in tables.items():
        column = place.removeprefix(f"{name}.")
        if place.startswith(f"{name}.") and column in table.column_names:
            return name, column
    known = [f"{name}.{column}" for name, table in tables.items() for column in table.column_names]
    raise UsageError(f"--times: the source has no column {place!r}{did_you_mean(place, known)}")
