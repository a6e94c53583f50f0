"""Tables in another schema than `public`: `--schema` of the commands, `schema` of the library."""

import json
from pathlib import Path

import pytest
from support.database import Database
from support.loads import books, rejects
from support.processes import run_module
from support.sources import make_sqlite
from support.targets import contents, execute, query, state, url_as, value

import etl
from etl.core.errors import CannotRun, TargetError, UsageError
from etl.notebook import workspace
from etl.sample.build import make_sample
from etl.schema.unified import TABLE_NAMES

ODD = 'Odd "%s" 名'
ODD_SQL = '"Odd ""%s"" 名"'
ROWS = ["CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')"]


def test_the_commands_create_fill_and_compare_it(database: Database, tmp_path: Path) -> None:
    make_sample(tmp_path / "demo.db")
    execute(database, f"CREATE SCHEMA {ODD_SQL}", "CREATE TABLE public.users (id text PRIMARY KEY, other integer)")
    target = ["--sqlite", "demo.db", "--pg", database.url, "--schema", ODD]
    done = run_module("etl.run", *target, "--create-schema", "--skip-validation", "--report", "load", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f", schema {ODD} (" in done.stdout
    assert "✓ Created 20 missing tables" in done.stdout
    tables = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = {}::regnamespace"
    assert value(database, tables.format(f"$${ODD_SQL}$$")) == len(TABLE_NAMES)
    assert value(database, tables.format("'public'")) == 1
    assert value(database, "SELECT count(*) FROM public.users") == 0
    report = json.loads((tmp_path / "load" / "report.json").read_bytes())
    assert (report["target"]["schema"], report["outcome"]) == (ODD, "reconciled")
    sequences = {item["sequence"]: item["next_value"] for item in report["sequences"]}
    assert sequences["conversation_messages_id_seq"] == 343
    compared = run_module("etl.reconcile", *target, "--report", "compared", cwd=tmp_path)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert f", schema {ODD} (" in compared.stdout
    for page in ("report.html", "report.md"):
        assert "名" in (tmp_path / "compared" / page).read_text()
    elsewhere = etl.compare(tmp_path / "demo.db", database.url, tables=("users",), report_folder=tmp_path / "public")
    assert elsewhere.total("missing_rows") == 5


def test_types_parents_and_namesakes_elsewhere(database: Database, tmp_path: Path) -> None:
    """A type and a parent outside of the search_path, another type in `public`, where a table has the same name."""
    execute(
        database,
        "CREATE SCHEMA app",
        "CREATE SCHEMA far",
        "CREATE TYPE far.mood AS ENUM ('sad')",
        "CREATE DOMAIN public.short AS varchar(3)",
        "CREATE TABLE far.p (id integer PRIMARY KEY)",
        "INSERT INTO far.p VALUES (1)",
        "CREATE TABLE public.t (id integer PRIMARY KEY, v text)",
        "INSERT INTO public.t VALUES (1, 'not mine')",
        "CREATE TABLE app.up (id integer PRIMARY KEY)",
        "CREATE TABLE app.t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m far.mood, s short, "
        "p integer REFERENCES far.p, up integer CONSTRAINT fk REFERENCES app.up, own integer REFERENCES app.t)",
        "CREATE INDEX i ON app.t (p)",
    )
    source = make_sqlite(
        tmp_path / "source.db",
        "CREATE TABLE up (id INTEGER PRIMARY KEY)",
        "INSERT INTO up VALUES (1)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, m, s, p, up, own)",
        "INSERT INTO t VALUES (1, 'sad', 'abc', 1, 1, 2), (2, NULL, NULL, NULL, NULL, NULL), (3, 'glad', '', 1, 1, 1)",
        "INSERT INTO t VALUES (4, 'sad', 'abcd', 1, 1, 1), (5, 'sad', 'a', 9, 1, 1), (6, 'sad', 'a', 1, 9, 1)",
    )
    before = query(database, "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1")
    options = {"schema": "app", "validate": False}
    forecast = etl.migrate(source, database.url, dry_run=True, report_folder=tmp_path / "dry", **options)
    done = etl.migrate(source, database.url, report_folder=tmp_path / "report", **options)
    assert books(done) == books(forecast) == {"t": (6, 2, 0, 4), "up": (1, 1, 0, 0)}
    assert sorted((line["row_number"], line["column"]) for line in rejects(done, "t")) == [
        (3, "m"),
        (4, "s"),
        (5, "p"),
        (6, "up"),
    ]
    assert contents(database, "app.t", "public.t") == {
        "app.t": ["(1,sad,abc,1,1,2)", "(2,,,,,)"],
        "public.t": ['(1,"not mine")'],
    }
    assert query(database, "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1") == before
    assert value(database, "INSERT INTO app.t (s) VALUES ('x') RETURNING id") == 3
    assert value(database, "SELECT current_schema()") == "public"


def test_the_library_knows_it_everywhere(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", *ROWS, "INSERT INTO t VALUES (3, 'toolong')")
    execute(database, "CREATE SCHEMA app", "CREATE TABLE app.t (id integer PRIMARY KEY, v varchar(3))")
    with pytest.raises(CannotRun):
        etl.plan(source, database.url)
    assert [table.name for table in etl.plan(source, database.url, schema="app").tables] == ["t"]
    foretold = etl.forecast(source, database.url, schema="app", report_folder=tmp_path / "forecast")
    assert books(foretold)["t"] == (3, 2, 0, 1)
    done = etl.migrate(source, database.url, schema="app", validate=False, report_folder=tmp_path / "report")
    mended = etl.read_rejects(done, "t").assign(v="ok")
    folder = tmp_path / "mended"
    more = etl.load_mended(mended, "t", source, database.url, schema="app", validate=False, report_folder=folder)
    assert books(more)["t"] == (1, 1, 0, 0)
    make_sqlite(source, "UPDATE t SET v = 'ok' WHERE id = 3")
    assert workspace.compare_again(etl.open_report(tmp_path / "report"), database.url).exit_code == 0
    assert contents(database, "app.t")["app.t"] == ["(1,a)", "(2,b)", "(3,ok)"]


@pytest.mark.parametrize("name", ["ap", "APP", "", "pg_catalog", "information_schema", "$user", "app, public"])
def test_a_schema_that_is_not_there_is_told_with_those_that_are(database: Database, tmp_path: Path, name: str) -> None:
    source = make_sqlite(tmp_path / "source.db", *ROWS)
    execute(database, "CREATE SCHEMA app", "CREATE TABLE app.t (id integer PRIMARY KEY)")
    before = state(database)
    with pytest.raises(UsageError, match=r"has no schema .* There is: app, public.*CREATE SCHEMA"):
        etl.migrate(source, database.url, schema=name, validate=False, report_folder=tmp_path / "report")
    assert state(database) == before


def test_a_schema_that_the_role_may_not_use_is_told(database: Database, tmp_path: Path, role: str) -> None:
    source = make_sqlite(tmp_path / "source.db", *ROWS)
    execute(database, "CREATE SCHEMA app", "CREATE TABLE app.t (id integer PRIMARY KEY, v text)")
    with pytest.raises(TargetError, match=r"may not use the schema 'app'.*GRANT USAGE"):
        etl.compare(source, url_as(database, role), schema="app", report_folder=tmp_path / "report")
    execute(database, f"GRANT USAGE ON SCHEMA app TO {role}", f"GRANT SELECT ON app.t TO {role}")
    done = etl.compare(source, url_as(database, role), schema="app", report_folder=tmp_path / "report")
    assert done.total("missing_rows") == 2


def test_the_search_path_decides_where_none_is_named(database: Database, tmp_path: Path) -> None:
    source = make_sqlite(tmp_path / "source.db", *ROWS)
    execute(database, "CREATE SCHEMA app", "CREATE TABLE app.t (id integer PRIMARY KEY, v text)")
    url = f"{database.url}&options=-csearch_path%3Dnone,app,public"
    assert etl.migrate(source, url, validate=False, report_folder=tmp_path / "report").exit_code == 0
    assert contents(database, "app.t")["app.t"] == ["(1,a)", "(2,b)"]
    empty = f"{database.url}&options=-csearch_path%3Dnone"
    with pytest.raises(TargetError, match="No schema of the role's search_path exists; name one with --schema"):
        etl.migrate(source, empty, report_folder=tmp_path / "nowhere")
    done = etl.compare(source, empty, schema="app", report_folder=tmp_path / "compared")
    assert done.exit_code == 0
