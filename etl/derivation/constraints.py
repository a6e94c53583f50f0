"""Checks and foreign keys of a proposed table."""

from collections.abc import Iterator, Mapping

from etl.core.proposal import Choice, ObjectKind, ProposedConstraint
from etl.core.source_catalog import CatalogForeignKey, SourceCatalog
from etl.derivation.draft import Draft
from etl.derivation.evidence import count_orphans
from etl.derivation.tied import pairs
from etl.schema.expressions import NotTranslatable, implied_by_type, translate_check
from etl.schema.sql_names import sql_name
from etl.source.database import Source


def propose_checks(draft: Draft) -> Iterator[ProposedConstraint]:
    """Every CHECK that a type does not keep already; NOT VALID where rows break it."""
    for check, broken in zip(draft.facts.table.checks, draft.facts.evidence.broken, strict=True):
        source_sql = f"CHECK ({check.condition})"
        if implied_by_type(check.condition, draft.known):
            draft.choose(ObjectKind.CHECK, None, source_sql, "kept by the type", "no value of the type can break it")
            continue
        wanted = check.name or f"{draft.name}_check"
        found = translate_check(check.condition, draft.known)
        if isinstance(found, NotTranslatable) or not found.immutable:
            reason = found.reason if isinstance(found, NotTranslatable) else "it is not the same at all times"
            draft.leave(ObjectKind.CHECK, check.name or "CHECK", source_sql, reason)
            continue
        name = draft.constraints.name(wanted)
        sql = f"ALTER TABLE {draft.sql} ADD CONSTRAINT {sql_name(name)} CHECK ({found.sql})"
        rows = _count(broken) or 0
        if rows:
            _note_broken(draft, ObjectKind.CHECK, source_sql, "rows break it", rows)
        yield ProposedConstraint(
            ObjectKind.CHECK, draft.name, name, sql, source_sql, unchecked=f"{sql} NOT VALID", broken_rows=rows
        )


def _count(broken: int | str) -> int | None:
    return broken if isinstance(broken, int) else None


def _note_broken(draft: Draft, kind: ObjectKind, declared: str, reason: str, rows: int) -> None:
    draft.notes.choices.append(
        Choice(
            kind,
            draft.facts.table.name,
            None,
            declared,
            "NOT VALID: new rows alone are held to it",
            reason,
            rows,
            draft.facts.evidence.rows,
            ways_out="mend these rows, and then ALTER TABLE … VALIDATE CONSTRAINT",
        )
    )


def propose_foreign_keys(
    source: Source, catalog: SourceCatalog, drafts: Mapping[str, Draft], draft: Draft
) -> Iterator[ProposedConstraint]:
    """Every foreign key whose parent is there and unique; NOT VALID where rows have no parent."""
    for key in draft.facts.table.foreign_keys:
        reason = _obstacle(catalog, drafts, draft, key)
        if reason:
            draft.leave(ObjectKind.FOREIGN_KEY, key.name or ", ".join(key.columns), key.sql, reason)
            continue
        yield _foreign_key(source, catalog, drafts, draft, key)


def _obstacle(catalog: SourceCatalog, drafts: Mapping[str, Draft], draft: Draft, key: CatalogForeignKey) -> str:
    """Why a foreign key is not carried; '' where it is."""
    if catalog.table(key.parent) is None:
        return f"its parent {key.parent} is no table of the source"
    found = pairs(catalog, draft.facts.table, key)
    if found is None:
        return f"{key.parent} has no such columns, or no primary key"
    parent, tied = found
    if parent.name not in drafts:
        return f"its parent {parent.name} is not among the tables that are made"
    other = drafts[parent.name]
    targets = [(draft.column_name(one[1]), other.column_name(two[1])) for one, two in tied]
    if any(None in names for names in targets):
        return "a column of it is left out"
    for (_, child_column), (_, parent_column) in tied:
        ours, theirs = draft.types[child_column].type, other.types[parent_column].type
        if ours.sql != theirs.sql:
            return f"no type holds both {child_column} ({ours.sql}) and {parent.name}.{parent_column} ({theirs.sql})"
    if frozenset(name for _, name in targets) not in other.keys:
        return f"{', '.join(key.parent_columns)} of {parent.name} is not unique in PostgreSQL"
    return ""


def _foreign_key(
    source: Source, catalog: SourceCatalog, drafts: Mapping[str, Draft], draft: Draft, key: CatalogForeignKey
) -> ProposedConstraint:
    found = pairs(catalog, draft.facts.table, key)
    assert found is not None
    parent, tied = found
    other = drafts[parent.name]
    ours = [draft.columns[column] for (_, column), _ in tied]
    theirs = [other.columns[column] for _, (_, column) in tied]
    name = draft.constraints.name(key.name or "_".join([draft.name, *ours, "fkey"]))
    listed, referenced = ", ".join(map(sql_name, ours)), ", ".join(map(sql_name, theirs))
    clauses = [
        f"ALTER TABLE {draft.sql} ADD CONSTRAINT {sql_name(name)}",
        f"FOREIGN KEY ({listed}) REFERENCES {other.sql} ({referenced})",
        *(f"ON {event} {rule}" for event, rule in _actions(key)),
        key.deferrable,
    ]
    sql = " ".join(filter(None, clauses))
    orphans = count_orphans(source, draft.facts.table, key, parent)
    if orphans:
        _note_broken(draft, ObjectKind.FOREIGN_KEY, key.sql, f"rows have no parent in {parent.name}", orphans)
    return ProposedConstraint(
        ObjectKind.FOREIGN_KEY,
        draft.name,
        name,
        sql,
        key.sql,
        unchecked=f"{sql} NOT VALID",
        broken_rows=orphans,
    )


def _actions(key: CatalogForeignKey) -> list[tuple[str, str]]:
    rules = (("UPDATE", key.on_update), ("DELETE", key.on_delete))
    return [(event, rule) for event, rule in rules if rule not in ("NO ACTION", "NONE")]
