"""Is the source ready? The forecast of a load, row by row, into the target that is named or an empty one of its own."""

import contextlib
import html
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson
import pandas as pd

from etl.core.display import as_written
from etl.core.errors import DriftError, UsageError
from etl.core.proposal import Choice, ObjectKind
from etl.core.redaction import with_controls_escaped
from etl.core.rejects import RejectStage
from etl.core.report import (
    AlteredReport,
    DriftReport,
    ExpectationReport,
    HelpfulRepair,
    RejectGroup,
    Status,
    TableReport,
)
from etl.core.text import counted, unknown_names
from etl.profiling.tables import references_of
from etl.reporting.report import Report
from etl.reporting.verdict import sums_of
from etl.runs.connect import scratch_target
from etl.runs.load import run_migration
from etl.runs.observer import Observer
from etl.runs.settings import Settings
from etl.runs.startup import Startup
from etl.schema.unified import TABLE_NAMES
from etl.source.database import Source

CHOICES_SHOWN = 30


@dataclass(frozen=True)
class Readiness:
    """What a load would do: `report` is that of its forecast. Without a folder of its own, its files are gone."""

    report: Report

    @property
    def path(self) -> str:
        """The source."""
        return self.report.source.path

    @property
    def folder(self) -> Path | None:
        """Where the report is, with each rejected row; None where none was asked for."""
        return self.report.folder

    @property
    def rows(self) -> dict[str, int]:
        """The source's rows by table: those of the 20 known tables in their usual order, then the others."""
        usual = {name: place for place, name in enumerate(TABLE_NAMES)}
        looked_at = (Status.MIGRATED, Status.NOT_MIGRATED)
        tables = [table for table in self.report.tables if table.status in looked_at]
        tables.sort(key=lambda table: (usual.get(table.name, len(usual)), table.name))
        return {table.name: table.source_rows or 0 for table in tables}

    @property
    def rejects(self) -> tuple[RejectGroup, ...]:
        """Rows that would be rejected, by reason."""
        return self.report.rejects

    @property
    def expectations(self) -> tuple[ExpectationReport, ...]:
        """What is expected of each table, and how often it is not so."""
        return self.report.expectations

    @property
    def altered(self) -> tuple[AlteredReport, ...]:
        """What repairs would alter."""
        return self.report.altered

    @property
    def helpful(self) -> tuple[HelpfulRepair, ...]:
        """The repairs that would let rejected rows in."""
        return self.report.helpful

    @property
    def repairs(self) -> pd.DataFrame:
        """What would let rejected rows in: table, column, repair, rows, alone_rows, and the option to be copied."""
        return self.report.repairs

    @property
    def failed(self) -> tuple[ExpectationReport, ...]:
        """Expectations that are not met."""
        return tuple(item for item in self.expectations if not item.success)

    @property
    def rejected_rows(self) -> int:
        """Rows that would be rejected."""
        return self.report.total("rejected_rows")

    @property
    def exit_code(self) -> int:
        """That of the load: 3 where a row or a value would not arrive as it is, else 0; warnings stop nobody."""
        return self.report.exit_code

    @property
    def verdict(self) -> str:
        """Whether the source is ready, in one sentence."""
        if not self.exit_code:
            return "Ready to be loaded."
        sums = sums_of(self.report)
        lost, rows = sums.not_arrived + sums.rows_lacking, sums.source + sums.rows_lacking
        if not lost:
            return "Not ready: not every value would arrive as it is."
        return f"Not ready: {lost:,} of {counted(rows, 'row')} would not arrive."

    def __str__(self) -> str:
        rows = f"{counted(sum(self.rows.values()), 'row')} of {counted(len(self.rows), 'table')}"
        return f"{rows}: {self.rejected_rows:,} would be rejected; expectations not met: {len(self.failed)}"

    __repr__ = __str__

    def findings(self) -> Iterator[str]:
        """One line for each reason to reject rows, each expectation that is not met, and whatever else would be lost
        or become other than declared."""
        for group in self.rejects:
            place = f"{group.table}.{group.column}" if group.column else group.table
            yield f"{counted(group.rows, 'row')} of {place} [{group.stage}]: {group.reason}"
        for group in self.report.other_faults:
            place = f"{group.table}.{group.column}" if group.column else group.table
            yield f"{counted(group.rows, 'row')} of {place} [{group.stage}, besides]: {group.reason}"
        for item in self.failed:
            if item.severity != "critical" or item.unexpected_rows > self._rejected_at(item):
                place = f"{item.table}.{item.column}" if item.column else item.table
                found = f"; {item.observed}" if item.observed else ""
                what = f"{item.meaning} ({item.expectation}){found}"
                yield f"{counted(item.unexpected_rows, 'row')} of {place} [{item.severity}], expected: {what}"
        for altered in self.altered:
            place = f"{altered.table}.{altered.column}"
            yield f"{counted(altered.values or 0, 'value')} of {place} would be altered: {altered.repair}"
        for helpful in self.helpful:
            others = f", {helpful.alone_rows:,} by itself" if helpful.alone_rows < helpful.rows else ""
            yield f"{helpful.option} would let {counted(helpful.rows, 'row')} of {helpful.table} in{others}"
        yield from filter(None, map(_about_table, self.report.tables))
        yield from filter(None, map(_about_drift, self.report.drift))
        yield from self._about_schema()
        yield from self.report.remarks

    def _rejected_at(self, item: ExpectationReport) -> int:
        """Rows that are rejected since this column does not meet an expectation: they have a line already."""
        named = (*self.rejects, *self.report.other_faults)
        groups = (group for group in named if (group.table, group.column) == (item.table, item.column))
        return sum(group.rows for group in groups if group.stage == RejectStage.VALIDATE)

    def _about_schema(self) -> Iterator[str]:
        schema = self.report.schema
        if schema is None:
            return
        for broken in schema.unvalidated:
            rows = "rows" if broken.rows is None else counted(broken.rows, "row")
            what = f"{broken.kind} {broken.name}: {broken.declared}"
            yield f"{rows} of {broken.table} [kept]: {what}; PostgreSQL checks it on new rows only (NOT VALID)"
        said = {(broken.table, broken.declared) for broken in schema.unvalidated}
        choices = [choice for choice in schema.choices if (choice.table, choice.declared) not in said]
        lines = list(filter(None, map(_about_choice, choices)))
        yield from lines[:CHOICES_SHOWN]
        if len(lines) > CHOICES_SHOWN:
            yield f"{len(lines) - CHOICES_SHOWN:,} more are made otherwise than declared"
        for kind, count in Counter(str(item.kind) for item in schema.not_carried).items():
            yield f"{counted(count, kind)} of the source's schema not carried"

    def to_dict(self) -> dict[str, object]:
        """The result for JSON."""
        return {
            "source": self.path,
            "exit_code": self.exit_code,
            "verdict": self.verdict,
            "tables": [{"name": name, "rows": rows} for name, rows in self.rows.items()],
            "rejects": [asdict(group) for group in self.rejects],
            "expectations": [asdict(item) for item in self.expectations],
            "altered": [asdict(item) for item in self.altered],
            "helpful_repairs": [asdict(item) for item in self.helpful],
            "findings": list(self.findings()),
            "report": None if self.folder is None else str(self.folder),
        }

    def to_json(self) -> bytes:
        """The whole result, indented UTF-8."""
        written = orjson.dumps(self.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return with_controls_escaped(written)

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self.findings())
        sentence = html.escape(f"{self}. {self.verdict}")
        return as_written(f"<p><b>{sentence}</b></p><ul>{lines}</ul>")


def _about_table(table: TableReport) -> str | None:
    if table.status is Status.NOT_MIGRATED and table.source_rows:
        return f"{counted(table.source_rows, 'row')} of {table.name} [not loaded]: the target has no such table"
    if table.present_different_rows:
        rows = counted(table.present_different_rows, "row")
        return f"{rows} of {table.name} [present]: the target has other content under the same key, which stays"
    return None


def _about_drift(drift: DriftReport) -> str | None:
    if drift.settled or not drift.values:
        return None
    place = f"{drift.table}.{drift.column}" if drift.column else drift.table
    return f"{counted(drift.values, 'value')} of {place} [lost]: {drift.action}"


def _about_choice(choice: Choice) -> str | None:
    """What becomes other than declared since values do not fit, or a key that they do not keep."""
    if not choice.values and choice.kind not in (ObjectKind.PRIMARY_KEY, ObjectKind.UNIQUE):
        return None
    place = f"{choice.table}.{choice.column}" if choice.column else choice.table
    values = f"{counted(choice.values, 'value')} of {place}" if choice.values else place
    example = (
        "" if choice.example is None else f", such as {choice.example}" + (f" ({choice.row})" if choice.row else "")
    )
    return f"{values} [kept]: {choice.declared} becomes {choice.became}: {choice.reason}{example}"


def run_check(settings: Settings, observer: Observer | None = None, startup: Startup | None = None) -> Readiness:
    """Forecasts a load without a trace but for the report folder, if one is named.

    Without `pg` it goes into an empty server of its own, which gets the tables that a load would create; the tables
    that the chosen ones refer to go with them, since they would be there. `startup` is the caller's to close.

    Raises `EtlError` for what would stop the load, too.
    """
    if settings.pg is None and settings.schema is not None:
        raise UsageError("--schema names a schema of a target: name the target, too, with --pg URL.")
    with contextlib.ExitStack() as ends:
        begun = startup or ends.enter_context(Startup(settings.source, validate=True))
        asked = replace(settings, dry_run=True, validate=True, report_folder=_folder(settings, ends))
        opening = None
        if settings.pg is None:
            opening = scratch_target()
            asked = replace(asked, tables=_with_parents(begun.source, settings.tables))
        try:
            report = run_migration(asked, observer, begun, opening=opening)
        except DriftError as error:
            if settings.report_folder is None and error.starter:
                raise _without_folder(error) from error
            raise
    return Readiness(report if settings.report_folder else replace(report, folder=None))


def _without_folder(error: DriftError) -> DriftError:
    """Without the line that names a map in the folder that is gone by now."""
    words = str(error).rpartition("\n")[0]
    return DriftError(f"{words}\n--report DIR leaves a map to begin with.", error.starter)


def _folder(settings: Settings, ends: contextlib.ExitStack) -> Path:
    return settings.report_folder or Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="etl-check-")))


def _with_parents(source: Source, names: Sequence[str]) -> tuple[str, ...]:
    """These tables and all that they refer to, one through the other."""
    spelled = {name.lower(): name for name in source.tables}
    unknown = [name for name in names if name.lower() not in spelled]
    if unknown:
        raise UsageError(unknown_names("--tables: the source has no table", unknown, source.tables))
    waiting = [spelled[name.lower()] for name in names]
    found = dict.fromkeys(waiting)
    while waiting:
        for key in references_of(source, source.tables[waiting.pop()]):
            if key.parent in source.tables and key.parent not in found:
                found[key.parent] = None
                waiting.append(key.parent)
    return tuple(found)
