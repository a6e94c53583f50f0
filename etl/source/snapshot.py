"""One SQLite file, opened read-only and seen in one consistent state, never modified.

Two connections share that state: `sqlite3` for the catalogue and the careful reading, ADBC for the fast reading
(`etl.source.batches`). Nothing else in the product touches the file.
"""

import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etl.core.errors import SourceError
from etl.core.values import LARGE_BYTES, LargeText, UndecodableText
from etl.source.file import (
    BUSY_SECONDS,
    Stamps,
    beside,
    connect,
    is_wal,
    needs_copy,
    refuse_what_is_no_database,
    stamps,
)

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection as AdbcConnection

SNAPSHOT_ATTEMPTS = 50
INTEGRITY_FAULTS = 100  # the most that SQLite is to name of them
# What an integrity check finds as well, though nothing is damaged: rows that break a rule which was made later.
_BROKEN_RULES = ("NULL value in", "CHECK constraint failed", "non-unique entry")


class Snapshot:
    """An open SQLite database in one read transaction, on two connections.

    Raises `SourceError` where the file is missing, no database, truncated, locked or broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = False  # whoever still reads in the background is to stop
        self._cleanup = contextlib.ExitStack()
        self._at_rest: Stamps | None = None
        self._copy: tempfile.TemporaryDirectory[str] | None = None

    def open(self) -> None:
        """Takes the state that is read from here on."""
        with self.failing_clearly():
            refuse_what_is_no_database(self.path)
            try:
                self._open(*self._way_to_open())
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Ends both connections."""
        self._cleanup.close()

    def _way_to_open(self) -> tuple[Path, str]:
        """The file to open and the URI options.

        A WAL-mode file at rest is opened as immutable, because SQLite would otherwise leave a `-wal` and a `-shm` file
        beside it, or fail in a read-only folder; `verify_unchanged` keeps that honest. Where a crash left a `-wal`
        alone, SQLite would leave a `-shm` beside it, so a copy is read.
        """
        if is_wal(self.path) and not beside(self.path, "-shm").exists():
            if beside(self.path, "-wal") in stamps(self.path):
                return self._copy_aside(), "mode=rw"
            self._at_rest = stamps(self.path)
            return self.path, "mode=ro&immutable=1"
        if needs_copy(self.path):
            return self._copy_aside(), "mode=rw"
        return self.path, "mode=ro"

    def _copy_aside(self) -> Path:
        """A private copy with its journal, for a file that cannot be read without writing beside it."""
        self._copy = tempfile.TemporaryDirectory(prefix="etl-source-")
        folder = Path(self._cleanup.enter_context(self._copy))
        self._at_rest = stamps(self.path)
        for part in self._at_rest:
            shutil.copyfile(part, folder / part.name)
        self.verify_unchanged()
        self._at_rest = None
        return folder / self.path.name

    def _open(self, path: Path, options: str) -> None:
        import adbc_driver_sqlite.dbapi

        uri = f"{path.absolute().as_uri()}?{options}"
        self.careful: sqlite3.Connection = self._cleanup.enter_context(contextlib.closing(connect(uri)))
        watcher = self._cleanup.enter_context(contextlib.closing(connect(uri)))
        self.careful.text_factory = _decode
        self.careful.execute("PRAGMA schema_version").fetchone()  # reads the header: a broken file fails here
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
            self.careful.execute("BEGIN")
            self.careful.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            with self.fast.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM sqlite_schema")
                cursor.fetchall()
            if watcher.execute("PRAGMA data_version").fetchone() == before:
                return
            self.careful.rollback()
            self.fast.rollback()
            time.sleep(0.01)
        raise SourceError(f"{self.path} is written to so often that no consistent state could be taken; try again.")

    def verify_unchanged(self) -> None:
        """Raises `SourceError` if a file that is read as one at rest was written to meanwhile."""
        if self._at_rest is not None and self._at_rest.items() - stamps(self.path).items():
            raise SourceError(
                f"{self.path} was changed while it was read; what was read may be mixed. "
                "Nothing was committed: run again (with the application stopped or running, but not starting)."
            )

    def verify_sound(self) -> None:
        """Raises `SourceError` if SQLite itself finds the file damaged. Reads all of it: for cases of doubt."""
        check = f"PRAGMA main.integrity_check({INTEGRITY_FAULTS})"
        with self.failing_clearly():
            found = [str(row[0]) for row in self.careful.execute(check)]
        faults = [fault for fault in found if fault != "ok" and not fault.startswith(_BROKEN_RULES)]
        if faults:
            raise self.damaged(" ".join(faults[0].split()))

    def damaged(self, what: str) -> SourceError:
        """The error that says so."""
        return SourceError(
            f"{self.path} is damaged: {what}. Nothing was committed. "
            'Try `sqlite3 FILE ".recover"` or an earlier backup.'
        )

    @contextlib.contextmanager
    def failing_clearly(self) -> Iterator[None]:
        """Inside, SQLite's errors become a `SourceError` that names the file."""
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

    @property
    def bytes(self) -> int:
        """Size of the database file and of what still lies in its write-ahead log."""
        return sum(part.stat().st_size for part in (self.path, beside(self.path, "-wal")) if part.exists())

    @property
    def sqlite_version(self) -> str:
        """Version of the SQLite library that reads."""
        return sqlite3.sqlite_version


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
