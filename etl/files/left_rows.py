"""The differences that a sync leaves, in the one file in which a reader of the report looks for them."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from etl.files.private_files import PrivateFolder, RowFile, file_name, writable

_EXTRA = b'"kind":"extra"'  # within a text its quotes would be escaped


def add_found_rows(report_folder: Path, table: str, found: str, *, extra_only: bool) -> None:
    """Adds the lines of `found`/TABLE.ndjson to `differences`/TABLE.ndjson; `extra_only`: those about rows that only
    the target has. Raises `CannotRun` where the folder cannot be written."""
    name = file_name(f"{table}.ndjson")
    paths = [report_folder / "differences" / name, report_folder / found / name]
    with writable(report_folder), contextlib.ExitStack() as ends:
        before, others = ([ends.enter_context(path.open("rb"))] if path.exists() else [] for path in paths)
        kept = ends.enter_context(contextlib.closing(RowFile(PrivateFolder(paths[0].parent), table)))
        for line in _lines(before):  # the file is open already, and will be replaced
            kept.write_json(line)
        for line in _lines(others):
            if not extra_only or _EXTRA in line:
                kept.write_json(line)


def _lines(files: Sequence[BinaryIO]) -> Iterator[bytes]:
    for file in files:
        for line in file:
            yield line.rstrip(b"\n")
