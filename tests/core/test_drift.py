"""Codes and words of drift: every action can be said, and a report without codes is still understood."""

from dataclasses import asdict

import orjson
import pytest

from etl.core.drift import DRIFT_WORDS, Drift, DriftAction, DriftKind, action_words, code_of_words
from etl.core.report import DriftReport

WITH_DETAIL = [
    DriftAction.NOT_MIGRATED_UNREADABLE,
    DriftAction.NOT_MIGRATED_OTHER,
    DriftAction.ROWS_WRITTEN,
    DriftAction.PARENTS_ABSENT,
    DriftAction.PARENTS_IN_TARGET,
]


@pytest.mark.parametrize("code", DriftAction)
def test_every_action_has_words_of_its_own(code: DriftAction) -> None:
    words = action_words(code, "a view")
    assert words
    assert ("a view" in words) == (code in WITH_DETAIL)
    assert [other for other in DriftAction if action_words(other, "a view") == words] == [code]


@pytest.mark.parametrize("code", [code for code in DriftAction if code not in WITH_DETAIL])
def test_an_older_report_tells_its_actions_by_their_words(code: DriftAction) -> None:
    assert code_of_words(action_words(code)) is code


def test_words_that_nobody_knows_have_no_code() -> None:
    assert code_of_words("something else") is None


def test_the_report_keeps_kind_action_and_code() -> None:
    found = Drift("t", None, DriftKind.NOT_A_TABLE, 7, DriftAction.NOT_MIGRATED_OTHER, "a {detail} view")
    assert orjson.loads(orjson.dumps(asdict(DriftReport.of(found)))) == {
        "table": "t",
        "column": None,
        "kind": "not_a_table",
        "values": 7,
        "action": "not migrated: in the target this is a {detail} view",
        "settled": True,
        "code": "not_migrated_other",
    }


@pytest.mark.parametrize("kind", DriftKind)
def test_a_whole_table_is_warned_of_unless_its_own_line_says_it(kind: DriftKind) -> None:
    assert (Drift("t", None, kind, None, DriftAction.SKIPPED).warning is not None) == (kind in DRIFT_WORDS)
    assert Drift("t", "c", kind, None, DriftAction.SKIPPED).warning is None
