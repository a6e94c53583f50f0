"""Is the source ready? Every table converted and validated as the load would do it, without a target or writing."""

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import orjson
import pandas as pd

from etl.conversion.convert import convert
from etl.core import defaults
from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.plan import ColumnPlan
from etl.core.rejects import Fault, RejectRule, RejectStage, TableFault
from etl.core.repairs import Wish
from etl.core.report import (
    AlteredReport,
    ExpectationReport,
    HelpfulRepair,
    RejectGroup,
    helpful_repairs,
    reject_groups,
)
from etl.core.source_tables import SourceTable
from etl.core.text import unknown_names
from etl.core.types import TargetType
from etl.planning.declared_types import columns_without_target
from etl.planning.map_check import check_map
from etl.planning.map_file import read_map
from etl.planning.repairs import check_repairs, columns_with_repairs
from etl.planning.time_units import check_units, with_units
from etl.planning.wishes import read_wishes
from etl.runs.accounting import expectation_report
from etl.runs.known import description_of
from etl.runs.settings import table_names
from etl.schema import unified as schema
from etl.source.batches import read_batches
from etl.source.database import Source
from etl.validation.results import ExpectationResult, Validated
from etl.validation.suites import Suite, load_suites
from etl.validation.validator import Validator

AWAITED = 4  # batches converted ahead of validation


@dataclass(frozen=True)
class Readiness:
    """What a load would reject or warn of, as far as the source alone can tell: no keys, no foreign keys."""

    path: str
    rows: dict[str, int]
    rejects: tuple[RejectGroup, ...]
    expectations: tuple[ExpectationReport, ...]
    altered: tuple[AlteredReport, ...] = ()
    helpful: tuple[HelpfulRepair, ...] = ()

    @property
    def failed(self) -> tuple[ExpectationReport, ...]:
        """Expectations that are not met."""
        return tuple(item for item in self.expectations if not item.success)

    @property
    def rejected_rows(self) -> int:
        """Rows that would be rejected."""
        return sum(group.rows for group in self.rejects)

    @property
    def exit_code(self) -> int:
        """3 where rows would be rejected or a critical expectation fails, else 0; warnings stop nobody."""
        critical = any(item.severity == "critical" for item in self.failed)
        return 3 if self.rejects or critical else 0

    def __str__(self) -> str:
        rows = f"{sum(self.rows.values()):,} rows of {len(self.rows)} tables"
        return f"{rows}: {self.rejected_rows:,} would be rejected; expectations not met: {len(self.failed)}"

    __repr__ = __str__

    def findings(self) -> Iterator[str]:
        """One line for each reason to reject rows and each expectation that is not met."""
        for group in self.rejects:
            yield f"{group.rows:,} rows of {group.table}.{group.column} [{group.stage}]: {group.reason}"
        for item in self.failed:
            place = f"{item.table}.{item.column}" if item.column else item.table
            yield f"{item.unexpected_rows:,} rows of {place} [{item.severity}]: {item.expectation}"
        for altered in self.altered:
            yield f"{altered.values:,} values of {altered.table}.{altered.column} would be altered: {altered.repair}"
        for helpful in self.helpful:
            others = f", {helpful.alone_rows:,} by itself" if helpful.alone_rows < helpful.rows else ""
            yield f"{helpful.option} would let {helpful.rows:,} rows of {helpful.table} in{others}"

    @property
    def repairs(self) -> pd.DataFrame:
        """What would let rejected rows in: table, column, repair, rows, alone_rows, and the option to be copied."""
        return pd.DataFrame(
            [asdict(item) for item in self.helpful], columns=[one.name for one in fields(HelpfulRepair)]
        )

    def to_json(self) -> bytes:
        """The whole result, indented UTF-8."""
        content = {
            "source": self.path,
            "exit_code": self.exit_code,
            "tables": [{"name": name, "rows": rows} for name, rows in self.rows.items()],
            "rejects": [asdict(group) for group in self.rejects],
            "expectations": [asdict(item) for item in self.expectations],
            "altered": [asdict(item) for item in self.altered],
            "helpful_repairs": [asdict(item) for item in self.helpful],
        }
        return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self.findings())
        return f"<p><b>{html.escape(str(self))}</b></p><ul>{lines}</ul>"


def check_source(
    source: str | Path,
    *,
    tables: str | Sequence[str] = (),
    expectations: str | Path | None = None,
    assume_timezone: str = defaults.TIMEZONE,
    mapping: str | Path | Mapping[str, object] | NameMap | None = None,
    repair: str | Wish | Sequence[str | Wish] = (),
) -> Readiness:
    """Says what a load would reject, as far as the source alone can tell.

    Every table is converted and validated as the load would do it, without a target and without writing.

    :param source: the SQLite file.
    :param tables: only these tables, or one table's name; empty: all.
    :param expectations: folder of expectation suites; None: those of the 20 tables.
    :param assume_timezone: the zone of times without one.
    :param mapping: a map, as for `migrate`: what it leaves out is not judged, suites are those of the target's names.
    :param repair: repairs of values, as for `migrate`: what they let in is not rejected, but counted as altered.
    :returns: rows by table, rejects by reason, the expectations, what repairs have `altered`, and in `repairs` a
        DataFrame of those that would let rejected rows in; `exit_code` is that of `python -m etl.validate`.
    :raises EtlError: `SourceError`, `SuiteError`, or `UsageError` for a table that the source lacks.

    Example::

        etl.check_source("app.db").exit_code
    """
    with Validator() as validator, Source(Path(source)) as opened:
        names = check_map(read_map(mapping), opened.tables)
        chosen = _chosen(opened, table_names(tables), names)
        known = description_of(opened.tables)
        said = check_units((), opened.tables, names)
        allowed = check_repairs(read_wishes(repair), opened.tables, names)
        targets = {table.name: names.tables.get(table.name) or table.name for table in chosen}
        columns = {
            table.name: columns_with_repairs(
                table.name,
                with_units(
                    opened,
                    table,
                    columns_without_target(table, known.types_of(targets[table.name]), names.columns_of(table.name)),
                    said,
                ),
                allowed,
            )
            for table in chosen
        }
        types = {targets[name]: {**known.types_of(targets[name]), **_types(plans)} for name, plans in columns.items()}
        folder = Path(expectations) if expectations else known.suites
        suites = load_suites(folder, types) if folder is not None else {}
        accepted = validator.use(suites)
        check = _Check(opened, validator, suites, columns, targets, assume_timezone)
        rejects: Counter[TableFault] = Counter()
        reports: list[ExpectationReport] = []
        for table in chosen:
            rejects.update(check.rejects(table))
            if targets[table.name] in suites:
                totals = validator.finish(targets[table.name], table.row_count).result()
                reports += [_by_source_names(item, table.name, columns[table.name]) for item in totals]
        accepted.result()
        opened.verify_unchanged()
    rows = {table.name: table.row_count for table in chosen}
    return Readiness(
        str(source),
        rows,
        reject_groups(rejects),
        tuple(reports),
        tuple(AlteredReport(*what, values) for what, values in sorted(check.altered.items())),
        helpful_repairs(rejects),
    )


@dataclass(frozen=True)
class _Check:
    source: Source
    validator: Validator
    suites: Mapping[str, Suite]
    columns: Mapping[str, Sequence[ColumnPlan]]
    targets: Mapping[str, str]  # source table → the name by which it is validated
    assume_timezone: str
    altered: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def rejects(self, table: SourceTable) -> Iterator[TableFault]:
        """The fault of each row that would be rejected."""
        waiting: list[Future[Validated]] = []
        for batch in read_batches(self.source, table, table.column_names):
            converted = convert(batch.frame, self.columns[table.name], assume_timezone=self.assume_timezone)
            yield from _faults(table.name, RejectStage.CONVERT, converted.rejected)
            self.altered.update((table.name, cell.column, cell.repair) for cell in converted.altered)
            if self.targets[table.name] in self.suites:
                waiting.append(self.validator.submit(self.targets[table.name], converted.frame))
            if len(waiting) > AWAITED:
                yield from self._unexpected(table, waiting.pop(0))
        for validated in waiting:
            yield from self._unexpected(table, validated)

    def _unexpected(self, table: SourceTable, validated: Future[Validated]) -> Iterator[TableFault]:
        rejected = validated.result().rejected
        sources = {column.target: column.source for column in self.columns[table.name]}
        rejected = rejected.assign(column=rejected["column"].map(sources), code=RejectRule.EXPECTATION)
        return _faults(table.name, RejectStage.VALIDATE, rejected)


def _faults(table: str, stage: RejectStage, rejected: pd.DataFrame) -> Iterator[TableFault]:
    repairs = rejected.get("repairs", [()] * len(rejected))
    for column, code, words, helpful in zip(
        rejected["column"], rejected["code"], rejected["rule"], repairs, strict=True
    ):
        yield TableFault(table, Fault(stage, code, column, words, repairs=helpful))


def _types(columns: Iterable[ColumnPlan]) -> dict[str, TargetType]:
    return {column.target: column.type for column in columns}


def _by_source_names(result: ExpectationResult, table: str, columns: Iterable[ColumnPlan]) -> ExpectationReport:
    sources = {column.target: column.source for column in columns}
    report = expectation_report(result)
    return replace(report, table=table, column=sources.get(report.column or "", report.column))


def _chosen(source: Source, names: Sequence[str], decided: NameMap) -> list[SourceTable]:
    unknown = [name for name in names if name not in source.tables]
    if unknown:
        raise UsageError(unknown_names("--tables: the source has no table", unknown, source.tables))
    usual = {name: place for place, name in enumerate(schema.TABLE_NAMES)}
    tables = [
        table for name, table in source.tables.items() if name not in decided.left_out and (not names or name in names)
    ]
    return sorted(tables, key=lambda table: (usual.get(table.name, len(usual)), table.name))
