"""What goes into the translation of an expression, and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """A source column as an expression sees it.

    Only what is known of the values lets a comparison mean the same on both sides. What is not known makes the
    translation refuse, never guess.

    name: the column's name in PostgreSQL, unquoted.
    type: its type there, as SQL: "bigint", "character varying(20)", "timestamp with time zone".
    declared: its type in SQLite's declaration; it decides the affinity.
    storage: the storage classes that its values have ("integer", "real", "text", "blob"); empty where there are none.
    collation: its collation in SQLite.
    not_null: whether PostgreSQL's column is NOT NULL.
    form: for dates and times, the one strftime format that all its texts have ("%Y-%m-%d %H:%M:%S"), if there is one.
        Texts of one such form sort as their times do; without it, no comparison of times is translated.
    """

    name: str
    type: str
    declared: str
    storage: frozenset[str] = frozenset()
    collation: str = "BINARY"
    not_null: bool = False
    form: str | None = None


@dataclass(frozen=True)
class Table:
    """A table or view that a view reads: its name in PostgreSQL, and its columns by their name in SQLite."""

    name: str
    columns: Mapping[str, Column]


@dataclass(frozen=True)
class Translated:
    """An expression in PostgreSQL's words. Where it is not immutable, only defaults and views may use it."""

    sql: str
    immutable: bool = True


@dataclass(frozen=True)
class TranslatedView(Translated):
    """A view's SELECT; `columns` are the view's own, by their name in SQLite, for views that read it."""

    columns: Mapping[str, Column] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NotTranslatable:
    """An expression that may mean something else in PostgreSQL, or of which that is not known."""

    reason: str


class Refusal(Exception):  # noqa: N818 - it ends a translation; no caller of the package ever sees it
    """Ends a translation from within; its text is the reason."""


def identifier(name: str) -> str:
    """A name as SQL, always quoted."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A text as SQL, whatever standard_conforming_strings says."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
