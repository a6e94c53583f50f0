"""The map file: what it says is done, and what it cannot mean is told with the nearest name."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from etl.core.errors import UsageError
from etl.core.name_map import NameMap
from etl.core.source_tables import SourceColumn, SourceTable
from etl.core.tables import TargetColumn, TargetTable
from etl.core.types import named_type
from etl.planning.map_check import check_map
from etl.planning.map_file import read_map
from etl.planning.starter_map import Unpaired, guess_tables, likeness, starter_map

TEXT = """
[tables]
Album = "albums"
audit_old = false
[columns.Album]
Title = "name"
Cover = false
[types.invoice]
total = "numeric(12,2)"
[times.person]
born = "ms"
"""


def source_table(name: str, *columns: str, rows: int = 7) -> SourceTable:
    described = tuple(SourceColumn(column, "TEXT", False, 0) for column in columns)
    return SourceTable(name, described, rows, 10, "rowid", None)


def target_table(name: str, *columns: str) -> TargetTable:
    described = tuple(
        TargetColumn(
            name=column,
            type=named_type("text"),
            not_null=False,
            has_default=False,
            generated=False,
            identity_always=False,
            sequence=None,
        )
        for column in columns
    )
    return TargetTable(
        schema="public",
        name=name,
        oid=1,
        columns=described,
        primary_key=None,
        uniques=(),
        has_other_uniques=False,
        foreign_keys=(),
        checks=(),
        indexes=(),
        has_triggers=False,
        row_security=False,
        owned=True,
        ordinary=True,
        lockable=True,
    )


SOURCE = {
    table.name: table
    for table in (
        source_table("Album", "AlbumId", "Title", "Cover"),
        source_table("audit_old", "id"),
        source_table("invoice", "total"),
        source_table("person", "born"),
    )
}
TARGET = {table.name: table for table in (target_table("albums", "album_id", "name"), target_table("artist", "id"))}


def test_a_file_and_a_dict_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(TEXT)
    names = read_map(path)
    assert names == read_map(tomllib.loads(TEXT)) == read_map(names)
    assert names.left_out == {"audit_old"}
    assert names.columns_of("Album") == {"Title": "name", "Cover": None}
    assert check_map(names, SOURCE, TARGET) == names
    assert not read_map(None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tabels]\n", r"no section \[tabels\]; did you mean 'tables'\?"),
        ("[tables]\nAlbum = true\n", "neither a name in the target nor false"),
        ("[tables]\nAlbum = 3\n", "neither a name"),
        ('[tables]\nAlbum = ""\n', "neither a name"),
        ("tables = 3\n", "a section of names"),
        ("[columns]\nAlbum = 3\n", "a section of names"),
        ("[types.Album]\nTitle = false\n", "is not a text"),
        ("[tables\n", "not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_meant(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_map(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_map(tmp_path / "map.toml")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (NameMap(tables={"Albun": "albums"}), "the source has no table 'Albun'; did you mean 'Album'?"),
        (NameMap(tables={"Album": "album"}), "the target has no such table; did you mean 'albums'?"),
        (NameMap(columns={"Album": {"Titel": None}}), "has no column 'Titel'; did you mean 'Title'?"),
        (
            NameMap(tables={"Album": "albums"}, columns={"Album": {"Title": "names"}}),
            "the target's albums has no such column; did you mean 'name'?",
        ),
        (NameMap(types={"nothing": {"x": "text"}}), "the source has no table 'nothing'"),
        (NameMap(tables={"Album": "albums", "person": "albums"}), "'Album' and 'person' all go to 'albums'"),
        (NameMap(columns={"Album": {"Title": "name", "Cover": "name"}}), "'Title' and 'Cover' all go to 'name'"),
        (NameMap(tables={"Album": None}, columns={"Album": {"Title": "name"}}), "contradicts [tables] Album = false"),
        (NameMap(columns={"person": {"born": None}}, times={"person": {"born": "ms"}}), "contradicts what [types]"),
    ],
)
def test_decisions_that_cannot_stand(names: NameMap, words: str) -> None:
    with pytest.raises(UsageError) as told:
        check_map(names, SOURCE, TARGET)
    assert words in str(told.value)
    assert "Nothing was written" in str(told.value)


def test_all_problems_are_told_at_once() -> None:
    names = NameMap(tables={"one": "x", "two": "y"}, times={"three": {"a": "ms"}})
    with pytest.raises(UsageError) as told:
        check_map(names, SOURCE, TARGET)
    assert all(name in str(told.value) for name in ("'one'", "'two'", "'three'"))


def test_case_does_not_matter_where_it_is_unambiguous() -> None:
    found = check_map(NameMap(tables={"ALBUM": "albums"}, columns={"album": {"title": "name"}}), SOURCE, TARGET)
    assert found == NameMap(tables={"Album": "albums"}, columns={"Album": {"Title": "name"}})


def test_guesses_are_ranked_with_their_evidence() -> None:
    guesses = guess_tables(SOURCE["Album"], TARGET)
    assert [guess.target for guess in guesses] == ["albums"]
    assert guesses[0].evidence == "1 of 3 columns have the same name"
    counted = guess_tables(SOURCE["Album"], {"albums": replace(TARGET["albums"], rows_about=12)})
    rows = f"about 12 rows in the target, {SOURCE['Album'].row_count:,} here"
    assert counted[0].evidence == f"1 of 3 columns have the same name; {rows}"
    assert likeness("category", "categories") > likeness("category", "catalog") > likeness("category", "users")


def test_a_starter_map_is_valid_and_decides_nothing() -> None:
    odd = source_table('we"ird\n#', "a b")
    open_columns = {"Album": {"name": "text", "tit_le": "text"}}
    text = starter_map(Unpaired([odd, SOURCE["Album"]], TARGET, {"Album": {"Title": "TEXT"}}, open_columns))
    assert not read_map(tomllib.loads(text)).tables
    decided = "\n".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# Album = "))
    assert tomllib.loads(decided.splitlines()[0]) == {"Album": "albums"}
    assert '# Title = "tit_le"' in text
    assert tomllib.loads(
        "\n".join(line.removeprefix("# ") for line in text.splitlines() if "ird" in line and "=" in line)
    )


def test_a_map_goes_over_what_a_run_has_named_itself() -> None:
    created = NameMap(tables={"a": "a_1", "b": "b_1"}, columns={"a": {"x": "x_1"}, "b": {"x": "x_1", "y": "y_1"}})
    said = NameMap(tables={"a": None}, columns={"b": {"x": "z"}})
    assert said.over(created) == NameMap(tables={"a": None, "b": "b_1"}, columns={"b": {"x": "z", "y": "y_1"}})


def test_of_a_map_only_what_concerns_some_columns_of_one_table() -> None:
    names = NameMap(tables={"a": "b", "c": "d"}, columns={"a": {"x": "y", "z": None}, "c": {"x": None}})
    assert names.only("a", ["x"]) == NameMap({"a": "b"}, {"a": {"x": "y"}}, {"a": {}}, {"a": {}})
