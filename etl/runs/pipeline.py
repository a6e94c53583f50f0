"""Rows on their way from the source to the loader: read → convert → validate, ahead of the COPY.

Whatever is rejected on the way, or dropped, goes to the table's reject sink from here, with its original values.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self, TypeVar

import pandas as pd

from etl.concurrency.prefetch import Prefetcher
from etl.conversion.convert import Converted, convert
from etl.core.plan import TablePlan
from etl.core.rejects import Fault, RejectedRow, RejectRule, RejectStage, StatedFault
from etl.core.repairs import AlteredCell
from etl.core.source_tables import WHOLE_TABLE, RowidRange
from etl.core.values import StorageValue
from etl.files.reject_files import AlteredValue, DroppedValues, RejectSink, WarnedRow
from etl.loading.copy import CopyData, encode
from etl.loading.rows import Accepted, NotFastError, Retracted
from etl.runs.raw_rows import is_large, records_of, rowids_of, rows_of
from etl.source.batches import Batch, read_batches
from etl.source.database import Source
from etl.validation.results import Positions, Validated, expectation_rule
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
    altered_keys: frozenset[int]


class _Unanswered(NamedTuple):
    """A batch that was handed out before validation has spoken."""

    batch: Batch
    plan: TablePlan
    validation: Future[Validated]


@dataclass(frozen=True)
class _Faulty:
    """Rows that cannot be converted, and what validation will say about their other cells (None where it is skipped).

    `batch` is what is needed to find them again; `frame` has <NA> for what could not be converted.
    """

    batch: Batch
    frame: pd.DataFrame
    rejected: pd.DataFrame
    others: pd.DataFrame
    validation: Future[Validated] | None

    @property
    def is_known(self) -> bool:
        """Whether all that is wrong with them can be said now."""
        return self.validation is None or self.validation.done()


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
        self._unanswered: deque[_Unanswered] = deque()

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
                self._unanswered.append(_Unanswered(prepared.batch, plan, prepared.validation))
                self._await_answers(awaited=0 if prepared.large else VALIDATIONS_AWAITED)
            self._reject_lacking(prepared, plan, lacking)
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
        faulty: deque[_Faulty] = deque()
        for batch in read_batches(self.source, plan.source, columns, part=task.part, batch_rows=self.batch_rows):
            yield self._prepare(batch, plan, faulty, encode_ahead=task.optimistic)
            del batch  # here and below: while the next one is read, the last is nobody's any more, as it may be large
        while faulty:
            self._reject_faulty(faulty.popleft(), plan)

    def _prepare(self, batch: Batch, plan: TablePlan, faulty: deque[_Faulty], *, encode_ahead: bool) -> _Prepared:
        """Converts a batch; the rows that cannot be converted join the `faulty` ones until all is known of them."""
        converted = convert(batch.frame, plan.columns, assume_timezone=self.assume_timezone)
        if not converted.rejected.empty:
            found = self._faulty(batch, converted, plan)
            if found.is_known:  # at once: a large batch must not be held
                self._reject_faulty(found, plan)
            else:
                faulty.append(found)
            del found
        while faulty and faulty[0].is_known:
            self._reject_faulty(faulty.popleft(), plan)
        self._keep_altered(batch, plan, converted.altered)
        validation = self.validator.submit(plan.target.name, converted.frame) if self.validator else None
        types = {column.target: column.type for column in plan.columns}
        encoded = encode(converted.frame, types) if encode_ahead else None
        large = is_large(batch)
        kept = batch if large else _kept(batch, plan)
        return _Prepared(kept, converted.frame, validation, encoded, large, _altered_keys(plan, converted.altered))

    def _faulty(self, batch: Batch, converted: Converted, plan: TablePlan) -> _Faulty:
        rejected, others, frame = converted.rejected, converted.others, converted.faulty
        numbers = rejected.index
        kept = Batch(rows_of(batch.frame, numbers) if batch.rowids is None else batch.frame.iloc[:, :0], batch.rowids)
        if is_large(batch):  # it is held only once; the columns beyond the faulty ones stay unasked
            return _Faulty(batch, frame, rejected, others, None)
        validation = None
        if self.validator:
            unread = _unread(frame, rejected, others, plan)
            validation = self.validator.submit_rejected(plan.target.name, frame, unread)
        return _Faulty(kept, frame, rejected, others, validation)

    def _reject_faulty(self, faulty: _Faulty, plan: TablePlan) -> None:
        """Rejects rows for what could not be converted, and names what is wrong with them besides."""
        others = _stated(RejectStage.CONVERT, faulty.others)
        if faulty.validation is not None:
            validated = faulty.validation.result()
            _add(others, _stated(RejectStage.VALIDATE, _by_source_name(validated.rejected, plan)))
            _add(others, _stated(RejectStage.VALIDATE, _by_source_name(validated.others, plan)))
        first = _stated(RejectStage.CONVERT, faulty.rejected)
        _add_lacking(others, first, faulty.frame, plan)
        self._reject(faulty.batch, plan, RejectStage.CONVERT, faulty.rejected, others)

    def _await_answers(self, *, awaited: int) -> None:
        """Hears of rows handed out `optimistically`, as far as validation has answered or only `awaited` are open."""
        while self._unanswered and (len(self._unanswered) > awaited or self._unanswered[0].validation.done()):
            batch, plan, validation = self._unanswered.popleft()
            validated = validation.result()
            if not validated.rejected.empty:
                raise NotFastError
            self._warn(batch, plan, validated)

    def _rejected(self, waiting: deque[_Prepared], plan: TablePlan, *, awaited: int) -> list[int]:
        """The rows that validation rejects of the batches in front, as far as it has spoken or only `awaited` wait."""
        rows: list[int] = []
        while waiting and (len(waiting) > awaited or _is_validated(waiting[0])):
            rows += self._split(waiting.popleft(), plan)[1]
        return rows

    def _validated(self, prepared: _Prepared, plan: TablePlan) -> Accepted:
        """A batch without the rows that validation, or a missing value, rejects."""
        frame, lacking = require_values(self._split(prepared, plan)[0], plan)
        self._reject_lacking(prepared, plan, lacking)
        keep_dropped(self.rejects[plan.name], prepared.batch, plan, frame.index)
        return _accepted(prepared, frame)

    def _reject_lacking(self, prepared: _Prepared, plan: TablePlan, lacking: pd.DataFrame) -> None:
        if not lacking.empty:
            others: OtherFaults = {}
            _add_lacking(others, _stated(RejectStage.LOAD, lacking), prepared.frame, plan)
            self._reject(prepared.batch, plan, RejectStage.LOAD, lacking, others)

    def _split(self, prepared: _Prepared, plan: TablePlan) -> tuple[pd.DataFrame, list[int]]:
        """The rows that validation accepts, and the numbers of those that it rejects."""
        if prepared.validation is None:
            return prepared.frame, []
        validated = prepared.validation.result()
        self._warn(prepared.batch, plan, validated)
        rejected = _by_source_name(validated.rejected, plan)
        others = _stated(RejectStage.VALIDATE, _by_source_name(validated.others, plan))
        _add_lacking(others, _stated(RejectStage.VALIDATE, rejected), prepared.frame, plan)
        self._reject(prepared.batch, plan, RejectStage.VALIDATE, rejected, others)
        return validated.accepted, validated.rejected.index.tolist()

    def _reject(
        self,
        batch: Batch,
        plan: TablePlan,
        stage: RejectStage,
        rejected: pd.DataFrame,
        others: Mapping[int, Sequence[StatedFault]] = MappingProxyType({}),
    ) -> None:
        if rejected.empty:
            return
        rowids = rowids_of(batch, rejected.index)
        originals = self._originals(batch, plan, rejected.index, rowids)  # one after the other: rows may be large
        repairs = rejected.get("repairs", [()] * len(rejected))
        for (number, column, code, rule, reason), helpful, rowid, (_, row) in zip(
            rejected[["column", "code", "rule", "reason"]].itertuples(name=None),
            repairs,
            rowids,
            originals,
            strict=True,
        ):
            fault = Fault(stage, code, column, rule, repairs=helpful)
            more = tuple(others.get(number, ()))
            self.rejects[plan.name].reject(RejectedRow(number, rowid, plan.source_key, fault, reason, row, more))

    def _warn(self, batch: Batch, plan: TablePlan, validated: Validated) -> None:
        """Keeps the rows that fail an expectation without being rejected for it."""
        sink = self.rejects[plan.name]
        for expectation, numbers in ((item.expectation, item.rows) for item in validated.unexpected):
            rule = expectation_rule(expectation)
            kept = numbers[: max(0, sink.wanted_of(rule))]
            rowids = rowids_of(batch, kept)
            columns = tuple(plan.source_of.get(name, name) for name in expectation.columns)
            originals = self._originals(batch, plan, kept, rowids) if len(kept) else ()
            for rowid, (number, row) in zip(rowids, originals, strict=True):
                key = plan.source_key
                found = WarnedRow(number, rowid, key, rule, str(expectation), expectation.severity, columns, row)
                sink.warn(found)

    def _originals(
        self, batch: Batch, plan: TablePlan, numbers: pd.Index, rowids: list[int | None]
    ) -> Iterator[tuple[int, dict[str, StorageValue]]]:
        """The whole rows as the source holds them. The batch has them already without rowids, and a large row too."""
        whole = set(plan.source.column_names) <= set(batch.frame.columns)
        if batch.rowids is None or (whole and len(numbers) == len(batch.frame) and is_large(batch)):
            yield from zip(numbers, records_of(rows_of(batch.frame, numbers)), strict=True)
        else:
            yield from self.source.rows(plan.source, numbers.tolist(), rowids)

    def _keep_altered(self, batch: Batch, plan: TablePlan, altered: Sequence[AlteredCell]) -> None:
        """Keeps the values that repairs have altered; they count unless their rows are rejected after all."""
        if not altered:
            return
        numbers = pd.Index(dict.fromkeys(cell.row for cell in altered))
        keys = records_of(rows_of(batch.frame[list(plan.source_key)], numbers))
        rows = dict(zip(numbers.tolist(), zip(rowids_of(batch, numbers), keys, strict=True), strict=True))
        for cell in altered:
            rowid, key = rows[cell.row]
            self.rejects[plan.name].keep_altered(AlteredValue(rowid, key, cell))


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


def _altered_keys(plan: TablePlan, altered: Sequence[AlteredCell]) -> frozenset[int]:
    """The rows in whose unique values a repair has altered something."""
    unique = {plan.source_of.get(name) for key in plan.target.keys for name in key.columns} if altered else set()
    return frozenset(cell.row for cell in altered if cell.column in unique)


def _accepted(prepared: _Prepared, frame: pd.DataFrame) -> Accepted:
    """`frame` is what is left of the prepared one; what was encoded ahead serves only if that is all of it."""
    raw, rowids = prepared.batch.frame, prepared.batch.rowids
    if rowids is not None and len(frame) < len(raw):
        rowids = rowids[raw.index.isin(frame.index)]
    encoded = prepared.encoded if len(frame) == len(prepared.frame) else None
    return Accepted(frame, rowids, encoded, prepared.altered_keys)


def _is_validated(prepared: _Prepared) -> bool:
    return prepared.validation is not None and prepared.validation.done()


def _by_source_name(rejected: pd.DataFrame, plan: TablePlan) -> pd.DataFrame:
    names = {column.target: column.source for column in plan.columns}
    return rejected.assign(column=rejected["column"].map(names), code=RejectRule.EXPECTATION)


def _unread(frame: pd.DataFrame, rejected: pd.DataFrame, others: pd.DataFrame, plan: TablePlan) -> dict[str, Positions]:
    """By column of the target, the positions in `frame` of the cells that are at fault."""
    targets = {column.source: column.target for column in plan.columns}
    cells = pd.concat([rejected["column"], others["column"]])
    return {targets[str(name)]: frame.index.get_indexer(part.index) for name, part in cells.groupby(cells)}


OtherFaults = dict[int, list[StatedFault]]
"""What is wrong with rejected rows besides, by row number."""


def _stated(stage: RejectStage, found: pd.DataFrame) -> OtherFaults:
    stated: OtherFaults = {}
    for number, column, code, rule, reason in found[["column", "code", "rule", "reason"]].itertuples(name=None):
        stated.setdefault(number, []).append(StatedFault(Fault(stage, code, column, rule), reason))
    return stated


def _add(others: OtherFaults, more: OtherFaults) -> None:
    for number, stated in more.items():
        others.setdefault(number, []).extend(stated)


def _add_lacking(others: OtherFaults, first: OtherFaults, frame: pd.DataFrame, plan: TablePlan) -> None:
    """Adds the required columns without a value of the rows in `first`, but for those that are named already."""
    for number, columns in _lacking(frame.loc[list(first)], plan).items():
        named = {stated.fault.column for stated in (*first[number], *others.get(number, ()))}
        fault = StatedFault(Fault(RejectStage.LOAD, RejectRule.NULL_IN_REQUIRED, None, REQUIRED_RULE), REQUIRED_RULE)
        more = [fault._replace(fault=replace(fault.fault, column=name)) for name in columns if name not in named]
        _add(others, {number: more})


def _lacking(frame: pd.DataFrame, plan: TablePlan) -> dict[int, list[str]]:
    """By row number, the source's columns with NULL where the target requires a value."""
    lacking: dict[int, list[str]] = {}
    required = {column.name for column in plan.target.columns if column.not_null}
    for column in plan.columns:
        if column.target in required and frame[column.target].hasnans:
            for number in frame.index[frame[column.target].isna()]:
                lacking.setdefault(number, []).append(column.source)
    return lacking


def require_values(frame: pd.DataFrame, plan: TablePlan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits off the rows with NULL in a column that the target requires; the first such column is the one at fault."""
    lacking = {number: (columns[0], *_LACKING) for number, columns in _lacking(frame, plan).items()}
    rejected = pd.DataFrame(
        list(lacking.values()),
        index=pd.Index(list(lacking), dtype="int64"),
        columns=["column", "code", "rule", "reason"],
    ).sort_index()
    return (frame.drop(index=rejected.index) if lacking else frame), rejected
