"""A real PostgreSQL for the tests: the embedded one in a temporary folder, or the one that TEST_DATABASE_URL names.

ETL_TEST_POSTGRES=16 takes the older of the two embedded versions. TEST_DATABASE_URL has to name a database whose user
may CREATE DATABASE; every test that asks for `database` gets a fresh one in that cluster, dropped afterwards.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import text
from support.database import Database, Server, embedded_version, fresh_database

from etl.embedded.cluster import binaries
from etl.embedded.server import EmbeddedServer
from etl.target.url import make_engine, resolve, safe

# A shell starts what runs in its background with Ctrl-C ignored, and whatever a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and no time limit for any: neither chance nor the machine's load decides a test.
# HYPOTHESIS_PROFILE=nightly looks further, with other examples each time.
settings.register_profile("normal", derandomize=True, deadline=None)
settings.register_profile("nightly", max_examples=1_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))


def pytest_configure(config: pytest.Config) -> None:
    """Great Expectations before 1.24 leaves the temporary folder of its context to the garbage collector."""
    if tuple(map(int, version("great_expectations").split(".")[:2])) < (1, 24):
        config.addinivalue_line("filterwarnings", "ignore:Implicitly cleaning up <TemporaryDirectory:ResourceWarning")


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


@pytest.fixture
def role(server: Server, database: Database) -> Iterator[str]:
    """A role without any rights."""
    name = f"etl_role_{secrets.token_hex(4)}"
    server.execute(f"CREATE ROLE {name}")
    yield name
    with database.engine().begin() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
    server.execute(f"DROP ROLE {name}")
