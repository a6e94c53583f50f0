"""What a comparison says on the terminal: one line a table, the kinds of difference, and the verdict."""

import sys
from collections import Counter
from collections.abc import Sequence

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.console.page import Page, make_console, rows_match
from etl.core.difference_kinds import DifferenceKind
from etl.core.drift import DriftKind
from etl.core.plan import Plan
from etl.core.redaction import printable
from etl.core.report import DifferenceTotal, ReportData, TableReport
from etl.core.text import counted, shift
from etl.reporting.verdict import sums_of
from etl.runs.self_test import SelfTest

KINDS_SHOWN = 30


class ReconcileConsole(Page):
    """Prints a comparison as it goes."""

    heading = "SQLite = PostgreSQL? (nothing is written to either)"
    skipped = "not compared"

    def planned(self, plan: Plan) -> None:
        """With -v, what is compared with what; then the tables begin."""
        if self.verbose:
            self.line()
            for table in plan.tables:
                key = ", ".join(column.source for column in table.key) or "no key: rows are compared as a multiset"
                self.line(f"  {printable(table.name)} by {printable(key)}")
        super().planned(plan)
        for drift in plan.drift:
            if drift.kind is DriftKind.COLUMN_MISSING_IN_TARGET and drift.values:
                place = printable(f"{drift.table}.{drift.column}")
                self.warn(f"{place}: the target lacks this column, which holds {counted(drift.values, 'value')}")
        self.line()
        self.line("Comparing tables...")

    def outcome_of(self, table: TableReport) -> str:
        """How many rows match, and how many do not."""
        if not table.source_rows and not table.extra_rows:
            return "0 rows"
        counts = (
            (table.mended_rows, "of them as mended"),
            (table.different_rows, "different"),
            (table.missing_rows, "missing in the target"),
            (table.extra_rows, "only in the target"),
            (table.rejected_rows, "rejected by the load"),
            (table.unaccounted_rows, "UNACCOUNTED"),
        )
        others = [f"{count:,} {what}" for count, what in counts if count]
        return ", ".join([rows_match(table), *others])

    def finished(self, report: ReportData) -> None:
        """Totals, kinds and the verdict; also with -q."""
        self.print_title("RECONCILIATION SUMMARY")
        if not self.quiet:
            print_kinds(self.out, report.difference_kinds)
            self.print_altered(report)
        sums = sums_of(report)
        self.print_numbers(
            (
                ("Tables", f"{sums.tables}"),
                ("Source", counted(sums.source, "row")),
                ("Target", counted(sums.target, "row")),
                ("Matched", f"{sums.matched:,}"),
                ("Different", f"{sums.different:,}"),
                ("Missing", f"{sums.missing:,}"),
                ("Extra", f"{sums.extra + sums.extra_before:,}"),
            ),
            report,
        )
        self.print_verdict(report)


def print_kinds(out: Console, kinds: Sequence[DifferenceTotal]) -> None:
    """A table of what differs, by column and kind; nothing where nothing does."""
    if not kinds:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("rows", justify="right")
    table.add_column("table.column", overflow="fold")
    table.add_column("difference", overflow="fold")
    lines = _lines(kinds)
    for (place, words), rows in lines[:KINDS_SHOWN]:
        table.add_row(f"{rows:,}", printable(place), words)
    out.print(table, soft_wrap=False)
    if len(lines) > KINDS_SHOWN:
        out.print(Text(f"… and {len(lines) - KINDS_SHOWN:,} more in report.json"))
    out.print()


def _lines(kinds: Sequence[DifferenceTotal]) -> list[tuple[tuple[str, str], int]]:
    """Rows by place and words, the most frequent first: shifts that differ by seconds read the same."""
    rows: Counter[tuple[str, str]] = Counter()
    for total in kinds:
        rows[f"{total.table}.{total.column}" if total.column else total.table, kind_in_words(total)] += total.rows
    return rows.most_common()


def kind_in_words(total: DifferenceTotal) -> str:
    """`time shifted: +9 h, the whole column`."""
    kind = DifferenceKind(total.kind)
    text = kind.words
    if total.shift_seconds is not None:
        text += f": {shift(total.shift_seconds)}"
    if total.whole_column:
        text += ", the whole column"
    if kind is DifferenceKind.NARROWED:
        text += " (no difference)"
    return text + (", present before this run" if total.present_before else "")


def print_self_test(outcome: SelfTest, *, json_only: bool, quiet: bool, no_color: bool) -> None:
    """The table of damages, and the verdict; as JSON alone where asked for."""
    if json_only:
        sys.stdout.write(orjson.dumps(outcome.to_dict(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    out = make_console(stderr=False, no_color=no_color)
    if not quiet:
        table = Table(box=None, pad_edge=False)
        for heading in ("", "damage", "where", "done", "found as", "found"):
            table.add_column(heading, justify="right" if heading in ("done", "found") else "left", overflow="fold")
        for check in outcome.checks:
            mark = "✓" if check.passed else "✗"
            found = ", ".join(DifferenceKind(kind).words for kind in check.found_kinds) or "nothing"
            table.add_row(mark, check.damage, check.place, f"{check.done}", found, f"{check.found}")
        out.print(table, soft_wrap=False)
        out.print()
    out.print(Text(outcome.sentence, style="bold green" if not outcome.exit_code else "bold red"))
