"""How a column's values are spread: histograms of numbers, times and lengths, the most frequent of other values."""

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etl.core.redaction import is_secret, shown
from etl.core.source_tables import SourceTable, quoted
from etl.core.types import TIMES, Kind
from etl.core.values import StorageValue
from etl.profiling.tables import STORAGE_CLASSES, StoredColumn
from etl.profiling.values import ColumnFindings
from etl.source.database import Source

MOST_BINS = 30
TOP_VALUES = 8
FEW_VALUES = 12  # so many numbers are counted one by one
LONG_TEXT = 200  # characters; of longer ones the lengths are told
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bar:
    """One piece of a distribution. `kind`: "number", "time" or "length" for a bin from `low` to `high` (both included
    but for reals), "value" for a single value, which is `low`, as people may see it."""

    kind: str
    low: str
    high: str | None
    rows: int


def distribution_of(source: Source, table: SourceTable, stored: StoredColumn, found: ColumnFindings) -> Iterator[Bar]:
    """The bars of one column, in their order; none for secrets, for BLOBs alone, and where SQL would have to sort too
    much."""
    classes = dict(zip(STORAGE_CLASSES, stored.classes, strict=True))
    numbers, others = classes["integer"] + classes["real"], classes["text"]
    if is_secret(stored.name) or not numbers + others:
        return
    few = stored.distinct is not None and stored.distinct <= FEW_VALUES
    if found.plan.type.kind in TIMES and found.days:
        yield from _times(found.days)
    elif numbers > others and not few and found.plan.type.kind is not Kind.BOOLEAN:
        yield from _histogram(source, table, "number", quoted(stored.name), ("integer", "real"))
    elif stored.longest is not None and stored.longest > LONG_TEXT:
        yield from _histogram(source, table, "length", f"length({quoted(stored.name)})", ("integer",))
    elif stored.distinct is not None:
        yield from _most_frequent(source, table, stored.name)


def _most_frequent(source: Source, table: SourceTable, column: str) -> Iterator[Bar]:
    name = quoted(column)
    rows = source.query(
        f"SELECT {name} COLLATE BINARY, count(*) FROM main.{quoted(table.name)} NOT INDEXED "
        f"WHERE typeof({name}) <> 'null' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP_VALUES}"
    )
    for value, count in rows:
        yield Bar("value", shown(value, column=column), None, _whole(count))


def _histogram(source: Source, table: SourceTable, kind: str, expression: str, classes: Sequence[str]) -> Iterator[Bar]:
    """Bins of equal width, over whole numbers where all of them are."""
    wanted = ", ".join(f"'{name}'" for name in classes)
    rows = (
        f"FROM main.{quoted(table.name)} NOT INDEXED WHERE typeof({expression}) IN ({wanted}) "
        f"AND {expression} BETWEEN {-sys.float_info.max!r} AND {sys.float_info.max!r}"  # infinities have no bin
    )
    ((low, high, reals),) = source.query(
        f"SELECT min({expression}), max({expression}), max(typeof({expression}) = 'real') {rows}"
    )
    if not isinstance(low, int | float) or not isinstance(high, int | float) or not math.isfinite(float(high - low)):
        return
    bins = _whole_bins(int(low), int(high)) if not reals else (float(high - low) / MOST_BINS or 1.0, MOST_BINS)
    width, count = bins
    # Divided as reals: a difference may be larger than the greatest integer.
    place = f"min(CAST(({expression} - ?1) / CAST(?2 AS REAL) AS INTEGER), {count - 1})"
    found = source.query(f"SELECT {place}, count(*) {rows} GROUP BY 1", (low, width))
    counts = {_whole(number): _whole(counted) for number, counted in found}
    for number in range(count):
        start = low + number * width
        end = min(start + width - 1, high) if not reals else min(start + width, high)
        if start <= high:
            yield Bar(kind, _number(start), _number(end), counts.get(number, 0))


def _whole_bins(low: int, high: int) -> tuple[int, int]:
    """Width and number of bins of whole numbers; by whole divisions, as they may be larger than a real tells apart."""
    numbers = high - low + 1
    width = -(-numbers // MOST_BINS)
    return width, -(-numbers // width)


def _times(days: Mapping[datetime, int]) -> Iterator[Bar]:
    numbers = Counter({_day(time): rows for time, rows in days.items()})
    first, last = min(numbers), max(numbers)
    width, count = _whole_bins(first, last)
    bins = Counter[int]()
    for day, rows in numbers.items():
        bins[(day - first) // width] += rows
    for number in range(count):
        start = first + number * width
        yield Bar("time", _date(start), _date(min(start + width - 1, last)), bins[number])


def _day(time: datetime) -> int:
    return (time.replace(tzinfo=UTC) - EPOCH).days if isinstance(time, datetime) else (time - EPOCH.date()).days


def _date(day: int) -> str:
    return (EPOCH + timedelta(days=day)).date().isoformat()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _whole(value: StorageValue) -> int:
    return value if isinstance(value, int) else 0
