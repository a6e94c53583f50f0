"""What a comparison says on the terminal: one line a table, the kinds of difference, and the verdict."""

import sys
from collections.abc import Sequence

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.console.load import RULE, print_line, print_names, shown_name
from etl.core.difference_kinds import DifferenceKind
from etl.core.drift import DriftKind
from etl.core.plan import Plan
from etl.core.redaction import printable
from etl.core.report import DifferenceTotal, ReportData, SourceReport, Status, TableReport
from etl.core.text import shift
from etl.reporting.verdict import verdict_of
from etl.runs.connect import Target
from etl.runs.observer import Observer
from etl.runs.self_test import SelfTest

KINDS_SHOWN = 30
_WIDE = 160


def _console(*, stderr: bool, no_color: bool) -> Console:
    """As wide as the terminal; files and pipes get room for whole tables."""
    console = Console(stderr=stderr, no_color=no_color or None, highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    return console


class ReconcileConsole(Observer):
    """Prints a comparison as it goes. `json_only` keeps stdout free for the report object."""

    def __init__(self, *, quiet: bool, verbose: bool, json_only: bool, no_color: bool) -> None:
        self._out = _console(stderr=json_only, no_color=no_color)
        self._quiet = quiet
        self._verbose = verbose

    def _line(self, text: str = "", style: str = "") -> None:
        if not self._quiet:
            print_line(self._out, text, style)

    def source_opened(self, source: SourceReport) -> None:
        """Heading."""
        self._line(RULE)
        self._line("SQLite = PostgreSQL? (nothing is written to either)", "bold")
        self._line(RULE)
        self._line(f"Source: {printable(source.path)} ({source.bytes:,} bytes, SQLite {source.sqlite_version})")

    def target_opened(self, target: Target) -> None:
        """Which server."""
        kind = "embedded PostgreSQL" if target.embedded else "PostgreSQL"
        self._line(f"Target: {printable(target.name)} ({kind} {target.server_version})")

    def planned(self, plan: Plan) -> None:
        """With -v, what is compared with what; then the tables begin."""
        if self._verbose:
            self._line()
            for table in plan.tables:
                key = ", ".join(column.source for column in table.key) or "no key: rows are compared as a multiset"
                self._line(f"  {printable(table.name)} by {printable(key)}")
        print_names(plan, self._line, every=self._verbose)
        for drift in plan.drift:
            if drift.warning:
                self._line(f"⚠️  {printable(drift.warning)}", "yellow")
            if drift.kind is DriftKind.COLUMN_MISSING_IN_TARGET and drift.values:
                place = printable(f"{drift.table}.{drift.column}")
                self._line(f"⚠️  {place}: the target lacks this column, which holds {drift.values:,} values", "yellow")
        self._line()
        self._line("Comparing tables...")

    def table_finished(self, table: TableReport) -> None:
        """The table's line."""
        name = shown_name(table)
        if table.status is Status.MISSING_IN_SOURCE:
            self._line(f"⚠️  Table '{name}' not found in SQLite, skipping", "yellow")
        elif table.status is Status.LEFT_OUT:
            self._line(f"⚠️  Table '{name}' left out, as the map says: {table.source_rows or 0:,} rows", "yellow")
        elif table.status is Status.NOT_MIGRATED:
            self._line(f"⚠️  Table '{name}' not found in PostgreSQL: {table.source_rows:,} rows", "yellow")
        else:
            mark = "✓" if table.settled else "✗"
            self._line(f"  {mark} {name}: {_fate(table)}", "" if table.settled else "red")

    def finished(self, report: ReportData) -> None:
        """Totals, kinds and the verdict; also with -q."""
        self._out.print()
        self._out.print(Text(RULE))
        self._out.print(Text("RECONCILIATION SUMMARY", style="bold"))
        self._out.print(Text(RULE))
        if not self._quiet:
            self._print_kinds(report.difference_kinds)
        compared = sum(table.status is Status.MIGRATED for table in report.tables)
        for name, value in (
            ("Tables", f"{compared}"),
            ("Source", f"{report.total('source_rows'):,} rows"),
            ("Target", f"{report.total('target_rows_after'):,} rows"),
            ("Matched", f"{report.total('matched_rows'):,}"),
            ("Different", f"{report.total('different_rows'):,}"),
            ("Missing", f"{report.total('missing_rows'):,}"),
            ("Extra", f"{report.total('extra_rows'):,}"),
            ("Seconds", f"{report.seconds:.1f}"),
            ("Report", printable(report.folder)),
        ):
            self._out.print(Text(f"{name + ':':<11} {value}"))
        self._out.print()
        verdict = verdict_of(report)
        mark, style = ("✓", "bold green") if not report.exit_code else ("✗", "bold red")
        self._out.print(Text(f"{mark} {printable(verdict.title)}", style=style))

    def _print_kinds(self, kinds: Sequence[DifferenceTotal]) -> None:
        if not kinds:
            return
        table = Table(box=None, pad_edge=False)
        table.add_column("rows", justify="right")
        table.add_column("table.column", overflow="fold")
        table.add_column("difference", overflow="fold")
        for total in kinds[:KINDS_SHOWN]:
            place = f"{total.table}.{total.column}" if total.column else total.table
            table.add_row(f"{total.rows:,}", printable(place), kind_in_words(total))
        self._out.print(table, soft_wrap=False)
        if len(kinds) > KINDS_SHOWN:
            self._out.print(Text(f"… and {len(kinds) - KINDS_SHOWN} more in report.json"))
        self._out.print()


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


def _fate(table: TableReport) -> str:
    if not table.source_rows and not table.extra_rows:
        return "0 rows"
    parts = [f"{table.matched_rows or 0:,} rows match"]
    counts = (
        (table.different_rows, "different"),
        (table.missing_rows, "missing in the target"),
        (table.extra_rows, "only in the target"),
        (table.rejected_rows, "rejected by the load"),
        (table.unaccounted_rows, "UNACCOUNTED"),
    )
    return ", ".join(parts + [f"{count:,} {what}" for count, what in counts if count])


def print_self_test(outcome: SelfTest, *, json_only: bool, quiet: bool, no_color: bool) -> None:
    """The table of damages, and the verdict; as JSON alone where asked for."""
    if json_only:
        sys.stdout.write(orjson.dumps(outcome.to_dict(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    out = _console(stderr=False, no_color=no_color)
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
