"""Rows on their way from the source to the loader: read → convert → validate, ahead of the COPY.

Whatever is rejected on the way, or dropped, goes to the table's reject sink from here, with its original values.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import pandas as pd

from etl.concurrency.prefetch import Prefetcher
from etl.conversion.convert import convert
from etl.core.plan import TablePlan
from etl.core.rejects import Fault, RejectedRow, RejectRule, RejectStage
from etl.core.source_tables import WHOLE_TABLE, RowidRange
from etl.core.values import StorageValue
from etl.files.reject_files import DroppedValues, RejectSink
from etl.loading.copy import CopyData, encode
from etl.loading.rows import Accepted, NotFastError, Retracted
from etl.runs.raw_rows import is_large, records_of, rowids_of, rows_of
from etl.source.batches import Batch, read_batches
from etl.source.database import Source
from etl.validation.results import Validated
from etl.validation.validator import Validator

T = TypeVar("T")
BATCHES_AHEAD = 3  # that wait between the reading thread and the COPY
VALIDATIONS_AWAITED = 4  # batches that may be copied before validation has spoken; bounds what is held in memory
REQUIRED_RULE = "NULL in a column that the target requires (NOT NULL)"
_LACKING = (RejectRule.NULL_IN_REQUIRED, REQUIRED_RULE, REQUIRED_RULE)


@dataclass(frozen=True)
class _Prepared:
    """A converted batch, and what validation will say about it (None where it is skipped).

    `batch` is what is still needed of the raw one; `large` says that a second one of its size would be too much.
    """

    batch: Batch
    frame: pd.DataFrame
    validation: Future[Validated] | None
    encoded: CopyData | None
    large: bool


@dataclass(frozen=True)
class _Task:
    """A table to be read. `optimistic`: encoded ahead, as the loader will probably want all rows of it."""

    plan: TablePlan
    optimistic: bool
    part: RowidRange = WHOLE_TABLE


class Pipeline:
    """The rows of all tables, in the order in which they are loaded. `validator` None means that validation is skipped.

    The reading thread goes on behind the end of a table: while the indexes of one are made again, the first rows of the
    next are read. Use it in a `with` statement.
    """

    def __init__(
        self,
        source: Source,
        rejects: Mapping[str, RejectSink],
        validator: Validator | None,
        *,
        assume_timezone: str,
        batch_rows: int,
    ) -> None:
        self.source = source
        self.rejects = rejects
        self.validator = validator
        self.assume_timezone = assume_timezone
        self.batch_rows = batch_rows
        self._expected: Sequence[_Task] = ()
        self._prefetcher: Prefetcher[_Task, _Prepared] = Prefetcher(
            self._prepare_all, depth=BATCHES_AHEAD, name="etl-read", alone=lambda prepared: prepared.large
        )
        self._unanswered: deque[Future[Validated]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._prefetcher.close()

    def expect(self, plans: Iterable[tuple[TablePlan, bool]]) -> None:
        """The tables in the order in which they will be asked for, and whether `optimistic`, so far as is known."""
        self._expected = [_Task(*task) for task in plans]
        self._prefetcher.expect(self._expected)

    def optimistically(self, plan: TablePlan, progress: Callable[[int], None]) -> Generator[Accepted]:
        """The rows of a table from its beginning, before validation has spoken, which so never holds up the COPY.

        Raises `NotFastError` where it then rejects one: the caller undoes the table and asks for those `accepted`. At
        the end `await_validation` has to be called. `progress` hears the rows read so far.
        """
        self._unanswered.clear()
        for prepared in self._prepared(_Task(plan, optimistic=True), progress):
            frame, lacking = require_values(prepared.frame, plan)
            if prepared.validation is not None:
                if not lacking.empty:
                    raise NotFastError  # validation has the first word about them
                self._unanswered.append(prepared.validation)
                self._await_answers(awaited=0 if prepared.large else VALIDATIONS_AWAITED)
            self._reject(prepared.batch, plan, RejectStage.LOAD, lacking)
            keep_dropped(self.rejects[plan.name], prepared.batch, plan, frame.index)
            yield _accepted(prepared, frame)
            del prepared, frame, lacking

    def await_validation(self) -> None:
        """Waits for the validation of rows handed out `optimistically`; raises `NotFastError` if it rejects one."""
        self._await_answers(awaited=0)

    def accepted(self, plan: TablePlan, progress: Callable[[int], None]) -> Generator[Accepted | Retracted]:
        """The convertible and valid rows of a table from its beginning; `progress` hears the rows read so far.

        They too are handed out before validation has spoken, and retracted where it rejects one. From then on, and
        where something else has to wait for its result, each batch waits for it first.
        """
        waiting: deque[_Prepared] = deque()
        trusting = self.validator is not None and not plan.dropped
        for prepared in self._prepared(_Task(plan, optimistic=False), progress):
            if trusting and not prepared.large and require_values(prepared.frame, plan)[1].empty:
                waiting.append(prepared)
                yield _accepted(prepared, prepared.frame)
                rows = self._rejected(waiting, plan, awaited=VALIDATIONS_AWAITED)
            else:
                rows = self._rejected(waiting, plan, awaited=0)
                yield self._validated(prepared, plan)
            del prepared
            if rows:
                yield Retracted(rows)
                trusting = False
        if rows := self._rejected(waiting, plan, awaited=0):
            yield Retracted(rows)

    def surely_accepted(
        self, plan: TablePlan, part: RowidRange, progress: Callable[[int], None]
    ) -> Generator[Accepted]:
        """The convertible and valid rows of a part of a table, each batch when validation has spoken about it."""
        for prepared in self._prepared(_Task(plan, optimistic=False, part=part), progress):
            yield self._validated(prepared, plan)
            del prepared

    def _prepared(self, task: _Task, progress: Callable[[int], None]) -> Generator[_Prepared]:
        """The batches of a table, whether or not it is the one that was expected."""
        if self._prefetcher.next_task != task:
            names = [expected.plan.name for expected in self._expected]
            behind = self._expected[names.index(task.plan.name) + 1 :] if task.plan.name in names else ()
            self._prefetcher.expect([task, *behind])
        rows = 0
        with contextlib.closing(self._prefetcher.take()) as ready:
            for prepared in ready:
                rows += len(prepared.batch.frame)
                yield prepared
                del prepared
                progress(rows)

    def _prepare_all(self, task: _Task) -> Iterator[_Prepared]:
        """On the reading thread: the table, or the part, from its beginning, whatever was made of it before."""
        plan = task.plan
        self.rejects[plan.name].restart()
        if self.validator:
            self.validator.begin(plan.target.name)
        columns = plan.source_columns if plan.source.rowid_name else plan.source.column_names
        for batch in read_batches(self.source, plan.source, columns, part=task.part, batch_rows=self.batch_rows):
            yield self._prepare(batch, plan, encode_ahead=task.optimistic)
            del batch  # here and below: while the next one is read, the last is nobody's any more, as it may be large

    def _prepare(self, batch: Batch, plan: TablePlan, *, encode_ahead: bool) -> _Prepared:
        converted = convert(batch.frame, plan.columns, assume_timezone=self.assume_timezone)
        self._reject(batch, plan, RejectStage.CONVERT, converted.rejected)
        validation = self.validator.submit(plan.target.name, converted.frame) if self.validator else None
        types = {column.target: column.type for column in plan.columns}
        encoded = encode(converted.frame, types) if encode_ahead else None
        large = is_large(batch)
        kept = batch if large else _kept(batch, plan)
        return _Prepared(kept, converted.frame, validation, encoded, large)

    def _await_answers(self, *, awaited: int) -> None:
        """Hears of rows handed out `optimistically`, as far as validation has answered or only `awaited` are open."""
        while self._unanswered and (len(self._unanswered) > awaited or self._unanswered[0].done()):
            if not self._unanswered.popleft().result().rejected.empty:
                raise NotFastError

    def _rejected(self, waiting: deque[_Prepared], plan: TablePlan, *, awaited: int) -> list[int]:
        """The rows that validation rejects of the batches in front, as far as it has spoken or only `awaited` wait."""
        rows: list[int] = []
        while waiting and (len(waiting) > awaited or _is_validated(waiting[0])):
            rows += self._split(waiting.popleft(), plan)[1]
        return rows

    def _validated(self, prepared: _Prepared, plan: TablePlan) -> Accepted:
        """A batch without the rows that validation, or a missing value, rejects."""
        frame, lacking = require_values(self._split(prepared, plan)[0], plan)
        self._reject(prepared.batch, plan, RejectStage.LOAD, lacking)
        keep_dropped(self.rejects[plan.name], prepared.batch, plan, frame.index)
        return _accepted(prepared, frame)

    def _split(self, prepared: _Prepared, plan: TablePlan) -> tuple[pd.DataFrame, list[int]]:
        """The rows that validation accepts, and the numbers of those that it rejects."""
        if prepared.validation is None:
            return prepared.frame, []
        validated = prepared.validation.result()
        self._reject(prepared.batch, plan, RejectStage.VALIDATE, _by_source_name(validated.rejected, plan))
        return validated.accepted, validated.rejected.index.tolist()

    def _reject(self, batch: Batch, plan: TablePlan, stage: RejectStage, rejected: pd.DataFrame) -> None:
        if rejected.empty:
            return
        rowids = rowids_of(batch, rejected.index)
        originals = self._originals(batch, plan, rejected.index, rowids)  # one after the other: rows may be large
        for (number, column, code, rule, reason), rowid, (_, row) in zip(
            rejected[["column", "code", "rule", "reason"]].itertuples(name=None), rowids, originals, strict=True
        ):
            fault = Fault(stage, code, column, rule)
            self.rejects[plan.name].reject(RejectedRow(number, rowid, plan.source_key, fault, reason, row))

    def _originals(
        self, batch: Batch, plan: TablePlan, numbers: pd.Index, rowids: list[int | None]
    ) -> Iterator[tuple[int, dict[str, StorageValue]]]:
        """The whole rows as the source holds them. The batch has them already without rowids, and a large row too."""
        whole = set(plan.source.column_names) <= set(batch.frame.columns)
        if batch.rowids is None or (whole and len(numbers) == len(batch.frame) and is_large(batch)):
            yield from zip(numbers, records_of(rows_of(batch.frame, numbers)), strict=True)
        else:
            yield from self.source.rows(plan.source, numbers.tolist(), rowids)


def keep_dropped(rejects: RejectSink, batch: Batch, plan: TablePlan, accepted: pd.Index) -> None:
    """Keeps the values of dropped columns of accepted rows; a rejected row's file entry has them already."""
    if not plan.dropped:
        return
    dropped = rows_of(batch.frame[list(plan.dropped)], accepted)
    dropped = rows_of(dropped, dropped.index[dropped.notna().any(axis=1)])
    keys = records_of(rows_of(batch.frame[list(plan.source_key)], dropped.index))
    rowids = rowids_of(batch, dropped.index)
    for number, rowid, key, values in zip(dropped.index, rowids, keys, records_of(dropped), strict=True):
        rejects.keep_dropped(DroppedValues(int(number), rowid, key, values))


def _kept(batch: Batch, plan: TablePlan) -> Batch:
    """What is needed behind the conversion: dropped columns with their keys; rejected rows are read again by rowid."""
    if batch.rowids is None:
        return batch
    names = dict.fromkeys([*plan.source_key, *plan.dropped]) if plan.dropped else ()
    return Batch(batch.frame[list(names)], batch.rowids)


def _accepted(prepared: _Prepared, frame: pd.DataFrame) -> Accepted:
    """`frame` is what is left of the prepared one; what was encoded ahead serves only if that is all of it."""
    raw, rowids = prepared.batch.frame, prepared.batch.rowids
    if rowids is not None and len(frame) < len(raw):
        rowids = rowids[raw.index.isin(frame.index)]
    return Accepted(frame, rowids, prepared.encoded if len(frame) == len(prepared.frame) else None)


def _is_validated(prepared: _Prepared) -> bool:
    return prepared.validation is not None and prepared.validation.done()


def _by_source_name(rejected: pd.DataFrame, plan: TablePlan) -> pd.DataFrame:
    names = {column.target: column.source for column in plan.columns}
    return rejected.assign(column=rejected["column"].map(names), code=RejectRule.EXPECTATION)


def require_values(frame: pd.DataFrame, plan: TablePlan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits off the rows with NULL in a column that the target requires; the first such column is the one at fault."""
    lacking: dict[int, tuple[str, RejectRule, str, str]] = {}
    required = {column.name for column in plan.target.columns if column.not_null}
    for column in plan.columns:
        if column.target in required and frame[column.target].hasnans:
            for number in frame.index[frame[column.target].isna()]:
                lacking.setdefault(number, (column.source, *_LACKING))
    rejected = pd.DataFrame(
        list(lacking.values()),
        index=pd.Index(list(lacking), dtype="int64"),
        columns=["column", "code", "rule", "reason"],
    ).sort_index()
    return (frame.drop(index=rejected.index) if lacking else frame), rejected
