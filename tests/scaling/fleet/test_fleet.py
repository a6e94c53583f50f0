"""Many files into one target: each by itself, a broken one leaves the others, a second run loads what is missing."""

import json
import re
from pathlib import Path

import pytest
from support.commands import Commands, commands
from support.database import Database, Server
from support.sources import make_sqlite
from support.targets import connected, execute, query, value
from support.workers import running_workers

import etl
from etl.core.errors import TargetError, UsageError
from etl.core.fleet_report import FileStatus
from etl.reporting.fleet import FleetReport
from etl.runs.load_session import ADVISORY_LOCK
from etl.scaling.fleet.load import FleetObserver

__all__ = ["commands"]  # a fixture
TABLES = (
    "CREATE TABLE person (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, boss INTEGER REFERENCES person ON DELETE SET NULL)",
    "CREATE TABLE pair (a TEXT, b INTEGER, note TEXT REFERENCES person (mail), PRIMARY KEY (a, b)) WITHOUT ROWID",
    "CREATE TABLE loose (note)",
    "CREATE UNIQUE INDEX one_boss ON person (mail) WHERE boss IS NULL",
    "CREATE UNIQUE INDEX lower_mail ON person (lower(mail))",
)


@pytest.fixture
def tenants(tmp_path: Path) -> Path:
    """Three files whose keys are the same, and one that is no database."""
    folder = tmp_path / "tenants"
    folder.mkdir()
    for place, name in enumerate(("acme", "Beta", "o'hara"), start=1):
        make_sqlite(
            folder / f"{name}.db",
            *TABLES,
            f"INSERT INTO person VALUES (1, 'a@x', NULL), (2, 'b{place}@x', 1)",
            "INSERT INTO pair VALUES ('k', 1, 'a@x')",
            "INSERT INTO loose VALUES ('same'), ('same')",
        )
    (folder / "broken.db").write_text("no database at all")
    return folder


def load(database: Database, tenants: Path, per_file: str, report: str = "report", **options: object) -> FleetReport:
    return etl.migrate_fleet(
        f"{tenants}/*.db",
        database.url,
        per_file=per_file,
        report_folder=tenants.parent / report,
        **{"create_schema": True, "validate": False, **options},
    )


def outcomes(report: FleetReport) -> dict[str, tuple[FileStatus, int, int]]:
    """Per file: what became of it, its exit code, and the rows that were loaded."""
    return {Path(file.path).stem: (file.status, file.exit_code, file.loaded_rows) for file in report.files}


LOADED, UNCHANGED, FAILED = FileStatus.LOADED, FileStatus.UNCHANGED, FileStatus.FAILED


def test_each_file_gets_a_schema_of_its_own(database: Database, tenants: Path) -> None:
    report = load(database, tenants, "schema")
    assert outcomes(report) == {
        "acme": (LOADED, 0, 5),
        "Beta": (LOADED, 0, 5),
        "o'hara": (LOADED, 0, 5),
        "broken": (FAILED, 1, 0),
    }
    assert report.exit_code == 3
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information|public)' ORDER BY 1"
    assert [name for (name,) in query(database, schemas)] == ["acme", "beta", "etl_fleet", "o'hara"]
    assert query(database, 'SELECT mail FROM "o\'hara".person ORDER BY id') == [("a@x",), ("b3@x",)]


@pytest.mark.parametrize("per_file", ["schema", "column:tenant"])
def test_a_second_run_loads_only_what_is_missing_or_changed(database: Database, tenants: Path, per_file: str) -> None:
    assert load(database, tenants, per_file).exit_code == 3
    make_sqlite(tenants / "acme.db", "INSERT INTO person VALUES (3, 'new@x', 2)")
    (tenants / "broken.db").unlink()
    make_sqlite(tenants / "broken.db", *TABLES, "INSERT INTO person VALUES (1, 'late@x', 1)")
    again = load(database, tenants, per_file)
    assert outcomes(again) == {
        "acme": (LOADED, 0, 1),
        "Beta": (UNCHANGED, 0, 0),
        "o'hara": (UNCHANGED, 0, 0),
        "broken": (LOADED, 0, 1),
    }
    assert again.exit_code == 0
    assert set(load(database, tenants, per_file).counts) == {UNCHANGED}
    assert load(database, tenants, per_file, assume_timezone="Asia/Seoul").counts[LOADED] == 4, "other options"


def test_workers_load_a_file_each(database: Database, tenants: Path) -> None:
    """At the same time: no schema is in the way of another. A second run has nothing to do for them."""
    with running_workers() as workers:
        address = workers.scheduler.address
        report = load(database, tenants, "schema", scheduler=address)
        assert outcomes(report) == {
            "acme": (LOADED, 0, 5),
            "Beta": (LOADED, 0, 5),
            "o'hara": (LOADED, 0, 5),
            "broken": (FAILED, 1, 0),
        }
        again = load(database, tenants, "schema", "again", scheduler=address)
    assert again.counts == {UNCHANGED: 3, FAILED: 1}
    assert (tenants.parent / "report" / "fleet" / "acme" / "report.html").is_file()


def test_loads_into_the_whole_database_keep_a_fleet_out(database: Database, tenants: Path) -> None:
    with connected(database) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        report = load(database, tenants, "schema")
    assert {file.status for file in report.files} == {FAILED}
    assert sum("Another run is loading" in (file.error or "") for file in report.files) == 3


def test_a_schema_that_was_dropped_is_loaded_again(database: Database, tenants: Path) -> None:
    load(database, tenants, "schema")
    execute(database, "DROP SCHEMA acme CASCADE")
    assert outcomes(load(database, tenants, "schema"))["acme"] == (LOADED, 0, 5)


def test_a_column_leads_in_every_key(database: Database, tenants: Path) -> None:
    """Keys that are the same in all files, rows without a key, and the parents of the same file only."""
    report = load(database, tenants, "column:tenant")
    assert [outcomes(report)[name] for name in ("acme", "Beta", "o'hara")] == [(LOADED, 0, 5)] * 3
    first = "SELECT attname FROM pg_attribute WHERE attrelid = '{}'::regclass AND attnum = 1"
    for table in ("person", "pair", "loose"):
        assert value(database, first.format(table)) == "tenant"
        assert query(database, f'SELECT tenant, count(*) FROM {table} GROUP BY 1 ORDER BY tenant COLLATE "C"') == [
            (name, {"person": 2, "pair": 1, "loose": 2}[table]) for name in ("Beta", "acme", "o'hara")
        ]
    keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{}'::regclass AND contype <> 'n'"
    assert {text for (text,) in query(database, keys.format("person"))} == {
        "PRIMARY KEY (tenant, id)",
        "UNIQUE (tenant, mail)",
        "FOREIGN KEY (tenant, boss) REFERENCES person(tenant, id) ON DELETE SET NULL (boss)",
    }
    assert {text for (text,) in query(database, keys.format("pair"))} == {
        "PRIMARY KEY (tenant, a, b)",
        "FOREIGN KEY (tenant, note) REFERENCES person(tenant, mail)",
    }
    indexes = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'person'::regclass"
    made = [text for (text,) in query(database, indexes)]
    assert any(re.search(r"one_boss .*\(tenant, mail\) WHERE", text) for text in made)
    assert any(re.search(r"lower_mail .*\(tenant, ", text) for text in made)
    execute(database, "INSERT INTO person (tenant, mail) VALUES ('new', 'next@x')")
    assert value(database, "SELECT id FROM person WHERE tenant = 'new'") == 3


def test_a_column_that_the_target_has_is_filled(database: Database, tenants: Path) -> None:
    """And the differences of one file are looked for among its own rows."""
    execute(
        database,
        "CREATE TABLE person (tenant text, id int, mail text, boss int, PRIMARY KEY (id, tenant))",
        "INSERT INTO person VALUES ('other', 1, 'mine', NULL), ('acme', 2, 'other', 1)",
    )
    report = load(database, tenants, "column:tenant", create_schema=False, tables="person")
    assert outcomes(report)["acme"] == (LOADED, 3, 1)
    assert outcomes(report)["Beta"] == (LOADED, 0, 2)
    own = json.loads((report.folder / "fleet" / "acme" / "report.json").read_bytes())
    (table,) = (table for table in own["tables"] if table["name"] == "person")
    assert (table["target_rows_before"], table["target_rows_after"]) == (1, 2)
    assert (table["matched_rows"], table["different_rows"], table["extra_rows"]) == (1, 1, 0)
    assert own["source"]["path"] == str(tenants / "acme.db")
    assert not list(report.folder.rglob("*.db")), "the copies are gone"


def test_a_column_that_is_taken_or_missing_is_named(database: Database, tenants: Path) -> None:
    make_sqlite(tenants / "acme.db", "ALTER TABLE loose ADD COLUMN Tenant TEXT")
    execute(database, "CREATE TABLE person (id int PRIMARY KEY, mail text, boss int)")
    report = load(database, tenants, "column:tenant", create_schema=False, tables="person", extra_columns="drop")
    errors = {Path(file.path).stem: file.error or "" for file in report.files}
    assert re.search(r"the table loose has a column tenant already\. Choose another name", errors["acme"])
    assert re.search(r"target's table person has no column tenant", errors["Beta"])
    assert report.exit_code == 1
    assert value(database, "SELECT count(*) FROM person") == 0


def test_a_page_over_all_files_leads_to_each_report(
    database: Database,
    tenants: Path,
    commands: Commands,
) -> None:
    listed = tenants.parent / "list.txt"
    listed.write_text("\n".join(map(str, sorted(tenants.glob("*.db")))) + "\n")
    folder = tenants.parent / "r"
    done = commands.load(listed, database.url, folder, "--per-file", "schema", "--create-schema")
    assert done.code == 3
    assert re.search(r"✓ 1/4 \S+Beta.db → schema beta: 5 rows loaded", done.out)
    assert re.search(r"✗ 3/4 \S+broken.db → schema broken: failed: \S+ is not a SQLite database", done.out)
    assert "✗ 4 files: 3 loaded, 1 failed" in done.out
    page = (folder / "fleet.html").read_text()
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == 3
    assert all((folder / link.replace("%27", "'")).is_file() for link in links)
    assert json.loads((folder / "fleet.json").read_bytes())["exit_code"] == 3
    assert (folder / "fleet.json").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_meant_is_said_before_anything_is_loaded(database: Database, tenants: Path) -> None:
    (tenants / "more").mkdir()
    make_sqlite(tenants / "more" / "beta.db", "CREATE TABLE t (a)")
    paths = [tenants / "Beta.db", tenants / "more" / "beta.db"]
    for said, sources, options in (
        ("would both be 'schema beta'", paths, {}),
        ("neither schema nor column:NAME", paths, {"per_file": "tenant"}),
        ("No file is meant by", f"{tenants}/*.sqlite", {}),
        ("leave out --schema", paths, {"schema": "public"}),
        ("leave out --workers", paths, {"workers": 2, "per_file": "column:tenant"}),
        ("needs no --resume", paths, {"resume": "x"}),
    ):
        with pytest.raises(UsageError, match=said):
            etl.migrate_fleet(sources, database.url, **options)  # type: ignore[arg-type]


def test_a_target_that_is_gone_ends_the_run_with_a_page(server: Server, database: Database, tenants: Path) -> None:
    class Ender(FleetObserver):
        def file_finished(self, report: object, done: int) -> None:  # noqa: ARG002
            if done == 1:
                name = value(database, "SELECT quote_ident(current_database())")
                server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")

    with pytest.raises(TargetError):
        etl.migrate_fleet(
            f"{tenants}/*.db",
            database.url,
            report_folder=tenants.parent / "report",
            observer=Ender(),
            create_schema=True,
            validate=False,
        )
    files = json.loads((tenants.parent / "report" / "fleet.json").read_bytes())["files"]
    assert [file["status"] for file in files] == ["loaded", "failed", "not begun", "not begun"]
