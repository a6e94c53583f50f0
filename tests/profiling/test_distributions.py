"""How values are spread: histograms, frequent values, and the page that shows them."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from support.odd_database import make_odd
from support.sources import make_sqlite, series

import etl
from etl.core.errors import CannotRun
from etl.profiling.profile import Profile


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    path = tmp_path_factory.mktemp("spread") / "s.db"
    return etl.profile(
        make_sqlite(
            path,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, price REAL, stars INTEGER, note TEXT, at DATETIME, body TEXT, "
            "photo BLOB, api_token TEXT, huge INTEGER, endless REAL, void TEXT)",
            "INSERT INTO t "
            + series(
                100,
                "n, n / 10.0, n % 5, CASE WHEN n % 4 THEN 'b<i>' ELSE 'a' END, date('2024-01-01', n || ' days'), "
                "substr(printf('%.400c', 'x'), 1, n * 4), x'00', 'cleartext-secret', "
                "CASE n % 2 WHEN 0 THEN 9223372036854775807 - n ELSE -9223372036854775807 + n END, "
                "CASE n WHEN 1 THEN 9e999 ELSE n * 1.5 END, NULL",
            ),
        )
    )


def bars(profile: Profile, column: str) -> pd.DataFrame:
    frame = profile.distributions
    return frame[(frame["table"] == "t") & (frame["column"] == column)]


@pytest.mark.parametrize(
    ("column", "kind", "low", "high"),
    [
        ("id", "number", "1", "100"),
        ("price", "number", "0.1", "10"),
        ("at", "time", "2024-01-02", "2024-04-10"),
        ("body", "length", "4", "400"),
        ("huge", "number", "-9,223,372,036,854,775,806", "9,223,372,036,854,775,805"),
    ],
)
def test_a_histogram_counts_every_value_once(spread: Profile, column: str, kind: str, low: str, high: str) -> None:
    found = bars(spread, column)
    assert set(found["kind"]) == {kind}
    assert (found["low"].iloc[0], found["high"].iloc[-1]) == (low, high)
    assert found["rows"].sum() == 100
    assert 20 <= len(found) <= 30


def test_few_values_are_counted_one_by_one(spread: Profile) -> None:
    assert bars(spread, "stars")[["kind", "low", "rows"]].to_numpy().tolist() == [
        ["value", str(number), 20] for number in range(5)
    ]
    assert bars(spread, "note")[["low", "rows"]].to_numpy().tolist() == [["'b<i>'", 75], ["'a'", 25]]


def test_what_has_no_distribution(spread: Profile) -> None:
    assert bars(spread, "endless")["rows"].sum() == 99  # the infinite one has no bin
    for column in ("photo", "api_token", "void"):
        assert bars(spread, column).empty, column
    shares = spread.columns.set_index("column")["null_share"]
    assert (shares["void"], shares["id"]) == (1.0, 0.0)
    assert str(spread.distributions["rows"].dtype) == "int64"


def test_a_histogram_has_no_values_of_another_class(tmp_path: Path) -> None:
    path = make_sqlite(
        tmp_path / "m.db",
        "CREATE TABLE t (n INTEGER)",
        "INSERT INTO t " + series(50, "n"),
        "INSERT INTO t VALUES ('x')",
    )
    assert bars(etl.profile(path), "n")["rows"].sum() == 50


def test_the_page_is_complete_private_and_asks_for_nothing(spread: Profile, tmp_path: Path) -> None:
    page = spread.write_html(tmp_path / "out" / "profile.html")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    text = page.read_text(encoding="utf-8")
    assert "b&lt;i&gt;" in text
    assert "b<i>" not in text
    assert "cleartext-secret" not in text
    assert "<script" not in text
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert text.count("<svg") >= 15
    assert "<title>1 – 4: 4</title>" in text
    spread.write_html(page)  # again, in its place
    with pytest.raises(CannotRun, match=r"cannot be written"):
        spread.write_html(page / "below.html")


def test_the_page_of_an_odd_source_shows_what_is_odd(tmp_path: Path) -> None:
    profile = etl.profile(make_odd(tmp_path / "odd.db"))
    text = profile.write_html(tmp_path / "profile.html").read_text(encoding="utf-8")
    assert "od$d &lt;b&gt;&#34;t" in text
    assert "refers to no row of" in text
    assert "cleartext-secret" not in text
    assert "736563726574" not in text
    empty = make_sqlite(tmp_path / "empty.db", "CREATE TABLE t (a)", "DROP TABLE t")
    assert "0 rows in 0 tables" in etl.profile(empty).write_html(tmp_path / "e.html").read_text(encoding="utf-8")


BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), "")


@pytest.mark.skipif(not BROWSER, reason="there is no browser")
def test_the_page_draws_in_a_browser(spread: Profile, tmp_path: Path) -> None:
    page = spread.write_html(tmp_path / "profile.html")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr")
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", f"--user-data-dir={tmp_path / 'browser'}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Content Security Policy" not in done.stderr  # nothing was refused
    assert done.stdout.count("<rect") > 100
