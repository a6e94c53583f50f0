"""What is known of a source before any target is asked: chosen once for a run, from the whole database."""

from collections.abc import Mapping
from pathlib import Path

from etl.core.source_tables import SourceTable
from etl.core.types import TargetType
from etl.schema.recognise import is_unified
from etl.schema.unified import target_types
from etl.validation.suites import default_folder

Tables = Mapping[str, SourceTable]


def recognised(tables: Tables) -> bool:
    """Whether the source is the application's whose tables and suites come with the product."""
    return is_unified({name: table.column_names for name, table in tables.items()})


def folder_of(tables: Tables) -> Path | None:
    """The folder of the suites that belong to this database; None where there are none but derived ones."""
    return default_folder() if recognised(tables) else None


def types_of(tables: Tables, table: str) -> dict[str, TargetType]:
    """The target types of a known table's columns; empty for every table of another database."""
    return target_types(table) if recognised(tables) else {}
