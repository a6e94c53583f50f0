"""What the notebooks need beside the commands: their defaults, a place to work in, the report of the latest load.

They run untouched on a fresh machine: where there is no database the sample is made, where there is no report of a load
the load is run.
"""

import os
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from etl.core import defaults
from etl.core.errors import DriftError, UsageError
from etl.core.report import Outcome
from etl.reporting.report import Report
from etl.runs.connect import open_target

NOTEBOOKS = "notebooks"


def find_source(sqlite: str | Path | None = None) -> Path:
    """The SQLite file to look at: the one named, else `data/unified.db`, else the sample, made as `data/demo.db`.

    Paths are those of the commands: a notebook that was opened in `notebooks/` goes up to the folder above it first.
    """
    if Path.cwd().name == NOTEBOOKS:
        os.chdir("..")
    if sqlite is not None:
        return Path(sqlite)
    if defaults.SOURCE.exists():
        return defaults.SOURCE
    if not defaults.DEMO_SOURCE.exists():
        from etl.sample.build import make_sample

        make_sample(defaults.DEMO_SOURCE)
    return defaults.DEMO_SOURCE


def copy_suites(folder: str | Path) -> Path:
    """A copy of the expectation suites to try things with, in `folder`; a copy that is there already stays as it is."""
    from etl.validation.suites import default_folder

    copy = Path(folder)
    if not copy.exists():
        shutil.copytree(default_folder(), copy)
    return copy


def forecast(
    sqlite: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: tuple[str, ...] = (),
    extra_columns: str = "drop",
    assume_timezone: str = defaults.TIMEZONE,
    expectations: str | Path | None = None,
    report_folder: str | Path | None = None,
) -> Report:
    """What a load would do, every reject included, without writing into the target: `migrate` as a dry run.

    Source columns that the target lacks are in the report's drift instead of stopping it (`extra_columns`). What would
    stop the load all the same is the report's `error`, with the outcome "failed". The folder is `reports/forecast`
    unless another is named.
    """
    from etl.api import migrate

    folder = Path(report_folder) if report_folder else defaults.REPORTS / "forecast"
    try:
        return migrate(
            sqlite,
            pg,
            schema=schema,
            tables=tables,
            dry_run=True,
            extra_columns=extra_columns,
            assume_timezone=assume_timezone,
            expectations=expectations,
            report_folder=folder,
        )
    except DriftError:
        return _left_in(folder)


def load_report(
    sqlite: str | Path,
    pg: str | None = None,
    folder: str | Path | None = None,
    *,
    schema: str | None = None,
    extra_columns: str = "stop",
    expectations: str | Path | None = None,
) -> Report:
    """The report of a load: the one in `folder`, else the latest in `reports/` from this source into this target.

    Where there is none, the load is run now; if it stops before writing, the report says why.
    """
    if folder is not None:
        return _left_in(Path(folder))
    return latest_report(sqlite, pg, schema) or _load(sqlite, pg, schema, extra_columns, expectations)


def latest_report(sqlite: str | Path, pg: str | None = None, schema: str | None = None) -> Report | None:
    """The latest finished load from this source into this target that `reports/` knows of; None where there is none."""
    with open_target(pg, Path(sqlite), schema) as target:
        found = [report for report in _all_reports() if _is_load(report, Path(sqlite), target.name)]
    return max(found, key=lambda report: report.started_at, default=None)


def _all_reports() -> list[Report]:
    found = []
    for path in defaults.REPORTS.glob("*/report.json"):
        try:
            found.append(_left_in(path.parent))
        except UsageError:  # somebody else's file, or one that an older version has written
            continue
    return found


def _is_load(report: Report, sqlite: Path, target: str) -> bool:
    loaded = any(table.loaded_rows is not None for table in report.tables)
    finished = report.outcome in (Outcome.RECONCILED, Outcome.DIFFERENCES)
    same = Path(report.source.path).absolute() == sqlite.absolute() and report.target.name == target
    return loaded and finished and same


def _load(
    sqlite: str | Path, pg: str | None, schema: str | None, extra_columns: str, expectations: str | Path | None
) -> Report:
    from etl.api import migrate

    folder = defaults.REPORTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    try:
        return migrate(
            sqlite, pg, schema=schema, extra_columns=extra_columns, expectations=expectations, report_folder=folder
        )
    except DriftError:
        return _left_in(folder)


def _left_in(folder: Path) -> Report:
    from etl.reporting.reading import open_report

    return open_report(folder)


def compare_again(report: Report, pg: str | None = None, *, assume_timezone: str = defaults.TIMEZONE) -> Report:
    """Compares the source of a load with its target as both are now, value by value, knowing that load's report.

    Rows that the load rejected, and columns that it left behind, are recognised as such. A run that failed has loaded
    nothing that could be compared: its own report comes back.
    """
    from etl.api import compare

    if report.outcome is Outcome.FAILED:
        return report
    return compare(
        report.source.path,
        pg,
        schema=report.target.schema,
        assume_timezone=assume_timezone,
        load_report=report.folder,
    )
