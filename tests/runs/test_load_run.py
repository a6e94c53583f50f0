"""A whole run: a deliberately bad database, drift, re-running, failure in the middle, and the evidence that is left."""

import base64
import hashlib
import json
import re
import secrets
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from support.bad_database import FAULTS, GOOD_STRANGERS, LATE, BadDatabase, make_bad_database
from support.database import Database, Server
from support.loads import books, load, rejects, table_report
from support.sources import make_sqlite, series, sqlite
from support.targets import contents, execute, query, state, value

import etl
from etl.core.errors import CannotRun, DriftError, EtlError, LockedError, SourceError, TargetError, UsageError
from etl.core.plan import Plan, TablePlan
from etl.core.report import Outcome, TableReport
from etl.core.values import UndecodableText
from etl.reporting.report import Report
from etl.runs.observer import Observer
from etl.sample.build import make_sample
from etl.sample.rows import SAMPLE_ROWS
from etl.schema.unified import TABLE_NAMES, create_missing


@contextmanager
def new_database(server: Server, *, schema: bool = True) -> Iterator[Database]:
    """A database beside the test's own, with the 20 empty tables."""
    name = f"etl_test_{secrets.token_hex(6)}"
    server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        database = Database(server.admin.set(database=name).render_as_string(hide_password=False))
        if schema:
            create_schema(database)
        yield database
    finally:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def create_schema(database: Database) -> None:
    with database.engine().begin() as connection:
        create_missing(connection)


@pytest.fixture
def target(database: Database) -> Database:
    """The 20 empty tables."""
    create_schema(database)
    return database


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample database; copy it before changing it."""
    path = tmp_path_factory.mktemp("sample") / "demo.db"
    make_sample(path)
    return path


@pytest.fixture
def source(sample: Path, tmp_path: Path) -> Path:
    """A copy of the sample to be changed."""
    return shutil.copyfile(sample, tmp_path / "unified.db")


def lines(report: Report) -> list[str]:
    """All reject lines but for the run's id."""
    found = [line for table in report.tables for line in rejects(report, table.name)]
    return sorted(str(line | {"run_id": ""}) for line in found)


# -- the deliberately bad database --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """What was seen on the way: forecast, load, mending, load."""

    bad: BadDatabase
    clean: dict[str, list[str]]
    before: dict[str, object]
    after_forecast: dict[str, object]
    forecast: Report
    done: Report
    loaded: dict[str, list[str]]
    again: Report
    mended: Report


@pytest.fixture(scope="module")
def story(server: Server, tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("bad")
    bad = make_bad_database(folder / "unified.db")
    with new_database(server) as clean, new_database(server) as database:
        load(clean, sample, folder / "clean")
        before = state(database)
        forecast = load(database, bad.path, folder / "forecast", dry_run=True)
        after_forecast = state(database)
        done = load(database, bad.path, folder / "done")
        loaded = contents(database, *TABLE_NAMES)
        again = load(database, bad.path, folder / "again")
        bad.mend()
        mended = load(database, bad.path, folder / "mended")
        yield Story(bad, contents(clean, *TABLE_NAMES), before, after_forecast, forecast, done, loaded, again, mended)


GOOD_FAULTS = {table: sum(1 for f in FAULTS if f.table == table and not f.reason) for table in TABLE_NAMES}
BAD_TABLES = sorted({fault.table for fault in FAULTS})


def test_the_books_of_the_bad_database_are_closed(story: Story) -> None:
    assert story.done.exit_code == 3
    assert story.done.outcome is Outcome.DIFFERENCES
    for table, (rows, loaded, present, rejected) in books(story.done).items():
        bad = len(story.bad.faults(table))
        more = LATE + GOOD_STRANGERS if table == "conversation_messages" else GOOD_FAULTS[table]
        assert (rows, loaded, present, rejected) == (
            SAMPLE_ROWS[table] + more + bad,
            SAMPLE_ROWS[table] + more,
            0,
            bad,
        ), table


def test_every_good_row_is_loaded(story: Story) -> None:
    for table, rows in story.clean.items():
        assert set(rows) <= set(story.loaded[table]), table
        assert len(story.loaded[table]) == table_report(story.done, table).loaded_rows


@pytest.mark.parametrize("table", BAD_TABLES)
def test_every_bad_row_is_in_the_rejects(story: Story, table: str) -> None:
    found = rejects(story.done, table)
    expected = story.bad.faults(table)
    assert sorted(line["rowid"] for line in found) == [rowid for rowid, _ in expected]
    by_rowid = {line["rowid"]: line for line in found}
    for rowid, fault in expected:
        line = by_rowid[rowid]
        assert list(line) == [
            "run_id",
            "table",
            "row_number",
            "rowid",
            "key",
            "stage",
            "code",
            "column",
            "reason",
            "also",
            "repair",
            "row",
        ]
        assert (line["run_id"], line["table"]) == (story.done.run_id, table)
        assert line["row_number"] == rowid  # the tables have no gaps
        assert line["column"] == fault.column, line
        assert re.search(fault.reason, line["reason"]), line
        assert line["stage"] in ("convert", "load")
        assert line["key"] == {"id": line["row"]["id"]}
        for column, cell in fault.values.items():
            assert line["row"][column] == as_json(cell)


def as_json(cell: object) -> object:
    """How a reject line shows a value."""
    match cell:
        case UndecodableText():
            return {"base64": base64.b64encode(cell).decode(), "text": True}
        case bytes():
            return {"base64": base64.b64encode(cell).decode()}
        case float() if cell == float("inf"):
            return {"real": "inf"}
    return cell


def test_reasons_are_counted_in_the_report(story: Story) -> None:
    assert sum(group.rows for group in story.done.rejects) == sum(1 for fault in FAULTS if fault.reason)
    assert story.done.total("rejected_rows") == sum(1 for fault in FAULTS if fault.reason)
    booleans = [group for group in story.done.rejects if (group.table, group.column) == ("users", "is_active")]
    assert [(group.stage, group.rows) for group in booleans] == [("convert", 7)]


def test_the_dry_run_foretold_it_and_wrote_nothing(story: Story) -> None:
    assert story.after_forecast == story.before
    assert story.forecast.outcome is Outcome.DRY_RUN
    assert story.forecast.exit_code == 3
    assert books(story.forecast) == books(story.done)
    assert sorted(map(str, story.forecast.rejects)) == sorted(map(str, story.done.rejects))
    assert lines(story.forecast) == lines(story.done)
    assert story.forecast.sequences == ()


def test_running_again_changes_nothing(story: Story) -> None:
    for table, found in books(story.again).items():
        rows, loaded, _, rejected = books(story.done)[table]
        assert found == (rows, 0, loaded, rejected), table
    assert story.again.total("present_different_rows") == 0
    for table in BAD_TABLES:
        assert [(line["row_number"], line["column"]) for line in rejects(story.again, table)] == [
            (line["row_number"], line["column"]) for line in rejects(story.done, table)
        ]


def test_mended_rows_are_loaded_and_no_others(story: Story) -> None:
    assert story.mended.exit_code == 0, story.mended.rejects
    for table, (rows, loaded, present, rejected) in books(story.mended).items():
        before = books(story.done)[table]
        assert (rows, loaded, present, rejected) == (before[0], before[3], before[1], 0), table


def test_validation_rejects_the_same_rows(target: Database, tmp_path: Path) -> None:
    """Whether an expectation or PostgreSQL finds it: the same rows, columns and counts."""
    bad = make_bad_database(tmp_path / "unified.db")
    tables = ("users", "agent_feedback", "audit_logs", "api_usage", "user_memories")
    plain = load(target, bad.path, tmp_path / "plain", dry_run=True, tables=tables)
    validated = load(target, bad.path, tmp_path / "validated", tables=tables, validate=True)
    assert books(validated) == books(plain)
    for table in tables:
        found = {(line["row_number"], line["column"]): line["stage"] for line in rejects(validated, table)}
        assert found.keys() == {(line["row_number"], line["column"]) for line in rejects(plain, table)}
    assert "validate" in {line["stage"] for line in rejects(validated, "users")}


# -- running again ------------------------------------------------------------------------------------------------


def test_a_second_run_finds_everything_present_and_changes_nothing(
    target: Database, source: Path, tmp_path: Path
) -> None:
    first = load(target, source, tmp_path / "first")
    assert {table: counts[:2] for table, counts in books(first).items()} == {t: (n, n) for t, n in SAMPLE_ROWS.items()}
    assert (first.exit_code, first.total("loaded_rows")) == (0, 820)
    after = state(target)
    second = load(target, source, tmp_path / "second")
    assert state(target) == after
    assert (second.exit_code, second.total("loaded_rows"), second.total("present_rows")) == (0, 0, 820)
    assert all(table.target_rows_after == table.target_rows_before == table.source_rows for table in second.tables)


def test_new_rows_are_added_and_old_ones_left(target: Database, source: Path, tmp_path: Path) -> None:
    load(target, source, tmp_path / "first")
    make_sqlite(source, "INSERT INTO users (id, username, password_hash) VALUES ('new', 'new', 'x')")
    done = load(target, source, tmp_path / "second")
    assert books(done)["users"] == (6, 1, 5, 0)
    assert done.exit_code == 0


def test_rows_that_are_there_with_other_content_are_told_and_kept(
    target: Database, source: Path, tmp_path: Path
) -> None:
    load(target, source, tmp_path / "first")
    execute(target, "UPDATE users SET email = 'changed@there' WHERE id = (SELECT min(id) FROM users)")
    after = state(target)
    done = load(target, source, tmp_path / "second")
    assert table_report(done, "users").present_different_rows == 1
    assert (done.exit_code, done.outcome) == (3, Outcome.DIFFERENCES)
    assert state(target) == after


def test_a_fresh_installations_own_admin_blocks_ours_and_nothing_else(
    target: Database, source: Path, tmp_path: Path
) -> None:
    """The target's own row has the same username under another id: our user cannot come, nor what belongs to him."""
    with sqlite(source) as connection:
        ((user, username),) = connection.execute(
            "SELECT id, username FROM users "
            "JOIN (SELECT user_id FROM conversation_sessions WHERE user_id NOTNULL LIMIT 1) ON id = user_id"
        ).fetchall()
        sessions = [
            id_ for (id_,) in connection.execute("SELECT id FROM conversation_sessions WHERE user_id = ?", (user,))
        ]
        marks = ", ".join("?" * len(sessions))
        (messages,) = connection.execute(
            f"SELECT count(*) FROM conversation_messages WHERE session_id IN ({marks})", sessions
        ).fetchone()
    execute(target, f"INSERT INTO users (id, username, password_hash) VALUES ('own', '{username}', 'x')")
    forecast = load(target, source, tmp_path / "forecast", dry_run=True)
    done = load(target, source, tmp_path / "report")
    assert done.exit_code == 3
    (line,) = rejects(done, "users")
    assert (line["key"], line["stage"], line["column"]) == ({"id": user}, "load", "username")
    assert line["reason"] == (
        "blocked: unique constraint users_username_key (username) is taken by the target's row with id = own"
    )
    assert books(done)["users"] == (5, 4, 0, 1)
    found = rejects(done, "conversation_sessions")
    assert sorted(line["key"]["id"] for line in found) == sorted(sessions)
    assert {line["reason"] for line in found} == {
        f"foreign key conversation_sessions_user_id_fkey: its parent in users (id = '{user}') was rejected"
    }
    assert books(done)["conversation_messages"] == (342, 342 - messages, 0, messages)
    assert value(target, "SELECT count(*) FROM users WHERE id = 'own'") == 1
    assert books(forecast) == books(done)
    assert lines(forecast) == lines(done)


# -- drift --------------------------------------------------------------------------------------------------------


@pytest.fixture
def drifted(source: Path) -> Path:
    """Two columns that the target lacks, as in a real installation, and a third without values."""
    return make_sqlite(
        source,
        "ALTER TABLE users ADD COLUMN tier INTEGER",
        "ALTER TABLE users ADD COLUMN share REAL",
        f"UPDATE users SET tier = {2**53 + 1}, share = 0.5",
        "ALTER TABLE conversation_sessions ADD COLUMN anon_session_id TEXT",
        "UPDATE conversation_sessions SET anon_session_id = 'anon ' || rowid WHERE rowid <= 3",
        "ALTER TABLE audit_logs ADD COLUMN unused TEXT",
    )


@pytest.mark.parametrize("dry_run", [False, True])
def test_extra_columns_stop_before_anything_is_written(
    target: Database, drifted: Path, tmp_path: Path, dry_run: bool
) -> None:
    before = state(target)
    with pytest.raises(DriftError) as caught:
        load(target, drifted, tmp_path / "report", dry_run=dry_run)
    assert "users.tier (5 values in 5 rows)" in str(caught.value)
    assert "conversation_sessions.anon_session_id (3 values in 12 rows)" in str(caught.value)
    assert "unused" not in str(caught.value)
    assert state(target) == before
    report = json.loads((tmp_path / "report" / "report.json").read_bytes())
    assert (report["outcome"], report["exit_code"]) == ("failed", 1)
    assert "users.tier" in report["error"]


def test_extra_columns_are_added_with_their_values(target: Database, drifted: Path, tmp_path: Path) -> None:
    forecast = load(target, drifted, tmp_path / "forecast", extra_columns="add", dry_run=True)
    assert value(target, "SELECT count(*) FROM information_schema.columns WHERE column_name = 'tier'") == 0
    done = load(target, drifted, tmp_path / "report", extra_columns="add")
    assert (done.exit_code, done.total("loaded_rows")) == (0, 820)
    assert books(forecast) == books(done)
    assert query(target, "SELECT DISTINCT tier, share FROM users") == [(2**53 + 1, 0.5)]
    assert value(target, "SELECT count(anon_session_id) FROM conversation_sessions") == 3
    actions = {(drift.table, drift.column): (drift.values, drift.action) for drift in done.drift}
    assert actions["users", "tier"] == (5, "added")
    assert actions["audit_logs", "unused"] == (0, "ignored: it holds no value")
    again = load(target, drifted, tmp_path / "again")
    assert (again.exit_code, again.total("present_rows")) == (0, 820)


@pytest.mark.parametrize("without_rowid", [False, True])
def test_extra_columns_are_dropped_and_their_values_kept(
    target: Database, drifted: Path, tmp_path: Path, without_rowid: bool
) -> None:
    if without_rowid:
        make_sqlite(
            drifted,
            "CREATE TABLE other (id TEXT PRIMARY KEY, username, password_hash, tier, share, is_active) WITHOUT ROWID",
            "INSERT INTO other SELECT id, username, password_hash, tier, share, is_active FROM users",
            "DROP TABLE users",
            "ALTER TABLE other RENAME TO users",
        )
    done = load(target, drifted, tmp_path / "report", extra_columns="drop")
    assert (done.exit_code, done.total("loaded_rows")) == (0, 820)
    kept = rejects(done, "users", "dropped")
    assert [line["values"] for line in kept] == [{"tier": 2**53 + 1, "share": 0.5}] * 5
    assert sorted(line["key"]["id"] for line in kept) == sorted(id_ for (id_,) in query(target, "SELECT id FROM users"))
    assert [line["rowid"] is None for line in kept] == [without_rowid] * 5
    assert [line["values"] for line in rejects(done, "conversation_sessions", "dropped")] == [
        {"anon_session_id": f"anon {n}"} for n in (1, 2, 3)
    ]
    assert not (tmp_path / "report" / "dropped" / "audit_logs.ndjson").exists()


def test_rejected_rows_without_rowid_keep_every_value_exactly(database: Database, tmp_path: Path) -> None:
    execute(database, "CREATE TABLE t (id bigint PRIMARY KEY, share real, v boolean)")
    source = make_sqlite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, share REAL, v) WITHOUT ROWID",
        f"INSERT INTO t VALUES ({2**53 + 1}, 0.5, 1), ({2**53 + 3}, 0.5, 7), ({2**53 + 5}, NULL, 8)",
    )
    done = load(database, source, tmp_path / "report")
    assert [line["row"] for line in rejects(done, "t")] == [
        {"id": 2**53 + 3, "share": 0.5, "v": 7},
        {"id": 2**53 + 5, "share": None, "v": 8},
    ]


def test_tables_of_one_side_only(target: Database, source: Path, tmp_path: Path) -> None:
    make_sqlite(
        source,
        "DROP TABLE api_usage",
        "CREATE TABLE settings (name TEXT, value TEXT)",
        "INSERT INTO settings VALUES ('a', 'b'), ('c', 'd')",
        "CREATE TABLE empty_settings (name TEXT)",
    )
    done = load(target, source, tmp_path / "report")
    statuses = {table.name: (table.status.value, table.source_rows) for table in done.tables}
    assert statuses["api_usage"] == ("missing_in_source", None)
    assert statuses["settings"] == ("not_migrated", 2)
    assert statuses["empty_settings"] == ("not_migrated", 0)
    assert (done.exit_code, done.total("loaded_rows")) == (3, 790)
    make_sqlite(source, "DELETE FROM settings")
    assert load(target, source, tmp_path / "again").exit_code == 0


def test_only_some_tables(target: Database, source: Path, tmp_path: Path) -> None:
    done = load(target, source, tmp_path / "report", tables=("users", "custom_agents"))
    assert books(done) == {"users": (5, 5, 0, 0), "custom_agents": (8, 8, 0, 0)}
    children = load(target, source, tmp_path / "children", tables=("agent_marketplace",))
    assert books(children) == {"agent_marketplace": (2, 2, 0, 0)}
    orphans = load(target, source, tmp_path / "orphans", tables=("conversation_messages",))
    assert books(orphans) == {"conversation_messages": (342, 0, 0, 342)}


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["CREATE TABLE t (v)"], "The target has no tables"),
        ([], "The source has no tables"),
    ],
)
def test_nothing_in_common_is_said_plainly(
    database: Database, tmp_path: Path, statements: list[str], message: str
) -> None:
    source = make_sqlite(tmp_path / "a.db", *(statements or ["CREATE TABLE t (v)", "DROP TABLE t"]))
    with pytest.raises(DriftError, match=message):
        load(database, source, tmp_path / "report")


def test_create_schema_makes_what_is_missing_in_the_same_transaction(
    database: Database, source: Path, tmp_path: Path
) -> None:
    make_sqlite(source, "ALTER TABLE users ADD COLUMN tier", "UPDATE users SET tier = 1")
    create_schema(database)
    execute(database, "DROP TABLE memory_tags")
    before = state(database)
    with pytest.raises(DriftError, match=r"users\.tier"):
        load(database, source, tmp_path / "stopped", create_schema=True)
    assert state(database) == before
    done = load(database, source, tmp_path / "report", create_schema=True, extra_columns="drop")
    assert (done.exit_code, done.total("loaded_rows")) == (0, 820)
    assert [item.column for item in done.drift if item.values] == ["tier"]


def test_columns_and_tables_beyond_the_description_are_created_too(
    database: Database, source: Path, tmp_path: Path
) -> None:
    make_sqlite(
        source,
        "ALTER TABLE users ADD COLUMN tier INTEGER DEFAULT 3",
        "UPDATE users SET tier = rowid",
        "ALTER TABLE users ADD COLUMN renewed DATETIME",
        "CREATE TABLE plugin (name TEXT PRIMARY KEY, enabled BOOLEAN NOT NULL)",
        "INSERT INTO plugin VALUES ('search', 1)",
    )
    done = load(database, source, tmp_path / "report", create_schema=True)
    assert (done.exit_code, done.total("loaded_rows")) == (0, 821)
    assert query(database, "SELECT tier, renewed FROM users ORDER BY tier") == [(n, None) for n in range(1, 6)]
    types = "SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'users'::regclass"
    assert {("tier", "bigint"), ("renewed", "timestamp with time zone")} <= set(query(database, types))
    assert query(database, "SELECT * FROM plugin") == [("search", True)]


# -- sequences ----------------------------------------------------------------------------------------------------

SEQUENCES: dict[str, tuple[list[str], list[str], int]] = {
    "an empty table": ([], [], 1),
    "the largest id": (["INSERT INTO t (id) VALUES (3), (41), (7)"], [], 42),
    "ids that were deleted": (["INSERT INTO t (id) VALUES (3), (90)", "DELETE FROM t WHERE id = 90"], [], 91),
    "all were deleted": (["INSERT INTO t (id) VALUES (5)", "DELETE FROM t"], [], 6),
    "the sequence is further": (["INSERT INTO t (id) VALUES (3)"], ["SELECT setval('{sequence}', 500)"], 501),
    "the target has larger ids": (
        ["INSERT INTO t (id) VALUES (3)"],
        ["INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (70)"],
        71,
    ),
    "the sequence was called once": ([], ["SELECT nextval('{sequence}')"], 2),
    "steps": (["INSERT INTO t (id) VALUES (10)"], ["ALTER SEQUENCE {sequence} INCREMENT BY 5"], 15),
    "negative ids": (["INSERT INTO t (id) VALUES (-7)"], [], 1),
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", ["serial", "integer GENERATED ALWAYS AS IDENTITY", "bigint GENERATED BY DEFAULT AS IDENTITY"]
)
@pytest.mark.parametrize("case", SEQUENCES)
def test_the_next_id_is_free(database: Database, tmp_path: Path, case: str, kind: str) -> None:
    in_source, in_target, expected = SEQUENCES[case]
    execute(database, f"CREATE TABLE t (id {kind} PRIMARY KEY, v text)")
    sequence = value(database, "SELECT pg_get_serial_sequence('t', 'id')")
    execute(database, *(statement.format(sequence=sequence) for statement in in_target))
    source = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)", *in_source)
    done = load(database, source, tmp_path / "report")
    ((found),) = done.sequences
    assert (found.sequence, found.table, found.column, found.next_value) == ("t_id_seq", "t", "id", expected)
    assert value(database, "INSERT INTO t (v) VALUES ('next') RETURNING id") == expected


def test_every_sequence_of_the_schema_stands_behind_its_table(target: Database, source: Path, tmp_path: Path) -> None:
    done = load(target, source, tmp_path / "report")
    found = {sequence.table: sequence.last_value for sequence in done.sequences}
    assert found == {
        "conversation_messages": 342,
        "agent_usage_logs": 156,
        "audit_logs": 89,
        "alert_history": 0,
        "memory_tags": 67,
        "research_steps": 12,
        "agent_installations": 2,
        "canvas_versions": 15,
        "api_usage": 30,
    }


# -- failure in the middle ----------------------------------------------------------------------------------------


class Saboteur(Observer):
    """Does something when the first of some tables is finished."""

    def __init__(self, act: Callable[[], object], table: str = "users") -> None:
        self._act = act
        self._table = table
        self.acted = False

    def table_finished(self, table: TableReport) -> None:
        if table.name == self._table and not self.acted:
            self.acted = True
            self._act()


def fail() -> None:
    raise RuntimeError("a bug")


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def partly_filled(target: Database) -> Database:
    """A target that holds something already, so that both ways are under way when it fails."""
    execute(
        target,
        "INSERT INTO users (id, username, password_hash) VALUES ('own', 'own', 'x')",
        "INSERT INTO audit_logs (id, action) VALUES (5000, 'installed')",
    )
    return target


@pytest.mark.parametrize("table", ["users", "conversation_messages", "api_usage"])
@pytest.mark.parametrize(("act", "error"), [(fail, RuntimeError), (interrupt, KeyboardInterrupt)])
def test_a_failure_leaves_the_target_as_it_was(
    partly_filled: Database,
    source: Path,
    tmp_path: Path,
    table: str,
    act: Callable[[], None],
    error: type[BaseException],
) -> None:
    before = state(partly_filled)
    saboteur = Saboteur(act, table)
    with pytest.raises(error):
        load(partly_filled, source, tmp_path / "report", observer=saboteur)
    assert saboteur.acted
    assert state(partly_filled) == before
    assert load(partly_filled, source, tmp_path / "second").total("loaded_rows") == 820


def test_a_lost_connection_leaves_the_target_as_it_was(partly_filled: Database, source: Path, tmp_path: Path) -> None:
    def terminate() -> None:
        query(
            partly_filled,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )

    before = state(partly_filled)
    with pytest.raises(TargetError) as caught:
        load(partly_filled, source, tmp_path / "report", observer=Saboteur(terminate, "conversation_messages"))
    assert "\n" not in str(caught.value)
    assert state(partly_filled) == before
    report = json.loads((tmp_path / "report" / "report.json").read_bytes())
    assert (report["outcome"], report["exit_code"]) == ("failed", 1)
    assert [table["loaded_rows"] for table in report["tables"] if table["loaded_rows"]] == []


def test_a_source_that_is_cut_off_while_it_is_read_leaves_the_target_as_it_was(
    target: Database, tmp_path: Path
) -> None:
    source = tmp_path / "unified.db"
    make_sample(source)
    with sqlite(source) as connection:
        rows = series(40_000, "(SELECT min(id) FROM conversation_sessions), 'user', hex(zeroblob(200))")
        connection.execute(f"INSERT INTO conversation_messages (session_id, role, content) {rows}")
    size = source.stat().st_size
    before = state(target)

    def cut() -> None:
        with source.open("r+b") as file:
            file.truncate(size // 4)

    with pytest.raises(SourceError, match=re.escape(str(source))):
        load(target, source, tmp_path / "report", observer=Saboteur(cut))
    assert state(target) == before


def test_a_source_that_is_written_to_at_rest_leaves_the_target_as_it_was(
    target: Database, source: Path, tmp_path: Path
) -> None:
    before = state(target)
    write = Saboteur(lambda: make_sqlite(source, "UPDATE api_usage SET requests = 7"))
    with pytest.raises(SourceError, match="changed while it was read"):
        load(target, source, tmp_path / "report", observer=write)
    assert state(target) == before


def test_two_runs_at_once_do_not_mix(target: Database, source: Path, tmp_path: Path) -> None:
    second: list[BaseException] = []

    def run_another() -> None:
        try:
            load(target, source, tmp_path / "second")
        except LockedError as error:
            second.append(error)

    done = load(target, source, tmp_path / "first", observer=Saboteur(run_another))
    assert done.exit_code == 0
    (refusal,) = map(str, second)
    assert re.match(r"Another run is loading into this database: pid \d+ \(", refusal)


def test_rows_that_another_session_inserts_meanwhile_wait(target: Database, source: Path, tmp_path: Path) -> None:
    """It gets its turn after the commit, and its row is not counted as ours."""
    started = threading.Event()

    def insert() -> None:
        started.set()
        execute(target, "INSERT INTO users (id, username, password_hash) VALUES ('other', 'other', 'x')")

    other = threading.Thread(target=insert)
    done = load(target, source, tmp_path / "report", observer=Saboteur(lambda: (other.start(), started.wait())))
    other.join()
    assert done.exit_code == 0
    assert table_report(done, "users").target_rows_after == 5
    assert value(target, "SELECT count(*) FROM users") == 6


# -- what is heard, what is left ----------------------------------------------------------------------------------


class Listener(Observer):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []

    def planned(self, plan: Plan) -> None:
        self.heard.append(("planned", len(plan.tables)))

    def table_progressed(self, plan: TablePlan, rows: int) -> None:
        self.heard.append((plan.name, rows))

    def table_finished(self, table: TableReport) -> None:
        self.heard.append(("finished", table.name))


def test_an_observer_hears_the_run_in_order(target: Database, source: Path, tmp_path: Path) -> None:
    listener = Listener()
    load(target, source, tmp_path / "report", batch_rows=100, observer=listener)
    assert listener.heard[0] == ("planned", 20)
    finished = [name for event, name in listener.heard if event == "finished"]
    assert sorted(map(str, finished)) == sorted(TABLE_NAMES)
    assert finished.index("users") < finished.index("conversation_sessions") < finished.index("conversation_messages")
    progress = [rows for event, rows in listener.heard if event == "conversation_messages"]
    assert progress == sorted(set(progress))
    assert (len(progress) >= 4, progress[-1]) == (True, 342)


def test_the_report_has_the_agreed_form(target: Database, source: Path, tmp_path: Path) -> None:
    make_sqlite(source, "INSERT INTO users (id, username, password_hash, is_active) VALUES ('x', 'x', 'x', 7)")
    done = load(target, source, tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_bytes())
    assert report == json.loads(done.to_json())
    agreed = {
        "run_id", "started_at", "finished_at", "seconds", "tool", "source", "target", "outcome", "exit_code", "tables",
        "sequences", "rejects", "drift", "expectations", "differences", "timings",
    }  # fmt: skip
    assert agreed <= report.keys()
    assert datetime.fromisoformat(report["started_at"]) <= datetime.fromisoformat(report["finished_at"])
    assert report["tool"]["name"] == "sqlite-to-postgres-etl"
    assert report["source"].keys() == {"path", "bytes", "sqlite_version", "absolute_path", "sha256", "wal_sha256"}
    assert report["source"]["path"] == str(source)
    assert report["target"].keys() == {"url", "server_version", "embedded", "schema"}
    users = next(table for table in report["tables"] if table["name"] == "users")
    counts = {
        "source_rows": 6, "loaded_rows": 5, "present_rows": 0, "rejected_rows": 1, "unaccounted_rows": 0,
        "target_rows_before": 0, "target_rows_after": 5,
    }  # fmt: skip
    assert {name: users[name] for name in counts} == counts
    assert {"matched_rows", "different_rows", "missing_rows", "extra_rows", "seconds", "status"} <= users.keys()
    assert len(report["tables"]) == 20
    assert report["sequences"][0].keys() == {"sequence", "table", "column", "last_value", "next_value"}
    (group,) = report["rejects"]
    keys = {"table", "stage", "column", "reason", "rows", "code", "repair", "repairable_rows", "examples", "file"}
    assert group.keys() == keys
    assert group["code"] == "not_a_boolean"
    assert (group["table"], group["stage"], group["column"], group["rows"]) == ("users", "convert", "is_active", 1)
    assert "7" not in group["reason"]
    assert (report["outcome"], report["exit_code"]) == ("differences", 3)
    assert "users" in done._repr_html_()


def test_the_report_folder_is_private(target: Database, drifted: Path, tmp_path: Path) -> None:
    make_sqlite(drifted, "UPDATE users SET is_active = 7 WHERE rowid = 1")
    for _ in range(2):
        load(target, drifted, tmp_path / "report", extra_columns="drop")
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "report").rglob("*")}
    found[tmp_path / "report"] = stat.S_IMODE((tmp_path / "report").stat().st_mode)
    assert len(found) > 8
    assert {path: mode for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_the_report_before_is_moved_aside(target: Database, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    make_sqlite(source, "UPDATE users SET is_active = 7 WHERE rowid = 1")
    first = load(target, source, folder)
    make_sqlite(source, "UPDATE users SET is_active = 1")
    (folder / "mine.txt").write_text("kept")
    second = load(target, source, folder)
    assert second.total("rejected_rows") == 0
    assert not (folder / "rejects").exists()
    assert json.loads((folder / "report.json").read_bytes())["run_id"] == second.run_id
    aside = folder / "previous" / first.run_id
    assert json.loads((aside / "report.json").read_bytes())["run_id"] == first.run_id
    assert (aside / "rejects" / "users.ndjson").exists()
    assert (folder / "mine.txt").read_text() == "kept"


def test_a_report_folder_behind_a_symbolic_link_is_refused(target: Database, source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "report").symlink_to(tmp_path / "elsewhere")
    before = state(target)
    with pytest.raises(UsageError, match="symbolic link"):
        load(target, source, tmp_path / "report")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert state(target) == before


def test_links_inside_the_report_folder_are_not_followed(target: Database, source: Path, tmp_path: Path) -> None:
    make_sqlite(source, "UPDATE users SET is_active = 7 WHERE rowid = 1")
    victim, elsewhere, folder = tmp_path / "victim", tmp_path / "elsewhere", tmp_path / "report"
    victim.write_text("precious")
    elsewhere.mkdir()
    folder.mkdir()
    (folder / "report.json").symlink_to(victim)
    (folder / "rejects").symlink_to(elsewhere)
    load(target, source, folder)
    assert victim.read_text() == "precious"
    assert list(elsewhere.iterdir()) == []
    assert len((folder / "rejects" / "users.ndjson").read_text().splitlines()) == 1


def test_a_report_that_cannot_be_written_is_found_out_before_the_load(
    target: Database, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    before = state(target)
    with pytest.raises((CannotRun, UsageError), match="report"):
        load(target, source, tmp_path / "file" / "report")
    assert state(target) == before


def test_the_source_is_untouched(target: Database, source: Path, tmp_path: Path) -> None:
    before = (source.read_bytes(), sorted(path.name for path in tmp_path.iterdir()))
    load(target, source, tmp_path / "report")
    assert (source.read_bytes(), sorted(path.name for path in tmp_path.iterdir() if path.name != "report")) == before


def test_runs_without_a_folder_of_their_own_have_an_index_together(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = make_sqlite(tmp_path / "a.db", "CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    report = etl.migrate("a.db", database.url, create_schema=True, validate=False)
    assert report.source.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert report.source.absolute_path == str(source)
    again = etl.compare("a.db", database.url)
    assert again.source.sha256 == report.source.sha256
    with pytest.raises(EtlError):
        etl.migrate("a.db", database.url, tables=["nope"], validate=False)
    page = (tmp_path / "reports" / "index.html").read_text()
    linked = re.findall(r'href="([^"]+)/report\.html"', page)
    assert len(linked) == 3  # that of the failed run as well
    assert {again.run_id, report.run_id} < set(linked)
    elsewhere = etl.compare("a.db", database.url, report_folder=tmp_path / "own" / "folder")
    assert elsewhere.folder is not None
    assert not (tmp_path / "own" / "index.html").exists()
