"""Which way a load goes: in this process, or by workers."""

from etl.reporting.report import Report
from etl.runs.load import run_migration
from etl.runs.observer import Observer
from etl.runs.settings import Settings
from etl.runs.startup import Startup


def run_load(settings: Settings, observer: Observer | None = None, startup: Startup | None = None) -> Report:
    """Loads as the settings say; `startup` is for a load in this process."""
    if settings.by_workers:
        from etl.scaling.load import run_parallel

        return run_parallel(settings, observer)
    return run_migration(settings, observer, startup)
