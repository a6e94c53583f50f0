"""The target: what PostgreSQL's own catalogue says about its tables. The plan is made from this, not from lists."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from psycopg2 import sql

from etl.core.tables import Check, ForeignKey, Index, TargetColumn, TargetTable, Trigger, UniqueKey
from etl.core.types import ANY_STORAGE, TargetType
from etl.target.session import Row, Session
from etl.target.types import TypeId, read_types

_TABLES = """
SELECT c.oid, c.relname, c.relkind,
       pg_has_role(c.relowner, 'USAGE') AS owned,
       row_security_active(c.oid) AS row_security,
       EXISTS (
           SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
       ) AS triggers,
       c.relkind = 'r' AND NOT c.relispartition AND NOT c.relhassubclass
           AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS ordinary,
       has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE')
           OR has_table_privilege(c.oid, 'TRUNCATE') AS lockable,
       ARRAY(
           SELECT r.rulename FROM pg_rewrite r
           WHERE r.ev_class = c.oid AND r.ev_type = '3' AND r.ev_enabled <> 'D' ORDER BY r.rulename
       ) AS rules,
       EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '2') AS update_rules,
       ARRAY(
           WITH RECURSIVE up(oid) AS (
               SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid
               UNION SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.oid
           )
           SELECT p.relname FROM up JOIN pg_class p ON p.oid = up.oid WHERE p.relnamespace = c.relnamespace
           ORDER BY p.relname
       ) AS ancestors,
       c.relpersistence = 'u' AS unlogged,
       CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END
FROM pg_class c
WHERE c.relnamespace = quote_ident({schema})::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname
"""
_OTHER_RELATIONS = """
SELECT c.relname, c.relkind, c.relispartition FROM pg_class c
WHERE c.relnamespace = quote_ident({schema})::regnamespace AND (c.relispartition OR c.relkind NOT IN ('r', 'p'))
ORDER BY c.relname
"""
_RELATION_WORDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
    "c": "a composite type",
}
# The sequence: the one that belongs to the column, else the one that its default takes a number from.
_COLUMNS = """
SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef OR a.attidentity <> '',
       a.attgenerated <> '', a.attidentity = 'a',
       CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN coalesce(
           pg_get_serial_sequence(quote_ident({schema}) || '.' || quote_ident(c.relname), a.attname),
           (
               SELECT format('%I.%I', n.nspname, s.relname)
               FROM pg_attrdef d
               JOIN pg_depend x ON x.classid = 'pg_attrdef'::regclass AND x.objid = d.oid
               JOIN pg_class s ON s.oid = x.refobjid AND x.refclassid = 'pg_class'::regclass AND s.relkind = 'S'
               JOIN pg_namespace n ON n.oid = s.relnamespace
               WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
                   AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
           )
       ) END,
       (
           SELECT format('%I.%I', n.nspname, l.collname) FROM pg_collation l
           JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation AND NOT l.collisdeterministic
       ),
       col_description(a.attrelid, a.attnum)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = quote_ident({schema})::regnamespace AND c.relkind IN ('r', 'p')
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""
# Constraints that PostgreSQL 18 marks as NOT ENFORCED bind nobody; older servers have no such mark. The last but one
# column: whether a foreign key's definition says all that there is to say about it, and holds for all rows.
_CONSTRAINTS = """
SELECT x.conrelid, x.conname, x.contype, x.conkey, x.confkey, n.nspname, p.relname, x.confrelid, x.confmatchtype = 'f',
       x.condeferrable, pg_get_constraintdef(x.oid), pg_get_expr(x.conbin, x.conrelid),
       x.conparentid = 0 AND x.convalidated AND obj_description(x.oid, 'pg_constraint') IS NULL
           AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = x.oid AND g.tgenabled <> 'O'),
       EXISTS (
           SELECT FROM pg_constraint y
           WHERE y.conname = x.conname AND y.connamespace = x.connamespace AND y.oid <> x.oid
       )
FROM pg_constraint x JOIN pg_class c ON c.oid = x.conrelid
LEFT JOIN pg_class p ON p.oid = x.confrelid LEFT JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE c.relnamespace = quote_ident({schema})::regnamespace AND x.contype IN ('f', 'c') {enforced}
ORDER BY x.conrelid, x.conname
"""
# The last column: whether the index's definition says all that there is to say about it.
_INDEXES = """
SELECT i.indrelid, x.relname, i.indisunique, i.indisprimary, i.indisexclusion,
       i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid AND i.indisready,
       string_to_array(i.indkey::text, ' ')::int2[], i.indnkeyatts,
       pg_get_indexdef(i.indexrelid), {nulls_distinct},
       i.indimmediate,
       obj_description(x.oid, 'pg_class') IS NULL AND x.reltablespace = 0 AND NOT i.indisclustered
           AND NOT i.indisreplident AND i.indisvalid AND NOT x.relispartition
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = x.oid AND a.attstattarget >= 0)
           AND NOT EXISTS (
               SELECT FROM pg_depend d
               WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid AND d.deptype = 'x'
           )
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = quote_ident({schema})::regnamespace AND i.indislive
ORDER BY i.indrelid, i.indisprimary DESC, x.relname
"""
_TRIGGERS = """
SELECT t.tgrelid, t.tgname, p.prosrc, t.tgenabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE c.relnamespace = quote_ident({schema})::regnamespace AND NOT t.tgisinternal AND t.tgenabled <> 'D'
ORDER BY t.tgrelid, t.tgname
"""
_REFERENCED_COLUMNS = """
SELECT a.attrelid, a.attnum, a.attname FROM pg_attribute a
WHERE a.attnum > 0 AND a.attrelid IN (SELECT confrelid FROM pg_constraint WHERE contype = 'f')
"""


def read_catalog(session: Session, schema: str) -> dict[str, TargetTable]:
    """The tables of `schema` by name, as they stand in this transaction."""
    literal = sql.Literal(schema)
    enforced = "AND x.conenforced" if session.server_version >= 180_000 else ""
    nulls_distinct = "NOT i.indnullsnotdistinct" if session.server_version >= 150_000 else "true"
    tables = session.rows(sql.SQL(_TABLES).format(schema=literal))
    columns = _grouped(session.rows(sql.SQL(_COLUMNS).format(schema=literal)))
    constraints = _grouped(session.rows(sql.SQL(_CONSTRAINTS).format(schema=literal, enforced=sql.SQL(enforced))))
    indexes = _grouped(session.rows(sql.SQL(_INDEXES).format(schema=literal, nulls_distinct=sql.SQL(nulls_distinct))))
    names = {(oid, number): name for oid, number, name in session.rows(sql.SQL(_REFERENCED_COLUMNS))}
    names |= {(oid, row[0]): row[1] for oid, rows in columns.items() for row in rows}
    triggers = _grouped(session.rows(sql.SQL(_TRIGGERS).format(schema=literal)))
    types = read_types(session, {(row[2], row[3]) for rows in columns.values() for row in rows})
    return {
        row[1]: replace(
            _table(schema, row, _Parts(columns[row[0]], constraints[row[0]], indexes[row[0]]), names, types),
            triggers=tuple(Trigger(*trigger) for trigger in triggers[row[0]]),
        )
        for row in tables
    }


def read_other_relations(session: Session, schema: str) -> dict[str, str]:
    """What bears a name in `schema` that a table could have, and is none that rows are loaded into: name → "a view"."""
    rows = session.rows(sql.SQL(_OTHER_RELATIONS).format(schema=sql.Literal(schema)))
    return {
        name: "a partition" if partition else _RELATION_WORDS.get(kind, "no table") for name, kind, partition in rows
    }


class _Parts(NamedTuple):
    """What the catalogue has of one table."""

    columns: list[Row]
    constraints: list[Row]
    indexes: list[Row]


def _table(
    schema: str, row: Row, parts: _Parts, names: Mapping[tuple[int, int], str], types: Mapping[TypeId, TargetType]
) -> TargetTable:
    oid, name, _, owned, row_security, triggers, ordinary, lockable, rules, update_rules, *others = row
    ancestors, unlogged, rows_about = others
    columns, constraints, indexes = parts
    uniques = [_unique(oid, index, names) for index in indexes if index[1] and index[4]]
    primary = next((index for index in indexes if index[2]), None)
    primary_key = _unique(oid, primary, names) if primary else None
    return TargetTable(
        schema=schema,
        name=name,
        oid=oid,
        columns=tuple(_column(column, types) for column in columns),
        primary_key=primary_key,
        uniques=tuple(unique for unique in uniques if unique != primary_key),
        has_other_uniques=any((index[1] or index[3]) and not index[4] for index in indexes),
        foreign_keys=tuple(_foreign_key(oid, item, names) for item in constraints if item[1] == "f"),
        checks=tuple(_check(oid, item, names) for item in constraints if item[1] == "c" and 0 not in (item[2] or ())),
        indexes=tuple(Index(index[0], index[7]) for index in indexes if not index[1] and not index[3] and index[10]),
        has_triggers=triggers,
        row_security=row_security,
        owned=owned,
        ordinary=ordinary,
        lockable=lockable,
        on_conflict=not update_rules and all(index[9] for index in indexes),
        rules=tuple(rules),
        ancestors=tuple(ancestors),
        unlogged=unlogged,
        rows_about=rows_about,
    )


def _column(row: Row, types: Mapping[TypeId, TargetType]) -> TargetColumn:
    _, name, type_oid, modifier, not_null, default, generated, always, sequence, collation, comment = row
    type_ = types[type_oid, modifier]
    return TargetColumn(
        name=name,
        type=replace(type_, any_storage=True) if comment == ANY_STORAGE else type_,
        not_null=not_null,
        has_default=default,
        generated=generated,
        identity_always=always,
        sequence=sequence,
        collation=collation,
    )


def _unique(oid: int, index: Row, names: Mapping[tuple[int, int], str]) -> UniqueKey:
    name, _, _, _, _, numbers, key_count, _, nulls_distinct, *_ = index
    return UniqueKey(name, _names(oid, numbers[:key_count], names), nulls_distinct)


def _foreign_key(oid: int, row: Row, names: Mapping[tuple[int, int], str]) -> ForeignKey:
    name, _, key, parent_key, schema, parent, parent_oid, full, deferrable, definition, _, plain, has_namesake = row
    return ForeignKey(
        name=name,
        columns=_names(oid, key, names),
        parent_schema=schema,
        parent=parent,
        parent_columns=_names(parent_oid, parent_key, names),
        match_full=full,
        deferrable=deferrable,
        definition=definition,
        plain=plain,
        has_namesake=has_namesake,
    )


def _check(oid: int, row: Row, names: Mapping[tuple[int, int], str]) -> Check:
    return Check(row[0], _names(oid, row[2] or (), names), row[10], row[9])


def _names(oid: int, numbers: Iterable[int], names: Mapping[tuple[int, int], str]) -> tuple[str, ...]:
    return tuple(names[oid, number] for number in numbers)


def _grouped(rows: list[Row]) -> defaultdict[int, list[Row]]:
    groups: defaultdict[int, list[Row]] = defaultdict(list)
    for oid, *rest in rows:
        groups[oid].append(tuple(rest))
    return groups
