"""A translated piece with what decides its further use: what both databases take it for, and how it compares."""

import re
from dataclasses import dataclass, replace
from enum import Enum

from etl.schema.expressions.values import Column, Refusal, identifier


class Sort(Enum):
    """What a piece is in both databases. `OPAQUE`: the two hold it in ways that an expression can tell apart."""

    BOOLEAN = "a boolean"  # in SQLite the integers 0 and 1
    INTEGER = "an integer"
    REAL = "a floating-point number"
    DECIMAL = "a decimal number"  # numeric here, an integer or a REAL in SQLite
    TEXT = "a text"
    BYTES = "bytes"
    DATE = "a date"
    TIME = "a point in time"
    JSON = "JSON"
    JSON_VALUE = "a value out of JSON"  # a text here, whatever the value is
    JSON_TYPE = "a word for JSON's type"
    STORAGE_CLASS = "a word for a storage class"  # the term is the value itself, its `collation` the word
    NULL = "NULL"
    OPAQUE = "a value of another form"


NUMBERS = frozenset({Sort.BOOLEAN, Sort.INTEGER, Sort.REAL, Sort.DECIMAL})


class Affinity(Enum):
    """SQLite's type affinities, as far as a comparison tells them apart (https://sqlite.org/datatype3.html)."""

    TEXT = "TEXT"
    NUMERIC = "NUMERIC"  # INTEGER and NUMERIC alike
    REAL = "REAL"
    BLOB = "BLOB"
    NONE = "none"


@dataclass(frozen=True)
class Term:
    """A piece of SQL for PostgreSQL.

    atom: it can stand beside any operator without parentheses.
    literal: its value where it is a literal: text, a number's text, or NULL's.
    fractional: SQLite certainly holds it as a REAL, so that a division by it is not one of integers.
    explicit: the collation was written beside it.
    owns_collation: it is a column, or a CAST of one, whose collation comes before that of the other side.
    now: it comes from the clock.
    equal: both sides, where it is an equality.
    """

    sql: str
    sort: Sort
    affinity: Affinity = Affinity.NONE
    collation: str = "BINARY"
    atom: bool = True
    literal: str | None = None
    fractional: bool = False
    column: Column | None = None
    explicit: bool = False
    owns_collation: bool = False
    now: bool = False
    equal: tuple[str, str] | None = None

    @property
    def operand(self) -> str:
        """The SQL as an operator's operand."""
        return self.sql if self.atom else f"({self.sql})"

    def as_(self, type_: str) -> str:
        """The SQL, cast."""
        return f"{self.operand}::{type_}"

    def expression(self) -> "Term":
        """The same without what only a column has: affinity, collation, and the column itself."""
        return replace(self, affinity=Affinity.NONE, collation="BINARY", column=None, owns_collation=False)


def compound(sql: str, sort: Sort, *, fractional: bool = False, now: bool = False) -> Term:
    """An expression with an operator of its own."""
    return Term(sql, sort, atom=False, fractional=fractional, now=now)


def condition(term: Term) -> str:
    """The term where a truth value is asked for."""
    if term.sort is Sort.BOOLEAN:
        return term.sql
    if term.sort is Sort.NULL:
        return "NULL::boolean"
    if term.sort in NUMBERS:
        return f"{term.operand} <> 0"
    raise Refusal(f"{term.sort.value} is taken as a truth value")


def number(term: Term) -> Term:
    """The term where a number is asked for."""
    if term.sort is Sort.BOOLEAN and term.literal is not None:
        return Term(term.literal, Sort.INTEGER, literal=term.literal)
    if term.sort is Sort.BOOLEAN:
        return replace(term, sql=term.as_("integer"), sort=Sort.INTEGER, atom=True)
    if term.sort not in NUMBERS:
        raise Refusal(f"{term.sort.value} is taken as a number")
    return term


def calculable(term: Term) -> Term:
    """A number as an operand of arithmetic: bigint or double precision."""
    if term.sort is Sort.NULL:
        return term
    term = number(term)
    if term.sort is Sort.DECIMAL or (term.sort is Sort.REAL and term.literal is not None):
        sql = term.as_("double precision")
        return Term(sql, Sort.REAL, fractional=term.fractional)
    return term


def text(term: Term) -> str:
    """The term where a text is asked for, as an operand."""
    if term.sort is Sort.TEXT:
        return term.operand
    if term.sort in (Sort.INTEGER, Sort.BOOLEAN):
        whole = number(term)
        return f"'{whole.literal}'" if whole.literal is not None else whole.as_("text")
    raise Refusal(f"{term.sort.value} is taken as a text, which the two databases write differently")


def affinity_of(declared: str) -> Affinity:
    """The affinity of a declared type, by SQLite's five rules in their order."""
    word = declared.upper()
    if "INT" in word:
        return Affinity.NUMERIC
    if any(part in word for part in ("CHAR", "CLOB", "TEXT")):
        return Affinity.TEXT
    if "BLOB" in word or not word.strip():
        return Affinity.BLOB
    if any(part in word for part in ("REAL", "FLOA", "DOUB")):
        return Affinity.REAL
    return Affinity.NUMERIC


_LENGTHS = re.compile(r"\s*\([^)]*\)")
_SORTS = {
    "boolean": Sort.BOOLEAN,
    "bool": Sort.BOOLEAN,
    "smallint": Sort.INTEGER,
    "integer": Sort.INTEGER,
    "int": Sort.INTEGER,
    "bigint": Sort.INTEGER,
    "double precision": Sort.REAL,
    "numeric": Sort.DECIMAL,
    "decimal": Sort.DECIMAL,
    "text": Sort.TEXT,
    "varchar": Sort.TEXT,
    "character varying": Sort.TEXT,
    "bytea": Sort.BYTES,
    "date": Sort.DATE,
    "timestamp": Sort.TIME,
    "timestamptz": Sort.TIME,
    "timestamp without time zone": Sort.TIME,
    "timestamp with time zone": Sort.TIME,
    "json": Sort.JSON,
    "jsonb": Sort.JSON,
}


def base_type(type_: str) -> str:
    """A type's name without its lengths: "varchar(20)" → "varchar"."""
    return " ".join(_LENGTHS.sub("", type_).lower().split())


def sort_of_type(type_: str) -> Sort:
    """What a PostgreSQL type holds."""
    return _SORTS.get(base_type(type_), Sort.OPAQUE)


_STORED_AS = {
    Sort.BOOLEAN: {"integer"},
    Sort.INTEGER: {"integer", "real"},
    Sort.REAL: {"integer", "real"},
    Sort.DECIMAL: {"integer", "real"},
    Sort.TEXT: {"text"},
    Sort.BYTES: {"blob"},
    Sort.DATE: {"text"},
    Sort.TIME: {"text", "integer", "real"},
    Sort.JSON: {"text"},
}


def column_term(column: Column, qualifier: str = "") -> Term:
    """A column's term; opaque where SQLite's values are not of the classes that the type stands for."""
    affinity = affinity_of(column.declared)
    sort = sort_of_type(column.type)
    if sort is not Sort.OPAQUE and not _held_alike(column, sort, affinity):
        sort = Sort.OPAQUE
    return Term(
        qualifier + identifier(column.name),
        sort,
        affinity,
        column.collation.upper(),
        fractional=sort is Sort.REAL and affinity is Affinity.REAL,
        column=column,
        owns_collation=True,
    )


def _held_alike(column: Column, sort: Sort, affinity: Affinity) -> bool:
    """Whether the values found are of the sort in SQLite, and those to come will be."""
    if column.storage:
        kept = column.storage <= _STORED_AS[sort]
    else:
        kept = sort is not Sort.TEXT or affinity in (Affinity.TEXT, Affinity.BLOB)
    return kept and not (sort in NUMBERS and affinity is Affinity.TEXT)
