"""What is other where the source is one file of a fleet."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etl.core.report import ReportData
from etl.target.session import Session


@dataclass(frozen=True)
class OneOfMany:
    """One file of a fleet.

    `path` is the file as the user names it: what is read may be a copy. `new_schema` is made where the target lacks it.
    `column`: the column that every table has in front of its keys, with `value` in all rows of this file. `note` is
    called at the end of the load's transaction, with the report as it stands.
    """

    path: Path
    note: Callable[[Session, ReportData], None]
    new_schema: str | None = None
    column: str = ""
    value: str = ""
