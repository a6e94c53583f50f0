"""Rows that are left: each in `REPORT/left/TABLE.ndjson` with its key and all values, and a few keys for people."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from psycopg2 import sql

from etl.core.undo_record import LEFT
from etl.core.undo_report import LeftReason, LeftRows
from etl.files.private_files import PrivateFolder, RowFile
from etl.reporting.values import key_text
from etl.target.session import Session
from etl.undoing.written import WrittenTable

SHOWN_KEYS = 5
SHOWN_DETAILS = 3


class LeftBehind:
    """Collects what is left, table by table."""

    def __init__(self, session: Session, folder: Path) -> None:
        self._session = session
        self._folder = PrivateFolder(folder / LEFT)
        self._files: dict[str, RowFile] = {}
        self.rows: list[LeftRows] = []

    def note(
        self, table: WrittenTable, reason: LeftReason, which: sql.Composable, *, by: sql.Composable, detail: str = ""
    ) -> int:
        """Keeps the rows of the table (called r) for which `which` holds, and `by` as what stands in the way of each.

        Returns how many there are.
        """
        names = [column.name for column in table.columns]
        query = sql.SQL("SELECT json_build_object('key', {}, 'row', {}, 'by', {}) FROM {} r WHERE {}").format(
            _object(table.key), _object(names), by, table.identifier, which
        )
        keys: list[str] = []
        said: dict[str, None] = {}
        count = 0

        def keep(line: Mapping[str, Any]) -> None:
            nonlocal count
            count += 1
            self.write(table.record.source, reason, line)
            if len(keys) < SHOWN_KEYS:
                keys.append(key_text(line["key"]))
            if line["by"] and len(said) < SHOWN_DETAILS:
                said[line["by"]] = None

        self._session.copy_out(query, _Lines(keep))
        if count:
            found = detail or ", ".join(said)
            self.rows.append(LeftRows(table.record.source, reason, count, tuple(keys), found))
        return count

    def write(self, table: str, reason: LeftReason, line: Mapping[str, Any]) -> None:
        """Adds a row to the table's file."""
        if table not in self._files:
            self._files[table] = RowFile(self._folder, table)
        self._files[table].write({"reason": reason.value, **line})

    def close(self) -> None:
        """No more will come."""
        for file in self._files.values():
            file.close()


def _object(names: tuple[str, ...] | list[str]) -> sql.Composable:
    """A JSON object of columns of `r`, their values as PostgreSQL's text."""
    values = [sql.SQL("{}::text").format(sql.Identifier("r", name)) for name in names]
    return sql.SQL("json_object({}::text[], ARRAY[{}]::text[])").format(
        sql.Literal(list(names)), sql.SQL(", ").join(values)
    )


class _Lines:
    """Reads one JSON object from each row of a COPY."""

    def __init__(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        self._take = take

    def write(self, data: bytes, /) -> None:
        (text,) = next(csv.reader([data.decode()], strict=True))
        self._take(orjson.loads(text))
