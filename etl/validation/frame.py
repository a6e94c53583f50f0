"""Validates one frame, in this process: for a notebook."""

import contextlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa

from etl.core.errors import SuiteError
from etl.core.types import Kind, TargetType
from etl.schema.recognise import is_part_of
from etl.schema.unified import target_types
from etl.validation.checker import Checker, columns_to_check
from etl.validation.results import ExpectationResult, Validated, latest_plausible_time, settle
from etl.validation.suites import Columns, Suite, default_folder, load_suite, require_folder
from etl.validation.whole_table import WholeTable


def validate_frame(
    frame: pd.DataFrame,
    table_or_suite: str | Suite,
    *,
    now: datetime | None = None,
    expectations: str | Path | None = None,
) -> Validated:
    """Validates the rows of a frame, here in this process.

    :param frame: columns by the target's names, any dtypes.
    :param table_or_suite: a table's name, which means its suite file, or a suite.
    :param now: the moment that "nothing in the future" counts from; None: the clock.
    :param expectations: folder of the suite files; None: those of the 20 tables.
    :returns: `accepted` and `rejected` rows (`rejected` with the text columns "column", "rule" and "reason", by the
        frame's index), and `results`, one for each expectation. It displays itself in Jupyter.
    :raises SuiteError: where the suite is missing or broken, or asks of a column what its values do not allow.

    Example::

        etl.validate_frame(etl.read_table("app.db", "users"), "users").rejected
    """
    suite = (
        _suite_for(frame, table_or_suite, Path(expectations or default_folder()))
        if isinstance(table_or_suite, str)
        else table_or_suite
    )
    latest = latest_plausible_time(now)
    checker = Checker([suite], latest=latest)
    counts = checker.check_row_count(suite.table, len(frame))
    asked = columns_to_check(frame, suite)
    (evaluations,) = checker.check(suite.table, [asked]) if asked.num_columns else [[]]
    validated = settle(frame, suite, evaluations, counts)
    found = _of_the_whole(frame, suite, latest)
    judged = tuple(result for result in found if result.column in frame.columns)
    left = tuple(result.expectation for result in found if result.column not in frame.columns)
    return replace(validated, results=validated.results + judged, not_judged=validated.not_judged + left)


def _of_the_whole(frame: pd.DataFrame, suite: Suite, latest: datetime) -> list[ExpectationResult]:
    with contextlib.closing(WholeTable(suite, latest=latest)) as whole:
        whole.add(frame)
        return list(whole.results().values())


def _suite_for(frame: pd.DataFrame, table: str, folder: Path) -> Suite:
    require_folder(folder)
    path = folder / f"{table}.json"
    if not path.is_file():
        raise SuiteError(f"There is no {path}; etl.add_expectation({table!r}, …, folder={str(folder)!r}) makes one.")
    return load_suite(path, table, _types(frame, table, of_the_20=folder == default_folder()))


def _types(frame: pd.DataFrame, table: str, *, of_the_20: bool) -> Columns:
    """Those of the 20 tables where suite or frame are that application's; another may have a table of the same name."""
    own = columns_of(frame)
    return {**own, **target_types(table)} if of_the_20 or is_part_of(table, own) else own


def columns_of(frame: pd.DataFrame) -> Columns:
    """The types that a frame's own columns have, where there is no target to ask."""
    kinds = {str(name): _kind(pa.array(frame[name], from_pandas=True).type) for name in frame.columns}
    return {name: TargetType(kind, kind.value) for name, kind in kinds.items()}


def _kind(arrow: pa.DataType) -> Kind:
    for test, kind in (
        (pa.types.is_boolean, Kind.BOOLEAN),
        (pa.types.is_integer, Kind.BIGINT),
        (pa.types.is_floating, Kind.DOUBLE),
        (pa.types.is_timestamp, Kind.TIMESTAMPTZ),
        (pa.types.is_binary, Kind.BYTEA),
    ):
        if test(arrow):
            return kind
    return Kind.TEXT
