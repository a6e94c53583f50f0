"""`python -m etl profile`: a page, and what is odd in a few lines."""

from pathlib import Path

import pytest
from support.sources import make_sqlite

from etl.console.profile import main


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_sqlite(
        tmp_path / "pets.db",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, born DATE)",
        "INSERT INTO person VALUES (1, '2020-01-01'), (2, 'soon\x1b[31m')",
        "CREATE TABLE pet (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES person (id))",
        "INSERT INTO pet VALUES (1, 1), (2, 9)",
    )


def test_it_writes_the_page_and_says_what_is_odd(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source)]) == 0
    out = capsys.readouterr().out
    assert "1 row of person.born: value is not a date" in out
    assert "1 row of pet.owner: no such row in person" in out
    assert "\x1b" not in out
    assert out.endswith("Page: reports/profile.html\n")
    assert "person" in Path("reports/profile.html").read_text(encoding="utf-8")


def test_another_file_and_some_tables(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source), "--tables", "pet", "--html", "out.html"]) == 0
    page = Path("out.html").read_text(encoding="utf-8")
    assert "born" not in page
    assert main(["nowhere.db"]) == 1
    assert main([str(source), "--html", "pets.db/page.html"]) == 1
    assert "cannot be written" in capsys.readouterr().err
