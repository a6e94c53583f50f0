"""The servers and databases that tests use."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Engine, text

from etl.embedded.cluster import binaries
from etl.embedded.server import DEFAULT_VERSION
from etl.target.url import make_engine, resolve


@dataclass(frozen=True)
class Server:
    """A cluster in which the tests may create databases; `admin` is the URL of a database that is always there."""

    admin: URL
    embedded: bool

    def execute(self, statement: str) -> None:
        """Run a statement outside of any transaction, as CREATE and DROP DATABASE need it."""
        with make_engine(self.admin).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))


@dataclass(frozen=True)
class Database:
    """An empty database of the test's own; `url` is the whole URL as text, password included."""

    url: str

    def engine(self) -> Engine:
        """A new engine without a pool: nothing stays connected when the test ends."""
        return make_engine(resolve(self.url, {}))


def embedded_version() -> int:
    """The major version of the embedded server that the tests use."""
    return int(os.environ.get("ETL_TEST_POSTGRES", DEFAULT_VERSION))


def postgres_binaries() -> Path:
    """The programs for servers that a test makes itself, like those the suite runs against."""
    named = os.environ.get("ETL_TEST_BINARIES")
    return Path(named) if named else binaries(embedded_version())


@contextlib.contextmanager
def fresh_database(server: Server) -> Iterator[Database]:
    """An empty database; dropped afterwards even where a test left connections open."""
    name = f"etl_test_{secrets.token_hex(6)}"
    server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield Database(server.admin.set(database=name).render_as_string(hide_password=False))
    finally:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
