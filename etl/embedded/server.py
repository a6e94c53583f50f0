"""A private PostgreSQL that needs no installation: it starts with the first command that uses it, stops with the last.

Several processes may use the same folder at once. The server's user, its files and its parent process are the matter of
`identity`, `cluster` and `supervisor`; here is what the others see of it, and who starts and stops it when.

The folder holds `cluster/` (the data), `socket/`, `server.log`, `last_database` (a name), and three files that are only
locked:

    lease     shared by every user of the server; taken for itself by the supervisor when the last one is gone
    running   held by the supervisor and every process of the server, so free only when all of them are gone
    start     held by whoever is starting the server, making a database, or waiting for the server's end
"""

import contextlib
import logging
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg2 import sql
from sqlalchemy import URL, text

from etl.core import defaults
from etl.core.errors import TargetError
from etl.embedded import cluster as _cluster
from etl.embedded import identity as _identity
from etl.embedded.cluster import PORT, SUPERUSER
from etl.embedded.identity import Identity
from etl.embedded.locks import EXCLUSIVE, POLL_SECONDS, SHARED, open_private, opened, release, take, try_lock
from etl.files.checkout import keep_out_of_git
from etl.target.url import DRIVER, make_engine

DEFAULT_VERSION = 18

START_SECONDS = 120.0  # usually below one; recovery after a crash in the middle of a big load takes longer
STOP_SECONDS = 30.0

LAST_DATABASE = "last_database"
_LOG_BYTES = 1_000_000
_SOCKET_NAME = f".s.PGSQL.{PORT}"
_SOCKET_PATH_BYTES = 107  # unix(7), without the closing NUL

_log = logging.getLogger(__name__)


class EmbeddedServer:
    """The PostgreSQL in `folder`, made on its first start; a context manager around its use.

    Only the operating system's user who runs it can connect: the socket's folder is closed to others, and PostgreSQL
    asks the kernel who is calling. Every failure is a TargetError. `version` is the server's major version.
    """

    def __init__(self, folder: Path = defaults.SERVER_FOLDER, *, version: int = DEFAULT_VERSION) -> None:
        self.folder = folder.absolute()
        self.version = version
        self._lease: int | None = None
        self._sockets: Path | None = None
        self._process = 0

    def __repr__(self) -> str:
        state = "running" if self._sockets else "not started"
        return f"EmbeddedServer({str(self.folder)!r}, PostgreSQL {self.version}, {state})"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- its use -----------------------------------------------------------------------------------------------------

    def url(self, database: str) -> URL:
        """How SQLAlchemy connects to `database` of the running server."""
        query = {"host": str(self._running()), "port": str(PORT)}
        return URL.create(DRIVER, username=SUPERUSER, database=database, query=query)

    def psql_command(self, database: str) -> str:
        """A shell command that opens `database` while the server is running."""
        return shlex.join(self.psql(database))

    def psql(self, database: str) -> list[str]:
        """The same as a list of arguments; with the wheel's own psql where none is installed."""
        program = "psql" if shutil.which("psql") else str(_cluster.binaries(self.version) / "psql")
        # psql reads a "database" with = or :// in it as a connection string.
        escaped = database.replace("\\", "\\\\").replace("'", "\\'")
        name = f"dbname='{escaped}'" if "=" in database or "://" in database else database
        return [program, "-h", str(self._running()), "-p", str(PORT), "-U", SUPERUSER, "-d", name]

    def databases(self) -> list[str]:
        """The names of the databases that were made here, sorted."""
        query = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname"
        with make_engine(self.url("postgres")).connect() as connection:
            return list(connection.scalars(text(query)))

    def ensure_database(self, name: str) -> URL:
        """Make the database `name` unless it is there, and give its URL."""
        if not 0 < len(name.encode()) <= 63 or "\0" in name:
            raise TargetError(f"{name!r} cannot be the name of a database: PostgreSQL takes 1 to 63 bytes.")
        with self._starting(time.monotonic() + START_SECONDS):
            if name not in {"postgres", *self.databases()}:
                self._create_database(name)
            (self.folder / LAST_DATABASE).write_text(name, encoding="utf-8")
        return self.url(name)

    @property
    def last_database(self) -> str | None:
        """The database that was made, or asked for, last; None where it is not known, or gone."""
        try:
            name = (self.folder / LAST_DATABASE).read_text(encoding="utf-8")
        except FileNotFoundError:  # a folder of an older version
            return None
        return name if name in self.databases() else None

    @property
    def exists(self) -> bool:
        """Whether the folder holds a server, running or not."""
        return (self.folder / "cluster").is_dir()

    def _create_database(self, name: str) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
        engine = make_engine(self.url("postgres"))
        with (
            engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
            contextlib.closing(connection.connection.cursor()) as cursor,
        ):
            cursor.execute(statement)

    def _running(self) -> Path:
        if self._sockets is None:
            raise TargetError(f"The embedded PostgreSQL in {self.folder} is not started.")
        return self._sockets

    # --- start and stop ----------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the server, or join those who use it already; a second call changes nothing."""
        if self._lease is not None:
            return self
        identity = self._prepare_folder()
        deadline = time.monotonic() + START_SECONDS
        with self._starting(deadline):
            self._lease, self._process = open_private(self.folder / "lease"), os.getpid()
            try:
                take(self._lease, SHARED, deadline=deadline, busy=f"The server in {self.folder} does not stop.")
                self._sockets = self._bring_up(identity, deadline)
            except BaseException:
                self._release()
                raise
        return self

    def stop(self) -> None:
        """Give up this use of the server; the last user waits until it is gone, for at most 30 seconds."""
        if self._lease is None or self._process != os.getpid():
            return  # a forked child shares its parent's lock and must not let it go
        deadline = time.monotonic() + STOP_SECONDS
        try:
            with self._starting(deadline):
                last = try_lock(self._lease, EXCLUSIVE)
                self._release()
                if last:
                    self._wait_until_gone(deadline)
        except TargetError as error:
            _log.warning("%s", error)
        finally:
            self._release()

    def _release(self) -> None:
        if self._lease is not None:
            release(self._lease)
        self._lease = self._sockets = None

    @contextlib.contextmanager
    def _starting(self, deadline: float) -> Iterator[None]:
        busy = f"Another process takes too long to start or stop the PostgreSQL in {self.folder}."
        with opened(self.folder / "start") as descriptor:
            take(descriptor, EXCLUSIVE, deadline=deadline, busy=busy)
            yield

    def _wait_until_gone(self, deadline: float) -> None:
        with opened(self.folder / "running") as running:
            busy = f"The PostgreSQL in {self.folder} is still busy stopping."
            take(running, EXCLUSIVE, deadline=deadline, busy=busy)

    def _prepare_folder(self) -> Identity:
        lineage = (self.folder, *self.folder.parents)
        existing = next(path for path in lineage if path.exists())
        identity = _identity.choose(_cluster.binaries(self.version) / "postgres", existing)
        try:
            for path in reversed(lineage[: lineage.index(existing)]):
                path.mkdir(mode=identity.folder_mode, exist_ok=True)
            if not self.exists:
                keep_out_of_git(self.folder)  # it holds rows, too
        except OSError as error:
            raise TargetError(f"{self.folder} cannot be made for the embedded PostgreSQL: {error.strerror}.") from error
        return identity

    def _bring_up(self, identity: Identity, deadline: float) -> Path:
        """Wait until the server answers; start it first, once, where none is running."""
        log_begin: int | None = None
        while time.monotonic() < deadline:
            with opened(self.folder / "running") as running:
                if try_lock(running, EXCLUSIVE):
                    if log_begin is not None:
                        raise TargetError(self._failure("did not start", log_begin))
                    log_begin = self._launch(identity, running)
            sockets = _cluster.socket_folder(self.folder / "cluster")
            if sockets is not None and _answers(sockets / _SOCKET_NAME):
                return sockets
            time.sleep(POLL_SECONDS)
        raise TargetError(self._failure(f"was not ready after {START_SECONDS:.0f} seconds", log_begin or 0))

    def _launch(self, identity: Identity, running: int) -> int:
        """Start the supervisor, which inherits the lock on `running`; gives where its part of the log begins."""
        cluster = self.folder / "cluster"
        _cluster.prepare(cluster, version=self.version, identity=identity)
        sockets, scratch = self._make_socket_folder(identity)
        program = _cluster.server_command(cluster, sockets, version=self.version)
        command = identity.command("supervise", self.folder, self.folder / "lease", scratch, *program)
        with opened(self.folder / "server.log", os.O_APPEND) as log:
            if os.fstat(log).st_size > _LOG_BYTES:
                os.truncate(log, 0)
            begin = os.fstat(log).st_size
            subprocess.run(
                command,
                env=_cluster.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[running],
                start_new_session=True,  # Ctrl-C in the terminal is for the command, not for its server
                check=False,  # it goes on in the background; whether it lives is seen by its lock
            )
        return begin

    def _make_socket_folder(self, identity: Identity) -> tuple[Path, str]:
        """A private folder for the socket, and the same once more if it has to be removed at the end."""
        inside = self.folder / "socket"
        # libpq takes a comma for the end of a host name.
        if len(os.fsencode(inside / _SOCKET_NAME)) > _SOCKET_PATH_BYTES or "," in str(inside):
            outside = Path(tempfile.mkdtemp(prefix="etl-", dir=_short_temporary_folder()))
            os.chown(outside, *identity.owner)
            return outside, str(outside)
        inside.mkdir(mode=0o700, exist_ok=True)
        _cluster.give(inside, identity)
        if inside.stat().st_mode & 0o077:
            raise TargetError(f"{inside} is open to other users. Remove it; it will be made anew.")
        return inside, ""

    def _failure(self, what: str, begin: int) -> str:
        log = self.folder / "server.log"
        with log.open("rb") as file:
            file.seek(begin)
            lines = file.read().decode(errors="replace").splitlines()[-8:]
        return "\n  ".join([f"The embedded PostgreSQL in {self.folder} {what}; {log} ends with", *lines])


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        return client.connect_ex(str(path)) == 0


def _short_temporary_folder() -> str:
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) < 60 and "," not in folder else "/tmp"
