"""What a sync says on the terminal: one line a table, what was changed, and the verdict."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from etl.console.compare import print_kinds
from etl.console.page import Page, rows_match, shown_name
from etl.core.plan import Plan
from etl.core.redaction import printable
from etl.core.report import ReportData, SequenceReport, Status, TableReport
from etl.reporting.verdict import sums_of
from etl.runs.settings import SyncSettings
from etl.runs.watch import WatchObserver

_COUNTS = ("source_rows", "matched_rows", "inserted_rows", "updated_rows", "kept_rows", "rejected_rows", "deleted_rows")


class SyncConsole(Page):
    """Prints a sync as it goes."""

    skipped = "not synced"

    def __init__(self, *, dry_run: bool, quiet: bool, verbose: bool, json_only: bool, no_color: bool) -> None:
        super().__init__(quiet=quiet, verbose=verbose, json_only=json_only, no_color=no_color)
        self._dry_run = dry_run
        self.heading = "SQLite → PostgreSQL: what has changed" + (
            " (dry run: nothing will be written)" if dry_run else ""
        )

    def planned(self, plan: Plan) -> None:
        """The tables begin."""
        super().planned(plan)
        self.line()
        self.line("Comparing tables...")

    def outcome_of(self, table: TableReport) -> str:
        """What was done with the table's rows."""
        be = "to be " if self._dry_run else ""
        counts = (
            (table.inserted_rows, f"{be}inserted"),
            (table.updated_rows, f"{be}updated"),
            (table.deleted_rows, f"{be}deleted"),
            (table.rejected_rows, f"{be}rejected"),
            (table.kept_rows, "differ and stay as they are"),
            (table.overruled_rows, "ALTERED by the target as they were written"),
            (table.missing_rows, "MISSING all the same"),
            (table.extra_rows, "only in the target"),
            (table.unaccounted_rows, "UNACCOUNTED"),
        )
        done = [f"{count:,} {what}" for count, what in counts if count]
        return ", ".join([rows_match(table), *done])

    def sequences_reset(self, sequences: Sequence[SequenceReport]) -> None:
        """With -v, every sequence with the last id that it counts as given."""
        for sequence in sequences if self.verbose else ():
            self.line(f"  ✓ Reset {printable(sequence.sequence)} to {sequence.last_value}")

    def finished(self, report: ReportData) -> None:
        """Totals, kinds and the verdict; also with -q."""
        self.print_title("FORECAST SUMMARY" if self._dry_run else "SYNC SUMMARY")
        if not self.quiet:
            self.out.print(_table(report), soft_wrap=False)
            self.out.print()
            print_kinds(self.out, report.difference_kinds)
        sums = sums_of(report)
        self.print_numbers(
            (
                ("Tables", f"{sums.tables}"),
                ("Source", f"{sums.source:,} rows"),
                ("Inserted", f"{sums.inserted:,}"),
                ("Updated", f"{sums.updated:,}"),
                ("Deleted", f"{sums.deleted:,}"),
                ("Rejected", f"{sums.rejected:,}"),
            ),
            report,
        )
        self.print_verdict(report)


def _table(report: ReportData) -> Table:
    """The tables in which anything is to be told."""
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("table", footer="total", overflow="fold")
    for count in _COUNTS:
        table.add_column(count.removesuffix("_rows"), justify="right", footer=f"{report.total(count):,}")
    for row in report.tables:
        if row.status is Status.MIGRATED and (row.matched_rows != row.source_rows or row.deleted_rows):
            table.add_row(shown_name(row), *(f"{getattr(row, count) or 0:,}" for count in _COUNTS))
    return table


class WatchConsole(Page, WatchObserver):
    """Prints one line a round."""

    def watch_begun(self, settings: SyncSettings, seconds: int) -> None:
        """What is watched."""
        self.line(f"Syncing {printable(settings.source)}, {seconds} s after each round; Ctrl-C ends it.")

    def round_failed(self, error: Exception, seconds: int) -> None:
        """Why, in one line; with -q as well."""
        self.out.print(Text(f"✗ {printable(str(error).splitlines()[0])} Again in {seconds} s.", style="red"))

    def round_finished(self, report: ReportData, behind: float) -> None:
        """A round that had something to do, and how old the state is that the target has now."""
        sums = sums_of(report)
        changed = f"{sums.inserted:,} inserted, {sums.updated:,} updated, {sums.deleted:,} deleted"
        left = "".join(
            f", {count:,} {what}"
            for count, what in (
                (sums.rejected, "rejected"),
                (sums.kept, "kept"),
                (sums.extra, "only in the target"),
                (sums.altered_by_target, "altered by the target"),
            )
            if count
        )
        mark = "✓" if not report.exit_code else "!"
        self.line(
            f"{mark} {report.finished_at:%H:%M:%S} {changed}{left}; {report.seconds:.1f} s, "
            f"behind by {behind:.1f} s; {printable(report.folder)}"
        )
