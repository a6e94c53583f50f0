"""Counts the storage classes of a table's values, in one pass of SQL; a second one looks at mixed columns alone."""

from collections.abc import Sequence
from typing import Any

from etl.core.errors import SourceError
from etl.core.evidence import ColumnEvidence
from etl.core.source_tables import quoted
from etl.source.database import Source

MOST_COLUMNS = 400  # in one query: SQLite answers with at most 2,000 columns
CLASSES = ("integer", "real", "text", "blob")


def storage_classes(source: Source, table: str, columns: Sequence[str]) -> dict[str, ColumnEvidence]:
    """The evidence of each column of `table`.

    SQLite names the class of NULL "null", which lies between "integer" and "real": so the lowest and the highest name
    tell a column of one class.

    :raises SourceError: where the table cannot be read.
    """
    found: dict[str, ColumnEvidence] = {}
    mixed: list[str] = []
    for start in range(0, len(columns), MOST_COLUMNS):
        part = columns[start : start + MOST_COLUMNS]
        asked = [f"count({quoted(c)}), min(typeof({quoted(c)})), max(typeof({quoted(c)}))" for c in part]
        rows, *answers = _answers(source, table, ["count(*)", *asked])
        for column, values, low, high in zip(part, answers[::3], answers[1::3], answers[2::3], strict=True):
            classes = {str(one) for one in (low, high) if one not in (None, "null")}
            if len(classes) > 1:
                mixed.append(column)
            found[column] = ColumnEvidence(dict.fromkeys(classes, values), rows - values)
    for start in range(0, len(mixed), MOST_COLUMNS):
        part = mixed[start : start + MOST_COLUMNS]
        answers = _answers(
            source,
            table,
            [f"count(CASE typeof({quoted(c)}) WHEN '{one}' THEN 1 END)" for c in part for one in CLASSES],
        )
        for place, column in enumerate(part):
            counts = dict(zip(CLASSES, answers[4 * place : 4 * place + 4], strict=True))
            found[column] = ColumnEvidence({one: count for one, count in counts.items() if count}, found[column].nulls)
    return found


def _answers(source: Source, table: str, asked: Sequence[str]) -> list[Any]:
    query = f"SELECT {', '.join(asked)} FROM main.{quoted(table)} NOT INDEXED"
    with source.fast.cursor() as cursor:
        try:
            cursor.execute(query)
            return list(cursor.fetchall()[0])
        except (OSError, source.fast.Error) as error:
            raise SourceError(f"{source.path}: table {table!r} cannot be read: {error}") from error
