"""One table of a sync: what was found, what was written, and the accounting of both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from psycopg2 import sql

from etl.comparison.compare import TableComparison
from etl.comparison.findings import Findings
from etl.comparison.found_rows import FoundRows
from etl.core.difference_kinds import DifferenceKind
from etl.core.plan import TablePlan
from etl.core.report import Status, TableReport
from etl.files.reject_files import TableRejects
from etl.loading.amend import Amended, Amendment
from etl.loading.insert import updated_columns
from etl.loading.staging import ROW, Staging, compose
from etl.loading.surplus import Surplus
from etl.runs.changed_rows import ChangedRows
from etl.runs.parents import explain_orphan
from etl.runs.settings import SyncSettings
from etl.source.database import Source
from etl.target.session import Session
from etl.validation.validator import Validator


def found_rows(plan: TablePlan, *, delete: bool, on_first: Callable[[], None]) -> FoundRows:
    """What is to hear of the rows that differ; those of the target alone matter where they may be deleted."""
    writable = frozenset(column.source for column in updated_columns(plan))
    return FoundRows(writable, extra=delete, on_first=on_first)


@dataclass
class SyncTable:
    """Grows while the sync goes on. `amended`: what is to be written, then what was."""

    plan: TablePlan
    found: FoundRows
    comparison: TableComparison
    rejects: TableRejects
    seconds: float
    amended: Amended = field(default_factory=Amended)
    kept_newer: int = 0
    _amendment: Amendment | None = None
    _changed: ChangedRows | None = None

    @property
    def oid(self) -> int:
        """The target's table."""
        return self.plan.target.oid

    @property
    def rows_to_write(self) -> int:
        """Rows of the source that the target lacks or has otherwise."""
        return len(self.found.missing) + len(self.found.different)

    @property
    def differs(self) -> bool:
        """Whether anything is to be written or deleted."""
        return bool(self.rows_to_write or (self.found.wants_extra and self.found.extra_rows))

    @property
    def staged(self) -> bool:
        """Whether its rows were brought into temporary tables."""
        return self._amendment is not None

    @property
    def amendment(self) -> Amendment:
        """What is to become of it, once it is `staged`."""
        if self._amendment is None:
            raise ValueError(f"{self.plan.name} is not staged")
        return self._amendment

    @property
    def surplus(self) -> Surplus | None:
        """Rows of the target alone, so far as they may be deleted."""
        return None if self._amendment is None else self._amendment.surplus

    def stage_rows(self, source: Source, session: Session, validator: Validator | None, settings: SyncSettings) -> None:
        """Reads, converts and validates the rows that are to be written, and finds those that are to go."""
        missing, different = self.found.missing, self.found.different
        stage = Staging(session, self.plan)
        updates = sql.Identifier(f"etl_updates_{self.oid}")
        stage.run("CREATE TEMP TABLE {} (row bigint PRIMARY KEY) ON COMMIT DROP", updates)
        stage.run("INSERT INTO {} SELECT unnest({}::bigint[])", updates, sql.Literal(different.tolist()))
        stage.run("ANALYZE {}", updates)
        self._changed = ChangedRows(
            source, self.plan, np.union1d(missing, different), self.rejects, settings.assume_timezone
        )
        if self.rows_to_write:
            for batch in self._changed.accepted(validator, settings.batch_rows):
                stage.add(batch.frame, batch.rowids)
        surplus = None
        if self.found.wants_extra and self.found.extra_rows:
            surplus = Surplus(session, self.plan, sql.Identifier(f"etl_extra_{self.oid}"))
            self.found.find_extra(session, surplus.places)
            surplus.begin()
        self._amendment = Amendment(stage, updates, surplus)

    def reject_refused(self, source: Source, plans: Mapping[str, TablePlan]) -> None:
        """Writes down the rows that the target refused, with their reasons."""
        if self._amendment is None or self._changed is None:
            return
        for page in self._amendment.stage.read_refused():
            rows = self._changed.originals([row.row_number for row in page])
            for refused in page:
                fault, reason, row = refused.fault, refused.detail, rows[refused.row_number]
                if fault.constraint is not None:
                    fault, reason = explain_orphan(source, self.plan, plans, fault, row)
                self._changed.reject(refused.row_number, fault, reason, row)

    def written_rows(self) -> npt.NDArray[np.int64]:
        """Rowids (row numbers where the table has none) of the rows that were written, sorted."""
        if self._amendment is None:
            return np.empty(0, np.int64)
        rows = self._amendment.stage.session.rows(
            compose("SELECT w.row FROM {} w WHERE {} ORDER BY 1", self._amendment.written, self._not_refused())
        )
        return np.array([row for (row,) in rows], np.int64)

    def is_written(self) -> sql.Composable:
        """Whether a row of the target has the key of one that was written."""
        keys = [sql.Identifier(f"key{place}") for place in range(len(self.plan.key))]
        return compose(
            "({}) IN (SELECT {} FROM {} w WHERE {})",
            sql.SQL(", ").join(sql.Identifier(column.target) for column in self.plan.key),
            sql.SQL(", ").join(keys),
            self.amendment.written,
            self._not_refused(),
        )

    def _not_refused(self) -> sql.Composable:
        return compose(
            "NOT EXISTS (SELECT FROM {} r WHERE r.of = {} AND r.{} = w.row)",
            self.amendment.stage.refused_rows,
            sql.Literal(self.oid),
            sql.Identifier(ROW),
        )

    def report(self, proof: "Proof") -> TableReport:
        """The table's accounting."""
        matched, amended, rejected = self.comparison.matched_rows, self.amended, self.rejects.rejected_rows
        kept = self.found.kept_rows + self.kept_newer
        accounted = matched + amended.inserted + amended.updated + kept + rejected
        return TableReport(
            name=self.plan.name,
            status=Status.MIGRATED,
            source_rows=self.plan.source.row_count,
            rejected_rows=rejected,
            unaccounted_rows=self.plan.source.row_count - accounted,
            target_rows_before=self.comparison.target_rows,
            target_rows_after=proof.target_rows,
            matched_rows=matched,
            different_rows=proof.different,
            missing_rows=proof.missing,
            extra_rows=proof.extra,
            seconds=round(self.seconds, 3),
            target_name=self.plan.target_name,
            inserted_rows=amended.inserted,
            updated_rows=amended.updated,
            kept_rows=kept,
            overruled_rows=proof.altered,
            deleted_rows=amended.deleted,
        )


@dataclass(frozen=True)
class Proof:
    """How a table stands after the sync (in a dry run: would stand). `altered`: rows that were written and are
    otherwise all the same, by a trigger say; they are among the `different` ones."""

    target_rows: int | None
    different: int
    altered: int
    missing: int
    extra: int
    findings: Findings
    in_part: bool = False
    found_left: bool = False  # what was found is what is left; `in_part`: of rows that only the target has

    @classmethod
    def as_found(cls, table: SyncTable) -> Self:
        """Without another comparison: nothing was written, or nothing is to be."""
        untouched = not table.amended.any
        return cls(
            target_rows=table.comparison.target_rows if untouched else None,
            different=_left(table),
            altered=0,
            missing=0,
            extra=table.comparison.extra_rows - table.amended.deleted,
            findings=Findings.of(table.comparison),
            found_left=True,
        )

    @classmethod
    def of(cls, table: SyncTable, comparison: TableComparison, target_rows: int, *, in_part: bool) -> Self:
        """After the rows that were written, or all, were compared again."""
        findings = Findings.of(comparison)
        found_left = False
        if in_part:
            altered = comparison.different_rows
            different = _left(table) + altered
            extra = table.comparison.extra_rows - table.amended.deleted
            found_left = bool(extra) and not table.amended.deleted
            findings += _about_extra(table) if found_left else Findings()
        else:
            different, extra = comparison.different_rows, comparison.extra_rows
            expected = table.comparison.matched_rows + table.amended.inserted + table.amended.updated
            altered = max(0, expected - comparison.matched_rows)
        return cls(target_rows, different, altered, comparison.missing_rows, extra, findings, in_part, found_left)


def _left(table: SyncTable) -> int:
    """Rows that differed and do so still: left as they are, or rejected."""
    return table.found.kept_rows + len(table.found.different) - table.amended.updated


def _about_extra(table: SyncTable) -> Findings:
    """Rows of the target alone, as they were found: none of them went."""
    found = Findings.of(table.comparison)
    return replace(
        found,
        differences=tuple(item for item in found.differences if item["kind"] == DifferenceKind.EXTRA),
        kinds=tuple(total for total in found.kinds if total.kind == DifferenceKind.EXTRA),
    )
