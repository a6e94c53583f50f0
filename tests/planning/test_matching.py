"""Names are paired by what cannot be misunderstood, and by nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.core.name_map import MatchedBy
from etl.planning.matching import letters_and_digits, match_names


@pytest.mark.parametrize(
    ("source", "target", "by"),
    [
        ("users", "users", MatchedBy.EXACT),
        ("Users", "users", MatchedBy.CASE),
        ("AlbumId", "album_id", MatchedBy.LETTERS),  # EF Core beside hand-written snake_case
        ("albumID", "album_id", MatchedBy.LETTERS),
        ("Order Details", "order_details", MatchedBy.LETTERS),
        ("order-details", "OrderDetails", MatchedBy.LETTERS),
        ("auth_user", "AuthUser", MatchedBy.LETTERS),  # Django beside Prisma
        ("Größe", "größe", MatchedBy.CASE),
        ("line2", "line_2", MatchedBy.LETTERS),
        ("x" * 70, "x" * 63, MatchedBy.CUT),
        ("X" * 62 + "é", "x" * 62, MatchedBy.CUT),  # no half characters
    ],
)
def test_names_that_mean_the_same(source: str, target: str, by: MatchedBy) -> None:
    (pair,) = match_names([source], ["other", target]).pairs
    assert (pair.source, pair.target, pair.by) == (source, target, by)


@pytest.mark.parametrize(
    ("source", "target"),
    [("user", "users"), ("person", "people"), ("colour", "color"), ("_", "-"), ("", " "), ("id1", "id2")],
)
def test_names_that_only_look_alike_are_not_paired(source: str, target: str) -> None:
    assert match_names([source], [target]).pairs == ()


@pytest.mark.parametrize(
    ("sources", "targets", "by"),
    [
        (["name"], ["Name", "NAME"], MatchedBy.CASE),
        (["Name", "NAME"], ["name"], MatchedBy.CASE),
        (["albumId", "album_id "], ["AlbumId", "ALBUM-ID"], MatchedBy.LETTERS),
        (["a_b"], ["ab", "a-b"], MatchedBy.LETTERS),
        (["x" * 70, "x" * 71], ["x" * 63], MatchedBy.CUT),
    ],
)
def test_what_could_be_meant_in_more_ways_is_said_and_not_paired(
    sources: list[str], targets: list[str], by: MatchedBy
) -> None:
    matching = match_names(sources, targets)
    assert [ambiguity.by for ambiguity in matching.ambiguities][-1:] == [by] or matching.pairs
    paired = {pair.source for pair in matching.pairs}
    open_names = {name for ambiguity in matching.ambiguities for name in ambiguity.sources}
    assert not paired & open_names
    assert paired | open_names == set(sources)


def test_an_exact_name_is_taken_before_others_can_claim_it() -> None:
    matching = match_names(["Name", "name"], ["name", "NAME"])
    assert matching.names == {"name": "name", "Name": "NAME"}
    assert matching.ambiguities == ()


def test_a_decision_goes_before_everything() -> None:
    matching = match_names(["a", "b"], ["a", "b"], decided={"a": "b", "b": None})
    assert [(pair.source, pair.target, pair.by) for pair in matching.pairs] == [("a", "b", MatchedBy.MAP)]


NAMES = st.lists(st.text(st.sampled_from("aAbB_ 1"), max_size=4), unique=True, max_size=6)


@given(NAMES, NAMES)
def test_each_name_is_used_once_and_alike_in_letters(sources: list[str], targets: list[str]) -> None:
    matching = match_names(sources, targets)
    found = [pair.target for pair in matching.pairs]
    assert len(set(found)) == len(found)
    for pair in matching.pairs:
        assert pair.source == pair.target or letters_and_digits(pair.source) == letters_and_digits(pair.target)
    for ambiguity in matching.ambiguities:
        assert len(ambiguity.sources) > 1 or len(ambiguity.targets) > 1
