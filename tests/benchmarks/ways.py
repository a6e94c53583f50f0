"""The ways to load a database that are measured against each other: ours, our peers', and the limit.

A way is a command line. It starts from a database of its own, and leaves a known number of rows in it.
"""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.benchmarks.cluster import CHANGED, EMPTY, LOADED, MISSING, Cluster
from tests.benchmarks.ready_made import csv_script, limit_script
from tests.benchmarks.shapes import row_counts

_BY_LIBPQ = ("guide.py", "duckdb_insert.py")  # the others connect by SQLAlchemy's URL
_PEERS = Path(__file__).with_name("peers")
_DUCKDB_PACKAGES = (
    "duckdb",
    "duckdb_extensions",
    "duckdb_extension_sqlite_scanner",
    "duckdb_extension_postgres_scanner",
)


class Size(Enum):
    """How many of the benchmark's rows a way is given: slow ways a tenth, and some the smallest database there is."""

    WHOLE = "whole"
    TENTH = "a tenth"
    TWENTY_ROWS = "20 rows"


@dataclass(frozen=True)
class Scene:
    """What a way's command is made from; `database` is the name of its own database, `folder` its own scratch."""

    cluster: Cluster
    sqlite: Path
    database: str
    folder: Path

    @property
    def url(self) -> str:
        """The target as SQLAlchemy writes it."""
        return self.cluster.url(self.database).render_as_string(hide_password=False)


@dataclass(frozen=True)
class Way:
    """`prepare` is done once, before anything is timed; `missing` names what has to be installed, or is None."""

    name: str
    title: str
    command: Callable[[Scene], list[str]]
    size: Size = Size.WHOLE
    template: str = EMPTY
    leaves_rows: bool = True
    ours: bool = True
    prepare: Callable[[Scene], object] | None = None
    missing: Callable[[Cluster], str | None] = lambda _: None


def _ours(module: str, *options: str) -> Callable[[Scene], list[str]]:
    def command(scene: Scene) -> list[str]:
        ends = ["--sqlite", str(scene.sqlite), "--pg", scene.url, "--report", str(scene.folder / "report")]
        return [sys.executable, "-m", f"etl.{module}", *ends, "-q", *options]

    return command


def _sync(scene: Scene) -> list[str]:
    """With validation, whose process begins with the first row that differs."""
    ends = ["--pg", scene.url, "--report", str(scene.folder / "report")]
    return [sys.executable, "-m", "etl", "sync", str(scene.sqlite), *ends, "--delete", "-q"]


def _derived(scene: Scene) -> list[str]:
    """It reads the source alone: its time is held against that of the load."""
    return [sys.executable, "-m", "etl", "schema", str(scene.sqlite), "--sql", str(scene.folder / "schema.sql")]


def _script(name: str) -> Callable[[Scene], list[str]]:
    def command(scene: Scene) -> list[str]:
        target = scene.cluster.libpq(scene.database) if name in _BY_LIBPQ else scene.url
        return [sys.executable, str(_PEERS / name), str(scene.sqlite), target, *row_counts(scene.sqlite)]

    return command


def _psql(script: str, *options: str) -> Callable[[Scene], list[str]]:
    return lambda scene: [*scene.cluster.psql(scene.database), *options, "-f", str(scene.folder / script)]


# Its default settings run out of heap at scale 1. JSON is declared such that SQLite stores a number as a number.
_PGLOADER = """
LOAD DATABASE FROM sqlite://{sqlite} INTO {target}
WITH data only, batch rows = 5000, prefetch rows = 10000, workers = 2, concurrency = 1
CAST type json to jsonb using float-to-string;
"""


def _pgloader(scene: Scene) -> list[str]:
    query = scene.cluster.admin.query
    target = f"postgresql://postgres@unix:{query['host']}:{query.get('port', 5432)}/{scene.database}"
    script = scene.folder / "pgloader.load"
    script.write_text(_PGLOADER.format(sqlite=scene.sqlite, target=target), encoding="utf-8")
    return ["pgloader", "--dynamic-space-size", "4096", "--root-dir", str(scene.folder), str(script)]


def _without_pgloader(_: Cluster) -> str | None:
    return None if shutil.which("pgloader") else "pgloader is not installed (Debian: apt-get install pgloader)"


def _without_duckdb(_: Cluster) -> str | None:
    missing = [package.replace("_", "-") for package in _DUCKDB_PACKAGES if not importlib.util.find_spec(package)]
    return f"pip install {' '.join(missing)}" if missing else None


def _without_dlt(_: Cluster) -> str | None:
    return None if importlib.util.find_spec("dlt") else "pip install 'dlt[postgres,sql_database]'"


def _without_psql(cluster: Cluster) -> str | None:
    return None if (cluster.programs / "psql").exists() else f"there is no psql in {cluster.programs}"


# Rows are counted; that their values are compared as well is a way of its own.
_COUNTED = ("--no-reconcile",)

WAYS = (
    Way("load", "etl.run: validated, counted", _ours("run", *_COUNTED)),
    Way("load-unvalidated", "etl.run --skip-validation: counted", _ours("run", "--skip-validation", *_COUNTED)),
    Way("load-compared", "etl.run: validated, every value compared", _ours("run")),
    Way("load-again", "etl.run again, all rows present", _ours("run", *_COUNTED), template=LOADED),
    Way("load-missing", "etl.run again, 1 % of the messages missing", _ours("run", *_COUNTED), template=MISSING),
    Way("workers-1", "etl.run --workers 1", _ours("run", *_COUNTED, "--workers", "1")),
    Way("workers-2", "etl.run --workers 2", _ours("run", *_COUNTED, "--workers", "2")),
    Way("dry-run", "etl.run --dry-run", _ours("run", "--dry-run"), leaves_rows=False),
    Way("schema", "etl schema: the schema derived from all values, no load", _derived, leaves_rows=False),
    Way("reconcile", "etl.reconcile", _ours("reconcile"), template=LOADED),
    Way("sync-nothing", "etl sync, nothing changed", _sync, template=LOADED),
    Way("sync", "etl sync, 1 % of the rows changed", _sync, template=CHANGED),
    Way("guide", "the guide's way: psycopg2, row by row", _script("guide.py"), Size.TENTH, ours=False),
    Way("pandas", "pandas read_sql, to_sql", _script("pandas_to_sql.py"), Size.TENTH, ours=False),
    Way("pgloader", "pgloader, data only", _pgloader, ours=False, missing=_without_pgloader),
    Way("duckdb", "DuckDB, both attached", _script("duckdb_insert.py"), ours=False, missing=_without_duckdb),
    Way(
        "dlt",
        "dlt by pyarrow, into tables of its own, without keys",
        _script("dlt_load.py"),
        template="template0",
        ours=False,
        missing=_without_dlt,
    ),
    Way(
        "copy-csv",
        "psql \\copy of ready-made CSV",
        _psql("csv.sql"),
        ours=False,
        prepare=lambda scene: csv_script(scene.cluster, scene.folder),
        missing=_without_psql,
    ),
    Way(
        "limit",
        "the limit: psql \\copy of ready-made binary files, indexes rebuilt",
        _psql("limit.sql"),
        prepare=lambda scene: limit_script(scene.cluster, scene.folder),
        missing=_without_psql,
    ),
    Way("small", "20 rows: etl.run", _ours("run", *_COUNTED), Size.TWENTY_ROWS),
    Way(
        "small-unvalidated",
        "20 rows: etl.run --skip-validation",
        _ours("run", "--skip-validation", *_COUNTED),
        Size.TWENTY_ROWS,
    ),
)
