"""Counts the storage classes of a table's values, in one pass of SQL; a second one looks at mixed columns alone."""

from collections.abc import Collection, Sequence
from typing import Any

from etl.concurrency.background import Abandoned
from etl.core.evidence import ColumnEvidence
from etl.core.source_tables import quoted
from etl.source.measure import ordinary_tables, read_columns
from etl.source.snapshot import Snapshot

MOST_COLUMNS = 400  # in one query: SQLite answers with at most 2,000 columns
SAMPLE_ROWS = 100
CLASSES = ("integer", "real", "text", "blob")


def classes_of_tables(snapshot: Snapshot, only: Collection[str] = ()) -> dict[str, dict[str, ColumnEvidence]]:
    """The evidence of each column of each ordinary table, or of those in `only`.

    :raises Abandoned: where the snapshot has been left meanwhile.
    :raises SourceError: where a table cannot be read.
    """
    found: dict[str, dict[str, ColumnEvidence]] = {}
    with snapshot.failing_clearly():
        for name in ordinary_tables(snapshot):
            if snapshot.left:
                raise Abandoned
            if only and name not in only:
                continue
            found[name] = storage_classes(snapshot, name, [column.name for column in read_columns(snapshot, name)])
    return found


def storage_classes(snapshot: Snapshot, table: str, columns: Sequence[str]) -> dict[str, ColumnEvidence]:
    """The evidence of each column of `table`.

    A column mostly has one class, which its first values tell; so one comparison a value is enough for most columns.
    It asks on the careful connection, so that the fast one can measure the tables at the same time.

    :raises SourceError: where the table cannot be read.
    """
    found: dict[str, ColumnEvidence] = {}
    mixed: list[str] = []
    for start in range(0, len(columns), MOST_COLUMNS):
        part = columns[start : start + MOST_COLUMNS]
        usual = _first_classes(snapshot, table, part)
        asked = [f"count({quoted(c)}), count(*) FILTER (WHERE typeof({quoted(c)}) = '{usual[c]}')" for c in part]
        rows, *answers = _answers(snapshot, table, ["count(*)", *asked])
        for column, values, alike in zip(part, answers[::2], answers[1::2], strict=True):
            found[column] = ColumnEvidence({usual[column]: values} if values else {}, rows - values)
            if alike != values:
                mixed.append(column)
    for start in range(0, len(mixed), MOST_COLUMNS):
        part = mixed[start : start + MOST_COLUMNS]
        answers = _answers(
            snapshot,
            table,
            [f"count(CASE typeof({quoted(c)}) WHEN '{one}' THEN 1 END)" for c in part for one in CLASSES],
        )
        for place, column in enumerate(part):
            counts = dict(zip(CLASSES, answers[4 * place : 4 * place + 4], strict=True))
            found[column] = ColumnEvidence({one: count for one, count in counts.items() if count}, found[column].nulls)
    return found


def _first_classes(snapshot: Snapshot, table: str, columns: Sequence[str]) -> dict[str, str]:
    """The class of the first value of each column; of none, that of texts."""
    asked = ", ".join(f"typeof({quoted(column)})" for column in columns)
    with snapshot.failing_clearly():
        query = f"SELECT {asked} FROM main.{quoted(table)} NOT INDEXED LIMIT {SAMPLE_ROWS}"
        rows = snapshot.careful.execute(query).fetchall()
    found = dict.fromkeys(columns, "text")
    for row in reversed(rows):
        found |= {column: str(one) for column, one in zip(columns, row, strict=True) if one != "null"}
    return found


def _answers(snapshot: Snapshot, table: str, asked: Sequence[str]) -> list[Any]:
    query = f"SELECT {', '.join(asked)} FROM main.{quoted(table)} NOT INDEXED"
    with snapshot.failing_clearly():
        return list(snapshot.careful.execute(query).fetchone())
