"""What the suites say about rows: each expectation finds its failing row, good rows pass, and the process behaves."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest
from support.failing_rows import NOW, bad_row, good_row

from etl.core.errors import CannotRun, SuiteError
from etl.core.types import Kind, TargetType
from etl.schema.unified import target_types
from etl.validation.checker import Checker, columns_to_check
from etl.validation.frame import validate_frame
from etl.validation.process import ValidationProcess
from etl.validation.results import Validated, latest_plausible_time, settle
from etl.validation.suites import Suite, default_folder, load_suites, parse_expectation
from etl.validation.validator import Validator
from etl.validation.worker import Worker

TABLES = {path.stem: target_types(path.stem) for path in sorted(default_folder().glob("*.json"))}
SUITES = load_suites(default_folder(), TABLES)
CASES = [
    (table, place) for table, suite in SUITES.items() for place, item in enumerate(suite.expectations) if item.columns
]

ARROW = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.SMALLINT: pa.int16(),
    Kind.INTEGER: pa.int32(),
    Kind.BIGINT: pa.int64(),
    Kind.REAL: pa.float32(),
    Kind.DOUBLE: pa.float64(),
    Kind.NUMERIC: pa.string(),
    Kind.TEXT: pa.string(),
    Kind.JSON: pa.string(),
    Kind.OTHER: pa.string(),
    Kind.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.BYTEA: pa.binary(),
}


def frame_of(rows: list[dict[str, Any]], columns: Mapping[str, TargetType]) -> pd.DataFrame:
    """A converted frame: Arrow-backed, row numbers from 1."""
    arrays = {
        name: pd.array(pa.array([row[name] for row in rows], ARROW[kind.kind]), dtype=pd.ArrowDtype(ARROW[kind.kind]))
        for name, kind in columns.items()
    }
    return pd.DataFrame(arrays, index=pd.RangeIndex(1, len(rows) + 1, name="row_number"))


WATCH = """
import sys
LOG = __file__ + ".log"
NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"}
def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[0], str) and set(str(arguments[1])) & set("wax+")
    if event in NETWORK or (writes and ".pyc" not in arguments[0] and arguments[0] != LOG):
        with open(LOG, "a") as log:
            log.write(f"{event} {arguments}\\n")
sys.addaudithook(watch)
open(LOG, "x").close()
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A module that Python imports before all others, noting every attempt at the network and every file written."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "sitecustomize.py").write_text(WATCH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield folder / "sitecustomize.py.log"


@pytest.fixture(scope="module")
def validator(watched: Path) -> Iterator[Validator]:  # noqa: ARG001
    """All 20 suites in one process: importing Great Expectations takes seconds."""
    with Validator(now=NOW) as validator:
        validator.use(SUITES).result(timeout=120)
        yield validator


@pytest.fixture(scope="module")
def checked(validator: Validator) -> dict[str, Validated]:
    """Each table's frame: first a good row, then for each expectation a row that fails it."""
    futures = {}
    for table, suite in SUITES.items():
        rows = [good_row(suite), *(bad_row(suite, item) for item in suite.expectations if item.columns)]
        futures[table] = validator.submit(table, frame_of(rows, suite.columns))
    return {table: future.result() for table, future in futures.items()}


@pytest.mark.parametrize(("table", "place"), CASES)
def test_each_expectation_finds_its_row(checked: dict[str, Validated], table: str, place: int) -> None:
    item, validated = SUITES[table].expectations[place], checked[table]
    result, row_number = validated.results[place], place + 2
    assert (result.expectation, result.column, result.severity) == (str(item), ", ".join(item.columns), item.severity)
    assert not result.success
    assert result.unexpected_rows >= 1
    if item.severity == "critical":
        assert validated.rejected.loc[row_number, "column"] == item.columns[0]
        rule, reason = validated.rejected.loc[row_number, ["rule", "reason"]]
        assert rule == f"fails {item}"
        assert reason.endswith(rule)
        assert reason.startswith(f"{item.columns[0]} = {'NULL' if 'null' in item.type else ''}")
    else:
        assert row_number in validated.accepted.index
        assert row_number in validated.accepted.loc[result.samples.index].index


@pytest.mark.parametrize("table", SUITES)
def test_good_row_passes_and_every_row_has_one_fate(checked: dict[str, Validated], table: str) -> None:
    validated = checked[table]
    assert 1 in validated.accepted.index
    assert all(1 not in result.samples.index for result in validated.results)
    critical = {place + 2 for place, item in enumerate(SUITES[table].expectations) if item.severity == "critical"}
    assert set(validated.rejected.index) == critical
    assert not critical & set(validated.accepted.index)
    assert validated.rejected.index.name == "row_number"
    assert validated.not_judged == ()


def test_row_count_is_checked_over_all_batches(validator: Validator, checked: dict[str, Validated]) -> None:
    assert checked
    few, none = (validator.finish("users", rows).result()[-1] for rows in (1, 0))
    assert (few.success, none.success, none.column) == (True, False, None)


def test_totals_add_up_the_batches(validator: Validator) -> None:
    suite = SUITES["memory_tags"]
    before = validator.finish("memory_tags", 0).result()
    frame = frame_of([good_row(suite) | {"tag": tag} for tag in ("a", " ", None)], suite.columns)
    for _ in range(3):
        validator.submit("memory_tags", frame).result()
    after = validator.finish("memory_tags", 9).result()
    validator.begin("memory_tags")
    again = validator.finish("memory_tags", 9).result()
    assert [item.expectation for item in again] == [item.expectation for item in after]
    assert sum(item.judged_rows for item in again if item.column) == 0
    added = [late.unexpected_rows - early.unexpected_rows for early, late in zip(before, after, strict=True)]
    assert added == [0, 0, 3, 3]
    assert max(len(result.samples) for result in after) <= 5


def test_batches_that_wait_together_get_answers_of_their_own(validator: Validator) -> None:
    suite = SUITES["memory_tags"]
    tags: list[list[str | None]] = [["a", " ", "b"], ["c"], [], [None, " ", "d", " "], [" "]]
    frames = [frame_of([good_row(suite) | {"tag": tag} for tag in batch], suite.columns) for batch in tags]
    alone = [validator.submit("memory_tags", frame).result() for frame in frames]
    together = [future.result() for future in [validator.submit("memory_tags", frame) for frame in frames]]
    for one, other, frame in zip(alone, together, frames, strict=True):
        assert other.results == one.results
        assert [str(item.samples) for item in other.results] == [str(item.samples) for item in one.results]
        pd.testing.assert_frame_equal(other.rejected, one.rejected)
        pd.testing.assert_frame_equal(other.accepted, one.accepted)
        assert len(other.accepted) + len(other.rejected) == len(frame)


def test_process_touches_neither_network_nor_files(
    validator: Validator, checked: dict[str, Validated], watched: Path
) -> None:
    assert validator.pid
    assert checked
    assert watched.read_text() == ""


def test_dead_process_is_a_clear_error() -> None:
    with Validator() as validator:
        accepted = validator.use({"users": SUITES["users"]})
        os.kill(validator.pid, signal.SIGKILL)
        suite = SUITES["users"]
        future = validator.submit("users", frame_of([good_row(suite)], suite.columns))
        with pytest.raises(CannotRun, match=r"ended unexpectedly.*--skip-validation"):
            accepted.result(timeout=30)
        with pytest.raises(CannotRun, match="ended unexpectedly"):
            future.result(timeout=30)


def test_leaving_early_does_not_wait_for_the_import() -> None:
    started = time.monotonic()
    with Validator() as validator:
        validator.use(SUITES)
        process = psutil.Process(validator.pid)
    assert time.monotonic() - started < 2
    assert not process.is_running()


def test_process_ends_with_its_parent_and_not_by_ctrl_c(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\nfrom etl.validation.validator import Validator\n"
        "with Validator() as validator:\n"
        "    validator.use({}).result()\n    print(validator.pid, flush=True)\n    time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[2])
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        child.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert child.is_running()
        parent.kill()
        psutil.wait_procs([child], timeout=10)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def suite_of(columns: Mapping[str, Kind], *items: Mapping[str, Any]) -> Suite:
    types = {name: TargetType(kind, kind.value) for name, kind in columns.items()}
    return Suite("t", types, tuple(parse_expectation({"kwargs": {}, **item}, types, "t.json") for item in items))


def failing(kind: Kind, values: list[Any], type_name: str, **kwargs: Any) -> list[int]:
    """Which of the values (by position from 0) fail a critical expectation on a column of that kind."""
    suite = suite_of({"c": kind}, {"type": type_name, "kwargs": {"column": "c", **kwargs}})
    frame = frame_of([{"c": value} for value in values], suite.columns)
    return [int(number) - 1 for number in validate_frame(frame, suite, now=NOW).rejected.index]


BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
REGEX = "expect_column_values_to_match_regex"
BIG = 2**53
DAY = timedelta(days=1)
EXACT: list[tuple[Kind, list[Any], str, dict[str, Any], list[int]]] = [
    (Kind.BIGINT, [BIG + 1, BIG, None, -BIG - 1], BETWEEN, {"min_value": -BIG, "max_value": BIG}, [0, 3]),
    (Kind.BIGINT, [BIG + 1, BIG], BETWEEN, {"max_value": BIG}, [0]),
    (Kind.BIGINT, [BIG + 1, BIG, None], IN_SET, {"value_set": [BIG]}, [0]),
    (Kind.INTEGER, [1, None, 3], IN_SET, {"value_set": [1, 2]}, [2]),
    (Kind.SMALLINT, [-1, 0, 1, None], BETWEEN, {"min_value": 0, "strict_min": True}, [0, 1]),
    (Kind.INTEGER, [None, None], BETWEEN, {"min_value": 0}, []),
    (Kind.REAL, [0.0, 1.0, 1.0000001, None, float("inf")], BETWEEN, {"min_value": 0, "max_value": 1}, [2, 4]),
    (Kind.DOUBLE, [float("nan"), -float("inf"), 0.1, None], BETWEEN, {"max_value": 0.1}, [0]),
    (Kind.DOUBLE, [float("nan"), None], "expect_column_values_to_not_be_null", {}, [1]),
    (Kind.NUMERIC, ["0.1", "0.10", "0.09", None, "1e3"], BETWEEN, {"min_value": 0.1, "max_value": 1}, [2, 4]),
    (Kind.NUMERIC, ["1.0000000000000000001", "1", "NaN", "-1e400"], BETWEEN, {"max_value": 1}, [0, 2]),
    (Kind.BOOLEAN, [True, False, None], IN_SET, {"value_set": [True]}, [1]),
    (Kind.TEXT, ["a", "A", "", None, "a "], IN_SET, {"value_set": ["a"]}, [1, 2, 4]),
    (Kind.TEXT, ["a", "a"], IN_SET, {"value_set": ["a"]}, []),
    (Kind.TEXT, ["a", "b", None], "expect_column_values_to_not_be_in_set", {"value_set": ["a"]}, [0]),
    (Kind.TEXT, [None, "", " ", "x", "nan"], REGEX, {"regex": r"\S"}, [1, 2]),
    (Kind.TEXT, [None, "x"], "expect_column_values_to_not_match_regex", {"regex": "x"}, [1]),
    (Kind.TEXT, ["1", "x", None], "expect_column_values_to_match_regex_list", {"regex_list": ["1", "2"]}, [1]),
    (Kind.TEXT, ["1", "x", None], "expect_column_values_to_not_match_regex_list", {"regex_list": ["1", "2"]}, [0]),
    (Kind.TEXT, ["🤖🤖", "🤖🤖🤖", None], "expect_column_value_lengths_to_be_between", {"max_value": 2}, [1]),
    (Kind.TEXT, ["ab", "abc", None], "expect_column_value_lengths_to_equal", {"value": 2}, [1]),
    (Kind.TEXT, ["2026", "x", None], "expect_column_values_to_match_strftime_format", {"strftime_format": "%Y"}, [1]),
    (Kind.TIMESTAMPTZ, [NOW, NOW + timedelta(microseconds=1), None], BETWEEN, {"max_value": NOW.isoformat()}, [1]),
    (Kind.TIMESTAMPTZ, [datetime(9999, 12, 31, tzinfo=UTC)], BETWEEN, {"max_value": "9999-12-30"}, [0]),
    (
        Kind.TIMESTAMPTZ,
        [NOW + DAY, NOW + 2 * DAY],
        BETWEEN,
        {"max_value": {"$PARAMETER": "latest_plausible_time"}},
        [1],
    ),
    (Kind.TIMESTAMP, [datetime(2026, 1, 1), datetime(2026, 1, 2)], BETWEEN, {"max_value": "2026-01-01"}, [1]),
    (Kind.BYTEA, [b"", None], "expect_column_values_to_not_be_null", {}, [1]),
    (Kind.JSON, ["{}", None], "expect_column_values_to_be_null", {}, [0]),
]


@pytest.mark.parametrize(("kind", "values", "type_name", "kwargs", "expected"), EXACT)
def test_exactly_the_failing_values_are_found(
    kind: Kind, values: list[Any], type_name: str, kwargs: dict[str, Any], expected: list[int]
) -> None:
    assert failing(kind, values, type_name, **kwargs) == expected


@pytest.mark.parametrize(
    ("kind", "pairs", "expected"),
    [
        (Kind.INTEGER, [(2, 1), (1, 1), (1, 2), (None, 1), (1, None), (None, None)], [2]),
        (Kind.BIGINT, [(BIG + 1, BIG), (BIG, BIG + 1), (None, 1)], [1]),
        (Kind.NUMERIC, [("2", "10"), ("10", "2")], [0]),
        (Kind.TIMESTAMPTZ, [(NOW, NOW), (NOW, NOW + timedelta(microseconds=1)), (None, NOW)], [1]),
        (Kind.TIMESTAMP, [(datetime(2026, 1, 1), datetime(2026, 1, 2))], [0]),
    ],
)
def test_pairs(kind: Kind, pairs: list[tuple[Any, Any]], expected: list[int]) -> None:
    kwargs = {"column_A": "a", "column_B": "b", "or_equal": True, "ignore_row_if": "either_value_is_missing"}
    suite = suite_of(
        {"a": kind, "b": kind}, {"type": "expect_column_pair_values_a_to_be_greater_than_b", "kwargs": kwargs}
    )
    validated = validate_frame(frame_of([{"a": a, "b": b} for a, b in pairs], suite.columns), suite)
    assert [number - 1 for number in validated.rejected.index] == expected


@pytest.mark.parametrize(
    ("skip", "checked"), [("neither", 4), ("both_values_are_missing", 3), ("either_value_is_missing", 1), (None, 3)]
)
def test_checked_rows_are_those_that_it_applies_to(skip: str | None, checked: int) -> None:
    """The same for an expectation that all rows meet as for one that some fail."""
    pair = {"column_A": "a", "column_B": "b"} | ({"ignore_row_if": skip} if skip else {})
    suite = suite_of(
        {"a": Kind.INTEGER, "b": Kind.INTEGER},
        {"type": "expect_column_pair_values_a_to_be_greater_than_b", "kwargs": pair, "severity": "warning"},
        {"type": BETWEEN, "kwargs": {"column": "a", "min_value": 0}, "severity": "warning"},
        {"type": BETWEEN, "kwargs": {"column": "a", "max_value": 1}, "severity": "warning"},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}, "severity": "warning"},
    )
    rows = [{"a": a, "b": b} for a, b in [(2, 1), (None, 1), (1, None), (None, None)]]
    results = validate_frame(frame_of(rows, suite.columns), suite).results
    assert [result.judged_rows for result in results] == [checked, 2, 2, 4]


def test_equal_texts_as_pair() -> None:
    equal = {"type": "expect_column_pair_values_to_be_equal", "kwargs": {"column_A": "a", "column_B": "b"}}
    in_set = {"type": IN_SET, "kwargs": {"column": "a", "value_set": ["x", "y"]}}
    suite = suite_of({"a": Kind.TEXT, "b": Kind.TEXT}, equal, in_set)
    validated = validate_frame(frame_of([{"a": "x", "b": "x"}, {"a": "y", "b": "x"}], suite.columns), suite)
    assert list(validated.rejected.index) == [2]


def test_first_fault_in_column_order_is_the_reason() -> None:
    required = [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": name}} for name in ("b", "a")]
    suite = suite_of({"a": Kind.TEXT, "b": Kind.TEXT}, *required)
    rejected = validate_frame(frame_of([{"a": None, "b": None}, {"a": "x", "b": None}], suite.columns), suite).rejected
    assert list(rejected["column"]) == ["a", "b"]


def test_reason_names_the_value_and_rule_does_not() -> None:
    columns = {
        "role": Kind.TEXT,
        "api_token": Kind.TEXT,
        "a": Kind.INTEGER,
        "b": Kind.INTEGER,
        "made": Kind.TIMESTAMPTZ,
    }
    suite = suite_of(
        columns,
        {"type": IN_SET, "kwargs": {"column": "role", "value_set": ["admin", "user"]}},
        {"type": REGEX, "kwargs": {"column": "api_token", "regex": "^x"}},
        {"type": "expect_column_pair_values_a_to_be_greater_than_b", "kwargs": {"column_A": "a", "column_B": "b"}},
        {"type": BETWEEN, "kwargs": {"column": "made", "max_value": "2026-03-01T12:00Z"}},
    )
    good = {"role": "admin", "api_token": "x", "a": 2, "b": 1, "made": NOW}
    faults = [
        {"role": "r\nt" + 80 * "!"},
        {"api_token": "s3cret"},
        {"a": 1, "b": 3},
        {"made": NOW + DAY},
        {"role": "Ä"},
    ]
    rejected = validate_frame(frame_of([good | fault for fault in faults], suite.columns), suite).rejected
    pair = "fails expect_column_pair_values_a_to_be_greater_than_b (a, b)"
    time = 'fails expect_column_values_to_be_between (max_value "2026-03-01 12:00:00+00:00")'
    in_set = 'fails expect_column_values_to_be_in_set (value_set ["admin", "user"])'
    regex = 'fails expect_column_values_to_match_regex (regex "^x")'
    assert list(rejected["rule"]) == [in_set, regex, pair, time, in_set]
    assert list(rejected["reason"]) == [
        f"role = 'r\\nt{53 * '!'}…' {in_set}",
        f"api_token = a hidden value {regex}",
        f"a = 1, b = 3 {pair}",
        f"made = 2026-03-02 12:00:00+00:00 {time}",
        f"role = 'Ä' {in_set}",
    ]


def test_rows_of_one_label_in_a_notebook_are_still_told_apart() -> None:
    frame = pd.DataFrame({"role": ["admin", "root"]}, index=[0, 0])
    validated = validate_frame(frame, "users")
    assert (list(validated.accepted["role"]), len(validated.rejected)) == (["admin"], 1)


def test_rows_are_told_apart_by_row_number_alone() -> None:
    suite = suite_of({"id": Kind.INTEGER, "a": Kind.TEXT}, {"type": REGEX, "kwargs": {"column": "a", "regex": "x"}})
    frame = frame_of([{"id": 7, "a": "x"}, {"id": 7, "a": "y"}], suite.columns)
    frame.index = pd.Index([30, 10], name="row_number")
    validated = validate_frame(frame, suite)
    assert (list(validated.accepted.index), list(validated.rejected.index)) == ([30], [10])
    assert list(frame.index) == [30, 10]


def test_mostly_counts_over_all_batches_and_never_rejects() -> None:
    mostly = {"type": REGEX, "kwargs": {"column": "a", "regex": "x", "mostly": 0.5}, "severity": "warning"}
    suite = suite_of({"a": Kind.TEXT}, mostly)
    validated = validate_frame(frame_of([{"a": value} for value in ("x", "y", None)], suite.columns), suite)
    assert (validated.results[0].success, validated.results[0].unexpected_rows, validated.results[0].judged_rows) == (
        True,
        1,
        2,
    )
    assert len(validated.accepted) == 3
    assert not validate_frame(frame_of([{"a": "x"}, {"a": "y"}, {"a": "z"}], suite.columns), suite).results[0].success


def test_empty_frame_and_missing_columns() -> None:
    suite = SUITES["users"]
    empty = validate_frame(frame_of([], suite.columns), suite)
    assert (len(empty.accepted), len(empty.rejected)) == (0, 0)
    assert list(empty.rejected.columns) == ["column", "rule", "reason"]
    assert [result.success for result in empty.results] == [True] * 11 + [False]  # the last: no user at all
    partial = validate_frame(frame_of([good_row(suite)], suite.columns)[["id", "role"]], suite)
    assert len(partial.not_judged) == 9
    assert partial.rejected.empty


def test_values_that_the_suite_cannot_be_asked_about_are_an_error_with_place() -> None:
    frame = pd.DataFrame({"created_at": ["yesterday"]})
    with pytest.raises(SuiteError, match=r"conversation_messages.json, expectation 9 .* cannot check it"):
        validate_frame(frame, "conversation_messages")


def test_plain_pandas_frame_by_table_name() -> None:
    frame = pd.DataFrame({"role": ["admin", "root"], "tokens": [1.0, np.nan]}, index=["one", "two"])
    assert list(validate_frame(frame, "users").rejected.index) == ["two"]


def test_both_ways_give_the_same_evaluations(checked: dict[str, Validated]) -> None:
    suite = SUITES["user_memories"]
    rows = [good_row(suite), *(bad_row(suite, item) for item in suite.expectations)]
    here = validate_frame(frame_of(rows, suite.columns), suite, now=NOW)
    assert here.results == checked["user_memories"].results
    pd.testing.assert_frame_equal(here.rejected, checked["user_memories"].rejected)


def test_only_what_is_needed_reaches_great_expectations() -> None:
    suite = SUITES["conversation_messages"]
    batch = columns_to_check(frame_of([good_row(suite)], suite.columns), suite)
    assert "thinking" not in batch.column_names
    assert batch.schema.field("session_id").type == pa.int8()


def test_display_is_escaped_and_hides_secrets() -> None:
    columns = {"name": Kind.TEXT, "access_token": Kind.TEXT}
    suite = suite_of(
        columns,
        {"type": REGEX, "kwargs": {"column": "name", "regex": "^a"}, "notes": "<b>why</b>"},
        {"type": REGEX, "kwargs": {"column": "access_token", "regex": "^a"}},
    )
    row = {"name": "<script>alert(1)</script>", "access_token": "s3cret"}
    validated = validate_frame(frame_of([row], suite.columns), suite)
    shown = validated._repr_html_()
    assert "<script" not in shown
    assert "&lt;script" in shown
    assert "&lt;b&gt;why" in shown
    assert "s3cret" not in shown + repr(validated)
    assert repr(validated) == "t: 0 rows accepted, 1 rejected; 2 of 2 expectations failed"


def test_great_expectations_has_the_last_word_about_arguments() -> None:
    kwargs = {"column": "a", "regex_list": ["x"], "match_on": "some"}
    suite = suite_of({"a": Kind.TEXT}, {"type": "expect_column_values_to_match_regex_list", "kwargs": kwargs})
    with pytest.raises(
        SuiteError, match=r"t.json \(expect_column_values_to_match_regex_list\): Great Expectations ref"
    ):
        validate_frame(frame_of([{"a": "x"}], suite.columns), suite)


def test_refused_suite_comes_back_from_the_process() -> None:
    with (
        contextlib.closing(ValidationProcess()) as process,
        pytest.raises(CannotRun, match=r"failed|refuse"),
    ):
        Worker(process).check("t", [pa.table({"a": [1]})])


def test_import_is_quick_and_without_great_expectations() -> None:
    code = "import sys, etl.validation.validator; sys.exit('great_expectations' in sys.modules)"
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": root})


def test_check_is_reusable_for_settling() -> None:
    suite = SUITES["users"]
    frame = frame_of([good_row(suite), good_row(suite) | {"id": None}], suite.columns)
    checker = Checker([suite], latest=latest_plausible_time(NOW))
    (evaluations,) = checker.check("users", [columns_to_check(frame, suite)])
    assert list(settle(frame, suite, evaluations, {}).rejected.index) == [2]
