"""Names in PostgreSQL for tables, columns, constraints and indexes: unique, short enough, the same each time."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from etl.core.proposal import Choice, NameStyle, ObjectKind
from etl.core.target_names import NAME_BYTES, SYSTEM_COLUMNS, cut

_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[\W_]+")


def styled(name: str, style: NameStyle) -> str:
    """A name in a style. Only ASCII letters change their case: SQLite and PostgreSQL fold no others."""
    if style is NameStyle.KEEP:
        return name
    if style is NameStyle.SNAKE:
        name = _NOT_WORD.sub("_", _CAPITALS.sub("_", name)).strip("_") or name
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


@dataclass
class Names:
    """Gives out names of one space, each once: the tables of a schema, say, or the columns of a table."""

    taken: set[str] = field(default_factory=set)

    def give(self, wanted: str) -> str:
        """`wanted`, cut to what PostgreSQL keeps, with a number where it is taken."""
        name = cut(wanted or "_")
        number = 1
        while name in self.taken:
            number += 1
            mark = f"_{number}"
            name = cut(wanted, NAME_BYTES - len(mark)) + mark
        self.taken.add(name)
        return name


def table_names(
    tables: Sequence[str], style: NameStyle, names: Names, decided: dict[str, str] | None = None
) -> dict[str, str]:
    """Each table's name in PostgreSQL. A name of the system's own catalogue is not hidden by one of ours."""
    decided = decided or {}
    names.taken.update(decided.values())
    found = dict(decided)
    for table in _plainest_first(tables, style):
        if table not in found:
            wanted = styled(table, style)
            found[table] = names.give(f"{wanted}_" if wanted.startswith("pg_") else wanted)
    return {table: found[table] for table in tables}


def column_names(columns: Sequence[str], style: NameStyle) -> dict[str, str]:
    """Each column's name in PostgreSQL, beside the system's own columns."""
    names = Names(set(SYSTEM_COLUMNS))
    found: dict[str, str] = {}
    for column in _plainest_first(columns, style):
        wanted = styled(column, style)
        found[column] = names.give(f"{wanted}_" if wanted in SYSTEM_COLUMNS else wanted)
    return {column: found[column] for column in columns}


def _plainest_first(names: Iterable[str], style: NameStyle) -> list[str]:
    """Names that stay as they are come first, so that another one gets the number."""
    return sorted(names, key=lambda name: styled(name, style) != name)


def renamed(kind: ObjectKind, table: str, column: str | None, name: str, style: NameStyle) -> Choice | None:
    """The choice, where a name became another one than its style says, or has to be quoted."""
    source = table if column is None else column
    wanted = styled(source, style)
    if name == wanted:
        if name not in RESERVED_WORDS:
            return None
        reason = "a reserved word of PostgreSQL, so SQL has to put it between double quotes"
    elif len(wanted.encode()) > NAME_BYTES:
        reason = f"PostgreSQL keeps {NAME_BYTES} bytes of a name"
    elif kind is ObjectKind.COLUMN and wanted in SYSTEM_COLUMNS:
        reason = "PostgreSQL has a system column of this name"
    elif kind is ObjectKind.TABLE and wanted.startswith("pg_"):
        reason = "PostgreSQL's own tables begin so"
    elif not wanted:
        reason = "PostgreSQL has no empty names"
    else:
        reason = "another name becomes the same"
    return Choice(ObjectKind.NAME, table, column, source, name, reason, ways_out="name it in the map file, or --names")
