"""SIGINT, SIGTERM and SIGKILL of a load and of a comparison in every stage, and Ctrl-C where nothing answers any more.

The commands run in processes of their own (`victim`). Every point is struck by one of the signals;
HYPOTHESIS_PROFILE=nightly has every signal at every point.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.database import Database
from support.processes import processes_in
from support.profiles import NIGHTLY
from support.targets import execute, state, value

import etl
from etl.embedded.server import EmbeddedServer
from faults.fault_points import BATCH_ROWS, COMMIT, COMMITTED, POINTS, chosen, make_source, make_target
from faults.faulted import Scene, striking, wait_until
from faults.proxy import Line, Point, Proxy
from faults.victim import READING, REPORTING, Victim, running

SIGINT, SIGTERM, SIGKILL = signal.SIGINT, signal.SIGTERM, signal.SIGKILL
CODES = {SIGINT: 130, SIGTERM: 143, SIGKILL: -9}
WORDS = {SIGINT: "Interrupted", SIGTERM: "Terminated"}
STOPPED = "Nothing was committed: the target is as it was. Running again is safe.\n"
LOAD = ("--batch-rows", str(BATCH_ROWS), "--skip-validation", "--report", "report")


def arguments(story: Scene, url: str) -> list[str | Path]:
    return ["--sqlite", story.source, "--pg", url, *LOAD]


@contextlib.contextmanager
def loading(story: Scene, url: str, hook: tuple[str, int] | None = None) -> Iterator[Victim]:
    """`python -m etl.run` through `url`."""
    with running("etl.run", *arguments(story, url), folder=story.folder, hook=hook) as victim:
        yield victim


def check_message(victim: Victim, number: signal.Signals) -> None:
    assert victim.err == ("" if number is SIGKILL else f"✗ {WORDS[number]}. {STOPPED}")


SIGNALS = [
    (number, name)
    for place, number in enumerate((SIGINT, SIGTERM, SIGKILL))
    for count, name in enumerate(POINTS)
    if NIGHTLY or count % 3 == place
]


@pytest.mark.parametrize(("number", "name"), SIGNALS)
def test_a_signal_leaves_all_as_before(story: Scene, number: signal.Signals, name: str) -> None:
    with (
        Proxy(story.database.url) as proxy,
        striking(proxy, POINTS[name], lambda _, victim: victim.send(number)) as introduce,
        loading(story, proxy.url) as victim,
    ):
        introduce(victim)
        assert victim.exit_code() == CODES[number], victim.err
        check_message(victim, number)
    if number is not SIGKILL:
        assert story.report()["outcome"] == "failed"
    story.nothing_happened()


@pytest.mark.parametrize(("number", "batch"), chosen([(number, batch) for number in CODES for batch in (1, 3, 6)], 4))
def test_a_signal_between_two_batches_that_are_read_leaves_all_as_before(
    story: Scene, number: signal.Signals, batch: int
) -> None:
    with loading(story, story.database.url, hook=(READING, batch)) as victim:
        victim.wait_for_hook()
        victim.send(number)
        victim.go_on()
        assert victim.exit_code() == CODES[number], victim.err
        check_message(victim, number)
    story.nothing_happened()


# -- COMMIT, and behind it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
@pytest.mark.parametrize("point", [COMMIT, COMMITTED], ids=str)
def test_a_signal_during_commit_comes_too_late(story: Scene, number: signal.Signals, point: Point) -> None:
    with (
        Proxy(story.database.url) as proxy,
        striking(proxy, point, lambda _, victim: victim.send(number)) as introduce,
        loading(story, proxy.url) as victim,
    ):
        introduce(victim)
        assert victim.exit_code() == 0, victim.err
        assert "✓ Migration completed successfully!" in victim.out
    assert story.report()["outcome"] == "reconciled"
    story.all_is_there()


def kill(line: Line, victim: Victim) -> None:
    victim.send(SIGKILL)
    line.cut()


def kill_when_sent(_: Line, victim: Victim) -> None:
    victim.send(SIGKILL)


@pytest.mark.parametrize(
    ("point", "strike"),
    [(COMMIT, kill), (COMMIT, kill_when_sent), (COMMITTED, kill)],
    ids=["before it is sent", "while it is under way", "before it is heard"],
)
def test_killed_during_commit_all_or_nothing_is_there(
    story: Scene, point: Point, strike: Callable[[Line, Victim], None]
) -> None:
    with (
        Proxy(story.database.url) as proxy,
        striking(proxy, point, strike) as introduce,
        loading(story, proxy.url) as victim,
    ):
        introduce(victim)
        assert victim.exit_code() == -9
        story.nobody_is_left()
    found = state(story.database)
    # Under way: the server may notice that we are gone before it comes to the COMMIT that it was sent.
    assert found == story.after or point is COMMIT
    assert found == story.before or strike is not kill or point is COMMITTED
    if found == story.after:
        story.all_is_there()
    else:
        story.nothing_happened()


@pytest.mark.parametrize("number", [SIGINT, SIGTERM, SIGKILL])
def test_a_signal_while_the_report_is_written_does_not_deny_the_commit(story: Scene, number: signal.Signals) -> None:
    with loading(story, story.database.url, hook=(REPORTING, 1)) as victim:
        victim.wait_for_hook()
        victim.send(number)
        victim.go_on()
        assert victim.exit_code() == (-9 if number is SIGKILL else 0)
        assert victim.err == ""
    if number is not SIGKILL:
        assert story.report()["outcome"] == "reconciled"
    story.all_is_there()


def test_a_report_that_cannot_be_written_is_exit_3_and_the_summary_is_printed(story: Scene) -> None:
    with loading(story, story.database.url, hook=(REPORTING, 1)) as victim:
        victim.wait_for_hook()
        (story.folder / "report/report.md/taken").mkdir(parents=True)
        victim.go_on()
        assert victim.exit_code() == 3
        assert victim.err.startswith("✗ The rows are committed, but the report could not be written (")
        assert len(victim.err.splitlines()) == 1
        assert "Rows:     80" in victim.out
    story.all_is_there()


def test_an_output_that_takes_no_more_does_not_deny_the_commit(story: Scene) -> None:
    (story.folder / "out").symlink_to("/dev/full")
    command = [*arguments(story, story.database.url), "--quiet"]  # prints behind the COMMIT only
    with running("etl.run", *command, folder=story.folder) as victim:
        assert victim.exit_code() == 0
        assert victim.err == (
            "✗ The output was cut off. The run itself had come to its end: exit code 0, report in report.\n"
        )
    story.all_is_there()


# -- where nothing answers ------------------------------------------------------------------------------------------

STALLS = {
    "connecting": Point("SHOW server_version"),
    "connected": Point("SET LOCAL"),
    **{name: POINTS[name] for name in ("copying, middle", "rebuilding, first", "inserting", "reconciling, middle")},
}


@pytest.mark.parametrize("number", [SIGINT, SIGTERM] if NIGHTLY else [SIGINT])
@pytest.mark.parametrize("name", STALLS)
def test_ctrl_c_ends_waiting_for_a_network_that_keeps_silent(story: Scene, number: signal.Signals, name: str) -> None:
    def strike(line: Line, victim: Victim) -> None:
        line.stall()
        line.proxy.stall()
        threading.Timer(0.3, victim.send, [number]).start()

    with (
        Proxy(story.database.url) as proxy,
        striking(proxy, STALLS[name], strike) as introduce,
        loading(story, proxy.url) as victim,
    ):
        introduce(victim)
        assert victim.exit_code() == CODES[number], victim.err
        check_message(victim, number)
    story.nothing_happened()


def test_ctrl_c_ends_waiting_for_a_validation_that_keeps_silent(story: Scene) -> None:
    command = [argument for argument in arguments(story, story.database.url) if argument != "--skip-validation"]
    with running("etl.run", *command, folder=story.folder, hook=(READING, 1)) as victim:
        victim.wait_for_hook()
        (validation,) = psutil.Process(victim.pid).children()
        validation.suspend()
        victim.go_on()
        victim.send(SIGINT)
        assert victim.exit_code() == 130
        assert not validation.is_running()
    story.nothing_happened()


def test_a_killed_load_takes_its_validation_with_it(story: Scene) -> None:
    command = [argument for argument in arguments(story, story.database.url) if argument != "--skip-validation"]
    with running("etl.run", *command, folder=story.folder, hook=(READING, 2)) as victim:
        victim.wait_for_hook()
        (validation,) = psutil.Process(victim.pid).children()
        victim.send(SIGKILL)
        assert victim.exit_code() == -9
        wait_until(lambda: not validation.is_running(), "the validation process is left")
    story.nothing_happened()


def test_a_lost_connection_ends_a_load_whose_validation_is_busy(story: Scene) -> None:
    command = [argument for argument in arguments(story, "URL") if argument != "--skip-validation"]

    with Proxy(story.database.url) as proxy:
        command[command.index("URL")] = proxy.url

        def strike(line: Line, victim: Victim) -> None:
            (validation,) = psutil.Process(victim.pid).children()
            validation.suspend()
            line.cut()

        with (
            striking(proxy, POINTS["copying, first"], strike) as introduce,
            running("etl.run", *command, folder=story.folder) as victim,
        ):
            introduce(victim)
            assert victim.exit_code() == 1
            assert victim.err.startswith("✗ The connection to PostgreSQL was lost")
            assert len(victim.err.splitlines()) == 1
    story.nothing_happened()


def test_killed_in_a_long_statement_it_holds_no_lock_for_long(story: Scene) -> None:
    """The server would go on with the statement, and keep its locks, for five minutes."""
    execute(
        story.database,
        "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(300); RETURN NEW; END'",
        "CREATE TRIGGER sleep BEFORE INSERT ON tags FOR EACH STATEMENT EXECUTE FUNCTION sleep()",
    )
    with loading(story, story.database.url) as victim:
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        wait_until(lambda: value(story.database, sleeping), "the load does not come to the trigger")
        victim.send(SIGKILL)
    execute(story.database, "DROP TRIGGER sleep ON tags", "DROP FUNCTION sleep")
    story.nothing_happened()


# -- the comparison alone -------------------------------------------------------------------------------------------

STOPS = [(number, table, stalled) for number in CODES for table in (1, 2, 3) for stalled in (True, False)]


@pytest.mark.parametrize(("number", "table", "stalled"), chosen(STOPS, 4))
def test_a_comparison_can_be_stopped_at_any_time(
    story: Scene, number: signal.Signals, table: int, *, stalled: bool
) -> None:
    story.load()
    command = ["--sqlite", story.source, "--report", "compared", "--pg"]

    def strike(line: Line, victim: Victim) -> None:
        if stalled:
            line.stall()
            line.proxy.stall()
            threading.Timer(0.3, victim.send, [number]).start()
        else:
            victim.send(number)

    with (
        Proxy(story.database.url) as proxy,
        striking(proxy, Point(r"COPY \(SELECT", table, answered=True), strike) as introduce,
        running("etl.reconcile", *command, proxy.url, folder=story.folder) as victim,
    ):
        introduce(victim)
        code = victim.exit_code()
        # Alive and at its last answer it may have come to its end before it could hear the signal.
        assert code == CODES[number] or (code == 0 and not stalled and table == 3), victim.err
        if code > 0:
            assert victim.err == f"✗ {WORDS[number]}. Nothing was written to either side.\n"
    story.all_is_there()


# -- the embedded server --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [SIGINT, SIGTERM, SIGKILL])
def test_the_embedded_server_goes_with_a_load_that_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    source = make_source(tmp_path / "source.db")
    data = tmp_path / "data/postgres"

    def now(prepare: Callable[[Database], object]) -> dict[str, object]:
        with EmbeddedServer(data) as server:
            database = Database(server.ensure_database("source").render_as_string(hide_password=False))
            prepare(database)
            return state(database)

    before = now(make_target)
    with running("etl.run", "--sqlite", source, *LOAD, folder=tmp_path, hook=(READING, 3)) as victim:
        victim.wait_for_hook()
        assert processes_in(data)
        victim.send(number)
        victim.go_on()
        assert victim.exit_code() == CODES[number], victim.err
        check_message(victim, number)
        if number is SIGKILL:
            wait_until(lambda: not processes_in(data), "the embedded server is left")
        assert not processes_in(data)
    assert now(lambda _: None) == before
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    again = etl.migrate(source, validate=False, report_folder=tmp_path / "again")
    assert (again.exit_code, again.total("loaded_rows")) == (0, 80)
