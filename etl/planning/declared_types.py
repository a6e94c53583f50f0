"""The PostgreSQL type that a column's declaration in SQLite suggests, where no target says it."""

from collections.abc import Mapping

from etl.core.plan import ColumnPlan
from etl.core.source_tables import SourceTable
from etl.core.types import TargetType, named_type

# SQLite's declared type (its leading word) → the PostgreSQL type of an added column; what is not named becomes text.
_ADDED_TYPES = {
    "INTEGER": "bigint",
    "INT": "bigint",
    "BIGINT": "bigint",
    "SMALLINT": "bigint",
    "TINYINT": "bigint",
    "REAL": "double precision",
    "DOUBLE": "double precision",
    "FLOAT": "double precision",
    "NUMERIC": "numeric",
    "DECIMAL": "numeric",
    "BLOB": "bytea",
    "BOOLEAN": "boolean",
    "BOOL": "boolean",
    "DATETIME": "timestamptz",
    "TIMESTAMP": "timestamptz",
    "TIMESTAMPTZ": "timestamptz",
    "DATE": "date",
    "JSON": "jsonb",
    "JSONB": "jsonb",
}


def added_type(declared: str) -> str:
    """The PostgreSQL type of a column that `--extra-columns add` adds, from the declared type in SQLite."""
    words = declared.upper().replace("(", " ").split()
    return _ADDED_TYPES.get(words[0], "text") if words else "text"


def columns_without_target(
    table: SourceTable, known: Mapping[str, TargetType], decided: Mapping[str, str | None] | None = None
) -> tuple[ColumnPlan, ...]:
    """The columns as a target would have them: of their `known` types, else as their declared types suggest.

    `decided`: source column → target column, by the user's map; None: left out. `known` goes by the target's names.
    """
    targets = {name: name for name in table.column_names} | dict(decided or {})
    return tuple(
        ColumnPlan(column.name, target, known.get(target) or named_type(added_type(column.declared_type)))
        for column in table.columns
        if (target := targets[column.name]) is not None
    )
