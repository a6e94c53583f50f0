"""A private copy of a SQLite file whose tables have one column more, with the same value in every row.

SQLite adds a column with a default without touching a row, so that the copy costs no more than its bytes.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from etl.core.errors import SourceError
from etl.core.source_tables import quoted
from etl.files.private_files import PrivateFolder, writable
from etl.source.database import Source


@contextlib.contextmanager
def copy_with_column(path: Path, folder: Path, column: str, value: str) -> Iterator[Path]:
    """The copy, below `folder`, for as long as the context lasts.

    Raises `SourceError` where the file cannot be read, or a table has the column already.
    """
    private = PrivateFolder(folder / "source")
    private.open(path.name).close()
    copy = private.path / path.name
    try:
        with Source(path) as source, writable(private.path), contextlib.closing(sqlite3.connect(copy)) as target:
            source.careful.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            _add(path, target, column, value)
            target.commit()
        yield copy
    finally:
        copy.unlink(missing_ok=True)
        private.path.rmdir()


def _add(path: Path, target: sqlite3.Connection, column: str, value: str) -> None:
    listed = target.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'").fetchall()
    literal = "'" + value.replace("'", "''") + "'"
    for (name,) in listed:
        if name.startswith("sqlite_"):
            continue
        if any(str(row[1]).lower() == column.lower() for row in target.execute(f"PRAGMA table_xinfo({quoted(name)})")):
            raise SourceError(f"{path}: the table {name} has a column {column} already. Choose another name.")
        try:
            target.execute(f"ALTER TABLE {quoted(name)} ADD COLUMN {quoted(column)} TEXT NOT NULL DEFAULT {literal}")
        except sqlite3.Error as error:
            raise SourceError(f"{path}: the table {name} takes no column {column}: {error}.") from error
