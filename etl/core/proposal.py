"""The schema proposed for a source: tables, constraints and views as SQL, with the reason for each choice.

It is data: deriving it, writing it as a script and applying it to a server happen elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from etl.core.types import TargetType


class NameStyle(StrEnum):
    """How names are carried: in lower case, as SQL without quotes reads them; as they are; or as snake_case."""

    LOWER = "lower"
    KEEP = "keep"
    SNAKE = "snake"


class TypeChoice(StrEnum):
    """`fit`: types that hold every value. `declared`: the declared types; values that do not fit are rejected."""

    FIT = "fit"
    DECLARED = "declared"


class VirtualTables(StrEnum):
    """What becomes of virtual tables with rows of their own: named and skipped, or loaded into plain tables."""

    SKIP = "skip"
    LOAD = "load"


class ObjectKind(StrEnum):
    """What a proposed statement makes, or what is not carried."""

    TABLE = "table"
    VIRTUAL_TABLE = "virtual table"
    COLUMN = "column"
    PRIMARY_KEY = "primary key"
    NOT_NULL = "NOT NULL"
    UNIQUE = "unique key"
    INDEX = "index"
    CHECK = "check"
    FOREIGN_KEY = "foreign key"
    DEFAULT = "default"
    GENERATED = "generated column"
    COLLATION = "collation"
    VIEW = "view"
    TRIGGER = "trigger"
    NAME = "name"


@dataclass(frozen=True)
class ProposedColumn:
    """A column to be made.

    `source` and `name` are its names in SQLite and in PostgreSQL; `storage` counts its values by storage class, NULLs
    left out; `default` and `generated` are SQL. `could_be`: a type that all values fit but nobody has asked for.
    """

    source: str
    name: str
    declared: str
    storage: Mapping[str, int]
    nulls: int
    type: TargetType
    reason: str
    not_null: bool = False
    identity: bool = False
    default: str | None = None
    generated: str | None = None
    could_be: str | None = None


@dataclass(frozen=True)
class ProposedConstraint:
    """A constraint, index or view. `sql` is the whole statement that makes it, behind the rows where `after_rows`.

    `unchecked` is the statement that leaves rows unchecked which are there already (NOT VALID): it is used where
    `broken_rows` of the source break the constraint, or where the server finds that some do; `broken_query` is SQLite's
    FROM … WHERE that finds them, the table named c. `source_sql` is SQLite's text of the constraint.
    """

    kind: ObjectKind
    table: str
    name: str
    sql: str
    source_sql: str
    after_rows: bool = True
    unchecked: str | None = None
    broken_rows: int = 0
    broken_query: str | None = None


@dataclass(frozen=True)
class ProposedTable:
    """A table to be made: its columns, its primary key by the target's names, and what belongs to it."""

    source: str
    name: str
    columns: tuple[ProposedColumn, ...]
    primary_key: tuple[str, ...] = ()
    primary_key_name: str = ""
    constraints: tuple[ProposedConstraint, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Where something becomes other than declared, or needs a look: what was declared, what it became and why.

    `values` of `of_values` are to blame, one of them `example` in the row `rowid` (a key where there is no rowid).
    `ways_out` says what the user can do about it.
    """

    kind: ObjectKind
    table: str
    column: str | None
    declared: str
    became: str
    reason: str
    values: int | None = None
    of_values: int | None = None
    example: str | None = None
    row: str | None = None
    ways_out: str = ""


@dataclass(frozen=True)
class NotCarried:
    """Something of the source that PostgreSQL does not get: its SQL there and the reason."""

    kind: ObjectKind
    table: str | None
    name: str
    sql: str
    reason: str
    rows: int | None = None


@dataclass(frozen=True)
class Proposal:
    """A schema for a source's tables, in the order in which it is made. Names are those of the target, unquoted."""

    tables: tuple[ProposedTable, ...]
    views: tuple[ProposedConstraint, ...] = ()
    choices: tuple[Choice, ...] = ()
    not_carried: tuple[NotCarried, ...] = ()
