"""The benchmark's own PostgreSQL, and the databases in it: one fresh database for every measured command.

It is the embedded server, or one made of the programs in a folder; either listens on a Unix socket alone and is gone
afterwards.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from psycopg2 import sql
from sqlalchemy import URL, Engine

from etl.embedded.cluster import binaries
from etl.embedded.server import DEFAULT_VERSION, EmbeddedServer
from etl.schema.unified import create_missing
from etl.target.session import Session
from etl.target.url import make_engine, resolve

EMPTY = "bench_empty"  # the tables, nothing in them
LOADED = "bench_loaded"  # the tables with the benchmark's rows
CHANGED = "bench_changed"  # the same, but for 1 % of the rows: half of them are missing, half have other values
MISSING = "bench_missing"  # the same, but for 1 % of the messages, which are missing
_CHANGES = {
    CHANGED: (
        "DELETE FROM conversation_messages WHERE id % 100 = 0",
        "UPDATE conversation_messages SET content = content || ' (changed)' WHERE id % 100 = 50",
        "VACUUM (ANALYZE)",
    ),
    MISSING: ("DELETE FROM conversation_messages WHERE id % 100 = 0", "VACUUM (ANALYZE)"),
}

# So that the server begins nothing of its own in the middle of a measurement; the rest is as it comes.
_SETTINGS = {"autovacuum": "off", "max_wal_size": "2GB", "checkpoint_timeout": "1h"}


@dataclass(frozen=True)
class Cluster:
    """A running server: `admin` is the URL of a database that is always there, `programs` the folder of psql."""

    admin: URL
    programs: Path
    kind: str

    def url(self, database: str) -> URL:
        """How SQLAlchemy connects to `database`."""
        return self.admin.set(database=database)

    def engine(self, database: str) -> Engine:
        """A new engine without a pool: nobody stays connected to a template."""
        return make_engine(self.url(database))

    def run(self, statement: sql.Composable | str) -> None:
        """Run a statement of the cluster's outside of any transaction."""
        self.run_in(self.admin.database or "", statement)

    def run_in(self, database: str, statement: sql.Composable | str) -> None:
        """Run a statement in `database` outside of any transaction."""
        with self.engine(database).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            Session(connection).run(sql.SQL(statement) if isinstance(statement, str) else statement)

    def version(self) -> str:
        """The server's version, such as "18.4"."""
        with self.engine(self.admin.database or "").connect() as connection:
            return str(Session(connection).value(sql.SQL("SHOW server_version"))).split()[0]

    def cpu_seconds(self) -> float:
        """CPU time that the server has used so far, in all of its processes, those that have ended among them."""
        with self.engine(self.admin.database or "").connect() as connection:
            folder = Path(Session(connection).value(sql.SQL("SHOW data_directory")))
        time.sleep(0.1)  # until that connection's process, and the one of the command before, is counted as ended
        postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        times = [postmaster.cpu_times(), *(process.cpu_times() for process in postmaster.children())]
        ended = times[0].children_user + times[0].children_system
        return ended + sum(each.user + each.system for each in times)

    def create(self, database: str, template: str = "template0") -> None:
        """Make `database` as a copy of `template`, in place of an older one."""
        self.drop(database)
        names = sql.Identifier(database), sql.Identifier(template)
        self.run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def drop(self, database: str) -> None:
        """Drop `database` if it is there, whoever is connected."""
        self.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def create_empty(self, statements: Sequence[str] | None) -> None:
        """Make the template that every load starts from, by these statements or, for None, with the 20 tables."""
        self.create(EMPTY)
        with self.engine(EMPTY).begin() as connection:
            if statements is None:
                create_missing(connection)
            for statement in statements or ():
                Session(connection).run(sql.SQL(statement))

    def create_changed(self, template: str) -> None:
        """Make a template that differs from `LOADED`, which has to be there."""
        self.create(template, LOADED)
        for statement in _CHANGES[template]:
            self.run_in(template, statement)

    def count_rows(self, database: str, tables: Collection[str]) -> dict[str, int]:
        """The number of rows of each of these tables."""
        counts = [
            sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(name), sql.Identifier(name)) for name in tables
        ]
        with self.engine(database).connect() as connection:
            return dict(Session(connection).rows(sql.SQL(" UNION ALL ").join(counts)))

    def psql(self, database: str) -> list[str]:
        """The command line of a psql that stops at the first error and prints nothing."""
        return [str(self.programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.libpq(database)]

    def libpq(self, database: str) -> str:
        """libpq's own connection string."""
        query = self.admin.query
        return f"host={query['host']} port={query.get('port', 5432)} user={self.admin.username} dbname={database}"


@contextlib.contextmanager
def running_cluster(folder: Path, programs: Path | None) -> Iterator[Cluster]:
    """A new server with its files in `folder`; the embedded one unless `programs` names another's programs."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with _embedded(folder) if programs is None else _installed(programs) as cluster:
            for name, value in _SETTINGS.items():
                cluster.run(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
            cluster.run("SELECT pg_reload_conf()")
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _embedded(folder: Path) -> Iterator[Cluster]:
    with EmbeddedServer(folder) as server:
        yield Cluster(server.url("postgres"), binaries(DEFAULT_VERSION), "embedded")


@contextlib.contextmanager
def _installed(programs: Path) -> Iterator[Cluster]:
    """Made by the programs in a folder, with PostgreSQL's default settings; as root it runs as `postgres`."""
    folder = Path(tempfile.mkdtemp(prefix="etl-bench-"))  # short, since a socket's path may not be long
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    data = folder / "data"

    def control(program: str, *options: str) -> None:
        command = [*as_user, str(programs / program), "-D", str(data), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    try:
        control("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        control("pg_ctl", "-l", str(folder / "log"), "-o", f"-c listen_addresses= -k {folder}", "-w", "start")
        try:
            admin = resolve(f"postgresql://postgres@/postgres?host={folder}", {})
            assert admin is not None
            yield Cluster(admin, programs, str(programs))
        finally:
            control("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
