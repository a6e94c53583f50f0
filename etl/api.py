"""The library's front door for notebooks and scripts: each call is one step of the command line and returns values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from etl.conversion.convert import convert
from etl.core import defaults
from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.plan import Plan
from etl.core.repairs import Wish
from etl.core.source_tables import SourceTable
from etl.core.text import unknown_names
from etl.planning.declared_types import columns_without_target
from etl.planning.from_catalogs import plan_between
from etl.planning.map_check import check_map
from etl.planning.map_file import read_map
from etl.planning.time_units import check_units, with_units
from etl.profiling.profile import profile as profile_source
from etl.progress.attended import attended
from etl.reporting.fleet import FleetReport
from etl.reporting.report import Report
from etl.reporting.schema import ProposedSchema
from etl.reporting.shown_frame import ShownFrame
from etl.reporting.undo import UndoReport
from etl.runs.compare import run_comparison
from etl.runs.connect import open_target
from etl.runs.create_schema import NewSchema, create_what_is_missing, propose
from etl.runs.known import description_of
from etl.runs.observer import Observer, Stage
from etl.runs.settings import CompareSettings, Settings, SyncSettings
from etl.runs.source_check import Readiness, run_check
from etl.runs.sync import run_sync
from etl.runs.undo import UndoObserver, UndoSettings, run_undo
from etl.scaling.choose import run_load
from etl.scaling.fleet.load import FleetObserver, run_fleet
from etl.source.batches import ROW_NUMBER, raw_series, read_batches
from etl.source.database import Source
from etl.target.privileges import require_schema
from etl.target.search_path import current_schema, enter_schema
from etl.target.session import Session

MappingChoice = str | Path | Mapping[str, object] | NameMap | None
ExtraColumnsChoice = Literal["stop", "add", "drop"]
VerifyChoice = Literal["changed", "all"]
NameStyleChoice = Literal["lower", "keep", "snake"]
TypesChoice = Literal["fit", "declared"]
VirtualTablesChoice = Literal["skip", "load"]
RepairChoice = str | Wish | Sequence[str | Wish]
TimesChoice = Mapping[str, str] | Sequence[tuple[str, str]] | Literal["timestamptz", "timestamp"]

profile = attended(Stage.LOOK, if_stopped="Nothing was written.")(profile_source)


@attended(Stage.CONNECT, if_stopped="Nothing was committed: the target is as it was. Running again is safe.")
def migrate(
    source: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: str | Sequence[str] = (),
    dry_run: bool = False,
    create_schema: bool = False,
    names: NameStyleChoice = "lower",
    types: TypesChoice = "fit",
    virtual_tables: VirtualTablesChoice = "skip",
    extra_columns: ExtraColumnsChoice = "stop",
    assume_timezone: str = defaults.TIMEZONE,
    times: TimesChoice = (),
    repair: RepairChoice = (),
    mapping: MappingChoice = None,
    batch_rows: int = defaults.BATCH_ROWS,
    keep_constraints: bool = False,
    disable_triggers: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: str | None = None,
    validate: bool = True,
    expectations: str | Path | None = None,
    reconcile: bool = True,
    report_folder: str | Path | None = None,
    observer: Observer | None = None,
) -> Report:
    """Loads a SQLite database into PostgreSQL in one transaction, as `python -m etl.run` does.

    :param source: the SQLite file; it is read in one consistent state and never modified.
    :param pg: the target, `postgresql://USER@HOST:PORT/DATABASE`; None: DATABASE_URL, then libpq's PG* variables, then
        the embedded PostgreSQL under `data/postgres`.
    :param schema: the target's schema; None: the first existing one of the role's search_path.
    :param tables: only these tables, or one table's name; empty: all.
    :param dry_run: forecast every reject, and write nothing into the target.
    :param create_schema: create what the target lacks for the source's tables; on the embedded server always.
    :param names: names of created tables and columns: in "lower" case, "keep" as they are, or in "snake" case.
    :param types: types of created columns: "fit" holds every value, "declared" rejects values that do not fit.
    :param virtual_tables: virtual tables with rows of their own: "skip" them, or "load" them into plain tables.
    :param extra_columns: what becomes of source columns with values that the target lacks: "stop" before anything is
        written, "add" them to the target, or "drop" them and keep their values in the report folder.
    :param assume_timezone: the zone of times without one, such as "Asia/Seoul".
    :param times: `{"person.born": "ms"}`: the unit of the numbers in a column of times (s, ms, us, ns since 1970,
        julian, chrome, mac, excel), without it the one unit that makes all of them plausible; or the zone of the
        column's texts without one, instead of `assume_timezone`. "timestamp" makes created columns of times without a
        zone.
    :param repair: alterations of values that would be rejected: `["nul", "truncate=users.name", "json-twice=last"]`, in
        the columns that are named, else wherever they help. Each altered value is counted, and stands in the report
        folder as it was and as it is; see docs/repairs.md.
    :param mapping: what goes where, where names differ: a map file (TOML), or a dict of the same form, such as
        `{"tables": {"Album": "albums"}, "columns": {"Album": {"Title": "name"}}}`; see docs/map.md.
    :param batch_rows: rows that are read, converted and copied at once, at the most; memory grows with it.
    :param keep_constraints: do not drop and rebuild the foreign keys and indexes of empty tables.
    :param disable_triggers: switch off the triggers of the loaded tables for the time of the load; for their owner.
    :param workers: load by so many worker processes on this machine, with Dask; None: in this process alone.
    :param scheduler: load by the workers of this Dask scheduler, such as "tcp://localhost:8786".
    :param resume: go on with the load by workers of this run id, which was cut off; the other parameters as before.
    :param validate: ask the expectation suites; False skips them, and the report says so.
    :param expectations: folder of expectation suites; None: those of the 20 tables, and derived ones for other tables.
    :param reconcile: compare every value after the load, before it is committed.
    :param report_folder: folder of the report; None: `reports/RUN_ID`.
    :param observer: hears the events of the run; see `etl.runs.observer.Observer`.
    :returns: the report. It displays itself in Jupyter; `exit_code` is that of the command, `frames` holds its lists
        as DataFrames, `folder` its files.
    :raises EtlError: where nothing could be done; the message names place, count and remedy. `CommittedError` and
        `UnconfirmedError` are raised after COMMIT has begun.

    Example::

        report = etl.migrate("app.db", "postgresql://me@localhost/app", extra_columns="drop")
        report.frames.equation
    """
    settings = Settings.of(
        source,
        pg=pg,
        schema=schema,
        tables=tables,
        dry_run=dry_run,
        create_schema=create_schema,
        names=names,
        types=types,
        virtual_tables=virtual_tables,
        extra_columns=extra_columns,
        assume_timezone=assume_timezone,
        times=times,
        repair=repair,
        mapping=mapping,
        batch_rows=batch_rows,
        keep_constraints=keep_constraints,
        disable_triggers=disable_triggers,
        workers=workers,
        scheduler=scheduler,
        resume=resume,
        validate=validate,
        expectations=expectations,
        reconcile=reconcile,
        report_folder=report_folder,
    )
    return run_load(settings, observer)


def migrate_fleet(
    sources: str | Path | Sequence[str | Path],
    pg: str | None = None,
    *,
    per_file: str = "schema",
    report_folder: str | Path | None = None,
    observer: FleetObserver | None = None,
    **options: Any,
) -> FleetReport:
    """Loads many SQLite files, each in a transaction of its own, as `python -m etl.run --per-file` does.

    A file that cannot be loaded leaves the others alone. The target keeps a table `etl_fleet.files` of what it has, by
    which a later run loads only what is missing or was changed.

    :param sources: a glob such as "tenants/*.db", a text file with one path a line, or a list of paths.
    :param pg: the target, as for `migrate`.
    :param per_file: "schema": each file into a schema named after it. "column:NAME": all into the same tables, with the
        file's name in a column NAME that leads in every primary, unique and foreign key of created tables.
    :param report_folder: folder of the report over all files, with one folder each below `fleet`; None:
        `reports/RUN_ID`.
    :param observer: hears of each file; see `etl.scaling.fleet.load.FleetObserver`.
    :param options: other parameters of `migrate`, such as `create_schema=True`; they count for each file.
    :returns: the report over all files: `files` has a line for each, `exit_code` is that of the command. It displays
        itself in Jupyter.
    :raises EtlError: where nothing can be done for any file.

    Example::

        etl.migrate_fleet("tenants/*.db", "postgresql://me@localhost/app", create_schema=True)
    """
    settings = Settings.of("", pg=pg, report_folder=report_folder, **options)
    return run_fleet(sources, settings, per_file, observer)


@attended(Stage.CONNECT, if_stopped="Nothing was written to either side.")
def compare(
    source: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: str | Sequence[str] = (),
    assume_timezone: str = defaults.TIMEZONE,
    times: TimesChoice = (),
    repair: RepairChoice = (),
    mapping: MappingChoice = None,
    load_report: str | Path | None = None,
    report_folder: str | Path | None = None,
    observer: Observer | None = None,
) -> Report:
    """Compares a SQLite database with a PostgreSQL one, value by value, as `python -m etl.reconcile` does.

    Nothing is written to either.

    :param source: the SQLite file.
    :param pg: the target, as for `migrate`.
    :param schema: the target's schema, as for `migrate`.
    :param tables: only these tables, or one table's name; empty: all.
    :param assume_timezone: the zone of times without one, as it was for the load.
    :param times: units of the numbers in columns of times, as for the load.
    :param repair: the repairs of the load; a value that is equal only after one of them is counted as such.
    :param mapping: what goes where, as for the load.
    :param load_report: report folder of the load: rows that it rejected and columns that it dropped are recognised,
        and its repairs are those of the comparison.
    :param report_folder: folder of the report and of all differences; None: `reports/RUN_ID`.
    :param observer: hears the events of the run.
    :returns: the report; its `exit_code` is 0 only where both sides are equal. Every difference is in its folder, and
        `etl.read_differences(report)` reads them.
    :raises EtlError: where the two cannot be compared.

    Example::

        etl.compare("app.db", "postgresql://me@localhost/app").frames.counts
    """
    settings = CompareSettings.of(
        source,
        pg=pg,
        schema=schema,
        tables=tables,
        assume_timezone=assume_timezone,
        times=times,
        repair=repair,
        mapping=mapping,
        load_report=load_report,
        report_folder=report_folder,
    )
    return run_comparison(settings, observer)


@attended(Stage.CONNECT, if_stopped="Nothing was committed: the target is as it was. Running again is safe.")
def sync(
    source: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: str | Sequence[str] = (),
    dry_run: bool = False,
    delete: bool = False,
    verify: VerifyChoice = "changed",
    keep_newer: str | None = None,
    extra_columns: ExtraColumnsChoice = "stop",
    assume_timezone: str = defaults.TIMEZONE,
    times: TimesChoice = (),
    repair: RepairChoice = (),
    mapping: MappingChoice = None,
    batch_rows: int = defaults.BATCH_ROWS,
    disable_triggers: bool = False,
    validate: bool = True,
    expectations: str | Path | None = None,
    report_folder: str | Path | None = None,
    observer: Observer | None = None,
) -> Report:
    """Brings a PostgreSQL database that was loaded before up to its SQLite source, as `python -m etl sync` does.

    Both sides are compared; rows that the target lacks are inserted, rows that differ are updated, in one transaction,
    and what was written is compared again. What is overwritten or deleted is kept in the report folder.

    :param source: the SQLite file; it is read in one consistent state and never modified.
    :param pg: the target, as for `migrate`.
    :param schema: the target's schema, as for `migrate`.
    :param tables: only these tables, or one table's name; empty: all.
    :param dry_run: forecast every change, and write nothing into the target.
    :param delete: also delete rows that only the target has, but for those to which other rows refer; without it they
        are listed, and stay.
    :param verify: compare again the rows that were "changed", or "all" rows of all tables.
    :param keep_newer: a column, such as "updated_at": rows of the target where it is later than in the source stay as
        they are.
    :param extra_columns: what becomes of source columns with values that the target lacks, as for `migrate`.
    :param assume_timezone: the zone of times without one, as it was for the load.
    :param times: units of the numbers in columns of times, as for the load.
    :param repair: the repairs of the load; `orphan-null` counts what it has altered, and alters no more.
    :param mapping: what goes where, as for the load.
    :param batch_rows: rows that are read, converted and copied at once, at the most.
    :param disable_triggers: switch off the triggers of the tables while their rows are written; for their owner.
    :param validate: ask the expectation suites about the rows that are written.
    :param expectations: folder of expectation suites, as for `migrate`.
    :param report_folder: folder of the report; None: `reports/RUN_ID`.
    :param observer: hears the events of the run.
    :returns: the report; its `exit_code` is 0 only where both sides are equal afterwards.
    :raises EtlError: where nothing could be done, as for `migrate`.

    Example::

        report = etl.sync("app.db", "postgresql://me@localhost/app", delete=True)
        report.frames.changes
    """
    settings = SyncSettings.of(
        source,
        pg=pg,
        schema=schema,
        tables=tables,
        dry_run=dry_run,
        delete=delete,
        verify=verify,
        keep_newer=keep_newer,
        extra_columns=extra_columns,
        assume_timezone=assume_timezone,
        times=times,
        repair=repair,
        mapping=mapping,
        batch_rows=batch_rows,
        disable_triggers=disable_triggers,
        validate=validate,
        expectations=expectations,
        report_folder=report_folder,
    )
    return run_sync(settings, observer)


def undo(
    report: Report | str | Path,
    pg: str | None = None,
    *,
    dry_run: bool = False,
    report_folder: str | Path | None = None,
    observer: UndoObserver | None = None,
) -> UndoReport:
    """Takes back what a load did, where its rows are still as it left them, as `python -m etl undo` does.

    Rows that were changed since, or that other rows refer to, are left and named. All of it is one transaction.

    :param report: the load's report, or its folder; the record in it, `undo.json`, says what is to be undone.
    :param pg: the target, as for `migrate`; None: DATABASE_URL, libpq's PG* variables, or the embedded server if the
        load was into that.
    :param dry_run: say what would be taken back and left, and change nothing.
    :param report_folder: folder of the undo's own report; None: `reports/RUN_ID`. Rows that are left are in its `left`.
    :param observer: hears the events of the undo; see `etl.runs.undo.UndoObserver`.
    :returns: what was taken back, by table, and what was left for which reason. It displays itself in Jupyter;
        `exit_code` is that of the command: 0 where nothing is left.
    :raises EtlError: where nothing could be done, as the record does not fit to the server or the run was undone
        already. After an `UnconfirmedError` it is not known whether the undo was committed.

    Example::

        report = etl.migrate("app.db", "postgresql://me@localhost/app")
        etl.undo(report, "postgresql://me@localhost/app")
    """
    folder = report.folder if isinstance(report, Report) else Path(report)
    if folder is None:
        raise UsageError("This report has no folder.")
    settings = UndoSettings(folder, pg, dry_run, None if report_folder is None else Path(report_folder))
    return run_undo(settings, observer)


@attended(Stage.PLAN, if_stopped="Nothing was written.")
def plan(
    source: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: str | Sequence[str] = (),
    create_schema: bool = False,
    names: NameStyleChoice = "lower",
    types: TypesChoice = "fit",
    virtual_tables: VirtualTablesChoice = "skip",
    extra_columns: ExtraColumnsChoice = "drop",
    mapping: MappingChoice = None,
) -> Plan:
    """Says what would go where, from both catalogues; nothing is written.

    :param source: the SQLite file.
    :param pg: the target, as for `migrate`.
    :param schema: the target's schema, as for `migrate`.
    :param tables: only these tables, or one table's name; empty: all.
    :param create_schema: show what a load with this option would create as well; on the embedded server always.
    :param names: as for `migrate`.
    :param types: as for `migrate`.
    :param virtual_tables: as for `migrate`.
    :param extra_columns: "drop" and "add" list columns that the target lacks in the plan's `drift`; with "stop" they
        raise `DriftError`.
    :param mapping: what goes where, as for `migrate`.
    :returns: the plan: `tables` in the order of the load, each with its columns and their target types, `drift`, and
        in `names` every pair of names that are not exactly equal, with the reason why it was paired. It displays
        itself in Jupyter.
    :raises EtlError: where one of the two cannot be read, or nothing could be loaded.

    Example::

        [table.name for table in etl.plan("app.db", "postgresql://me@localhost/app").tables]
    """
    path = Path(source)
    with Source(path) as opened, open_target(pg, path, schema) as target, target.connect() as connection:
        session = Session(connection)
        enter_schema(session, schema)
        settings = Settings.of(
            path,
            tables=tables,
            names=names,
            types=types,
            virtual_tables=virtual_tables,
            extra_columns=extra_columns,
            mapping=mapping,
        )
        new = NewSchema()
        if create_schema or target.embedded:  # what is created here is rolled back with the connection
            schema_name = require_schema(session, current_schema(session))
            new = create_what_is_missing(opened, session, settings, schema_name, description_of(opened.tables))
        return plan_between(
            opened,
            session,
            only=settings.tables,
            extra_columns=settings.extra_columns,
            names=settings.mapping,
            created=new.names,
        )


@attended(Stage.LOOK, if_stopped="Nothing was written.")
def propose_schema(
    source: str | Path,
    *,
    tables: str | Sequence[str] = (),
    mapping: MappingChoice = None,
    names: NameStyleChoice = "lower",
    types: TypesChoice = "fit",
    virtual_tables: VirtualTablesChoice = "skip",
    times: TimesChoice = (),
    assume_timezone: str = defaults.TIMEZONE,
) -> ProposedSchema:
    """Says which schema PostgreSQL would get for a source, from its declarations and all of its values.

    :param source: the SQLite file.
    :param tables: only these tables, or one table's name; empty: all. Keys to others are left out.
    :param mapping: names, types and units that are decided, and what is left out, as for `migrate`.
    :param names: names of tables and columns: in "lower" case, "keep" as they are, or in "snake" case.
    :param types: "fit": types that hold every value; "declared": the declared types, whatever the values are.
    :param virtual_tables: "skip" virtual tables, or "load" those with rows of their own into plain tables.
    :param times: "timestamp" makes DATETIME columns without a zone; else units of numbers, as for `migrate`.
    :param assume_timezone: the zone of times without one.
    :returns: the proposal: `.sql` is a script for psql, `.columns`, `.choices` and `.not_carried` are DataFrames. It
        displays itself in Jupyter.
    :raises EtlError: where the source cannot be read, or has no such table.

    Example::

        print(etl.propose_schema("library.db").sql)
    """
    settings = Settings.of(
        source,
        tables=tables,
        mapping=mapping,
        names=names,
        types=types,
        virtual_tables=virtual_tables,
        times=times,
        assume_timezone=assume_timezone,
    )
    with Source(settings.source) as opened:
        return ProposedSchema(propose(opened, settings), settings.source.name)


@attended(Stage.CHECK, if_stopped="Nothing was written.")
def check_source(
    source: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    tables: str | Sequence[str] = (),
    create_schema: bool = False,
    names: NameStyleChoice = "lower",
    types: TypesChoice = "fit",
    virtual_tables: VirtualTablesChoice = "skip",
    extra_columns: ExtraColumnsChoice = "stop",
    assume_timezone: str = defaults.TIMEZONE,
    times: TimesChoice = (),
    repair: RepairChoice = (),
    mapping: MappingChoice = None,
    expectations: str | Path | None = None,
    report_folder: str | Path | None = None,
    observer: Observer | None = None,
) -> Readiness:
    """Says what a load would reject, or keep otherwise than it is, as `python -m etl.validate` does.

    It is the load's own forecast: conversion, expectations, keys, foreign keys and checks. A green check means that the
    load is green.

    :param source: the SQLite file.
    :param pg: the target to check against; nothing is written to it. None: an empty PostgreSQL that is made for the
        check and gone after it, with the 20 known tables, or those that the source's declarations and values ask for.
    :param schema: the target's schema, as for `migrate`.
    :param tables: only these tables, or one table's name; empty: all. Without `pg` the tables that they refer to are
        checked with them.
    :param create_schema: as for `migrate`; without `pg` always.
    :param names: as for `migrate`.
    :param types: as for `migrate`.
    :param virtual_tables: as for `migrate`.
    :param extra_columns: as for `migrate`.
    :param assume_timezone: the zone of times without one.
    :param times: as for `migrate`.
    :param repair: repairs of values, as for `migrate`: what they let in is not rejected, but counted as altered.
    :param mapping: what goes where, as for `migrate`.
    :param expectations: folder of expectation suites; None: those of the 20 tables, and derived ones for other tables.
    :param report_folder: folder for the report of the forecast and the rejected rows; None: nothing is left.
    :param observer: hears the events of the forecast.
    :returns: rows by table, rejects by reason, the expectations, and `findings()` in words; `exit_code` is that of
        `python -m etl.validate`, `report` the whole forecast.
    :raises EtlError: for what would stop the load: `SourceError`, `SuiteError`, `UsageError` for a table that the
        source lacks, `DriftError` where somebody has to decide.

    Example::

        etl.check_source("app.db").exit_code
    """
    settings = Settings.of(
        source,
        pg=pg,
        schema=schema,
        tables=tables,
        create_schema=create_schema,
        names=names,
        types=types,
        virtual_tables=virtual_tables,
        extra_columns=extra_columns,
        assume_timezone=assume_timezone,
        times=times,
        repair=repair,
        mapping=mapping,
        expectations=expectations,
        report_folder=report_folder,
    )
    return run_check(settings, observer)


@attended(Stage.READ, if_stopped="Nothing was written.")
def read_table(
    source: str | Path,
    table: str,
    *,
    assume_timezone: str = defaults.TIMEZONE,
    mapping: MappingChoice = None,
) -> pd.DataFrame:
    """Reads a table of the source as a converted DataFrame.

    :param source: the SQLite file.
    :param table: the table's name.
    :param assume_timezone: the zone of times without one.
    :param mapping: a map, as for `migrate`, of which the units and zones in `times` count here.
    :returns: the rows, indexed by row number (int64, 1-based, in the table's order). Columns have the Arrow-backed
        dtypes of their target types: those of the 20 known tables for these, else what the declared types in SQLite
        suggest. Rows that cannot be converted are left out; `frame.attrs["rejected"]` is a DataFrame of them, with
        the text columns "column", "rule" and "reason".
    :raises UsageError: for a table that the source lacks. `SourceError` where the file cannot be read.

    Example::

        etl.read_table("app.db", "users").dtypes
    """
    with Source(Path(source)) as opened:
        if table not in opened.tables:
            raise UsageError(unknown_names(f"{source} has no table", [table], opened.tables))
        described = opened.tables[table]
        known = description_of(opened.tables).types_of(table)
        said = check_units((), opened.tables, check_map(read_map(mapping), opened.tables))
        columns = with_units(opened, described, columns_without_target(described, known), said)
        parts = [
            convert(batch.frame, columns, assume_timezone=assume_timezone)
            for batch in read_batches(opened, described, described.column_names)
        ] or [convert(_empty(described), columns)]
    frame = ShownFrame(pd.concat([part.frame for part in parts]))
    frame.attrs["rejected"] = ShownFrame(pd.concat([part.rejected for part in parts]))
    return frame


def _empty(table: SourceTable) -> pd.DataFrame:
    index = pd.RangeIndex(1, 1, name=ROW_NUMBER)
    return pd.DataFrame({name: raw_series([], index) for name in table.column_names}, index=index)
