"""A load that a fault strikes, and what must be true afterwards: all as before, or all as after an undisturbed load."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from support.database import Database, Server, embedded_version, fresh_database
from support.loads import books, load
from support.targets import query, state, value

from etl.embedded.server import EmbeddedServer
from etl.reporting.report import Report
from faults.fault_points import BATCH_ROWS, ROWS, make_source, make_target
from faults.proxy import Line, Point, Proxy
from faults.victim import Victim

SECONDS = 60  # a guard against hanging


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Looks again and again; fails after a generous time."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass(frozen=True)
class Scene:
    """A source, a target before the load, and what an undisturbed load makes of it."""

    server: Server
    database: Database
    source: Path
    folder: Path
    before: dict[str, object]
    after: dict[str, object]

    def load(self, url: str | None = None, report: str = "report", **options: Any) -> Report:
        """The load, in this process, through `url`."""
        target = Database(url) if url else self.database
        return load(target, self.source, self.folder / report, batch_rows=BATCH_ROWS, **options)

    def report(self, name: str = "report") -> dict[str, Any]:
        """The report as the file says it."""
        return dict(orjson.loads((self.folder / name / "report.json").read_bytes()))

    def nothing_happened(self) -> None:
        """All as before, and the next run does as if nothing had ever happened."""
        self.nobody_is_left()
        assert state(self.database) == self.before
        again = self.load(report="again")
        assert again.exit_code == 0
        assert books(again) == {name: (rows, rows, 0, 0) for name, rows in ROWS.items()}
        assert state(self.database) == self.after

    def all_is_there(self) -> None:
        """All as after an undisturbed run, and the next run finds it so."""
        self.nobody_is_left()
        assert state(self.database) == self.after
        again = self.load(report="again")
        assert again.exit_code == 0
        assert books(again) == {name: (rows, 0, rows, 0) for name, rows in ROWS.items()}
        assert state(self.database) == self.after

    def nobody_is_left(self) -> None:
        """No session of the load, and with it no lock, no temporary table and no open transaction."""
        sessions = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        wait_until(lambda: value(self.database, sessions) == 0, "a session of the load is left")
        assert query(self.database, "SELECT relname FROM pg_class WHERE relpersistence = 't'") == []


@contextlib.contextmanager
def scene(server: Server, folder: Path) -> Iterator[Scene]:
    """Everything fresh."""
    source = make_source(folder / "source.db")
    with fresh_database(server) as database:
        make_target(database)
        before = state(database)
        yield Scene(server, database, source, folder, before, undisturbed(server, source))


_undisturbed: dict[Server, dict[str, object]] = {}


def undisturbed(server: Server, source: Path) -> dict[str, object]:
    """The state after a load that nothing disturbs; made once for each server."""
    if server not in _undisturbed:
        with fresh_database(server) as database, tempfile.TemporaryDirectory() as folder:
            make_target(database)
            load(database, source, Path(folder) / "report", batch_rows=BATCH_ROWS)
            _undisturbed[server] = state(database)
    return _undisturbed[server]


class OwnServer:
    """A server that a test may crash and start again; it is found at the same place afterwards."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="etl-crash-"))
        self._running = EmbeddedServer(self._folder / "postgres", version=embedded_version()).start()

    @property
    def server(self) -> Server:
        """For making databases."""
        return Server(self._running.url("postgres"), embedded=True)

    def crash(self) -> None:
        """`pg_ctl stop -m immediate`: no checkpoint, the next start recovers from the log."""
        postmaster = int((self._folder / "postgres/cluster/postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGQUIT)
        wait_until(lambda: not Path(f"/proc/{postmaster}").exists(), "the server does not stop")

    def start(self) -> None:
        """Again, after a crash."""
        self._running.stop()
        self._running.start()

    def remove(self) -> None:
        """Stops it for good."""
        self._running.stop()
        shutil.rmtree(self._folder)


@contextlib.contextmanager
def striking(proxy: Proxy, point: Point, strike: Callable[[Line, Victim], None]) -> Iterator[Callable[[Victim], None]]:
    """Arms the proxy before the victim lives; gives what introduces the one to the other."""
    known, victims = threading.Event(), []

    def act(line: Line) -> None:
        assert known.wait(60)
        strike(line, victims[0])

    def introduce(victim: Victim) -> None:
        victims.append(victim)
        known.set()

    proxy.at(point, act)
    yield introduce
    assert proxy.acted == [point]
