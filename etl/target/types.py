"""The types of the target's columns as its catalogue describes them: limits, base types, elements, fields."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from psycopg2 import sql

from etl.core.types import Kind, TargetType
from etl.target.session import Row, Session

TypeId = tuple[int, int]
"""A type's oid and its modifier, which is -1 where there is none."""

_KINDS = {
    "bool": Kind.BOOLEAN,
    "int2": Kind.SMALLINT,
    "int4": Kind.INTEGER,
    "int8": Kind.BIGINT,
    "float4": Kind.REAL,
    "float8": Kind.DOUBLE,
    "numeric": Kind.NUMERIC,
    "money": Kind.MONEY,
    "oid": Kind.OID,
    "text": Kind.TEXT,
    "varchar": Kind.TEXT,
    "bpchar": Kind.TEXT,
    "bit": Kind.BIT,
    "varbit": Kind.VARBIT,
    "timestamptz": Kind.TIMESTAMPTZ,
    "timestamp": Kind.TIMESTAMP,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "timetz": Kind.TIMETZ,
    "interval": Kind.INTERVAL,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
    "bytea": Kind.BYTEA,
    "uuid": Kind.UUID,
    "inet": Kind.INET,
    "cidr": Kind.CIDR,
    "macaddr": Kind.MACADDR,
    "macaddr8": Kind.MACADDR8,
}
_CONSTRUCTED = {"e": Kind.ENUM, "c": Kind.COMPOSITE, "r": Kind.RANGE, "m": Kind.MULTIRANGE}
_SECONDS = {Kind.TIMESTAMPTZ, Kind.TIMESTAMP, Kind.TIME, Kind.TIMETZ}
_NO_ARRAYS = ("int2vector", "oidvector")  # they are printed without braces
_INTERVAL = re.compile(r"interval(?: ([a-z ]+?))?(?:\((\d)\))?")

# A column's types and those that they are made of. The modifier of an array is its elements'. Servers before 14 have
# no multiranges, and no such column in pg_range.
_TYPES = """
WITH RECURSIVE used(oid, modifier) AS (
    SELECT * FROM unnest({oids}::oid[], {modifiers}::int[])
    UNION
    SELECT part.oid, part.modifier FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid CROSS JOIN LATERAL (
        SELECT t.typbasetype, t.typtypmod WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem, used.modifier WHERE t.typcategory = 'A' AND t.typtype = 'b' AND t.typelem <> 0
        UNION ALL SELECT r.rngsubtype, -1 FROM pg_catalog.pg_range r
            WHERE t.oid IN (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)
        UNION ALL SELECT a.atttypid, a.atttypmod FROM pg_catalog.pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS part(oid, modifier)
)
SELECT t.oid, used.modifier, t.typname, t.typnamespace = 'pg_catalog'::regnamespace, t.typtype,
       pg_catalog.format_type(t.oid, used.modifier),
       CASE WHEN t.typtype = 'd' THEN t.typbasetype END, t.typtypmod,
       CASE WHEN t.typcategory = 'A' AND t.typtype = 'b' THEN nullif(t.typelem, 0) END,
       (
           SELECT r.rngsubtype FROM pg_catalog.pg_range r
           WHERE t.oid IN (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)
       ),
       ARRAY(
           SELECT a.attname FROM pg_catalog.pg_attribute a
           WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
       ),
       ARRAY(
           SELECT a.atttypid::bigint FROM pg_catalog.pg_attribute a
           WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
       ),
       ARRAY(
           SELECT a.atttypmod FROM pg_catalog.pg_attribute a
           WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
       )
FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid
"""


def read_types(session: Session, wanted: Collection[TypeId]) -> dict[TypeId, TargetType]:
    """The types of these identities, with everything that they are made of."""
    oids, modifiers = [oid for oid, _ in wanted], [modifier for _, modifier in wanted]
    rows = session.rows(sql.SQL(_TYPES).format(oids=sql.Literal(oids), modifiers=sql.Literal(modifiers)))
    described = {(row[0], row[1]): row for row in rows}
    return {identity: _type(identity, described) for identity in wanted}


def _type(identity: TypeId, described: Mapping[TypeId, Row]) -> TargetType:
    _, modifier, name, builtin, category, spelled, base, base_modifier, element, subtype, *fields = described[identity]
    if base is not None:
        below = _type((base, base_modifier), described)
        return replace(below, sql=spelled, base_sql=below.base)
    if element is not None and name not in _NO_ARRAYS:
        return TargetType(Kind.ARRAY, spelled, element=_type((element, modifier), described))
    if category in _CONSTRUCTED:
        parts = tuple((field, _type((oid, own), described)) for field, oid, own in zip(*fields, strict=True))
        of = None if subtype is None else _type((subtype, -1), described)
        return TargetType(_CONSTRUCTED[category], spelled, subtype=of, fields=parts)
    return _with_limits(TargetType(_KINDS.get(name, Kind.OTHER) if builtin else Kind.OTHER, spelled), name, modifier)


def _with_limits(plain: TargetType, name: str, modifier: int) -> TargetType:
    """The type with what its modifier says; see the `typmodin` function of each type in PostgreSQL's sources."""
    if plain.kind is Kind.INTERVAL:
        found = _INTERVAL.fullmatch(plain.sql)
        fields, digits = found.groups() if found else (None, None)
        return replace(plain, interval_fields=fields, precision=int(digits) if digits else None)
    if name == "bpchar":
        return replace(plain, padded=True, length=modifier - 4 if modifier >= 4 else None)
    if modifier < 0:
        return plain
    if name == "varchar":
        return replace(plain, length=modifier - 4)  # 4: the header that the modifier counts in
    if plain.kind in (Kind.BIT, Kind.VARBIT):
        return replace(plain, length=modifier)
    if plain.kind is Kind.NUMERIC:
        precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
        return replace(plain, precision=precision, scale=(scale ^ 0x400) - 0x400)  # 11 bits with a sign
    return replace(plain, precision=modifier) if plain.kind in _SECONDS else plain
