"""Expectations that only a whole table can meet: unique values, means, sets of distinct values.

Each value of a column that they ask about is counted in a scratch SQLite table, which goes to disk where it grows; all
of them are answered from these counts, in SQL.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.text import counted
from etl.core.types import TIMES, TargetType
from etl.derivation.keys import comparable
from etl.validation.html import shown_value
from etl.validation.results import EXAMPLES, ExpectationResult, enough, share_of
from etl.validation.rules import LATEST_PLAUSIBLE_TIME
from etl.validation.suites import Expectation, Suite

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = "CAST(value AS REAL)"
Cell: TypeAlias = int | float | str | bytes | None


@dataclass(frozen=True)
class _Answer:
    """What was found: `success`, how many rows are to blame, and what to say."""

    success: bool
    said: str
    unexpected_rows: int = 0


class WholeTable:
    """Counts the values of a table, batch by batch, for the expectations of its suite that look at all of them.

    `latest` is the value of the suite parameter `latest_plausible_time`.
    """

    def __init__(self, suite: Suite, *, latest: datetime) -> None:
        self._suite = suite
        self._latest = latest
        self._asked = [(place, item) for place, item in enumerate(suite.expectations) if item.whole]
        self._columns = {name: place for place, name in enumerate(sorted({i.columns[0] for _, i in self._asked}))}
        self._rows = dict.fromkeys(self._columns, 0)
        # Without a name it is a temporary file, which SQLite makes when its cache is full and removes at the end.
        self._scratch = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for place in self._columns.values():
            self._scratch.execute(f"CREATE TABLE c{place} (value PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID")

    def add(self, frame: pd.DataFrame) -> None:
        """Counts the values of a batch; columns that it lacks stay without any."""
        for name, place in self._columns.items():
            if name not in frame.columns:
                continue
            values = _storable(frame[name], self._suite.columns[name])
            counts = pc.value_counts(values.drop_null())
            pairs = zip(map(_cell, counts.field(0).to_pylist()), counts.field(1).to_pylist(), strict=True)
            self._rows[name] += len(values) - values.null_count
            self._scratch.execute("BEGIN")
            self._scratch.executemany(
                f"INSERT INTO c{place} VALUES (?, ?) ON CONFLICT (value) DO UPDATE SET n = n + excluded.n", pairs
            )
            self._scratch.execute("COMMIT")

    def results(self) -> dict[int, ExpectationResult]:
        """The outcome of each of these expectations, by its position in the suite."""
        return {place: self._result(item) for place, item in self._asked}

    def close(self) -> None:
        """Forgets the counts."""
        self._scratch.close()

    def _result(self, item: Expectation) -> ExpectationResult:
        name = item.columns[0]
        rows = self._rows[name]
        column = _Counts(self._scratch, f"c{self._columns[name]}", name, self._suite.columns[name], rows)
        answer = _ANSWERS[item.type](column, self._arguments(item)) if rows else _Answer(True, "no values")
        borne = item.mostly < 1 and answer.unexpected_rows and enough(answer.unexpected_rows, rows, item.mostly)
        return ExpectationResult(
            table=self._suite.table,
            expectation=str(item),
            column=name,
            severity=item.severity,
            unexpected_rows=answer.unexpected_rows,
            judged_rows=rows,
            success=bool(answer.success or borne),
            notes=item.notes,
            samples=pd.DataFrame(),
            meaning=item.meaning,
            said=answer.said,
        )

    def _arguments(self, item: Expectation) -> dict[str, Any]:
        latest = {"$PARAMETER": LATEST_PLAUSIBLE_TIME}
        return {name: self._latest if value == latest else value for name, value in item.kwargs.items()}


@dataclass(frozen=True)
class _Counts:
    """The values of a column and how often each occurs, in a table with the columns value and n."""

    scratch: sqlite3.Connection
    table: str
    name: str
    type: TargetType
    rows: int

    def ask(self, what: str, rest: str = "", parameters: tuple[Cell, ...] = ()) -> list[tuple[Any, ...]]:
        return self.scratch.execute(f"SELECT {what} FROM {self.table} {rest}", parameters).fetchall()

    def one(self, what: str, rest: str = "") -> Any:
        return self.ask(what, rest)[0][0]

    @property
    def distinct(self) -> int:
        return int(self.one("count(*)"))

    @property
    def number(self) -> str:
        """SQL for the value as a number, by which it is ordered and added."""
        return _NUMBER if self.type.kind not in TIMES else "value"

    def shown(self, value: Cell) -> str:
        """A value as people read it; hidden where the column is a secret."""
        readable: object = value
        if self.type.kind in TIMES and isinstance(value, int):
            readable = pd.Timestamp(EPOCH + timedelta(microseconds=value))
        return shown_value(readable, column=self.name)


def _storable(column: "pd.Series[Any]", target: TargetType) -> pa.Array:
    """Values that are equal where PostgreSQL takes them for equal, as SQLite can hold them."""
    values = pa.array(column, from_pandas=True)
    if pa.types.is_temporal(values.type) and target.kind in TIMES:
        return values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None))).cast(pa.int64())
    return comparable(values, target)


def _cell(value: object) -> Cell:
    if isinstance(value, float) and value != value:
        return "NaN"  # which SQLite would keep as NULL
    if isinstance(value, bool | int | float | str | bytes):
        return int(value) if isinstance(value, bool) else value
    return str(value)


def _unique(column: _Counts, _: Mapping[str, Any]) -> _Answer:
    rows, values = column.ask("total(n), count(*)", "WHERE n > 1")[0]
    if not values:
        return _Answer(True, f"{counted(column.rows, 'value')}, all different")
    most = column.ask("value, n", f"WHERE n > 1 ORDER BY n DESC, value LIMIT {EXAMPLES}")
    examples = ", ".join(f"{column.shown(value)} ({n:,} times)" for value, n in most)
    return _Answer(False, f"{share_of(int(rows), column.rows)} share their value with another: {examples}", int(rows))


def _distinct_count(column: _Counts, arguments: Mapping[str, Any]) -> _Answer:
    return _Answer(_within(column.distinct, arguments), counted(column.distinct, "distinct value"))


def _distinct_share(column: _Counts, arguments: Mapping[str, Any]) -> _Answer:
    share = column.distinct / column.rows
    return _Answer(_within(share, arguments), f"{counted(column.distinct, 'distinct value')}, {share:.1%} of the rows")


def _strangers(column: _Counts, arguments: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Rows with values outside of the set, and some of these values."""
    known = _as_counted(column, arguments["value_set"])
    marks = ", ".join("?" * len(known))
    outside = f"WHERE value NOT IN ({marks})"
    rows = int(column.ask("total(n)", outside, known)[0][0])
    found = column.ask("value, n", f"{outside} ORDER BY n DESC, value LIMIT {EXAMPLES}", known)
    return rows, [f"{column.shown(value)} ({counted(n, 'row')})" for value, n in found]


def _lacking(column: _Counts, arguments: Mapping[str, Any]) -> list[str]:
    known = _as_counted(column, arguments["value_set"])
    found = {value for (value,) in column.ask("value", f"WHERE value IN ({', '.join('?' * len(known))})", known)}
    return [column.shown(value) for value in known if value not in found]


def _in_set(column: _Counts, arguments: Mapping[str, Any]) -> _Answer:
    rows, examples = _strangers(column, arguments)
    said = f"{share_of(rows, column.rows)} have others: {', '.join(examples)}" if rows else "no others"
    return _Answer(not rows, said, rows)


def _contain_set(column: _Counts, arguments: Mapping[str, Any]) -> _Answer:
    lacking = _lacking(column, arguments)
    return _Answer(not lacking, f"not there: {', '.join(lacking[:EXAMPLES])}" if lacking else "all are there")


def _equal_set(column: _Counts, arguments: Mapping[str, Any]) -> _Answer:
    others, lacking = _in_set(column, arguments), _contain_set(column, arguments)
    said = "; ".join(answer.said for answer in (others, lacking) if not answer.success) or "just these"
    return _Answer(others.success and lacking.success, said, others.unexpected_rows)


def _as_counted(column: _Counts, values: list[Any]) -> tuple[Cell, ...]:
    if column.type.kind in TIMES:
        return tuple(_microseconds(value) for value in values)
    return tuple(map(_cell, comparable(pa.array(values), column.type).to_pylist()))


def _statistic(words: str, value_of: Callable[[_Counts], float]) -> Callable[[_Counts, Mapping[str, Any]], _Answer]:
    def answer(column: _Counts, arguments: Mapping[str, Any]) -> _Answer:
        value = value_of(column)
        plain = column.shown(value) if column.type.kind in TIMES else f"{value:,.6g}"
        return _Answer(_within(value, arguments), f"the {words} is {plain}")

    return answer


def _least(column: _Counts) -> float:
    return float(column.one(f"min({column.number})")) if column.type.kind not in TIMES else column.one("min(value)")


def _greatest(column: _Counts) -> float:
    return float(column.one(f"max({column.number})")) if column.type.kind not in TIMES else column.one("max(value)")


def _sum(column: _Counts) -> float:
    return float(column.one(f"total({column.number} * n)"))


def _mean(column: _Counts) -> float:
    return _sum(column) / column.rows


def _deviation(column: _Counts) -> float:
    """Of a sample, as Great Expectations has it; the mean is taken away first, so that large numbers do not round."""
    if column.rows < 2:
        return 0.0
    mean = _mean(column)
    squares = column.ask(f"total(({column.number} - ?) * ({column.number} - ?) * n)", "", (mean, mean))[0][0]
    return float(np.sqrt(squares / (column.rows - 1)))


def _median(column: _Counts) -> float:
    """The middle value, or the mean of the two in the middle."""
    below = f"(SELECT {column.number} AS x, sum(n) OVER (ORDER BY {column.number}) AS until FROM {column.table})"
    query = f"SELECT x FROM {below} WHERE until > ? ORDER BY until LIMIT 1"
    middle = [column.scratch.execute(query, (place,)).fetchone()[0] for place in _middle(column.rows)]
    return float(sum(middle) / 2)


def _middle(rows: int) -> tuple[int, int]:
    return (rows - 1) // 2, rows // 2


def _within(value: float, arguments: Mapping[str, Any]) -> bool:
    low, high = (_bound(arguments.get(name)) for name in ("min_value", "max_value"))
    if low is not None and (value < low or (value == low and arguments.get("strict_min"))):
        return False
    return high is None or value < high or (value == high and not arguments.get("strict_max"))


def _bound(value: Any) -> float | None:
    return _microseconds(value) if isinstance(value, datetime) else value


def _microseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


_ANSWERS: Mapping[str, Callable[[_Counts, Mapping[str, Any]], _Answer]] = {
    "expect_column_values_to_be_unique": _unique,
    "expect_column_unique_value_count_to_be_between": _distinct_count,
    "expect_column_proportion_of_unique_values_to_be_between": _distinct_share,
    "expect_column_distinct_values_to_be_in_set": _in_set,
    "expect_column_distinct_values_to_contain_set": _contain_set,
    "expect_column_distinct_values_to_equal_set": _equal_set,
    "expect_column_min_to_be_between": _statistic("least", _least),
    "expect_column_max_to_be_between": _statistic("greatest", _greatest),
    "expect_column_sum_to_be_between": _statistic("sum", _sum),
    "expect_column_mean_to_be_between": _statistic("mean", _mean),
    "expect_column_median_to_be_between": _statistic("median", _median),
    "expect_column_stdev_to_be_between": _statistic("standard deviation", _deviation),
}
