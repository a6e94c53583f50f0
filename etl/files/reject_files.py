"""Rejected rows, values of dropped columns, and values that a repair has altered, in files that lose nothing."""

import contextlib
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import orjson

from etl.core.rejects import Fault, RejectedRow
from etl.core.repairs import AlteredCell, Repair, options
from etl.core.values import StorageValue
from etl.files.private_files import PrivateFolder, RowFile, jsonable


@dataclass(frozen=True)
class DroppedValues:
    """What one row holds in the columns that the target lacks; `key` has the values that identify it."""

    row_number: int
    rowid: int | None
    key: Mapping[str, StorageValue]
    values: Mapping[str, StorageValue]


class AlteredValue(NamedTuple):
    """A value that a repair has altered, and the row that holds it; `key` has the values that identify the row."""

    rowid: int | None
    key: Mapping[str, StorageValue]
    cell: AlteredCell


@dataclass(frozen=True)
class Altered:
    """Altered values by column and repair, and the rows that hold any."""

    values: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: int = 0


class RejectSink(Protocol):
    """Where the rejected rows of one table go, the values of its dropped columns, and those that repairs have altered,
    while the table is loaded.

    Rows come from two threads at once. `restart` takes back what was said: the table is read again from its first row.
    """

    @property
    def faults(self) -> Counter[Fault]:
        """Rows by fault, so far."""

    @property
    def rejected_rows(self) -> int:
        """Rows so far."""

    def reject(self, rejected: RejectedRow) -> None:
        """Takes one rejected row with its original values."""

    def keep_dropped(self, kept: DroppedValues) -> None:
        """Takes the values of one row in columns that the target lacks."""

    def keep_altered(self, altered: AlteredValue) -> None:
        """Takes a value that a repair has altered; it counts unless its row is rejected after all."""

    def settle_altered(self) -> Altered:
        """Every row's outcome is known: forgets the altered values of rejected rows, and counts the others."""

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
        self._altered = RowFile(PrivateFolder(report_folder / "altered"), table)
        self._lock = threading.Lock()  # rows are rejected by the thread that reads and by the one that loads
        self.faults: Counter[Fault] = Counter()
        self._altered_values: Counter[tuple[str, str]] = Counter()
        self._altered_rows: set[int] = set()
        self._rejected_after_all: set[int] = set()
        self._nulled: set[tuple[int, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files; those that hold nothing are removed."""
        with contextlib.ExitStack() as files:
            for file in (self._rejects, self._dropped, self._altered):
                files.callback(file.close)

    @property
    def rejected_rows(self) -> int:
        """Rows in the reject file."""
        return self._rejects.rows

    def restart(self) -> None:
        """The table is read again: start anew."""
        self._rejects.restart()
        self._dropped.restart()
        self._altered.restart()
        for noted in (
            self.faults,
            self._altered_values,
            self._altered_rows,
            self._rejected_after_all,
            self._nulled,
        ):
            noted.clear()

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
            "repair": options(self.table, rejected.fault.repairs) or None,
            "row": values,
        }
        with self._lock:
            self.faults[rejected.fault] += 1
            self._rejects.write(line)
            if rejected.row_number in self._altered_rows:
                self._rejected_after_all.add(rejected.row_number)

    def keep_altered(self, altered: AlteredValue) -> None:
        """Writes one altered value: as the source holds it, and as it is loaded."""
        cell = altered.cell
        line = {
            "run_id": self._run_id,
            "table": self.table,
            "row_number": cell.row,
            "rowid": altered.rowid,
            "key": {name: jsonable(value) for name, value in altered.key.items()},
            "column": cell.column,
            "repair": cell.repair,
            "before": jsonable(cell.before),
            "after": jsonable(cell.after),
        }
        with self._lock:
            if cell.repair == Repair.ORPHAN_NULL:  # whatever was made of the value before, it is NULL now
                self._nulled.add((cell.row, cell.column))
            self._altered_rows.add(cell.row)
            self._altered_values[cell.column, cell.repair] += 1
            self._altered.write(line)

    def settle_altered(self) -> Altered:
        """Takes the altered values of rows that were rejected after all out of the file again."""
        with self._lock:
            if self._rejected_after_all or self._nulled:
                self._altered.keep(self._is_loaded)
                self._altered_rows -= self._rejected_after_all
                self._rejected_after_all.clear()
            return Altered(+self._altered_values, len(self._altered_rows))

    def _is_loaded(self, line: bytes) -> bool:
        entry = orjson.loads(line)
        nulled = (entry["row_number"], entry["column"]) in self._nulled and entry["repair"] != Repair.ORPHAN_NULL
        if entry["row_number"] not in self._rejected_after_all and not nulled:
            return True
        self._altered_values[entry["column"], entry["repair"]] -= 1
        return False

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
