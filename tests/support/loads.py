"""Loads into the test's database, and what their reports say."""

import json
from pathlib import Path
from typing import Any

import etl
from etl.core.report import TableReport
from etl.files.private_files import file_name
from etl.reporting.report import Report
from etl.runs.observer import Observer
from support.database import Database
from support.targets import url_as


def books(report: Report) -> dict[str, tuple[int | None, int | None, int | None, int | None]]:
    """Per table of the report: source, loaded, present, rejected rows; fails where a table's sum is not 0."""
    for table in report.tables:
        assert not table.unaccounted_rows, table
    return {
        table.name: (table.source_rows, table.loaded_rows, table.present_rows, table.rejected_rows)
        for table in report.tables
    }


def table_report(report: Report, name: str) -> TableReport:
    """One table of the report."""
    return next(table for table in report.tables if table.name == name)


def rejects(report: Report, table: str, kind: str = "rejects") -> list[dict[str, Any]]:
    """The lines of a table's reject file (or of its `dropped` file); none where there is no file."""
    assert report.folder is not None
    path = report.folder / kind / file_name(f"{table}.ndjson")
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def load(
    database: Database,
    sqlite_path: Path,
    report_folder: Path,
    *,
    role: str | None = None,
    tables: tuple[str, ...] = (),
    dry_run: bool = False,
    create_schema: bool = False,
    extra_columns: str = "stop",
    keep_constraints: bool = False,
    validate: bool = False,
    batch_rows: int = 50_000,
    observer: Observer | None = None,
) -> Report:
    """`etl.migrate` into the test's database; `role` is taken on in it, as if connected so."""
    return etl.migrate(
        sqlite_path,
        url_as(database, role),
        tables=tables,
        dry_run=dry_run,
        create_schema=create_schema,
        extra_columns=extra_columns,
        keep_constraints=keep_constraints,
        validate=validate,
        batch_rows=batch_rows,
        report_folder=report_folder,
        observer=observer,
    )
