"""What goes into the translation of an expression, and what comes out."""

import re
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


_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# Words that PostgreSQL 13 to 18 reserve, wholly or as names of columns, functions or types.
_RESERVED = frozenset(
    """all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
    cast char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default
    deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant
    greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join
    json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize
    json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national natural
    nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing
    position precision primary real references returning right row select session_user setof similar smallint some
    substring symmetric system_user table tablesample then time timestamp to trailing treat trim true union unique user
    using values varchar variadic verbose when where window with within without xmlattributes xmlconcat xmlelement
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable""".split()
)


def identifier(name: str) -> str:
    """A name as SQL, quoted where it has to be."""
    if _PLAIN.fullmatch(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A text as SQL, whatever standard_conforming_strings says."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
