"""Great Expectations' evaluation on a batch. Only this module and `prepared` import it, when a `Checker` is made.

Each column reaches it in the form in which its pandas engine checks exactly and fast: it compares Arrow-backed columns
value by value in Python, and takes 2**53 + 1 for 2**53 once a NULL has turned integers into floats.
"""

import logging
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.core.errors import SuiteError
from etl.core.types import Kind
from etl.validation.rules import LATEST_PLAUSIBLE_TIME, NULLNESS, Value
from etl.validation.suites import Expectation, Suite

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from etl.validation.prepared import PreparedConfiguration

Column: TypeAlias = "pd.Series[Any]"
EXACT_IN_FLOAT = 2**53
DIGITS_EXACT_IN_FLOAT = 15


@dataclass(frozen=True)
class Evaluation:
    """One expectation's result for a batch: the positions (0-based) of the failing rows, and how many it checked."""

    expectation: int  # position in the suite
    failed: npt.NDArray[np.int64]
    checked: int  # rows that it applies to: without the NULLs that it passes over


def columns_to_check(frame: pd.DataFrame, suite: Suite) -> pa.Table:
    """What Great Expectations has to see of a batch: the columns that the suite names.

    Of columns that are only asked whether they are NULL, just that; message texts need not travel for it.
    """
    types = _readers(suite)
    return pa.table({name: _needed(frame[name], types[name]) for name in types if name in frame.columns})


def _readers(suite: Suite) -> dict[str, set[str]]:
    types: dict[str, set[str]] = {}
    for expectation in suite.expectations:
        for column in () if expectation.whole else expectation.columns:
            types.setdefault(column, set()).add(expectation.type)
    return types


def _needed(column: Column, types: set[str]) -> pa.ChunkedArray:
    values = pa.chunked_array([pa.array(column, from_pandas=True)])
    return pc.if_else(pc.is_valid(values), pa.scalar(1, pa.int8()), None) if types <= NULLNESS else values


def askable_expectations(suite: Suite, columns: Iterable[str]) -> list[int]:
    """The positions of the expectations about rows that have these columns."""
    present = set(columns)
    return [
        place
        for place, item in enumerate(suite.expectations)
        if item.columns and not item.whole and present.issuperset(item.columns)
    ]


class Checker:
    """Great Expectations, ready to check batches of the tables that `suites` are for.

    Making one imports it (a second or more) and lets it check every suite; raises `SuiteError` for what it refuses.
    `latest` is the value of the suite parameter `latest_plausible_time`.
    """

    def __init__(self, suites: Iterable[Suite], *, latest: datetime) -> None:
        self._gx = import_great_expectations()
        self._context = self._gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        self._suites = {suite.table: suite for suite in suites}
        self._ready = {suite.table: self._accept(suite, latest) for suite in self._suites.values()}

    def check(self, table: str, batches: Sequence[pa.Table]) -> list[list[Evaluation]]:
        """For each batch, as `columns_to_check` prepared it, the evaluation of each expectation on its rows.

        Several cost little more than one: most of Great Expectations' time goes into the question, not the rows.
        Expectations about columns that the batches lack are left out. Raises `SuiteError` where Great Expectations
        cannot check a column as the suite asks.
        """
        together = pa.concat_tables(batches)
        failed = self._failed(table, together) if together.num_rows else {}
        expectations = self._suites[table].expectations
        asked = askable_expectations(self._suites[table], together.column_names)
        answers = []
        first = 0
        for batch in batches:
            behind = first + batch.num_rows
            answers.append(
                [
                    Evaluation(
                        place, _between(failed.get(place), first, behind), _checked_rows(batch, expectations[place])
                    )
                    for place in asked
                ]
            )
            first = behind
        return answers

    def _failed(self, table: str, batch: pa.Table) -> dict[int, npt.NDArray[np.int64]]:
        """The positions of the failing rows for each expectation that some row fails."""
        suite = self._suites[table]
        ready = self._ready[table]
        frame = _checkable(batch, suite)
        askable = askable_expectations(suite, batch.column_names)
        # Where all is well nothing but a count is needed; the row numbers of failures are asked for in a second round.
        sure = [place for place in askable if suite.expectations[place].mostly == 1]
        passed = self._ask(table, frame, {place: ready[place] for place in sure}, "BOOLEAN_ONLY")
        doubtful = sorted(set(askable) - {place for place, result in passed.items() if result.success})
        found = self._ask(table, frame, {place: ready[place] for place in doubtful}, "COMPLETE")
        return {place: np.sort(_failing(result)) for place, result in found.items()}

    def check_row_count(self, table: str, rows: int) -> dict[int, bool]:
        """Whether each expectation about the table's row count (by its position) is met by `rows`."""
        expectations = self._suites[table].expectations
        counts = {place: self._ready[table][place] for place, item in enumerate(expectations) if not item.columns}
        results = self._ask(table, pd.DataFrame(index=range(rows)), counts, "BASIC")
        return {place: bool(result.success) for place, result in results.items()}

    def _accept(self, suite: Suite, latest: datetime) -> "list[ExpectationConfiguration]":
        refusals = (ValueError, TypeError, self._gx.exceptions.GreatExpectationsError)
        accepted: list[ExpectationConfiguration] = []
        for place, expectation in enumerate(suite.expectations):
            try:
                ready = _configuration(expectation.type, _resolved(expectation, latest), place)
            except refusals as error:
                raise SuiteError(f"{expectation.place}: Great Expectations refuses it: {_one_line(error)}.") from error
            accepted.append(ready)
        return accepted

    def _ask(
        self, table: str, frame: pd.DataFrame, ready: "dict[int, ExpectationConfiguration]", detail: str
    ) -> "dict[int, ExpectationValidationResult]":
        """Results by position in the suite; Great Expectations returns them in an order of its own.

        The engine is given the frame directly: a data source would compute a fingerprint of all its values, twice.
        """
        found: dict[int, ExpectationValidationResult] = {}
        expectations = self._suites[table].expectations
        for columns, places in _groups(frame, {place: expectations[place].columns for place in ready}):
            engine = self._gx.execution_engine.PandasExecutionEngine()
            engine.load_batch_data(table, frame[columns])
            validator = self._gx.validator.validator.Validator(execution_engine=engine, data_context=self._context)
            wanted = {"result_format": detail, "exclude_unexpected_values": True}
            configurations = [ready[place] for place in places]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # how it uses pandas is not the user's to mend
                results = validator.graph_validate(configurations, {"result_format": wanted})
            found |= {int(result.expectation_config.id): result for result in results}
        for place in ready:
            _refuse_exception(expectations[place], found[place])
        return found


def _configuration(name: str, kwargs: dict[str, Value], place: int) -> "ExpectationConfiguration":
    """What Great Expectations is asked: prepared for many batches, or its public class where that does not fit."""
    prepared = _prepared_class()
    if prepared is not None:
        return prepared(name, kwargs, id_=str(place))
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    plain = ExpectationConfiguration(type=name, kwargs=kwargs, id=str(place))
    plain.to_domain_obj()  # raises what it refuses
    return plain


def _prepared_class() -> "type[PreparedConfiguration] | None":
    """The class that leans on Great Expectations' internals; None where they are others than it knows."""
    try:
        from etl.validation import prepared
    except ImportError:  # the modules that it needs lie elsewhere in this version
        return None
    return prepared.PreparedConfiguration if prepared.is_as_known() else None


def _groups(frame: pd.DataFrame, columns: Mapping[int, tuple[str, ...]]) -> list[tuple[list[str], list[int]]]:
    """Columns and the expectations that look at them, in groups to be checked together.

    Great Expectations copies the whole frame for each expectation, so long texts stand in frames of their own.
    """
    groups: dict[frozenset[str], list[int]] = {}
    for place, names in columns.items():
        texts = frozenset(name for name in names if isinstance(frame.dtypes[name], pd.StringDtype))
        groups.setdefault(texts, []).append(place)
    return [(sorted({name for place in places for name in columns[place]}), places) for places in groups.values()]


def import_great_expectations() -> ModuleType:
    """Great Expectations, which takes seconds to import; without its dependencies' warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies' deprecations concern nobody here
        import great_expectations
        import great_expectations.execution_engine
        import great_expectations.expectations.expectation_configuration
        import great_expectations.validator.validator
    # It logs each exception that it catches; they come back in its results and are raised from there.
    logging.getLogger("great_expectations").addHandler(logging.NullHandler())
    return great_expectations


def _resolved(expectation: Expectation, latest: datetime) -> dict[str, Value]:
    parameter = {"$PARAMETER": LATEST_PLAUSIBLE_TIME}
    return {name: latest if value == parameter else value for name, value in expectation.kwargs.items()}


def _checked_rows(batch: pa.Table, expectation: Expectation) -> int:
    """How many rows it applies to; Great Expectations leaves that open where all is well."""
    missing = [pc.is_null(batch.column(name)) for name in expectation.columns]
    skip = expectation.kwargs.get("ignore_row_if", "both_values_are_missing")
    if expectation.type in NULLNESS or skip == "neither":
        return int(batch.num_rows)
    together = pc.or_ if skip == "either_value_is_missing" else pc.and_
    left_out = missing[0] if len(missing) == 1 else together(*missing)
    return int(batch.num_rows - (pc.sum(left_out).as_py() or 0))


def _failing(result: "ExpectationValidationResult") -> npt.NDArray[np.int64]:
    return np.array(result.result["unexpected_index_list"], np.int64)


def _between(positions: npt.NDArray[np.int64] | None, first: int, behind: int) -> npt.NDArray[np.int64]:
    """The ascending positions from `first` to before `behind`, counted from `first`."""
    if positions is None:
        return np.empty(0, np.int64)
    start, end = np.searchsorted(positions, [first, behind])
    return positions[start:end] - first


def _refuse_exception(expectation: Expectation, result: "ExpectationValidationResult") -> None:
    information = result.exception_info or {}
    nested = [information, *(value for value in information.values() if isinstance(value, dict))]
    for found in nested:
        if found.get("raised_exception"):
            message = _one_line(found.get("exception_message"))
            raise SuiteError(f"{expectation.place}: Great Expectations cannot check it: {message}.")


def _one_line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _checkable(batch: pa.Table, suite: Suite) -> pd.DataFrame:
    readers = _readers(suite)
    with_sets = {
        name
        for name, types in readers.items()
        if any("_in_set" in type_name for type_name in types) and not any("_pair_" in type_name for type_name in types)
    }
    columns = {
        name: _column(batch.column(name), suite.columns[name].kind, name in with_sets) for name in batch.column_names
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows))


def _column(values: pa.ChunkedArray, kind: Kind, in_set: bool) -> Column:
    if pa.types.is_integer(values.type):
        return _integers(values)
    if pa.types.is_floating(values.type):
        return _floats(values)
    if kind is Kind.NUMERIC:
        return _decimals(values)
    if pa.types.is_timestamp(values.type):
        return cast(Column, values.cast(pa.timestamp("us", tz="UTC")).to_pandas())
    if in_set and (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return cast(Column, values.dictionary_encode().to_pandas())  # each distinct text checked once
    return cast(Column, values.to_pandas())


def _integers(values: pa.ChunkedArray) -> Column:
    bounds = pc.min_max(values).as_py()
    largest = max(abs(bounds["min"] or 0), abs(bounds["max"] or 0))
    if largest > EXACT_IN_FLOAT:
        return _objects(values.to_pylist())  # Python compares integers with floats exactly
    return cast(Column, values.cast(pa.float64() if values.null_count else pa.int64()).to_pandas())


def _floats(values: pa.ChunkedArray) -> Column:
    values = values.cast(pa.float64())
    # pandas takes NaN for NULL, PostgreSQL for a value above all others.
    return cast(Column, pc.if_else(pc.is_nan(values), float("inf"), values).to_pandas())


def _decimals(values: pa.ChunkedArray) -> Column:
    longest = pc.max(pc.utf8_length(values)).as_py() or 0
    if longest <= DIGITS_EXACT_IN_FLOAT:
        return _floats(values)
    exact = [None if value is None else Decimal(value) for value in values.to_pylist()]
    return _objects([Decimal("Infinity") if value is not None and value.is_nan() else value for value in exact])


def _objects(values: Sequence[object]) -> Column:
    # NaN stands for NULL because None cannot be compared with anything.
    return pd.Series([math.nan if value is None else value for value in values], dtype=object)
