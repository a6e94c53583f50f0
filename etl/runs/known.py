"""What is known of a source before any target is asked: chosen once for a run, from the whole database."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from etl.core.source_tables import SourceTable
from etl.core.types import TargetType
from etl.schema.recognise import is_unified
from etl.schema.unified import create_missing, target_types
from etl.validation.suites import default_folder


class Description(Protocol):
    """Says what a database's tables ought to be like."""

    @property
    def suites(self) -> Path | None:
        """The folder of the suites that belong to this database; None where there are none but derived ones."""

    def types_of(self, table: str) -> Mapping[str, TargetType]:
        """The target types of a table's columns; empty where nothing is known of the table."""

    def create_missing(self, connection: Connection) -> list[str]:
        """Creates the described tables that the current schema lacks; returns their names."""


class UnifiedDescription:
    """The application's database whose 20 tables and suites come with the product."""

    @property
    def suites(self) -> Path | None:
        return default_folder()

    def types_of(self, table: str) -> Mapping[str, TargetType]:
        return target_types(table)

    def create_missing(self, connection: Connection) -> list[str]:
        return create_missing(connection)


class NoDescription:
    """Any other database: its own declarations and the target's catalogue say all there is."""

    suites: Path | None = None

    def types_of(self, table: str) -> Mapping[str, TargetType]:  # noqa: ARG002 - nothing is known of any
        return {}

    def create_missing(self, connection: Connection) -> list[str]:  # noqa: ARG002 - none is described
        return []


def description_of(tables: Mapping[str, SourceTable]) -> Description:
    """The description that fits the whole database; one table's name decides nothing."""
    known = is_unified({name: table.column_names for name, table in tables.items()})
    return UnifiedDescription() if known else NoDescription()
