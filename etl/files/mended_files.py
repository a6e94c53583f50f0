"""Rows that were mended and loaded, kept in the report folder of the load that had rejected them.

A comparison that is given this folder expects the mended values in the target, and nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from etl.core.values import StorageValue
from etl.files.private_files import PrivateFolder, RowFile, file_name, jsonable, stored_value

FOLDER = "mended"


@dataclass(frozen=True)
class MendedRow:
    """A rejected row of the source, and the values that were loaded instead of its own, by the source's column names.

    Columns that are not named were not given.
    """

    row_number: int
    rowid: int | None
    values: Mapping[str, StorageValue]

    @property
    def identity(self) -> int:
        """The rowid; the row number where the table has none."""
        return self.row_number if self.rowid is None else self.rowid


def read_mended(report_folder: Path, table: str) -> dict[int, MendedRow]:
    """The mended rows of a table by row number; none where nothing was mended."""
    path = report_folder / FOLDER / file_name(f"{table}.ndjson")
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {row.row_number: row for row in map(_row, file)}


def _row(line: bytes) -> MendedRow:
    item = orjson.loads(line)
    return MendedRow(
        item["row_number"], item["rowid"], {name: stored_value(value) for name, value in item["row"].items()}
    )


def note_mended(
    report_folder: Path, run_id: str, table: str, rows: Iterable[MendedRow], *, as_stored: Iterable[int]
) -> None:
    """Adds the rows of a run to those that were mended before; a row that was mended again is as it is now.

    `as_stored` are the numbers of rows that were loaded with the source's own values.
    """
    known = read_mended(report_folder, table) | {row.row_number: row for row in rows}
    for row_number in as_stored:
        known.pop(row_number, None)
    if not known:
        (report_folder / FOLDER / file_name(f"{table}.ndjson")).unlink(missing_ok=True)
        return
    file = RowFile(PrivateFolder(report_folder / FOLDER), table)
    try:
        for _, row in sorted(known.items()):
            values = {name: jsonable(value) for name, value in row.values.items()}
            place = {"run_id": run_id, "table": table, "row_number": row.row_number, "rowid": row.rowid}
            file.write({**place, "row": values})
    finally:
        file.close()
