"""A PostgreSQL of a test's own, to fill its disk, use up its connections, stop it, or follow it with a standby.

The binaries are those of the server that the suite runs against: ETL_TEST_BINARIES (set by `on_server.py`), else the
embedded ones. It listens on a socket in a private folder and lets everybody in who gets there.
"""

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psycopg2
import pytest
from sqlalchemy import URL

from etl.embedded.cluster import environment
from etl.embedded.identity import choose
from etl.target.url import DRIVER
from support.database import Database, postgres_binaries

HANG_SECONDS = 90


class OwnServer:
    """Made in `folder`; the settings are those of `postgres -c`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off", **settings}
        self._binaries = postgres_binaries()
        self._identity = choose(self._binaries / "postgres", folder)
        self._process: subprocess.Popen[bytes] | None = None

    def make(self, *options: str | Path) -> Self:
        """initdb."""
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", *options)
        return self

    def run(self, program: str, *arguments: str | Path) -> None:
        """One of PostgreSQL's programs, to its end."""
        subprocess.run(self._command(program, *arguments), check=True, capture_output=True, env=environment())

    def _command(self, program: str, *arguments: str | Path) -> list[str]:
        return self._identity.command("run", self.folder, self._binaries / program, *arguments)

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        with (self.folder / "log").open("ab") as log:
            command = self._command("postgres", "-D", self.data, *settings)
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        self.wait_for("SELECT true")

    def stop(self) -> None:
        """Stops it at once, if it is running."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=HANG_SECONDS)
            self._process = None

    def wait_for(self, question: str) -> None:
        """Until the server answers `question` with true."""
        deadline = time.monotonic() + HANG_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg2.OperationalError):
                if self.ask(question):
                    return
            time.sleep(0.02)
        raise TimeoutError((self.folder / "log").read_text()[-2000:])

    def ask(self, question: str, database: str = "postgres") -> object:
        """The one value of a query, or None for a statement, outside of a transaction."""
        with contextlib.closing(
            psycopg2.connect(host=str(self.folder), user="postgres", dbname=database)
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(question)
                return cursor.fetchone()[0] if cursor.description else None

    def url(self, database: str, user: str = "postgres") -> str:
        """How to connect."""
        url = URL.create(DRIVER, username=user, database=database, query={"host": str(self.folder), "port": "5432"})
        return url.render_as_string()

    @contextlib.contextmanager
    def database(self, name: str, options: str = "") -> Iterator[Database]:
        """A database that is dropped again."""
        self.ask(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        try:
            yield Database(self.url(name))
        finally:
            self.ask(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def own_server(*options: str | Path, **settings: str) -> Iterator[OwnServer]:
    """A running server that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="etl-own-"))
    server = OwnServer(folder, **settings)
    try:
        server.make(*options).start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextlib.contextmanager
def standby_of(primary: OwnServer, **settings: str) -> Iterator[OwnServer]:
    """A streaming standby."""
    folder = Path(tempfile.mkdtemp(prefix="etl-own-"))
    standby = OwnServer(folder, **{**primary.settings, "unix_socket_directories": str(folder), **settings})
    try:
        standby.run(
            "pg_basebackup", "-D", standby.data, "-h", primary.folder, "-U", "postgres", "-R", "-c", "fast", "-N"
        )
        standby.start()
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(folder)


class SmallDisk:
    """A file system of a few megabytes at `path`, which can be filled, made larger, and made read-only."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        self._mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", path)

    def fill(self, leaving: int = 0) -> None:
        """Takes all its space but so many bytes."""
        free = shutil.disk_usage(self.path).free - leaving
        (self.path / "ballast").write_bytes(bytes(free))

    def make_room(self, megabytes: int) -> None:
        """Makes it larger."""
        self._remount(f"size={megabytes}m")

    def make_read_only(self) -> None:
        """Nothing can be written any more."""
        self._remount("ro")

    def _remount(self, options: str) -> None:
        self._mount("-o", f"remount,{options}", self.path)

    @staticmethod
    def _mount(*arguments: str | Path) -> None:
        subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A `SmallDisk` at a new folder; skips the test where this user may not mount."""
    path.mkdir()
    try:
        disk = SmallDisk(path, megabytes)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here ({error})")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(path)], check=True)
        path.rmdir()
