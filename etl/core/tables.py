"""A table of the target as PostgreSQL's catalogue describes it."""

from dataclasses import dataclass

from etl.core.types import TargetType


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
class Trigger:
    """A trigger in force: `body` is its function's source, `mode` when it fires (O, R or A, as pg_trigger has it)."""

    name: str
    body: str
    mode: str


@dataclass(frozen=True)
class TargetTable:
    """An ordinary or partitioned table of the target."""

    schema: str
    name: str
    oid: int
    columns: tuple[TargetColumn, ...]
    primary_key: UniqueKey | None
    uniques: tuple[UniqueKey, ...]
    has_other_uniques: bool  # partial or expression indexes, exclusion constraints: only the server can check them
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
    triggers: tuple[Trigger, ...] = ()
    written_by: tuple[str, ...] = ()  # triggers of planned tables that write into it
    rows_about: int | None = None  # the planner's estimate; None where it has none

    @property
    def keys(self) -> tuple[UniqueKey, ...]:
        """The primary key, where there is one, and the other unique keys."""
        return (self.primary_key, *self.uniques) if self.primary_key else self.uniques

    @property
    def constraints(self) -> "tuple[UniqueKey | ForeignKey | Check, ...]":
        """Everything over known columns that a row can violate."""
        return (*self.checks, *self.foreign_keys, *self.keys)
