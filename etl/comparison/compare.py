"""One table compared, value by value: both sides stream in the order of the key and meet in Arrow.

Only what is not surely equal there is looked at singly (`rows.py`). The comparison shares no code with the
conversion: what a stored value means is said by the two databases (`wire.py`) or read by `meaning.py`.
"""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from psycopg2 import sql

from etl.comparison.align import Aligned, OrderError, align
from etl.comparison.canonical import Canonical
from etl.comparison.columns import compare_columns
from etl.comparison.differences import SAMPLE_ROWS, DifferenceCounts, TableFindings
from etl.comparison.found_rows import FoundRows
from etl.comparison.questions import Doubt, Questions
from etl.comparison.rows import RowComparer, extra_rows, missing_rows
from etl.comparison.source_side import ROW, SourceRows, make_canonical, open_rows, split_null_keys, without_rows
from etl.comparison.target_side import may_hold_large, read_target
from etl.comparison.wire import wires
from etl.concurrency.background import ahead
from etl.core import defaults
from etl.core.plan import TablePlan
from etl.core.report import Difference, DifferenceTotal
from etl.core.values import LARGE_BYTES
from etl.files.mended_files import MendedRow
from etl.source.database import Source
from etl.target.session import Session

_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True)
class Known:
    """What is known about a table beforehand.

    `rejected`: the rows that a load rejected (rowids or row numbers, sorted); `surely` if that was this run's own load,
    so that they are not compared at all, while after an older one they may have been mended and loaded since.
    `ask_present`: the target's rows are to be asked if they were there before this transaction.
    `mended`: rows that were loaded with other values than the source's, which the target then has to have.
    """

    rejected: npt.NDArray[np.int64] = field(default_factory=lambda: _NO_ROWS)
    surely: bool = True
    ask_present: bool = False
    mended: tuple[MendedRow, ...] = ()


@dataclass(frozen=True)
class Part:
    """Some rows of both sides: the source's by rowid (or row number), sorted, the target's by a condition."""

    rowids: npt.NDArray[np.int64]
    condition: sql.Composable


@dataclass
class TableComparison:
    """The counts of a comparison. Every source row is matched, different, missing or rejected before. `mended_rows`
    are those of the matched ones that are as they were mended.

    `repaired_values`: by column and repair, those that are equal only after that repair; `repaired_rows` hold any. The
    counts of parts of a table add up to those of the table; the sample keeps the first of both.
    """

    table: str
    matched_rows: int = 0
    different_rows: int = 0
    missing_rows: int = 0
    rejected_rows: int = 0
    target_rows: int = 0
    extra_present_rows: int = 0
    differences: DifferenceCounts = field(default_factory=DifferenceCounts)
    sample: tuple[Difference, ...] = ()
    mended_rows: int = 0
    repaired_values: Counter[tuple[str, str]] = field(default_factory=Counter)
    repaired_rows: int = 0

    def __add__(self, other: "TableComparison") -> "TableComparison":
        return TableComparison(
            self.table,
            self.matched_rows + other.matched_rows,
            self.different_rows + other.different_rows,
            self.missing_rows + other.missing_rows,
            self.rejected_rows + other.rejected_rows,
            self.target_rows + other.target_rows,
            self.extra_present_rows + other.extra_present_rows,
            self.differences + other.differences,
            (self.sample + other.sample)[:SAMPLE_ROWS],
            self.mended_rows + other.mended_rows,
            self.repaired_values + other.repaired_values,
            self.repaired_rows + other.repaired_rows,
        )

    @property
    def totals(self) -> tuple[DifferenceTotal, ...]:
        """Rows by column and kind of difference, the most frequent first."""
        return tuple(self.differences.totals(self.table))

    @property
    def source_rows(self) -> int:
        """Rows that the source turned out to have."""
        return self.matched_rows + self.different_rows + self.missing_rows + self.rejected_rows

    @property
    def extra_rows(self) -> int:
        """Rows of the target that no source row was matched with."""
        return self.target_rows - self.matched_rows - self.different_rows


def compare_table(
    source: Source,
    session: Session,
    plan: TablePlan,
    folder: Path,
    *,
    zone: str = defaults.TIMEZONE,
    known: Known | None = None,
    progress: Callable[[int], None] | None = None,
    found: FoundRows | None = None,
    part: Part | None = None,
    into: str = "differences",
) -> TableComparison:
    """Compares all rows, or those of `part`, and writes the differences to `folder`/`into`/TABLE.ndjson.

    `found` hears which rows are not alike.

    Rows are matched by `plan.key`, as a multiset of whole rows where there is none. Wall clock times are read in
    `zone`. Needs `prepare_session` first, and a transaction in which nobody else's changes appear. `progress` hears how
    many rows of the source are through. Raises `EtlError` where the source cannot be read, psycopg2's errors for the
    target.
    """
    canonical = Canonical(session, zone)
    large = plan.source.largest_row_bytes > LARGE_BYTES or may_hold_large(session, plan)
    hear = progress or (lambda _: None)
    hear(0)
    chosen = None if part is None else part.rowids
    hearing = _Hearing(known or Known(), found, None if part is None else part.condition, hear)
    wired = wires(plan.columns, zone, large=large)
    rows = open_rows(source, plan, wired, canonical, chosen, hearing.known.mended)
    with TableFindings(folder, plan.name, into) as findings:
        try:
            return _Comparison(session, rows, findings, zone, hearing).result()
        except OrderError:
            if rows.canonical:
                raise
            findings.restart()
            rows = make_canonical(rows, canonical)
            return _Comparison(session, rows, findings, zone, hearing).result()
        finally:
            rows.close()


@dataclass(frozen=True)
class _Hearing:
    """What one pass is told beforehand, and who hears of its rows."""

    known: Known
    found: FoundRows | None
    condition: sql.Composable | None
    progress: Callable[[int], None]


class _Comparison:
    """One pass over both sides."""

    def __init__(
        self, session: Session, rows: SourceRows, findings: TableFindings, zone: str, hearing: _Hearing
    ) -> None:
        self._session = session
        self._rows = rows
        self._plan = rows.plan
        self._findings = findings
        self._comparer = RowComparer(rows, zone)
        self._known = hearing.known
        self._found = hearing.found
        self._condition = hearing.condition
        if self._found is not None:
            self._found.begin(rows.plan, rows.wires, rows.keys, canonical=rows.canonical)
        self._progress = hearing.progress
        self._mended = {row.identity for row in hearing.known.mended}  # those that are seen to be in the target
        self._zone = zone
        self._counts = TableComparison(rows.plan.name, differences=findings.counts)

    def result(self) -> TableComparison:
        """Reads both sides to their ends."""
        with Questions() as questions, closing(self._source()) as source, closing(self._target()) as target:
            keys = self._rows.keys
            passed = 0
            for aligned in align(source, target, keys, keys):
                if self._session.interrupted:
                    raise KeyboardInterrupt
                self._compare(aligned, questions)
                passed += aligned.source.num_rows + aligned.missing.num_rows
                self._progress(passed)
            for doubt in questions.answered(self._session, self._zone):
                self._settle(doubt)
        self._counts.mended_rows = len(self._mended)
        self._counts.sample = tuple(self._findings.sample)
        return self._counts

    # -- the two sides ------------------------------------------------------------------------------------------

    def _source(self) -> Generator[pa.RecordBatch]:
        """The source's rows with a whole key that were not rejected before; the others are counted on the way."""
        for batch in self._source_batches():
            kept = self._without_rejected(batch) if self._known.surely else batch
            whole, partial = split_null_keys(kept, self._rows.keys)
            self._report_missing(partial)
            yield whole

    def _source_batches(self) -> Generator[pa.RecordBatch]:
        """On this thread where the connection also looks up single rows meanwhile."""
        if self._rows.one_connection:
            yield from self._rows.batches()
            return
        with closing(ahead(self._rows.read, depth=2, name="etl-compare-source")) as batches:
            yield from batches

    def _target(self) -> Generator[pa.RecordBatch]:
        batches = read_target(
            self._session,
            self._plan,
            self._rows.wires,
            canonical=self._rows.canonical,
            with_present=self._known.ask_present,
            only=self._condition,
        )
        with closing(batches):
            for batch in batches:
                self._counts.target_rows += batch.num_rows
                yield batch

    # -- rows ---------------------------------------------------------------------------------------------------

    def _compare(self, aligned: Aligned, questions: Questions) -> None:
        self._report_missing(aligned.missing)
        if self._found is not None:
            self._found.note_extra(aligned.extra)
        for difference in extra_rows(self._rows, aligned.extra):
            self._counts.extra_present_rows += difference.present_before
            self._findings.add(difference)
        if aligned.source.num_rows:
            self._compare_pairs(aligned.source, aligned.target, questions)

    def _compare_pairs(self, source: pa.RecordBatch, target: pa.RecordBatch, questions: Questions) -> None:
        """Counts the rows that are surely equal, and looks at the others."""
        doubts = compare_columns(source, target, self._rows.wires)
        for wire, count in doubts.narrowed.items():
            self._findings.counts.narrowed[wire.column.source] += count
        for wire in self._rows.wires:
            self._findings.counts.compared[wire.column.source] += source.num_rows - source.column(wire.name).null_count
        doubtful = doubts.rows(source.num_rows)
        self._counts.matched_rows += source.num_rows - len(doubtful)
        for doubt in self._comparer.look(source, target, doubtful, doubts.unequal):
            if doubt.questions:
                questions.put(doubt)
            else:
                self._settle(doubt)

    def _settle(self, doubt: Doubt) -> None:
        """Counts a pair of rows that was looked at."""
        self._counts.repaired_values.update(doubt.repaired)
        self._counts.repaired_rows += bool(doubt.repaired)
        if not doubt.differences:
            self._counts.matched_rows += 1
            return
        self._counts.different_rows += 1
        self._mended.discard(doubt.differences[0].rowid or 0)
        if self._found is not None:
            self._found.note_different(doubt.differences)
        for difference in doubt.differences:
            self._findings.add(difference)

    def _without_rejected(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        kept = without_rows(rows, self._known.rejected)
        self._counts.rejected_rows += rows.num_rows - kept.num_rows
        return kept

    def _report_missing(self, rows: pa.RecordBatch) -> None:
        if self._mended:
            self._mended.difference_update(rows.column(ROW).to_pylist())
        rows = self._without_rejected(rows)
        self._counts.missing_rows += rows.num_rows
        if self._found is not None and rows.num_rows:
            self._found.note_missing(rows.column(ROW))
        for difference in missing_rows(self._rows, rows):
            self._findings.add(difference)
