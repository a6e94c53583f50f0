"""Rejected rows, rows that a warning is about, values of dropped columns and values that a repair has altered, in files
that lose nothing."""

import contextlib
import threading
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import orjson

from etl.core.rejects import Fault, RejectedRow, StatedFault
from etl.core.repairs import AlteredCell, Repair, options
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
    """Where the rejected rows of one table go while it is loaded, the rows that a warning is about, the values of
    dropped columns, and those that repairs have altered.

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

    def keep_altered(self, altered: AlteredValue) -> None:
        """Takes a value that a repair has altered; it counts unless its row is rejected after all."""

    def settle_altered(self) -> Altered:
        """Every row's outcome is known: forgets the altered values of rejected rows, and counts the others."""

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
        self._altered = RowFile(PrivateFolder(report_folder / "altered"), table)
        self._lock = threading.Lock()  # rows are rejected by the thread that reads and by the one that loads
        self.faults: Counter[Fault] = Counter()
        self.examples: dict[Fault, list[RowExample]] = {}
        self._warned: Counter[Hashable] = Counter()
        self.warned_examples: dict[Hashable, list[RowExample]] = {}
        self.others: Counter[Fault] = Counter()
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
        with contextlib.ExitStack() as ends:
            for file in (self._rejects, self._csv, self._warnings, self._dropped, self._altered):
                ends.callback(file.close)

    @property
    def rejected_rows(self) -> int:
        """Rows in the reject file."""
        return self._rejects.rows

    def restart(self) -> None:
        """The table is read again: start anew."""
        for file in (self._rejects, self._csv, self._warnings, self._dropped, self._altered):
            file.restart()
        for known in (
            self.faults,
            self.others,
            self.examples,
            self._warned,
            self.warned_examples,
            self._altered_values,
            self._altered_rows,
            self._rejected_after_all,
            self._nulled,
        ):
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
            "repair": options(self.table, rejected.fault.repairs) or None,
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
            if rejected.row_number in self._altered_rows:
                self._rejected_after_all.add(rejected.row_number)

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


def _also(other: StatedFault) -> dict[str, str | None]:
    return {
        "stage": other.fault.stage,
        "code": other.fault.code,
        "column": other.fault.column,
        "reason": other.reason,
    }
