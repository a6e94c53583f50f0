"""A report as DataFrames, and a report folder read back: what was written is what is read."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest
from support.database import Database, Server, fresh_database
from support.loads import load
from support.odd_database import make_odd
from support.report_examples import bad, clean, compare_only, dry_run, failed, hostile, many_differences, synced
from support.targets import execute

import etl
from etl.core.errors import UsageError
from etl.core.values import UndecodableText
from etl.files.private_files import jsonable, stored_value
from etl.reporting.frames import ReportFrames
from etl.reporting.masked_frame import MaskedFrame
from etl.reporting.report import Report
from etl.reporting.write import write_report

STORED = [None, 1, 2**63 - 1, 1.5, float("inf"), float("-inf"), "ä\0", b"\0\xff", UndecodableText(b"\xff")]
REJECTED_USERS = [2, 3, 4]
EXAMPLES = [clean(), bad(), hostile(), many_differences(), dry_run(), failed(), compare_only(), synced()]


@pytest.fixture(scope="module")
def odd_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_odd(tmp_path_factory.mktemp("odd") / "odd.db")


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[Database]:
    with fresh_database(server) as found:
        yield found


@pytest.fixture(scope="module")
def loaded(target: Database, odd_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The odd database loaded into an empty one, validation left out."""
    folder = tmp_path_factory.mktemp("loaded") / "report"
    return load(target, odd_path, folder, create_schema=True, extra_columns="drop")


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_report_is_read_back_as_it_was(example: Report, tmp_path: Path) -> None:
    report = replace(example, folder=tmp_path)
    write_report(report, tmp_path)
    found = etl.open_report(tmp_path)
    assert found.to_dict() == report.to_dict()
    assert found.exit_code == report.exit_code
    assert found.folder == tmp_path


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"run_id": 1}'])
def test_no_report_to_open(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    with pytest.raises(UsageError, match=r"report\.json"):
        etl.open_report(tmp_path)


def test_a_later_versions_fields_are_passed_over(tmp_path: Path) -> None:
    report = clean()
    content = json.loads(report.to_json())
    content["tables"] = [{**table, "invented_later": 1} for table in content["tables"]]
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert etl.open_report(tmp_path).tables == report.tables


@pytest.mark.parametrize("report", EXAMPLES)
def test_frames_have_a_row_for_each_entry(report: Report) -> None:
    frames = report.frames
    assert len(frames.tables) == len(report.tables)
    assert len(frames.rejects) == len(report.rejects)
    assert len(frames.drift) == len(report.drift)
    assert len(frames.expectations) == len(report.expectations) == frames.suites["expectations"].sum()
    assert len(frames.differences) == len(report.differences)
    assert len(frames.difference_kinds) == len(report.difference_kinds)
    assert len(frames.sequences) == len(report.sequences)
    assert frames.timings["seconds"].tolist() == list(report.timings.values())


@pytest.mark.parametrize("report", EXAMPLES)
def test_dtypes_are_the_same_whatever_is_in_it(report: Report) -> None:
    frames = report.frames
    assert str(frames.tables.dtypes["table"]) == "str"
    assert {str(frames.tables.dtypes[column]) for column in ("source_rows", "loaded_rows", "extra_rows")} == {"Int64"}
    assert str(frames.tables.dtypes["settled"]) == str(frames.equation.dtypes["holds"]) == "bool"
    assert str(frames.rejects.dtypes["rows"]) == "int64"
    assert str(frames.expectations.dtypes["success"]) == "bool"
    assert str(frames.timings.dtypes["seconds"]) == "float64"
    assert {str(dtype) for dtype in frames.differences.dtypes} == {"str"}


def test_the_equation_of_a_load(loaded: Report) -> None:
    equation = loaded.frames.equation
    assert equation["holds"].all()
    users = equation[equation["table"] == "users"].iloc[0]
    assert users[["source_rows", "loaded_rows", "present_rows", "rejected_rows"]].tolist() == [5, 2, 0, 3]


def test_an_equation_that_does_not_hold(loaded: Report) -> None:
    wrong = replace(loaded, tables=tuple(replace(table, loaded_rows=99) for table in loaded.tables))
    assert not wrong.frames.equation["holds"].any()


def test_the_rejected_rows_of_all_tables(loaded: Report) -> None:
    rejected = etl.read_rejects(loaded)
    assert len(rejected) == loaded.total("rejected_rows")
    assert str(rejected["row_number"].dtype) == "int64"
    users = rejected[rejected["table"] == "users"]
    assert users["row_number"].tolist() == REJECTED_USERS
    assert users["column"].tolist() == ["is_active", "role", "password_hash"]
    assert users["code"].tolist() == ["not_a_boolean", "check", "other_storage"]


def test_the_rejected_rows_of_one_table_are_as_the_source_stores_them(loaded: Report) -> None:
    assert loaded.folder is not None
    rows = etl.read_rejects(loaded.folder, "users")
    assert rows.index.tolist() == REJECTED_USERS
    assert rows.loc[2, "is_active"] == 2
    assert rows.loc[4, "password_hash"] == b"secret"
    assert rows.loc[2, "nickname"] == "x"
    assert set(rows.dtypes) == {pd.Series(dtype=object).dtype}
    assert rows.loc[2, "reject_reason"] == "2 is not a boolean (0, 1, true, false)"
    assert rows.loc[2, "reject_code"] == "not_a_boolean"


def test_the_rejects_of_an_older_version_have_no_codes(loaded: Report, tmp_path: Path) -> None:
    assert loaded.folder is not None
    lines = [json.loads(line) for line in (loaded.folder / "rejects" / "users.ndjson").read_text().splitlines()]
    (tmp_path / "rejects").mkdir()
    (tmp_path / "rejects" / "users.ndjson").write_text(
        "".join(json.dumps({name: value for name, value in line.items() if name != "code"}) + "\n" for line in lines)
    )
    assert etl.read_rejects(tmp_path)["code"].isna().all()
    older, newer = etl.read_rejects(tmp_path, "users"), etl.read_rejects(loaded, "users")
    assert older["reject_code"].isna().all()
    without = "reject_code"
    pd.testing.assert_frame_equal(pd.DataFrame(older.drop(columns=without)), pd.DataFrame(newer.drop(columns=without)))


def test_no_rejected_rows(loaded: Report) -> None:
    assert etl.read_rejects(loaded, "alert_history").empty
    assert etl.read_rejects(loaded, "no such table").empty


def test_secrets_are_there_but_not_displayed(loaded: Report) -> None:
    rows = etl.read_rejects(loaded, "users")
    assert rows.loc[3, "password_hash"] == "cleartext-secret"
    for frame in (rows, rows.T, rows.head(2), rows[["id", "password_hash"]], rows.sort_values("id"), rows.copy()):
        assert isinstance(frame, MaskedFrame)
        shown = frame._repr_html_() or ""
        assert "cleartext" not in repr(frame) + str(frame) + shown
        assert "a hidden value" in shown
    assert "cleartext" not in etl.read_rejects(loaded).to_csv()


def test_a_missing_secret_is_shown_as_missing() -> None:
    assert "hidden" not in repr(MaskedFrame({"token": [None]}, dtype=object))


@pytest.mark.parametrize(
    "value", [None, 1, 2**63 - 1, 1.5, float("inf"), float("-inf"), "ä\0", b"\0\xff", UndecodableText(b"\xff")]
)
def test_a_value_survives_the_reject_file(value: object) -> None:
    found = stored_value(json.loads(json.dumps(jsonable(value))))  # type: ignore[arg-type]
    assert (found, type(found)) == (value, type(value))


def test_differences_are_found_after_the_load(target: Database, loaded: Report, odd_path: Path, tmp_path: Path) -> None:
    change = "UPDATE users SET password_hash = 'other', email = 'changed@example.org'"
    execute(target, f"{change} WHERE id = (SELECT min(id) FROM users)")
    again = etl.compare(odd_path, target.url, load_report=loaded.folder, report_folder=tmp_path / "again")
    users = etl.read_differences(again, "users")
    assert dict(zip(users["column"], users["target"], strict=True)) == {
        "password_hash": "a hidden value",
        "email": "'changed@example.org'",
    }
    everything = etl.read_differences(again)
    assert len(everything) == int(again.frames.difference_kinds.query("kind != 'narrowed_by_type'")["rows"].sum())
    assert list(everything.columns) == list(users.columns)


def test_a_report_without_a_folder() -> None:
    with pytest.raises(UsageError, match="no folder"):
        etl.read_rejects(replace(clean(), folder=None))


def test_a_report_prints_its_outcome() -> None:
    lines = str(bad()).splitlines()
    assert lines[0].startswith("✗ Not reconciled: 9 of 1,160 rows did not arrive")
    assert "  ✗ 8 rows were rejected, for the reasons listed." in lines
    assert str(replace(clean(), folder=Path("reports/x"))).splitlines()[-1] == "  Report: reports/x"
    assert "users.theme (5 values)" in str(failed())
    assert "\x1b" not in str(replace(failed(), error="\x1b[31m"))
    assert repr(clean()) == "<Report 20261122T224321Z-5feda1: reconciled>"


def test_frames_list_themselves() -> None:
    lines = repr(bad().frames).splitlines()
    assert [line.split()[0] for line in lines] == [item.name for item in fields(ReportFrames)]
    columns = "table, stage, column, reason, rows, code, file, repair, repairable_rows, examples"
    assert f"rejects               2 rows: {columns}" in lines


def test_rejects_are_there_for_a_spreadsheet_too(loaded: Report) -> None:
    assert loaded.folder is not None
    frame = pd.read_csv(loaded.folder / "rejects" / "users.csv").sort_values("reject_row_number")
    assert frame["reject_row_number"].tolist() == REJECTED_USERS
    assert frame["reject_code"].tolist() == ["not_a_boolean", "check", "other_storage"]
    assert frame.columns[6:].tolist() == etl.read_rejects(loaded, "users").columns[5:].tolist()
