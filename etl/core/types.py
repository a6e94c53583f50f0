"""The column types of PostgreSQL, as far as the conversion and the comparison tell them apart."""

from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """A family of types that are read alike. `OTHER`: only the server can read its texts."""

    BOOLEAN = "boolean"
    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    REAL = "real"
    DOUBLE = "double precision"
    NUMERIC = "numeric"
    MONEY = "money"
    OID = "oid"
    TEXT = "text"
    BIT = "bit"
    VARBIT = "bit varying"
    TIMESTAMPTZ = "timestamptz"
    TIMESTAMP = "timestamp"
    DATE = "date"
    TIME = "time"
    TIMETZ = "timetz"
    INTERVAL = "interval"
    JSON = "json"
    BYTEA = "bytea"
    UUID = "uuid"
    INET = "inet"
    CIDR = "cidr"
    MACADDR = "macaddr"
    MACADDR8 = "macaddr8"
    ENUM = "enum"
    ARRAY = "array"
    RANGE = "range"
    MULTIRANGE = "multirange"
    COMPOSITE = "composite"
    OTHER = "other"


SERVER_READ = frozenset(Kind) - {
    Kind.BOOLEAN,
    Kind.SMALLINT,
    Kind.INTEGER,
    Kind.BIGINT,
    Kind.REAL,
    Kind.DOUBLE,
    Kind.NUMERIC,
    Kind.TEXT,
    Kind.TIMESTAMPTZ,
    Kind.TIMESTAMP,
    Kind.JSON,
    Kind.BYTEA,
}
"""Kinds whose texts the server's own input reads."""

TIMES = frozenset({Kind.TIMESTAMPTZ, Kind.TIMESTAMP})
"""Kinds of points in time, whose numbers count from an epoch in some unit."""


class Rewriting(Enum):
    """What the server's spelling of a text says about that text."""

    SAME = "same"
    REWRITTEN = "rewritten"  # another spelling of the same meaning
    BENT = "bent"  # another meaning


ANY_STORAGE = "SQLite's values of several storage classes: BLOBs as texts or UUIDs, numbers as the bytes of their texts"
"""The comment on a column that takes them; without it, a value of another class is refused where it could be meant
otherwise."""


@dataclass(frozen=True)
class TargetType:
    """A PostgreSQL column type: its kind, its spelling (`character varying(20)`), its limits and its parts.

    A domain has the kind, the limits and the parts of its base type, and its own spelling. `length`: characters of
    varchar(n) and char(n), digits of bit(n) and bit varying(n). `precision` and `scale`: digits of numeric(p,s);
    `precision` alone: fraction digits of seconds; `interval_fields`: such as "day to second". `element`: of an array;
    `subtype`: of a range, or the subtype of a multirange's ranges. `fields`: of a composite, in their order.
    `any_storage`: the column was made for a source whose values have several storage classes, and takes them all: BLOBs
    as texts or UUIDs, numbers as the bytes of their texts. Its comment says so (`ANY_STORAGE`).
    """

    kind: Kind
    sql: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    interval_fields: str | None = None
    padded: bool = False  # char(n): spaces at the end mean nothing
    base_sql: str | None = None  # of a domain: how its base type is spelled
    element: "TargetType | None" = None
    subtype: "TargetType | None" = None
    fields: "tuple[tuple[str, TargetType], ...]" = ()
    any_storage: bool = field(default=False, compare=False)

    @property
    def base(self) -> str:
        """How the type is spelled without what a domain adds."""
        return self.base_sql or self.sql

    @property
    def is_domain(self) -> bool:
        """Whether it has checks of its own, which the server applies."""
        return self.base_sql is not None

    @property
    def needs_server(self) -> bool:
        """Whether only the server can read it, or a type that it is made of."""
        parts = [*filter(None, (self.element, self.subtype)), *(type_ for _, type_ in self.fields)]
        return self.kind is Kind.OTHER or any(part.needs_server for part in parts)


_OTHER_SPELLINGS = {
    "timestamp with time zone": Kind.TIMESTAMPTZ,
    "timestamp without time zone": Kind.TIMESTAMP,
    "time with time zone": Kind.TIMETZ,
    "time without time zone": Kind.TIME,
    "jsonb": Kind.JSON,
    "float": Kind.DOUBLE,
}
_NEED_PARTS = {Kind.ENUM, Kind.ARRAY, Kind.RANGE, Kind.MULTIRANGE, Kind.COMPOSITE}


def named_type(spelling: str) -> TargetType:
    """The target type behind a plain SQL name without a length, such as "boolean", "jsonb" or "timestamptz"."""
    name = spelling.lower()
    known = {kind.value: kind for kind in Kind if kind not in _NEED_PARTS} | _OTHER_SPELLINGS
    return TargetType(known.get(name, Kind.OTHER), name)
