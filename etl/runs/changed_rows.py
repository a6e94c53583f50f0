"""Rows of the source that a sync has to write: read by their rowids, converted, validated; rejects go to their file."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from etl.conversion.convert import convert
from etl.core.plan import TablePlan
from etl.core.rejects import Fault, RejectedRow, RejectRule, RejectStage
from etl.core.repairs import AlteredCell
from etl.core.values import LARGE_BYTES, StorageValue, size_of
from etl.files.reject_files import AlteredValue, DroppedValues, RejectSink, WarnedRow
from etl.loading.rows import Accepted
from etl.runs.pipeline import require_values
from etl.runs.raw_rows import records_of, rows_of
from etl.source.batches import BATCH_BYTES, ROW_NUMBER, Batch, raw_series, read_batches
from etl.source.database import Source
from etl.validation.results import Validated, expectation_rule
from etl.validation.validator import Validator

READ_ALL_ABOVE = 0.2  # of the rows: then the whole table is read at once, which is faster than to look rows up

Rowids = npt.NDArray[np.int64]


class ChangedRows:
    """Some rows of one table, by `rowids` (row numbers where the table has none), sorted.

    The index of the frames that it gives is what a row is called there: the rowid, else the row number.
    """

    def __init__(
        self, source: Source, plan: TablePlan, rowids: Rowids, rejects: RejectSink, assume_timezone: str
    ) -> None:
        self._source = source
        self._plan = plan
        self._rowids = rowids
        self._rejects = rejects
        self._assume_timezone = assume_timezone

    def accepted(self, validator: Validator | None, batch_rows: int) -> Iterator[Accepted]:
        """The rows that can be written, in the order of their rowids, so far as the target has not judged them."""
        name = self._plan.target.name
        if validator is not None:
            validator.begin(name)
        for batch in self._batches(batch_rows):
            converted = convert(batch.frame, self._plan.columns, assume_timezone=self._assume_timezone)
            self._reject(RejectStage.CONVERT, converted.rejected)
            self._keep_altered(batch, converted.altered)
            frame = converted.frame
            if validator is not None:
                validated = validator.submit(name, frame).result()
                self._warn(validated)
                rejected = validated.rejected
                columns = rejected["column"].map(self._plan.source_of)
                self._reject(RejectStage.VALIDATE, rejected.assign(column=columns, code=RejectRule.EXPECTATION))
                frame = validated.accepted
            frame, lacking = require_values(frame, self._plan)
            self._reject(RejectStage.LOAD, lacking)
            self._keep_dropped(batch, frame.index)
            yield Accepted(frame, None if batch.rowids is None else frame.index.to_numpy())

    def originals(self, names: Sequence[int]) -> dict[int, dict[str, StorageValue]]:
        """Rows as the source holds them, by what they are called here."""
        return dict(self._source.rows(self._plan.source, names, names))

    def _batches(self, batch_rows: int) -> Iterator[Batch]:
        table = self._plan.source
        if table.rowid_name is None or len(self._rowids) > READ_ALL_ABOVE * table.row_count:
            columns = self._plan.source_columns if table.rowid_name else table.column_names
            for batch in read_batches(self._source, table, columns, batch_rows=batch_rows):
                yield from self._chosen(batch)
            return
        yield from self._looked_up(batch_rows)

    def _chosen(self, batch: Batch) -> Iterator[Batch]:
        names = batch.frame.index.to_numpy() if batch.rowids is None else batch.rowids
        chosen = np.isin(names, self._rowids)
        if chosen.any():
            frame = batch.frame[chosen]
            frame.index = pd.Index(names[chosen], name=ROW_NUMBER)
            yield Batch(frame, None if batch.rowids is None else names[chosen])

    def _looked_up(self, batch_rows: int) -> Iterator[Batch]:
        columns = self._plan.source_columns
        names: list[int] = []
        rows: list[tuple[StorageValue, ...]] = []
        size = 0
        rowids = self._rowids.tolist()
        for name, row in self._source.rows(self._plan.source, rowids, rowids):
            values = tuple(row[column] for column in columns)
            bytes_here = size_of(values) + 8 * len(values)
            if rows and (bytes_here > LARGE_BYTES or size + bytes_here > BATCH_BYTES or len(rows) >= batch_rows):
                yield _batch(columns, names, rows)
                names, rows, size = [], [], 0
            names.append(name)
            rows.append(values)
            size += bytes_here
        if rows:
            yield _batch(columns, names, rows)

    # -- rejects ------------------------------------------------------------------------------------------------

    def _reject(self, stage: RejectStage, rejected: pd.DataFrame) -> None:
        if rejected.empty:
            return
        originals = self.originals([int(name) for name in rejected.index])
        for name, column, code, rule, reason in rejected[["column", "code", "rule", "reason"]].itertuples(name=None):
            self.reject(int(name), Fault(stage, code, column, rule), reason, originals[int(name)])

    def reject(self, name: int, fault: Fault, reason: str, row: Mapping[str, StorageValue]) -> None:
        """Writes down a rejected row with its original values."""
        self._rejects.reject(RejectedRow(*self._place(name), self._plan.source_key, fault, reason, row))

    def _warn(self, validated: Validated) -> None:
        """Keeps the rows that fail an expectation without being rejected for it."""
        for expectation, failing in ((item.expectation, item.rows) for item in validated.unexpected):
            rule = expectation_rule(expectation)
            names = [int(name) for name in failing[: max(0, self._rejects.wanted_of(rule))]]
            originals = self.originals(names) if names else {}
            columns = tuple(self._plan.source_of.get(name, name) for name in expectation.columns)
            key, words, severity = self._plan.source_key, str(expectation), expectation.severity
            for name in names:
                number, rowid = self._place(name)
                self._rejects.warn(WarnedRow(number, rowid, key, rule, words, severity, columns, originals[name]))

    def _place(self, name: int) -> tuple[int, int | None]:
        """The row number of a row, and its rowid where it has one."""
        return (name, None) if self._plan.source.rowid_name is None else (self._numbers[name], name)

    @cached_property
    def _numbers(self) -> dict[int, int]:
        """The row numbers by rowid; all are counted when the first row is rejected."""
        wanted = set(self._rowids.tolist())
        rows = self._source.stream(self._plan.source, ())
        return {
            rowid: number for number, (rowid, _) in enumerate(rows, start=1) if rowid is not None and rowid in wanted
        }

    def _keep_altered(self, batch: Batch, altered: Sequence[AlteredCell]) -> None:
        """Keeps the values that repairs have altered; they count unless their rows are rejected after all."""
        names = pd.Index(dict.fromkeys(cell.row for cell in altered))
        keys = records_of(rows_of(batch.frame[list(self._plan.source_key)], names)) if altered else []
        by_name = dict(zip(names.tolist(), keys, strict=True))
        for cell in altered:
            number, rowid = self._place(cell.row)
            self._rejects.keep_altered(AlteredValue(rowid, by_name[cell.row], cell._replace(row=number)))

    def _keep_dropped(self, batch: Batch, accepted: pd.Index) -> None:
        plan = self._plan
        if not plan.dropped:
            return
        dropped = rows_of(batch.frame[list(plan.dropped)], accepted)
        dropped = rows_of(dropped, dropped.index[dropped.notna().any(axis=1)])
        keys = records_of(rows_of(batch.frame[list(plan.source_key)], dropped.index))
        for name, key, values in zip(dropped.index.tolist(), keys, records_of(dropped), strict=True):
            self._rejects.keep_dropped(DroppedValues(*self._place(name), key, values))


def _batch(columns: Sequence[str], names: Sequence[int], rows: Sequence[tuple[StorageValue, ...]]) -> Batch:
    index = pd.Index(np.array(names, np.int64), name=ROW_NUMBER)
    series = {place: raw_series(values, index) for place, values in enumerate(zip(*rows, strict=True))}
    frame = pd.DataFrame(series, index=index)
    frame.columns = pd.Index(columns, dtype=object)
    return Batch(frame, np.array(names, np.int64))
