"""Names that a created schema has and that cannot be told from the source's names alone: cut, numbered, marked."""

from collections.abc import Mapping

from etl.core.name_map import NameMap
from etl.core.proposal import NameStyle
from etl.core.tables import TargetTable
from etl.derivation.names import Names, column_names, styled, table_names
from etl.planning.matching import match_names
from etl.source.database import Source
from etl.target.catalog import read_catalog
from etl.target.privileges import require_schema
from etl.target.search_path import current_schema
from etl.target.session import Session


def names_given_before(source: Source, session: Session) -> NameMap:
    """Such names in a target that was made from this source, in whatever style; asked only where there may be any.

    :param source: an open source.
    :param session: of the target.
    """
    styles = [style for style in NameStyle if _may_differ(source, style)]
    found = NameMap()
    if styles:
        existing = columns_by_table(read_catalog(session, require_schema(session, current_schema(session))))
        for style in styles:
            found = found.over(given_names(source, style, existing))
    return found


def columns_by_table(tables: Mapping[str, TargetTable]) -> dict[str, list[str]]:
    """The columns' names of the target's tables."""
    return {name: [column.name for column in table.columns] for name, table in tables.items()}


def given_names(source: Source, style: NameStyle, existing: Mapping[str, list[str]]) -> NameMap:
    """Such names of one style, as far as the target has them.

    :param existing: the columns of the target's tables, by table.
    """
    tables = [name for name, table in source.tables.items() if table.unreadable is None]
    plain = match_names(tables, existing).names
    given = table_names(tables, style, Names())
    decided = {name: other for name, other in given.items() if name not in plain and other in existing}
    columns = {
        name: _given_columns(source.tables[name].column_names, existing[other], style)
        for name, other in (plain | decided).items()
    }
    return NameMap(tables=decided, columns={name: found for name, found in columns.items() if found})


def _given_columns(columns: tuple[str, ...], existing: list[str], style: NameStyle) -> dict[str, str | None]:
    plain = match_names(columns, existing).names
    given = column_names(columns, style)
    return {name: other for name, other in given.items() if name not in plain and other in existing}


def _may_differ(source: Source, style: NameStyle) -> bool:
    """Whether a name becomes another one than its style says."""
    tables = table_names(list(source.tables), style, Names())
    if any(other != styled(name, style) for name, other in tables.items()):
        return True
    return any(
        other != styled(name, style)
        for table in source.tables.values()
        for name, other in column_names(table.column_names, style).items()
    )
