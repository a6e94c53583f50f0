"""One table compared, value by value: both sides stream in the order of the key, meet in Arrow, and only what is not surely
equal there is looked at singly.

The comparison shares no code with `etl.convert`: what a stored value means is said by the two databases (`etl.wire`) or
read by `etl.meaning`.
"""

import pickle
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.ahead import ahead
from etl.align import Aligned, OrderError, align
from etl.canonical import Canonical, spellings
from etl.catalog import UndecodableText
from etl.compare_columns import compare_columns
from etl.compare_source import ROW, SourceRows, key_of, make_canonical, open_rows, split_null_keys, without_rows
from etl.compare_target import PRESENT, read_target
from etl.compare_value import EQUAL, Question, Verdict, judge_value, printed
from etl.difference_kinds import DifferenceKind
from etl.differences import TableFindings
from etl.plan import TablePlan
from etl.rejects import jsonable
from etl.report import Difference, DifferenceTotal
from etl.session import Session
from etl.source import Source, StorageValue
from etl.wire import Wire, wires

LOOKED_AT_ONCE = 1_000  # rows whose originals are in memory together
_NO_ROWS = np.empty(0, np.int64)
_STORAGE = {int: "integer", float: "real", str: "text", bytes: "blob", UndecodableText: "text", type(None): "null"}


@dataclass(frozen=True)
class Known:
    """What is known about a table beforehand.

    `rejected`: the rows that a load rejected (rowids or row numbers, sorted); `surely` if that was this run's own load, so
    that they are not compared at all, while after an older one they may have been mended and loaded since.
    `ask_present`: the target's rows are to be asked if they were there before this transaction.
    """

    rejected: npt.NDArray[np.int64] = field(default_factory=lambda: _NO_ROWS)
    surely: bool = True
    ask_present: bool = False


@dataclass
class TableComparison:
    """The books of a comparison. Every source row is matched, different, missing or rejected before."""

    matched_rows: int = 0
    different_rows: int = 0
    missing_rows: int = 0
    rejected_rows: int = 0
    target_rows: int = 0
    extra_present_rows: int = 0
    totals: tuple[DifferenceTotal, ...] = ()
    sample: tuple[Difference, ...] = ()

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
    zone: str = "UTC",
    known: Known | None = None,
) -> TableComparison:
    """Compares all rows and writes the differences to `folder`/differences/TABLE.ndjson.

    Rows are matched by `plan.key`, as a multiset of whole rows where there is none. Wall clock times are read in `zone`.
    Needs `prepare_session` first, and a transaction in which nobody else's changes appear. Raises `EtlError` where one of
    the sides cannot be read.
    """
    canonical = Canonical(session, zone)
    rows = open_rows(source, plan, wires(plan.columns, zone), canonical)
    with TableFindings(folder, plan.name) as findings:
        try:
            try:
                return _Comparison(session, rows, findings, zone, known or Known()).result()
            except OrderError:
                if rows.canonical:
                    raise
                findings.restart()
                rows = make_canonical(rows, canonical)
                return _Comparison(session, rows, findings, zone, known or Known()).result()
        finally:
            rows.close()


@dataclass(frozen=True)
class _Doubt:
    """A pair of rows that may differ: in these columns PostgreSQL has the last word."""

    differences: list[Difference]
    questions: list[tuple[Question, Difference]]


class _Comparison:
    """One pass over both sides."""

    def __init__(
        self, session: Session, rows: SourceRows, findings: TableFindings, zone: str, known: Known
    ) -> None:
        self._session = session
        self._rows = rows
        self._plan = rows.plan
        self._findings = findings
        self._zone = zone
        self._known = known
        self._books = TableComparison()

    def result(self) -> TableComparison:
        """Reads both sides to their ends."""
        with tempfile.TemporaryFile() as questions, closing(self._source()) as source, closing(self._target()) as target:
            keys = self._rows.keys
            for aligned in align(source, target, keys, keys):
                if self._session.interrupted:
                    raise KeyboardInterrupt
                for doubt in self._compare(aligned):
                    if doubt.questions:
                        pickle.dump(doubt, questions)
                    else:
                        self._settle(doubt.differences)
            questions.seek(0)
            self._ask(_unpickled(questions))
        self._books.totals = tuple(self._findings.totals())
        self._books.sample = tuple(self._findings.sample)
        return self._books

    # -- the two sides ------------------------------------------------------------------------------------------

    def _source(self) -> Iterator[pa.RecordBatch]:
        """The source's rows with a whole key that were not rejected before; the others are booked on the way."""
        for batch in self._source_batches():
            kept = self._without_rejected(batch) if self._known.surely else batch
            whole, partial = split_null_keys(kept, self._rows.keys)
            self._report_missing(partial)
            yield whole

    def _source_batches(self) -> Iterator[pa.RecordBatch]:
        """Canonical keys are read on this thread: their connection also looks up single rows meanwhile."""
        if self._rows.canonical:
            yield from self._rows.batches()
            return
        with closing(ahead(self._rows.read, depth=2, name="etl-compare-source")) as batches:
            yield from batches

    def _target(self) -> Iterator[pa.RecordBatch]:
        batches = read_target(
            self._session,
            self._plan,
            self._rows.wires,
            canonical=self._rows.canonical,
            with_present=self._known.ask_present,
        )
        with closing(batches):
            for batch in batches:
                self._books.target_rows += batch.num_rows
                yield batch

    # -- rows ---------------------------------------------------------------------------------------------------

    def _compare(self, aligned: Aligned) -> Iterator[_Doubt]:
        self._report_missing(aligned.missing)
        self._report_extra(aligned.extra)
        if aligned.source.num_rows and self._rows.wires:
            yield from self._doubtful(aligned.source, aligned.target)
        else:
            self._books.matched_rows += aligned.source.num_rows

    def _doubtful(self, source: pa.RecordBatch, target: pa.RecordBatch) -> Iterator[_Doubt]:
        """Books the rows that are surely equal, and looks at the others."""
        doubts = compare_columns(source, target, self._rows.wires)
        for wire, count in doubts.narrowed.items():
            if count:
                self._findings.narrowed[wire.column.target] += count
        for wire in self._rows.wires:
            if wire.arrow_type == pa.int64():
                valid = source.num_rows - source.column(wire.name).null_count
                self._findings.compared[wire.column.target] += valid
        any_doubt = np.zeros(source.num_rows, np.bool_)
        for mask in doubts.unequal.values():
            any_doubt |= mask
        places = np.flatnonzero(any_doubt)
        self._books.matched_rows += source.num_rows - len(places)
        for start in range(0, len(places), LOOKED_AT_ONCE):
            yield from self._look(source, target, places[start : start + LOOKED_AT_ONCE], doubts.unequal)

    def _look(
        self,
        source: pa.RecordBatch,
        target: pa.RecordBatch,
        places: npt.NDArray[np.int64],
        unequal: dict[Wire, npt.NDArray[np.bool_]],
    ) -> Iterator[_Doubt]:
        chosen = pa.array(places)
        rowids = source.column(ROW).take(chosen).to_pylist()
        originals = self._rows.originals(rowids)
        values = {wire: target.column(wire.name).take(chosen).to_pylist() for wire in unequal}
        present = _present(target, places)
        for number, (place, rowid) in enumerate(zip(places.tolist(), rowids, strict=True)):
            doubt = _Doubt([], [])
            for wire, mask in unequal.items():
                if mask[place]:
                    self._judge(wire, originals[rowid], values[wire][number], rowid, present[number], doubt)
            yield doubt

    def _judge(
        self,
        wire: Wire,
        original: dict[str, StorageValue],
        found: int | float | bytes | None,
        rowid: int,
        present: bool,
        doubt: _Doubt,
    ) -> None:
        column = wire.column
        value = original[column.source]
        verdict = judge_value(value, found, column.type, self._zone)
        if verdict == EQUAL:
            return
        kind = verdict.kind if isinstance(verdict, Verdict) else DifferenceKind.OTHER
        difference = Difference(
            table=self._plan.name,
            key={name: jsonable(part) for name, part in key_of(self._plan, original).items()} or None,
            column=column.target,
            source=jsonable(value),
            storage=_STORAGE[type(value)],
            target=printed(found, column.type),
            kind=kind or DifferenceKind.OTHER,
            shift_seconds=verdict.shift_seconds if isinstance(verdict, Verdict) else None,
            present_before=present,
            rowid=rowid,
        )
        if isinstance(verdict, Question):
            doubt.questions.append((verdict, difference))
        else:
            doubt.differences.append(difference)

    def _settle(self, differences: Sequence[Difference]) -> None:
        """Books a pair of rows."""
        if not differences:
            self._books.matched_rows += 1
            return
        self._books.different_rows += 1
        for difference in differences:
            self._findings.add(difference)

    def _ask(self, doubts: Iterator[_Doubt]) -> None:
        """Puts the questions to PostgreSQL, which could not be asked while the COPY ran."""
        for page in _pages(doubts, LOOKED_AT_ONCE):
            asked: dict[str, list[str]] = {}
            for question, _ in (entry for doubt in page for entry in doubt.questions):
                asked.setdefault(question.type_sql, []).append(question.source)
            answers = {
                type_sql: iter(spellings(self._session, type_sql, texts)) for type_sql, texts in asked.items()
            }
            for doubt in page:
                for question, difference in doubt.questions:
                    if next(answers[question.type_sql]) != self._respelled(question):
                        doubt.differences.append(difference)
                self._settle(doubt.differences)

    def _respelled(self, question: Question) -> bytes | None:
        """json columns print what was stored; as jsonb both sides are spelled alike."""
        if question.type_sql != "jsonb":
            return question.target.encode()
        return spellings(self._session, "jsonb", [question.target])[0]

    # -- rows of one side only ----------------------------------------------------------------------------------

    def _without_rejected(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        kept = without_rows(rows, self._known.rejected)
        self._books.rejected_rows += rows.num_rows - kept.num_rows
        return kept

    def _report_missing(self, rows: pa.RecordBatch) -> None:
        rows = self._without_rejected(rows)
        self._books.missing_rows += rows.num_rows
        rowids = rows.column(ROW).to_pylist() if rows.num_rows else []
        for start in range(0, len(rowids), LOOKED_AT_ONCE):
            wanted = rowids[start : start + LOOKED_AT_ONCE]
            originals = self._rows.originals(wanted)
            for rowid in wanted:
                key = key_of(self._plan, originals[rowid])
                shown = key or {column.target: originals[rowid][column.source] for column in self._plan.columns}
                values = {name: jsonable(value) for name, value in shown.items()}
                self._findings.add(
                    Difference(
                        table=self._plan.name,
                        key=values if key else None,
                        column=None,
                        source=values,
                        storage=None,
                        target=None,
                        kind=DifferenceKind.MISSING,
                        rowid=rowid,
                    )
                )

    def _report_extra(self, rows: pa.RecordBatch) -> None:
        if not rows.num_rows:
            return
        names = {column.target for column in self._plan.key}
        shown = [wire for wire in self._rows.wires if not names or wire.column.target in names]
        columns = [rows.column(wire.name).to_pylist() for wire in shown]
        present = _present(rows, np.arange(rows.num_rows))
        self._books.extra_present_rows += sum(present)
        for cells, before in zip(zip(*columns, strict=True), present, strict=True):
            values = {
                wire.column.target: printed(cell, wire.column.type) for wire, cell in zip(shown, cells, strict=True)
            }
            self._findings.add(
                Difference(
                    table=self._plan.name,
                    key=values if names else None,
                    column=None,
                    source=None,
                    storage=None,
                    target=values,
                    kind=DifferenceKind.EXTRA,
                    present_before=before,
                )
            )


def _present(rows: pa.RecordBatch, places: npt.NDArray[np.int64]) -> list[bool]:
    if PRESENT not in rows.schema.names:
        return [False] * len(places)
    return [bool(flag) for flag in rows.column(PRESENT).take(pa.array(places)).to_pylist()]


def _unpickled(file: Iterable[bytes]) -> Iterator[_Doubt]:
    """Our own temporary file, which nobody else can have written to."""
    while True:
        try:
            yield pickle.load(file)  # type: ignore[arg-type]  # noqa: S301
        except EOFError:
            return


def _pages(doubts: Iterator[_Doubt], size: int) -> Iterator[list[_Doubt]]:
    page: list[_Doubt] = []
    for doubt in doubts:
        page.append(doubt)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page

