"""`python -m etl.run` as a user meets it: what it prints where, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import make_url
from support.database import Database
from support.sources import make_sqlite, series
from support.targets import execute, state, value

from etl.core.text import counted
from etl.sample.build import make_sample, new_database
from etl.sample.rows import SAMPLE_ROWS
from etl.schema.unified import create_missing

SEQUENCES = [table for table in SAMPLE_ROWS if table in (
    "conversation_messages", "agent_usage_logs", "audit_logs", "alert_history", "memory_tags", "research_steps",
    "agent_installations", "canvas_versions", "api_usage",
)]  # fmt: skip
STOPPED = "Nothing was committed: the target is as it was."


def environment(**more: str) -> dict[str, str]:
    """Ours without any hint of a target."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("PG") and name not in ("DATABASE_URL", "NO_COLOR")
    }
    return {**kept, "PYTHONFAULTHANDLER": "1", **more}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "etl.run", *map(str, arguments)]


def run(folder: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in `folder`, to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def guide(rows_of: dict[str, str]) -> list[str]:
    """The lines of the guide, for what became of each table."""
    return [
        "✓ Connected to SQLite",
        "✓ Connected to PostgreSQL",
        "Migrating tables...",
        *(f"  ✓ {table}: {fate}" for table, fate in rows_of.items()),
        "Resetting sequences...",
        *(f"  ✓ Reset {table}_id_seq to {SAMPLE_ROWS[table]}" for table in SEQUENCES),
        "MIGRATION SUMMARY",
        "Tables:   20",
        f"Rows:     {820 if 'rows migrated' in rows_of['users'] and 'present' not in rows_of['users'] else 0}",
        "Errors:   0",
        "✓ Migration completed successfully!",
    ]


def in_order(expected: Sequence[str], output: str) -> list[str]:
    """Those of the expected lines that the output lacks, or has in another order."""
    lines = iter(output.splitlines())
    return [line for line in expected if line not in lines]


# -- the demonstration --------------------------------------------------------------------------------------------


def test_the_demonstration_in_the_guides_form_twice(tmp_path: Path) -> None:
    """On the embedded server, with everything that the command does by default."""
    first = run(tmp_path, "--demo")
    assert (first.returncode, first.stderr) == (0, "")
    rows_of = {table: f"{counted(rows, 'row')} migrated" if rows else "0 rows" for table, rows in SAMPLE_ROWS.items()}
    assert in_order(guide(rows_of), first.stdout) == []
    assert "Source: data/demo.db" in first.stdout
    assert re.search(r"^Target: demo in \S+data/postgres \(embedded PostgreSQL \d+", first.stdout, re.MULTILINE)
    assert re.search(r"^total +820 +820 +0 +0 +0$", first.stdout, re.MULTILINE)
    second = run(tmp_path, "--demo")
    assert (second.returncode, second.stderr) == (0, "")
    rows_of = {t: f"0 rows migrated, {rows} already present" if rows else "0 rows" for t, rows in SAMPLE_ROWS.items()}
    assert in_order(guide(rows_of), second.stdout) == []
    assert re.search(r"^total +820 +0 +820 +0 +0$", second.stdout, re.MULTILINE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "reports"]
    left = {path.name for path in (tmp_path / "reports").iterdir()}
    assert len(left) == 4
    assert left > {"index.html", ".gitignore"}
    assert 'pd.read_sql("SELECT * FROM users", ' in first.stdout
    assert "Reconciled: All 820 rows of 20 tables were there already" in second.stdout


# -- what it prints where -----------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    path = tmp_path / "demo.db"
    make_sample(path)
    return path


@pytest.fixture
def bad_user(demo: Path) -> Path:
    return make_sqlite(demo, "UPDATE users SET is_active = 7 WHERE rowid = 5")


def test_json_is_the_report_alone(database: Database, demo: Path, tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "--sqlite",
        demo,
        "--create-schema",
        "--skip-validation",
        "--json",
        "--report",
        "out",
        DATABASE_URL=database.url,
    )
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert sum(table["loaded_rows"] for table in report["tables"]) == 820
    assert "✓ Migration completed successfully!" in done.stderr


def test_quiet_leaves_the_summary(database: Database, demo: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "--sqlite", demo, "--create-schema", "--skip-validation", "-q", DATABASE_URL=database.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Migrating tables" not in done.stdout
    assert in_order(["MIGRATION SUMMARY", "Rows:     820", "✓ Migration completed successfully!"], done.stdout) == []


def test_verbose_shows_the_plan(database: Database, demo: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "--sqlite", demo, "--create-schema", "--skip-validation", "-v", DATABASE_URL=database.url)
    assert done.returncode == 0
    assert "      created_at  timestamp with time zone" in done.stdout


@pytest.mark.parametrize("way", ["NO_COLOR", "--no-color", "a file"])
def test_no_colours_where_none_are_wanted(database: Database, demo: Path, tmp_path: Path, way: str) -> None:
    variables = {"NO_COLOR": "1"} if way == "NO_COLOR" else {}
    if way != "a file":
        variables["FORCE_COLOR"] = "1"
    options = [way] if way == "--no-color" else []
    arguments = ["--create-schema", "--skip-validation", *options]
    done = run(tmp_path, "--sqlite", demo, *arguments, DATABASE_URL=database.url, **variables)
    assert done.returncode == 0
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|9[0-7])m", done.stdout + done.stderr)


def test_a_table_that_the_source_lacks_is_skipped_with_the_guides_words(
    database: Database, demo: Path, tmp_path: Path
) -> None:
    make_sqlite(demo, "DROP TABLE api_usage")
    done = run(tmp_path, "--sqlite", demo, "--create-schema", "--skip-validation", DATABASE_URL=database.url)
    assert done.returncode == 0
    assert "⚠️  Table 'api_usage' not found in SQLite, skipping" in done.stdout


def test_control_characters_from_the_data_do_not_reach_the_terminal(database: Database, tmp_path: Path) -> None:
    execute(database, 'CREATE TABLE "x\x1b[31m" (id integer PRIMARY KEY)')
    source = make_sqlite(
        tmp_path / "a.db", 'CREATE TABLE "x\x1b[31m" (id)', """INSERT INTO "x\x1b[31m" VALUES ('\x1b[2J')"""
    )
    done = run(tmp_path, "--sqlite", source, "--skip-validation", DATABASE_URL=database.url)
    assert done.returncode == 3
    assert "\x1b" not in done.stdout + done.stderr


# -- how it ends --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_output_that_takes_no_more_ends_the_run_before_anything_is_written(
    database: Database, demo: Path, tmp_path: Path
) -> None:
    arguments = command("--sqlite", demo, "--create-schema")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            arguments,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(DATABASE_URL=database.url),
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "✗ What is printed here cannot be written (No space left on device). Send it elsewhere, or run with -q.\n"
    )
    assert state(database)["columns"] == []


def test_rejected_rows_are_exit_3_with_their_reasons(database: Database, bad_user: Path, tmp_path: Path) -> None:
    options = ["--sqlite", bad_user, "--create-schema", "--skip-validation", "--report", "out"]
    forecast = run(tmp_path, *options, "--dry-run", DATABASE_URL=database.url)
    assert forecast.returncode == 3
    assert state(database)["columns"] == []
    assert in_order(["Forecasting tables...", "FORECAST SUMMARY"], forecast.stdout) == []
    assert "  ✗ users: 4 rows would be migrated, 1 rejected" in forecast.stdout
    done = run(tmp_path, *options, DATABASE_URL=database.url)
    assert done.returncode == 3
    assert "  ✗ users: 4 rows migrated, 1 rejected" in done.stdout
    assert re.search(r"^ +1  users\.is_active \[convert\]: .*not a boolean", done.stdout, re.MULTILINE)
    assert "✓ Migration completed successfully!" not in done.stdout
    (line,) = (tmp_path / "out" / "rejects" / "users.ndjson").read_text().splitlines()
    assert json.loads(line)["row"]["is_active"] == 7
    assert value(database, "SELECT count(*) FROM users") == 4


WRONG = {
    "unknown option": ["--sqllite", "x"],
    "abbreviated option": ["--sql", "x"],
    "sqlite and demo": ["--demo", "--sqlite", "x"],
    "no number": ["--batch-rows", "many"],
    "zero rows": ["--batch-rows", "0"],
    "no zone": ["--assume-timezone", "Mars/Olympus"],
    "unknown choice": ["--extra-columns", "maybe"],
    "quiet and verbose": ["-q", "-v"],
    "no table": ["--tables", ","],
    "two sources": ["data.db", "other.db"],
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_exit_2(tmp_path: Path, case: str) -> None:
    done = run(tmp_path, *WRONG[case])
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: python -m etl.run" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_only_the_run_can_find_wrong_is_exit_2_too(database: Database, demo: Path, tmp_path: Path) -> None:
    for arguments in (["--tables", "users,nope"], ["--pg", "mysql://x/y"], ["--report", "demo.db"]):
        done = run(
            tmp_path, "--sqlite", demo, "--create-schema", "--skip-validation", *arguments, DATABASE_URL=database.url
        )
        assert done.returncode == 2, arguments
        assert len(done.stderr.splitlines()) == 1
    assert state(database)["columns"] == []


def test_nothing_to_load_names_both_ways_on(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "--sqlite" in done.stderr
    assert "--demo" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", ["missing", "folder", "text"])
def test_a_source_that_is_none_is_one_line_and_exit_1(database: Database, tmp_path: Path, case: str) -> None:
    path = tmp_path / "a.db"
    if case == "folder":
        path.mkdir()
    if case == "text":
        path.write_text("no database" * 100)
    done = run(tmp_path, "--sqlite", path, "--skip-validation", DATABASE_URL=database.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr


def test_no_server_is_one_line_and_exit_1(demo: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "--sqlite", demo, "--skip-validation", "--pg", "postgresql://me:s3cret@127.0.0.1:1/x")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_a_password_is_never_shown_nor_stored(database: Database, demo: Path, tmp_path: Path) -> None:
    right = make_url(database.url).set(password=make_url(database.url).password or "s3cr%t word")
    given = right.render_as_string(hide_password=False)
    spellings = {right.password, given.split("@")[0].rsplit(":", 1)[-1]}
    done = run(
        tmp_path, "--sqlite", demo, "--create-schema", "--skip-validation", "-v", "--report", "out", DATABASE_URL=given
    )
    assert done.returncode == 0
    wrong = right.set(database="is-not-there").render_as_string(hide_password=False)
    failed = run(tmp_path, "--sqlite", demo, "--skip-validation", "--pg", wrong)
    assert failed.returncode == 1
    written = [path.read_text(errors="replace") for path in (tmp_path / "out").rglob("*") if path.is_file()]
    for spelling in spellings:
        assert spelling
        for shown in (done.stdout, done.stderr, failed.stdout, failed.stderr, *written):
            assert spelling not in shown


def test_drift_is_exit_1_and_nothing_written(database: Database, demo: Path, tmp_path: Path) -> None:
    make_sqlite(demo, "ALTER TABLE users ADD COLUMN tier", "UPDATE users SET tier = 'gold' WHERE rowid < 4")
    with database.engine().begin() as connection:
        create_missing(connection)
    before = state(database)
    done = run(tmp_path, "--sqlite", demo, "--create-schema", "--skip-validation", DATABASE_URL=database.url)
    assert done.returncode == 1
    assert "users.tier (3 values in 5 rows)" in done.stderr
    assert "Traceback" not in done.stderr
    assert state(database) == before


def test_help_is_quick_and_names_the_exit_codes(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for code in ("0", "1", "2", "3", "130"):
        assert re.search(rf"^ +{code} ", done.stdout, re.MULTILINE)
    probe = "import sys; sys.argv = ['x', '--help']\ntry:\n import etl.run; etl.run.main()\nexcept SystemExit:\n pass\n"
    heavy = {"pandas", "pyarrow", "sqlalchemy", "great_expectations", "numpy"}
    probe += f"print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert loaded.stderr == "[]\n"


# -- interrupted --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be interrupted: 600,000 messages."""
    path = tmp_path_factory.mktemp("large") / "unified.db"
    with new_database(path) as connection:
        connection.execute("INSERT INTO users (id, username, password_hash) VALUES ('u', 'u', 'x')")
        connection.execute("INSERT INTO conversation_sessions (id, user_id) VALUES ('s', 'u')")
        rows = series(600_000, "'s', 'user', 'some text of a message ' || n || hex(zeroblob(60)), n")
        connection.execute(f"INSERT INTO conversation_messages (session_id, role, content, tokens) {rows}")
    return path


@pytest.fixture
def before(database: Database) -> dict[str, object]:
    """The 20 empty tables as they are before the load."""
    with database.engine().begin() as connection:
        create_missing(connection)
    return state(database)


@pytest.fixture
def under_way(
    database: Database, before: dict[str, object], large: Path, tmp_path: Path
) -> Iterator[subprocess.Popen[str]]:
    """A load that is copying messages into `database`, in a process group of its own, as a shell would start it."""
    assert before
    process = subprocess.Popen(
        command("--sqlite", large, "--report", "out"),
        cwd=tmp_path,
        env=environment(DATABASE_URL=database.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_for_copy(database, process)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _wait_for_copy(database: Database, process: subprocess.Popen[str]) -> None:
    copying = (
        "SELECT count(*) FROM pg_stat_progress_copy WHERE datname = current_database() AND tuples_processed > 20000"
    )
    deadline = time.monotonic() + 60
    while not value(database, copying):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "code", "word", "group"),
    [
        (signal.SIGINT, 130, "Interrupted", True),
        (signal.SIGINT, 130, "Interrupted", False),
        (signal.SIGTERM, 143, "Terminated", False),
    ],
    ids=["Ctrl-C", "SIGINT", "SIGTERM"],
)
def test_an_interrupted_load_ends_at_once_and_leaves_nothing(
    database: Database,
    before: dict[str, object],
    under_way: subprocess.Popen[str],
    tmp_path: Path,
    number: int,
    code: int,
    word: str,
    group: bool,
) -> None:
    started = time.monotonic()
    if group:
        os.killpg(under_way.pid, number)
    else:
        under_way.send_signal(number)
    _, errors = under_way.communicate(timeout=30)
    seconds = time.monotonic() - started
    assert under_way.returncode == code, errors
    assert errors == f"✗ {word}. {STOPPED} Running again is safe.\n"
    assert seconds < 2
    assert state(database) == before
    assert value(database, "INSERT INTO audit_logs (action) VALUES ('first') RETURNING id") == 1
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert (report["outcome"], report["exit_code"]) == ("failed", 1)


def test_an_impatient_user_changes_nothing_about_that(
    database: Database, before: dict[str, object], under_way: subprocess.Popen[str]
) -> None:
    for _ in range(8):
        if under_way.poll() is None:
            os.killpg(under_way.pid, signal.SIGINT)
            time.sleep(0.05)
    _, errors = under_way.communicate(timeout=30)
    assert under_way.returncode == 130, errors
    assert state(database) == before


def test_killed_outright_it_leaves_nothing_either(
    database: Database, before: dict[str, object], under_way: subprocess.Popen[str]
) -> None:
    os.killpg(under_way.pid, signal.SIGKILL)
    under_way.communicate()
    deadline = time.monotonic() + 10
    while value(
        database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert state(database) == before
