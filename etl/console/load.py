"""What a run says: results to stdout in the guide's form, progress bars to stderr where that is a terminal."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from etl.console.page import Page, shown_name
from etl.core.plan import Plan, TablePlan
from etl.core.redaction import printable
from etl.core.report import ReportData, SequenceReport, Status, TableReport
from etl.core.text import counted
from etl.reporting.verdict import sums_of
from etl.runs.connect import Target

REASONS_SHOWN = 20
BAR_ROWS = 20_000  # shorter tables are through before a bar could be read
SUCCESS = "Migration completed successfully!"
FINDINGS = "Migration completed with findings; all other rows are committed."


class ConsoleObserver(Page):
    """Prints a load as it goes."""

    skipped = "not migrated"

    def __init__(self, *, dry_run: bool, quiet: bool, verbose: bool, json_only: bool, no_color: bool) -> None:
        super().__init__(quiet=quiet, verbose=verbose, json_only=json_only, no_color=no_color)
        self.heading = "SQLite → PostgreSQL" + (" (dry run: nothing will be written)" if dry_run else "")
        self._err = Console(stderr=True, no_color=no_color or None, highlight=False, markup=False, soft_wrap=True)
        if self.out.is_terminal and self._err.is_terminal:
            self.out = self._err  # both share the screen: only the console that draws the bars knows where they are
        self._dry_run = dry_run
        self.shows_names = verbose or dry_run
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._compared = False
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
            disable=quiet or not self._err.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def error(self, text: str) -> None:
        """One line on stderr, with -q as well."""
        self._err.print(Text(f"✗ {text}", style="bold red"), soft_wrap=True)

    # -- events -------------------------------------------------------------------------------------------------

    def target_opened(self, target: Target) -> None:
        """Which server, and how to reach an embedded one."""
        super().target_opened(target)
        if target.psql:
            self.line("No --pg, DATABASE_URL or PG* given, so the embedded server is used. It stops with this command.")
            self.line("  To look inside: python -m etl.server (keeps it up for pandas and others), then")
            self.line(f"  {target.psql}")
            users = "users" if target.schema is None else f"{printable(target.schema)}.users"
            self.line(f'  pd.read_sql("SELECT * FROM {users}", "{target.pandas_url}")')
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
                self.line(f"  {printable(table.name + renamed)}: {table.source.row_count:,} rows")
                for column in table.columns:
                    renamed = f" → {column.target}" if column.source != column.target else ""
                    self.line(f"      {printable(column.source + renamed)}  {column.type.sql}")
        super().planned(plan)
        for drift in plan.drift:
            if drift.column is not None and (drift.values or self.verbose):
                values = f" ({drift.values:,} values)" if drift.values else ""
                self.warn(f"{printable(drift.table)}.{printable(drift.column)}{values}: {drift.action}")
        self.line()
        self.line("Forecasting tables..." if self._dry_run else "Migrating tables...")

    def table_restarted(self, plan: TablePlan) -> None:
        """A bar for a long table, from its beginning."""
        if plan.source.row_count < BAR_ROWS:
            return
        with self._lock:
            if plan.name in self._tasks:
                self._progress.remove_task(self._tasks[plan.name])
            self._tasks[plan.name] = self._progress.add_task(
                printable(plan.name), total=plan.source.row_count, speed=""
            )

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        """Moves the bar."""
        with self._lock:
            task = self._tasks.get(plan.name)
            if task is None:
                return
            self._progress.update(task, completed=rows)
            speed = self._progress.tasks[self._progress.task_ids.index(task)].speed
            self._progress.update(task, speed=f"{speed:,.0f} rows/s" if speed else "")

    def table_finished(self, table: TableReport) -> None:
        """The table's line."""
        with self._lock:
            task = self._tasks.pop(table.name, None)
            if task is not None:
                self._progress.remove_task(task)
        super().table_finished(table)

    def outcome_of(self, table: TableReport) -> str:
        """How many rows were loaded, were present, or did not arrive."""
        if not table.source_rows:
            return "0 rows"
        verb = "would be migrated" if self._dry_run else "migrated"
        parts = [f"{table.loaded_rows:,} rows {verb}"]
        if table.present_rows:
            different = (
                f" ({table.present_different_rows:,} with other content)" if table.present_different_rows else ""
            )
            parts.append(f"{table.present_rows:,} already present{different}")
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
            self.line(f"  ✗ {name}: {table.matched_rows:,} rows match, {', '.join(findings)}", "red")
        elif self.verbose:
            self.line(f"  ✓ {name}: {table.matched_rows:,} rows match")

    def remarked(self, text: str) -> None:
        """What the user ought to know at once; with -q as well."""
        if self.quiet:
            self._err.print(Text(f"⚠️  {printable(text)}", style="yellow"), soft_wrap=True)
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
        self.print_verdict(report, None if self._dry_run else SUCCESS if report.settled else FINDINGS)

    def _print_expectations(self, report: ReportData) -> None:
        """Those that failed, and with -v the others too."""
        if not report.validated:
            return
        failed = [item for item in report.expectations if not item.success]
        self.out.print(Text(f"Expectations: {len(report.expectations) - len(failed)} met, {len(failed)} not met"))
        for item in report.expectations if self.verbose else failed:
            place = f"{item.table}.{item.column}" if item.column else item.table
            mark = "✓" if item.success else "✗" if item.severity == "critical" else "⚠️ "
            rows = f": {item.unexpected_rows:,} rows" if item.unexpected_rows else ""
            self.out.print(Text(f"  {mark} {printable(place)} [{item.severity}] {printable(item.expectation)}{rows}"))
        self.out.print()

    def _print_reasons(self, report: ReportData) -> None:
        if not report.rejects:
            return
        self.out.print(Text("Rejected rows by reason:"))
        for group in report.rejects[:REASONS_SHOWN]:
            place = f"{group.table}.{group.column}" if group.column else group.table
            self.out.print(Text(f"  {group.rows:>8,}  {printable(place)} [{group.stage}]: {printable(group.reason)}"))
        if len(report.rejects) > REASONS_SHOWN:
            self.out.print(Text(f"  … and {len(report.rejects) - REASONS_SHOWN} more reasons in report.json"))
        self.out.print(Text(f"  Each row, with what is wrong with it: {printable(report.folder)}/rejects/"))
        self.out.print()


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
