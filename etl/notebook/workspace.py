"""What the notebooks need beside the commands: their defaults, a place to work in, the report of the latest load.

They run untouched on a fresh machine: where there is no database the sample is made, where there is no report of a load
the load is run.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from etl.core import defaults
from etl.core.errors import DriftError, UsageError
from etl.core.name_map import NameMap
from etl.core.plan import Plan
from etl.core.repairs import Wish
from etl.core.report import Outcome
from etl.profiling.profile import Profile
from etl.reporting.report import Report
from etl.runs.connect import open_target
from etl.runs.known import description_of
from etl.runs.run_id import new_run_id
from etl.source.database import Source
from etl.target.url import resolve

NOTEBOOKS = "notebooks"


def find_source(source: str | Path | None = None) -> Path:
    """The SQLite file to look at: the one named, else `data/unified.db`, else the sample, made as `data/demo.db`.

    Paths are those of the commands: a notebook that was opened in `notebooks/` goes up to the folder above it first.
    """
    if Path.cwd().name == NOTEBOOKS:
        os.chdir("..")
    if source is not None:
        return Path(source)
    if defaults.SOURCE.exists():
        return defaults.SOURCE
    if not defaults.DEMO_SOURCE.exists():
        from etl.sample.build import make_sample

        make_sample(defaults.DEMO_SOURCE)
    return defaults.DEMO_SOURCE


def plan_for_target(source: str | Path, pg: str | None = None, schema: str | None = None) -> Plan | None:
    """What would go where in the target that is given, so that values can be held against its own types.

    None where no target is given, and where its tables do not meet the source's: the forecast says what is to be done.
    """
    if resolve(pg, os.environ) is None:
        return None
    from etl.api import plan

    try:
        return plan(source, pg, schema=schema)
    except DriftError:
        return None


def copy_suites(folder: str | Path, source: str | Path) -> Path:
    """A folder of expectation suites to try things with: a copy of those that belong to the source, if any do.

    A folder that is there already stays as it is.
    """
    copy = Path(folder)
    if copy.exists():
        return copy
    with Source(Path(source)) as opened:
        suites = description_of(opened.tables).suites
    if suites is None:
        copy.mkdir(parents=True)
    else:
        shutil.copytree(suites, copy)
    return copy


def text_column(profile: Profile) -> tuple[str, str] | None:
    """A table and a column of texts in it, for an example; None where there is no such column."""
    texts = profile.columns[profile.columns["text"] > 0]
    return None if texts.empty else (str(texts.iloc[0]["table"]), str(texts.iloc[0]["column"]))


def table_to_mend(report: Report) -> str:
    """The first table with rejected rows, in the order of the load: parents are mended before their children.

    Any table where none were rejected, "" where there is none.
    """
    tables = sorted(report.tables, key=lambda table: not table.rejected_rows)
    return tables[0].name if tables else ""


def forecast(
    source: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: str | Sequence[str] = (),
    extra_columns: Literal["stop", "add", "drop"] = "drop",
    assume_timezone: str = defaults.TIMEZONE,
    mapping: str | Path | Mapping[str, object] | NameMap | None = None,
    repair: str | Wish | Sequence[str | Wish] = (),
    expectations: str | Path | None = None,
    report_folder: str | Path | None = None,
) -> Report:
    """Says what a load would do, every reject included, without writing into the target: `migrate` as a dry run.

    What would stop the load is the report's `error`, with the outcome "failed".

    :param source: the SQLite file.
    :param pg: the target, as for `migrate`.
    :param schema: the target's schema, as for `migrate`.
    :param tables: only these tables, or one table's name; empty: all.
    :param extra_columns: as for `migrate`; "drop" lists columns that the target lacks in the report's drift.
    :param assume_timezone: the zone of times without one.
    :param mapping: what goes where, as for `migrate`.
    :param repair: repairs of values, as for `migrate`; `repairs` of the report has those that would help.
    :param expectations: folder of expectation suites; None: those of the 20 tables, and derived ones for other tables.
    :param report_folder: folder of the report; None: `reports/forecast`.
    :returns: the report, whose counts are the forecast; it displays itself in Jupyter.
    :raises EtlError: where one of the two cannot be read.

    Example::

        etl.forecast("app.db", "postgresql://me@localhost/app").frames.rejects
    """
    from etl.api import migrate

    folder = Path(report_folder) if report_folder else defaults.REPORTS / "forecast"
    try:
        return migrate(
            source,
            pg,
            schema=schema,
            tables=tables,
            dry_run=True,
            extra_columns=extra_columns,
            assume_timezone=assume_timezone,
            mapping=mapping,
            repair=repair,
            expectations=expectations,
            report_folder=folder,
        )
    except DriftError:
        return _left_in(folder)


def load_report(
    source: str | Path,
    pg: str | None = None,
    folder: str | Path | None = None,
    *,
    schema: str | None = None,
    extra_columns: Literal["stop", "add", "drop"] = "stop",
    expectations: str | Path | None = None,
) -> Report:
    """The report of a load: the one in `folder`, else the latest in `reports/` from this source into this target.

    Where there is none, the load is run now; if it stops before writing, the report says why.
    """
    if folder is not None:
        return _left_in(Path(folder))
    return latest_report(source, pg, schema) or _load(source, pg, schema, extra_columns, expectations)


def latest_report(source: str | Path, pg: str | None = None, schema: str | None = None) -> Report | None:
    """The latest finished load from this source into this target that `reports/` knows of; None where there is none."""
    with open_target(pg, Path(source), schema) as target:
        found = [report for report in _all_reports() if _is_load(report, Path(source), target.name)]
    return max(found, key=lambda report: report.started_at, default=None)


def _all_reports() -> list[Report]:
    found = []
    for path in defaults.REPORTS.glob("*/report.json"):
        try:
            found.append(_left_in(path.parent))
        except UsageError:  # somebody else's file, or one that an older version has written
            continue
    return found


def _is_load(report: Report, source: Path, target: str) -> bool:
    loaded = any(table.loaded_rows is not None for table in report.tables)
    finished = report.outcome in (Outcome.RECONCILED, Outcome.DIFFERENCES)
    same = Path(report.source.path).absolute() == source.absolute() and report.target.name == target
    return loaded and finished and same


def _load(
    source: str | Path,
    pg: str | None,
    schema: str | None,
    extra_columns: Literal["stop", "add", "drop"],
    expectations: str | Path | None,
) -> Report:
    from etl.api import migrate

    folder = defaults.REPORTS / new_run_id()
    try:
        return migrate(
            source, pg, schema=schema, extra_columns=extra_columns, expectations=expectations, report_folder=folder
        )
    except DriftError:
        return _left_in(folder)


def _left_in(folder: Path) -> Report:
    from etl.reporting.reading import open_report

    return open_report(folder)


def compare_again(
    report: Report,
    pg: str | None = None,
    *,
    assume_timezone: str = defaults.TIMEZONE,
    mapping: str | Path | Mapping[str, object] | NameMap | None = None,
) -> Report:
    """Compares the source of a load with its target as both are now, value by value, knowing that load's report.

    Rows that the load rejected, and columns that it dropped, are recognised as such. `mapping` is the load's. A run
    that failed has loaded nothing that could be compared: its own report comes back.
    """
    from etl.api import compare

    if report.outcome is Outcome.FAILED:
        return report
    return compare(
        report.source.path,
        pg,
        schema=report.target.schema,
        assume_timezone=assume_timezone,
        mapping=mapping,
        load_report=report.folder,
    )
