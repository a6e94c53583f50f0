"""Compares one table after its load, and recognises the rows that a load has rejected."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import orjson
import psycopg2

from etl.comparison.compare import Known, Part, TableComparison, compare_table
from etl.comparison.found_rows import FoundRows
from etl.core.errors import TargetError
from etl.core.plan import TablePlan
from etl.core.report import TableReport
from etl.files.private_files import file_name
from etl.source.database import Source
from etl.target.session import Session, first_line

_READ_BYTES = 2**20
_ROW_IDENTITY = re.compile(rb'\{"run_id":"[^"\\]*","table":"(?:[^"\\]|\\.)*","row_number":(\d+),"rowid":(-?\d+|null),')


def compare_loaded(
    source: Source,
    session: Session,
    plan: TablePlan,
    folder: Path,
    *,
    report: TableReport,
    zone: str,
    progress: Callable[[int], None],
) -> tuple[TableReport, TableComparison]:
    """Compares a table after its load, inside the load's own transaction, and completes its report.

    The rows that the load rejected are read back from its reject file and left out. Rows of the target that were there
    before are told apart by the transaction that made them.
    """
    known = Known(rejected_rows(folder, plan), ask_present=bool(report.target_rows_before))
    comparison = compare_or_explain(source, session, plan, folder, zone, known, progress)
    return with_comparison(report, comparison), comparison


def with_comparison(report: TableReport, comparison: TableComparison) -> TableReport:
    """The table's report with the numbers of the comparison; rows that it did not come across are unaccounted for."""
    uncounted = (report.source_rows or 0) - comparison.source_rows
    return replace(
        report,
        matched_rows=comparison.matched_rows,
        different_rows=comparison.different_rows,
        missing_rows=comparison.missing_rows,
        extra_rows=comparison.extra_rows,
        extra_present_rows=comparison.extra_present_rows,
        unaccounted_rows=report.unaccounted_rows or uncounted,
    )


def compare_or_explain(
    source: Source,
    session: Session,
    plan: TablePlan,
    folder: Path,
    zone: str,
    known: Known,
    progress: Callable[[int], None],
    *,
    found: FoundRows | None = None,
    part: Part | None = None,
    into: str = "differences",
) -> TableComparison:
    """`compare_table`, whose errors name the table; computed columns are compared as well."""
    try:
        return compare_table(
            source,
            session,
            plan.compared,
            folder,
            zone=zone,
            known=known,
            progress=progress,
            found=found,
            part=part,
            into=into,
        )
    except psycopg2.Error as error:
        raise TargetError(f"Table {plan.name} cannot be compared: {first_line(error)}.") from error


def rejected_rows(load_report: Path, plan: TablePlan) -> npt.NDArray[np.int64]:
    """Rowids (row numbers where a table has none) in a load's reject file for the table, sorted.

    The file bears the source's name; those of older versions the target's.
    """
    names = [load_report / "rejects" / file_name(f"{name}.ndjson") for name in (plan.name, plan.target.name)]
    path = next((path for path in names if path.exists()), None)
    if path is None:
        return np.empty(0, np.int64)
    with path.open("rb") as file:
        return np.sort(np.fromiter(_row_identities(file), np.int64))


def _row_identities(file: BinaryIO) -> Iterator[int]:
    """Read from the beginnings of the lines: the rows behind them may be large."""
    while line := file.readline(_READ_BYTES):
        found = _ROW_IDENTITY.match(line)
        rest = b"" if line.endswith(b"\n") else _rest_of_line(file, keep=found is None)
        if found is None:  # written by other hands
            entry = orjson.loads(line + rest)
            yield entry["row_number"] if entry["rowid"] is None else entry["rowid"]
        else:
            number, rowid = found.groups()
            yield int(number if rowid == b"null" else rowid)


def _rest_of_line(file: BinaryIO, *, keep: bool) -> bytes:
    parts: list[bytes] = []
    while part := file.readline(_READ_BYTES):
        if keep:
            parts.append(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)
