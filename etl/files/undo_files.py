"""The files in a report folder by which a run can be undone: its record, what it overwrote, and who undid it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from etl.core.errors import UsageError
from etl.core.undo_record import OVERWRITTEN, UNDO_FILE, UNDONE_FILE, UndoKind, Undone, UndoRecord
from etl.files.private_files import PrivateFolder, file_name, writable

T = TypeVar("T")


def write_undo_record(folder: Path, record: UndoRecord) -> None:
    """Writes the record (0600), before the run commits; raises `CannotRun` where that cannot be."""
    _write(folder, UNDO_FILE, record.to_dict())


def read_undo_record(folder: Path) -> UndoRecord:
    """The record of the run whose report folder this is.

    Raises `UsageError` where there is none, or it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no report folder {folder}.")
    if not (folder / UNDO_FILE).exists():
        raise UsageError(
            f"{folder} has no {UNDO_FILE}, so what its run did cannot be told from what others did. It is the report "
            "of a dry run or a comparison, of a run that failed, or of a version that kept no record. "
            "Nothing was changed."
        )
    return _read(folder / UNDO_FILE, UndoRecord.of)


def write_undone(folder: Path, undone: tuple[Undone, ...]) -> None:
    """Writes who undid the run, before the last of them commits; raises `CannotRun` where that cannot be."""
    _write(folder, UNDONE_FILE, [item.to_dict() for item in undone])


def read_undone(folder: Path) -> tuple[Undone, ...]:
    """Who undid the run so far, or tried to; raises `UsageError` where the file cannot be read."""
    if not (folder / UNDONE_FILE).exists():
        return ()
    return _read(folder / UNDONE_FILE, lambda read: tuple(map(Undone.of, read)))


def read_overwritten(folder: Path, kind: UndoKind, table: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a table (by the source's name) that a sync updated or deleted, with their old values."""
    path = folder / OVERWRITTEN / file_name(f"{table}.ndjson")
    if kind is UndoKind.SYNC and path.exists():
        with path.open("rb") as file:
            yield from map(orjson.loads, file)


def _write(folder: Path, name: str, content: object) -> None:
    with writable(folder), PrivateFolder(folder).create(name) as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _read(path: Path, interpret: Callable[[Any], T]) -> T:
    try:
        return interpret(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is damaged, or of another version: {error!r}. Nothing was changed.") from error
