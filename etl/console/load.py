"""What a run says: results to stdout in the guide's form, progress bars to stderr where that is a terminal."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from etl.core.errors import OutputError
from etl.core.plan import Plan, TablePlan
from etl.core.redaction import printable
from etl.core.report import Outcome, ReportData, SequenceReport, SourceReport, Status, TableReport
from etl.core.text import counted
from etl.reporting.verdict import about_schema
from etl.runs.connect import Target
from etl.runs.observer import Observer

RULE = "=" * 60
REASONS_SHOWN = 20
BAR_ROWS = 20_000  # shorter tables are through before a bar could be read
_WIDE = 160


def print_line(console: Console, text: str, style: str = "") -> None:
    """One line of the course of events; `OutputError` where it cannot be written."""
    try:
        console.print(Text(text, style=style))
    except OSError as error:
        raise OutputError(
            f"What is printed here cannot be written ({error.strerror}). Send it elsewhere, or run with -q."
        ) from error


class ConsoleObserver(Observer):
    """Prints a run as it goes. `json_only` keeps stdout free for the report object, `quiet` prints the summary only."""

    def __init__(self, *, dry_run: bool, quiet: bool, verbose: bool, json_only: bool, no_color: bool) -> None:
        colors = no_color or None
        self._err = Console(stderr=True, no_color=colors, highlight=False, markup=False, soft_wrap=True)
        out = Console(stderr=json_only, no_color=colors, highlight=False, markup=False, soft_wrap=True)
        # On a terminal both streams share the screen: only the console that draws the bars knows where they are.
        self._out = self._err if out.is_terminal and self._err.is_terminal else out
        self._dry_run = dry_run
        self._quiet = quiet
        self._verbose = verbose
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

    def line(self, text: str = "", style: str = "") -> None:
        """One line of the course of events; silent with -q."""
        if not self._quiet:
            print_line(self._out, text, style)

    def error(self, text: str) -> None:
        """One line on stderr, with -q as well."""
        self._err.print(Text(f"✗ {text}", style="bold red"), soft_wrap=True)

    # -- events -------------------------------------------------------------------------------------------------

    def source_opened(self, source: SourceReport) -> None:
        """Heading, and the first tick."""
        self.line(RULE)
        self.line("SQLite → PostgreSQL" + (" (dry run: nothing will be written)" if self._dry_run else ""), "bold")
        self.line(RULE)
        self.line(f"Source: {printable(source.path)} ({source.bytes:,} bytes, SQLite {source.sqlite_version})")

    def target_opened(self, target: Target) -> None:
        """The second tick, and how to reach an embedded server."""
        kind = "embedded PostgreSQL" if target.embedded else "PostgreSQL"
        self.line(f"Target: {printable(target.name)} ({kind} {target.server_version})")
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
        listed = f": {printable(', '.join(names))}" if self._verbose else ""
        self.line(f"✓ Created {counted(len(names), 'missing table')}{listed}", "green")

    def planned(self, plan: Plan) -> None:
        """The plan, in a dry run or with -v; then the rows begin."""
        if self._dry_run or self._verbose:
            self.line()
            self.line("Plan (parents before children):")
            for table in plan.tables:
                self.line(f"  {printable(table.name)}: {table.source.row_count:,} rows")
                for column in table.columns:
                    renamed = f" → {column.target}" if column.source != column.target else ""
                    self.line(f"      {printable(column.source + renamed)}  {column.type.sql}")
        for drift in plan.drift:
            if drift.warning:
                self.line(f"⚠️  {printable(drift.warning)}", "yellow")
            if drift.column is not None and (drift.values or self._verbose):
                values = f" ({drift.values:,} values)" if drift.values else ""
                self.line(f"⚠️  {printable(drift.table)}.{printable(drift.column)}{values}: {drift.action}", "yellow")
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
        name = printable(table.name)
        if table.status is Status.MISSING_IN_SOURCE:
            self.line(f"⚠️  Table '{name}' not found in SQLite, skipping", "yellow")
        elif table.status is Status.NOT_MIGRATED:
            self.line(f"⚠️  Table '{name}' not found in PostgreSQL: {table.source_rows:,} rows not migrated", "yellow")
        else:
            self.line(f"  {'✓' if table.settled else '✗'} {name}: {self._fate(table)}", "" if table.settled else "red")

    def _fate(self, table: TableReport) -> str:
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
        name = printable(table.name)
        if findings:
            self.line(f"  ✗ {name}: {table.matched_rows:,} rows match, {', '.join(findings)}", "red")
        elif self._verbose:
            self.line(f"  ✓ {name}: {table.matched_rows:,} rows match")

    def confirmation_lost(self, transaction: int) -> None:
        """Why it takes longer now; with -q as well."""
        self.error(
            f"The connection broke during COMMIT. Asking the server what became of transaction {transaction} "
            "(for up to a minute; Ctrl-C ends that)..."
        )

    # -- the end ------------------------------------------------------------------------------------------------

    def finished(self, report: ReportData) -> None:
        """The closing table, the reasons, and the verdict; also with -q."""
        self._out.print()
        self._out.print(Text(RULE))
        self._out.print(Text("FORECAST SUMMARY" if self._dry_run else "MIGRATION SUMMARY", style="bold"))
        self._out.print(Text(RULE))
        migrated = [table for table in report.tables if table.status is Status.MIGRATED]
        if not self._quiet:
            if not report.reconciled and not self._dry_run:
                self._out.print(Text("⚠️  The values were not compared (--no-reconcile).", style="yellow"))
            self._print_table(_closing_table(migrated, report))
            self._print_reasons(report)
            self._print_expectations(report)
        for name, value in (
            ("Tables", f"{len(migrated)}"),
            ("Rows", f"{report.total('loaded_rows'):,}"),
            ("Errors", f"{report.total('rejected_rows'):,}"),
            *([("Matched", f"{report.total('matched_rows'):,}")] if report.reconciled else []),
            ("Seconds", f"{report.seconds:.1f}"),
            ("Report", printable(report.folder)),
        ):
            self._out.print(Text(f"{name + ':':<9} {value}"))
        for remark in (*report.remarks, *(note.text for note in about_schema(report))):
            self._out.print(Text(f"⚠️  {printable(remark)}", style="yellow"))
        self._out.print()
        self._out.print(_verdict(report))

    def _print_expectations(self, report: ReportData) -> None:
        """Those that failed, and with -v the others too."""
        if not report.validated:
            self._out.print(Text("⚠️  Validation was skipped (--skip-validation).", style="yellow"))
            return
        failed = [item for item in report.expectations if not item.success]
        self._out.print(Text(f"Expectations: {len(report.expectations) - len(failed)} met, {len(failed)} not met"))
        for item in report.expectations if self._verbose else failed:
            place = f"{item.table}.{item.column}" if item.column else item.table
            mark = "✓" if item.success else "✗" if item.severity == "critical" else "⚠️ "
            rows = f": {item.unexpected_rows:,} rows" if item.unexpected_rows else ""
            self._out.print(Text(f"  {mark} {printable(place)} [{item.severity}] {printable(item.expectation)}{rows}"))
        self._out.print()

    def _print_table(self, table: Table) -> None:
        width = None if self._out.is_terminal else _WIDE
        self._out.print(table, width=width, soft_wrap=False)

    def _print_reasons(self, report: ReportData) -> None:
        if not report.rejects:
            return
        self._out.print(Text("Rejected rows by reason:"))
        for group in report.rejects[:REASONS_SHOWN]:
            place = f"{group.table}.{group.column}" if group.column else group.table
            self._out.print(Text(f"  {group.rows:>8,}  {printable(place)} [{group.stage}]: {printable(group.reason)}"))
        if len(report.rejects) > REASONS_SHOWN:
            self._out.print(Text(f"  … and {len(report.rejects) - REASONS_SHOWN} more reasons in report.json"))
        self._out.print(Text(f"  Each row, with what is wrong with it: {printable(report.folder)}/rejects/"))
        self._out.print()


def _closing_table(tables: Sequence[TableReport], report: ReportData) -> Table:
    counts = ("source_rows", "loaded_rows", "present_rows", "rejected_rows", "unaccounted_rows")
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("table", footer="total", overflow="fold")
    for count in counts:
        table.add_column(count.removesuffix("_rows"), justify="right", footer=f"{report.total(count):,}")
    for row in tables:
        table.add_row(printable(row.name), *(f"{getattr(row, count) or 0:,}" for count in counts))
    return table


def _verdict(report: ReportData) -> Text:
    left = sum(table.source_rows or 0 for table in report.tables if table.status is Status.NOT_MIGRATED)
    unaccounted = sum(abs(table.unaccounted_rows or 0) for table in report.tables)
    troubles = [
        f"{count:,} {what}"
        for count, what in (
            (report.total("rejected_rows"), "rows rejected"),
            (report.total("different_rows"), "rows differ from the source"),
            (0 if report.reconciled else report.total("present_different_rows"), "rows present with other content"),
            (report.total("missing_rows"), "rows missing in the target"),
            (left, "rows of tables that the target lacks"),
            (unaccounted, "rows unaccounted for"),
        )
        if count
    ]
    if report.outcome is Outcome.DRY_RUN:
        text = "✓ Dry run: every row would arrive." if not troubles else f"⚠️  Dry run: {', '.join(troubles)}."
        return Text(f"{text} Nothing was written.", style="yellow" if troubles else "bold green")
    if report.settled:
        return Text("✓ Migration completed successfully!", style="bold green")
    what = ", ".join(troubles) or "the target's row counts do not add up"
    return Text(f"⚠️  Migration completed with findings: {what}. The other rows are committed.", style="bold yellow")
