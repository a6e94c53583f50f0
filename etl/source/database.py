"""The source: one SQLite file, opened read-only, seen in one consistent state, never modified.

Two connections share that state: `sqlite3` for the catalogue and the careful reading, ADBC for the fast reading
(`etl.source.batches`). Nothing else in the product touches the file.
"""

import contextlib
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from etl.concurrency.background import Abandoned, run_in_background
from etl.core.errors import SourceError
from etl.core.source_tables import WHOLE_TABLE, RowidRange, SourceColumn, SourceTable, quoted
from etl.core.time_units import NumberRange
from etl.core.values import LARGE_BYTES, LargeText, StorageValue, UndecodableText
from etl.source.virtual_tables import look_at

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection as AdbcConnection

SQLITE_MAGIC = b"SQLite format 3\x00"
BUSY_SECONDS = 10.0
SNAPSHOT_ATTEMPTS = 50
ROWS_PER_LOOKUP = 500  # well below SQLite's limit of 32,766 bound parameters
INTEGRITY_FAULTS = 100  # the most that SQLite is to name of them
# What an integrity check finds as well, though nothing is damaged: rows that break a rule which was made later.
_BROKEN_RULES = ("NULL value in", "CHECK constraint failed", "non-unique entry")
_CLOCK_WORD = re.compile("date|time", re.IGNORECASE)
_LEAST = -(2**63) + 1  # of which `abs` is a number, too
MOST_CLOCKS = 500  # SQLite answers with at most 2,000 columns
_Stamps = dict[Path, tuple[int, int]]


class Source:
    """An open SQLite database in one read transaction; use it in a `with` statement.

    Raises `SourceError` where the file is missing, no database, truncated, locked or broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cleanup = contextlib.ExitStack()
        self._measured: Future[dict[str, SourceTable]] | None = None
        self._left = False
        self._stamps: _Stamps | None = None
        self._copy: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        with self._failing_clearly():
            _refuse_what_is_no_database(self.path)
            try:
                self._open(*self._way_to_open())
            except BaseException:
                self._cleanup.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        if self._measured is None:
            self._cleanup.close()
        else:
            self._measured.add_done_callback(lambda _: self._cleanup.close())  # not before it has stopped reading

    # -- opening ------------------------------------------------------------------------------------------------

    def _way_to_open(self) -> tuple[Path, str]:
        """The file to open and the URI options.

        A WAL-mode file at rest is opened as immutable, because SQLite would otherwise leave a `-wal` and a `-shm` file
        beside it, or fail in a read-only folder; `verify_unchanged` keeps that honest. Where a crash left a `-wal`
        alone, SQLite would leave a `-shm` beside it, so a copy is read.
        """
        if _is_wal(self.path) and not _beside(self.path, "-shm").exists():
            if _beside(self.path, "-wal") in _stamps(self.path):
                return self._copy_aside(), "mode=rw"
            self._stamps = _stamps(self.path)
            return self.path, "mode=ro&immutable=1"
        if _needs_copy(self.path):
            return self._copy_aside(), "mode=rw"
        return self.path, "mode=ro"

    def _copy_aside(self) -> Path:
        """A private copy with its journal, for a file that cannot be read without writing beside it."""
        self._copy = tempfile.TemporaryDirectory(prefix="etl-source-")
        folder = Path(self._cleanup.enter_context(self._copy))
        self._stamps = _stamps(self.path)
        for part in self._stamps:
            shutil.copyfile(part, folder / part.name)
        self.verify_unchanged()
        self._stamps = None
        return folder / self.path.name

    def _open(self, path: Path, options: str) -> None:
        import adbc_driver_sqlite.dbapi

        uri = f"{path.absolute().as_uri()}?{options}"
        self._connection = self._cleanup.enter_context(contextlib.closing(_connect(uri)))
        watcher = self._cleanup.enter_context(contextlib.closing(_connect(uri)))
        self._connection.text_factory = _decode
        self._connection.execute("PRAGMA schema_version").fetchone()  # reads the header: a broken file fails here
        self.fast: AdbcConnection = self._cleanup.enter_context(
            contextlib.closing(adbc_driver_sqlite.dbapi.connect(uri, autocommit=False))
        )
        self._take_snapshot(watcher)
        if self._copy is not None:
            self._copy.cleanup()  # what is open needs no name, and so is gone with this process, even a killed one

    def _take_snapshot(self, watcher: sqlite3.Connection) -> None:
        """Begins a read transaction on both connections and makes sure that no commit fell between the two."""
        for _ in range(SNAPSHOT_ATTEMPTS):
            before = watcher.execute("PRAGMA data_version").fetchone()
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            with self.fast.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM sqlite_schema")
                cursor.fetchall()
            if watcher.execute("PRAGMA data_version").fetchone() == before:
                return
            self._connection.rollback()
            self.fast.rollback()
            time.sleep(0.01)
        raise SourceError(f"{self.path} is written to so often that no consistent state could be taken; try again.")

    def verify_unchanged(self) -> None:
        """Raises `SourceError` if a file that is read as one at rest was written to meanwhile."""
        if self._stamps is not None and self._stamps.items() - _stamps(self.path).items():
            raise SourceError(
                f"{self.path} was changed while it was read; what was read may be mixed. "
                "Nothing was committed: run again (with the application stopped or running, but not starting)."
            )

    def verify_sound(self) -> None:
        """Raises `SourceError` if SQLite itself finds the file damaged. Reads all of it: for cases of doubt."""
        found = [str(row[0]) for row in self.query(f"PRAGMA main.integrity_check({INTEGRITY_FAULTS})")]
        faults = [fault for fault in found if fault != "ok" and not fault.startswith(_BROKEN_RULES)]
        if faults:
            raise self._damaged(" ".join(faults[0].split()))

    def _damaged(self, what: str) -> SourceError:
        return SourceError(
            f"{self.path} is damaged: {what}. Nothing was committed. "
            'Try `sqlite3 FILE ".recover"` or an earlier backup.'
        )

    @contextlib.contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise SourceError(
                    f"{self.path} is locked by another process (waited {BUSY_SECONDS:.0f} s); "
                    "wait until it has finished, or stop the application."
                ) from error
            raise SourceError(f"{self.path} cannot be read: {error}.") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise SourceError(
                f"{self.path} is damaged or no SQLite database: {error}. "
                'Try `sqlite3 FILE ".recover"` or an earlier backup.'
            ) from error
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error.strerror or error}.") from error

    # -- catalogue ----------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """Size of the database file and of what still lies in its write-ahead log."""
        return sum(part.stat().st_size for part in (self.path, _beside(self.path, "-wal")) if part.exists())

    @property
    def careful(self) -> sqlite3.Connection:
        """The `sqlite3` connection in the same state as `fast`; TEXT that is not UTF-8 comes as `UndecodableText`."""
        return self._connection

    @property
    def sqlite_version(self) -> str:
        """Version of the SQLite library that reads."""
        return sqlite3.sqlite_version

    def measure_ahead(self) -> None:
        """Begins on a thread of its own to find out what `tables` will be asked for."""
        self._measured = run_in_background(self._measure_all, name="etl-measure")

    @cached_property
    def tables(self) -> dict[str, SourceTable]:
        """The tables by name: SQLite's own, those that modules keep their content in, and virtual ones without rows of
        their own left out."""
        return self._measure_all() if self._measured is None else self._measured.result()

    def _measure_all(self) -> dict[str, SourceTable]:
        with self._failing_clearly():
            listed = self._connection.execute("PRAGMA main.table_list").fetchall()
            ordinary = {self._name(row[1]): bool(row[4]) for row in listed if row[2] == "table"}
            shadows = [self._name(row[1]) for row in listed if row[2] == "shadow"]
            virtual = [self._virtual(self._name(row[1]), shadows) for row in listed if row[2] == "virtual"]
            tables = {
                name: self._table(name, without_rowid)
                for name, without_rowid in ordinary.items()
                if not name.startswith("sqlite_")
            }
            tables |= {table.name: table for table in virtual if table is not None}
            return dict(sorted(tables.items()))

    def _virtual(self, name: str, shadows: list[str]) -> SourceTable | None:
        """A virtual table as a table to be read from beginning to end; None where it holds no rows of its own."""
        query = "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?"
        found = look_at(self._connection, name, str(self._connection.execute(query, (name,)).fetchone()[0]), shadows)
        if found is None:
            return None
        if found.rows is None:
            return SourceTable(name, (), found.shadow_rows, 0, None, None, unreadable=found.reason)
        columns = self._columns(name)
        sizes = _sum_sql([f"coalesce(length(CAST({quoted(column.name)} AS BLOB)), 0)" for column in columns])
        query = f"SELECT coalesce(max({sizes}), 0) FROM main.{quoted(name)}"
        largest = self._connection.execute(query).fetchone()[0]
        return SourceTable(name, columns, found.rows, int(largest), None, None)

    def _name(self, name: str | UndecodableText) -> str:
        if isinstance(name, UndecodableText):
            raise SourceError(f"{self.path}: the name {bytes(name)!r} is not valid UTF-8; rename the table or column.")
        return name

    def _table(self, name: str, without_rowid: bool) -> SourceTable:
        if self._left:
            raise Abandoned
        columns = self._columns(name)
        rows, largest, without_numbers = self._measure(name, columns)
        return SourceTable(
            name=name,
            columns=columns,
            row_count=rows,
            largest_row_bytes=largest,
            rowid_name=None if without_rowid else _rowid_name(columns),
            autoincrement_last=self._autoincrement_last(name),
            without_numbers=without_numbers,
        )

    def _columns(self, name: str) -> tuple[SourceColumn, ...]:
        return tuple(
            SourceColumn(self._name(column), _legible(declared), bool(not_null), key)
            for _, column, declared, not_null, _, key, hidden in self._connection.execute(
                f"PRAGMA main.table_xinfo({quoted(name)})"
            )
            if hidden != 1
        )

    def _measure(self, name: str, columns: Sequence[SourceColumn]) -> tuple[int, int, frozenset[str]]:
        """Rows, the bytes of the largest, and which columns of times hold no number, in one pass over the table itself
        (an index may disagree with it).

        `octet_length` does not read the values, but is newer (3.43) than many installed SQLite: ADBC brings its own.
        """
        sizes = _sum_sql([f"coalesce(octet_length({quoted(column.name)}), 0)" for column in columns])
        clocks = [column.name for column in columns if _CLOCK_WORD.search(column.declared_type)][:MOST_CLOCKS]
        numbers = [f"coalesce(max(typeof({quoted(clock)}) IN ('integer', 'real')), 0)" for clock in clocks]
        answers = ", ".join(["count(*)", f"coalesce(max({sizes}), 0)", *numbers])
        with self.fast.cursor() as cursor:
            try:
                cursor.execute(f"SELECT {answers} FROM main.{quoted(name)} NOT INDEXED")
                rows, largest, *found = cursor.fetchall()[0]
            except (OSError, self.fast.Error) as error:
                raise SourceError(f"{self.path}: table {name!r} cannot be read: {error}") from error
        return int(rows), int(largest), frozenset(clock for clock, any_ in zip(clocks, found, strict=True) if not any_)

    def _autoincrement_last(self, name: str) -> int | None:
        if not self._connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
            return None
        row = self._connection.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
        return row[0] if isinstance(row[0], int) else None

    # -- values -------------------------------------------------------------------------------------------------

    def query(self, statement: str, parameters: Sequence[StorageValue] = ()) -> list[tuple[StorageValue, ...]]:
        """All rows of a SELECT in this state; for questions that no other method answers."""
        with self._failing_clearly():
            return self._connection.execute(statement, parameters).fetchall()

    def number_ranges(self, table: str, columns: Sequence[str]) -> dict[str, NumberRange | None]:
        """The numbers in each of these columns of `table`: lowest, highest, whether any is a real; None without any."""
        parts = []
        for column in columns:
            number = f"CASE WHEN typeof({quoted(column)}) IN ('integer', 'real') THEN {quoted(column)} END"
            parts += [f"min({number})", f"max({number})", f"min(nullif(abs(max({number}, {_LEAST})), 0))"]
            parts.append(f"max(typeof({quoted(column)}) = 'real')")
        with self._failing_clearly():
            query = f"SELECT {', '.join(parts)} FROM main.{quoted(table)} NOT INDEXED"
            answers = self._connection.execute(query).fetchone()
        return {
            column: None if low is None else NumberRange(low, high, least or 0, bool(reals))
            for column, low, high, least, reals in zip(columns, *(answers[place::4] for place in range(4)), strict=True)
        }

    def count_values(self, table: str, column: str) -> int:
        """How many rows of `table` hold a value (not NULL) in `column`."""
        with self._failing_clearly():
            query = f"SELECT count({quoted(column)}) FROM main.{quoted(table)} NOT INDEXED"
            return int(self._connection.execute(query).fetchone()[0])

    def has_row(self, table: str, key: dict[str, StorageValue], *, exactly: bool = False) -> bool:
        """Whether the source itself has a row of `table` with these values, by its own collations or `exactly`."""
        collation = " COLLATE BINARY" if exactly else ""
        condition = " AND ".join(f"{quoted(column)} = ?{collation}" for column in key)
        values = [_as_parameter(value) for value in key.values()]
        with self._failing_clearly():
            query = f"SELECT 1 FROM main.{quoted(table)} WHERE {condition} LIMIT 1"
            return self._connection.execute(query, values).fetchone() is not None

    def stream(
        self,
        table: SourceTable,
        columns: Sequence[str],
        *,
        part: RowidRange = WHOLE_TABLE,
        limit: int | None = None,
    ) -> Iterator[tuple[int | None, tuple[StorageValue, ...]]]:
        """(rowid, values) of each row in the table's own order, values exactly as stored; TEXT that is not UTF-8 as
        `UndecodableText`, large TEXT as `LargeText`."""
        with self._failing_clearly():
            query = _stream_query(table, columns, part, limit)
            # `map` keeps no row: a large value is held by whoever uses it, and by nobody else.
            yield from map(_rowid_and_values, self._connection.execute(query))

    def rows(
        self, table: SourceTable, numbers: Sequence[int], rowids: Sequence[int | None]
    ) -> Iterator[tuple[int, dict[str, StorageValue]]]:
        """The original rows behind row numbers (found by rowid, or by counting where there is none), in their order."""
        if table.rowid_name is None:
            wanted = set(numbers)
            for number, (_, values) in enumerate(self.stream(table, table.column_names), start=1):
                if number in wanted:
                    wanted.remove(number)
                    yield number, dict(zip(table.column_names, values, strict=True))
            self._miss_none(table, len(wanted))
            return
        by_rowid = sorted(zip(rowids, numbers, strict=True), key=lambda pair: pair[1])
        for start in range(0, len(by_rowid), ROWS_PER_LOOKUP):
            yield from self._lookup(table, by_rowid[start : start + ROWS_PER_LOOKUP])

    def _lookup(
        self, table: SourceTable, wanted: Sequence[tuple[int | None, int]]
    ) -> Iterator[tuple[int, dict[str, StorageValue]]]:
        number_of = dict(wanted)
        columns = ", ".join(map(quoted, table.column_names))
        marks = ", ".join("?" * len(wanted))
        query = (
            f"SELECT {table.rowid_name}, {columns} FROM main.{quoted(table.name)} "
            f"WHERE {table.rowid_name} IN ({marks}) ORDER BY {table.rowid_name}"
        )
        with self._failing_clearly():
            missing = len(wanted)
            for rowid, values in map(
                _rowid_and_values, self._connection.execute(query, [rowid for rowid, _ in wanted])
            ):
                missing -= 1
                yield number_of[rowid], dict(zip(table.column_names, values, strict=True))
        self._miss_none(table, missing)

    def _miss_none(self, table: SourceTable, missing: int) -> None:
        if missing:
            raise self._damaged(f"rows of table {table.name!r} ({missing:,}) are not found again by their rowid")


def _sum_sql(terms: Sequence[str]) -> str:
    """The sum as a balanced expression: SQLite takes no deeper ones than 1,000, and tables of 2,000 columns."""
    if len(terms) < 3:
        return " + ".join(terms)
    middle = len(terms) // 2
    return f"({_sum_sql(terms[:middle])}) + ({_sum_sql(terms[middle:])})"


def _rowid_and_values(row: tuple[Any, ...]) -> tuple[int | None, tuple[StorageValue, ...]]:
    return row[0], row[1:]


def _stream_query(table: SourceTable, columns: Sequence[str], part: RowidRange, limit: int | None) -> str:
    rowid = table.rowid_name
    names = ", ".join([rowid or "NULL", *map(quoted, columns)])
    query = f"SELECT {names} FROM main.{quoted(table.name)} NOT INDEXED"
    if rowid is not None:
        query += f"{within(rowid, part)} ORDER BY {rowid}"
    return query + (f" LIMIT {limit}" if limit is not None else "")


def within(rowid: str, part: RowidRange) -> str:
    """The WHERE clause for the rows of a part; nothing for those of the whole table."""
    limits = [f"{rowid} {sign} {limit}" for sign, limit in ((">", part.after), ("<=", part.until)) if limit is not None]
    return f" WHERE {' AND '.join(limits)}" if limits else ""


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _decode(raw: bytes) -> str | LargeText | UndecodableText:
    try:
        if len(raw) <= LARGE_BYTES:
            return raw.decode()
        large = LargeText(raw)
        for _ in large.parts():
            pass  # decodes, or raises
        return large
    except UnicodeDecodeError:
        return UndecodableText(raw)


def _as_parameter(value: StorageValue) -> int | float | str | bytes | None:
    if isinstance(value, UndecodableText):
        return bytes(value)
    return str(value) if isinstance(value, LargeText) else value


def _legible(text: str | UndecodableText) -> str:
    return text.decode(errors="replace") if isinstance(text, UndecodableText) else text


def _rowid_name(columns: Sequence[SourceColumn]) -> str | None:
    taken = {column.name.lower() for column in columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _stamps(path: Path) -> _Stamps:
    """Size and time of change of the file and of what belongs to it; an empty log holds nothing and does not count."""
    parts = [path, _beside(path, "-wal"), _beside(path, "-journal")]
    stats = {part: part.stat() for part in parts if part.exists()}
    return {part: (stat.st_size, stat.st_mtime_ns) for part, stat in stats.items() if stat.st_size}


def _is_wal(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(20)[18:20] == b"\x02\x02"


def _refuse_what_is_no_database(path: Path) -> None:
    """SQLite opens a missing or an empty file as a valid, empty database; both are mistakes here."""
    if not path.exists():
        raise SourceError(f"{path} does not exist. Name the SQLite file with --sqlite PATH, or try --demo.")
    if not path.is_file():
        raise SourceError(f"{path} is not a file. Name the SQLite file with --sqlite PATH.")
    size = path.stat().st_size
    if size == 0:
        raise SourceError(f"{path} is empty (0 bytes), so it is no SQLite database.")
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(SQLITE_MAGIC):
        raise SourceError(f"{path} is not a SQLite database (its first bytes are not SQLite's).")
    promised = _promised_bytes(header)
    if size < promised and not _beside(path, "-wal").exists():
        raise SourceError(
            f"{path} is truncated: its header promises {promised:,} bytes, the file has {size:,}. "
            "Copy it again, or use a backup."
        )


def _promised_bytes(header: bytes) -> int:
    """Pages times page size; 0 where the header's page count is not valid (SQLite file format, 1.3.7)."""
    page_bytes = int.from_bytes(header[16:18], "big")
    counted_at, changed_at = header[92:96], header[24:28]
    pages = int.from_bytes(header[28:32], "big") if counted_at == changed_at else 0
    return pages * (65_536 if page_bytes == 1 else page_bytes)


def _needs_copy(path: Path) -> bool:
    """Whether reading needs to write beside the file: a hot journal, or a write-ahead log in a read-only folder."""
    try:
        with contextlib.closing(_connect(f"{path.absolute().as_uri()}?mode=ro")) as probe:
            probe.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            return True
        raise
    return False
