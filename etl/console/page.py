"""What a load and a comparison print alike: heading, both ends, remarks on the plan, the summary and the verdict."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from etl.core.errors import OutputError
from etl.core.plan import Plan
from etl.core.redaction import printable
from etl.core.report import ReportData, SourceReport, Status, TableReport
from etl.core.text import counted
from etl.progress.terminal import TerminalProgress
from etl.reporting.verdict import Tone, verdict_of
from etl.runs.connect import Target

RULE = "=" * 60
WIDE = 160
ALTERED_SHOWN = 20
_STYLES = {Tone.GOOD: "bold green", Tone.NOTE: "bold bright_blue", Tone.CAUTION: "bold yellow", Tone.BAD: "bold red"}
_NOTE_STYLES = {Tone.NOTE: "bright_blue", Tone.CAUTION: "yellow", Tone.BAD: "red"}


def make_console(*, stderr: bool, no_color: bool) -> Console:
    """As wide as the terminal; files and pipes get room for whole tables."""
    console = Console(stderr=stderr, no_color=no_color or None, highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDE
    return console


def shown_name(table: TableReport) -> str:
    """The source's name, the target's beside it where it is another."""
    return printable(table.name if table.target_name is None else f"{table.name} → {table.target_name}")


def rows_match(table: TableReport) -> str:
    """`1 row matches`."""
    return f"{counted(table.matched_rows or 0, 'row')} {'matches' if table.matched_rows == 1 else 'match'}"


class Page(TerminalProgress):
    """Prints a run as it goes. `json_only` keeps stdout free for the report object, `quiet` prints the summary only."""

    heading: str
    skipped: str
    """What is said of the rows of a table that the target lacks."""

    def __init__(self, *, quiet: bool, verbose: bool, json_only: bool, no_color: bool) -> None:
        super().__init__(quiet=quiet, no_color=no_color)
        out = make_console(stderr=json_only, no_color=no_color)
        self.out = self.err if out.is_terminal and self.err.is_terminal else out  # they share the screen
        self.quiet = quiet
        self.verbose = verbose
        self.shows_names = verbose

    def line(self, text: str = "", style: str = "") -> None:
        """One line of the course of events; silent with -q. Raises `OutputError` where it cannot be written."""
        if self.quiet:
            return
        try:
            self.out.print(Text(text, style=style))
        except OSError as error:
            raise OutputError(
                f"What is printed here cannot be written ({error.strerror}). Send it elsewhere, or run with -q."
            ) from error

    def warn(self, text: str) -> None:
        """The same in yellow, with a sign before it."""
        self.line(f"⚠️  {text}", "yellow")

    # -- the course of events -----------------------------------------------------------------------------------

    def source_opened(self, source: SourceReport) -> None:
        """The heading, and which file is read."""
        self.line(RULE)
        self.line(self.heading, "bold")
        self.line(RULE)
        self.line(f"Source: {printable(source.path)} ({source.bytes:,} bytes, SQLite {source.sqlite_version})")

    def target_opened(self, target: Target) -> None:
        """Which server."""
        kind = "embedded PostgreSQL" if target.embedded else "PostgreSQL"
        self.line(f"Target: {printable(target.report.label)} ({kind} {target.server_version})")

    def planned(self, plan: Plan) -> None:
        """How names were paired that are not exactly equal, and what the plan warns of."""
        if plan.names:
            count = len(plan.names)
            more = ":" if self.shows_names else " (-v lists them)"
            self.line(f"Names paired that are not exactly equal: {count}{more}")
        for pair in plan.names if self.shows_names else ():
            self.line(f"  {printable(pair)}")
        for drift in plan.drift:
            if drift.warning:
                self.warn(printable(drift.warning))

    def table_finished(self, table: TableReport) -> None:
        """The table's line."""
        super().table_finished(table)
        name, rows = shown_name(table), counted(table.source_rows or 0, "row")
        if table.status is Status.MISSING_IN_SOURCE:
            self.warn(f"Table '{name}' not found in SQLite, skipping")
        elif table.status is Status.LEFT_OUT:
            self.warn(f"Table '{name}' left out, as the map says: {rows}")
        elif table.status is Status.NOT_MIGRATED:
            self.warn(f"Table '{name}' not found in PostgreSQL: {rows} {self.skipped}")
        else:
            mark, style = ("✓", "") if table.settled else ("✗", "red")
            self.line(f"  {mark} {name}: {self.outcome_of(table)}", style)

    def outcome_of(self, table: TableReport) -> str:
        """What became of the table's rows."""
        raise NotImplementedError

    # -- the end ------------------------------------------------------------------------------------------------

    def print_title(self, title: str) -> None:
        """The heading of the summary; also with -q."""
        self.out.print()
        self.out.print(Text(RULE))
        self.out.print(Text(title, style="bold"))
        self.out.print(Text(RULE))

    def print_numbers(self, numbers: Iterable[tuple[str, str]], report: ReportData) -> None:
        """One line a number, with those that every summary has; also with -q."""
        lines = [*numbers, ("Seconds", f"{report.seconds:.1f}"), ("Report", printable(report.folder))]
        width = max(len(name) for name, _ in lines) + 3
        for name, value in lines:
            self.out.print(Text(f"{name + ':':<{width}}{value}"))

    def print_altered(self, report: ReportData) -> None:
        """How many values of each column a repair has altered."""
        if not report.altered:
            return
        self.out.print(Text("Values altered by repairs:"))
        for item in report.altered[:ALTERED_SHOWN]:
            values = item.confirmed if item.values is None else item.values
            place = printable(f"{item.table}.{item.column}")
            self.out.print(Text(f"  {values or 0:>8,}  {place}: {printable(item.repair)}"))
        if len(report.altered) > ALTERED_SHOWN:
            self.out.print(Text(f"  … and {len(report.altered) - ALTERED_SHOWN} more in report.json"))
        if any(item.values for item in report.altered):
            self.out.print(Text(f"  Each value, as it was and as it is: {printable(report.folder)}/altered/"))
        self.out.print()

    def print_verdict(self, report: ReportData, lead: str | None = None) -> None:
        """The verdict in the words, with the sign and in the colour of the report, and what there is to note; also with
        -q. `lead` stands before it."""
        verdict = verdict_of(report)
        self.out.print()
        for words in (lead, verdict.sentence):
            if words is not None:
                self.out.print(Text(f"{verdict.tone.symbol} {printable(words)}", style=_STYLES[verdict.tone]))
        for note in verdict.notes:
            if note.tone is not Tone.GOOD:
                self.out.print(Text(f"  {note.tone.symbol} {printable(note.text)}", style=_NOTE_STYLES[note.tone]))
