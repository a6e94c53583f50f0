"""What `etl.profile` says of a source: on the sample, on one made for it, on troubles, on nothing at all."""

import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from support.database import Database
from support.odd_database import ODD_TABLE, make_odd
from support.sources import make_sqlite, series
from support.targets import execute

import etl
from etl.core.errors import SourceError
from etl.profiling import tables as profile_tables
from etl.profiling.profile import Profile
from etl.profiling.values import KEYS_TOLD_APART, OTHER_KEYS
from etl.sample.build import make_sample, new_database
from etl.sample.rows import SAMPLE_ROWS


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    path = tmp_path_factory.mktemp("sample") / "demo.db"
    make_sample(path)
    return etl.profile(path)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return etl.profile(make_odd(tmp_path_factory.mktemp("odd") / "odd.db"))


def column(profile: Profile, table: str, name: str) -> pd.Series:
    frame = profile.columns
    return frame[(frame["table"] == table) & (frame["column"] == name)].iloc[0]


def rows_of(frame: pd.DataFrame, table: str, *columns: str) -> list[tuple[object, ...]]:
    part = frame[frame["table"] == table]
    return [tuple(row) for row in part[list(columns)].itertuples(index=False)]


def test_the_samples_tables(sample: Profile) -> None:
    assert dict(zip(sample.tables["table"], sample.tables["rows"], strict=True)) == SAMPLE_ROWS
    assert sample.rows == 820
    assert str(sample).endswith("820 rows in 20 tables, 487,424 bytes; values that would be rejected: 0; orphans: 0")


def test_sizes_are_those_of_the_file(sample: Profile) -> None:
    assert sample.sizes_from == "dbstat"
    pages = int((sample.tables["bytes"] + sample.tables["index_bytes"]).sum())
    assert sample.bytes - 10 * 4096 <= pages <= sample.bytes  # the catalogue's own pages belong to no table


def test_dtypes(sample: Profile) -> None:
    assert {name: str(dtype) for name, dtype in sample.columns.dtypes.items()} == {
        **dict.fromkeys(("table", "column", "declared_type", "target_type", "proposed_type"), "str"),
        **dict.fromkeys(("integer", "real", "text", "blob", "null", "unusual", "rejected"), "int64"),
        "null_share": "float64",
        **dict.fromkeys(("distinct", "shortest", "longest"), "Int64"),
        **dict.fromkeys(("earliest", "latest"), "datetime64[us, UTC]"),
    }
    assert str(sample.activity["day"].dtype) == "datetime64[us, UTC]"
    assert str(sample.disagreements["rejected"].dtype) == "bool"


def test_a_columns_facts(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "one.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, at DATETIME, n INTEGER)",
        "INSERT INTO t VALUES (1, 'Ann', '2024-02-29', 1), (2, 'ann', '2023-01-01T10:00:00+01:00', NULL), "
        "(3, x'00', 'never', 'x'), (4, NULL, NULL, 2.5)",
    )
    profile = etl.profile(path)
    name = column(profile, "t", "name")
    assert [column(profile, "t", one)["proposed_type"] for one in ("id", "name", "at")] == ["bigint", "bytea", "text"]
    assert name[["integer", "real", "text", "blob", "null"]].tolist() == [0, 0, 2, 1, 1]
    assert name[["distinct", "shortest", "longest", "rejected"]].tolist() == [3, 1, 3, 1]
    at = column(profile, "t", "at")
    assert (str(at["earliest"]), str(at["latest"])) == ("2023-01-01 09:00:00+00:00", "2024-02-29 00:00:00+00:00")
    assert rows_of(profile.disagreements, "t", "column", "rows", "rejected", "example") == [
        ("name", 1, True, "x'00'"),
        ("at", 1, True, "'never'"),
        ("n", 2, True, "'x'"),
    ]
    assert rows_of(profile.activity, "t", "column", "rows") == [("at", 1), ("at", 1)]


def test_values_that_convert_from_another_storage_class_are_unusual(odd: Profile) -> None:
    assert column(odd, "audit_logs", "timestamp")["unusual"] == 1
    assert ("timestamp", "stored as integer", 1, False, "1700000000") in rows_of(
        odd.disagreements, "audit_logs", "column", "finding", "rows", "rejected", "example"
    )
    assert column(odd, "audit_logs", "details")["unusual"] == 0  # numbers are JSON


def test_what_would_be_rejected_is_what_the_load_rejects(odd: Profile, tmp_path: Path) -> None:
    readiness = etl.check_source(make_odd(tmp_path / "odd.db"))
    expected = {(item.table, item.column): 0 for item in readiness.rejects if item.stage == "convert"}
    for item in readiness.rejects:
        if item.stage == "convert":
            expected[item.table, item.column] += item.rows
    found = odd.columns[(odd.columns["rejected"] > 0) & (odd.columns["table"] != ODD_TABLE)]  # its types are derived
    assert dict(zip(zip(found["table"], found["column"], strict=True), found["rejected"], strict=True)) == expected


def test_secrets_are_shown_nowhere(odd: Profile) -> None:
    frames = [value for value in vars(odd).values() if isinstance(value, pd.DataFrame)]
    everything = odd._repr_html_() + "".join(frame.to_csv() for frame in frames)
    assert "cleartext-secret" not in everything
    assert "736563726574" not in everything
    assert rows_of(odd.disagreements, "users", "column", "example")[0] == ("password_hash", "a hidden value")


def test_json_is_opened(odd: Profile) -> None:
    keys = rows_of(odd.json_keys, "audit_logs", "column", "key", "type", "rows")
    assert ("details", "a", "number", 16) in keys
    assert ("details", "b", "array", 16) in keys
    types = dict(rows_of(odd.json_types, "audit_logs", "type", "rows"))
    assert types["object"] >= 16
    stored = column(odd, "audit_logs", "details")
    assert sum(types.values()) == stored["text"] + stored["integer"] - stored["rejected"]


def test_keys_that_are_ids_do_not_fill_the_memory(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "ids.db",
        "CREATE TABLE t (doc JSON)",
        "INSERT INTO t " + series(KEYS_TOLD_APART + 50, """'{"' || n || '": 1}'"""),
    )
    keys = etl.profile(path).json_keys
    assert len(keys) == KEYS_TOLD_APART + 1
    assert int(keys[keys["key"] == OTHER_KEYS]["rows"].iloc[0]) == 50


def test_json_nested_deeper_than_can_be_opened(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "deep.db", "CREATE TABLE t (doc JSON)")
    make_sqlite(path, f"INSERT INTO t VALUES ('{'[' * 1500}{']' * 1500}')")
    assert rows_of(etl.profile(path).json_types, "t", "type", "rows") == [("too deep to open", 1)]


def test_orphans(odd: Profile) -> None:
    assert ("user_id", "users", 11, 1, "'nobody'") in rows_of(
        odd.orphans, "conversation_sessions", "column", "parent", "rows", "orphans", "example"
    )
    # declared in SQLite itself, with another spelling of the parent, whose primary key is meant
    assert rows_of(odd.orphans, ODD_TABLE, "column", "parent", "parent_column", "orphans") == [("d", "users", "id", 2)]


@pytest.mark.parametrize(
    ("keys", "orphans"),
    [
        ("FOREIGN KEY (a, b) REFERENCES parent (x, y)", 2),
        ("FOREIGN KEY (a, b) REFERENCES gone (x, y)", 3),
        ("FOREIGN KEY (a, b) REFERENCES parent (x, gone)", 3),
        ("FOREIGN KEY (a) REFERENCES parent (x)", 1),
    ],
)
def test_orphans_of_declared_keys(tmp_path: Path, keys: str, orphans: int) -> None:
    path = make_sqlite(
        tmp_path / "keys.db",
        "CREATE TABLE parent (x TEXT, y INTEGER)",
        "INSERT INTO parent VALUES ('one', 1), ('two', 2), (NULL, NULL)",
        f"CREATE TABLE child (a TEXT COLLATE NOCASE, b INTEGER, {keys})",
        "INSERT INTO child VALUES ('one', 1), ('one', 2), ('ONE', 1), (NULL, 1)",
    )
    assert etl.profile(path).orphans["orphans"].tolist() == [orphans]


def test_only_some_tables(tmp_path: Path) -> None:
    profile = etl.profile(make_odd(tmp_path / "odd.db"), tables=["users"])
    assert profile.tables["table"].tolist() == ["users"]
    assert set(profile.columns["table"]) == {"users"}


def test_the_display(odd: Profile, sample: Profile) -> None:
    shown = odd._repr_html_()
    assert "od$d &lt;b&gt;&quot;t" in shown
    assert "<details open><summary>users" in shown
    assert "<details><summary>memory_tags" in shown
    assert "<details open><summary>conversation_messages" in sample._repr_html_()  # the largest, where all is well
    assert repr(sample) == str(sample)


@pytest.mark.parametrize("tables", [True, False])
def test_an_empty_database(tmp_path: Path, tables: bool) -> None:
    path = tmp_path / "empty.db"
    if tables:
        with new_database(path):
            pass
    else:
        make_sqlite(path, "CREATE TABLE t (a)", "DROP TABLE t")
    profile = etl.profile(path)
    assert profile.rows == 0
    assert len(profile.tables) == (20 if tables else 0)
    assert profile.disagreements.empty
    assert profile.activity.empty
    assert profile._repr_html_()


def test_nothing_is_written_beside_the_file(tmp_path: Path) -> None:
    path = make_odd(tmp_path / "odd.db")
    before = path.read_bytes()
    etl.profile(path)
    assert [item.name for item in tmp_path.iterdir()] == ["odd.db"]
    assert path.read_bytes() == before


def test_sizes_without_dbstat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_sqlite(tmp_path / "t.db", "CREATE TABLE t (a, b)", "INSERT INTO t VALUES ('äb', NULL), (x'0102', 'c')")
    make_sqlite(path, "CREATE TABLE empty (a)")
    monkeypatch.setattr(profile_tables, "_PAGES", "SELECT * FROM there_is_no_dbstat")
    profile = etl.profile(path)
    assert profile.sizes_from == "lengths"
    assert profile.tables["bytes"].tolist() == [0, 6]
    assert profile.tables["index_bytes"].isna().all()


def test_distinct_values_of_large_tables_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_sqlite(tmp_path / "t.db", "CREATE TABLE t (a)", "INSERT INTO t " + series(11, "n"))
    monkeypatch.setattr(profile_tables, "DISTINCT_ROWS", 10)
    assert etl.profile(path).columns["distinct"].isna().all()


def test_more_columns_than_a_query_takes(tmp_path: Path) -> None:
    columns = ", ".join(f"c{n} INTEGER" for n in range(700))
    path = make_sqlite(tmp_path / "wide.db", f"CREATE TABLE t ({columns})", "INSERT INTO t (c699) VALUES (7)")
    profile = etl.profile(path)
    assert column(profile, "t", "c699")["integer"] == 1
    assert int(profile.columns["null"].sum()) == 699


def test_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    make_sample(path)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(SourceError):
        etl.profile(path)


def test_a_file_that_is_being_written_to(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    make_sample(path)
    application = sqlite3.connect(path)
    application.execute("UPDATE users SET email = 'new'")
    assert etl.profile(path).rows == 820
    application.close()


def test_values_are_held_against_the_types_of_a_target(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "t.db", "CREATE TABLE t (a TEXT, b TEXT)", "INSERT INTO t VALUES ('1', 'x'), ('y', 'x')"
    )
    execute(database, "CREATE TABLE t (a int, c text)")
    columns = etl.profile(source, plan=etl.plan(source, database.url)).columns.set_index("column")
    assert columns["target_type"].to_dict() == {"a": "integer", "b": "text"}  # `b` is not in the target
    assert columns["rejected"].to_dict() == {"a": 1, "b": 0}
    assert etl.profile(source).columns["rejected"].sum() == 0
