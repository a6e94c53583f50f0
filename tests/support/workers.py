"""Dask workers that tests share, and loads by them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from etl.reporting.report import Report
from etl.runs.observer import Observer
from etl.runs.settings import Settings
from etl.scaling.load import run_parallel
from support.database import Database
from support.targets import query

SMALL_PART = 600  # bytes: a few rows


@contextlib.contextmanager
def running_workers(count: int = 2) -> Iterator[Client]:
    """A scheduler with real worker processes, on 127.0.0.1."""
    with (
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
            preload=["etl.scaling.preload"],
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def parallel(
    workers: Client | str,
    url: str,
    source: Path,
    report: Path,
    *,
    part_bytes: int = SMALL_PART,
    observer: Observer | None = None,
    **options: Any,
) -> Report:
    """A load by running workers, without validation unless asked for."""
    address = workers if isinstance(workers, str) else workers.scheduler.address
    settings = Settings.of(
        source, pg=url, scheduler=address, report_folder=report, **{"validate": False, "batch_rows": 10, **options}
    )
    return run_parallel(settings, observer, part_bytes=part_bytes)


def loading_schemas(database: Database) -> list[str]:
    """The loading schemas that are there."""
    return [name for (name,) in query(database, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'etl_loading%'")]
