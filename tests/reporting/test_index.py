"""The index of the runs: one line each, the latest first, whatever a run has left."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support import report_examples as examples

from etl.reporting import index
from etl.reporting.index import write_index
from etl.reporting.report import Report
from etl.reporting.write import write_report


def leave(folder: Path, run_id: str, report: Report) -> None:
    """A run's folder with its report."""
    write_report(replace(report, run_id=run_id), folder / run_id)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """The folder of four runs, one of them broken, and of one that has not come to its end."""
    leave(tmp_path, "20261101T000000Z-aaaaaa", examples.clean())
    leave(tmp_path, "20261102T000000Z-aaaaaa", examples.bad())
    leave(tmp_path, "20261103T000000Z-aaaaaa", examples.compare_only())
    leave(tmp_path, "20261104T000000Z-aaaaaa", examples.dry_run())
    (tmp_path / "20261102T000000Z-aaaaaa" / "report.json").write_text("{}")
    (tmp_path / "20261105T000000Z-aaaaaa").mkdir()
    return tmp_path


def test_the_latest_run_stands_first_and_links_to_its_page(reports: Path) -> None:
    page = write_index(reports).read_text()
    assert re.findall(r'href="(\d+)T000000Z-aaaaaa/report\.html"', page) == [
        "20261104",
        "20261103",
        "20261102",
        "20261101",
    ]
    assert "<h1>4 runs</h1>" in page
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "dry run ! Dry run, nothing written Dry run: 2 of 100 rows would not arrive." in text
    assert "comparison ✓ Reconciled All 5 rows of 1 table match the source, value by value." in text
    assert "report.json is no report of this program" in text
    assert "data/unified.db postgresql://app@db:5432/chat 100 2 0" in text


def test_it_is_for_its_owner_alone_and_follows_no_link(reports: Path) -> None:
    secret = reports / "elsewhere"
    secret.write_text("mine")
    (reports / "index.html").symlink_to(secret)
    path = write_index(reports)
    assert not path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret.read_text() == "mine"
    assert not list(reports.glob("index-*"))


def test_texts_stay_texts_and_the_policy_forbids_the_rest(tmp_path: Path) -> None:
    leave(tmp_path, "20261101T000000Z-aaaaaa", replace(examples.hostile(), started_at=examples.STARTED))
    page = write_index(tmp_path).read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src &#39;none&#39;" in page
    assert "\x1b" not in page


def test_many_runs_are_cut_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "SHOWN_RUNS", 2)
    for day in range(1, 6):
        leave(tmp_path, f"2026110{day}T000000Z-aaaaaa", examples.clean())
    page = write_index(tmp_path).read_text()
    assert page.count("report.html") == 2
    assert "<h1>5 runs</h1>" in page
    assert "and 3 older" in page
