"""The report as a run returns it: the data, with its two displays for a notebook."""

import pandas as pd

from etl.core.redaction import printable
from etl.core.report import ReportData
from etl.reporting.frames import ReportFrames, frames_of
from etl.reporting.verdict import verdict_of


class Report(ReportData):
    """Everything that a run has to say for itself; displays itself in Jupyter."""

    @property
    def frames(self) -> ReportFrames:
        """The report's lists as DataFrames; made anew on each call."""
        return frames_of(self)

    @property
    def repairs(self) -> pd.DataFrame:
        """What would have let rejected rows in: table, column, repair, rows, and the option to be copied."""
        return self.frames.repairs

    def __str__(self) -> str:
        """The outcome in words, for `print`: the verdict, what there is to note, and where the report lies."""
        verdict = verdict_of(self)
        lines = [f"{verdict.tone.symbol} {verdict.sentence}"]
        lines += [f"  {note.tone.symbol} {note.text}" for note in verdict.notes]
        lines += [self.error] if self.error else []
        lines += [f"  Report: {self.folder}"] if self.folder else []
        return "\n".join(printable(line) for text in lines for line in text.splitlines())

    def _repr_html_(self) -> str:
        from etl.reporting.html import render_display  # here, since a load need not wait for jinja2

        return render_display(self)
