"""Validates the batches of a whole load in a process of its own, while the caller goes on."""

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa

from etl.validation.checker import columns_to_check
from etl.validation.process import ValidationProcess
from etl.validation.results import (
    Positions,
    Totals,
    Validated,
    add_results,
    count_result,
    latest_plausible_time,
    nothing_checked,
    settle,
)
from etl.validation.suites import Suite
from etl.validation.whole_table import WholeTable
from etl.validation.worker import Worker

BYTES_CHECKED_AT_ONCE = 48 * 2**20


@dataclass(frozen=True)
class _Waiting:
    """A batch that was submitted: all of it, what Great Expectations is to see of it, and who waits for the answer."""

    table: str
    frame: pd.DataFrame
    columns: pa.Table
    answer: Future[Validated]
    unread: Mapping[str, Positions] | None = None  # of rows that are rejected anyhow, and so count for nothing


class Validator:
    """Great Expectations in a process of its own, which imports it while the caller goes on.

        with Validator() as validator:                    # starts the process, if it is given none that runs already
            validator.use(suites)
            validator.begin("users")
            future = validator.submit("users", frame)     # at once; the next batch can be read meanwhile
            validated = future.result()
            …
            totals = validator.finish("users", rows).result()   # after the last batch of the table

    Futures raise `SuiteError` where Great Expectations refuses a suite, `CannotRun` where the process has died.
    """

    def __init__(self, process: ValidationProcess | None = None, *, now: datetime | None = None) -> None:
        self._suites: Mapping[str, Suite] = {}
        self._latest = latest_plausible_time(now)
        self._process = process or ValidationProcess()
        self._worker = Worker(self._process)
        # One thread asks, so that answers come in the order of the questions and nobody else has to wait for them.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="validation")
        self._waiting: deque[_Waiting | None] = deque()  # None: nothing behind it is checked with what is before it
        self._totals: dict[str, Totals] = {}
        self._whole: dict[str, WholeTable] = {}
        self._accepted: Future[None] = Future()

    def __enter__(self) -> Self:
        return self

    def use(self, suites: Mapping[str, Suite]) -> Future[None]:
        """Name the suites, once; done when Great Expectations has taken every one of them."""
        self._suites = suites
        self._accepted = self._thread.submit(self._worker.start, tuple(suites.values()), latest=self._latest)
        return self._accepted

    def begin(self, table: str) -> None:
        """The table is checked from its first row, whatever was submitted before."""
        self._waiting.append(None)
        self._thread.submit(self._begin, table)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.shutdown(wait=True)
        self._process.close()

    def stop(self) -> None:
        """Ends the process; whoever waits for an answer hears an exception instead. From any thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._process.kill()
        with contextlib.suppress(IndexError):  # the thread may have taken the last one
            while self._waiting:
                if (batch := self._waiting.popleft()) is not None:
                    batch.answer.cancel()

    @property
    def pid(self) -> int:
        """The number of the validation process."""
        return self._process.pid

    def submit(self, table: str, frame: pd.DataFrame) -> "Future[Validated]":
        """Checker a batch of converted rows. The frame must not be changed before the answer."""
        batch = _Waiting(table, frame, columns_to_check(frame, self._suites[table]), Future())
        self._waiting.append(batch)
        self._thread.submit(self._check_waiting)
        return batch.answer

    def submit_rejected(self, table: str, frame: pd.DataFrame, unread: Mapping[str, Positions]) -> "Future[Validated]":
        """Says what else is wrong with rows that are rejected anyhow; it counts in no result.

        `unread`: by column, the positions of cells that could not be converted.
        """
        batch = _Waiting(table, frame, columns_to_check(frame, self._suites[table]), Future(), unread)
        self._waiting.append(batch)
        self._thread.submit(self._check_waiting)
        return batch.answer

    def results(self, table: str) -> "Future[Totals]":
        """The results over the batches submitted since `begin`, without the row count: those of a part of a table."""
        return self._thread.submit(lambda: self._totals.get(table, ()))

    def add(self, table: str, results: Totals) -> None:
        """Adds the results of a part that was checked elsewhere."""
        self._totals[table] = add_results(self._totals.get(table, ()), results, self._suites[table])

    def finish(self, table: str, rows: int) -> "Future[Totals]":
        """The results over all batches submitted so far, in the suite's order, with the row count checked as `rows`."""
        return self._thread.submit(self._finish, table, rows)

    def _begin(self, table: str) -> None:
        self._waiting.remove(None)  # the first: all that was submitted before it has been checked
        self._totals.pop(table, None)
        self._forget_whole(table)

    def _check_waiting(self) -> None:
        """The batches that have come together meanwhile, in one question; none where an earlier call took them."""
        together = self._taken()
        if not together:
            return
        try:
            validated = self._check(together)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the answers, and raised there
            for batch in together:
                batch.answer.set_exception(error)
            return
        for batch, answer in zip(together, validated, strict=True):
            batch.answer.set_result(answer)

    def _taken(self) -> "list[_Waiting]":
        """Batches of one table from the front of those that wait, as many as the process can bear at once."""
        taken: list[_Waiting] = []
        while self._waiting and (batch := self._waiting[0]) is not None:
            size = sum(other.columns.nbytes for other in (*taken, batch))
            if taken and (batch.table != taken[0].table or size > BYTES_CHECKED_AT_ONCE):
                break
            taken.append(batch)
            self._waiting.popleft()
        return taken

    def _check(self, together: "Sequence[_Waiting]") -> list[Validated]:
        self._accepted.result()  # the thread has been there: what was refused is the answer to everything
        table = together[0].table
        suite = self._suites[table]
        columns = [batch.columns for batch in together]
        evaluations = self._worker.check(table, columns) if columns[0].num_columns else [[] for _ in together]
        validated = [
            settle(batch.frame, suite, found, {}, batch.unread or {})
            for batch, found in zip(together, evaluations, strict=True)
        ]
        for batch, answer in zip(together, validated, strict=True):
            if batch.unread is None:
                self._count(table, batch.frame)
                self._totals[table] = add_results(self._totals.get(table, ()), answer.results, suite)
        return validated

    def _count(self, table: str, frame: pd.DataFrame) -> None:
        """Counts values for what is expected of the whole table."""
        suite = self._suites[table]
        if any(item.whole for item in suite.expectations):
            if table not in self._whole:
                self._whole[table] = WholeTable(suite, latest=self._latest)
            self._whole[table].add(frame)

    def _forget_whole(self, table: str) -> None:
        if (whole := self._whole.pop(table, None)) is not None:
            whole.close()

    def _finish(self, table: str, rows: int) -> Totals:
        self._accepted.result()
        suite = self._suites[table]
        counted = any(not expectation.columns for expectation in suite.expectations)
        counts = self._worker.check_row_count(table, rows) if counted else {}
        counted_results = tuple(count_result(suite, place, rows, success=success) for place, success in counts.items())
        whole = self._whole[table].results().values() if table in self._whole else ()
        self._forget_whole(table)
        totals = {(item.expectation, item.column): item for item in (*self._totals.get(table, ()), *whole)}
        unasked = [nothing_checked(suite, item) for item in suite.expectations if item.columns]
        return (*(totals.get((item.expectation, item.column), item) for item in unasked), *counted_results)
