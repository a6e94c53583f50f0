"""A run's outcome in words: one sentence for whoever signs, and what was found, done and not done below it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etl.core.difference_kinds import DifferenceKind
from etl.core.drift import KNOWINGLY_DROPPED, DriftKind
from etl.core.report import ExpectationReport, Outcome, ReportData, Status, TableReport
from etl.core.text import counted

DRY_RUN = "Dry run:"
HELPFUL_SHOWN = 10


class Tone(StrEnum):
    """How good a piece of news is; renderers add a symbol and a colour to the words."""

    GOOD = "good"
    NOTE = "note"
    CAUTION = "caution"
    BAD = "bad"

    @property
    def symbol(self) -> str:
        """One character."""
        return {Tone.GOOD: "✓", Tone.NOTE: "i", Tone.CAUTION: "!", Tone.BAD: "✗"}[self]


@dataclass(frozen=True)
class Note:
    """One finding, or one thing that was or was not done."""

    tone: Tone
    text: str


@dataclass(frozen=True)
class Verdict:
    """`label` is the outcome in a word or two, `title` the sentence, `notes` the particulars, the worst first."""

    tone: Tone
    label: str
    title: str
    notes: tuple[Note, ...]

    @property
    def sentence(self) -> str:
        """Label and title on one line."""
        return self.title if self.title.startswith(DRY_RUN) else f"{self.label}: {self.title}"


@dataclass(frozen=True)
class Sums:
    """The totals of the tables that both sides have. Counts of what a run did not do are 0; `compared`, `loading` tell.

    No row counts twice: `not_arrived` are rows of the source that the target lacks, be they rejected, unaccounted for
    or found missing; `altered` are rows that it has with other content, of which `present_different` were there before.
    Tables of the source alone are counted apart (`tables_lacking`, `rows_lacking`), as are those that the map leaves
    out.
    `values_lost` and `values_left` are values of columns that the target lacks; the latter were dropped on purpose.
    `values_repaired`: altered by repairs that the user allows.
    """

    tables: int
    source: int
    target: int
    loaded: int
    present: int
    present_different: int
    rejected: int
    unaccounted: int
    not_arrived: int
    altered: int
    matched: int
    different: int
    missing: int
    extra: int
    extra_before: int
    tables_lacking: int
    rows_lacking: int
    tables_left_out: int
    rows_left_out: int
    values_lost: int
    values_left: int
    inserted: int
    updated: int
    kept: int
    altered_by_target: int
    deleted: int
    values_repaired: int
    loading: bool
    compared: bool
    partly_compared: bool

    @property
    def compared_rows(self) -> int:
        """Rows that both sides have, and whose values were compared."""
        return self.matched + self.different

    @property
    def all_there_before(self) -> bool:
        """Whether the target had every row before: there was nothing to load."""
        return self.loading and 0 < self.source == self.present


def sums_of(report: ReportData) -> Sums:
    """Adds the tables up."""
    by_status = {status: [table for table in report.tables if table.status is status] for status in Status}
    migrated = by_status[Status.MIGRATED]
    lacking = [table for table in by_status[Status.NOT_MIGRATED] if table.source_rows]
    compared = [table.matched_rows is not None for table in migrated]
    columns = [drift for drift in report.drift if drift.column is not None]
    return Sums(
        tables=len(migrated),
        source=report.total("source_rows"),
        target=report.total("target_rows_after"),
        loaded=report.total("loaded_rows"),
        present=report.total("present_rows"),
        present_different=report.total("present_different_rows"),
        rejected=report.total("rejected_rows"),
        unaccounted=sum(abs(table.unaccounted_rows or 0) for table in migrated),
        not_arrived=sum((table.rejected_rows or 0) + _lost(table) for table in migrated),
        altered=sum(max(table.different_rows or 0, table.present_different_rows or 0) for table in migrated),
        matched=report.total("matched_rows")
        + report.total("inserted_rows")
        + report.total("updated_rows")
        - report.total("overruled_rows"),
        different=report.total("different_rows"),
        missing=report.total("missing_rows"),
        extra=report.total("extra_rows") - report.total("extra_present_rows"),
        extra_before=report.total("extra_present_rows"),
        tables_lacking=len(lacking),
        rows_lacking=_source_rows(lacking),
        tables_left_out=len(by_status[Status.LEFT_OUT]),
        rows_left_out=_source_rows(by_status[Status.LEFT_OUT]),
        values_lost=sum(drift.values or 0 for drift in columns if not drift.settled),
        values_left=sum(drift.values or 0 for drift in columns if drift.code in KNOWINGLY_DROPPED),
        inserted=report.total("inserted_rows"),
        updated=report.total("updated_rows"),
        kept=report.total("kept_rows"),
        altered_by_target=report.total("overruled_rows"),
        deleted=report.total("deleted_rows"),
        values_repaired=sum(item.confirmed or item.values or 0 for item in report.altered),
        loading=any(table.loaded_rows is not None for table in migrated),
        compared=report.reconciled and bool(compared) and all(compared),
        partly_compared=report.reconciled and any(compared) and not all(compared),
    )


def _lost(table: TableReport) -> int:
    """Rows that the load cannot account for, or that the comparison misses: mostly the same ones."""
    return max(abs(table.unaccounted_rows or 0), table.missing_rows or 0)


def _source_rows(tables: Iterable[TableReport]) -> int:
    return sum(table.source_rows or 0 for table in tables)


@dataclass(frozen=True)
class _Words:
    """What a load, its forecast and a comparison alone call the same things."""

    arrived: str
    were_there: str
    not_arrived: tuple[str, str]  # of one row, of several
    not_looked_at: tuple[str, str]  # rows of tables that the target lacks
    values_lost: tuple[str, str]


_LOADED = _Words(
    arrived="arrived",
    were_there="were there already",
    not_arrived=("did not arrive", "did not arrive"),
    not_looked_at=("was not loaded", "were not loaded"),
    values_lost=("did not arrive", "did not arrive"),
)
_FORECAST = _Words(
    arrived="would arrive",
    were_there="are there already",
    not_arrived=("would not arrive", "would not arrive"),
    not_looked_at=("would not be loaded", "would not be loaded"),
    values_lost=("would not arrive", "would not arrive"),
)
_COMPARED = _Words(
    arrived="are in the target",
    were_there="are in the target",
    not_arrived=("is missing from the target", "are missing from the target"),
    not_looked_at=("was not compared", "were not compared"),
    values_lost=("is not in the target", "are not in the target"),
)


def _words_of(report: ReportData) -> _Words:
    if report.outcome is Outcome.DRY_RUN:
        return _FORECAST
    return _COMPARED if report.compares_only else _LOADED


def verdict_of(report: ReportData) -> Verdict:
    """The outcome in words. It claims nothing that was not done: without the comparison of values it says so."""
    sums = sums_of(report)
    tone, label, title = _headline(report, sums)
    order = list(reversed(Tone))
    notes = sorted(_notes(report, sums), key=lambda note: order.index(note.tone))
    return Verdict(tone, label, title, tuple(notes))


def _headline(report: ReportData, sums: Sums) -> tuple[Tone, str, str]:
    if report.outcome is Outcome.FAILED:
        return Tone.BAD, "Failed", "The run failed."
    if report.outcome is Outcome.UNCONFIRMED:
        return Tone.BAD, "Not confirmed", "Whether the rows were committed is not known."
    rows = _rows_in_words(report, sums)
    if report.outcome is Outcome.DRY_RUN:
        tone = Tone.NOTE if report.settled else Tone.CAUTION
        return tone, "Dry run, nothing written", f"{DRY_RUN} {rows}."
    title = rows[:1].upper() + rows[1:]
    if not report.settled:
        return Tone.BAD, "Not reconciled", f"{title}."
    if sums.compared and (mended := report.total("mended_rows")):
        rows = f"{counted(sums.source, 'row')} of {counted(sums.tables, 'table')}, value by value"
        return Tone.GOOD, "Reconciled", f"Every row is accounted for, {mended:,} as mended: {rows}."
    if not sums.compared:
        return Tone.CAUTION, "Rows counted, values not compared", f"{title}; values were not compared."
    if not sums.source:
        return Tone.GOOD, "Reconciled", f"{title}."
    every = ", and every value was compared" if sums.loading else ", value by value"
    but = f", but for {_exceptions(sums)}" if _exceptions(sums) else ""
    return Tone.GOOD, "Reconciled", f"{title}{every}{but}."


def _exceptions(sums: Sums) -> str:
    """Values that are not in the target as the source holds them, by the user's decision."""
    found = (
        (sums.values_left, "in dropped columns"),
        (sums.values_repaired, "that repairs have altered"),
    )
    return " and ".join(f"{counted(values, 'value')} {what}" for values, what in found if values)


def _rows_in_words(report: ReportData, sums: Sums) -> str:
    """What became of the rows of the tables that both sides have; tables that the target lacks are said apart."""
    if not sums.tables and not sums.tables_lacking:
        return "no table was looked at"
    words = _words_of(report)
    parts = [", and ".join(_findings(sums, words)) or _no_finding(report, sums, words)] if sums.tables else []
    if sums.tables_lacking:
        more = f"{sums.tables_lacking:,} more" if sums.tables else f"{sums.tables_lacking:,}"
        tables = "table" if sums.tables_lacking == 1 else "tables"
        verb = words.not_looked_at[sums.rows_lacking > 1]
        parts.append(f"{counted(sums.rows_lacking, 'row')} of {more} {tables} {verb}")
    return "; ".join(parts)


def _findings(sums: Sums, words: _Words) -> Iterator[str]:
    if sums.not_arrived:
        verb = words.not_arrived[sums.not_arrived > 1]
        yield f"{sums.not_arrived:,} of {counted(sums.source, 'row')} {verb}"
    if sums.altered:
        which = f"{sums.altered:,}" if sums.not_arrived else f"{sums.altered:,} of {counted(sums.source, 'row')}"
        yield f"{which} {'differs' if sums.altered == 1 else 'differ'} from the source"
    if sums.not_arrived or sums.altered:
        return
    if sums.values_lost:
        verb = words.values_lost[sums.values_lost > 1]
        yield f"{counted(sums.values_lost, 'value')} {verb}, in columns that the target lacks"
    elif sums.extra:
        yield f"the target has {counted(sums.extra, 'row')} that the source has not"


def _no_finding(report: ReportData, sums: Sums, words: _Words) -> str:
    if not all(table.settled for table in report.tables if table.status is Status.MIGRATED):
        return "the target's row counts do not add up"
    tables = counted(sums.tables, "table")
    if not sums.source:
        return f"{tables} had no rows to move" if sums.loading else f"{tables} without rows on either side"
    one = sums.source == 1
    verb = words.were_there if sums.all_there_before else words.arrived
    if (report.compares_only or report.syncs) and sums.compared:
        verb = "matches the source" if one else "match the source"
    elif one:
        verb = verb.replace("were ", "was ").replace("are ", "is ")
    which = "the only row" if one else f"all {counted(sums.source, 'row')}"
    return f"{which} of {tables} {verb}"


def _notes(report: ReportData, sums: Sums) -> Iterator[Note]:
    if report.outcome is Outcome.FAILED:
        text = "A run is one transaction: unless the message says otherwise, the target is as it was before."
        yield Note(Tone.NOTE, text)
        return
    if report.outcome is Outcome.UNCONFIRMED:
        text = "A run is one transaction: either all the rows below were committed, or none. The next run will tell."
        yield Note(Tone.NOTE, text)
        return
    yield from (Note(Tone.CAUTION, remark) for remark in report.remarks)
    yield from _about_changes(report, sums)
    yield from _about_rows(report, sums)
    yield from _about_comparison(report, sums)
    yield from _about_narrowing(report)
    yield from _about_rewriting(report)
    yield from _about_repairs(report, sums)
    yield from _about_validation(report)
    yield from _about_drift(report, sums)
    yield from _about_schema(report)
    if report.outcome is Outcome.DRY_RUN:
        yield Note(Tone.NOTE, "Nothing was written: all numbers are a forecast.")


def _about_rows(report: ReportData, sums: Sums) -> Iterator[Note]:
    """Each row once: those that the comparison finds as well are told as what the load knows of them."""
    was, were = ("would be", "would be") if report.outcome is Outcome.DRY_RUN else ("was", "were")
    rejected = "rejected by the load, for the reasons in its own report"
    lacking = "in a table that the target lacks" if sums.tables_lacking == 1 else "in tables that the target lacks"
    same = "in the target before, with the same"
    found = (
        (Tone.BAD, sums.rejected, was, were, rejected if report.compares_only else "rejected, for the reasons listed"),
        (Tone.BAD, sums.not_arrived - sums.rejected - sums.missing, "is", "are", "unaccounted for"),
        (Tone.BAD, sums.rows_lacking, *_words_of(report).not_looked_at, lacking),
        (Tone.BAD, sums.missing, "is", "are", "missing from the target"),
        (
            Tone.BAD,
            sums.altered - sums.present_different,
            "has",
            "have",
            "other values in the target than in the source",
        ),
        (Tone.BAD, sums.present_different, "was", "were", f"{same} key but other content, and stayed as before"),
        (Tone.NOTE, sums.present - sums.present_different, "was", "were", f"{same} content"),
        (Tone.NOTE, report.total("mended_rows"), "is", "are", "in the target as mended after the load"),
        (Tone.BAD, sums.extra, "is", "are", "only in the target"),
        (Tone.NOTE, sums.extra_before, "was", "were", "in the target before and not in the source"),
        (Tone.NOTE, sums.rows_left_out, was, were, "left out, as the map says"),
    )
    for tone, rows, one, many, what in found:
        if rows and not (sums.all_there_before and what == f"{same} content"):
            yield Note(tone, f"{counted(rows, 'row')} {one if rows == 1 else many} {what}.")


def _about_changes(report: ReportData, sums: Sums) -> Iterator[Note]:
    """What a sync has done to the target."""
    if not report.syncs:
        return
    be = "would be " if report.outcome is Outcome.DRY_RUN else ""
    done = f"{sums.inserted:,} inserted, {sums.updated:,} updated, {sums.deleted:,} deleted"
    kept = " (what they were before: overwritten/)" if (sums.updated or sums.deleted) and not be else ""
    any_change = sums.inserted or sums.updated or sums.deleted
    yield Note(Tone.NOTE, f"Rows {be}{done}{kept}." if any_change else "There was nothing to write.")
    if sums.altered_by_target:
        rows = counted(sums.altered_by_target, "row")
        yield Note(Tone.BAD, f"{rows} altered by the target itself as they were written (a trigger, say).")
    if sums.extra:
        yield Note(
            Tone.CAUTION,
            "Rows that only the target has are listed in found/; those that could not be deleted, in kept/.",
        )
    if sums.kept:
        rows = counted(sums.kept, "row")
        text = f"{rows} with other values left as the target has them: newer there (listed in kept/), or different"
        yield Note(Tone.CAUTION, f"{text} in nothing but columns that the target computes.")


def _about_comparison(report: ReportData, sums: Sums) -> Iterator[Note]:
    if sums.compared and report.settled:
        rows = f"{counted(sums.matched, 'row')} {'matches' if sums.matched == 1 else 'match'} in every value"
        none = "none is missing or left over" if report.compares_only else "none is rejected, missing or left over"
        but = " as repairs have left it" if sums.values_repaired else ""
        yield Note(Tone.GOOD, f"{rows}{but}; {none}.")
    elif sums.compared:
        yield Note(Tone.NOTE, _compared_in_words(sums))
    elif sums.partly_compared:
        yield Note(Tone.CAUTION, "Values were compared in some of the tables only.")
    elif report.outcome is not Outcome.DRY_RUN:
        yield Note(Tone.CAUTION, "Values were not compared with the source: this report vouches for row counts alone.")


def _compared_in_words(sums: Sums) -> str:
    """How many rows both sides have, for only these can be compared, and how many of them are equal."""
    if not sums.compared_rows:
        return "No row could be compared: both sides have none in common."
    were = "was" if sums.compared_rows == 1 else "were"
    counts = ((sums.matched, "matches", "match"), (sums.different, "differs", "differ"))
    found = [f"{rows:,} {one if rows == 1 else many}" for rows, one, many in counts if rows]
    equal = "it matches" if sums.compared_rows == 1 else "all match"
    result = equal if not sums.different else ", ".join(found)
    return f"{counted(sums.compared_rows, 'row')} {were} compared value by value: {result}."


def _about_narrowing(report: ReportData) -> Iterator[Note]:
    narrowed = sum(total.rows for total in report.difference_kinds if total.kind == DifferenceKind.NARROWED)
    if narrowed:
        yield Note(Tone.NOTE, f"{counted(narrowed, 'number')} kept as many digits as the target's type has.")


def _about_rewriting(report: ReportData) -> Iterator[Note]:
    for item in report.rewritten:
        stored, written = item.examples[0]
        text = f"{counted(item.rows, 'value')} of {item.table}.{item.column} kept in PostgreSQL's own spelling"
        yield Note(Tone.NOTE, f"{text}: {stored} as {written}.")


def _about_repairs(report: ReportData, sums: Sums) -> Iterator[Note]:
    """What repairs have altered, and which others would have let rejected rows in."""
    dry = report.outcome is Outcome.DRY_RUN
    if sums.values_repaired:
        values = counted(sums.values_repaired, "value")
        if dry:
            yield Note(Tone.CAUTION, f"{values} would be altered by repairs, as allowed.")
        elif sums.loading:
            yield Note(Tone.CAUTION, f"{values} {_was(sums.values_repaired)} altered by repairs, as allowed: altered/.")
        else:
            yield Note(Tone.CAUTION, f"{values} {_is(sums.values_repaired)} equal only after repairs, as allowed.")
    for item in report.altered:
        if item.values is not None and item.confirmed not in (None, item.values):
            text = f"{item.values:,} values of {item.table}.{item.column} were altered by {item.repair}"
            yield Note(Tone.BAD, f"{text}, and the comparison finds {item.confirmed:,} such.")
    rows = sum(group.repairable_rows for group in report.rejects)
    if rows:
        options = " ".join(helpful.option for helpful in report.helpful[:HELPFUL_SHOWN])
        more = "" if len(report.helpful) <= HELPFUL_SHOWN else " … (all of them: report.json)"
        which = counted(rows, "rejected row")
        yield Note(Tone.NOTE, f"{which} {'would arrive' if dry else 'would have arrived'} with {options}{more}")


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _about_validation(report: ReportData) -> Iterator[Note]:
    """Warnings are told as such; rows that fail a critical expectation are told among the rejected ones."""
    if report.compares_only:
        return
    if not report.validated:
        yield Note(Tone.CAUTION, "Validation was skipped: no expectation was checked.")
        return
    failed = [item for item in report.expectations if not item.success]
    warnings = [item for item in failed if not item.critical]
    if warnings:
        yield Note(Tone.CAUTION, f"{counted(len(warnings), 'warning')}: {_unexpected(warnings)}.")
    whole_tables = sum(item.critical and not item.unexpected_rows for item in failed)
    if whole_tables:
        verb = "does" if whole_tables == 1 else "do"
        yield Note(Tone.BAD, f"{counted(whole_tables, 'expectation')} of a whole table {verb} not hold.")
    if report.expectations and not failed:
        yield Note(Tone.GOOD, f"All {counted(len(report.expectations), 'expectation')} held.")


def _unexpected(warnings: Sequence[ExpectationReport]) -> str:
    rows = sum(item.unexpected_rows for item in warnings)
    if not rows:
        return "what is expected of a whole table does not hold"
    if len(warnings) > 1:
        return f"{counted(rows, 'value')} {'is' if rows == 1 else 'are'} not as expected; a warning stops no row"
    item = warnings[0]
    place = item.table if item.column is None else f"{item.table}.{item.column}"
    verb = "is" if rows == 1 else "are"
    return f"{counted(rows, 'row')} of {place} {verb} not as expected; a warning stops no row"


def _about_schema(report: ReportData) -> Iterator[Note]:
    """What a created schema does not keep of the source's."""
    schema = report.schema
    if schema is None:
        return
    if schema.unvalidated:
        rows = sum(item.rows or 0 for item in schema.unvalidated)
        which = f"{counted(rows, 'row')} of the source" if rows else "Rows"
        constraints = counted(len(schema.unvalidated), "constraint")
        verb = "breaks" if rows == 1 else "break"
        yield Note(Tone.CAUTION, f"{which} {verb} {constraints}: kept, and checked on new rows only (NOT VALID).")
    if schema.not_carried:
        objects = counted(len(schema.not_carried), "object")
        kinds = Counter(str(item.kind) for item in schema.not_carried)
        listed = ", ".join(f"{kind}: {count}" for kind, count in kinds.items())
        yield Note(Tone.CAUTION, f"{objects} of the source's schema not carried ({listed}): schema/not_carried.sql.")


def _about_drift(report: ReportData, sums: Sums) -> Iterator[Note]:
    hidden = sum(drift.kind == DriftKind.ROW_SECURITY for drift in report.drift)
    if hidden:
        text = f"Row-level security is in force for the connected role on {counted(hidden, 'table')}"
        yield Note(Tone.CAUTION, f"{text}: rows that it hides were not seen.")
    if sums.values_lost:
        verb = _words_of(report).values_lost[sums.values_lost > 1]
        yield Note(Tone.BAD, f"{counted(sums.values_lost, 'value')} {verb}: the target lacks their columns.")
    if sums.values_left:
        dropped = (
            f"{counted(sums.values_left, 'value')} {'was' if sums.values_left == 1 else 'were'} dropped on purpose"
        )
        yield Note(Tone.CAUTION, f"{dropped}: the target lacks their columns.")
