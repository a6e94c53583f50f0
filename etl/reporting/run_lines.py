"""The lines of the index of runs: what each did, and how it ended."""

from dataclasses import dataclass

from etl.core.report import HTML_FILE, Outcome, ReportData
from etl.reporting.verdict import Sums, Verdict, sums_of, verdict_of


@dataclass(frozen=True)
class Run:
    """A line of the index. `report` is None where a run has left none that can be read; `trouble` says why."""

    folder: str
    report: ReportData | None
    trouble: str = ""

    @property
    def link(self) -> str:
        """The run's page, seen from the index."""
        return f"{self.folder}/{HTML_FILE}"

    @property
    def kind(self) -> str:
        """What the run did."""
        if self.report is None:
            return ""
        if self.report.outcome is Outcome.DRY_RUN:
            return "dry run"
        return "comparison" if self.report.compares_only else "load"

    @property
    def verdict(self) -> Verdict | None:
        """Its outcome in words."""
        return None if self.report is None else verdict_of(self.report)

    @property
    def sums(self) -> Sums | None:
        """Its totals."""
        return None if self.report is None else sums_of(self.report)
