"""Creates what a target lacks for a source: tables and keys before the rows, everything else behind them.

All of it happens in the transaction of the load. The server has the last word on each statement, in a savepoint: what
it refuses is not carried, and is named with what it said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import psycopg2
from psycopg2 import sql
from sqlalchemy.exc import DBAPIError

from etl.core.errors import TargetError, UsageError
from etl.core.name_map import NameMap
from etl.core.plan import ExtraColumns
from etl.core.proposal import (
    NotCarried,
    ObjectKind,
    Proposal,
    ProposedColumn,
    ProposedConstraint,
    ProposedTable,
    VirtualTables,
)
from etl.core.report import SchemaReport, Unvalidated
from etl.core.source_tables import SourceTable, quoted
from etl.core.tables import TargetTable
from etl.core.text import unknown_names
from etl.derivation.derive import Wishes, derive
from etl.derivation.said import said_type
from etl.planning.map_check import check_map
from etl.planning.matching import match_names
from etl.planning.time_units import check_units
from etl.runs.given_names import columns_by_table, given_names
from etl.runs.known import Description
from etl.runs.settings import Settings
from etl.schema.ddl import column_definition, create_table
from etl.source.database import Source
from etl.target.catalog import read_catalog, read_other_relations
from etl.target.privileges import creation_error
from etl.target.session import Session, first_line

_ROW_ERRORS = "23"  # SQLSTATE class: rows break the constraint


@dataclass
class NewSchema:
    """What is created in a load, and the names by which its tables are found."""

    proposal: Proposal = field(default_factory=lambda: Proposal(()))
    names: NameMap = field(default_factory=NameMap)
    created: list[str] = field(default_factory=list)
    schema: str = ""
    views: list[str] = field(default_factory=list)
    refused: list[NotCarried] = field(default_factory=list)
    unvalidated: list[Unvalidated] = field(default_factory=list)

    def report(self) -> SchemaReport | None:
        """The report's section; None where nothing was to be created."""
        if not self.created and not self.proposal.tables:
            return None
        return SchemaReport(
            tables=tuple(self.created),
            choices=self.proposal.choices,
            unvalidated=tuple(self.unvalidated),
            not_carried=(*self.proposal.not_carried, *self.refused),
        )


def create_what_is_missing(
    source: Source,
    session: Session,
    settings: Settings,
    schema: str,
    description: Description,
    proposal: Proposal | None = None,
    leading: str = "",
) -> NewSchema:
    """Creates the tables that the target lacks for the source's, with their primary and unique keys.

    :param source: an open source.
    :param session: the load's transaction.
    :param settings: names, types, and which tables are wanted.
    :param schema: the target's schema.
    :param description: what is known of this source; its tables are made as it describes them.
    :param proposal: the schema for the tables that lack one, where it was derived before.
    :param leading: a column of every table that leads in every key; "" where there is none.
    :raises TargetError: where a table cannot be created.
    """
    new = NewSchema(schema=schema)
    try:
        new.created += description.create_missing(session.sqlalchemy)
    except DBAPIError as error:
        raise creation_error(error, schema) from error
    existing = read_catalog(session, schema)
    if settings.extra_columns is not ExtraColumns.DROP and _add_columns_beyond(
        source, session, settings, new, existing
    ):
        existing = read_catalog(session, schema)
    new.names = given_names(source, settings.names, columns_by_table(existing))
    missing = _missing(source, settings, existing, new.names)
    if missing:
        new.proposal = proposal or derive(
            source,
            replace(_wishes(source, settings), leading=leading),
            only=missing,
            taken={*existing, *read_other_relations(session, schema)},
        )
        new.names = _with_proposal(new.names, new.proposal)
        for table in new.proposal.tables:
            new.refused += _create_table(session, table, schema)
            new.created.append(table.name)
        for constraint in _all_constraints(new.proposal):
            if not constraint.after_rows:
                _add(session, new, constraint)
    return new


def finish_schema(session: Session, new: NewSchema) -> None:
    """Adds indexes, CHECKs, foreign keys and views, when the rows are there.

    A constraint that rows break is added NOT VALID: PostgreSQL then checks new rows only.
    """
    behind = [constraint for constraint in _all_constraints(new.proposal) if constraint.after_rows]
    for constraint in sorted(behind, key=lambda one: one.kind is ObjectKind.FOREIGN_KEY):
        _add(session, new, constraint)
    for view in new.proposal.views:
        if _add(session, new, view):
            new.views.append(view.name)


def propose(source: Source, settings: Settings) -> Proposal:
    """The schema for all tables of a source, or for those that are wanted.

    :raises UsageError: for a table that the source lacks.
    """
    unknown = [name for name in settings.tables if name not in source.tables]
    if unknown:
        raise UsageError(unknown_names("--tables: the source has no table", unknown, source.tables))
    left_out = _said(source, settings).left_out
    wanted = [name for name in settings.tables or source.tables if name not in left_out]
    return derive(source, _wishes(source, settings), only=wanted if settings.tables or left_out else None)


def _add_columns_beyond(
    source: Source, session: Session, settings: Settings, new: NewSchema, existing: Mapping[str, TargetTable]
) -> bool:
    """Gives tables that were made as described those columns of the source that the description does not know."""
    beyond = {
        name: columns
        for name in new.created
        if name in source.tables and (columns := _unpaired_columns(source.tables[name], existing[name]))
    }
    if not beyond:
        return False
    for table in derive(source, _wishes(source, settings), only=beyond).tables:
        for column in table.columns:
            if column.source in beyond[table.source]:
                new.refused += _add_column(session, table, column)
    return True


def _unpaired_columns(table: SourceTable, target: TargetTable) -> set[str]:
    pairs = match_names(table.column_names, [column.name for column in target.columns]).names
    return {name for name in table.column_names if name not in pairs}


def _add_column(session: Session, table: ProposedTable, column: ProposedColumn) -> list[NotCarried]:
    """Adds it, without its default or its generation where the server refuses that."""
    statement = f"ALTER TABLE {quoted(table.source)} ADD COLUMN "
    try:
        _run(session, statement + column_definition(column))
    except psycopg2.Error as error:
        _run(session, statement + column_definition(replace(column, default=None, generated=None)))
        return [_refused(table, column, first_line(error))]
    return []


def _wishes(source: Source, settings: Settings) -> Wishes:
    """What the user wants of a derived schema."""
    said = _said(source, settings)
    return Wishes(
        said_tables={table: other for table, other in said.tables.items() if other is not None},
        said_columns={
            (table, column): other
            for table, cells in said.columns.items()
            for column, other in cells.items()
            if other is not None
        },
        left_out=frozenset(
            (table, column) for table, cells in said.columns.items() for column, other in cells.items() if other is None
        ),
        said_types={
            (table, column): said_type(text) for table, cells in said.types.items() for column, text in cells.items()
        },
        names=settings.names,
        types=settings.types,
        zoned_times=("", "timestamp") not in settings.times,
        units=check_units(settings.times, source.tables, said).units,
        zone=settings.assume_timezone,
        virtual_tables=settings.virtual_tables is VirtualTables.LOAD,
    )


def _said(source: Source, settings: Settings) -> NameMap:
    """What the user has decided, as the source spells its names."""
    return check_map(settings.mapping or NameMap(), source.tables)


def _missing(source: Source, settings: Settings, existing: Mapping[str, object], names: NameMap) -> list[str]:
    said = _said(source, settings)
    wanted = {name.lower() for name in settings.tables}
    candidates = [
        name
        for name, table in source.tables.items()
        if name not in said.left_out
        and table.unreadable is None
        and table.columns
        and (not wanted or name.lower() in wanted)
    ]
    decided = {name: other for name, other in said.over(names).tables.items() if other is None or other in existing}
    to_make = {name for name, other in said.tables.items() if other is not None and other not in existing}
    pairs = match_names([name for name in candidates if name not in to_make], existing, decided=decided).names
    skipped = _virtual_tables(source) if settings.virtual_tables is VirtualTables.SKIP else set()
    return [name for name in candidates if name not in pairs and name not in skipped]


def _virtual_tables(source: Source) -> set[str]:
    rows = source.query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'")
    return {str(name) for (name,) in rows}


def _with_proposal(names: NameMap, proposal: Proposal) -> NameMap:
    tables = {table.source: table.name for table in proposal.tables}
    columns = {table.source: {column.source: column.name for column in table.columns} for table in proposal.tables}
    return replace(names, tables={**names.tables, **tables}, columns={**names.columns, **columns})


def _all_constraints(proposal: Proposal) -> Iterator[ProposedConstraint]:
    return (constraint for table in proposal.tables for constraint in table.constraints)


def _add(session: Session, new: NewSchema, constraint: ProposedConstraint) -> bool:
    """Whether the server takes it; what it does not is noted."""
    statements = [constraint.sql] if not constraint.broken_rows else []
    statements += [constraint.unchecked] if constraint.unchecked else []
    said = ""
    for statement in statements:
        try:
            _run(session, statement)
        except psycopg2.Error as error:
            said = first_line(error)
            if not (error.pgcode or "").startswith(_ROW_ERRORS):
                break
        else:
            if statement == constraint.unchecked:
                new.unvalidated.append(
                    Unvalidated(
                        constraint.table,
                        constraint.name,
                        constraint.kind,
                        constraint.source_sql,
                        constraint.broken_rows or None,
                    )
                )
            return True
    lost = NotCarried(
        constraint.kind, constraint.table, constraint.name, constraint.source_sql, f"PostgreSQL refuses it: {said}"
    )
    new.refused.append(lost)
    return False


def _run(session: Session, statement: str) -> None:
    with session.savepoint():
        session.run(sql.SQL(statement))


def _create_table(session: Session, table: ProposedTable, schema: str) -> list[NotCarried]:
    """Creates a table, without those defaults and generated columns that the server refuses."""
    try:
        _run(session, create_table(table))
    except psycopg2.Error:
        return _create_step_by_step(session, table, schema)
    return []


def _create_step_by_step(session: Session, table: ProposedTable, schema: str) -> list[NotCarried]:
    """Adds one default or generated column after the other to the plain table, as far as the server takes them."""
    refused = []
    current = replace(table, columns=tuple(replace(one, default=None, generated=None) for one in table.columns))
    for place, column in enumerate(table.columns):
        if column.default is None and column.generated is None:
            continue
        columns = (*current.columns[:place], column, *current.columns[place + 1 :])
        trial = replace(current, columns=columns)
        try:
            _try(session, trial)
        except psycopg2.Error as error:
            refused.append(_refused(table, column, first_line(error)))
        else:
            current = trial
    try:
        _run(session, create_table(current))
    except psycopg2.Error as error:
        raise creation_error_of(error, schema, table.name) from error
    return refused


def _refused(table: ProposedTable, column: ProposedColumn, said: str) -> NotCarried:
    kind = ObjectKind.DEFAULT if column.default is not None else ObjectKind.GENERATED
    text = column.default or column.generated or ""
    return NotCarried(kind, table.source, column.source, text, f"PostgreSQL refuses it: {said}")


class _Undone(Exception):  # noqa: N818 - it takes a savepoint back, and nobody sees it
    pass


def _try(session: Session, table: ProposedTable) -> None:
    try:
        with session.savepoint():
            session.run(sql.SQL(create_table(table)))
            raise _Undone
    except _Undone:
        return


def creation_error_of(error: psycopg2.Error, schema: str, table: str) -> TargetError:
    """Why a table cannot be created."""
    return TargetError(
        f"The table {quoted(table)} cannot be created in the schema {quoted(schema)}: {first_line(error)}. Nothing was "
        "committed. Needed is GRANT CREATE ON SCHEMA, or let the owner run what `python -m etl schema` prints."
    )
