"""Decides for each column of times in which unit its numbers are, from all of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.plan import ColumnPlan, TablePlan
from etl.core.source_tables import SourceTable
from etl.core.text import unknown_names
from etl.core.time_units import TimeUnit, decide_unit
from etl.core.types import TIMES
from etl.source.database import Source

Place = tuple[str, str]  # source table, source column


@dataclass(frozen=True)
class Said:
    """What the user says of columns of times: the unit of their numbers, or the zone of their texts without one."""

    units: Mapping[Place, TimeUnit] = field(default_factory=dict)
    zones: Mapping[Place, str] = field(default_factory=dict)


def with_units(
    source: Source, table: SourceTable, columns: Sequence[ColumnPlan], said: Said | None = None
) -> tuple[ColumnPlan, ...]:
    """The columns with the units of their numbers; a column of times without numbers needs none.

    :param source: is asked for the range of the numbers, once for the table, and only where there may be any.
    :param said: units and zones that the user has said; they are not questioned.
    """
    said = said or Said()
    open_names = [
        column.source
        for column in columns
        if column.type.kind in TIMES
        and (table.name, column.source) not in said.units
        and column.source not in table.without_numbers
    ]
    ranges = source.number_ranges(table.name, open_names) if open_names else {}
    decided = {name: decide_unit(found) for name, found in ranges.items() if found is not None}
    return tuple(
        replace(
            column,
            unit=said.units.get((table.name, column.source), decided.get(column.source)),
            zone=said.zones.get((table.name, column.source)),
        )
        if column.type.kind in TIMES
        else column
        for column in columns
    )


def plan_with_units(source: Source, table: TablePlan, said: Said) -> TablePlan:
    """The same for a whole table of a plan."""
    return replace(table, columns=with_units(source, table.source, table.columns, said))


def check_units(
    times: Iterable[tuple[str, str]], tables: Mapping[str, SourceTable], mapping: NameMap | None = None
) -> Said:
    """The units and zones that the user says, by names of the source; `times` goes before the map.

    Raises `UsageError` for a table, a column, a unit or a zone that there is not, with the nearest one.
    """
    units: dict[Place, TimeUnit] = {}
    zones: dict[Place, str] = {}
    in_map = mapping.times if mapping else {}
    said = {(table, column): (word, "[times]") for table, cells in in_map.items() for column, word in cells.items()}
    said |= {_column(place, tables): (word, "--times") for place, word in times if place}
    known = [str(unit) for unit in TimeUnit if unit is not TimeUnit.UNDECIDED]
    for (table, column), (word, where) in said.items():
        if word in known:
            units[table, column] = TimeUnit(word)
        elif _is_zone(word):
            zones[table, column] = word
        else:
            raise UsageError(
                f"{where} {table}.{column}={word}: there is no such unit; the units are {', '.join(known)}, "
                "or the name of a time zone such as Asia/Seoul for texts without one."
            )
    return Said(units, zones)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _column(place: str, tables: Mapping[str, SourceTable]) -> tuple[str, str]:
    for name, table in tables.items():
        column = place.removeprefix(f"{name}.")
        if place.startswith(f"{name}.") and column in table.column_names:
            return name, column
    known = [f"{name}.{column}" for name, table in tables.items() for column in table.column_names]
    raise UsageError(unknown_names("--times: the source has no column", [place], known))
