"""Frame → Validated(accepted, rejected): what the expectation suites say about a batch of converted rows; no I/O.

Rows that fail a critical expectation are rejected; other failures are counted and shown. `Validator` does it for a
whole load, in a process of its own; `validate_frame` for one frame in a notebook.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from etl.catalog import Kind, TargetType
from etl.schema import target_types
from etl.validation.html import shown_value, validated_html
from etl.validation.judge import Judge, Verdict, columns_to_judge
from etl.validation.process import ValidationProcess
from etl.validation.suites import Columns, Expectation, Severity, Suite, default_folder, load_suite
from etl.validation.worker import Worker

SAMPLE_ROWS = 5
_NOTHING = pd.DataFrame()
BYTES_JUDGED_AT_ONCE = 48 * 2**20
FUTURE_ALLOWED = timedelta(days=1)  # DESIGN section 5: nothing in the future by more than a day


@dataclass(frozen=True)
class ExpectationResult:
    """One expectation's outcome. `samples` are up to five failing rows, by row number, of the columns that it names."""

    table: str
    expectation: str  # its type and arguments
    column: str | None  # several are joined by a comma; None for the row count
    severity: Severity
    unexpected_rows: int
    judged_rows: int
    success: bool
    notes: str
    samples: pd.DataFrame = field(compare=False, repr=False)


Totals = tuple[ExpectationResult, ...]
"""The results over all batches of a table, in the suite's order."""


@dataclass(frozen=True)
class Validated:
    """A frame after validation: `accepted + rejected` are its rows, each in one of the two.

    `rejected` has the frame's index and the columns "column" (the target's name for the first column at fault, in the
    frame's order), "rule" (the expectation) and "reason" (the same with the row's value, or a pair's values, unless
    secret). `results` has an entry for each expectation, in the suite's order; those about columns that the frame lacks
    are named in `not_judged` instead.
    """

    table: str
    accepted: pd.DataFrame = field(repr=False)
    rejected: pd.DataFrame = field(repr=False)
    results: tuple[ExpectationResult, ...]
    not_judged: tuple[str, ...] = ()

    def __str__(self) -> str:
        failed = sum(not result.success for result in self.results)
        return (
            f"{self.table}: {len(self.accepted):,} rows accepted, {len(self.rejected):,} rejected; "
            f"{failed} of {len(self.results)} expectations failed"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return validated_html(str(self), self.results, self.not_judged)


def latest_plausible_time(now: datetime | None = None) -> datetime:
    """The value of the suites' parameter of that name: a day after `now` (default: the clock)."""
    return (now or datetime.now(UTC)) + FUTURE_ALLOWED


def validate_frame(frame: pd.DataFrame, table_or_suite: str | Suite, *, now: datetime | None = None) -> Validated:
    """Judge the rows of `frame` (columns by the target's names, any dtypes) here in this process.

    A table's name means its suite in `expectations/`. Raises `SuiteError` where the suite is broken, or asks of a
    column what its values do not allow.
    """
    suite = _suite_for(frame, table_or_suite) if isinstance(table_or_suite, str) else table_or_suite
    judge = Judge([suite], latest=latest_plausible_time(now))
    counts = judge.judge_row_count(suite.table, len(frame))
    (verdicts,) = judge.judge(suite.table, [columns_to_judge(frame, suite)])
    return settle(frame, suite, verdicts, counts)


def _suite_for(frame: pd.DataFrame, table: str) -> Suite:
    columns = target_types(table) or _columns_of(frame)
    return load_suite(default_folder() / f"{table}.json", table, columns)


def _columns_of(frame: pd.DataFrame) -> Columns:
    kinds = {str(name): _kind(pa.array(frame[name], from_pandas=True).type) for name in frame.columns}
    return {name: TargetType(kind, kind.value) for name, kind in kinds.items()}


def _kind(arrow: pa.DataType) -> Kind:
    for test, kind in (
        (pa.types.is_boolean, Kind.BOOLEAN),
        (pa.types.is_integer, Kind.BIGINT),
        (pa.types.is_floating, Kind.DOUBLE),
        (pa.types.is_timestamp, Kind.TIMESTAMPTZ),
        (pa.types.is_binary, Kind.BYTEA),
    ):
        if test(arrow):
            return kind
    return Kind.TEXT


def settle(frame: pd.DataFrame, suite: Suite, verdicts: Sequence[Verdict], counts: Mapping[int, bool]) -> Validated:
    """Turn verdicts on the frame's rows, and on its row count, into rows and results."""
    results = {verdict.expectation: _result(frame, suite, verdict) for verdict in verdicts}
    results |= {place: _count_result(suite, place, len(frame), success=success) for place, success in counts.items()}
    left = [str(item) for place, item in enumerate(suite.expectations) if place not in results and item.columns]
    at_fault, rejected = _rejected(frame, suite, verdicts)
    kept = frame if rejected.empty else frame[~np.isin(np.arange(len(frame)), at_fault)]
    ordered = tuple(results[place] for place in sorted(results))
    return Validated(suite.table, kept, rejected, ordered, tuple(left))


def _result(frame: pd.DataFrame, suite: Suite, verdict: Verdict) -> ExpectationResult:
    expectation = suite.expectations[verdict.expectation]
    return ExpectationResult(
        table=suite.table,
        expectation=str(expectation),
        column=", ".join(expectation.columns),
        severity=expectation.severity,
        unexpected_rows=len(verdict.failed),
        judged_rows=verdict.judged,
        success=_enough(len(verdict.failed), verdict.judged, expectation.mostly),
        notes=expectation.notes,
        samples=_samples(frame, expectation, verdict.failed),
    )


def _samples(frame: pd.DataFrame, expectation: Expectation, failed: npt.NDArray[np.int64]) -> pd.DataFrame:
    return frame[list(expectation.columns)].iloc[failed[:SAMPLE_ROWS]] if len(failed) else _NOTHING


def _enough(failed: int, judged: int, mostly: float) -> bool:
    return failed == 0 or (mostly < 1 and judged - failed >= mostly * judged)


def _count_result(suite: Suite, place: int, rows: int, *, success: bool) -> ExpectationResult:
    item = suite.expectations[place]
    return ExpectationResult(suite.table, str(item), None, item.severity, 0, rows, success, item.notes, _NOTHING)


def _nothing_judged(suite: Suite, item: Expectation) -> ExpectationResult:
    """For a table without rows, and for columns that the source lacks: nothing was judged, so nothing failed."""
    columns = ", ".join(item.columns)
    return ExpectationResult(suite.table, str(item), columns, item.severity, 0, 0, True, item.notes, _NOTHING)


Positions = npt.NDArray[np.int64]


def _rejected(frame: pd.DataFrame, suite: Suite, verdicts: Sequence[Verdict]) -> tuple[Positions, pd.DataFrame]:
    """The rows that fail a critical expectation, each with the first of its faults in the frame's column order."""
    order = {name: place for place, name in enumerate(frame.columns)}
    critical = [
        (order[item.columns[0]], verdict.expectation, item, verdict.failed)
        for verdict in verdicts
        if len(verdict.failed) and (item := suite.expectations[verdict.expectation]).severity == "critical"
    ]
    if not critical:
        nothing = pd.DataFrame({"column": [], "rule": [], "reason": []}, index=frame.index[:0], dtype="str")
        return np.empty(0, np.int64), nothing
    at_fault: Positions = np.empty(0, np.int64)
    faults = []
    for _, _, item, failed in sorted(critical, key=lambda fault: fault[:2]):
        first = np.setdiff1d(failed, at_fault)
        at_fault = np.concatenate([at_fault, first])
        faults.append(_faults(frame.iloc[first], item))
    in_order = np.argsort(at_fault)
    return at_fault[in_order], pd.concat(faults).iloc[in_order]


def _faults(rows: pd.DataFrame, item: Expectation) -> pd.DataFrame:
    """Why each of these rows is rejected."""
    arguments = str(item).removeprefix(item.type)
    pair = f" ({', '.join(item.columns)})" if len(item.columns) > 1 else ""
    rule = f"fails {item.type}{pair}{arguments}"
    cells = ([f"{name} = {shown_value(value, column=name)}" for value in rows[name]] for name in item.columns)
    reasons = [f"{', '.join(values)} {rule}" for values in zip(*cells, strict=True)]
    return pd.DataFrame({"column": item.columns[0], "rule": rule, "reason": reasons}, index=rows.index)


@dataclass(frozen=True)
class _Waiting:
    """A batch that was submitted: all of it, what Great Expectations is to see of it, and who waits for the answer."""

    table: str
    frame: pd.DataFrame
    columns: pa.Table
    answer: Future[Validated]


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
        self._waiting: deque[_Waiting | None] = deque()  # None: nothing behind it is judged with what is before it
        self._totals: dict[str, Totals] = {}
        self._accepted: Future[None] = Future()

    def __enter__(self) -> Self:
        return self

    def use(self, suites: Mapping[str, Suite]) -> Future[None]:
        """Name the suites, once; done when Great Expectations has taken every one of them."""
        self._suites = suites
        self._accepted = self._thread.submit(self._worker.start, tuple(suites.values()), latest=self._latest)
        return self._accepted

    def begin(self, table: str) -> None:
        """The table is judged from its first row, whatever was submitted before."""
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

    @property
    def pid(self) -> int:
        """The number of the validation process."""
        return self._process.pid

    def submit(self, table: str, frame: pd.DataFrame) -> "Future[Validated]":
        """Judge a batch of converted rows. The frame must not be changed before the answer."""
        batch = _Waiting(table, frame, columns_to_judge(frame, self._suites[table]), Future())
        self._waiting.append(batch)
        self._thread.submit(self._judge_waiting)
        return batch.answer

    def finish(self, table: str, rows: int) -> "Future[Totals]":
        """The results over all batches submitted so far, in the suite's order, with the row count judged as `rows`."""
        return self._thread.submit(self._finish, table, rows)

    def _begin(self, table: str) -> None:
        self._waiting.remove(None)  # the first: all that was submitted before it has been judged
        self._totals.pop(table, None)

    def _judge_waiting(self) -> None:
        """The batches that have come together meanwhile, in one question; none where an earlier call took them."""
        together = self._taken()
        if not together:
            return
        try:
            validated = self._judge(together)
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
            if taken and (batch.table != taken[0].table or size > BYTES_JUDGED_AT_ONCE):
                break
            taken.append(batch)
            self._waiting.popleft()
        return taken

    def _judge(self, together: "Sequence[_Waiting]") -> list[Validated]:
        self._accepted.result()  # the thread has been there: what was refused is the answer to everything
        table = together[0].table
        suite = self._suites[table]
        columns = [batch.columns for batch in together]
        verdicts = self._worker.judge(table, columns) if columns[0].num_columns else [[] for _ in together]
        validated = [settle(batch.frame, suite, found, {}) for batch, found in zip(together, verdicts, strict=True)]
        for batch in validated:
            self._totals[table] = add_results(self._totals.get(table, ()), batch.results, suite)
        return validated

    def _finish(self, table: str, rows: int) -> Totals:
        self._accepted.result()
        suite = self._suites[table]
        counted = any(not expectation.columns for expectation in suite.expectations)
        counts = self._worker.judge_row_count(table, rows) if counted else {}
        counted_results = tuple(_count_result(suite, place, rows, success=success) for place, success in counts.items())
        totals = {(item.expectation, item.column): item for item in self._totals.get(table, ())}
        unasked = [_nothing_judged(suite, item) for item in suite.expectations if item.columns]
        return (*(totals.get((item.expectation, item.column), item) for item in unasked), *counted_results)


def add_results(
    earlier: Sequence[ExpectationResult], later: Sequence[ExpectationResult], suite: Suite
) -> tuple[ExpectationResult, ...]:
    """The results of two batches of a table as those of one."""
    mostly = {(str(item), ", ".join(item.columns)): item.mostly for item in suite.expectations}
    totals = {(result.expectation, result.column or ""): result for result in earlier}
    for result in later:
        key = (result.expectation, result.column or "")
        totals[key] = _sum(totals[key], result, mostly[key]) if key in totals else result
    return tuple(totals[key] for key in mostly if key in totals)


def _sum(one: ExpectationResult, other: ExpectationResult, mostly: float) -> ExpectationResult:
    failed, judged = one.unexpected_rows + other.unexpected_rows, one.judged_rows + other.judged_rows
    return replace(
        one,
        unexpected_rows=failed,
        judged_rows=judged,
        success=_enough(failed, judged, mostly),
        samples=_first_rows(one.samples, other.samples),
    )


def _first_rows(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    filled = [samples for samples in (one, other) if len(samples)]
    return pd.concat(filled)[:SAMPLE_ROWS] if filled else one


if __name__ == "__main__":
    from etl.command_line import leave
    from etl.validation.command import main

    leave(main())
