"""Rows on their way from the source to the loader: read → convert → validate, one batch ahead of the COPY.

Whatever is rejected on the way, or left behind, is written to the table's reject file here, with its original values.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from etl.ahead import Handover, ahead
from etl.batches import Batch, read_batches
from etl.convert import convert
from etl.copying import CopyData, encode
from etl.load import Accepted, NotFastError
from etl.plan import TablePlan
from etl.rejects import TableRejects
from etl.source import Source, StorageValue
from etl.validate import Validated, Validator

T = TypeVar("T")
VERDICTS_AWAITED = 4  # batches that may be copied before validation has spoken; bounds what is held in memory
REQUIRED_RULE = "NULL in a column that the target requires (NOT NULL)"


@dataclass(frozen=True)
class _Prepared:
    """A converted batch, and what validation will say about it (None where it is skipped)."""

    batch: Batch
    frame: pd.DataFrame
    verdict: Future[Validated] | None
    encoded: CopyData | None


@dataclass(frozen=True)
class Pipeline:
    """How the rows of every table come in: from which source, in which batches, times read in which zone.

    `validator` None means that validation is skipped.
    """

    source: Source
    assume_timezone: str
    batch_rows: int
    validator: Validator | None = None

    def accepted(
        self, plan: TablePlan, rejects: TableRejects, progress: Callable[[int], None], *, optimistic: bool = False
    ) -> Generator[Accepted]:
        """The convertible and valid rows of a table from its beginning; `progress` hears the rows read so far.

        `optimistic` hands batches out before validation has spoken, and raises `NotFastError` if it then rejects a row:
        the caller undoes the table and asks again without it. Great Expectations so never holds up the COPY.
        """
        rejects.restart()
        if self.validator:
            self.validator.begin(plan.name)
        columns = plan.source_columns if plan.source.rowid_name else plan.source.column_names
        batches = read_batches(self.source, plan.source, columns, batch_rows=self.batch_rows)

        def prepare_all(handover: Handover[_Prepared]) -> None:
            for batch in batches:
                handover.put(self._prepare(batch, plan, rejects, encode_ahead=optimistic))

        later = optimistic and self.validator is not None
        with contextlib.closing(ahead(prepare_all, depth=1, name="etl-read")) as ready:
            rows = 0
            settled = self._settled_later(ready, plan) if later else self._settled(ready, plan, rejects)
            for prepared, accepted in settled:
                self._leave_behind(prepared.batch, plan, rejects, accepted.frame.index)
                yield accepted
                rows += len(prepared.batch.frame)
                progress(rows)

    def _prepare(self, batch: Batch, plan: TablePlan, rejects: TableRejects, *, encode_ahead: bool) -> _Prepared:
        converted = convert(batch.frame, plan.columns, assume_timezone=self.assume_timezone)
        self._reject(batch, plan, rejects, "convert", converted.rejected)
        verdict = self.validator.submit(plan.name, converted.frame) if self.validator else None
        types = {column.target: column.type for column in plan.columns}
        return _Prepared(batch, converted.frame, verdict, encode(converted.frame, types) if encode_ahead else None)

    def _settled(
        self, ready: Iterable[_Prepared], plan: TablePlan, rejects: TableRejects
    ) -> Iterator[tuple[_Prepared, Accepted]]:
        """Each batch without the rows that validation, or a missing value, rejects."""
        for prepared in ready:
            frame = prepared.frame
            if prepared.verdict:
                validated = prepared.verdict.result()
                self._reject(prepared.batch, plan, rejects, "validate", _by_source_name(validated.rejected, plan))
                frame = validated.accepted
            frame, lacking = require_values(frame, plan)
            self._reject(prepared.batch, plan, rejects, "load", lacking)
            yield prepared, _accepted(prepared, frame)

    @staticmethod
    def _settled_later(ready: Iterable[_Prepared], plan: TablePlan) -> Iterator[tuple[_Prepared, Accepted]]:
        """Each batch at once; verdicts are heard a few batches later."""
        waiting: deque[Future[Validated]] = deque()
        for prepared in ready:
            if prepared.verdict is None or not require_values(prepared.frame, plan)[1].empty:
                raise NotFastError
            waiting.append(prepared.verdict)
            while waiting and (len(waiting) > VERDICTS_AWAITED or waiting[0].done()):
                _raise_if_rejected(waiting.popleft().result())
            yield prepared, _accepted(prepared, prepared.frame)
        for verdict in waiting:
            _raise_if_rejected(verdict.result())

    def _reject(self, batch: Batch, plan: TablePlan, rejects: TableRejects, stage: str, rejected: pd.DataFrame) -> None:
        if rejected.empty:
            return
        rowids = _rowids(batch, rejected.index)
        originals = dict(self._originals(batch, plan, rejected.index, rowids))
        for (number, column, rule, reason), rowid in zip(
            rejected[["column", "rule", "reason"]].itertuples(name=None), rowids, strict=True
        ):
            rejects.reject(
                row_number=number,
                rowid=rowid,
                key=[key.source for key in plan.key],
                stage=stage,
                column=column,
                rule=rule,
                reason=reason,
                row=originals[number],
            )

    def _originals(
        self, batch: Batch, plan: TablePlan, numbers: pd.Index, rowids: list[int | None]
    ) -> Iterator[tuple[int, dict[str, StorageValue]]]:
        """The whole rows as the source holds them; without rowids the batch has them already."""
        if batch.rowids is not None:
            yield from self.source.rows(plan.source, numbers.tolist(), rowids)
            return
        yield from zip(numbers, _records(batch.frame.loc[numbers]), strict=True)

    def _leave_behind(self, batch: Batch, plan: TablePlan, rejects: TableRejects, accepted: pd.Index) -> None:
        """Keeps the values of dropped columns; a rejected row's file entry has them already."""
        if not plan.dropped:
            return
        dropped = batch.frame.loc[accepted, list(plan.dropped)]
        dropped = dropped[dropped.notna().any(axis=1)]
        keys = _records(batch.frame.loc[dropped.index, [column.source for column in plan.key]])
        rowids = _rowids(batch, dropped.index)
        for number, rowid, key, values in zip(dropped.index, rowids, keys, _records(dropped), strict=True):
            rejects.leave_behind(row_number=int(number), rowid=rowid, key=key, values=values)


def _accepted(prepared: _Prepared, frame: pd.DataFrame) -> Accepted:
    """`frame` is what is left of the prepared one; what was encoded ahead serves only if that is all of it."""
    raw, rowids = prepared.batch.frame, prepared.batch.rowids
    if rowids is not None and len(frame) < len(raw):
        rowids = rowids[raw.index.isin(frame.index)]
    return Accepted(frame, rowids, prepared.encoded if len(frame) == len(prepared.frame) else None)


def _raise_if_rejected(validated: Validated) -> None:
    if not validated.rejected.empty:
        raise NotFastError


def _by_source_name(rejected: pd.DataFrame, plan: TablePlan) -> pd.DataFrame:
    names = {column.target: column.source for column in plan.columns}
    return rejected.assign(column=rejected["column"].map(names))


def require_values(frame: pd.DataFrame, plan: TablePlan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits off the rows with NULL in a column that the target requires; the first such column is the one at fault."""
    lacking: dict[int, tuple[str, str, str]] = {}
    required = {column.name for column in plan.target.columns if column.not_null}
    for column in plan.columns:
        if column.target in required and frame[column.target].hasnans:
            for number in frame.index[frame[column.target].isna()]:
                lacking.setdefault(number, (column.source, REQUIRED_RULE, REQUIRED_RULE))
    rejected = pd.DataFrame(
        list(lacking.values()), index=pd.Index(list(lacking), dtype="int64"), columns=["column", "rule", "reason"]
    ).sort_index()
    return (frame.drop(index=rejected.index) if lacking else frame), rejected


def _rowids(batch: Batch, numbers: pd.Index) -> list[int | None]:
    if batch.rowids is None:
        return [None] * len(numbers)
    positions = batch.frame.index.get_indexer(numbers)
    return [int(rowid) for rowid in np.asarray(batch.rowids)[positions]]


def _records(frame: pd.DataFrame) -> list[dict[str, StorageValue]]:
    """The rows of a raw frame as dictionaries, column by column: a row as a Series would make its integers floats."""
    columns = {str(name): frame[name].tolist() for name in frame.columns}
    return [
        {name: None if values[place] is pd.NA else values[place] for name, values in columns.items()}
        for place in range(len(frame))
    ]
