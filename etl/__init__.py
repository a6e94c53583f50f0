"""Moves a SQLite database into PostgreSQL and proves that every row arrived.

import etl
etl.plan("data/unified.db")           # what would go where
etl.read_table("data/unified.db", "users")  # a converted DataFrame
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
    from etl.load import insert_ignoring_conflicts as insert_ignoring_conflicts

try:
    __version__ = version("sqlite-to-postgres-etl")
except PackageNotFoundError:  # run from a source tree that was not installed
    __version__ = "0+unknown"

_PUBLIC = {
    "migrate": "etl.api",
    "plan": "etl.api",
    "read_table": "etl.api",
    "insert_ignoring_conflicts": "etl.load",
}
__all__ = ["insert_ignoring_conflicts", "migrate", "plan", "read_table"]


class _Package(ModuleType):
    """Keeps `etl.migrate` and `etl.plan` functions: importing the modules of the same names would put them in the way."""

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
