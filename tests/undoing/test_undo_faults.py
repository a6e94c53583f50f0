"""Whatever happens to an undo, the target is as before or as after; others are neither disturbed nor in doubt."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import make_url
from support.commands import Commands, commands
from support.database import Database
from support.loads import load
from support.targets import connected, execute, query, state, url_as, value
from undoing.conftest import Load, Undo

import etl
from etl.core.errors import CannotRun, LockedError, TargetError
from etl.core.report import TableReport
from etl.core.undo_report import LeftRows, TableUndone
from etl.runs.observer import Observer
from etl.runs.undo import UndoObserver

__all__ = ["commands"]  # a fixture
HANG_SECONDS = 120


class Meanwhile(UndoObserver):
    """Does something once, when all rows are taken back and nothing is committed."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def table_undone(self, table: TableUndone, left: Sequence[LeftRows]) -> None:  # noqa: ARG002
        if table.name == "c":
            self._act()


def test_a_connection_that_is_lost_leaves_everything_and_the_next_undo_does_it(
    target: Database, source: Path, loaded: Load, undo: Undo
) -> None:
    empty = state(target)
    loaded(target, source)
    full = state(target)
    kill = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
    with pytest.raises(TargetError):
        undo(target, observer=Meanwhile(lambda: query(target, kill)))
    assert state(target) == full
    assert undo(target).exit_code == 0
    assert state(target) == empty


VICTIM = """
import os, signal, sys
import etl
from etl.runs.undo import UndoObserver
class Killed(UndoObserver):
    def table_undone(self, table, left):
        if table.name == "c":
            os.kill(os.getpid(), int(sys.argv[4]))
etl.undo(sys.argv[1], sys.argv[2], report_folder=sys.argv[3], observer=Killed())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_killed_leaves_everything(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path, number: signal.Signals
) -> None:
    loaded(target, source)
    full = state(target)
    folders = [tmp_path / "load", target.url, tmp_path / "killed", int(number)]
    done = subprocess.run(
        [sys.executable, "-c", VICTIM, *map(str, folders)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert done.returncode != 0
    assert state(target) == full
    assert undo(target).exit_code == 0
    assert value(target, "SELECT count(*) FROM c") == 0


def test_an_undo_that_nobody_heard_of_was_done_all_the_same(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    """Killed behind the COMMIT, before its report: what it wrote into the run's folder before the COMMIT tells."""
    loaded(target, source)
    undo(target)
    for path in (tmp_path / "undo").iterdir():
        path.unlink()
    with pytest.raises(CannotRun, match="was undone already"):
        undo(target)


def test_an_undo_whose_record_cannot_be_marked_changes_nothing(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    loaded(target, source)
    full = state(target)
    in_the_way = tmp_path / "load" / "undone.json"
    with pytest.raises(CannotRun, match="cannot be written"):
        undo(target, observer=Meanwhile(in_the_way.mkdir))
    assert state(target) == full


def test_an_undo_during_a_load_is_refused_and_a_load_during_an_undo(
    target: Database, source: Path, loaded: Load, undo: Undo, tmp_path: Path
) -> None:
    loaded(target, source)
    refused: list[Exception] = []

    def try_it(what: Callable[[], object]) -> None:
        try:
            what()
        except LockedError as error:
            refused.append(error)

    class During(Observer):
        def table_finished(self, _: TableReport) -> None:
            try_it(lambda: undo(target))

    load(target, source, tmp_path / "another", observer=During())
    undo(target, observer=Meanwhile(lambda: try_it(lambda: load(target, source, tmp_path / "third"))))
    assert len(refused) == 3
    assert all("Another run is loading into this database: pid" in str(error) for error in refused)
    assert value(target, "SELECT count(*) FROM c") == 0


def test_a_lock_of_somebody_else_is_named(
    target: Database, source: Path, loaded: Load, tmp_path: Path, commands: Commands
) -> None:
    loaded(target, source)
    url = make_url(target.url).update_query_dict({"options": "-c lock_timeout=300ms"})
    with connected(target) as other, other.cursor() as cursor:
        cursor.execute("UPDATE c SET v = 'x' WHERE id = 1")
        done = commands.undo(tmp_path / "load", url.render_as_string(hide_password=False), tmp_path / "undo")
    assert done.code == 1
    assert "holds ROW EXCLUSIVE on c" in done.err


def test_readers_go_on_and_a_reference_that_comes_meanwhile_waits(
    target: Database, source: Path, loaded: Load, undo: Undo
) -> None:
    """A row that would be deleted by the cascade of a foreign key, had it come just behind the look at who refers."""
    execute(target, "CREATE TABLE mine (c integer REFERENCES c ON DELETE CASCADE)")
    loaded(target, source)
    failed: list[Exception] = []

    def insert() -> None:
        try:
            execute(target, "INSERT INTO mine VALUES (8)")
        except Exception as error:  # noqa: BLE001 - looked at below
            failed.append(error)

    writer = threading.Thread(target=insert)

    def meanwhile() -> None:
        assert value(target, "SELECT count(*) FROM c") == 40
        writer.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'c'::regclass"
        while not value(target, waiting):
            assert writer.is_alive()

    assert undo(target, observer=Meanwhile(meanwhile)).exit_code == 0
    writer.join(HANG_SECONDS)
    assert "violates foreign key constraint" in str(failed[0])


def test_rights_are_asked_before_anything_is_changed(
    target: Database, role: str, source: Path, loaded: Load, tmp_path: Path
) -> None:
    execute(
        target,
        f"GRANT SELECT, INSERT ON p, c TO {role}",
        f"GRANT SELECT, UPDATE ON p_id_seq, c_id_seq TO {role}",
        "CREATE TABLE mine (c integer REFERENCES c)",
    )
    before = state(target)
    loaded(target, source, role=role)
    full = state(target)
    url = url_as(target, role)
    with pytest.raises(TargetError) as refused:
        etl.undo(tmp_path / "load", url, report_folder=tmp_path / "undo")
    assert f"GRANT DELETE ON public.c, public.p TO {role}" in str(refused.value)
    assert f"GRANT SELECT ON public.mine TO {role}" in str(refused.value)
    assert state(target) == full
    execute(target, f"GRANT SELECT ON mine TO {role}")
    assert etl.undo(tmp_path / "load", url, report_folder=tmp_path / "undo", dry_run=True).exit_code == 0
    execute(target, f"GRANT DELETE ON p, c TO {role}")
    assert etl.undo(tmp_path / "load", url, report_folder=tmp_path / "undo").exit_code == 0
    assert state(target) == before


def test_rows_that_policies_may_hide_are_not_passed_over(
    target: Database, role: str, source: Path, loaded: Load, tmp_path: Path
) -> None:
    loaded(target, source)
    execute(
        target,
        f"GRANT ALL ON p, c TO {role}",
        "ALTER TABLE c ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY few ON c TO {role} USING (id < 10)",
    )
    with pytest.raises(TargetError, match=r"Policies may hide rows from this role.*public\.c"):
        etl.undo(tmp_path / "load", url_as(target, role), report_folder=tmp_path / "undo")
