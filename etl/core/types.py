"""The column types of PostgreSQL, as far as the conversion and the comparison tell them apart."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a target type is converted to (DESIGN: one small cast per kind)."""

    BOOLEAN = "boolean"
    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    REAL = "real"
    DOUBLE = "double precision"
    NUMERIC = "numeric"
    TEXT = "text"
    TIMESTAMPTZ = "timestamptz"
    TIMESTAMP = "timestamp"
    JSON = "json"
    BYTEA = "bytea"
    OTHER = "other"


@dataclass(frozen=True)
class TargetType:
    """A PostgreSQL column type: its kind, its spelling (`character varying(20)`), its length limit in characters."""

    kind: Kind
    sql: str
    length: int | None = None


_OTHER_SPELLINGS = {
    "timestamp with time zone": Kind.TIMESTAMPTZ,
    "timestamp without time zone": Kind.TIMESTAMP,
    "jsonb": Kind.JSON,
    "float": Kind.DOUBLE,
}


def named_type(spelling: str) -> TargetType:
    """The target type behind a plain SQL name without a length, such as "boolean", "jsonb" or "timestamptz"."""
    name = spelling.lower()
    known = {kind.value: kind for kind in Kind} | _OTHER_SPELLINGS
    return TargetType(known.get(name, Kind.OTHER), name)
