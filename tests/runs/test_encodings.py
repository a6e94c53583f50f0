"""Servers with other encodings than UTF-8: a value that the encoding lacks is one reject; the rest arrives."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.database import Database, Server
from support.loads import rejects, table_report
from support.sources import make_sqlite
from support.targets import execute, query

import etl

# For each encoding: keys that it has, in an order that differs between its bytes and UTF-8's, and one that it lacks.
ENCODINGS = {
    "LATIN1": (["é", "ä", "z", "ÿ"], "漢"),
    "LATIN9": (["€", "é", "z"], "漢"),
    "WIN1252": (["€", "é", "z"], "漢"),
    "WIN1251": (["я", "Ё", "ё", "z"], "漢"),
    "KOI8R": (["я", "б", "а", "z"], "漢"),
    "EUC_KR": (["가", "힝", "한", "z"], "ÿ"),
    "EUC_JP": (["漢", "あ", "ア", "z"], "가"),
}


@pytest.fixture
def encoded(server: Server, request: pytest.FixtureRequest) -> Iterator[Database]:
    name = f"etl_test_{secrets.token_hex(6)}"
    server.execute(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{request.param}' LOCALE 'C' LOCALE_PROVIDER libc"
    )
    try:
        yield Database(server.admin.set(database=name).render_as_string(hide_password=False))
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("encoded", "keys", "lacking"), [(name, *rest) for name, rest in ENCODINGS.items()], indirect=["encoded"]
)
def test_what_the_encoding_has_arrives_and_what_it_lacks_is_one_reject(
    encoded: Database, tmp_path: Path, keys: list[str], lacking: str
) -> None:
    rows = ", ".join(f"('{key}', '{key}')" for key in [*keys, lacking])
    source = make_sqlite(
        tmp_path / "s.db", "CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)", f"INSERT INTO t VALUES {rows}"
    )
    execute(encoded, "CREATE TABLE t (k text PRIMARY KEY, v text)")
    foretold = etl.migrate(source, encoded.url, validate=False, dry_run=True, report_folder=tmp_path / "dry")
    report = etl.migrate(source, encoded.url, validate=False, report_folder=tmp_path / "report")
    assert {key for (key,) in query(encoded, "SELECT k FROM t")} == set(keys)
    (line,) = rejects(report, "t")
    assert line["key"] == {"k": lacking}
    assert "encoding" in line["reason"]
    assert table_report(foretold, "t").rejected_rows == 1
    assert table_report(report, "t").matched_rows == len(keys)
    compared = etl.compare(source, encoded.url, load_report=tmp_path / "report", report_folder=tmp_path / "compared")
    assert (table_report(compared, "t").matched_rows, compared.total("missing_rows")) == (len(keys), 0)


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_an_escape_that_the_encoding_cannot_hold_is_one_reject(encoded: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "s.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
        """INSERT INTO t VALUES (1, '{"a":"plain"}'), (2, '{"a":"\\u00e9"}'), (3, '[1]')""",
    )
    execute(encoded, "CREATE TABLE t (id integer PRIMARY KEY, v jsonb)")
    report = etl.migrate(source, encoded.url, validate=False, report_folder=tmp_path / "report")
    assert [line["key"] for line in rejects(report, "t")] == [{"id": 2}]
    assert table_report(report, "t").matched_rows == 2
    compared = etl.compare(source, encoded.url, report_folder=tmp_path / "compared")
    assert (table_report(compared, "t").matched_rows, compared.total("missing_rows")) == (2, 1)


def test_a_parent_in_another_spelling_is_told_as_such(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(
        tmp_path / "s.db",
        "CREATE TABLE p (name TEXT PRIMARY KEY COLLATE NOCASE)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p TEXT REFERENCES p (name))",
        "INSERT INTO p VALUES ('Anna')",
        "INSERT INTO c VALUES (1, 'Anna'), (2, 'ANNA'), (3, 'Otto')",
    )
    execute(
        database,
        "CREATE TABLE p (name text PRIMARY KEY)",
        "CREATE TABLE c (id integer PRIMARY KEY, p text REFERENCES p)",
    )
    report = etl.migrate(source, database.url, validate=False, report_folder=tmp_path / "report")
    reasons = {line["key"]["id"]: line["reason"] for line in rejects(report, "c")}
    assert set(reasons) == {2, 3}
    assert "another spelling" in reasons[2]
    assert "has no row with name = 'Otto'" in reasons[3]
