"""Columns that foreign keys tie together get one type: the widest that they need, where it holds all their values."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from etl.core.source_catalog import CatalogForeignKey, CatalogTable, SourceCatalog
from etl.core.types import Kind, TargetType
from etl.derivation.declared import TEXT, varchar
from etl.derivation.proof import Attempt, prove
from etl.derivation.types import ChosenType, TableFacts, with_type
from etl.source.database import Source

Place = tuple[str, str]  # table, column
Types = dict[str, dict[str, ChosenType]]

_WIDTHS = (Kind.BOOLEAN, Kind.BIGINT, Kind.NUMERIC, Kind.DOUBLE, Kind.TIME, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_WIDER = (*_WIDTHS, Kind.UUID, Kind.JSON, Kind.TEXT, Kind.BYTEA)


def pairs(
    catalog: SourceCatalog, child: CatalogTable, key: CatalogForeignKey
) -> tuple[CatalogTable, list[tuple[Place, Place]]] | None:
    """The parent and the columns that are tied, as both tables spell them; None where the parent is not there."""
    parent = catalog.table(key.parent)
    if parent is None or len(key.columns) != len(key.parent_columns):
        return None
    found = []
    for ours, theirs in zip(key.columns, key.parent_columns, strict=True):
        column, other = child.column(ours), parent.column(theirs)
        if column is None or other is None:
            return None
        found.append(((child.name, column.name), (parent.name, other.name)))
    return parent, found


def tie(
    source: Source, catalog: SourceCatalog, facts: Mapping[str, TableFacts], types: Types, assume_timezone: str
) -> None:
    """Gives each group of tied columns one type; groups for which there is none stay as they are."""
    for group in _groups(catalog, facts):
        spellings = {types[table][column].type.sql for table, column in group}
        if len(spellings) > 1:
            _unify(source, facts, types, group, assume_timezone)


def _groups(catalog: SourceCatalog, facts: Mapping[str, TableFacts]) -> Iterator[list[Place]]:
    neighbours: defaultdict[Place, set[Place]] = defaultdict(set)
    for table in catalog.tables:
        for key in table.foreign_keys:
            found = pairs(catalog, table, key)
            for one, other in found[1] if found else []:
                if one[0] in facts and other[0] in facts:
                    neighbours[one].add(other)
                    neighbours[other].add(one)
    seen: set[Place] = set()
    for place in sorted(neighbours):
        if place not in seen:
            group = _reachable(place, neighbours)
            seen |= group
            yield sorted(group)


def _reachable(start: Place, neighbours: Mapping[Place, set[Place]]) -> set[Place]:
    found, open_places = {start}, [start]
    while open_places:
        new = neighbours[open_places.pop()] - found
        found |= new
        open_places.extend(new)
    return found


def _unify(
    source: Source, facts: Mapping[str, TableFacts], types: Types, group: list[Place], assume_timezone: str
) -> None:
    for candidate in _candidates(types, group):
        attempts = {}
        for table, column in group:
            if types[table][column].type.sql == candidate.sql:
                continue
            question = facts[table].question(column, candidate)
            attempt = prove(source, facts[table].described, [question], assume_timezone)[column]
            if types[table][column].fixed or not attempt.holds:
                break
            attempts[table, column] = attempt
        else:
            _assign(types, group, attempts)
            return


def _assign(types: Types, group: list[Place], attempts: Mapping[Place, Attempt]) -> None:
    for (table, column), attempt in attempts.items():
        other = next(place for place in group if place not in attempts)
        reason = f"as {'.'.join(other)}, to which a foreign key ties it"
        types[table][column] = with_type(types[table][column], attempt, reason)


def _candidates(types: Types, group: list[Place]) -> list[TargetType]:
    """The group's types, the widest first."""
    present = {types[table][column].type for table, column in group}
    texts = [type_ for type_ in present if type_.kind is Kind.TEXT]
    if len(texts) > 1:
        lengths = [type_.length for type_ in texts]
        widest = TEXT if None in lengths else varchar(max(length for length in lengths if length is not None))
        present = {type_ for type_ in present if type_.kind is not Kind.TEXT} | {widest}
    known = [type_ for type_ in present if type_.kind in _WIDER]
    return sorted(known, key=lambda type_: (-_WIDER.index(type_.kind), type_.sql))
