"""The accounting of a run: what became of each table's rows, why rows were rejected, and whether the sums add up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from etl.comparison.compare import TableComparison
from etl.comparison.findings import Findings
from etl.core.drift import Drift
from etl.core.name_map import NamePair
from etl.core.plan import Plan, TablePlan
from etl.core.redaction import shown
from etl.core.rejects import Fault, RejectedRow, StatedFault, TableFault
from etl.core.repairs import AlteredCell, Repair
from etl.core.report import (
    AlteredReport,
    DriftReport,
    ExpectationReport,
    RejectGroup,
    RewrittenReport,
    SchemaReport,
    SequenceReport,
    Status,
    TableReport,
    reject_groups,
)
from etl.core.row_counts import RowCounts
from etl.core.row_examples import RowExample
from etl.core.values import StorageValue
from etl.files.reject_files import REJECTS, WARNINGS, AlteredValue, RejectSink, rows_file
from etl.loading.rows import Loaded
from etl.loading.staging import Rewritten
from etl.planning.repairs import Allowed, unused_wishes
from etl.runs.parents import explain_orphan
from etl.source.database import Source
from etl.validation.results import ExpectationResult, expectation_rule

AlteredColumn = tuple[str, str, str]
"""Table, column, and the repair in words."""


@dataclass
class Accounting:
    """Grows while a run goes on; the report is made of it."""

    source: Source
    tables: list[TableReport] = field(default_factory=list)
    sequences: list[SequenceReport] = field(default_factory=list)
    drift: list[DriftReport] = field(default_factory=list)
    rejects: Counter[TableFault] = field(default_factory=Counter)
    examples: dict[TableFault, Sequence[RowExample]] = field(default_factory=dict)
    other_faults: Counter[TableFault] = field(default_factory=Counter)
    expectations: list[ExpectationReport] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    remarks: list[str] = field(default_factory=list)
    rewritten: list[RewrittenReport] = field(default_factory=list)
    allowed: Allowed = field(default_factory=Allowed)
    altered: Counter[AlteredColumn] = field(default_factory=Counter)  # by the load
    confirmed: Counter[AlteredColumn] = field(default_factory=Counter)  # by the comparison
    names: tuple[NamePair, ...] = ()
    plans: dict[str, TablePlan] = field(default_factory=dict)  # by the target's name

    def note_names(self, plan: Plan) -> None:
        """Keeps which name of the source belongs to which of the target."""
        self.names = plan.names
        self.plans = {table.target.name: table for table in plan.tables}

    schema: SchemaReport | None = None

    def note_drift(self, drift: tuple[Drift, ...]) -> None:
        """Keeps the differences of the two schemas."""
        self.drift = [DriftReport.of(item) for item in drift]

    def note_tables_left_out(self, plan: Plan) -> Iterator[TableReport]:
        """Keeps and gives the tables that only one side has."""
        reports = [TableReport(name, Status.MISSING_IN_SOURCE) for name in plan.missing_in_source]
        reports += [
            TableReport(item.name, Status.NOT_MIGRATED, source_rows=item.row_count) for item in plan.not_migrated
        ]
        reports += [TableReport(item.name, Status.LEFT_OUT, source_rows=item.row_count) for item in plan.left_out]
        for report in reports:
            self.tables.append(report)
            yield report

    def close_table(
        self,
        plan: TablePlan,
        loaded: Loaded,
        rejects: RejectSink,
        *,
        rows_before: int,
        rows_after: int | None,
        seconds: float,
    ) -> TableReport:
        """Writes down the rows that the target refused, sums up, and gives the table's report."""
        self._write_orphans(plan, loaded, rejects)
        self._write_refused(plan, loaded, rejects)
        altered = rejects.settle_altered()
        self.altered.update({(plan.name, *what): values for what, values in altered.values.items()})
        self.rejects.update({TableFault(plan.name, fault): rows for fault, rows in rejects.faults.items()})
        self.note_rewritten(plan, loaded.rewritten)
        self.examples |= {TableFault(plan.name, fault): rows for fault, rows in rejects.examples.items()}
        self.other_faults.update({TableFault(plan.name, fault): rows for fault, rows in rejects.others.items()})
        counts = RowCounts(
            loaded.loaded_rows, loaded.present.rows, loaded.present.different_rows, rejects.rejected_rows
        )
        report = TableReport(
            name=plan.name,
            status=Status.MIGRATED,
            source_rows=plan.source.row_count,
            loaded_rows=counts.loaded,
            present_rows=counts.present,
            present_different_rows=counts.present_different,
            rejected_rows=counts.rejected,
            unaccounted_rows=plan.source.row_count - counts.accounted,
            target_rows_before=rows_before,
            target_rows_after=rows_after,
            seconds=round(seconds, 3),
            target_name=plan.target_name,
            altered_rows=altered.rows if self.allowed.wishes else None,
        )
        self.tables.append(report)
        return report

    def note_rewritten(self, plan: TablePlan, rewritten: Iterable[Rewritten]) -> None:
        """Keeps which values the server spells otherwise."""
        self.rewritten += [RewrittenReport(plan.name, item.column, item.rows, _for_people(item)) for item in rewritten]

    def further_faults(self) -> tuple[RejectGroup, ...]:
        """What else is wrong with rejected rows, by fault, with the file that has them."""
        return _with_files(reject_groups(self.other_faults))

    def reject_groups(self) -> tuple[RejectGroup, ...]:
        """Rejected rows by fault, with a few of them and the file that has all."""
        return _with_files(reject_groups(self.rejects, self.examples))

    def note_expectations(self, results: Iterable[ExpectationResult], rejects: Mapping[str, RejectSink]) -> None:
        """Keeps what was expected of a table and how often it was not so, by the source's names."""
        for result in results:
            report = _by_source_names(expectation_report(result), self.plans)
            if report.unexpected_rows:
                report = replace(report, file=rows_file(REJECTS, report.table)) if report.critical else report
                # Loads by workers keep no rows of warnings.
                if warned := rejects[report.table].warned_examples.get(expectation_rule(result)):
                    report = replace(report, examples=tuple(warned), file=rows_file(WARNINGS, report.table))
            self.expectations.append(report)

    def altered_columns(self, *, loaded: bool, compared: bool) -> tuple[AlteredReport, ...]:
        """What repairs have altered, as the load counts it and as the comparison does."""
        return tuple(
            AlteredReport(*what, self.altered[what] if loaded else None, self.confirmed[what] if compared else None)
            for what in sorted({*self.altered, *self.confirmed})
        )

    def note_unused_repairs(self) -> None:
        """Keeps a remark for each repair that was allowed and matched nothing."""
        used = [((table, column), words) for table, column, words in {*self.altered, *self.confirmed}]
        self.remarks += unused_wishes(self.allowed, used, self.plans.values())

    def forget_rows(self) -> None:
        """The run failed and its transaction is undone: nothing was loaded, whatever was noted so far."""
        self.tables.clear()
        self.sequences.clear()
        self.altered.clear()
        self.confirmed.clear()

    def report_of(self, table: str) -> TableReport:
        """The report of a table that was moved."""
        return next(report for report in self.tables if report.name == table and report.status is Status.MIGRATED)

    def note_comparison(self, report: TableReport, comparison: TableComparison) -> None:
        """Puts the table's completed report in the place of the former one, and keeps what was found."""
        self.tables[self.tables.index(self.report_of(report.name))] = report
        self.note_findings(comparison)

    def note_findings(self, comparison: TableComparison) -> None:
        """Keeps what a comparison has found."""
        self.findings += Findings.of(comparison)
        self.confirmed.update(
            {(comparison.table, *what): values for what, values in comparison.repaired_values.items()}
        )

    def _write_orphans(self, plan: TablePlan, loaded: Loaded, rejects: RejectSink) -> None:
        """References that were made NULL, as the source has them."""
        columns = {orphan.row_number: (orphan.rowid, orphan.columns) for orphan in loaded.orphans}
        numbers = sorted(columns)
        for number, row in self.source.rows(plan.source, numbers, [columns[number][0] for number in numbers]):
            rowid, names = columns[number]
            key = {name: row[name] for name in plan.source_key}
            for name in names:
                if row[name] is not None:
                    cell = AlteredCell(number, name, row[name], None, str(Repair.ORPHAN_NULL))
                    rejects.keep_altered(AlteredValue(rowid, key, cell))

    def _write_refused(self, plan: TablePlan, loaded: Loaded, rejects: RejectSink) -> None:
        for page in loaded.refused_rows():
            originals = self.source.rows(plan.source, [r.row_number for r in page], [r.rowid for r in page])
            for refused, (_, row) in zip(page, originals, strict=True):
                fault, reason = self._stated(plan, refused.fault, refused.detail, row)
                others = tuple(self._stated(plan, other, other.words, row) for other in refused.others)
                rejects.reject(
                    RejectedRow(refused.row_number, refused.rowid, plan.source_key, fault, reason, row, others)
                )

    def _stated(self, plan: TablePlan, fault: Fault, detail: str, row: Mapping[str, StorageValue]) -> StatedFault:
        if fault.constraint is None:
            return StatedFault(fault, detail)
        return StatedFault(*explain_orphan(self.source, plan, self.plans, fault, row))


def _for_people(item: Rewritten) -> tuple[tuple[str, str], ...]:
    return tuple((shown(one, column=item.column), shown(other, column=item.column)) for one, other in item.examples)


def _by_source_names(report: ExpectationReport, plans: Mapping[str, TablePlan]) -> ExpectationReport:
    plan = plans[report.table]
    column = None if report.column is None else plan.source_of.get(report.column, report.column)
    return replace(report, table=plan.name, column=column)


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
        meaning=result.meaning,
        observed=result.observed,
    )


def _with_files(groups: Iterable[RejectGroup]) -> tuple[RejectGroup, ...]:
    return tuple(replace(group, file=rows_file(REJECTS, group.table)) for group in groups)
