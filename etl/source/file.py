"""The SQLite file before it is opened: whether it is a database at all, and how it can be read and left untouched."""

import contextlib
import sqlite3
from pathlib import Path

from etl.core.errors import SourceError

SQLITE_MAGIC = b"SQLite format 3\x00"
BUSY_SECONDS = 10.0
Stamps = dict[Path, tuple[int, int]]
"""Size and time of change of each part of a database file."""


def connect(uri: str) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and may be used by several threads in turn."""
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def beside(path: Path, suffix: str) -> Path:
    """The file of that ending that SQLite keeps beside a database."""
    return path.with_name(path.name + suffix)


def stamps(path: Path) -> Stamps:
    """Size and time of change of the file and of what belongs to it; an empty log holds nothing and does not count."""
    parts = [path, beside(path, "-wal"), beside(path, "-journal")]
    stats = {part: part.stat() for part in parts if part.exists()}
    return {part: (stat.st_size, stat.st_mtime_ns) for part, stat in stats.items() if stat.st_size}


def change_marks(path: Path) -> tuple[object, ...]:
    """What another commit surely changes: the file's change counter, the index of the write-ahead log, sizes and times.

    Asked before a state is read: as long as they are the same, there is no later one. (SQLite file format, 1.3.7, and
    WAL-mode file format, 2.1: the index says which frame of the log is the last, with its checksum and the log's salt.)
    """
    try:
        with path.open("rb") as file:
            counter = file.read(100)[24:28]
        index = beside(path, "-shm")
        header = index.read_bytes()[16:40] if index.exists() else b""
        return counter, header, stamps(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error


def is_wal(path: Path) -> bool:
    """Whether the database writes ahead into a log."""
    with path.open("rb") as file:
        return file.read(20)[18:20] == b"\x02\x02"


def refuse_what_is_no_database(path: Path) -> None:
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
    if size < promised and not beside(path, "-wal").exists():
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


def needs_copy(path: Path) -> bool:
    """Whether reading needs to write beside the file: a hot journal, or a write-ahead log in a read-only folder."""
    try:
        with contextlib.closing(connect(f"{path.absolute().as_uri()}?mode=ro")) as probe:
            probe.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            return True
        raise
    return False
