"""Rejected rows, rows that a warning is about, and values of dropped columns, in files that lose nothing."""

import contextlib
import threading
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from etl.core.rejects import Fault, RejectedRow, StatedFault
from etl.core.row_examples import EXAMPLES, RowExample, example_of
from etl.core.values import StorageValue
from etl.files.csv_file import CsvFile
from etl.files.private_files import PrivateFolder, RowFile, file_name, jsonable

REJECTS = "rejects"
WARNINGS = "warnings"
CSV_HEADINGS = ("reject_row_number", "reject_rowid", "reject_stage", "reject_code", "reject_column", "reject_reason")
WARNED_ROWS_KEPT = 100_000  # of each expectation


def rows_file(folder: str, table: str) -> str:
    """The path, below the report folder, of a table's rows in `REJECTS` or `WARNINGS`."""
    return f"{folder}/{file_name(table + '.ndjson')}"


@dataclass(frozen=True)
class DroppedValues:
    """What one row holds in the columns that the target lacks; `key` has the values that identify it."""

    row_number: int
    rowid: int | None
    key: Mapping[str, StorageValue]
    values: Mapping[str, StorageValue]


@dataclass(frozen=True)
class WarnedRow:
    """A row, as the source holds it, that fails an expectation which rejects nothing.

    `rule` tells the table's expectations apart, `columns` are the source's that it looks at, `key` names the columns
    that identify the row.
    """

    row_number: int
    rowid: int | None
    key: tuple[str, ...]
    rule: Hashable
    expectation: str
    severity: str
    columns: tuple[str, ...]
    row: Mapping[str, StorageValue]


class RejectSink(Protocol):
    """Where the rejected rows of one table go, the rows that a warning is about, and the values of dropped columns.

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

    @property
    def examples(self) -> Mapping[Fault, Sequence[RowExample]]:
        """The first few rows of each fault."""

    @property
    def warned_examples(self) -> Mapping[Hashable, Sequence[RowExample]]:
        """The first few rows of each warning, by its rule."""

    def reject(self, rejected: RejectedRow) -> None:
        """Takes one rejected row with its original values."""

    def wanted_of(self, rule: Hashable) -> int:
        """How many more rows of a warning are kept."""

    def warn(self, warned: WarnedRow) -> None:
        """Takes one row that a warning is about."""

    def keep_dropped(self, kept: DroppedValues) -> None:
        """Takes the values of one row in columns that the target lacks."""

    def restart(self) -> None:
        """Forgets all rows."""

    def close(self) -> None:
        """No more will come."""


class TableRejects:
    """The sink of a load: files in its report folder. `hidden` are columns of the source that examples do not show."""

    def __init__(self, report_folder: Path, run_id: str, table: str, *, hidden: Collection[str] = ()) -> None:
        self.table = table
        self._run_id = run_id
        self._hidden = hidden
        self._rejects = RowFile(PrivateFolder(report_folder / REJECTS), table)
        self._csv = CsvFile(PrivateFolder(report_folder / REJECTS), table)
        self._warnings = RowFile(PrivateFolder(report_folder / WARNINGS), table)
        self._dropped = RowFile(PrivateFolder(report_folder / "dropped"), table)
        self._lock = threading.Lock()  # rows are rejected by the thread that reads and by the one that loads
        self.faults: Counter[Fault] = Counter()
        self.examples: dict[Fault, list[RowExample]] = {}
        self._warned: Counter[Hashable] = Counter()
        self.warned_examples: dict[Hashable, list[RowExample]] = {}
        self.others: Counter[Fault] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files; those that hold nothing are removed."""
        with contextlib.ExitStack() as ends:
            for file in (self._rejects, self._csv, self._warnings, self._dropped):
                ends.callback(file.close)

    @property
    def rejected_rows(self) -> int:
        """Rows in the reject file."""
        return self._rejects.rows

    def restart(self) -> None:
        """The table is read again: start anew."""
        for file in (self._rejects, self._csv, self._warnings, self._dropped):
            file.restart()
        for known in (self.faults, self.others, self.examples, self._warned, self.warned_examples):
            known.clear()

    def reject(self, rejected: RejectedRow) -> None:
        """Writes one rejected row with its original values."""
        fault = rejected.fault
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
            if self.faults[rejected.fault] <= EXAMPLES:
                columns = () if rejected.fault.column is None else (rejected.fault.column,)
                self.examples.setdefault(rejected.fault, []).append(self._example(rejected, columns))
            self.others.update(other.fault for other in rejected.others)
            self._rejects.write(line)
            reason = (rejected.row_number, rejected.rowid, fault.stage, fault.code, fault.column, rejected.reason)
            self._csv.write((*CSV_HEADINGS, *rejected.row), (*reason, *rejected.row.values()))

    def wanted_of(self, rule: Hashable) -> int:
        """How many more rows of a warning are kept: one about all rows of a large table would delay the load."""
        return WARNED_ROWS_KEPT - self._warned[rule]

    def warn(self, warned: WarnedRow) -> None:
        """Writes the key of one row that a warning is about, and the values in question."""
        self._warned[warned.rule] += 1
        if self._warned[warned.rule] <= EXAMPLES:
            self.warned_examples.setdefault(warned.rule, []).append(self._example(warned, warned.columns))
        self._warnings.write(
            {
                "run_id": self._run_id,
                "table": self.table,
                "row_number": warned.row_number,
                "rowid": warned.rowid,
                "key": {name: jsonable(warned.row.get(name)) for name in warned.key},
                "severity": warned.severity,
                "expectation": warned.expectation,
                "values": {name: jsonable(warned.row.get(name)) for name in warned.columns},
            }
        )

    def _example(self, row: RejectedRow | WarnedRow, columns: Sequence[str]) -> RowExample:
        return example_of(
            row.row, row_number=row.row_number, rowid=row.rowid, key=row.key, columns=columns, hidden=self._hidden
        )

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
