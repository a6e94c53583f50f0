"""Pictures of a report as numbers: bars of tables, of rejects by reason, of differences by column."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etl.core.difference_kinds import DifferenceKind
from etl.core.report import DifferenceTotal, TableReport

BAR_WIDTH = 100.0
SHOWN_BARS = 12
_LEAST_WIDTH = 1.5  # a single rejected row among millions has to be seen
_OUTCOMES = (
    ("loaded", "loaded_rows"),
    ("present", "present_rows"),
    ("bad", "rejected_rows"),
    ("bad", "unaccounted_rows"),
)
_SYNCED = (
    ("loaded", "matched_rows"),
    ("present", "inserted_rows"),
    ("present", "updated_rows"),
    ("bad", "kept_rows"),
    ("bad", "rejected_rows"),
    ("bad", "unaccounted_rows"),
)
_COMPARED = (("loaded", "matched_rows"), ("bad", "different_rows"), ("bad", "missing_rows"))


class Segment(NamedTuple):
    """A piece of a bar, in hundredths of the whole one."""

    kind: str
    start: float
    width: float


class TableBar(NamedTuple):
    """A table's rows: their outcomes as shares of the table, and its size in hundredths of the largest table."""

    shares: tuple[Segment, ...]
    size: float


@dataclass(frozen=True)
class Bar:
    """A bar of a picture; `width` in hundredths of the longest. It is about a table or a column, where there is one."""

    table: str | None
    column: str | None
    label: str
    rows: int
    width: float


@dataclass(frozen=True)
class Chart:
    """The longest bars; `more_bars` stand for `more_rows` and are left out."""

    bars: tuple[Bar, ...]
    more_bars: int = 0
    more_rows: int = 0

    def __bool__(self) -> bool:
        """One bar alone compares nothing."""
        return len(self.bars) > 1


def table_bars(tables: Sequence[TableReport]) -> dict[str, TableBar]:
    """For each table the bar of its rows' outcomes, or of the comparison where nothing was written."""
    loaded, synced = (
        any(getattr(table, count) is not None for table in tables) for count in ("loaded_rows", "inserted_rows")
    )
    parts = _OUTCOMES if loaded else _SYNCED if synced else _COMPARED
    rows = {table.name: _rows(table, parts) for table in tables}
    longest = max(rows.values(), default=0) or 1
    return {
        table.name: TableBar(tuple(_segments(table, parts, rows[table.name] or 1)), _width(rows[table.name], longest))
        for table in tables
    }


def reject_chart(reasons: Iterable[tuple[str, int]]) -> Chart:
    """Rejected rows of all tables by reason, of which each may come several times; the words are shown as they are."""
    rows: Counter[str] = Counter()
    for reason, count in reasons:
        rows[reason] += count
    return _chart({(None, None, reason): count for reason, count in rows.items()})


def difference_chart(totals: Sequence[DifferenceTotal]) -> Chart:
    """Differences by column; rows that one side lacks by table."""
    rows: Counter[tuple[str | None, str | None, str]] = Counter()
    for total in totals:
        if total.kind != DifferenceKind.NARROWED:
            label = DifferenceKind(total.kind).words if total.column is None else ""
            rows[total.table, total.column, label] += total.rows
    return _chart(rows)


def _chart(rows: Mapping[tuple[str | None, str | None, str], int]) -> Chart:
    ordered = sorted(rows.items(), key=lambda item: -item[1])
    longest = ordered[0][1] if ordered else 1
    bars = tuple(Bar(*place, count, _width(count, longest)) for place, count in ordered[:SHOWN_BARS])
    return Chart(bars, len(ordered) - len(bars), sum(count for _, count in ordered[SHOWN_BARS:]))


def _width(rows: int, longest: int) -> float:
    return round(max(_LEAST_WIDTH, rows / longest * BAR_WIDTH), 2) if rows else 0.0


def _rows(table: TableReport, parts: Sequence[tuple[str, str]]) -> int:
    return sum(abs(getattr(table, count) or 0) for _, count in parts)


def _segments(table: TableReport, parts: Sequence[tuple[str, str]], total: int) -> Iterator[Segment]:
    start = 0.0
    for kind, count in parts:
        rows = abs(getattr(table, count) or 0)
        if rows:
            width = max(_LEAST_WIDTH, rows / total * BAR_WIDTH)
            start = min(start, BAR_WIDTH - _LEAST_WIDTH)
            yield Segment(kind, round(start, 2), round(min(width, BAR_WIDTH - start), 2))
            start += width
