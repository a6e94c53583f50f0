"""Validates one frame, in this process: for a notebook."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa

from etl.core.types import Kind, TargetType
from etl.schema.recognise import is_part_of
from etl.schema.unified import target_types
from etl.validation.judge import Judge, columns_to_judge
from etl.validation.results import Validated, latest_plausible_time, settle
from etl.validation.suites import Columns, Suite, default_folder, load_suite


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
    judge = Judge([suite], latest=latest_plausible_time(now))
    counts = judge.judge_row_count(suite.table, len(frame))
    (verdicts,) = judge.judge(suite.table, [columns_to_judge(frame, suite)])
    return settle(frame, suite, verdicts, counts)


def _suite_for(frame: pd.DataFrame, table: str, folder: Path) -> Suite:
    described, own = target_types(table), _columns_of(frame)
    # Another application's table of that name has columns of its own, and its suite speaks of these.
    columns = described if is_part_of(table, own) else {**described, **own}
    return load_suite(folder / f"{table}.json", table, columns)


def _columns_of(frame: pd.DataFrame) -> Columns:
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
