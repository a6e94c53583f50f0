"""Rejected rows, mended in a notebook, loaded by the same way as all others; the source itself stays as it is.

The mended rows become a small SQLite file with the source's table in it, and that is migrated: conversion, validation,
keys and accounting are the load's own, and a row that still does not fit is rejected again.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from etl.api import migrate
from etl.core import defaults
from etl.core.errors import CannotRun, CommittedError, UsageError
from etl.core.name_map import NameMap
from etl.core.repairs import Wish
from etl.core.source_tables import SourceTable, quoted
from etl.core.text import unknown_names
from etl.core.values import StorageValue, UndecodableText
from etl.files.mended_files import MendedRow, note_mended
from etl.planning.map_check import check_map
from etl.planning.map_file import read_map
from etl.reporting.reading import REJECT_COLUMNS, folder_of, read_rejects, rejected_rows
from etl.reporting.report import Report
from etl.runs.known import description_of
from etl.source.database import Source

_LISTED = 20


def load_mended(
    rows: pd.DataFrame,
    table: str,
    source: str | Path,
    pg: str | None = None,
    *,
    schema: str | None = None,
    extra_columns: Literal["stop", "add", "drop"] = "stop",
    assume_timezone: str = defaults.TIMEZONE,
    mapping: str | Path | Mapping[str, object] | NameMap | None = None,
    repair: str | Wish | Sequence[str | Wish] = (),
    validate: bool = True,
    expectations: str | Path | None = None,
    load_report: Report | str | Path | None = None,
    report_folder: str | Path | None = None,
) -> Report:
    """Loads mended rows by the same way as all others; the source itself stays as it is.

    Times become ISO text, lists and dicts JSON, missing values NULL. Rows whose key is in the target already stay as
    they are there. Mend parents before their children.

    :param rows: the mended rows: those of `read_rejects`, or any with columns of the source's table.
    :param table: the table's name.
    :param source: the SQLite file that they came from: its declaration of the table counts, and nothing is written to
        it.
    :param pg: the target, as for `migrate`.
    :param schema: the target's schema, as for `migrate`.
    :param extra_columns: as for `migrate`.
    :param assume_timezone: the zone of times without one.
    :param mapping: the map of the load, as for `migrate`, of which its repairs are left out.
    :param repair: repairs of values, as for `migrate`.
    :param validate: ask the expectation suites.
    :param expectations: folder of expectation suites; None: those of the 20 tables.
    :param load_report: the report of the load that rejected the rows, or its folder: `rows` is indexed by their row
        numbers then, as `read_rejects` gives them, and what was loaded is noted in the folder, so that a comparison
        that is given it expects the mended values. None: any rows will do, and a comparison finds them to differ.
    :param report_folder: folder of the report; None: `reports/RUN_ID`.
    :returns: a report of its own; in it, row numbers are places in `rows`.
    :raises UsageError: for an unknown table, unknown columns, values that SQLite cannot hold, or row numbers that the
        load did not reject.

    Example::

        rows = etl.read_rejects(report, "users")
        rows.loc[2, "email"] = None
        etl.load_mended(rows.loc[[2]], "users", "app.db", pg, load_report=report)
    """
    with Source(Path(source)) as opened:
        described = _described(opened, table)
        names = check_map(read_map(mapping), opened.tables)
        suites = description_of(opened.tables).suites  # the draft below holds but one of the tables
    mended = rows.drop(columns=[name for name in REJECT_COLUMNS if name in rows.columns])
    unknown = [str(name) for name in mended.columns if name not in described.column_names]
    if unknown:
        raise UsageError(
            unknown_names(f"The source's table {described.name} has no column", unknown, described.column_names)
        )
    if not len(mended.columns):
        raise UsageError(f"The mended rows have no columns of {described.name}.")
    rejected = {} if load_report is None else _rejected_before(mended, load_report, described.name)
    with tempfile.TemporaryDirectory(prefix="etl-mended-") as folder:
        draft = Path(folder) / Path(source).name  # the embedded server's database goes by the file's name
        _write(draft, described, mended)
        report = migrate(
            draft,
            pg,
            schema=schema,
            tables=(described.name,),
            extra_columns=extra_columns,
            assume_timezone=assume_timezone,
            mapping=names.only(described.name, [str(name) for name in mended.columns]),
            repair=repair,
            validate=validate,
            expectations=expectations or suites,
            report_folder=report_folder,
        )
    if load_report is not None:
        _note(report, load_report, described.name, mended, rejected)
    return report


def mend_rows(rows: pd.DataFrame, mended: Mapping[int, Mapping[str, object]]) -> pd.DataFrame:
    """Those of the rejected rows that are mended, with their new values.

    :param rows: rejected rows, as `read_rejects` gives them for a table.
    :param mended: what they should be, by row number and column: `{2: {"email": None}}`.
    :returns: the mended rows, for `load_mended`.
    :raises UsageError: for a row number that was not rejected, or a column that the table lacks.
    """
    _refuse_others(mended, rows.index.tolist())
    columns = [name for name in rows.columns if name not in REJECT_COLUMNS]
    unknown = [name for values in mended.values() for name in values if name not in columns]
    if unknown:
        raise UsageError(unknown_names("The rejected rows have no column", unknown, columns))
    found = rows.loc[list(mended)].copy()
    for row_number, values in mended.items():
        for name, value in values.items():
            found.at[row_number, name] = value  # type: ignore[assignment] # an object column takes anything
    return found


def _rejected_before(mended: pd.DataFrame, load_report: Report | str | Path, table: str) -> dict[int, int | None]:
    """The rowids of the rows that the load rejected, by row number; the mended ones are among them, once each."""
    rejected = rejected_rows(load_report, table)
    _refuse_others(mended.index.tolist(), list(rejected))
    if not mended.index.is_unique:
        twice = sorted(set(mended.index[mended.index.duplicated()]))
        raise UsageError(f"Mended twice: row {_listed(twice)} of {table}.")
    return rejected


def _refuse_others(numbers: Iterable[int], rejected: Sequence[int]) -> None:
    others = sorted(set(numbers) - set(rejected))
    if others:
        there = f"Rejected: {_listed(rejected)}" if rejected else "No row of the table was"
        raise UsageError(f"Not rejected by the load, so not to be mended: row {_listed(others)}. {there}.")


def _listed(numbers: Sequence[int]) -> str:
    """`2, 3, 4`, and how many more."""
    more = len(numbers) - _LISTED
    return ", ".join(map(str, numbers[:_LISTED])) + (f" and {more:,} more" if more > 0 else "")


def _note(
    report: Report,
    load_report: Report | str | Path,
    table: str,
    mended: pd.DataFrame,
    rejected: Mapping[int, int | None],
) -> None:
    """Keeps which rows arrived with other values than the source's in the report folder of the load."""
    folder, again = folder_of(load_report), rejected_rows(report, table)
    columns = [str(name) for name in mended.columns]
    stored = dict(
        zip(mended.index, _stored_rows(read_rejects(load_report, table).loc[mended.index, columns]), strict=True)
    )
    rows, as_stored = [], []
    for place, (number, values) in enumerate(zip(mended.index, _stored_rows(mended), strict=True), start=1):
        if place in again:
            continue
        if all(type(one) is type(other) and one == other for one, other in zip(values, stored[number], strict=True)):
            as_stored.append(int(number))
        else:
            rows.append(MendedRow(int(number), rejected[number], dict(zip(columns, values, strict=True))))
    try:
        note_mended(folder, report.run_id, table, rows, as_stored=as_stored)
    except CannotRun as error:
        raise CommittedError(
            f"The mended rows are committed, but {folder} could not take note of them ({error.__cause__}), so that a "
            "comparison will find them to differ. Put that right and run this again: nothing is loaded twice.",
            report,
        ) from error


def _described(source: Source, table: str) -> SourceTable:
    """The source's table by that name, whatever the case."""
    found = [known for name, known in source.tables.items() if name.lower() == table.lower()]
    if not found:
        raise UsageError(unknown_names(f"{source.path} has no table", [table], source.tables))
    return source.tables.get(table, found[0])


def _write(path: Path, table: SourceTable, rows: pd.DataFrame) -> None:
    """The table with its columns as declared, but no constraint: the target checks."""
    declared = {column.name: column.declared_type for column in table.columns}
    # SQLite takes a quoted declaration for what it says, whatever it may hold; an empty one has to be left out.
    types = {name: f" {quoted(declared[name])}" if declared[name] else "" for name in rows.columns}
    columns = ", ".join(f"{quoted(name)}{types[name]}" for name in rows.columns)
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {quoted(table.name)} ({columns})")
        try:
            for values in _stored_rows(rows):
                marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, UndecodableText) else "?" for value in values)
                connection.execute(f"INSERT INTO {quoted(table.name)} VALUES ({marks})", values)
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise UsageError(f"A mended row of {table.name} cannot be stored in SQLite: {error}.") from error
        connection.commit()


def _stored_rows(rows: pd.DataFrame) -> Iterator[Sequence[StorageValue]]:
    for values in zip(*(rows[name].array for name in rows.columns), strict=True):
        yield [storable(value) for value in values]


def storable(value: object) -> StorageValue:
    """A cell of a DataFrame as SQLite would hold it; what it does not know is left to SQLite to refuse."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | Decimal):
        return str(value)
    return value  # type: ignore[return-value]
