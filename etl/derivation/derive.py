"""Derives the schema: facts of the catalogue and evidence of the values → a proposal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from etl.core import defaults
from etl.core.proposal import (
    NameStyle,
    NotCarried,
    ObjectKind,
    Proposal,
    ProposedColumn,
    ProposedTable,
    TypeChoice,
)
from etl.core.source_catalog import CatalogColumn, CatalogTable, SourceCatalog
from etl.core.time_units import TimeUnit
from etl.core.types import TIMES, Kind, TargetType
from etl.derivation.checks import add_checks, add_generated, default_of
from etl.derivation.columns import choose, compatible, other_classes, tie, tied, wanted_types
from etl.derivation.declared import BIGINT, TIMESTAMP, TIMESTAMPTZ, taking
from etl.derivation.hints import could_be
from etl.derivation.keys import Keys
from etl.derivation.leading import with_leading
from etl.derivation.names import Names, column_names, renamed, styled, table_names
from etl.derivation.proof import Proof, prove
from etl.derivation.references import add_foreign_keys, count_orphans, parent_columns
from etl.derivation.said import without_columns
from etl.derivation.tables import Draft
from etl.derivation.views import propose_views
from etl.schema.declarations import Declarations, UnreadableError, read_create_table
from etl.source.catalog import read_source_catalog
from etl.source.database import Source
from etl.source.time_forms import time_forms

Cell = tuple[str, str]  # (table, column) of the source


@dataclass(frozen=True)
class Wishes:
    """What the user wants of a derived schema.

    `names`: how names are carried. `types`: whether values or declarations decide. `zoned_times`: DATETIME becomes
    timestamptz, else timestamp. `zone`: of times without one. `virtual_tables`: virtual tables become plain ones. What
    the user has said, by table or (table, column) of the source: `said_types`, `said_tables` and `said_columns` for
    names, `left_out` for columns that are not made, `units` of numbers in columns of times. `leading`: a column of
    every table that leads in every key.
    """

    names: NameStyle = NameStyle.LOWER
    types: TypeChoice = TypeChoice.FIT
    zoned_times: bool = True
    zone: str = defaults.TIMEZONE
    said_types: Mapping[Cell, TargetType] = field(default_factory=dict)
    said_tables: Mapping[str, str] = field(default_factory=dict)
    said_columns: Mapping[Cell, str] = field(default_factory=dict)
    left_out: frozenset[Cell] = frozenset()
    virtual_tables: bool = False
    units: Mapping[Cell, TimeUnit] = field(default_factory=dict)
    leading: str = ""


def derive(
    source: Source,
    wishes: Wishes | None = None,
    *,
    only: Collection[str] | None = None,
    taken: Collection[str] = (),
) -> Proposal:
    """The schema for a source's tables.

    :param source: an open source.
    :param wishes: names, types and times; None: the defaults.
    :param only: these tables alone; None: all. Foreign keys to others are left out.
    :param taken: names of tables, views and indexes that the target has already; a view that it has is not made.
    :returns: the proposal; the same source and the same wishes give the same one.
    :raises SourceError: where the source cannot be read.
    """
    wishes = wishes or Wishes()
    catalog = read_source_catalog(source)
    tables = {**catalog.tables, **(_virtual_tables(source, catalog) if wishes.virtual_tables else {})}
    chosen = {
        name: without_columns(table, {column for of, column in wishes.left_out if of == name})
        for name, table in tables.items()
        if only is None or name in only
    }
    source.count_classes_ahead(chosen)
    if wishes.leading:
        chosen = {name: with_leading(table, wishes.leading) for name, table in chosen.items()}
    views = tuple(view for view in catalog.views if styled(view.name, wishes.names) not in taken)
    return _Derivation(source, wishes, replace(catalog, views=views), chosen, taken).proposal()


def _virtual_tables(source: Source, catalog: SourceCatalog) -> dict[str, CatalogTable]:
    """Virtual tables that this SQLite can read and that hold rows of their own, as plain ones."""
    found: dict[str, CatalogTable] = {}
    for virtual in catalog.virtual_tables:
        table = source.tables.get(virtual.name)
        if table is not None and table.unreadable is None:
            columns = tuple(CatalogColumn(one.name, "", False, 0, None, False) for one in table.columns)
            found[virtual.name] = CatalogTable(virtual.name, columns, (), (), True, "")
    return found


class _Derivation:
    def __init__(
        self,
        source: Source,
        wishes: Wishes,
        catalog: SourceCatalog,
        tables: Mapping[str, CatalogTable],
        taken: Collection[str],
    ) -> None:
        self._source = source
        self._wishes = wishes
        self._catalog = catalog
        self._tables = tables
        self._times = TIMESTAMPTZ if wishes.zoned_times else TIMESTAMP
        self._relations = Names(set(taken))
        self._drafts: dict[str, Draft] = {}
        self._units: dict[Cell, TimeUnit] = {}

    def proposal(self) -> Proposal:
        """Step by step: names, types, columns, keys, checks, foreign keys, views."""
        wishes = self._wishes
        names = table_names(list(self._tables), wishes.names, self._relations, {**wishes.said_tables})
        for name, table in self._tables.items():
            self._drafts[name] = self._draft(table, names[name])
        orphans = self._source.begin(lambda: count_orphans(self._source, self._drafts), name="etl-orphans")
        self._choose_types()
        for draft in self._drafts.values():
            self._complete_columns(draft)
        keys = Keys(self._source, self._relations, self._wishes.names, self._wishes.zone)
        for draft in self._drafts.values():
            keys.reserve(draft)
        for name, draft in self._drafts.items():
            keys.add(draft, {column: unit for (table, column), unit in self._units.items() if table == name})
        for draft in self._drafts.values():
            add_checks(self._source, draft, self._wishes.names)
        for draft in self._drafts.values():
            add_foreign_keys(self._source, draft, self._drafts, orphans.result(), self._wishes.names)
        tables = tuple(map(self._proposed, self._drafts.values()))
        views, lost_views = propose_views(self._catalog.views, self._drafts, self._relations, self._wishes.names)
        return Proposal(
            tables=tables,
            views=views,
            choices=tuple(choice for draft in self._drafts.values() for choice in draft.choices),
            not_carried=(
                *(lost for draft in self._drafts.values() for lost in draft.not_carried),
                *lost_views,
                *self._objects_lost(),
            ),
        )

    def _draft(self, table: CatalogTable, name: str) -> Draft:
        wishes = self._wishes
        columns = [column.name for column in table.columns]
        names = column_names(columns, wishes.names)
        names |= {column: name for (of, column), name in wishes.said_columns.items() if of == table.name}
        evidence = self._source.storage_classes(table.name, columns) if columns else {}
        draft = Draft(
            catalog=table,
            source=self._source.tables[table.name],
            declarations=Declarations(),
            name=name,
            names=names,
            evidence=evidence,
            types={},
        )
        if table.sql:
            try:
                draft.declarations = read_create_table(table.sql, columns)
            except UnreadableError as error:
                draft.lose(ObjectKind.TABLE, table.name, table.sql, f"CHECKs and collations are not read: {error}")
        noted = [renamed(ObjectKind.TABLE, table.name, None, name, wishes.names)]
        noted += [renamed(ObjectKind.COLUMN, table.name, column, names[column], wishes.names) for column in columns]
        draft.choices += [choice for choice in noted if choice is not None]
        return draft

    # -- types ----------------------------------------------------------------------------------------------------

    def _choose_types(self) -> None:
        groups = self._tied_columns()
        wanted = {cell: self._wanted(*cell) for cell in self._cells()}
        for group in groups:
            shared = tuple(dict.fromkeys(target for cell in group for target in wanted[cell]))
            for cell in group:
                if not self._is_fixed(cell):
                    wanted[cell] = tuple(dict.fromkeys((*wanted[cell], *shared)))
        for name, draft in self._drafts.items():
            self._prove(name, draft, {column: wanted[name, column] for column in draft.names})
        for group in groups:
            self._tie(group, wanted)

    def _cells(self) -> list[Cell]:
        return [(name, column) for name, draft in self._drafts.items() for column in draft.names]

    def _wanted(self, table: str, column: str) -> tuple[TargetType, ...]:
        draft = self._drafts[table]
        declared = next(one for one in draft.catalog.columns if one.name == column)
        return wanted_types(
            declared,
            draft.evidence[column],
            self._times,
            alias=draft.catalog.rowid_alias == column,
            said=self._wishes.said_types.get((table, column)),
        )

    def _is_fixed(self, cell: Cell) -> bool:
        table, column = cell
        return cell in self._wishes.said_types or self._drafts[table].catalog.rowid_alias == column

    def _prove(
        self, name: str, draft: Draft, wanted: Mapping[str, Sequence[TargetType]], *, every: bool = False
    ) -> None:
        if not wanted:
            return
        wanted = {
            column: [taking(target, draft.evidence[column]) for target in targets] for column, targets in wanted.items()
        }
        said = {column: unit for (table, column), unit in self._wishes.units.items() if table == name}
        proofs = prove(
            self._source, draft.source, wanted, draft.evidence, zone=self._wishes.zone, units=said, every=every
        )
        for column in draft.catalog.columns:
            if column.name not in wanted:
                continue
            self._choose(name, draft, column, wanted[column.name], proofs[column.name])

    def _choose(
        self, name: str, draft: Draft, column: CatalogColumn, wanted: Sequence[TargetType], proof: Proof
    ) -> None:
        if proof.unit is not None:
            self._units[name, column.name] = proof.unit
        draft.types[column.name] = choose(
            name,
            column,
            draft.evidence[column.name],
            wanted,
            proof,
            declared=self._wishes.types is TypeChoice.DECLARED,
            said=(name, column.name) in self._wishes.said_types,
        )

    def _tied_columns(self) -> list[list[Cell]]:
        """Groups of columns that foreign keys tie together, parents first."""
        groups: dict[Cell, list[Cell]] = {}
        for name, draft in self._drafts.items():
            for key in draft.catalog.foreign_keys:
                found = parent_columns(key, self._drafts)
                if found is None:
                    continue
                parent, columns = found
                for child, other in zip(key.columns, columns, strict=True):
                    spelled = draft.spelled(child) or child
                    upper = groups.setdefault((parent.catalog.name, other), [(parent.catalog.name, other)])
                    lower = groups.get((name, spelled), [(name, spelled)])
                    if upper is not lower:
                        upper += [cell for cell in lower if cell not in upper]
                        groups |= dict.fromkeys(upper, upper)
        return [group for group in {id(group): group for group in groups.values()}.values() if len(group) > 1]

    def _tie(self, group: Sequence[Cell], wanted: Mapping[Cell, Sequence[TargetType]]) -> None:
        if compatible([self._drafts[table].type_of(column) for table, column in group]):
            return
        for table, column in group:
            self._prove(table, self._drafts[table], {column: wanted[table, column]}, every=True)
        chosen = {(table, column): self._drafts[table].types[column] for table, column in group}
        fixed = frozenset(cell for cell in group if self._is_fixed(cell))
        target = tie(list(group), chosen, fixed)
        if target is None:
            return
        first = f"{group[0][0]}.{group[0][1]}"
        for (table, column), before in chosen.items():
            if before.type == target:
                continue
            draft = self._drafts[table]
            shared = taking(target, draft.evidence[column])
            draft.types[column] = tied(before, shared, first if (table, column) != group[0] else "its children")
            declared = next(one.declared for one in draft.catalog.columns if one.name == column)
            reason = draft.types[column].reason
            draft.choose(ObjectKind.COLUMN, column, declared or "no type", target.sql, reason)

    # -- the rest of a table ----------------------------------------------------------------------------------------

    def _complete_columns(self, draft: Draft) -> None:
        draft.choices += [one.choice for one in draft.types.values() if one.choice is not None]
        found = [
            other_classes(draft.catalog.name, one, draft.evidence[one.name], draft.type_of(one.name))
            for one in draft.catalog.columns
        ]
        draft.choices += [choice for choice in found if choice is not None]
        required = []
        for column in draft.catalog.columns:
            if not column.not_null and column.name not in draft.catalog.primary_key:
                continue
            nulls = draft.evidence[column.name].nulls
            if not nulls:
                required += [column.name] if column.not_null else []
            elif column.not_null:
                draft.choose(
                    ObjectKind.NOT_NULL,
                    column.name,
                    "NOT NULL",
                    "NULL allowed",
                    "rows hold NULL in it all the same",
                    values=nulls,
                    ways_out="mend these rows, then ALTER COLUMN … SET NOT NULL",
                )
        draft.required = frozenset(required)
        for column_name, collation in draft.declarations.collations.items():
            if collation != "BINARY" and draft.type_of(column_name).kind is Kind.TEXT:
                draft.choose(
                    ObjectKind.COLLATION,
                    column_name,
                    f"COLLATE {collation}",
                    "the database's collation",
                    "comparisons in queries tell apart what this collation does not",
                    ways_out="lower(…) in queries" if collation == "NOCASE" else "",
                )
        draft.forms = self._forms(draft)
        add_generated(draft)

    def _forms(self, draft: Draft) -> dict[str, str]:
        """Forms of times are asked for where an expression may compare them."""
        texts = [
            *(check.expression for check in draft.declarations.checks),
            *draft.declarations.generated.values(),
            *(index.sql or "" for index in draft.catalog.indexes if index.has_expressions),
            *(view.sql for view in self._catalog.views),
        ]
        said = " ".join(texts).lower()
        times = (*TIMES, Kind.DATE, Kind.TIME)
        asked = [c for c in draft.names if draft.type_of(c).kind in times and c.lower() in said]
        return time_forms(self._source, draft.catalog.name, asked)

    def _proposed(self, draft: Draft) -> ProposedTable:
        hints = could_be(self._source, draft)
        columns = tuple(self._proposed_column(draft, column, hints) for column in draft.catalog.columns)
        key = tuple(draft.names[column] for column in draft.primary_key)
        return ProposedTable(
            draft.catalog.name, draft.name, columns, key, draft.primary_key_name, tuple(draft.constraints)
        )

    def _proposed_column(self, draft: Draft, column: CatalogColumn, hints: Mapping[str, str]) -> ProposedColumn:
        name = column.name
        evidence = draft.evidence[name]
        chosen = draft.types[name]
        identity = draft.catalog.rowid_alias == name and chosen.type == BIGINT
        generated = draft.generated.get(name)
        plain = not identity and generated is None and not column.generated
        return ProposedColumn(
            source=name,
            name=draft.names[name],
            declared=column.declared,
            storage=evidence.storage,
            nulls=evidence.nulls,
            type=chosen.type,
            reason="the rowid" if identity else chosen.reason,
            not_null=name in draft.required,
            identity=identity,
            default=default_of(draft, name, column.default) if plain else None,
            generated=generated,
            could_be=hints.get(name),
        )

    def _objects_lost(self) -> list[NotCarried]:
        lost = [
            NotCarried(ObjectKind.TRIGGER, trigger.table, trigger.name, trigger.sql, "triggers are never carried")
            for trigger in self._catalog.triggers
            if trigger.table in self._tables
        ]
        for virtual in self._catalog.virtual_tables:
            if virtual.name in self._tables:
                continue
            table = self._source.tables.get(virtual.name)
            rows = None if table is None else table.row_count
            reason = "a virtual table" + ("" if rows is None else "; --virtual-tables load makes a plain one of it")
            if table is not None and table.unreadable is not None:
                reason = f"a virtual table that this SQLite cannot read: {table.unreadable}"
            lost.append(NotCarried(ObjectKind.VIRTUAL_TABLE, None, virtual.name, virtual.sql, reason, rows))
        return lost
