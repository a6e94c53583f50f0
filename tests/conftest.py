"""A real PostgreSQL for the tests: the embedded one in a temporary folder, or the one that TEST_DATABASE_URL names.

ETL_TEST_POSTGRES=16 takes the older of the two embedded versions. TEST_DATABASE_URL has to name a database whose user
may CREATE DATABASE; every test that asks for `database` gets a fresh one in that cluster, dropped afterwards.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import URL, Engine, text

from etl.embedded import DEFAULT_VERSION, EmbeddedServer
from etl.embedded.cluster import binaries
from etl.target_url import make_engine, resolve, safe

# A shell starts what runs in its background with Ctrl-C ignored, and whatever a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and no time limit for any: neither chance nor the machine's load decides a test.
# HYPOTHESIS_PROFILE=nightly looks further, with other examples each time.
settings.register_profile("normal", derandomize=True, deadline=None)
settings.register_profile("nightly", max_examples=1_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))


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


def pytest_report_header() -> str:
    """Name the PostgreSQL that the tests run against."""
    named = os.environ.get("TEST_DATABASE_URL")
    if not named:
        postgres = binaries(embedded_version()) / "postgres"
        version = subprocess.check_output([postgres, "--version"], text=True).split()[-1]
        return f"postgresql: {version}, embedded"
    url = resolve(named, {})
    with make_engine(url).connect() as connection:
        return f"postgresql: {connection.scalar(text('SHOW server_version'))} at {safe(url)}"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The PostgreSQL of the whole session."""
    named = os.environ.get("TEST_DATABASE_URL")
    if named:
        yield Server(resolve(named, {}), embedded=False)
        return
    folder = Path(tempfile.mkdtemp(prefix="etl-tests-"))
    try:
        with EmbeddedServer(folder / "postgres", version=embedded_version()) as embedded:
            yield Server(embedded.url("postgres"), embedded=True)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A fresh, empty database for one test."""
    with fresh_database(server) as found:
        yield found


@contextlib.contextmanager
def fresh_database(server: Server) -> Iterator[Database]:
    """An empty database; dropped afterwards even where a test left connections open."""
    name = f"etl_test_{secrets.token_hex(6)}"
    server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield Database(server.admin.set(database=name).render_as_string(hide_password=False))
    finally:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def role(server: Server, database: Database) -> Iterator[str]:
    """A role without any rights."""
    name = f"etl_role_{secrets.token_hex(4)}"
    server.execute(f"CREATE ROLE {name}")
    yield name
    with database.engine().begin() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
    server.execute(f"DROP ROLE {name}")
