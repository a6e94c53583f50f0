"""Rejected rows, and values of dropped columns, in files that lose nothing."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from etl.core.values import StorageValue
from etl.files.private_files import PrivateFolder, RowFile, jsonable


@dataclass(frozen=True)
class Reason:
    """Rows rejected for the same fault; `rule` is the fault in words that are the same for all of them."""

    table: str
    stage: str
    column: str | None
    rule: str


class TableRejects:
    """Rejected rows and left-behind values of one table."""

    def __init__(self, report_folder: Path, run_id: str, table: str) -> None:
        self.table = table
        self._run_id = run_id
        self._rejects = RowFile(PrivateFolder(report_folder / "rejects"), table)
        self._dropped = RowFile(PrivateFolder(report_folder / "dropped"), table)
        self._lock = threading.Lock()  # rows are rejected by the thread that reads and by the one that loads
        self.reasons: Counter[Reason] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files; those that hold nothing are removed."""
        try:
            self._rejects.close()
        finally:
            self._dropped.close()

    @property
    def rejected_rows(self) -> int:
        """Rows in the reject file."""
        return self._rejects.rows

    def restart(self) -> None:
        """The table is read again: start anew."""
        self._rejects.restart()
        self._dropped.restart()
        self.reasons.clear()

    def reject(
        self,
        *,
        row_number: int,
        rowid: int | None,
        key: Iterable[str],
        stage: str,
        column: str | None,
        rule: str,
        reason: str,
        row: Mapping[str, StorageValue],
    ) -> None:
        """Writes one rejected row with its original values."""
        values = {name: jsonable(value) for name, value in row.items()}
        line = {
            "run_id": self._run_id,
            "table": self.table,
            "row_number": row_number,
            "rowid": rowid,
            "key": {name: values.get(name) for name in key},
            "stage": stage,
            "column": column,
            "reason": reason,
            "row": values,
        }
        with self._lock:
            self.reasons[Reason(self.table, stage, column, rule)] += 1
            self._rejects.write(line)

    def keep_dropped(
        self, *, row_number: int, rowid: int | None, key: Mapping[str, StorageValue], values: Mapping[str, StorageValue]
    ) -> None:
        """Writes the values of one row in columns that the target lacks."""
        self._dropped.write(
            {
                "run_id": self._run_id,
                "table": self.table,
                "row_number": row_number,
                "rowid": rowid,
                "key": {name: jsonable(value) for name, value in key.items()},
                "values": {name: jsonable(value) for name, value in values.items() if value is not None},
            }
        )
