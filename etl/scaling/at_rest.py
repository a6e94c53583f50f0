"""A source that workers can read: a file at rest, or a consistent copy of one that is in use."""

import contextlib
import sqlite3
from pathlib import Path

from etl.core import defaults
from etl.files.private_files import PrivateFolder, writable
from etl.source.database import Source
from etl.source.file import beside, refuse_what_is_no_database

FOLDER = "source"


def source_at_rest(path: Path, report_folder: Path | None, run_id: str) -> Path:
    """The file itself where nobody uses it, else a copy in the report folder, which is removed when the run is over.

    Every worker has to see it under this path. Raises `SourceError` where it cannot be read.
    """
    refuse_what_is_no_database(path)
    if not _in_use(path):
        return path.absolute()
    folder = PrivateFolder((report_folder or defaults.REPORTS / run_id) / FOLDER)
    folder.open(f"{run_id}.db").close()
    copy = (folder.path / f"{run_id}.db").absolute()
    with Source(path) as source, writable(folder.path), contextlib.closing(sqlite3.connect(copy)) as target:
        source.careful.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    return copy


def copy_of(run_id: str, path: Path) -> Path:
    """The copy that a run has read from; a file that is not there where it has read the source itself."""
    return path.with_name(f"{run_id}.db") if path.parent.name == FOLDER else path.with_name(f".{run_id}.none")


def _in_use(path: Path) -> bool:
    """Whether an application has the file open, or has left a journal beside it."""
    return any(
        (part := beside(path, suffix)).exists() and (suffix == "-shm" or part.stat().st_size)
        for suffix in ("-shm", "-wal", "-journal")
    )
