"""The events of a run: the console is one observer, a notebook or a test another."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from etl.core.plan import Plan, TablePlan
from etl.core.report import SequenceReport, SourceReport, TableReport
from etl.runs.connect import Target


class Stage(StrEnum):
    """What is being done, as it is said to people."""

    CONNECT = "Connecting to PostgreSQL"
    LOOK = "Looking at every value"
    READ = "Reading the table"
    PLAN = "Planning"
    LOAD = "Loading"
    FORECAST = "Forecasting"
    AWAIT_VALIDATION = "Waiting for the validation"
    CONSTRAINTS = "Making keys, checks and views"
    SEQUENCES = "Resetting sequences"
    COMPARE = "Comparing"
    CHECK = "Checking"
    VERIFY_SOURCE = "Looking whether the source has changed"
    COMMIT = "Committing"
    REPORT = "Writing the report"


class Observer:
    """The events of a run, in their order, called from the thread that does the work. This one keeps silent."""

    def stage_begun(self, stage: Stage) -> None:
        """From here on this is being done; what takes long says how far it is by other events."""

    def source_opened(self, source: SourceReport) -> None:
        """The SQLite file can be read."""

    def target_opened(self, target: Target) -> None:
        """PostgreSQL answers."""

    def tables_created(self, names: Sequence[str]) -> None:
        """The schema was completed by these tables."""

    def planned(self, plan: Plan) -> None:
        """It is decided which table goes where."""

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        """So many more rows of the table were handed to the target."""

    def table_restarted(self, plan: TablePlan) -> None:
        """The table is read again from its beginning, row by row where need be."""

    def table_advanced(self, table: str, rows: int, of: int) -> None:
        """So many of a table's source rows are compared, or checked; 0 at its beginning."""

    def table_finished(self, table: TableReport) -> None:
        """The outcome of every row of the table is known."""

    def sequences_reset(self, sequences: Sequence[SequenceReport]) -> None:
        """All sequences stand past the largest ids."""

    def table_compared(self, table: TableReport) -> None:
        """After the load: every value of the table was compared with the source."""

    def remarked(self, text: str) -> None:
        """Something that the user ought to know at once; it stands in the report as well."""

    def workers_ready(self, text: str) -> None:
        """A load by several workers begins: how many, with how much memory, and where to watch them."""

    def confirmation_lost(self, transaction: int) -> None:
        """The connection broke during COMMIT; the server is being asked what became of the transaction."""


def progress_of(observer: Observer, plan: TablePlan) -> Callable[[int], None]:
    """Tells the observer how many rows of the table are through."""
    return lambda rows: observer.table_advanced(plan.name, rows, plan.source.row_count)
