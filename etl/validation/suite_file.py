"""Adds an expectation to a suite's file; a file in the layout of the 20 suites keeps every other character."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

import pandas as pd

from etl.core.errors import SuiteError
from etl.schema.unified import target_types
from etl.validation.frame import columns_of
from etl.validation.rules import Value
from etl.validation.suites import Columns, default_folder, parse_expectation, read_suite


class GreatExpectation(Protocol):
    """What is needed of one of Great Expectations' own expectation objects."""

    @property
    def configuration(self) -> "Configuration": ...


class Configuration(Protocol):
    """What is needed of its configuration."""

    def to_json_dict(self) -> Mapping[str, Value]: ...


def add_expectation(
    table: str,
    expectation: GreatExpectation | Mapping[str, Value],
    *,
    folder: str | Path | None = None,
    columns: Columns | pd.DataFrame | None = None,
) -> Path:
    """Adds an expectation to a table's suite file, which is made if there is none.

    :param table: the table's name; its suite is `TABLE.json`.
    :param expectation: one of Great Expectations' objects, such as `gx.expectations.ExpectColumnValuesToNotBeNull(
        column="email", severity="warning", notes="…")`, or a dict with "type", "kwargs" and whatever else a suite's
        file has. One that the suite already holds changes nothing, so that a notebook's cell may run twice.
    :param folder: folder of the suites, made if there is none; None: the project's own, which is asked of the 20
        tables' database alone. For another database name a folder here, and give it to the load as `expectations=`.
    :param columns: the table's columns to check against: a frame of its rows, or the columns' types by name. None:
        those of the 20 tables where `folder` is None too, else nothing is checked before the load.
    :returns: the file's path.
    :raises SuiteError: for what the load would refuse, before anything is written.

    Example::

        etl.add_expectation("users", {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "email"}})
        etl.add_expectation(
            "albums",
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "title"}},
            folder="library-suites",
            columns=etl.read_table("library.db", "albums"),
        )
    """
    path = Path(folder or default_folder()) / f"{table}.json"
    if path.name != f"{table}.json":
        raise SuiteError(f"The table {table!r} cannot have a suite file: its name is none that a file can have.")
    item = _as_json(expectation)
    parse_expectation(item, _known(table, folder, columns), f"the new expectation for {table}")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _pretty({"name": table, "expectations": [item]}) + "\n")
        return path
    suite = read_suite(path)
    others = cast(list[dict[str, Value]], suite["expectations"])
    if item in others:
        return path
    if any(_same_statement(item, other) for other in others):
        raise SuiteError(f"{path} already says {item['type']} with these arguments; change its entry in the file.")
    others.append(item)
    _write(path, _pretty(suite) + "\n")
    return path


def _known(table: str, folder: str | Path | None, columns: Columns | pd.DataFrame | None) -> Columns | None:
    if isinstance(columns, pd.DataFrame):
        return columns_of(columns)
    return columns if columns is not None or folder is not None else target_types(table) or None


def _as_json(expectation: GreatExpectation | Mapping[str, Value]) -> dict[str, Value]:
    if isinstance(expectation, Mapping):
        return dict(expectation)
    stored = expectation.configuration.to_json_dict()
    return {name: value for name, value in stored.items() if value not in (None, {}, [])}


def _same_statement(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    return one["type"] == other.get("type") and one["kwargs"] == other.get("kwargs")


def _pretty(content: Value) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _write(path: Path, text: str) -> None:
    """Replace the file in one step: a reader sees the old suite or the new one."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
