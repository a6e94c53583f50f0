"""What a load of many files says: a line for each file, and the sums."""

from rich.text import Text

from etl.console.page import RULE, make_console
from etl.core.fleet_report import FileReport, FileStatus, FleetReportData
from etl.core.redaction import printable
from etl.core.text import counted
from etl.runs.connect import Target
from etl.scaling.fleet.load import FleetObserver


class ConsoleFleet(FleetObserver):
    """Prints the load of a fleet as it goes. `json_only` keeps stdout free for the report, `quiet` prints the end."""

    def __init__(self, *, quiet: bool, json_only: bool, no_color: bool) -> None:
        self._out = make_console(stderr=json_only, no_color=no_color)
        self._quiet = quiet
        self._files = 0

    def fleet_begun(self, target: Target, files: int, known: int) -> None:
        """The heading."""
        self._files = files - known
        kind = "embedded PostgreSQL" if target.embedded else "PostgreSQL"
        self._line(RULE)
        self._line("SQLite → PostgreSQL: a fleet of files", "bold")
        self._line(RULE)
        self._line(f"Target: {printable(target.name)} ({kind} {target.server_version})")
        there = f"; {known:,} of them are there, unchanged" if known else ""
        self._line(f"Source: {counted(files, 'file')}{there}")
        if target.psql:
            self._line(f"  To look inside: python -m etl.server, then {target.psql}")
        self._line()

    def workers_ready(self, text: str) -> None:
        """How many workers there are, and where to watch them."""
        self._line(f"✓ {printable(text)}", "green")

    def file_finished(self, report: FileReport, done: int) -> None:
        """The file's line."""
        mark, style = ("✓", "") if report.settled else ("✗", "red")
        self._line(f"  {mark} {done:,}/{self._files:,} {printable(report.path)} → {_outcome(report)}", style)

    def finished(self, report: FleetReportData) -> None:
        """The sums, and each file that needs somebody; also with -q."""

        def say(text: str) -> None:
            self._out.print(Text(text))

        say("")
        for file in report.files:
            if not file.settled and self._quiet:
                say(f"✗ {printable(file.path)}: {_outcome(file)}")
        mark = "✓" if not report.exit_code else "✗"
        self._out.print(Text(f"{mark} {report.title}", style="bold green" if not report.exit_code else "bold red"))
        rows = [
            sum(getattr(file, f"{name}_rows") for file in report.files) for name in ("loaded", "present", "rejected")
        ]
        say(f"  {rows[0]:,} rows loaded, {rows[1]:,} already present, {rows[2]:,} rejected")
        say(f"  Report: {printable(report.folder)}")

    def _line(self, text: str = "", style: str = "") -> None:
        if not self._quiet:
            self._out.print(Text(text, style=style))


def _outcome(report: FileReport) -> str:
    if report.status is FileStatus.FAILED:
        return f"{printable(report.place)}: failed: {printable(report.error or '')}"
    parts = [f"{report.loaded_rows:,} rows loaded"]
    parts += [f"{report.present_rows:,} already present"] if report.present_rows else []
    parts += [f"{report.rejected_rows:,} rejected"] if report.rejected_rows else []
    seen = ", see its report" if not report.settled else ""
    return f"{printable(report.place)}: {', '.join(parts)}{seen}"
