"""The books of a run: what became of each table's rows, why rows were rejected, and whether the sums add up."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from etl.comparison.compare import TableComparison
from etl.comparison.findings import Findings
from etl.core.drift import Drift
from etl.core.plan import Plan, TablePlan
from etl.core.redaction import shown
from etl.core.report import (
    DriftReport,
    ExpectationReport,
    RejectGroup,
    RewrittenReport,
    SequenceReport,
    Status,
    TableReport,
)
from etl.core.tables import ForeignKey
from etl.core.values import StorageValue
from etl.files.reject_files import Reason, TableRejects
from etl.loading.row_checks import orphan_rule
from etl.loading.rows import Loaded
from etl.loading.staging import RefusedRow, Rewritten
from etl.source.database import Source
from etl.validation.results import ExpectationResult


@dataclass
class Accounting:
    """Grows while a run goes on; the report is made of it."""

    source: Source
    tables: list[TableReport] = field(default_factory=list)
    sequences: list[SequenceReport] = field(default_factory=list)
    drift: list[DriftReport] = field(default_factory=list)
    reasons: Counter[Reason] = field(default_factory=Counter)
    expectations: list[ExpectationReport] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    remarks: list[str] = field(default_factory=list)
    rewritten: list[RewrittenReport] = field(default_factory=list)

    def note_drift(self, drift: tuple[Drift, ...]) -> None:
        """Keeps the differences of the two schemas."""
        self.drift = [DriftReport.of(item) for item in drift]

    def note_tables_left_out(self, plan: Plan) -> Iterator[TableReport]:
        """Keeps and gives the tables that only one side has."""
        reports = [TableReport(name, Status.MISSING_IN_SOURCE) for name in plan.missing_in_source]
        reports += [
            TableReport(item.name, Status.NOT_MIGRATED, source_rows=item.row_count) for item in plan.not_migrated
        ]
        for report in reports:
            self.tables.append(report)
            yield report

    def close_table(
        self,
        plan: TablePlan,
        loaded: Loaded,
        rejects: TableRejects,
        *,
        rows_before: int,
        rows_after: int | None,
        seconds: float,
    ) -> TableReport:
        """Writes down the rows that the target refused, sums up, and gives the table's report."""
        self._write_refused(plan, loaded, rejects)
        self.reasons += rejects.reasons
        self.rewritten += [
            RewrittenReport(plan.name, item.column, item.rows, _for_people(item)) for item in loaded.rewritten
        ]
        accounted = loaded.loaded_rows + loaded.present.rows + rejects.rejected_rows
        report = TableReport(
            name=plan.name,
            status=Status.MIGRATED,
            source_rows=plan.source.row_count,
            loaded_rows=loaded.loaded_rows,
            present_rows=loaded.present.rows,
            present_different_rows=loaded.present.different_rows,
            rejected_rows=rejects.rejected_rows,
            unaccounted_rows=plan.source.row_count - accounted,
            target_rows_before=rows_before,
            target_rows_after=rows_after,
            seconds=round(seconds, 3),
        )
        self.tables.append(report)
        return report

    def note_expectations(self, results: Iterable[ExpectationResult]) -> None:
        """Keeps what was expected of a table and how often it was not so."""
        self.expectations += map(expectation_report, results)

    def forget_rows(self) -> None:
        """The run failed and its transaction is undone: nothing was loaded, whatever the books say so far."""
        self.tables.clear()
        self.sequences.clear()

    def report_of(self, table: str) -> TableReport:
        """The books of a table that was moved."""
        return next(report for report in self.tables if report.name == table and report.status is Status.MIGRATED)

    def note_comparison(self, report: TableReport, comparison: TableComparison) -> None:
        """Puts the table's completed report in the place of the former one, and keeps what was found."""
        self.tables[self.tables.index(self.report_of(report.name))] = report
        self.findings.note(comparison)

    def reject_groups(self) -> tuple[RejectGroup, ...]:
        """Rejected rows by table, stage, column and fault, the most frequent first."""
        return tuple(
            RejectGroup(reason.table, reason.stage, reason.column, reason.rule, rows)
            for reason, rows in self.reasons.most_common()
        )

    def _write_refused(self, plan: TablePlan, loaded: Loaded, rejects: TableRejects) -> None:
        orphans = {orphan_rule(key): key for key in plan.target.foreign_keys}
        for page in loaded.refused_rows():
            originals = self.source.rows(plan.source, [f.row_number for f in page], [f.rowid for f in page])
            for fate, (_, row) in zip(page, originals, strict=True):
                rule, reason = fate.rule, fate.detail
                if fate.rule in orphans:
                    rule, reason = self._about_parent(plan, orphans[fate.rule], row)
                self._reject(plan, rejects, fate, rule, reason, row)

    @staticmethod
    def _reject(
        plan: TablePlan, rejects: TableRejects, fate: RefusedRow, rule: str, reason: str, row: dict[str, StorageValue]
    ) -> None:
        rejects.reject(
            row_number=fate.row_number,
            rowid=fate.rowid,
            key=[column.source for column in plan.key],
            stage=fate.stage,
            column=fate.column,
            rule=rule,
            reason=reason,
            row=row,
        )

    def _about_parent(self, plan: TablePlan, key: ForeignKey, row: dict[str, StorageValue]) -> tuple[str, str]:
        """Whether an orphan's parent was rejected or never was; its row in the source tells.

        Parents are named by the source's columns of the same names, matched without regard to case.
        """
        source_of = {column.target: column.source for column in plan.columns}
        values = [row[source_of[name]] for name in key.columns]
        named = ", ".join(f"{name} = {value!r}" for name, value in zip(key.parent_columns, values, strict=True))
        if self._source_has(key, values) and not self._source_has(key, values, exactly=True):
            rule = f"foreign key {key.name}: {key.parent} has its parent in another spelling only"
            return rule, (
                f"foreign key {key.name}: {key.parent} has no row with {named} exactly; SQLite's collation takes "
                "another spelling for the same, PostgreSQL does not: spell both alike"
            )
        if self._source_has(key, values):
            rule = f"foreign key {key.name}: its parent in {key.parent} was rejected"
            return rule, f"foreign key {key.name}: its parent in {key.parent} ({named}) was rejected"
        rule = f"foreign key {key.name}: {key.parent} has no such row"
        return rule, f"foreign key {key.name}: {key.parent} has no row with {named}, neither here nor in the target"

    def _source_has(self, key: ForeignKey, values: list[StorageValue], *, exactly: bool = False) -> bool:
        parent = next((table for name, table in self.source.tables.items() if name.lower() == key.parent.lower()), None)
        if parent is None:
            return False
        columns = {name.lower(): name for name in parent.column_names}
        names = [columns.get(name.lower()) for name in key.parent_columns]
        known = {name: value for name, value in zip(names, values, strict=True) if name is not None}
        return len(known) == len(values) and self.source.has_row(parent.name, known, exactly=exactly)


def _for_people(item: Rewritten) -> tuple[tuple[str, str], ...]:
    return tuple((shown(one, column=item.column), shown(other, column=item.column)) for one, other in item.examples)


def expectation_report(result: ExpectationResult) -> ExpectationReport:
    """The result of an expectation as the report keeps it: without sample rows."""
    return ExpectationReport(
        table=result.table,
        expectation=result.expectation,
        column=result.column,
        severity=result.severity,
        unexpected_rows=result.unexpected_rows,
        judged_rows=result.judged_rows,
        success=result.success,
        notes=result.notes,
    )
