"""Virtual tables: which of them hold rows of their own, and whether this SQLite can read them."""

import re
import sqlite3
from dataclasses import dataclass

from etl.core.source_tables import quoted

_MODULE = re.compile(r"\bUSING\s+[\"'`\[]?(\w+)", re.IGNORECASE)
# FTS keeps the rows of another table, or none at all, where it is told so; FTS4 and FTS5 spell it alike.
_CONTENT_ELSEWHERE = re.compile(r"[,(]\s*content\s*=", re.IGNORECASE)
_SEARCH = ("fts3", "fts4", "fts5")


@dataclass(frozen=True)
class VirtualTable:
    """A virtual table with rows of its own. `rows` None: this SQLite cannot read it, for the `reason`."""

    name: str
    module: str
    rows: int | None
    reason: str = ""
    shadow_rows: int = 0  # rows of the largest table that it keeps its content in, where it cannot be read


def look_at(connection: sqlite3.Connection, name: str, declaration: str, shadows: list[str]) -> VirtualTable | None:
    """The virtual table; None where it holds no rows of its own.

    :param connection: of the source.
    :param declaration: its CREATE VIRTUAL TABLE.
    :param shadows: the names of the tables that modules keep their content in.
    """
    found = _MODULE.search(declaration)
    module = found[1].lower() if found else "unknown"
    if module in _SEARCH and _CONTENT_ELSEWHERE.search(declaration):
        return None
    try:
        (rows,) = connection.execute(f"SELECT count(*) FROM main.{quoted(name)}").fetchone()
    except sqlite3.Error as error:
        mine = [shadow for shadow in shadows if shadow.startswith(f"{name}_")]
        rows = max((_rows(connection, one) for one in mine), default=0)
        return VirtualTable(name, module, None, str(error), rows or 1)  # how many is not known: not none, to be safe
    return VirtualTable(name, module, int(rows))


def _rows(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM main.{quoted(table)}").fetchone()[0])
