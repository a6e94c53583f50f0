"""The pictures: each draws what it is given, be it nothing, much or odd, and warns of nothing."""

import io
import struct
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest
from matplotlib.colors import to_rgb
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


def luminance(colour: str) -> float:
    """Relative luminance, as the Web's guidelines on contrast define it."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])  # JupyterLab's light and dark
@pytest.mark.parametrize("colour", [charts.TEXT, *charts.STORAGE_COLOURS.values(), *charts.OUTCOME_COLOURS.values()])
def test_what_is_drawn_can_be_told_from_a_light_and_a_dark_page(colour: str, page: str) -> None:
    lighter, darker = sorted((luminance(colour), luminance(page)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= (4 if colour == charts.TEXT else 2.5)


def test_a_picture_has_no_page_of_its_own() -> None:
    pixels = matplotlib.image.imread(io.BytesIO(charts.outcomes(bad())._repr_png_()))
    assert pixels[0, 0, 3] == 0  # transparent


def test_tables_of_which_every_row_was_loaded_are_not_repeated() -> None:
    assert "users" not in texts(charts.outcomes(clean()))
    assert any(label.startswith("users (") for label in texts(charts.outcomes(bad())))


def test_axes_have_plain_ticks_and_a_title() -> None:
    groups = [RejectGroup("a", "load", "b", f"reason {rows}", rows) for rows in (342, 17)]
    picture = charts.rejects_by_reason(replace(clean(), rejects=tuple(groups)))
    picture._repr_png_()
    assert [label.get_text() for label in picture.axes[0].get_xticklabels()][:3] == ["0", "100", "200"]
    assert picture.axes[0].get_xlabel() == "rows"
