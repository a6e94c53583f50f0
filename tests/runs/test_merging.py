"""Results of parts add up to those of the whole, in whatever groups they are added."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.comparison import findings
from etl.comparison.compare import TableComparison
from etl.comparison.differences import DifferenceCounts, _Group
from etl.comparison.findings import Findings
from etl.core.difference_kinds import DifferenceKind
from etl.core.rejects import Fault, RejectRule, RejectStage, TableFault
from etl.core.report import DifferenceTotal, reject_groups
from etl.core.row_counts import RowCounts
from etl.core.types import named_type
from etl.validation.results import ExpectationResult, add_results
from etl.validation.suites import Expectation, Suite

counts = st.builds(RowCounts, *[st.integers(0, 10**9)] * 4)
faults = st.builds(
    TableFault,
    st.sampled_from("ab"),
    st.builds(Fault, st.sampled_from(RejectStage), st.sampled_from(RejectRule), st.just("c"), st.sampled_from("xy")),
)
rejects = st.dictionaries(faults, st.integers(1, 100), max_size=4).map(Counter)
totals = st.builds(DifferenceTotal, st.sampled_from("ab"), st.just("c"), st.just("missing"), st.integers(1, 9))
found = st.builds(
    Findings,
    st.lists(st.fixed_dictionaries({"key": st.integers(0, 99)}), max_size=4).map(tuple),
    st.lists(totals, max_size=3).map(tuple),
)


@given(counts, counts, counts)
def test_row_counts(one: RowCounts, two: RowCounts, three: RowCounts) -> None:
    assert (one + two) + three == one + (two + three)
    assert (one + two).accounted == one.accounted + two.accounted
    assert one + RowCounts() == one


@given(rejects, rejects, rejects)
def test_reject_groups(one: Counter[TableFault], two: Counter[TableFault], three: Counter[TableFault]) -> None:
    left, right = reject_groups((one + two) + three), reject_groups(one + (two + three))
    assert set(left) == set(right)
    assert sum(group.rows for group in left) == sum((one + two + three).values())


groups = st.builds(
    _Group,
    st.sampled_from(["c", None]),
    st.sampled_from([DifferenceKind.TIME_SHIFTED, DifferenceKind.OTHER]),
    st.sampled_from([None, 3600.0]),
    st.booleans(),
)
comparisons = st.builds(
    TableComparison,
    st.just("t"),
    *[st.integers(0, 10**9)] * 6,
    st.builds(
        DifferenceCounts,
        st.dictionaries(groups, st.integers(1, 9), max_size=4).map(Counter),
        st.dictionaries(st.just("c"), st.integers(1, 9)).map(Counter),
        st.dictionaries(st.just("c"), st.integers(1, 9)).map(Counter),
    ),
)


@given(comparisons, comparisons, comparisons)
def test_comparisons(one: TableComparison, two: TableComparison, three: TableComparison) -> None:
    assert (one + two) + three == one + (two + three)
    assert (one + two).source_rows == one.source_rows + two.source_rows
    assert (one + two).extra_rows == one.extra_rows + two.extra_rows
    assert sorted((one + TableComparison("t")).totals, key=repr) == sorted(one.totals, key=repr)


def test_a_whole_column_is_shifted_where_all_of_its_parts_are() -> None:
    """One part alone may have a value that is not."""
    shifted = _Group("c", DifferenceKind.TIME_SHIFTED, 3600.0, False)
    part = TableComparison("t", differences=DifferenceCounts(Counter({shifted: 2}), compared=Counter(c=2)))
    other = TableComparison("t", differences=DifferenceCounts(Counter({shifted: 1}), compared=Counter(c=2)))
    assert [total.whole_column for total in (part + part).totals] == [True]
    assert [total.whole_column for total in (part + other).totals] == [False]


@given(found, found, found)
def test_findings_keep_a_bounded_sample_of_the_first(one: Findings, two: Findings, three: Findings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "SAMPLE_ROWS", 5)
        assert (one + two) + three == one + (two + three)
        assert one + Findings() == one == Findings() + one
        assert len((one + two).differences) == min(5, len(one.differences + two.differences))


MOSTLY = 0.75
SUITE = Suite(
    "t",
    {"c": named_type("text")},
    tuple(
        Expectation(
            "expect_column_values_to_match_regex", {"column": "c", "regex": regex, "mostly": share}, "warning", "", ""
        )
        for regex, share in (("x", 1.0), ("y", MOSTLY))
    ),
)


@st.composite
def results(draw: st.DrawFn) -> tuple[ExpectationResult, ...]:
    """What a batch of at most 20 rows says of some of the suite's expectations."""
    drawn = []
    for item in draw(st.lists(st.sampled_from(SUITE.expectations), unique_by=str, max_size=2)):
        judged = draw(st.integers(0, 20))
        failed = draw(st.integers(0, judged))
        success = failed == 0 or (item.mostly < 1 and judged - failed >= item.mostly * judged)
        samples = pd.DataFrame({"c": ["z"] * min(failed, 5)})
        drawn.append(ExpectationResult("t", str(item), "c", item.severity, failed, judged, success, "", samples))
    return tuple(drawn)


@given(results(), results(), results())
def test_expectations(
    one: tuple[ExpectationResult, ...], two: tuple[ExpectationResult, ...], three: tuple[ExpectationResult, ...]
) -> None:
    left = add_results(add_results(one, two, SUITE), three, SUITE)
    right = add_results(one, add_results(two, three, SUITE), SUITE)
    assert left == right
    assert [len(result.samples) for result in left] == [len(result.samples) for result in right]
