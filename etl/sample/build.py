"""Makes a small, realistic `unified.db` of made-up data, to try the whole way with: `--demo` and the tests use it.

The tables come from `etl.schema`, the rows from `etl.sample.rows`; here they become a file.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from etl.core.errors import SourceError
from etl.sample.rows import Json, Row, sample_rows
from etl.schema.unified import metadata


def make_sample(path: Path) -> None:
    """Write the sample database to `path`, in place of whatever is there; its folder is made if need be.

    820 rows in the 20 tables, the same on every call. The file appears whole or not at all, in WAL mode and without
    `-wal` or `-shm` files. Raises SourceError where it cannot be written.
    """
    try:
        with new_database(path) as connection:
            for table, rows in sample_rows().items():
                _insert(connection, table, rows)
    except (OSError, sqlite3.Error) as error:
        raise SourceError(f"cannot make the sample database {path}: {error}") from error


@contextmanager
def new_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a new database of the 20 empty tables, which takes `path`'s place when the block succeeds.

    Until then it lies in a temporary folder beside it; when the block raises, nothing is left of it and `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder) / path.name
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")  # a failed draft is thrown away, never rolled back
            connection.execute("PRAGMA synchronous = OFF")
            create_sqlite_tables(connection)
            yield connection
            connection.commit()
            connection.execute("PRAGMA journal_mode = WAL")
        _take_place(draft, path)


def create_sqlite_tables(connection: sqlite3.Connection) -> None:
    """Create the 20 tables with their indexes in SQLite, declared as the application declares them."""
    dialect = sqlite.dialect()
    for table in metadata.tables.values():
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(str(CreateIndex(index).compile(dialect=dialect)))


def _take_place(draft: Path, path: Path) -> None:
    for suffix in ("-wal", "-shm"):  # a stale log must never meet the new file
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    draft.replace(path)


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    for row in rows:
        columns = ", ".join(f'"{column}"' for column in row)
        places = ", ".join("?" for _ in row)
        stored = [_stored(value) for value in row.values()]
        connection.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({places})', stored)


def _stored(value: object) -> object:
    """The value as the application stores it; times in both of its formats."""
    match value:
        case Json():
            return json.dumps(value.value, ensure_ascii=False)
        case datetime(microsecond=0):
            return value.isoformat(" ")
        case datetime():
            return value.isoformat(timespec="milliseconds") + "Z"
    return value
