"""A run's outcome in words: one sentence for whoever signs, and what was found, done and not done below it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from etl.core.difference_kinds import DifferenceKind
from etl.core.drift import KNOWINGLY_DROPPED, DriftKind
from etl.core.report import Outcome, ReportData, Status, TableReport
from etl.core.text import counted

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


@dataclass(frozen=True)
class Sums:
    """The totals of a report. Counts of what a run did not do are 0; `compared` and `loading` tell.

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
    left_out: int
    matched: int
    different: int
    missing: int
    extra: int
    extra_before: int
    values_lost: int
    values_left: int
    values_repaired: int
    loading: bool
    compared: bool
    partly_compared: bool

    @property
    def all_rows(self) -> int:
        """Rows of the source, those of tables that the target lacks included."""
        return self.source + self.left_out

    @property
    def not_arrived(self) -> int:
        """Rows of the source that the target does not have."""
        return self.rejected + self.unaccounted + self.left_out + self.missing

    @property
    def altered(self) -> int:
        """Rows that the target has with other content: found by the comparison, else by the load."""
        return max(self.different, self.present_different)


def sums_of(report: ReportData) -> Sums:
    """Adds the tables up."""
    migrated = [table for table in report.tables if table.status is Status.MIGRATED]
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
        left_out=sum(table.source_rows or 0 for table in not_migrated(report)),
        matched=report.total("matched_rows"),
        different=report.total("different_rows"),
        missing=report.total("missing_rows"),
        extra=report.total("extra_rows") - report.total("extra_present_rows"),
        extra_before=report.total("extra_present_rows"),
        values_lost=sum(drift.values or 0 for drift in columns if not drift.settled),
        values_left=sum(drift.values or 0 for drift in columns if drift.code in KNOWINGLY_DROPPED),
        values_repaired=sum(item.confirmed or item.values or 0 for item in report.altered),
        loading=any(table.loaded_rows is not None for table in migrated),
        compared=report.reconciled and bool(compared) and all(compared),
        partly_compared=report.reconciled and any(compared) and not all(compared),
    )


def not_migrated(report: ReportData) -> list[TableReport]:
    """Tables that only the source has."""
    return [table for table in report.tables if table.status is Status.NOT_MIGRATED]


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
    if report.outcome is Outcome.DRY_RUN:
        tone = Tone.NOTE if report.settled else Tone.CAUTION
        return tone, "Dry run, nothing written", f"Dry run: {_rows_in_words(report, sums, 'would arrive', 'would not')}"
    if not report.settled:
        return Tone.BAD, "Not reconciled", _capitalised(_rows_in_words(report, sums, "arrived", "did not"))
    verb = "arrived" if sums.loading else "match the source" if sums.compared else "are in the target"
    title = _capitalised(_rows_in_words(report, sums, verb, ""))
    if sums.compared:
        every = ", and every value was compared" if sums.loading else ", value by value"
        but = f", but for {_exceptions(sums)}." if _exceptions(sums) else "."
        return Tone.GOOD, "Reconciled", title.removesuffix(".") + every + but if sums.source else title
    return Tone.CAUTION, "Rows counted, values not compared", title.removesuffix(".") + "; values were not compared."


def _exceptions(sums: Sums) -> str:
    """Values that are not in the target as the source holds them, by the user's decision."""
    found = (
        (sums.values_left, "in dropped columns"),
        (sums.values_repaired, "that repairs have altered"),
    )
    return " and ".join(f"{counted(values, 'value')} {what}" for values, what in found if values)


def _rows_in_words(report: ReportData, sums: Sums, verb: str, negated: str) -> str:
    if not sums.tables and not sums.all_rows:
        return "no table was looked at."
    if report.settled:
        which = "the only row" if sums.all_rows == 1 else f"all {counted(sums.all_rows, 'row')}"
        tables = counted(sums.tables, "table")
        return f"{which} of {tables} {verb}." if sums.all_rows else f"{tables} had no rows to move."
    parts = []
    if sums.not_arrived:
        parts.append(f"{sums.not_arrived:,} of {counted(sums.all_rows, 'row')} {negated} arrive")
    if sums.altered:
        which = f"{sums.altered:,}" if parts else f"{sums.altered:,} of {counted(sums.all_rows, 'row')}"
        parts.append(f"{which} {'differs' if sums.altered == 1 else 'differ'} from the source")
    if sums.values_lost and not parts:
        parts.append(f"{counted(sums.values_lost, 'value')} {negated} arrive, in columns that the target lacks")
    if sums.extra and not parts:
        parts.append(f"the target has {counted(sums.extra, 'row')} that the source has not")
    return (", and ".join(parts) or "the target's row counts do not add up") + "."


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


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
    was, were = ("would be", "would be") if report.outcome is Outcome.DRY_RUN else ("was", "were")
    rejected = "rejected by the load, for the reasons in its own report"
    same = "in the target before, with the same"
    found = (
        (Tone.BAD, sums.rejected, was, were, rejected if report.compares_only else "rejected, for the reasons listed"),
        (Tone.BAD, sums.unaccounted, "is", "are", "unaccounted for"),
        (Tone.BAD, sums.left_out, was, were, "not loaded, in tables that the target lacks"),
        (Tone.BAD, sums.missing, "is", "are", "missing from the target"),
        (Tone.BAD, sums.different, "has", "have", "other values in the target than in the source"),
        (Tone.BAD, sums.present_different, "was", "were", f"{same} key but other content, and stayed as before"),
        (Tone.NOTE, sums.present - sums.present_different, "was", "were", f"{same} content"),
        (Tone.BAD, sums.extra, "is", "are", "only in the target"),
        (Tone.NOTE, sums.extra_before, "was", "were", "in the target before and not in the source"),
    )
    for tone, rows, one, many, what in found:
        if rows:
            yield Note(tone, f"{counted(rows, 'row')} {one if rows == 1 else many} {what}.")


def _about_comparison(report: ReportData, sums: Sums) -> Iterator[Note]:
    rows = f"{counted(sums.matched, 'row')} {'matches' if sums.matched == 1 else 'match'}"
    if sums.compared and report.settled:
        but = " as repairs have left it" if sums.values_repaired else ""
        yield Note(Tone.GOOD, f"{rows} in every value{but}; none is rejected, missing or left over.")
    elif sums.compared:
        yield Note(Tone.NOTE, f"Every row was compared value by value: {rows}.")
    elif sums.partly_compared:
        yield Note(Tone.CAUTION, "Values were compared in some of the tables only.")
    elif report.outcome is not Outcome.DRY_RUN:
        yield Note(Tone.CAUTION, "Values were not compared with the source: this report vouches for row counts alone.")


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
    failed = sum(not item.success for item in report.expectations)
    if report.compares_only:
        return
    if not report.validated:
        yield Note(Tone.CAUTION, "Validation was skipped: no expectation was checked.")
    elif failed:
        yield Note(Tone.CAUTION, f"{failed:,} of {len(report.expectations):,} expectations did not hold.")
    elif report.expectations:
        yield Note(Tone.GOOD, f"All {counted(len(report.expectations), 'expectation')} held.")


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
        yield Note(Tone.BAD, f"{counted(sums.values_lost, 'value')} did not arrive: the target lacks their columns.")
    if sums.values_left:
        dropped = (
            f"{counted(sums.values_left, 'value')} {'was' if sums.values_left == 1 else 'were'} dropped on purpose"
        )
        yield Note(Tone.CAUTION, f"{dropped}: the target lacks their columns.")
