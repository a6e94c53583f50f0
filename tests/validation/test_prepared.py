"""Expectations worked out once check every batch as Great Expectations does that is asked anew each time."""

import sys
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from support.failing_rows import NOW, SUITES, bad_row, good_row
from validation.test_validator import frame_of

from etl.validation import checker
from etl.validation.checker import import_great_expectations
from etl.validation.frame import validate_frame
from etl.validation.results import latest_plausible_time
from etl.validation.rules import LATEST_PLAUSIBLE_TIME
from etl.validation.suites import Suite

DETAILS = ("BOOLEAN_ONLY", "BASIC", "COMPLETE")


def arguments(suite: Suite, place: int) -> dict[str, Any]:
    parameter = {"$PARAMETER": LATEST_PLAUSIBLE_TIME}
    kwargs = suite.expectations[place].kwargs
    return {name: latest_plausible_time(NOW) if value == parameter else value for name, value in kwargs.items()}


def ask(table: str, frame: pd.DataFrame, configurations: list[Any], detail: str) -> list[dict[str, Any]]:
    gx = import_great_expectations()
    engine = gx.execution_engine.PandasExecutionEngine()
    engine.load_batch_data(table, frame)
    validator = gx.validator.validator.Validator(execution_engine=engine)
    results = validator.graph_validate(configurations, {"result_format": {"result_format": detail}})
    found = [result.to_json_dict() for result in results]
    return sorted(found, key=lambda result: int(result["expectation_config"]["id"]))


@pytest.mark.parametrize("table", sorted(SUITES))
def test_batch_after_batch(table: str) -> None:
    gx = import_great_expectations()
    from etl.validation.prepared import PreparedConfiguration  # imports Great Expectations, without its warnings now

    plain = gx.expectations.expectation_configuration.ExpectationConfiguration
    suite = SUITES[table]
    asked = [place for place, item in enumerate(suite.expectations) if item.columns]
    prepared = [
        PreparedConfiguration(suite.expectations[place].type, arguments(suite, place), id_=str(place))
        for place in asked
    ]
    good = good_row(suite)
    bad = [bad_row(suite, suite.expectations[place]) for place in asked]
    failures = 0
    for rows in ([good], [good, *bad], [*reversed(bad), good, good], [good]):
        frame = pd.DataFrame(rows)
        for detail in DETAILS:
            anew = [
                plain(type=suite.expectations[place].type, kwargs=arguments(suite, place), id=str(place))
                for place in asked
            ]
            answers = ask(table, frame, prepared, detail)
            assert answers == ask(table, frame, anew, detail)
            assert [int(answer["expectation_config"]["id"]) for answer in answers] == asked
            failures += sum(not answer["success"] for answer in answers)
    assert failures >= 2 * len(DETAILS) * len(asked)


def other_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations.expectations.expectation import Expectation

    monkeypatch.setattr(Expectation, "get_validation_dependencies", lambda self, *, engine: (self, engine))


def method_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations.expectations.expectation import Expectation

    monkeypatch.delattr(Expectation, "metrics_validate")


def other_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    monkeypatch.setattr(ExpectationConfiguration, "to_domain_obj", lambda self, *, registry: (self, registry))


def module_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    import etl.validation

    monkeypatch.delattr(etl.validation, "prepared", raising=False)
    monkeypatch.delitem(sys.modules, "etl.validation.prepared", raising=False)
    monkeypatch.setitem(sys.modules, "great_expectations.expectations.expectation", None)


@pytest.mark.parametrize("change", [other_shape, method_gone, other_configuration, module_elsewhere])
def test_other_internals_are_noticed(monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]) -> None:
    """As a later Great Expectations may have them."""
    import_great_expectations()
    assert checker._prepared_class() is not None
    with monkeypatch.context() as patched:
        change(patched)
        assert checker._prepared_class() is None
    assert checker._prepared_class() is not None


@pytest.mark.parametrize("table", sorted(SUITES))
def test_the_public_way_checks_alike(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    suite = SUITES[table]
    asked = [item for item in suite.expectations if item.columns]
    frame = frame_of([good_row(suite), *(bad_row(suite, item) for item in asked)], suite.columns)
    prepared = validate_frame(frame, suite, now=NOW)
    monkeypatch.setattr(checker, "_prepared_class", lambda: None)
    plain = validate_frame(frame, suite, now=NOW)
    assert len(prepared.rejected)
    pd.testing.assert_frame_equal(plain.rejected, prepared.rejected)
    counts = [[(item.unexpected_rows, item.judged_rows) for item in found.results] for found in (plain, prepared)]
    assert counts[0] == counts[1]


def test_the_public_way_refuses_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    import_great_expectations()
    kwargs = {"column": "a", "regex_list": ["x"], "match_on": "some"}
    refusals = []
    for found in (checker._prepared_class(), None):
        monkeypatch.setattr(checker, "_prepared_class", lambda found=found: found)
        with pytest.raises(ValueError, match="match_on") as caught:
            checker._configuration("expect_column_values_to_match_regex_list", kwargs, 0)
        refusals.append(str(caught.value))
    assert refusals[0] == refusals[1]
