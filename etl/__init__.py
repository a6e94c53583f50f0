"""Moves a SQLite database into PostgreSQL and proves that every row arrived.

import etl
etl.profile("data/unified.db")        # what the source really holds
etl.propose_schema("data/unified.db") # the schema that PostgreSQL would get
etl.plan("data/unified.db")           # what would go where
etl.read_table("data/unified.db", "users")  # a converted DataFrame
etl.check_source("data/unified.db")   # what a load would reject
etl.validate_frame(frame, "users")    # a frame against the expectations in users.json
etl.migrate("data/unified.db")        # the load itself; returns the report
etl.migrate_fleet("tenants/*.db")     # many files, each by itself
etl.compare("data/unified.db")        # every value of both sides, at any time
etl.sync("data/unified.db")           # what has changed since the load, and nothing else
etl.undo(report)                      # takes back what a load did
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.api import check_source as check_source
    from etl.api import compare as compare
    from etl.api import migrate as migrate
    from etl.api import migrate_fleet as migrate_fleet
    from etl.api import plan as plan
    from etl.api import profile as profile
    from etl.api import propose_schema as propose_schema
    from etl.api import read_table as read_table
    from etl.api import sync as sync
    from etl.api import undo as undo
    from etl.core.version import __version__ as __version__
    from etl.loading.to_sql import insert_ignoring_conflicts as insert_ignoring_conflicts
    from etl.notebook.repair import load_mended as load_mended
    from etl.notebook.workspace import forecast as forecast
    from etl.reporting.reading import open_report as open_report
    from etl.reporting.reading import read_differences as read_differences
    from etl.reporting.reading import read_rejects as read_rejects
    from etl.validation.frame import validate_frame as validate_frame
    from etl.validation.suite_file import add_expectation as add_expectation

_HOMES = {
    "__version__": "etl.core.version",
    "add_expectation": "etl.validation.suite_file",
    "check_source": "etl.api",
    "compare": "etl.api",
    "forecast": "etl.notebook.workspace",
    "insert_ignoring_conflicts": "etl.loading.to_sql",
    "load_mended": "etl.notebook.repair",
    "migrate": "etl.api",
    "migrate_fleet": "etl.api",
    "open_report": "etl.reporting.reading",
    "plan": "etl.api",
    "profile": "etl.api",
    "propose_schema": "etl.api",
    "read_differences": "etl.reporting.reading",
    "read_rejects": "etl.reporting.reading",
    "read_table": "etl.api",
    "sync": "etl.api",
    "undo": "etl.api",
    "validate_frame": "etl.validation.frame",
}
__all__ = [
    "add_expectation",
    "check_source",
    "compare",
    "forecast",
    "insert_ignoring_conflicts",
    "load_mended",
    "migrate",
    "migrate_fleet",
    "open_report",
    "plan",
    "profile",
    "propose_schema",
    "read_differences",
    "read_rejects",
    "read_table",
    "sync",
    "undo",
    "validate_frame",
]


def __getattr__(name: str) -> object:
    """Imports a public function when it is asked for: pandas takes half a second that `--help` need not wait."""
    if name not in _HOMES:
        raise AttributeError(f"module 'etl' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
