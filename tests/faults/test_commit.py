"""A connection that breaks during COMMIT: the product finds out what became of it, or the next run does."""

import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg2 import sql
from support.targets import execute, query, state

import etl
from etl.concurrency.interruption import Interruptions
from etl.core.errors import TargetError, UnconfirmedError
from etl.runs.observer import Observer
from etl.target import commit
from etl.target.session import Session
from faults.fault_points import BATCH_ROWS, COMMIT, COMMITTED
from faults.faulted import OwnServer, Scene, scene
from faults.proxy import Line, Point, Proxy
from faults.victim import running

ASKED = (
    r"The connection broke during COMMIT \(.*\), so the confirmation was lost\. The server was asked: .* is committed\."
)
ROLLED_BACK = r"The connection broke during COMMIT .* was rolled back, so nothing was committed\. Run again\."
UNKNOWN = (
    r"The connection broke during COMMIT .* could not be asked whether transaction \d+ was committed\. Run again .*"
)


class Listener(Observer):
    """Hears that the confirmation was lost."""

    lost: int | None = None

    def confirmation_lost(self, transaction: int) -> None:
        self.lost = transaction


def committed(story: Scene, act: Callable[[Line], None]) -> None:
    """The server has committed, the answer is lost: the run goes on as successful, and says so."""
    listener = Listener()
    with Proxy(story.database.url) as proxy:
        proxy.at(COMMITTED, act)
        report = story.load(proxy.url, observer=listener)
    assert report.exit_code == 0
    (remark,) = report.remarks
    assert re.fullmatch(ASKED, remark)
    assert f"transaction {listener.lost} " in remark
    assert story.report()["remarks"] == [remark]
    assert etl.open_report(story.folder / "report").remarks == (remark,)
    for page in ("report.html", "report.md"):
        assert "The connection broke during COMMIT" in (story.folder / "report" / page).read_text()


def rolled_back(story: Scene, act: Callable[[Line], None], point: Point = COMMIT) -> None:
    """COMMIT never reached the server: an error that says that nothing was committed."""
    with Proxy(story.database.url) as proxy:
        proxy.at(point, act)
        with pytest.raises(TargetError) as caught:
            story.load(proxy.url)
    assert re.fullmatch(ROLLED_BACK, str(caught.value))
    assert caught.value.exit_code == 1
    assert story.report()["outcome"] == "failed"


def test_a_commit_whose_confirmation_is_lost_is_asked_for(story: Scene) -> None:
    committed(story, lambda line: line.cut())
    story.all_is_there()


def test_a_commit_that_never_reached_the_server_is_found_out(story: Scene) -> None:
    rolled_back(story, lambda line: line.cut())
    story.nothing_happened()


def test_a_transaction_that_still_waits_for_its_commit_is_ended(story: Scene) -> None:
    """The server does not know that we are gone, and would hold the locks: it is told."""
    rolled_back(story, lambda line: line.cut_client())
    story.nothing_happened()


def test_a_server_that_crashes_before_it_commits_is_asked_when_it_is_back(own: OwnServer, tmp_path: Path) -> None:
    with scene(own.server, tmp_path) as story:
        rolled_back(story, lambda _: crash_for_a_while(own))
        story.nothing_happened()


def test_a_server_that_crashes_behind_its_commit_is_asked_when_it_is_back(own: OwnServer, tmp_path: Path) -> None:
    def act(line: Line) -> None:
        crash_for_a_while(own)
        line.cut()

    with scene(own.server, tmp_path) as story:
        committed(story, act)
        story.all_is_there()


def crash_for_a_while(own: OwnServer) -> None:
    """It is away when it is asked first."""
    own.crash()
    threading.Timer(1.5, own.start).start()


@pytest.mark.parametrize("point", [COMMIT, COMMITTED], ids=str)
def test_where_nobody_can_be_asked_the_next_run_finds_out(
    story: Scene, monkeypatch: pytest.MonkeyPatch, point: Point
) -> None:
    monkeypatch.setattr(commit, "ASK_SECONDS", 1.0)

    def act(line: Line) -> None:
        line.proxy.refuse()
        line.cut()

    with Proxy(story.database.url) as proxy:
        proxy.at(point, act)
        with pytest.raises(UnconfirmedError) as caught:
            story.load(proxy.url)
    assert re.match(UNKNOWN, str(caught.value))
    assert caught.value.exit_code == 3
    report = story.report()
    assert (report["outcome"], report["exit_code"], report["error"]) == ("unconfirmed", 3, str(caught.value))
    assert "Whether the rows were committed is not known." in (story.folder / "report/report.md").read_text()
    if point is COMMITTED:
        story.all_is_there()
    else:
        story.nothing_happened()


@pytest.mark.parametrize("point", [COMMIT, COMMITTED], ids=str)
def test_ctrl_c_ends_waiting_for_a_commit_that_is_not_answered(story: Scene, point: Point) -> None:
    """The first one ends the connection, and the server is asked: it answers on another."""

    def strike(line: Line) -> None:
        line.stall()
        ready.wait(60)
        victims[0].send(signal.SIGINT)

    ready, victims = threading.Event(), []
    arguments = ["--sqlite", story.source, "--batch-rows", str(BATCH_ROWS), "--skip-validation", "--report", "report"]
    with Proxy(story.database.url) as proxy:
        proxy.at(point, strike)
        with running("etl.run", *arguments, "--pg", proxy.url, folder=story.folder) as victim:
            victims.append(victim)
            ready.set()
            assert victim.exit_code() == (0 if point is COMMITTED else 1), victim.err
            lines = victim.err.splitlines()
            assert lines[0].startswith("✗ The connection broke during COMMIT. Asking the server")
            assert len(lines) == (1 if point is COMMITTED else 2)
            if point is COMMITTED:
                assert "so the confirmation was lost. The server was asked" in victim.out
            else:
                assert re.search(ROLLED_BACK, victim.err)
    if point is COMMITTED:
        story.all_is_there()
    else:
        story.nothing_happened()


def test_one_more_ctrl_c_ends_asking_a_server_that_keeps_silent(story: Scene) -> None:
    def strike(line: Line) -> None:
        line.proxy.stall()
        line.cut()

    arguments = ["--sqlite", story.source, "--batch-rows", str(BATCH_ROWS), "--skip-validation", "--report", "report"]
    with Proxy(story.database.url) as proxy:
        proxy.at(COMMITTED, strike)
        with running("etl.run", *arguments, "--pg", proxy.url, folder=story.folder) as victim:
            victim.wait_for_word("Asking the server")
            victim.send(signal.SIGINT)
            assert victim.exit_code() == 3
            assert re.search(UNKNOWN, victim.err)
    assert story.report()["outcome"] == "unconfirmed"
    story.all_is_there()


def test_a_commit_that_the_server_refuses_is_no_lost_one(story: Scene) -> None:
    """A constraint of the target's that is checked at the very end."""
    execute(
        story.database,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF current_setting('etl.test', true) IS NULL THEN RAISE 'not today'; END IF; RETURN NULL; END$$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON tags DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    before = state(story.database)
    with story.database.engine().connect() as connection, Interruptions() as interruptions:
        session = Session(connection)
        session.run(sql.SQL("UPDATE tags SET tag = 'other'"))
        with pytest.raises(TargetError, match="refused the COMMIT, so nothing was committed: not today"):
            commit.commit(session, story.database.engine(), interruptions, evidence=None, on_lost=lambda _: None)
    assert state(story.database) == before


def test_a_number_that_was_given_anew_proves_nothing(story: Scene) -> None:
    """A crash may lose a transaction together with its number; somebody else's then bears it, and is committed."""
    execute(story.database, "CREATE TABLE others (id int)")
    ((number,),) = query(story.database, "WITH i AS (INSERT INTO others VALUES (1)) SELECT txid_current()")
    pending = commit.Pending(number, 0)
    engine = story.database.engine()
    missing = commit.Evidence(sql.Identifier("public", "authors"), 10)
    there = commit.Evidence(sql.Identifier("public", "tags"), 1)
    assert commit._outcome_of(engine, pending, missing, end_it=False) is None
    assert commit._outcome_of(engine, pending, there, end_it=False) is True
    future = commit.Pending(number + 1_000_000, 0)
    assert commit._outcome_of(engine, future, there, end_it=False) is False
