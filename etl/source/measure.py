"""SQLite's own catalogue, and one pass over each table: its columns, its rows, its largest row."""

import re
from collections.abc import Sequence

from etl.concurrency.background import Abandoned
from etl.core.errors import SourceError
from etl.core.source_tables import SourceColumn, SourceTable, quoted
from etl.core.values import UndecodableText
from etl.source.snapshot import Snapshot
from etl.source.virtual_tables import look_at

_CLOCK_WORD = re.compile("date|time", re.IGNORECASE)
MOST_CLOCKS = 500  # SQLite answers with at most 2,000 columns


def measure_tables(snapshot: Snapshot) -> dict[str, SourceTable]:
    """The tables by name: SQLite's own, those that modules keep their content in, and virtual ones without rows of
    their own left out. Raises `Abandoned` where the snapshot has been left meanwhile.
    """
    with snapshot.failing_clearly():
        listed = snapshot.careful.execute("PRAGMA main.table_list").fetchall()
        shadows = [_name(snapshot, row[1]) for row in listed if row[2] == "shadow"]
        virtual = [_virtual(snapshot, _name(snapshot, row[1]), shadows) for row in listed if row[2] == "virtual"]
        tables = {
            name: _table(snapshot, name, without_rowid) for name, without_rowid in ordinary_tables(snapshot).items()
        }
        tables |= {table.name: table for table in virtual if table is not None}
        return dict(sorted(tables.items()))


def ordinary_tables(snapshot: Snapshot) -> dict[str, bool]:
    """Which tables there are besides virtual ones and SQLite's own, and whether each is WITHOUT ROWID."""
    listed = snapshot.careful.execute("PRAGMA main.table_list").fetchall()
    names = {_name(snapshot, row[1]): bool(row[4]) for row in listed if row[2] == "table"}
    return {name: without_rowid for name, without_rowid in names.items() if not name.startswith("sqlite_")}


def _virtual(snapshot: Snapshot, name: str, shadows: list[str]) -> SourceTable | None:
    """A virtual table as a table to be read from beginning to end; None where it holds no rows of its own."""
    query = "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?"
    found = look_at(snapshot.careful, name, str(snapshot.careful.execute(query, (name,)).fetchone()[0]), shadows)
    if found is None:
        return None
    if found.rows is None:
        return SourceTable(name, (), found.shadow_rows, 0, None, None, unreadable=found.reason)
    columns = read_columns(snapshot, name)
    sizes = _sum_sql([f"coalesce(length(CAST({quoted(column.name)} AS BLOB)), 0)" for column in columns])
    query = f"SELECT coalesce(max({sizes}), 0) FROM main.{quoted(name)}"
    largest = snapshot.careful.execute(query).fetchone()[0]
    return SourceTable(name, columns, found.rows, int(largest), None, None)


def _name(snapshot: Snapshot, name: str | UndecodableText) -> str:
    if isinstance(name, UndecodableText):
        raise SourceError(f"{snapshot.path}: the name {bytes(name)!r} is not valid UTF-8; rename the table or column.")
    return name


def _table(snapshot: Snapshot, name: str, without_rowid: bool) -> SourceTable:
    if snapshot.left:
        raise Abandoned
    columns = read_columns(snapshot, name)
    rows, largest, without_numbers = _measure(snapshot, name, columns)
    return SourceTable(
        name=name,
        columns=columns,
        row_count=rows,
        largest_row_bytes=largest,
        rowid_name=None if without_rowid else _rowid_name(columns),
        autoincrement_last=_autoincrement_last(snapshot, name),
        without_numbers=without_numbers,
    )


def read_columns(snapshot: Snapshot, name: str) -> tuple[SourceColumn, ...]:
    """The columns that hold something of each row, in their order; hidden ones of virtual tables do not."""
    return tuple(
        SourceColumn(_name(snapshot, column), _legible(declared), bool(not_null), key)
        for _, column, declared, not_null, _, key, hidden in snapshot.careful.execute(
            f"PRAGMA main.table_xinfo({quoted(name)})"
        )
        if hidden != 1
    )


def _measure(snapshot: Snapshot, name: str, columns: Sequence[SourceColumn]) -> tuple[int, int, frozenset[str]]:
    """Rows, the bytes of the largest, and which columns of times hold no number, in one pass over the table itself
    (an index may disagree with it).

    `octet_length` does not read the values, but is newer (3.43) than many installed SQLite: ADBC brings its own.
    """
    sizes = _sum_sql([f"coalesce(octet_length({quoted(column.name)}), 0)" for column in columns])
    clocks = [column.name for column in columns if _CLOCK_WORD.search(column.declared_type)][:MOST_CLOCKS]
    numbers = [f"coalesce(max(typeof({quoted(clock)}) IN ('integer', 'real')), 0)" for clock in clocks]
    answers = ", ".join(["count(*)", f"coalesce(max({sizes}), 0)", *numbers])
    with snapshot.fast.cursor() as cursor:
        try:
            cursor.execute(f"SELECT {answers} FROM main.{quoted(name)} NOT INDEXED")
            rows, largest, *found = cursor.fetchall()[0]
        except (OSError, snapshot.fast.Error) as error:
            raise SourceError(f"{snapshot.path}: table {name!r} cannot be read: {error}") from error
    return int(rows), int(largest), frozenset(clock for clock, any_ in zip(clocks, found, strict=True) if not any_)


def _autoincrement_last(snapshot: Snapshot, name: str) -> int | None:
    if not snapshot.careful.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return None
    row = snapshot.careful.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
    return row[0] if isinstance(row[0], int) else None


def _sum_sql(terms: Sequence[str]) -> str:
    """The sum as a balanced expression: SQLite takes no deeper ones than 1,000, and tables of 2,000 columns."""
    if len(terms) < 3:
        return " + ".join(terms)
    middle = len(terms) // 2
    return f"({_sum_sql(terms[:middle])}) + ({_sum_sql(terms[middle:])})"


def _legible(text: str | UndecodableText) -> str:
    return text.decode(errors="replace") if isinstance(text, UndecodableText) else text


def _rowid_name(columns: Sequence[SourceColumn]) -> str | None:
    taken = {column.name.lower() for column in columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)
