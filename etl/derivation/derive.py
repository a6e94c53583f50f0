"""Derives the schema of a whole source."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from etl.core.errors import UsageError
from etl.core.proposal import Choice, NotCarried, ObjectKind, Proposal, ProposedConstraint, ProposedTable
from etl.core.source_catalog import CatalogColumn, CatalogObject, CatalogTable, SourceCatalog, fold_ascii
from etl.core.text import did_you_mean
from etl.derivation.columns import know_columns, propose_columns
from etl.derivation.constraints import propose_checks, propose_foreign_keys
from etl.derivation.draft import Draft, Notes
from etl.derivation.evidence import gather
from etl.derivation.keys import primary_key, unique_keys_and_indexes
from etl.derivation.names import SYSTEM_COLUMNS, Namespace, styled, why_renamed
from etl.derivation.settings import DerivationSettings
from etl.derivation.tied import Types, tie
from etl.derivation.types import TableFacts, choices_of, choose_types, time_units
from etl.schema.expressions import NotTranslatable, Table, translate_view
from etl.schema.sql_names import sql_name
from etl.source.catalog import read_source_catalog
from etl.source.database import Source

DEFAULT_SETTINGS = DerivationSettings()


def derive(source: Source, settings: DerivationSettings = DEFAULT_SETTINGS) -> Proposal:
    """The schema that the source proposes, proved on all of its values. The same source gives the same proposal.

    Raises `UsageError` for tables that there are not, `SourceError` where the source cannot be read.
    """
    catalog = read_source_catalog(source)
    tables = _selected(source, catalog, settings)
    facts = {table.name: _facts(source, table, settings) for table in tables}
    types: Types = {name: choose_types(source, found, settings) for name, found in facts.items()}
    own_choices = {name: list(choices_of(found, types[name])) for name, found in facts.items()}
    tie(source, catalog, facts, types, settings.assume_timezone)
    notes = Notes()
    relations = Namespace(settings.names)
    drafts = _drafts(facts, types, relations, notes, settings)
    for draft in drafts.values():
        notes.choices.extend(own_choices[draft.facts.table.name])
        know_columns(draft)
    proposed = {name: _without_foreign_keys(draft) for name, draft in drafts.items()}
    whole = tuple(
        replace(
            proposed[name],
            constraints=(*proposed[name].constraints, *propose_foreign_keys(source, catalog, drafts, draft)),
        )
        for name, draft in drafts.items()
    )
    views = tuple(_views(catalog, drafts, relations, notes, settings))
    notes.not_carried.extend(_never_carried(source, catalog, settings))
    return Proposal(whole, views, tuple(notes.choices), tuple(notes.not_carried))


def _selected(source: Source, catalog: SourceCatalog, settings: DerivationSettings) -> list[CatalogTable]:
    tables = list(catalog.tables)
    if settings.virtual_tables:
        tables += [
            _as_table(source, virtual.name) for virtual in catalog.virtual_tables if _is_readable(source, virtual.name)
        ]
    names = [table.name for table in tables]
    for name in settings.tables:
        if name not in names:
            raise UsageError(f"{source.path} has no table {name!r}{did_you_mean(name, names)}")
    wanted = [table for table in tables if not settings.tables or table.name in settings.tables]
    return [table for table in wanted if table.name not in settings.decided.left_out]


def _is_readable(source: Source, virtual: str) -> bool:
    return virtual in source.tables and source.tables[virtual].unreadable is None


def _as_table(source: Source, virtual: str) -> CatalogTable:
    """A virtual table as a plain one."""
    columns = source.tables[virtual].columns
    return CatalogTable(virtual, "", tuple(CatalogColumn(column.name, column.declared_type) for column in columns))


def _facts(source: Source, table: CatalogTable, settings: DerivationSettings) -> TableFacts:
    evidence = gather(source, table)
    unique = {name for index in table.indexes if index.unique for name in index.columns}
    keyed = frozenset((unique | {*table.primary_key}) - {table.rowid_alias or ""})
    units = time_units(source, table, evidence, settings)
    return TableFacts(table, source.tables[table.name], evidence, keyed, units)


def _drafts(
    facts: Mapping[str, TableFacts], types: Types, relations: Namespace, notes: Notes, settings: DerivationSettings
) -> dict[str, Draft]:
    """The tables with their names; those that the user has decided come first, so that no other one takes them."""
    decided = {name: target for name, target in settings.decided.tables.items() if target is not None}
    names = {name: relations.keep(decided[name]) for name in facts if name in decided}
    for name in facts:
        if name not in decided:
            names[name] = relations.name(name)
            _note_name(notes, name, None, name, names[name], settings)
    return {
        name: Draft(
            found,
            types[name],
            names[name],
            _column_names(found.table, notes, settings),
            relations,
            Namespace(settings.names),
            notes,
        )
        for name, found in facts.items()
    }


def _column_names(table: CatalogTable, notes: Notes, settings: DerivationSettings) -> dict[str, str]:
    decided = settings.decided.columns_of(table.name)
    names = Namespace(settings.names, SYSTEM_COLUMNS)
    found = {column: names.keep(target) for column, target in decided.items() if target is not None}
    for column in table.columns:
        if column.name not in decided:
            found[column.name] = names.name(column.name)
            _note_name(notes, table.name, column.name, column.name, found[column.name], settings, SYSTEM_COLUMNS)
    return {column.name: found[column.name] for column in table.columns if column.name in found}


def _note_name(
    notes: Notes,
    table: str,
    column: str | None,
    source: str,
    name: str,
    settings: DerivationSettings,
    forbidden: frozenset[str] = frozenset(),
) -> None:
    reason = why_renamed(source, name, settings.names, forbidden)
    if reason:
        ways_out = "say another name in the map file"
        notes.choices.append(Choice(ObjectKind.NAME, table, column, source, sql_name(name), reason, ways_out=ways_out))


def _without_foreign_keys(draft: Draft) -> ProposedTable:
    key, name, beside = primary_key(draft)
    columns = tuple(propose_columns(draft))
    constraints = (*beside, *unique_keys_and_indexes(draft), *propose_checks(draft))
    return ProposedTable(draft.facts.table.name, draft.name, columns, key, name, constraints)


def _views(
    catalog: SourceCatalog,
    drafts: Mapping[str, Draft],
    relations: Namespace,
    notes: Notes,
    settings: DerivationSettings,
) -> Iterator[ProposedConstraint]:
    """The views that can be translated, each behind those that it reads."""
    known = {name: Table(draft.name, draft.known) for name, draft in drafts.items()}
    waiting: dict[str, CatalogObject] = {view.name: view for view in catalog.views}
    reasons: dict[str, str] = {}
    progress = True
    while waiting and progress:
        progress = False
        for view in list(waiting.values()):
            found = translate_view(view.sql, known, rename=lambda name: styled(name, settings.names))
            if isinstance(found, NotTranslatable):
                reasons[view.name] = found.reason
                continue
            del waiting[view.name]
            progress = True
            name = relations.name(view.name)
            _note_name(notes, view.name, None, view.name, name, settings)
            known[view.name] = Table(name, found.columns)
            sql = f"CREATE VIEW {sql_name(name)} AS {found.sql}"
            yield ProposedConstraint(ObjectKind.VIEW, name, name, sql, view.sql)
    for view in waiting.values():
        notes.not_carried.append(NotCarried(ObjectKind.VIEW, None, view.name, view.sql, reasons[view.name]))


def _never_carried(source: Source, catalog: SourceCatalog, settings: DerivationSettings) -> Iterator[NotCarried]:
    made = {fold_ascii(name) for name in settings.tables}
    for trigger in catalog.triggers:
        if not made or fold_ascii(trigger.table) in made:
            reason = "triggers are not translated: what it does to rows has to be written anew"
            yield NotCarried(ObjectKind.TRIGGER, trigger.table, trigger.name, trigger.sql, reason)
    for virtual in catalog.virtual_tables:
        if settings.virtual_tables and _is_readable(source, virtual.name):
            continue
        described = source.tables.get(virtual.name)
        if described is None:
            reason, rows = "it holds no rows of its own: it is an index over another table", None
        elif described.unreadable is not None:
            reason, rows = f"this SQLite cannot read it: {described.unreadable}", described.row_count
        else:
            reason, rows = (
                "its rows exist nowhere else; --virtual-tables load makes a plain table of it",
                described.row_count,
            )
        yield NotCarried(ObjectKind.VIRTUAL_TABLE, virtual.name, virtual.name, virtual.sql, reason, rows)
