"""The library's front door for notebooks and scripts: each call is one step of the command line and returns values."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from etl.conversion.convert import convert
from etl.core import defaults
from etl.core.errors import UsageError
from etl.core.plan import ExtraColumns, Plan
from etl.core.source_tables import SourceTable
from etl.planning.declared_types import columns_without_target
from etl.planning.from_catalogs import plan_between
from etl.reporting.report import Report
from etl.runs.compare import ReconcileSettings, run_reconciliation
from etl.runs.connect import open_target
from etl.runs.load import Settings, run_migration
from etl.runs.observer import Observer
from etl.schema.unified import create_missing, target_types
from etl.source.batches import ROW_NUMBER, raw_series, read_batches
from etl.source.database import Source
from etl.target.catalog import enter_schema
from etl.target.session import Session


def migrate(
    sqlite: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: tuple[str, ...] = (),
    dry_run: bool = False,
    create_schema: bool = False,
    extra_columns: str = "stop",
    assume_timezone: str = defaults.TIMEZONE,
    batch_rows: int = defaults.BATCH_ROWS,
    keep_constraints: bool = False,
    validate: bool = True,
    expectations: str | Path | None = None,
    reconcile: bool = True,
    report_folder: str | Path | None = None,
    observer: Observer | None = None,
) -> Report:
    """Loads a SQLite database into PostgreSQL in one transaction; the options are those of `python -m etl.run`.

    Returns the report, which displays itself in Jupyter. Raises `EtlError` where nothing could be done.
    """
    settings = Settings(
        sqlite=Path(sqlite),
        pg=pg,
        schema=schema,
        tables=tuple(tables),
        dry_run=dry_run,
        create_schema=create_schema,
        extra_columns=ExtraColumns(extra_columns),
        assume_timezone=assume_timezone,
        batch_rows=batch_rows,
        keep_constraints=keep_constraints,
        validate=validate,
        expectations=Path(expectations) if expectations else None,
        reconcile=reconcile,
        report_folder=Path(report_folder) if report_folder else None,
    )
    return run_migration(settings, observer)


def plan(
    sqlite: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: tuple[str, ...] = (),
    extra_columns: str = "drop",
) -> Plan:
    """What would go where, from both catalogues; nothing is written, and an embedded target shows its future schema.

    Columns that the target lacks are in the plan's `drift` here; with `extra_columns="stop"` they raise `DriftError`.
    """
    with (
        Source(Path(sqlite)) as source,
        open_target(pg, Path(sqlite), schema) as target,
        target.connect() as connection,
    ):
        session = Session(connection)
        enter_schema(session, schema)
        if target.embedded:
            create_missing(connection)  # rolled back with the connection
        return plan_between(source, session, only=tuple(tables), extra_columns=ExtraColumns(extra_columns))


def read_table(path: str | Path, name: str, *, assume_timezone: str = defaults.TIMEZONE) -> pd.DataFrame:
    """A table of the source as a converted DataFrame, indexed by row number.

    Columns have the Arrow-backed dtypes of their target types: those of the 20 known tables for these, else what the
    declared types in SQLite suggest. Rows that cannot be converted are left out; `frame.attrs["rejected"]` is a
    DataFrame of them (column, rule, reason). Raises `UsageError` for a table that the source lacks.
    """
    with Source(Path(path)) as source:
        if name not in source.tables:
            raise UsageError(f"{path} has no table {name!r}; it has: {', '.join(source.tables) or 'none'}.")
        table = source.tables[name]
        columns = columns_without_target(table, target_types(name))
        parts = [
            convert(batch.frame, columns, assume_timezone=assume_timezone)
            for batch in read_batches(source, table, table.column_names)
        ] or [convert(_empty(table), columns)]
    frame = pd.concat([part.frame for part in parts])
    frame.attrs["rejected"] = pd.concat([part.rejected for part in parts])
    return frame


def _empty(table: SourceTable) -> pd.DataFrame:
    index = pd.RangeIndex(1, 1, name=ROW_NUMBER)
    return pd.DataFrame({name: raw_series([], index) for name in table.column_names}, index=index)


def compare(
    sqlite: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: Sequence[str] = (),
    assume_timezone: str = defaults.TIMEZONE,
    load_report: str | Path | None = None,
    report_folder: str | Path | None = None,
    observer: Observer | None = None,
) -> Report:
    """Compares a SQLite database with a PostgreSQL one, value by value, and writes nothing to either.

    The options are those of `python -m etl.reconcile`. Returns the report, which displays itself in Jupyter; every
    difference is in its folder. Raises `EtlError` where the two cannot be compared.
    """
    settings = ReconcileSettings(
        sqlite=Path(sqlite),
        pg=pg,
        schema=schema,
        tables=tuple(tables),
        assume_timezone=assume_timezone,
        load_report=Path(load_report) if load_report else None,
        report_folder=Path(report_folder) if report_folder else None,
    )
    return run_reconciliation(settings, observer)
