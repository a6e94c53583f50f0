"""What is expected of a whole table: as Great Expectations itself judges it at once, in batches, of every type."""

import contextlib
import json
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import etl
from etl.core.types import Kind, TargetType
from etl.validation.checker import import_great_expectations
from etl.validation.meaning import meaning_of
from etl.validation.results import ExpectationResult
from etl.validation.rules import RULES
from etl.validation.suites import Suite, load_suite, parse_expectation
from etl.validation.whole_table import WholeTable

UUID = "6f1f0c2e-8a30-4f0e-9a39-3a5f6e7a1b11"
NUMBERS = [3, 1, 2, 2, None, 9, 2**60, -4]
REALS = [0.5, 1.5, None, 2.5, 1.5, 8, 9, 0]
COLUMNS = {
    "n": (TargetType(Kind.BIGINT, "bigint"), pd.array(NUMBERS, dtype=pd.ArrowDtype(pa.int64()))),
    "x": (
        TargetType(Kind.DOUBLE, "double precision"),
        pd.array(REALS, "float64[pyarrow]"),
    ),
    "t": (TargetType(Kind.TEXT, "text"), pd.array(["a", "b", "A", None, "a", "", " ", "c"], "string[pyarrow]")),
}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("expect_column_values_to_be_unique", "n", {}),
    ("expect_column_values_to_be_unique", "x", {"mostly": 0.5}),
    ("expect_column_values_to_be_unique", "t", {}),
    ("expect_column_unique_value_count_to_be_between", "t", {"min_value": 6, "max_value": 6}),
    ("expect_column_unique_value_count_to_be_between", "n", {"max_value": 5}),
    ("expect_column_proportion_of_unique_values_to_be_between", "x", {"min_value": 0.9}),
    ("expect_column_distinct_values_to_be_in_set", "t", {"value_set": ["a", "b", "c"]}),
    ("expect_column_distinct_values_to_contain_set", "n", {"value_set": [1, 2, 7]}),
    ("expect_column_distinct_values_to_contain_set", "n", {"value_set": [1, 2]}),
    ("expect_column_distinct_values_to_equal_set", "t", {"value_set": ["a", "b", "c", "A", "", " "]}),
    ("expect_column_min_to_be_between", "n", {"min_value": -4, "strict_min": True}),
    ("expect_column_max_to_be_between", "x", {"max_value": 9}),
    ("expect_column_sum_to_be_between", "x", {"min_value": 23, "max_value": 23}),
    ("expect_column_mean_to_be_between", "x", {"min_value": 3.28, "max_value": 3.29}),
    ("expect_column_median_to_be_between", "x", {"min_value": 1.5, "max_value": 1.5}),
    ("expect_column_stdev_to_be_between", "x", {"min_value": 3.6, "max_value": 3.7}),
]


def judged(
    expectations: Sequence[tuple[str, str, dict[str, Any]]], columns: dict[str, TargetType], *frames: pd.DataFrame
) -> list[ExpectationResult]:
    """The results over the frames as batches."""
    items = [
        parse_expectation({"type": name, "kwargs": {"column": column, **more}, "severity": "warning"}, columns, name)
        for name, column, more in expectations
    ]
    with contextlib.closing(
        WholeTable(Suite("t", columns, tuple(items)), latest=datetime(2026, 1, 1, tzinfo=UTC))
    ) as whole:
        for frame in frames:
            whole.add(frame)
        return list(whole.results().values())


@pytest.fixture(scope="module")
def ask() -> Callable[[str, pd.DataFrame, dict[str, Any]], Any]:
    """Great Expectations itself, asked of a plain frame."""
    gx = import_great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    source = context.data_sources.add_pandas("frames")

    def answer(name: str, frame: pd.DataFrame, kwargs: dict[str, Any]) -> Any:
        asset = source.add_dataframe_asset(f"a{len(source.assets)}")
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
        found = gx.expectations.registry.get_expectation_impl(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return batch.validate(found(**kwargs))

    return answer


@pytest.mark.parametrize(("name", "column", "more"), CASES)
def test_it_judges_as_great_expectations_does(
    ask: Callable[[str, pd.DataFrame, dict[str, Any]], Any], name: str, column: str, more: dict[str, Any]
) -> None:
    types = {each: target for each, (target, _) in COLUMNS.items()}
    frame = pd.DataFrame({each: values for each, (_, values) in COLUMNS.items()})
    (result,) = judged([(name, column, more)], types, frame.iloc[:3], frame.iloc[3:])
    plain = pd.DataFrame({column: frame[column].dropna().tolist()})
    theirs = ask(name, plain, {"column": column, **more})
    assert result.success == theirs.success
    assert result.judged_rows == 7
    assert result.said
    if name.endswith("be_unique"):
        assert result.unexpected_rows == theirs.result["unexpected_count"]


def test_times_and_exact_numbers_are_counted_by_what_they_mean() -> None:
    columns = {
        "made": TargetType(Kind.TIMESTAMPTZ, "timestamp with time zone"),
        "price": TargetType(Kind.NUMERIC, "numeric"),
        "id": TargetType(Kind.UUID, "uuid"),
        "api_token": TargetType(Kind.TEXT, "text"),
    }
    times = pa.array([datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    frame = pd.DataFrame(
        {
            "made": pd.Series(times, dtype=pd.ArrowDtype(times.type)),
            "price": pd.array(["1.50", "1.5"], "string[pyarrow]"),
            "id": pd.array([UUID, UUID.upper().replace("-", "")], "string[pyarrow]"),
            "api_token": pd.array(["secret", "secret"], "string[pyarrow]"),
        }
    )
    unique = "expect_column_values_to_be_unique"
    expected = [
        (unique, "price", {}),
        (unique, "id", {}),
        (unique, "api_token", {}),
        ("expect_column_max_to_be_between", "made", {"max_value": "2025-01-01"}),
        ("expect_column_max_to_be_between", "made", {"max_value": "2024-12-31"}),
        ("expect_column_max_to_be_between", "made", {"max_value": {"$PARAMETER": "latest_plausible_time"}}),
        ("expect_column_sum_to_be_between", "price", {"min_value": 3, "max_value": 3}),
    ]
    results = judged(expected, columns, frame)
    assert [result.success for result in results] == [False, False, False, True, False, True, True]
    assert results[0].said == "2 of 2 rows (100 %) share their value with another: '1.5' (2 times)"
    assert results[2].said.endswith("a hidden value (2 times)")
    assert results[4].said == "the greatest is 2025-01-01 00:00:00+00:00"


def test_the_file_of_ones_own_is_asked_of_a_frame(tmp_path: Path) -> None:
    path = make_suite(
        tmp_path,
        "books",
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "isbn"}, "severity": "warning"},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "title", "regex": r"\S"}},
    )
    frame = pd.DataFrame({"isbn": [1, 1, 1, 2], "title": ["a", " ", "", "b"]})
    for folder in (tmp_path, str(tmp_path)):
        validated = etl.validate_frame(frame, "books", expectations=folder)
        assert validated.rejected.index.tolist() == [1, 2]
        blank, unique = validated.results
        assert (blank.meaning, blank.observed) == ("the text is not blank", "2 of 4 rows (50 %): ' '; ''")
        assert (unique.success, unique.unexpected_rows) == (False, 3)
        assert unique.observed == "3 of 4 rows (75 %) share their value with another: 1 (3 times)"
    shown = validated._repr_html_()
    assert "the text is not blank" in shown
    assert "share their value with another" in shown
    left = etl.validate_frame(frame[["title"]], load_suite(path, "books", {**TITLE, **ISBN})).not_judged
    assert left == ("expect_column_values_to_be_unique",)


TITLE, ISBN = {"title": TargetType(Kind.TEXT, "text")}, {"isbn": TargetType(Kind.BIGINT, "bigint")}


def make_suite(folder: Path, table: str, *expectations: dict[str, Any]) -> Path:
    path = folder / f"{table}.json"
    path.write_text(json.dumps({"name": table, "expectations": expectations}))
    return path


def test_every_expectation_has_a_meaning() -> None:
    arguments = {
        "value_set": ["a", "b"],
        "regex": "^x$",
        "regex_list": ["^x$"],
        "value": 3,
        "min_value": 1,
        "max_value": 2,
        "strftime_format": "%Y",
        "column": "c",
        "column_A": "c",
        "column_B": "d",
        "mostly": 0.9,
    }
    meanings = [meaning_of(name, arguments) for name in RULES]
    assert len(set(meanings)) == len(RULES)
    assert all(words.endswith(", in at least 90% of the rows") and "_" not in words for words in meanings)
