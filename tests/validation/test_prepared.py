"""Expectations worked out once judge every batch as Great Expectations does that is asked anew each time."""

from typing import Any

import pandas as pd
import pytest
from support.failing_rows import NOW, SUITES, bad_row, good_row

from etl.validation.frame import validate_frame
from etl.validation.judge import import_great_expectations
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


def test_other_internals_are_noticed_and_the_public_way_judges_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later Great Expectations may ask an expectation otherwise: verdicts stay the same."""
    import_great_expectations()
    from great_expectations.expectations.expectation import Expectation

    from etl.validation import prepared

    suite = SUITES["users"]
    asked = [item for item in suite.expectations if item.columns]
    frame = pd.DataFrame([good_row(suite), *(bad_row(suite, item) for item in asked)])

    def rejected() -> pd.DataFrame:
        return validate_frame(frame, suite, now=NOW).rejected

    assert prepared.is_as_known()
    known = rejected()

    def renamed(*, engine: Any) -> Any:
        raise AssertionError(f"{engine} is asked by its old shape")

    with monkeypatch.context() as patched:
        patched.setattr(Expectation, "get_validation_dependencies", renamed)
        assert not prepared.is_as_known()
    monkeypatch.setattr(prepared, "is_as_known", lambda: False)
    pd.testing.assert_frame_equal(rejected(), known)
