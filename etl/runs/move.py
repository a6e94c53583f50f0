"""Moves the rows of all tables, group by group: the way that fits each, and the accounting of what became of them."""

import contextlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from psycopg2 import sql

from etl.comparison.rewritten import classify_rewriting
from etl.core.plan import Plan, TablePlan
from etl.core.redaction import is_secret
from etl.files.reject_files import RejectSink, TableRejects
from etl.loading.load import can_be_fast, forecast, load_fast, load_staged
from etl.loading.rows import Accepted, Loaded, NotFastError, Retracted
from etl.loading.staging import Staged
from etl.runs.observer import Observer, Stage
from etl.runs.parents import without_parent_in_source
from etl.runs.pipeline import Pipeline
from etl.runs.record import RunRecord
from etl.runs.settings import Settings
from etl.source.database import Source
from etl.target.constraints import identifier, rows_of_share
from etl.target.session import Session
from etl.validation.results import Totals
from etl.validation.validator import Validator

LoadGroup = Callable[[Sequence[TablePlan]], list[Loaded]]
"""Loads one table, or several that refer to each other in a circle."""


@dataclass(frozen=True, kw_only=True)
class Mover:
    """The rows' way from the source into the target, inside the transaction of a run."""

    settings: Settings
    observer: Observer
    source: Source
    session: Session
    validator: Validator | None
    record: RunRecord
    _staged: Staged = field(default_factory=dict)

    def move_all(self, plan: Plan) -> None:
        """Moves every group of the plan in its order, and keeps what validation says of each table."""
        with contextlib.ExitStack() as ends:
            rejects = {
                table.name: ends.enter_context(
                    TableRejects(self.record.folder, self.record.run_id, table.name, hidden=secret_columns(table))
                )
                for table in plan.tables
            }
            pipeline = ends.enter_context(
                Pipeline(
                    self.source,
                    rejects,
                    self.validator,
                    assume_timezone=self.settings.assume_timezone,
                    batch_rows=self.settings.batch_rows,
                )
            )
            pipeline.expect((table, self.is_fast(group)) for group in plan.groups for table in group)
            self.move_groups(plan, rejects, lambda group: self._load(group, pipeline))

    def move_groups(self, plan: Plan, rejects: Mapping[str, RejectSink], load: LoadGroup) -> None:
        """Moves every group by `load`, and keeps what validation says of each table."""
        # Before the first row moves: afterwards, rows that triggers wrote would count as there before.
        before = {table.name: self._count(table) for table in plan.tables}
        totals = [total for group in plan.groups for total in self._move(group, rejects, load, before)]
        self.observer.stage_begun(Stage.AWAIT_VALIDATION)
        for total in totals:
            self.record.accounting.note_expectations(total.result(), rejects)

    def _move(
        self, group: Sequence[TablePlan], rejects: Mapping[str, RejectSink], load: LoadGroup, before: Mapping[str, int]
    ) -> list[Future[Totals]]:
        """Loads one table, or one circle of tables, and closes its accounting; validation sums up meanwhile."""
        started = time.monotonic()
        for plan, loaded in zip(group, load(group), strict=True):
            report = self.record.accounting.close_table(
                plan,
                loaded,
                rejects[plan.name],
                rows_before=before[plan.name],
                rows_after=None if self.settings.dry_run else self._count(plan),
                seconds=time.monotonic() - started,
            )
            rejects[plan.name].close()
            self.observer.table_finished(report)
        if self.validator is None:
            return []
        return [self.validator.finish(plan.target.name, plan.source.row_count) for plan in group]

    def _load(self, group: Sequence[TablePlan], pipeline: Pipeline) -> list[Loaded]:
        """The way that fits: a forecast, COPY into the empty table, or a staging table."""

        def progress(plan: TablePlan) -> Callable[[int], None]:
            self.observer.table_restarted(plan)
            return lambda rows: self.observer.table_progressed(plan, rows)

        def batches(plan: TablePlan) -> Generator[Accepted | Retracted]:
            return pipeline.accepted(plan, progress(plan))

        fatherless = partial(without_parent_in_source, self.source, self.record.accounting.plans)
        if self.settings.dry_run:
            return forecast(self.session, group, batches, self._staged, classify_rewriting, fatherless)
        if self.is_fast(group):
            plan = group[0]
            with contextlib.suppress(NotFastError):
                rows = pipeline.optimistically(plan, progress(plan))
                return [load_fast(self.session, plan, rows, pipeline.await_validation)]
        return load_staged(self.session, group, batches, classify_rewriting, fatherless)

    def is_fast(self, group: Sequence[TablePlan]) -> bool:
        """Whether the fast way is open, so far as the tables themselves tell."""
        allowed = len(group) == 1 and not self.settings.keep_constraints and not self.settings.dry_run
        return allowed and can_be_fast(self.session, group[0].target)

    def _count(self, plan: TablePlan) -> int:
        query = sql.SQL("SELECT count(*) FROM {}{}").format(identifier(plan.target), rows_of_share(plan))
        return int(self.session.value(query))


def secret_columns(plan: TablePlan) -> frozenset[str]:
    """The source's columns whose values are nobody's to read, be it the target's name that says so."""
    return frozenset(column.source for column in plan.columns if is_secret(column.masked_as))
