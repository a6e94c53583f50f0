"""What a run says: results to stdout in the guide's form, progress bars to stderr where that is a terminal."""

import json
import re
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from etl.console.page import Page, rows_match, shown_name
from etl.core.plan import Plan
from etl.core.redaction import printable
from etl.core.report import ExpectationReport, ReportData, SequenceReport, Status, TableReport
from etl.core.source_tables import quoted
from etl.core.text import counted
from etl.reporting.verdict import sums_of
from etl.runs.connect import Target

REASONS_SHOWN = 20
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
SUCCESS = "Migration completed successfully!"
UNCOMPARED = "Migration completed."
FINDINGS = "Migration completed with findings; all other rows are committed."


class ConsoleObserver(Page):
    """Prints a load as it goes."""

    skipped = "not migrated"

    def __init__(self, *, dry_run: bool, quiet: bool, verbose: bool, json_only: bool, no_color: bool) -> None:
        super().__init__(quiet=quiet, verbose=verbose, json_only=json_only, no_color=no_color)
        self.heading = "SQLite → PostgreSQL" + (" (dry run: nothing will be written)" if dry_run else "")
        self._dry_run = dry_run
        self.shows_names = verbose or dry_run
        self._compared = False
        self._pandas_url = ""  # of an embedded server

    def error(self, text: str) -> None:
        """One line on stderr, with -q as well."""
        self.err.print(Text(f"✗ {text}", style="bold red"), soft_wrap=True)

    # -- events -------------------------------------------------------------------------------------------------

    def target_opened(self, target: Target) -> None:
        """Which server, and how to reach an embedded one."""
        super().target_opened(target)
        if target.psql:
            self.line("No --pg, DATABASE_URL or PG* given, so the embedded server is used. It stops with this command.")
            self.line("  To look inside: python -m etl.server (keeps it up for pandas and others), then")
            self.line(f"  {target.psql}")
            self._pandas_url = target.pandas_url
        self.line("✓ Connected to SQLite", "green")
        self.line("✓ Connected to PostgreSQL", "green")

    def tables_created(self, names: Sequence[str]) -> None:
        """Which part of the schema was missing."""
        listed = f": {printable(', '.join(names))}" if self.verbose else ""
        self.line(f"✓ Created {counted(len(names), 'missing table')}{listed}", "green")

    def planned(self, plan: Plan) -> None:
        """The plan, in a dry run or with -v; then the rows begin."""
        if self._dry_run or self.verbose:
            self.line()
            self.line("Plan (parents before children):")
            for table in plan.tables:
                renamed = f" → {table.target_name}" if table.target_name else ""
                self.line(f"  {printable(table.name + renamed)}: {counted(table.source.row_count, 'row')}")
                for column in table.columns:
                    renamed = f" → {column.target}" if column.source != column.target else ""
                    self.line(f"      {printable(column.source + renamed)}  {column.type.sql}")
        if self._pandas_url and not self._dry_run and plan.tables:
            self.line(f"  {_pandas_call(plan, self._pandas_url)}")
        super().planned(plan)
        for drift in plan.drift:
            if drift.column is not None and (drift.values or self.verbose):
                values = f" ({counted(drift.values, 'value')})" if drift.values else ""
                self.warn(f"{printable(drift.table)}.{printable(drift.column)}{values}: {drift.action}")
        self.line()
        self.line("Forecasting tables..." if self._dry_run else "Migrating tables...")

    def outcome_of(self, table: TableReport) -> str:
        """How many rows were loaded, were present, or did not arrive."""
        if not table.source_rows:
            return "0 rows"
        verb = "would be migrated" if self._dry_run else "migrated"
        parts = [f"{counted(table.loaded_rows or 0, 'row')} {verb}"]
        if table.present_rows:
            different = (
                f" ({table.present_different_rows:,} with other content)" if table.present_different_rows else ""
            )
            parts.append(f"{table.present_rows:,} already present{different}")
        if table.altered_rows:
            parts.append(f"{table.altered_rows:,} altered by repairs")
        if table.rejected_rows:
            parts.append(f"{table.rejected_rows:,} rejected")
        if table.unaccounted_rows:
            parts.append(f"{table.unaccounted_rows:,} UNACCOUNTED")
        return ", ".join(parts)

    def sequences_reset(self, sequences: Sequence[SequenceReport]) -> None:
        """Every sequence with the last id that it counts as given."""
        self.line()
        self.line("Resetting sequences...")
        for sequence in sequences:
            self.line(f"  ✓ Reset {printable(sequence.sequence)} to {sequence.last_value}")

    def table_compared(self, table: TableReport) -> None:
        """Only what is not as it should be, or everything with -v."""
        super().table_compared(table)
        if not self._compared:
            self.line()
            self.line("Comparing every value...")
            self._compared = True
        findings = [
            f"{count:,} {what}"
            for count, what in (
                (table.different_rows, "different"),
                (table.missing_rows, "missing in the target"),
                ((table.extra_rows or 0) - (table.extra_present_rows or 0), "only in the target"),
            )
            if count
        ]
        name = shown_name(table)
        if findings:
            self.line(f"  ✗ {name}: {rows_match(table)}, {', '.join(findings)}", "red")
        elif self.verbose:
            self.line(f"  ✓ {name}: {rows_match(table)}")

    def remarked(self, text: str) -> None:
        """What the user ought to know at once; with -q as well."""
        if self.quiet:
            self.err.print(Text(f"⚠️  {printable(text)}", style="yellow"), soft_wrap=True)
        else:
            self.warn(printable(text))

    def workers_ready(self, text: str) -> None:
        """How many workers there are, and where to watch them."""
        self.line(f"✓ {printable(text)}", "green")

    def confirmation_lost(self, transaction: int) -> None:
        """Why it takes longer now; with -q as well."""
        self.error(
            f"The connection broke during COMMIT. Asking the server what became of transaction {transaction} "
            "(for up to a minute; Ctrl-C ends that)..."
        )

    # -- the end ------------------------------------------------------------------------------------------------

    def finished(self, report: ReportData) -> None:
        """The closing table, the reasons, and the verdict; also with -q."""
        self.print_title("FORECAST SUMMARY" if self._dry_run else "MIGRATION SUMMARY")
        if not self.quiet:
            self.out.print(_closing_table(report), soft_wrap=False)
            self._print_reasons(report)
            self._print_helpful(report)
            self.print_altered(report)
            self._print_expectations(report)
        sums = sums_of(report)
        self.print_numbers(
            (
                ("Tables", f"{sums.tables}"),
                ("Rows", f"{sums.loaded:,}"),
                ("Errors", f"{sums.rejected:,}"),
                *([("Matched", f"{sums.matched:,}")] if report.reconciled else []),
            ),
            report,
        )
        self.print_verdict(report, None if self._dry_run else _lead(report))

    def _print_expectations(self, report: ReportData) -> None:
        """Those that failed, and with -v the others too."""
        if not report.validated:
            return
        failed = [item for item in report.expectations if not item.success]
        self.out.print(Text(_expectations_in_words(report.expectations)))
        for item in report.expectations if self.verbose else failed:
            place = f"{item.table}.{item.column}" if item.column else item.table
            mark = "✓" if item.success else "✗" if item.critical else "⚠️ "
            what = f"expected: {item.meaning} ({item.expectation})" if item.meaning else item.expectation
            found = item.observed or (counted(item.unexpected_rows, "row") if item.unexpected_rows else "")
            line = f"{place} [{item.severity}] {what}" + (f": {found}" if found else "")
            self.out.print(Text(f"  {mark} {printable(line)}"))
        self.out.print()

    def _print_reasons(self, report: ReportData) -> None:
        if not report.rejects:
            return
        self.out.print(Text("Rejected rows by reason:"))
        for group in report.rejects[:REASONS_SHOWN]:
            place = f"{group.table}.{group.column}" if group.column else group.table
            self.out.print(Text(f"  {group.rows:>8,}  {printable(place)} [{group.stage}]: {printable(group.reason)}"))
        if len(report.rejects) > REASONS_SHOWN:
            self.out.print(Text(f"  … and {len(report.rejects) - REASONS_SHOWN:,} more reasons in report.json"))
        for group in report.other_faults[:REASONS_SHOWN]:
            place = f"{group.table}.{group.column}" if group.column else group.table
            self.out.print(Text(f"  {group.rows:>8,}  of these also: {printable(place)}: {printable(group.reason)}"))
        self.out.print(Text(f"  Each row, with what is wrong with it: {printable(report.folder)}/rejects/"))
        self.out.print()

    def _print_helpful(self, report: ReportData) -> None:
        """The options that would have let rejected rows in, to be copied."""
        if not report.helpful:
            return
        self.out.print(Text("Repairs that would let rows in:"))
        for item in report.helpful[:REASONS_SHOWN]:
            alone = f" ({item.alone_rows:,} by itself)" if item.alone_rows < item.rows else ""
            self.out.print(Text(f"  {item.rows:>8,}  {printable(item.option)}{alone}"))
        if len(report.helpful) > REASONS_SHOWN:
            self.out.print(Text(f"  … and {len(report.helpful) - REASONS_SHOWN} more in report.json"))
        self.out.print()


def _pandas_call(plan: Plan, url: str) -> str:
    """What shows the first table that has rows, as a line of Python."""
    table = next((table for table in plan.tables if table.source.row_count), plan.tables[0]).target
    names = [table.name] if table.schema == "public" else [table.schema, table.name]
    query = "SELECT * FROM " + ".".join(map(_in_sql, names))
    return f'pd.read_sql({printable(json.dumps(query, ensure_ascii=False))}, "{url}")'


def _in_sql(name: str) -> str:
    """A name as SQL takes it, in quotes only where it has to be."""
    return name if _PLAIN_NAME.fullmatch(name) and name not in RESERVED_WORDS else quoted(name)


def _lead(report: ReportData) -> str:
    if not report.settled:
        return FINDINGS
    return SUCCESS if sums_of(report).compared else UNCOMPARED


def _expectations_in_words(expectations: Sequence[ExpectationReport]) -> str:
    """`Expectations: 163 held, 1 warning`."""
    failed = [item for item in expectations if not item.success]
    warnings = sum(not item.critical for item in failed)
    counts = [f"{len(expectations) - len(failed):,} held"]
    if len(failed) > warnings:
        counts.append(f"{len(failed) - warnings:,} did not hold")
    if warnings:
        counts.append(counted(warnings, "warning"))
    return f"Expectations: {', '.join(counts)}"


def _closing_table(report: ReportData) -> Table:
    counts = ("source_rows", "loaded_rows", "present_rows", "rejected_rows", "unaccounted_rows")
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("table", footer="total", overflow="fold")
    for count in counts:
        table.add_column(count.removesuffix("_rows"), justify="right", footer=f"{report.total(count):,}")
    for row in report.tables:
        if row.status is Status.MIGRATED:
            table.add_row(shown_name(row), *(f"{getattr(row, count) or 0:,}" for count in counts))
    return table
