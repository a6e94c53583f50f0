"""What the expectation suites say about a batch of converted rows: accepted, rejected, results; no I/O.

Rows that fail a critical expectation are rejected; other failures are counted and shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from etl.core.text import counted
from etl.validation.checker import Evaluation
from etl.validation.html import shown_value, validated_html
from etl.validation.suites import Expectation, Severity, Suite

SAMPLE_ROWS = 5
EXAMPLES = 3
_NOTHING = pd.DataFrame()
_NO_FAULTS = pd.DataFrame({"column": [], "rule": [], "reason": []}, dtype="str")
Positions: TypeAlias = npt.NDArray[np.int64]
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
    meaning: str = ""  # the expectation in plain English
    said: str = ""  # what was found, of a whole table

    @property
    def observed(self) -> str:
        """What was found: number and share of unexpected values, and three of them; "" where all is well."""
        if self.said or not self.unexpected_rows:
            return self.said
        lines = (
            ", ".join(shown_value(value, column=str(name)) for name, value in row.items())
            for row in self.samples.to_dict(orient="records")
        )
        examples = "; ".join(list(dict.fromkeys(lines))[:EXAMPLES])
        return share_of(self.unexpected_rows, self.judged_rows) + (f": {examples}" if examples else "")


def expectation_rule(item: Expectation | ExpectationResult) -> tuple[str, str]:
    """What tells the expectations of a table apart, and finds a result to its expectation."""
    columns = item.column or "" if isinstance(item, ExpectationResult) else ", ".join(item.columns)
    return item.expectation if isinstance(item, ExpectationResult) else str(item), columns


Totals = tuple[ExpectationResult, ...]
"""The results over all batches of a table, in the suite's order."""


@dataclass(frozen=True)
class Unexpected:
    """The rows of a frame, by its index, that fail an expectation which rejects nothing."""

    expectation: Expectation
    rows: pd.Index


@dataclass(frozen=True)
class Validated:
    """A frame after validation: `accepted + rejected` are its rows, each in one of the two.

    `rejected` has the frame's index and the columns "column" (the target's name for the first column at fault, in the
    frame's order), "rule" (the expectation) and "reason" (the same with the row's value, or a pair's values, unless
    secret). `results` has an entry for each expectation, in the suite's order; those about columns that the frame lacks
    are named in `not_judged` instead. `others` has the columns of `rejected`, an entry for each further expectation
    that a rejected row does not meet. `unexpected` are rows that fail an
    expectation of another severity.
    """

    table: str
    accepted: pd.DataFrame = field(repr=False)
    rejected: pd.DataFrame = field(repr=False)
    results: tuple[ExpectationResult, ...]
    not_judged: tuple[str, ...] = ()
    unexpected: tuple[Unexpected, ...] = field(default=(), repr=False)
    others: pd.DataFrame = field(default_factory=lambda: _NO_FAULTS, repr=False, compare=False)

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


def settle(
    frame: pd.DataFrame,
    suite: Suite,
    evaluations: Sequence[Evaluation],
    counts: Mapping[int, bool],
    unread: Mapping[str, Positions] = MappingProxyType({}),
) -> Validated:
    """Turn evaluations on the frame's rows, and on its row count, into rows and results.

    `unread`: by column, the positions of cells whose value is not known, and so is not at fault for being NULL.
    """
    results = {evaluation.expectation: _result(frame, suite, evaluation) for evaluation in evaluations}
    results |= {place: count_result(suite, place, len(frame), success=success) for place, success in counts.items()}
    left = [str(item) for place, item in _judged_by_rows(suite) if place not in results]
    at_fault, rejected, others = _rejected(frame, suite, evaluations, unread)
    kept = frame if rejected.empty else frame[~np.isin(np.arange(len(frame)), at_fault)]
    ordered = tuple(results[place] for place in sorted(results))
    return Validated(suite.table, kept, rejected, ordered, tuple(left), _unexpected(frame, suite, evaluations), others)


def _unexpected(frame: pd.DataFrame, suite: Suite, evaluations: Sequence[Evaluation]) -> tuple[Unexpected, ...]:
    judged = ((suite.expectations[found.expectation], found.failed) for found in evaluations if len(found.failed))
    return tuple(Unexpected(item, frame.index[failed]) for item, failed in judged if item.severity != "critical")


def _judged_by_rows(suite: Suite) -> Iterator[tuple[int, Expectation]]:
    return ((place, item) for place, item in enumerate(suite.expectations) if item.columns and not item.whole)


def _result(frame: pd.DataFrame, suite: Suite, evaluation: Evaluation) -> ExpectationResult:
    expectation = suite.expectations[evaluation.expectation]
    return ExpectationResult(
        table=suite.table,
        expectation=str(expectation),
        column=", ".join(expectation.columns),
        severity=expectation.severity,
        unexpected_rows=len(evaluation.failed),
        judged_rows=evaluation.checked,
        success=enough(len(evaluation.failed), evaluation.checked, expectation.mostly),
        notes=expectation.notes,
        samples=_samples(frame, expectation, evaluation.failed),
        meaning=expectation.meaning,
    )


def _samples(frame: pd.DataFrame, expectation: Expectation, failed: npt.NDArray[np.int64]) -> pd.DataFrame:
    return frame[list(expectation.columns)].iloc[failed[:SAMPLE_ROWS]] if len(failed) else _NOTHING


def share_of(rows: int, of_rows: int) -> str:
    """`12 of 800 rows (1.5 %)`."""
    return f"{rows:,} of {counted(of_rows, 'row')} ({100 * rows / max(of_rows, 1):.3g} %)"


def enough(failed: int, checked: int, mostly: float) -> bool:
    """Whether the share of rows that pass is as large as it has to be."""
    return failed == 0 or (mostly < 1 and checked - failed >= mostly * checked)


def count_result(suite: Suite, place: int, rows: int, *, success: bool) -> ExpectationResult:
    item = suite.expectations[place]
    return ExpectationResult(
        suite.table, str(item), None, item.severity, 0, rows, success, item.notes, _NOTHING, item.meaning
    )


def nothing_checked(suite: Suite, item: Expectation) -> ExpectationResult:
    """For a table without rows, and for columns that the source lacks: nothing was checked, so nothing failed."""
    columns = ", ".join(item.columns)
    return ExpectationResult(
        suite.table, str(item), columns, item.severity, 0, 0, True, item.notes, _NOTHING, item.meaning
    )


def _rejected(
    frame: pd.DataFrame, suite: Suite, evaluations: Sequence[Evaluation], unread: Mapping[str, Positions]
) -> tuple[Positions, pd.DataFrame, pd.DataFrame]:
    """The rows that fail a critical expectation, each with the first of its faults in the frame's column order; and the
    others."""
    order = {name: place for place, name in enumerate(frame.columns)}
    critical = [
        (order[item.columns[0]], evaluation.expectation, item, evaluation.failed)
        for evaluation in evaluations
        if len(evaluation.failed) and (item := suite.expectations[evaluation.expectation]).severity == "critical"
    ]
    if not critical:
        nothing = _NO_FAULTS.set_index(frame.index[:0])
        return np.empty(0, np.int64), nothing, nothing
    at_fault: Positions = np.empty(0, np.int64)
    faults, others = [], []
    for _, _, item, found in sorted(critical, key=lambda fault: fault[:2]):
        failed = found
        for name in item.columns:
            failed = np.setdiff1d(failed, unread.get(name, ()))
        first = np.setdiff1d(failed, at_fault)
        others.append(_faults(frame.iloc[np.intersect1d(failed, at_fault)], item))
        at_fault = np.concatenate([at_fault, first])
        faults.append(_faults(frame.iloc[first], item))
    in_order = np.argsort(at_fault)
    return at_fault[in_order], pd.concat(faults).iloc[in_order], pd.concat(others)


def _faults(rows: pd.DataFrame, item: Expectation) -> pd.DataFrame:
    """Why each of these rows is rejected."""
    arguments = str(item).removeprefix(item.type)
    pair = f" ({', '.join(item.columns)})" if len(item.columns) > 1 else ""
    rule = f"fails {item.type}{pair}{arguments}"
    cells = ([f"{name} = {shown_value(value, column=name)}" for value in rows[name]] for name in item.columns)
    reasons = [f"{', '.join(values)} {rule}" for values in zip(*cells, strict=True)]
    return pd.DataFrame({"column": item.columns[0], "rule": rule, "reason": reasons}, index=rows.index)


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
    failed, checked = one.unexpected_rows + other.unexpected_rows, one.judged_rows + other.judged_rows
    return replace(
        one,
        unexpected_rows=failed,
        judged_rows=checked,
        success=enough(failed, checked, mostly),
        samples=_first_rows(one.samples, other.samples),
    )


def _first_rows(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    filled = [samples for samples in (one, other) if len(samples)]
    return pd.concat(filled)[:SAMPLE_ROWS] if filled else one
