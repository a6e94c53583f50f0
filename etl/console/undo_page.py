"""What an undo says on the terminal: one line a table, what was left, and the outcome in a sentence."""

from collections.abc import Sequence

from rich.text import Text

from etl.console.page import RULE, make_console
from etl.core.errors import OutputError
from etl.core.redaction import printable
from etl.core.undo_record import UndoRecord
from etl.core.undo_report import LeftRows, TableUndone, UndoReportData
from etl.reporting.undo import left_line, table_line, thing_line, title_of
from etl.runs.connect import Target
from etl.runs.undo import UndoObserver


class UndoPage(UndoObserver):
    """Prints an undo as it goes; `json_only` keeps stdout free for the report object, `quiet` prints the end only."""

    def __init__(self, *, dry_run: bool, quiet: bool, json_only: bool, no_color: bool) -> None:
        self._out = make_console(stderr=json_only, no_color=no_color)
        self._dry_run = dry_run
        self._quiet = quiet

    def begun(self, record: UndoRecord, target: Target) -> None:
        """The heading, which run, and which server."""
        self._line(RULE)
        self._line(f"Undo of {record.kind} {printable(record.run)}" + (" (dry run)" if self._dry_run else ""), "bold")
        self._line(RULE)
        kind = "embedded PostgreSQL" if target.embedded else "PostgreSQL"
        self._line(f"Target: {printable(target.name)} ({kind} {target.server_version})")
        self._line()

    def table_undone(self, table: TableUndone, left: Sequence[LeftRows]) -> None:
        """The table's line."""
        count = sum(rows.rows for rows in left)
        mark, style = ("✗", "yellow") if count else ("✓", "")
        self._line(f"  {mark} {printable(table.name)}: {table_line(table, count, dry_run=self._dry_run)}", style)

    def confirmation_lost(self, transaction: int) -> None:
        """Why it takes longer now; with -q as well."""
        self._out.print(
            Text(f"The connection broke during COMMIT. Asking the server what became of transaction {transaction} ...")
        )

    def finished(self, report: UndoReportData) -> None:
        """What was left, and the outcome; also with -q."""
        self._out.print()
        for rows in report.left:
            self._out.print(Text(f"✗ {printable(rows.table)}: {printable(left_line(rows))}", style="yellow"))
        for thing in (*report.created, *report.sequences):
            if not thing.taken_back or not self._quiet:
                mark, style = ("✓", "") if thing.taken_back else ("✗", "yellow")
                self._out.print(Text(f"{mark} {printable(thing_line(thing))}", style=style))
        for remark in report.remarks:
            self._out.print(Text(f"ℹ {printable(remark)}"))
        self._out.print(Text(f"Report: {printable(report.folder)}"))
        self._out.print()
        mark, style = ("✗", "bold yellow") if report.exit_code else ("✓", "bold green")
        self._out.print(Text(f"{mark} {printable(title_of(report))}", style=style))

    def _line(self, text: str = "", style: str = "") -> None:
        if self._quiet:
            return
        try:
            self._out.print(Text(text, style=style))
        except OSError as error:
            raise OutputError(
                f"What is printed here cannot be written ({error.strerror}). Send it elsewhere, or run with -q."
            ) from error
