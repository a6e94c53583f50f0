"""What the two databases say about their tables, as plain values that the other modules pass around."""

import codecs
from collections.abc import Iterator
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


class UndecodableText(bytes):
    """The bytes of a SQLite TEXT value that is not valid UTF-8, told apart from a BLOB."""


LARGE_BYTES = 16 * 2**20
"""Values that are larger go singly: no more of them are in memory than need be, and none is looked at as a whole."""


_PART_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class LargeText:
    """A large SQLite TEXT value as UTF-8: one sign beyond Latin-1 would make a Python text of up to four times that."""

    utf8: bytes

    def __len__(self) -> int:
        return len(self.utf8)

    def __str__(self) -> str:
        return self.utf8.decode()

    def __repr__(self) -> str:
        return f"<text of {len(self.utf8):,} bytes>"

    def parts(self) -> Iterator[str]:
        """The text piece by piece, at least one."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, max(1, len(self.utf8)), _PART_BYTES):
            yield decoder.decode(self.utf8[start : start + _PART_BYTES], final=start + _PART_BYTES >= len(self.utf8))


@dataclass(frozen=True)
class TargetType:
    """A PostgreSQL column type: its kind, its spelling (`character varying(20)`), its length limit in characters."""

    kind: Kind
    sql: str
    length: int | None = None


@dataclass(frozen=True)
class ColumnPlan:
    """One column's way: the source's name, the target's name, the target's type."""

    source: str
    target: str
    type: TargetType


@dataclass(frozen=True)
class TargetColumn:
    """A column as PostgreSQL's catalogue describes it."""

    name: str
    type: TargetType
    not_null: bool
    has_default: bool  # a default, an identity or a serial: the column may be left out
    generated: bool  # GENERATED ALWAYS AS (…) STORED or VIRTUAL: nothing can be written into it
    identity_always: bool
    sequence: str | None  # the sequence that it owns, as a quoted and qualified name
    collation: str | None = None  # quoted and qualified, where it takes different texts for equal


@dataclass(frozen=True)
class UniqueKey:
    """A primary key, unique constraint or unique index over plain columns of all rows."""

    name: str
    columns: tuple[str, ...]
    nulls_distinct: bool = True


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key with the statement text that makes it again."""

    name: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]
    match_full: bool
    deferrable: bool
    definition: str
    plain: bool  # its definition says all there is to say of it: it can be dropped and made again without loss
    has_namesake: bool = False  # a constraint of another table in the same schema


@dataclass(frozen=True)
class Check:
    """A CHECK constraint; `expression` is SQL over the table's columns."""

    name: str
    columns: tuple[str, ...]
    expression: str
    definition: str


@dataclass(frozen=True)
class Index:
    """A secondary, non-unique index that can be dropped and made again without loss."""

    name: str
    definition: str


@dataclass(frozen=True)
class TargetTable:
    """An ordinary or partitioned table of the target."""

    schema: str
    name: str
    oid: int
    columns: tuple[TargetColumn, ...]
    primary_key: UniqueKey | None
    uniques: tuple[UniqueKey, ...]
    has_other_uniques: bool  # partial or expression indexes, exclusion constraints: only the server can judge them
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[Check, ...]
    indexes: tuple[Index, ...]
    has_triggers: bool
    row_security: bool
    owned: bool  # by the connected role: constraints and indexes are ours to rebuild
    ordinary: bool  # not partitioned and without children
    lockable: bool
    on_conflict: bool = True  # INSERT … ON CONFLICT works: there are no deferrable keys, and no rules on UPDATE
    rules: tuple[str, ...] = ()  # in force on INSERT
    ancestors: tuple[str, ...] = ()  # tables of this schema that show its rows as theirs (INHERITS)
    unlogged: bool = False

    @property
    def keys(self) -> tuple[UniqueKey, ...]:
        """The primary key, where there is one, and the other unique keys."""
        return (self.primary_key, *self.uniques) if self.primary_key else self.uniques

    @property
    def constraints(self) -> "tuple[UniqueKey | ForeignKey | Check, ...]":
        """Everything over known columns that a row can violate."""
        return (*self.checks, *self.foreign_keys, *self.keys)


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
