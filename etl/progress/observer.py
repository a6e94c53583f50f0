"""The events of a run as a bar."""

from collections import Counter

from etl.core.plan import TablePlan
from etl.core.report import TableReport
from etl.core.text import counted
from etl.progress.bar import ActivityBar
from etl.runs.observer import Observer, Stage

_DONE = {Stage.LOAD: "read", Stage.FORECAST: "read", Stage.COMPARE: "compared", Stage.CHECK: "checked"}


class ProgressObserver(Observer):
    """Keeps a bar up to date."""

    def __init__(self, bar: ActivityBar) -> None:
        self.bar = bar
        self._stage = Stage.CONNECT
        self._rows: Counter[tuple[Stage, str]] = Counter()

    def stage_begun(self, stage: Stage) -> None:
        """The stage by its name."""
        self._stage = stage
        self.bar.begin(stage)

    def table_restarted(self, plan: TablePlan) -> None:
        """The table, from its beginning."""
        self.table_advanced(plan.name, 0, plan.source.row_count)

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        """Moves the bar."""
        self.table_advanced(plan.name, rows, plan.source.row_count)

    def table_advanced(self, table: str, rows: int, of: int) -> None:
        """Moves the bar."""
        self._rows[self._stage, table] = rows
        self.bar.count(f"{self._stage} {table}", rows, of)

    def table_finished(self, _: TableReport) -> None:
        """What comes next is not known yet."""
        self.bar.begin(self._stage)

    def table_compared(self, _: TableReport) -> None:
        """What comes next is not known yet."""
        self.bar.begin(self._stage)

    def summary(self) -> str:
        """`820 rows read, 820 rows compared`; where no row was counted, what was done."""
        done: Counter[str] = Counter()
        for (stage, _), rows in self._rows.items():
            done[_DONE[stage]] += rows
        return ", ".join(f"{counted(rows, 'row')} {verb}" for verb, rows in done.items()) or self._stage
