"""The pictures: each draws what it is given, be it nothing, much or odd, and warns of nothing."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from support.odd_database import ODD_TABLE, make_odd
from support.report_examples import bad, clean, compare_only, dry_run, failed, hostile, many_differences
from support.sources import make_sqlite, series

import etl
from etl.core.report import RejectGroup
from etl.notebook import charts
from etl.notebook.charts import Picture
from etl.profiling.profile import Profile
from etl.reporting.report import Report

OF_PROFILES = (charts.rows_per_table, charts.storage_classes, charts.activity)
OF_REPORTS = (charts.counts_side_by_side, charts.outcomes, charts.rejects_by_reason, charts.differences_by_kind)
REPORTS = [clean(), bad(), hostile(), many_differences(), dry_run(), failed(), compare_only()]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return etl.profile(make_odd(tmp_path_factory.mktemp("odd") / "odd.db"))


def size(picture: Picture) -> tuple[int, int]:
    """Width and height of the PNG that Jupyter is given."""
    image = picture._repr_png_()
    assert image.startswith(b"\x89PNG")
    return struct.unpack(">II", image[16:24])


def texts(picture: Picture) -> list[str]:
    """Titles and the names beside the bars."""
    names = [label.get_text() for axes in picture.axes for label in axes.get_yticklabels()]
    return [*(axes.get_title("left") for axes in picture.axes), *names]


@pytest.mark.parametrize("draw", OF_PROFILES)
def test_profiles(draw: object, odd: Profile, tmp_path: Path) -> None:
    nothing = etl.profile(make_sqlite(tmp_path / "empty.db", "CREATE TABLE t (a)", "DROP TABLE t"))
    for profile in (odd, nothing):
        assert size(draw(profile))[0] == charts.WIDTH * 96  # type: ignore[operator]


@pytest.mark.parametrize("draw", OF_REPORTS)
@pytest.mark.parametrize("report", REPORTS)
def test_reports(draw: object, report: Report) -> None:
    width, height = size(draw(report))  # type: ignore[operator]
    assert width == charts.WIDTH * 96
    assert 100 < height < 3_000


def test_names_are_drawn_as_they_are(odd: Profile) -> None:
    assert ODD_TABLE in texts(charts.rows_per_table(odd))


def test_few_rows_far_away_do_not_hide_the_others(odd: Profile) -> None:
    picture = charts.activity(odd)
    begin, end = picture.axes[0].get_xlim()
    assert end - begin < 120
    notes = [axes.get_title("right") for axes in picture.axes]
    assert "3 rows outside this span" in notes  # those of the years 1, 2023 and 9999


@pytest.mark.parametrize(("days", "unit"), [(30, "day"), (400, "week"), (4_000, "month")])
def test_the_unit_of_activity_fits_the_span(days: int, unit: str, tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "t.db", "CREATE TABLE t (created_at DATETIME)")
    make_sqlite(path, "INSERT INTO t " + series(days, "date('2020-01-01', n || ' days')"))
    picture = charts.activity(etl.profile(path))
    assert texts(picture)[0] == f"Activity over time: rows per {unit}"
    assert sum(patch.get_height() for patch in picture.axes[0].patches) == days


def test_rejects_with_the_same_words_are_one_bar() -> None:
    groups = [RejectGroup("a", "load", "b", f"foreign key {name}: its parent was rejected", 2) for name in ("x", "y")]
    picture = charts.rejects_by_reason(replace(clean(), rejects=tuple(groups)))
    assert texts(picture) == ["Rejected rows by reason", "a.b: its parent was rejected"]
    assert [patch.get_width() for patch in picture.axes[0].patches] == [4]


def test_very_many_bars_are_cut_and_say_so() -> None:
    groups = [RejectGroup("a", "load", "b", f"reason {number}", 2) for number in range(100)]
    picture = charts.rejects_by_reason(replace(clean(), rejects=tuple(groups)))
    assert texts(picture)[0] == f"Rejected rows by reason (the first {charts.SHOWN_BARS}, 60 more)"
