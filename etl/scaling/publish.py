"""Publication: the gathered rows of all tables moved into place, in the coordinator's one transaction.

An empty table of ours takes all of its rows by one INSERT, without its constraints meanwhile; any other is loaded from
the gathered rows as from a staging table, where each row is checked.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
import pandas as pd
from psycopg2 import sql

from etl.comparison.rewritten import classify_rewriting
from etl.core.errors import TargetError
from etl.core.plan import ColumnPlan, Plan, TablePlan
from etl.core.rejects import RejectedRow
from etl.core.report import PARTS_FILE, SequenceReport, TableReport
from etl.files.private_files import PrivateFolder
from etl.files.reject_files import RejectSink, TableRejects
from etl.loading.load import load_fast_from, load_stages
from etl.loading.rows import Loaded, NotFastError
from etl.loading.staging import ROW, ROWID, Staging, compose
from etl.runs.move import Mover, secret_columns
from etl.runs.observer import Observer
from etl.runs.pipeline import keep_dropped
from etl.scaling.ledger import Ledger, PartLine
from etl.source.batches import read_batches


@dataclass(frozen=True, kw_only=True)
class Publisher(Mover):
    """The rows' way from the loading schema into the target. What the workers have found is added up on the way."""

    ledger: Ledger
    done: Mapping[str, Sequence[PartLine]]
    expected: Mapping[str, Sequence[ColumnPlan]]

    def move_all(self, plan: Plan) -> None:
        """Moves every group of the plan in its order; then the loading schema is gone."""
        if {table.name: table.columns for table in plan.tables} != self.expected:
            raise TargetError("The target's tables were changed while the parts were loaded. Nothing was committed.")
        for table in plan.tables:
            self._name_columns(table)
        with contextlib.ExitStack() as ends:
            rejects = {
                table.name: ends.enter_context(
                    TableRejects(self.record.folder, self.record.run_id, table.name, hidden=secret_columns(table))
                )
                for table in plan.tables
            }
            for table in plan.tables:
                self._tell_rejects(table, rejects[table.name])
                self._add_results(table)
            self.move_groups(plan, rejects, self._load_gathered)
        self._write_parts()
        self.ledger.drop(self.session)

    def _write_parts(self) -> None:
        """A line for each part, with the seconds that it took, for whoever wants to know what a load spends them on."""
        with PrivateFolder(self.record.folder).open(PARTS_FILE) as file:
            for table, lines in self.done.items():
                for line in lines:
                    told = {"table": table, "part": line.part, "rows": line.rows, "rejected": line.rejected}
                    file.write(orjson.dumps({**told, "seconds": line.seconds}, option=orjson.OPT_APPEND_NEWLINE))

    def _name_columns(self, plan: TablePlan) -> None:
        """The names of the two columns in front are another process's, where a run was resumed."""
        for old, new in ((self.ledger.row, ROW), (self.ledger.rowid, ROWID)):
            if old != new:
                rename = "ALTER TABLE {} RENAME COLUMN {} TO {}"
                table = self.ledger.rows_of(plan.name)
                self.session.run(compose(rename, table, sql.Identifier(old), sql.Identifier(new)))

    def _load_gathered(self, group: Sequence[TablePlan]) -> list[Loaded]:
        for plan in group:
            self.observer.table_progressed(plan, plan.source.row_count)
        if self.is_fast(group):
            with contextlib.suppress(NotFastError):
                return [load_fast_from(self.session, group[0], self.ledger.rows_of(group[0].name))]
        stages = [Staging(self.session, plan, filled=self.ledger.rows_of(plan.name)) for plan in group]
        return load_stages(self.session, stages, classify_rewriting)

    def _add_results(self, plan: TablePlan) -> None:
        """What the workers' validation has found in each part of the table."""
        if self.validator is None:
            return
        for part in self.done[plan.name]:
            self.validator.add(plan.target.name, part.results)

    def _tell_rejects(self, plan: TablePlan, rejects: RejectSink) -> None:
        """Writes down what the workers have rejected, with the rows as the source holds them."""
        numbers: list[int] = []
        for page in self.ledger.rejected(self.session, plan.name):
            originals = self.source.rows(plan.source, [r.row_number for r in page], [r.rowid for r in page])
            for found, (_, row) in zip(page, originals, strict=True):
                place, (fault, reason) = (found.row_number, found.rowid, plan.source_key), found.stated
                rejects.reject(RejectedRow(*place, fault, reason, row, found.others))
            if plan.dropped:
                numbers += [found.row_number for found in page]
        if plan.dropped:
            columns = list(dict.fromkeys([*plan.source_key, *plan.dropped]))
            for batch in read_batches(self.source, plan.source, columns, batch_rows=self.settings.batch_rows):
                keep_dropped(rejects, batch, plan, batch.frame.index.difference(pd.Index(numbers)))


class PublishingObserver(Observer):
    """Passes on what happens in the publication; the plan was told of before."""

    def __init__(self, heard: Observer) -> None:
        self._heard = heard

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        self._heard.table_progressed(plan, rows)

    def table_finished(self, table: TableReport) -> None:
        self._heard.table_finished(table)

    def sequences_reset(self, sequences: Sequence[SequenceReport]) -> None:
        self._heard.sequences_reset(sequences)

    def table_compared(self, table: TableReport) -> None:
        self._heard.table_compared(table)

    def confirmation_lost(self, transaction: int) -> None:
        self._heard.confirmation_lost(transaction)
