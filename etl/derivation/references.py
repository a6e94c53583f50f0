"""Foreign keys: with their actions, built behind the rows; orphans are kept, and listed by whoever loads them."""

from collections.abc import Mapping

from etl.concurrency.background import Abandoned
from etl.core.proposal import NameStyle, ObjectKind, ProposedConstraint
from etl.core.source_catalog import CatalogForeignKey
from etl.core.source_tables import quoted
from etl.derivation.columns import compatible
from etl.derivation.names import styled
from etl.derivation.tables import Draft
from etl.schema.declarations import DeclaredForeignKey
from etl.source.database import Source

_ACTIONS = {"CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT"}
_EMPTYING = {"SET NULL", "SET DEFAULT"}
_KNOWN = {"BINARY", "NOCASE", "RTRIM"}
_WITHOUT_TEXT = DeclaredForeignKey(None, False, False)


def parent_columns(key: CatalogForeignKey, drafts: Mapping[str, Draft]) -> tuple[Draft, list[str]] | None:
    """The parent and the columns of it that a foreign key means; None where there are none such."""
    parent = next((other for name, other in drafts.items() if name.lower() == key.parent.lower()), None)
    if parent is None:
        return None
    wanted = key.parent_columns or parent.catalog.primary_key
    spelled = [parent.spelled(column) for column in wanted]
    found = [column for column in spelled if column is not None]
    return (parent, found) if len(found) == len(wanted) == len(key.columns) else None


def count_orphans(source: Source, drafts: Mapping[str, Draft]) -> dict[str, int]:
    """The orphans of every foreign key whose parent has an index for it, by the query that finds them.

    Neither types nor keys need be known, so this can go on beside finding them. Without an index a count may take
    hours, and PostgreSQL may refuse the key anyway; `add_foreign_keys` then counts for itself.

    :raises Abandoned: where the source has been left meanwhile.
    :raises SourceError: where the source cannot be read.
    """
    found: dict[str, int] = {}
    for draft in drafts.values():
        for key in draft.catalog.foreign_keys:
            meant = parent_columns(key, drafts)
            if meant is None or set(meant[1]) not in _indexed(meant[0]):
                continue
            if source.left:
                raise Abandoned
            query = _orphans(draft, meant[0], list(zip(key.columns, meant[1], strict=True)))
            found[query] = source.count(query)
    return found


def _indexed(parent: Draft) -> list[set[str | None]]:
    unique = [{part.column for part in index.parts} for index in parent.catalog.indexes if index.unique]
    return [set(parent.catalog.primary_key), *unique]


def add_foreign_keys(
    source: Source, draft: Draft, drafts: Mapping[str, Draft], orphans: Mapping[str, int], style: NameStyle
) -> None:
    """Adds the foreign keys of a table.

    :param source: an open source, which counts the orphans that `orphans` lacks.
    :param draft: the table; its constraints are completed.
    :param drafts: all tables by name, their types tied and their keys known.
    :param orphans: what `count_orphans` found.
    :param style: how names are carried.
    """
    declared = list(draft.declarations.foreign_keys)
    known = len(declared) == len(draft.catalog.foreign_keys)
    for place, key in enumerate(draft.catalog.foreign_keys):
        _add(source, draft, key, declared[place] if known else _WITHOUT_TEXT, drafts, orphans, style)


def _add(
    source: Source,
    draft: Draft,
    key: CatalogForeignKey,
    declared: DeclaredForeignKey,
    drafts: Mapping[str, Draft],
    orphans: Mapping[str, int],
    style: NameStyle,
) -> None:
    listed = ", ".join(key.columns)
    words = f"FOREIGN KEY ({listed}) REFERENCES {key.parent}"
    words += f" ({', '.join(key.parent_columns)})" if key.parent_columns else ""
    name = declared.name or listed

    def lose(reason: str) -> None:
        draft.lose(ObjectKind.FOREIGN_KEY, name, words, reason)

    found = parent_columns(key, drafts)
    if found is None:
        lose(f"{key.parent} is not among the tables that are made, or has no such columns")
        return
    parent, columns = found
    if set(columns) not in [set(unique) for unique in parent.unique]:
        lose(f"{parent.catalog.name} ({', '.join(columns)}) is not unique in PostgreSQL")
        return
    pairs = list(zip(key.columns, columns, strict=True))
    for child, other in pairs:
        types = [draft.type_of(child), parent.type_of(other)]
        if not compatible(types):
            lose(f"{child} is {types[0].sql}, {parent.catalog.name}.{other} is {types[1].sql}; no type holds both")
            return
    given = styled(declared.name, style) if declared.name else None
    made = draft.constraint_names.give(given or f"{draft.name}_{'_'.join(draft.names[c] for c in key.columns)}_fkey")
    sql = (
        f"ALTER TABLE {draft.sql_name} ADD CONSTRAINT {quoted(made)} FOREIGN KEY ({draft.column_list(key.columns)}) "
        f"REFERENCES {parent.sql_name} ({parent.column_list(columns)}){_rules(draft, key, declared)}"
    )
    query = _orphans(draft, parent, pairs)
    draft.add_breakable(
        ProposedConstraint(
            ObjectKind.FOREIGN_KEY,
            draft.name,
            made,
            sql,
            words,
            unchecked=f"{sql} NOT VALID",
            broken_rows=orphans[query] if query in orphans else source.count(query),
            broken_query=query,
        ),
        listed,
        "rows whose parent does not exist",
    )


def _rules(draft: Draft, key: CatalogForeignKey, declared: DeclaredForeignKey) -> str:
    """The leading column is never emptied: PostgreSQL 15 and later take the names of those that are, when deleting."""
    rules = ""
    leading = draft.catalog.leading
    if key.on_update in _ACTIONS and not (leading and key.on_update in _EMPTYING):
        rules += f" ON UPDATE {key.on_update}"
    if key.on_delete in _ACTIONS:
        rules += f" ON DELETE {key.on_delete}"
        if leading and key.on_delete in _EMPTYING:
            rules += f" ({draft.column_list(name for name in key.columns if name != leading)})"
    if declared.deferrable:
        rules += " DEFERRABLE" + (" INITIALLY DEFERRED" if declared.initially_deferred else "")
    return rules


def _orphans(draft: Draft, parent: Draft, pairs: list[tuple[str, str]]) -> str:
    """FROM … WHERE of the rows without NULL in the key whose parent is not there, as PostgreSQL tells them apart."""
    given = " AND ".join(f"c.{quoted(child)} IS NOT NULL" for child, _ in pairs)
    # The parent's own collation serves its index; what is equal under it has to be equal exactly as well. A collation
    # that the application has defined is not known here.
    collations = {other: parent.declarations.collations.get(other, "BINARY") for _, other in pairs}
    same = " AND ".join(
        f"p.{quoted(other)} = c.{quoted(child)}" + ("" if collations[other] in _KNOWN else " COLLATE BINARY")
        for child, other in pairs
    )
    exact = " AND ".join(
        f"p.{quoted(other)} = c.{quoted(child)} COLLATE BINARY"
        for child, other in pairs
        if collations[other] in _KNOWN and collations[other] != "BINARY"
    )
    return (
        f"FROM main.{quoted(draft.catalog.name)} c WHERE {given} AND NOT EXISTS "
        f"(SELECT 1 FROM main.{quoted(parent.catalog.name)} p WHERE {same}{f' AND {exact}' if exact else ''})"
    )
