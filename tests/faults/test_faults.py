"""Faults of server and network in every stage of a load and of a comparison: all as before, one clear line, no trace.

Every point is struck by some of the faults; HYPOTHESIS_PROFILE=nightly has every fault at every point.
"""

import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.database import Database
from support.sources import make_sqlite
from support.targets import execute, query, state

import etl
from etl.core.errors import CannotRun, CommittedError, TargetError
from etl.target.url import make_engine, resolve
from faults.fault_points import COMMIT, POINTS, chosen
from faults.faulted import OwnServer, Scene, scene
from faults.proxy import Line, Point, Proxy


def terminate(database: Database) -> None:
    """What an administrator does with a session that is in the way."""
    query(
        database,
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )


def struck(story: Scene, point: Point, act: Callable[[Line], None]) -> None:
    """A load that something happens to; it fails with one line that says what, what now, and what to do."""
    with Proxy(story.database.url) as proxy:
        proxy.at(point, act)
        with pytest.raises(TargetError) as caught:
            story.load(proxy.url)
        assert proxy.acted == [point]
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(r"(connection to PostgreSQL was lost|could not go on).*Nothing was committed.*again", message)
    report = story.report()
    assert (report["outcome"], report["exit_code"], report["error"]) == ("failed", 1, message)
    assert not report["tables"]


@pytest.mark.parametrize("point", chosen(list(POINTS), 2))
def test_a_terminated_session_leaves_all_as_before(story: Scene, point: str) -> None:
    struck(story, POINTS[point], lambda _: terminate(story.database))
    story.nothing_happened()


@pytest.mark.parametrize("point", POINTS)
def test_a_network_that_is_cut_leaves_all_as_before(story: Scene, point: str) -> None:
    struck(story, POINTS[point], lambda line: line.cut())
    story.nothing_happened()


@pytest.mark.parametrize("point", chosen(list(POINTS), 3, 1))
def test_a_server_that_crashes_has_all_as_before_when_it_is_back(own: OwnServer, tmp_path: Path, point: str) -> None:
    with scene(own.server, tmp_path) as story:
        struck(story, POINTS[point], lambda _: own.crash())
        own.start()
        story.nothing_happened()


@pytest.mark.parametrize("point", chosen(list(POINTS), 15))
def test_a_slow_network_changes_nothing_but_the_time(story: Scene, point: str) -> None:
    with Proxy(story.database.url) as proxy:
        proxy.at(POINTS[point], lambda _: proxy.slow_down(50_000))
        assert story.load(proxy.url).exit_code == 0
        assert proxy.acted
    story.all_is_there()


def test_a_network_that_takes_nothing_more_is_noticed(story: Scene) -> None:
    """While rows are sent, and nobody takes them; the time is the URL's to choose."""
    make_sqlite(story.source, "UPDATE notes SET note = hex(zeroblob(200000))")  # more than the buffers of a line hold
    with Proxy(story.database.url) as proxy:
        proxy.at(POINTS["copying, middle"], lambda line: line.stall())
        with pytest.raises(TargetError, match=r"lost.*[Tt]imed? ?out"):
            story.load(f"{proxy.url}&tcp_user_timeout=1000")
        assert proxy.acted
    assert state(story.database) == story.before


def test_a_dead_network_is_noticed_from_both_ends(story: Scene) -> None:
    """What the two systems were asked to do about it: nothing on loopback can drop packets."""

    def option(url: str, name: int) -> int:
        with make_engine(resolve(url, {})).connect() as connection:
            line = socket.socket(fileno=connection.connection.driver_connection.fileno())  # type: ignore[union-attr]
            try:
                return line.getsockopt(socket.IPPROTO_TCP, name)
            finally:
                line.detach()

    with Proxy(story.database.url) as proxy:
        assert option(proxy.url, socket.TCP_KEEPIDLE) == 30
        assert option(proxy.url, socket.TCP_USER_TIMEOUT) == 120_000
        assert option(f"{proxy.url}&keepalives_idle=7&tcp_user_timeout=9000", socket.TCP_KEEPIDLE) == 7
        assert option(f"{proxy.url}&keepalives_idle=7&tcp_user_timeout=9000", socket.TCP_USER_TIMEOUT) == 9000
        story.load(proxy.url)
        (asked,) = [text for text in proxy.statements if "set_config" in text]
    for setting in ("tcp_keepalives_idle', '30'", "client_connection_check_interval', '1s'"):
        assert setting in asked


# -- the report, behind the COMMIT ----------------------------------------------------------------------------------


def occupy(path: Path) -> None:
    """No file can be written there any more."""
    (path / "taken").mkdir(parents=True)


@pytest.mark.parametrize("name", ["report.json", "report.html", "report.md"])
def test_a_report_that_cannot_be_written_does_not_hide_that_the_rows_are_committed(story: Scene, name: str) -> None:
    with Proxy(story.database.url) as proxy:
        proxy.at(COMMIT, lambda _: occupy(story.folder / "report" / name))
        with pytest.raises(CommittedError) as caught:
            story.load(proxy.url)
    assert re.fullmatch(
        r"The rows are committed, but the report could not be written \(.*\)\. .* run again: nothing is loaded twice.*",
        str(caught.value),
    )
    assert caught.value.exit_code == 3
    assert caught.value.report.total("loaded_rows") == 80
    story.all_is_there()


def test_a_report_that_cannot_be_written_after_a_failure_does_not_hide_the_failure(story: Scene) -> None:
    def act(line: Line) -> None:
        occupy(story.folder / "report/report.json")
        line.cut()

    with Proxy(story.database.url) as proxy:
        proxy.at(POINTS["copying, last"], act)
        with pytest.raises(TargetError, match="connection to PostgreSQL was lost"):
            story.load(proxy.url)
    story.nothing_happened()


# -- the comparison alone -------------------------------------------------------------------------------------------

COMPARING = [Point(r"COPY \(SELECT", nth) for nth in (1, 2, 3)]


@pytest.mark.parametrize(
    ("fault", "point"), chosen([(fault, point) for fault in ("terminated", "cut") for point in COMPARING], 2), ids=str
)
def test_a_comparison_that_loses_its_connection_says_so(story: Scene, point: Point, fault: str) -> None:
    story.load()
    with Proxy(story.database.url) as proxy:
        proxy.at(point, lambda line: line.cut() if fault == "cut" else terminate(story.database))
        with pytest.raises(TargetError, match=r"lost|could not go on"):
            etl.compare(story.source, proxy.url, report_folder=story.folder / "compared")
        assert proxy.acted
    assert not (story.folder / "compared/report.json").exists()
    report = etl.compare(story.source, story.database.url, report_folder=story.folder / "compared")
    assert [table.matched_rows for table in report.tables] == [10, 50, 20]
    story.all_is_there()


def test_a_comparison_whose_report_cannot_be_written_says_so(story: Scene) -> None:
    story.load()
    with Proxy(story.database.url) as proxy:
        proxy.at(COMPARING[-1], lambda _: occupy(story.folder / "compared/report.html"))
        with pytest.raises(CannotRun, match=r"report folder .* cannot be written"):
            etl.compare(story.source, proxy.url, report_folder=story.folder / "compared")
    story.all_is_there()


# -- what is left of us on the server -------------------------------------------------------------------------------


def test_a_server_notices_soon_that_we_are_gone(story: Scene) -> None:
    """Not only when its statement ends, minutes later: locks would be held until then."""
    execute(
        story.database,
        "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(300); RETURN NEW; END'",
        "CREATE TRIGGER sleep BEFORE INSERT ON tags FOR EACH STATEMENT EXECUTE FUNCTION sleep()",
    )
    with Proxy(story.database.url) as proxy:
        inserting = threading.Event()
        lines: list[Line] = []
        proxy.at(POINTS["inserting"], lambda line: (lines.append(line), inserting.set()))  # type: ignore[func-returns-value]
        failure: list[BaseException] = []

        def load() -> None:
            try:
                story.load(proxy.url)
            except TargetError as error:
                failure.append(error)

        loading = threading.Thread(target=load)
        loading.start()
        assert inserting.wait(60)
        lines[0].cut()
        loading.join()
    assert len(failure) == 1
    execute(story.database, "DROP TRIGGER sleep ON tags", "DROP FUNCTION sleep")  # waits for our lock to be gone
    story.nothing_happened()
