"""Primary keys, unique keys and indexes of a proposed table."""

from collections.abc import Iterator, Sequence

from etl.core.proposal import ObjectKind, ProposedConstraint
from etl.core.source_catalog import CatalogIndex, IndexPart
from etl.derivation.draft import LONGEST_KEY, MOST_PARTS, Draft
from etl.schema.expressions import NotTranslatable, translate_index, translate_where
from etl.schema.sql_names import sql_name

_KNOWN_COLLATIONS = ("BINARY", "NOCASE")


def primary_key(draft: Draft) -> tuple[tuple[str, ...], str, list[ProposedConstraint]]:
    """The primary key by the target's names, its own name, and what stands for it where it cannot be one, or beside
    it."""
    table = draft.facts.table
    names = [draft.column_name(column) for column in table.primary_key]
    columns = tuple(name for name in names if name is not None)
    if not columns or len(columns) < len(names):
        return (), "", []
    collations = table.primary_key_collations or tuple("BINARY" for _ in columns)
    parts = tuple(
        IndexPart(column, None, False, collation)
        for column, collation in zip(table.primary_key, collations, strict=True)
    )
    index = CatalogIndex(f"{table.name}_key", True, parts, sql=f"PRIMARY KEY ({', '.join(table.primary_key)})")
    if any(draft.facts.evidence.columns[name].nulls for name in table.primary_key if name in draft.columns):
        draft.choose(
            ObjectKind.PRIMARY_KEY,
            None,
            index.sql or "",
            "a unique index",
            "rows hold NULL in it, which PostgreSQL's primary keys do not",
            "give these rows a key",
        )
        return (), "", list(_index(draft, index))
    if _obstacle(draft, index):
        return (), "", list(_index(draft, index))
    draft.keys.add(frozenset(columns))
    name = draft.relation_name(table.primary_key_name or f"{draft.name}_pkey")
    return columns, name, list(_without_case(draft, index, name))


def unique_keys_and_indexes(draft: Draft) -> Iterator[ProposedConstraint]:
    """Everything that SQLite keeps an index for beside the primary key."""
    for index in draft.facts.table.indexes:
        yield from _unique_constraint(draft, index) if index.sql is None else _index(draft, index)


def _unique_constraint(draft: Draft, index: CatalogIndex) -> Iterator[ProposedConstraint]:
    """UNIQUE in CREATE TABLE."""
    columns = [draft.column_name(column) or "" for column in index.columns]
    wanted = index.name or "_".join([draft.name, *columns, "key"])
    source_sql = f"UNIQUE ({', '.join(index.columns)})"
    named = CatalogIndex(wanted, True, index.parts, sql=source_sql)
    if "" in columns or _obstacle(draft, named):
        yield from _index(draft, named)
        return
    name = draft.relation_name(wanted)
    draft.keys.add(frozenset(columns))
    sql = f"ALTER TABLE {draft.sql} ADD CONSTRAINT {sql_name(name)} UNIQUE ({_listed(columns)})"
    yield ProposedConstraint(ObjectKind.UNIQUE, draft.name, name, sql, source_sql, after_rows=False)
    yield from _without_case(draft, index, name)


def _index(draft: Draft, index: CatalogIndex) -> Iterator[ProposedConstraint]:
    """CREATE INDEX; without UNIQUE where values that differ in SQLite are equal in PostgreSQL."""
    wanted, source_sql = index.name or "index", index.sql or ""
    kind = ObjectKind.UNIQUE if index.unique else ObjectKind.INDEX
    parts, reason = _parts(draft, index)
    where = translate_where(index.where, draft.known) if index.where else None
    if isinstance(where, NotTranslatable):
        reason = reason or where.reason
    size = draft.most_bytes(index.columns)
    if size > LONGEST_KEY:
        reason = f"its largest values take {size:,} bytes, and PostgreSQL's indexes take no more than {LONGEST_KEY:,}"
    if reason or isinstance(where, NotTranslatable):
        draft.leave(kind, wanted, source_sql, reason)
        return
    merged = _obstacle(draft, index) if index.unique else ""
    if merged:
        draft.choose(kind, None, source_sql, "a plain index", merged, "mend the values, and make it unique")
    unique = index.unique and not merged
    name = draft.relation_name(wanted)
    sql = f"CREATE {'UNIQUE ' if unique else ''}INDEX {sql_name(name)} ON {draft.sql} ({', '.join(parts)})"
    if where is not None:
        sql += f" WHERE {where.sql}"
    if unique and index.is_key:
        draft.keys.add(frozenset(draft.column_name(column) or "" for column in index.columns))
    early = unique and index.is_key
    made = ObjectKind.UNIQUE if unique else ObjectKind.INDEX
    yield ProposedConstraint(made, draft.name, name, sql, source_sql, after_rows=not early)
    if unique:
        yield from _without_case(draft, index, name)


def _obstacle(draft: Draft, index: CatalogIndex) -> str:
    """Why the columns cannot be unique, or no index at all, in PostgreSQL; '' where they can."""
    for column in index.columns:
        chosen = draft.type_of(column)
        if chosen is not None and chosen.merged:
            return f"values of {column} that differ in SQLite are equal in {chosen.type.sql}"
    size = draft.most_bytes(index.columns)
    return f"its largest values take {size:,} bytes" if size > LONGEST_KEY else ""


def _parts(draft: Draft, index: CatalogIndex) -> tuple[list[str], str]:
    """The parts as SQL, or the reason why one of them has none."""
    if len(index.parts) > MOST_PARTS:
        return [], f"it has {len(index.parts)} columns, and PostgreSQL's indexes have no more than {MOST_PARTS}"
    parts = []
    for part in index.parts:
        sql, reason = _part(draft, index, part)
        if reason:
            return [], reason
        parts.append(sql + (" DESC" if part.descending else ""))
    return parts, ""


def _part(draft: Draft, index: CatalogIndex, part: IndexPart) -> tuple[str, str]:
    if part.column is None:
        suffix = f" COLLATE {part.collation}" if part.collation != "BINARY" else ""
        found = translate_index(f"({part.expression}){suffix}", draft.known)
        if isinstance(found, NotTranslatable):
            return "", found.reason
        return (f"({found.sql})", "") if found.immutable else ("", "its expression is not the same at all times")
    name = draft.column_name(part.column)
    if name is None:
        return "", f"the column {part.column} is left out"
    if part.collation == "NOCASE" and draft.is_text(part.column) and not index.unique:
        return _folded(name), ""
    return sql_name(name), ""


def _without_case(draft: Draft, index: CatalogIndex, name: str) -> Iterator[ProposedConstraint]:
    """The unique index on lower-case texts that keeps NOCASE, beside the key itself."""
    named = index.name or name
    for part in index.parts:
        if part.column is not None and part.collation not in _KNOWN_COLLATIONS:
            reason = "the collation has no equal in PostgreSQL, which tells more texts apart"
            draft.leave(ObjectKind.COLLATION, named, f"{part.column} COLLATE {part.collation}", reason)
    folded = [
        part.column
        for part in index.parts
        if part.column is not None and part.collation == "NOCASE" and draft.is_text(part.column)
    ]
    if not folded:
        return
    parts, reason = _parts(draft, CatalogIndex(None, False, index.parts, index.where))
    where = translate_where(index.where, draft.known) if index.where else None
    if reason or isinstance(where, NotTranslatable):
        return  # the index itself is not carried, for the same reason
    beside = draft.relation_name(f"{name}_nocase")
    sql = f"CREATE UNIQUE INDEX {sql_name(beside)} ON {draft.sql} ({', '.join(parts)})"
    sql += f" WHERE {where.sql}" if where is not None else ""
    for column in folded:
        draft.choose(
            ObjectKind.COLLATION,
            column,
            "COLLATE NOCASE",
            f"a unique index on lower({draft.column_name(column)})",
            "comparisons in queries tell upper and lower case apart",
            "compare lower(…) in queries, or use the type citext",
        )
    source_sql = f"{', '.join(folded)} COLLATE NOCASE"
    yield ProposedConstraint(ObjectKind.UNIQUE, draft.name, beside, sql, source_sql)


def _folded(name: str) -> str:
    """SQLite folds the letters of ASCII alone, as lower() does under this collation."""
    return f'lower({sql_name(name)} COLLATE "C")'


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(sql_name, columns))
