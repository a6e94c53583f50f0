"""Moves a SQLite database into PostgreSQL and proves that every row arrived.

import etl
etl.profile("data/unified.db")        # what the source really holds
etl.plan("data/unified.db")           # what would go where
etl.read_table("data/unified.db", "users")  # a converted DataFrame
etl.check_source("data/unified.db")   # what would be rejected, without any target
etl.validate_frame(frame, "users")    # a frame against the expectations in users.json
etl.migrate("data/unified.db")        # the load itself; returns the report
"""

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.api import migrate as migrate
    from etl.api import plan as plan
    from etl.api import read_table as read_table
    from etl.comparison.reconciliation import reconcile as reconcile
    from etl.load import insert_ignoring_conflicts as insert_ignoring_conflicts
    from etl.mending import load_mended as load_mended
    from etl.notebook import forecast as forecast
    from etl.profiling import profile as profile
    from etl.readiness import check_source as check_source
    from etl.reporting.reading import open_report as open_report
    from etl.reporting.reading import read_differences as read_differences
    from etl.reporting.reading import read_rejects as read_rejects
    from etl.validate import validate_frame as validate_frame
    from etl.validation.suite_file import add_expectation as add_expectation

try:
    __version__ = version("sqlite-to-postgres-etl")
except PackageNotFoundError:  # run from a source tree that was not installed
    __version__ = "0+unknown"

_PUBLIC = {
    "migrate": "etl.api",
    "plan": "etl.api",
    "read_table": "etl.api",
    "insert_ignoring_conflicts": "etl.load",
    "load_mended": "etl.mending",
    "forecast": "etl.notebook",
    "profile": "etl.profiling",
    "open_report": "etl.reporting.reading",
    "read_differences": "etl.reporting.reading",
    "read_rejects": "etl.reporting.reading",
    "reconcile": "etl.comparison.reconciliation",
    "check_source": "etl.readiness",
    "add_expectation": "etl.validation.suite_file",
    "validate_frame": "etl.validate",
}
__all__ = [
    "add_expectation",
    "check_source",
    "forecast",
    "insert_ignoring_conflicts",
    "load_mended",
    "migrate",
    "open_report",
    "plan",
    "profile",
    "read_differences",
    "read_rejects",
    "read_table",
    "reconcile",
    "validate_frame",
]


class _Package(ModuleType):
    """Keeps `etl.migrate` and `etl.plan` functions: importing the modules of these names would put them in the way."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    """Imports a public function when it is asked for: pandas takes half a second that `--help` need not wait."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'etl' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
