"""Rejected rows, and values of dropped columns, in files that lose nothing."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from etl.core.rejects import Fault, RejectedRow, StatedFault
from etl.core.values import StorageValue
from etl.files.private_files import PrivateFolder, RowFile, jsonable


@dataclass(frozen=True)
class DroppedValues:
    """What one row holds in the columns that the target lacks; `key` has the values that identify it."""

    row_number: int
    rowid: int | None
    key: Mapping[str, StorageValue]
    values: Mapping[str, StorageValue]


class RejectSink(Protocol):
    """Where the rejected rows of one table go, and the values of its dropped columns, while the table is loaded.

    Rows come from two threads at once. `restart` takes back what was said: the table is read again from its first row.
    """

    @property
    def faults(self) -> Counter[Fault]:
        """Rows by fault, so far."""

    @property
    def others(self) -> Counter[Fault]:
        """What is wrong with these rows besides, by fault."""

    @property
    def rejected_rows(self) -> int:
        """Rows so far."""

    def reject(self, rejected: RejectedRow) -> None:
        """Takes one rejected row with its original values."""

    def keep_dropped(self, kept: DroppedValues) -> None:
        """Takes the values of one row in columns that the target lacks."""

    def restart(self) -> None:
        """Forgets all rows."""

    def close(self) -> None:
        """No more will come."""


class TableRejects:
    """The sink of a load: files in its report folder."""

    def __init__(self, report_folder: Path, run_id: str, table: str) -> None:
        self.table = table
        self._run_id = run_id
        self._rejects = RowFile(PrivateFolder(report_folder / "rejects"), table)
        self._dropped = RowFile(PrivateFolder(report_folder / "dropped"), table)
        self._lock = threading.Lock()  # rows are rejected by the thread that reads and by the one that loads
        self.faults: Counter[Fault] = Counter()
        self.others: Counter[Fault] = Counter()

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
        self.faults.clear()
        self.others.clear()

    def reject(self, rejected: RejectedRow) -> None:
        """Writes one rejected row with its original values."""
        values = {name: jsonable(value) for name, value in rejected.row.items()}
        line = {
            "run_id": self._run_id,
            "table": self.table,
            "row_number": rejected.row_number,
            "rowid": rejected.rowid,
            "key": {name: values.get(name) for name in rejected.key},
            "stage": rejected.fault.stage,
            "code": rejected.fault.code,
            "column": rejected.fault.column,
            "reason": rejected.reason,
            "also": [_also(other) for other in rejected.others],
            "row": values,
        }
        with self._lock:
            self.faults[rejected.fault] += 1
            self.others.update(other.fault for other in rejected.others)
            self._rejects.write(line)

    def keep_dropped(self, kept: DroppedValues) -> None:
        """Writes the values of one row in columns that the target lacks."""
        self._dropped.write(
            {
                "run_id": self._run_id,
                "table": self.table,
                "row_number": kept.row_number,
                "rowid": kept.rowid,
                "key": {name: jsonable(value) for name, value in kept.key.items()},
                "values": {name: jsonable(value) for name, value in kept.values.items() if value is not None},
            }
        )


def _also(other: StatedFault) -> dict[str, str | None]:
    return {
        "stage": other.fault.stage,
        "code": other.fault.code,
        "column": other.fault.column,
        "reason": other.reason,
    }
