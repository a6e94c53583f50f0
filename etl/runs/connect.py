"""Opening the target: the PostgreSQL that was named, or the embedded one with a database for this source."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from etl.concurrency.interruption import abandonable
from etl.core import defaults
from etl.core.report import TargetReport
from etl.embedded.server import EmbeddedServer
from etl.target.url import DRIVER, check_connection, connection_error, make_engine, resolve, safe


@dataclass(frozen=True)
class Target:
    """A PostgreSQL that answers. `psql` is a shell command that opens it, where it is the embedded one."""

    engine: Engine
    display_url: str
    server_version: str
    embedded: bool
    schema: str | None = None  # the one that was asked for; None: the one that the role's search_path leads to
    psql: str | None = None

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection; raises `TargetError` where there is none to be had any more. Ctrl-C is heard meanwhile."""
        try:
            connection = abandonable(self.engine.connect)
        except DBAPIError as error:
            raise connection_error(error, self.engine.url) from None  # its text may hold the connection string
        with connection:
            yield connection

    @property
    def name(self) -> str:
        """The URL, and the schema where one was asked for."""
        return self.report.name

    @property
    def report(self) -> TargetReport:
        """The target as the report names it."""
        return TargetReport(self.display_url, self.server_version, self.embedded, self.schema)

    @property
    def pandas_url(self) -> str:
        """The URL without a password, as `pandas.read_sql` takes it."""
        return self.display_url.replace("postgresql:", f"{DRIVER}:", 1)


@contextlib.contextmanager
def open_target(pg: str | None, sqlite: Path, schema: str | None = None) -> Iterator[Target]:
    """The target for `pg`, else the environment's, else the embedded server for as long as the context lasts.

    Raises `UsageError` for a malformed URL and `TargetError` for a server that does not answer.
    """
    url = resolve(pg, os.environ)
    if url is not None:
        with _opened(url, schema) as target:
            yield target
        return
    with EmbeddedServer(defaults.SERVER_FOLDER) as server:
        name = database_name(sqlite)
        with _opened(server.ensure_database(name), schema, psql=server.psql_command(name)) as target:
            yield target


def is_named(pg: str | None) -> bool:
    """Whether a target is named, by `pg` or the environment; else it is the embedded one."""
    return resolve(pg, os.environ) is not None


@contextlib.contextmanager
def scratch_target() -> Iterator[Target]:
    """An empty PostgreSQL of its own, in a temporary folder, which is gone when the context ends.

    Raises `TargetError` where none can run here.
    """
    # The server makes the folder itself: it knows who has to pass through.
    folder = Path(tempfile.gettempdir()) / f"etl-scratch-{secrets.token_hex(8)}"
    try:
        with EmbeddedServer(folder) as server, _opened(server.ensure_database("scratch"), None) as target:
            yield replace(target, display_url="empty, made for this check alone", embedded=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database_name(sqlite: Path) -> str:
    """The embedded server's database for a source file: its name without the ending, within PostgreSQL's 63 bytes."""
    name = sqlite.stem.encode()[:63].decode(errors="ignore")
    return f"{name[:59]}_db" if name in ("postgres", "template0", "template1") else name


@contextlib.contextmanager
def _opened(url: URL, schema: str | None, psql: str | None = None) -> Iterator[Target]:
    """The connection that asks for the version is the one that works then: a role may be allowed but one."""
    engine = make_engine(url, keep_one=True)
    try:
        yield Target(
            engine=engine,
            display_url=safe(url),
            server_version=check_connection(engine),
            embedded=psql is not None,
            schema=schema,
            psql=psql,
        )
    finally:
        engine.dispose()
