"""What the values of a table are, counted by SQLite in one pass: storage classes, NULLs, lengths, broken checks."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.core.source_catalog import CatalogColumn, CatalogForeignKey, CatalogTable
from etl.core.source_tables import quoted
from etl.derivation.declared import Family, declared_type
from etl.source.database import Source

CLASSES = ("integer", "real", "text", "blob")
_MOST_ANSWERS = 1_200  # SQLite answers with at most 2,000 columns
_USUAL_CLASS = {
    Family.INTEGER: "integer",
    Family.BOOLEAN: "integer",
    Family.REAL: "real",
    Family.DECIMAL: "real",
    Family.BYTES: "blob",
}


@dataclass(frozen=True)
class ColumnEvidence:
    """A column's values: how many are NULL, how many of each storage class, and the most bytes that one takes (None
    where that was not asked). `not_bits`: integers other than 0 and 1 (None where that was not asked)."""

    nulls: int
    storage: Mapping[str, int]
    most_bytes: int | None = None
    not_bits: int | None = None

    @property
    def values(self) -> int:
        """How many values there are."""
        return sum(self.storage.values())

    @property
    def classes(self) -> frozenset[str]:
        """The storage classes that occur."""
        return frozenset(self.storage)


@dataclass(frozen=True)
class TableEvidence:
    """A table's rows, its columns, and for each CHECK how many rows break it, or why SQLite cannot tell."""

    rows: int
    columns: Mapping[str, ColumnEvidence]
    broken: Sequence[int | str] = field(default_factory=tuple)


def gather(source: Source, table: CatalogTable) -> TableEvidence:
    """Looks at all values of a table, without reading those that a header tells enough of."""
    conditions = [f"count(*) FILTER (WHERE NOT ({check.condition}\n))" for check in table.checks]
    questions = list(_questions(table))
    try:
        rows, *answers = _ask(source, table, ["count(*)", *conditions, *(sql for _, _, sql in questions)])
        broken: list[int | str] = [int(count) for count in answers[: len(conditions)]]
        answers = answers[len(conditions) :]
    except source.fast.Error:  # a check asks for a function that this SQLite lacks, say
        rows, *answers = _ask(source, table, ["count(*)", *(sql for _, _, sql in questions)])
        broken = [_broken_rows(source, table, condition) for condition in conditions]
    found: dict[str, dict[str, Any]] = {column.name: {} for column in table.columns}
    for (column, question, _), answer in zip(questions, answers, strict=True):
        found[column][question] = answer
    mixed = [name for name, said in found.items() if said["values"] != said["usual"]]
    classes = _classes(source, table, mixed)
    columns = {
        column.name: _evidence(int(rows), found[column.name], classes.get(column.name) or _one_class(column, found))
        for column in table.columns
    }
    return TableEvidence(int(rows), columns, broken)


def usual_class(column: CatalogColumn) -> str:
    """The storage class that values of the declared type mostly have."""
    return _USUAL_CLASS.get(declared_type(column.declared).family, "text")


def _questions(table: CatalogTable) -> Iterator[tuple[str, str, str]]:
    """(column, question, SQL)"""
    indexed = {*table.primary_key, *(name for index in table.indexes for name in index.columns)}
    for column in table.columns:
        name, family = quoted(column.name), declared_type(column.declared).family
        yield column.name, "values", f"count({name})"
        yield column.name, "usual", f"count(*) FILTER (WHERE typeof({name}) = '{usual_class(column)}')"
        if column.name in indexed or family is Family.CHARACTERS:
            yield column.name, "most_bytes", f"max(octet_length({name}))"
        if family is Family.BOOLEAN:
            yield column.name, "not_bits", f"count(*) FILTER (WHERE {name} NOT IN (0, 1))"


def _ask(source: Source, table: CatalogTable, questions: Sequence[str]) -> list[Any]:
    answers: list[Any] = []
    with source.fast.cursor() as cursor:
        for start in range(0, len(questions), _MOST_ANSWERS):
            part = ", ".join(questions[start : start + _MOST_ANSWERS])
            cursor.execute(f"SELECT {part} FROM main.{quoted(table.name)} NOT INDEXED")
            answers.extend(cursor.fetchall()[0])
    return answers


def _broken_rows(source: Source, table: CatalogTable, condition: str) -> int | str:
    try:
        (row,) = source.careful.execute(f"SELECT {condition} FROM main.{quoted(table.name)} NOT INDEXED").fetchall()
    except sqlite3.OperationalError as error:
        return str(error)
    return int(row[0])


def _classes(source: Source, table: CatalogTable, columns: Sequence[str]) -> dict[str, dict[str, int]]:
    """Every storage class of the columns that hold others than the usual one."""
    if not columns:
        return {}
    questions = [
        f"count(*) FILTER (WHERE typeof({quoted(column)}) = '{kind}')" for column in columns for kind in CLASSES
    ]
    answers = iter(_ask(source, table, questions))
    return {column: {kind: count for kind in CLASSES if (count := int(next(answers)))} for column in columns}


def _one_class(column: CatalogColumn, found: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    count = int(found[column.name]["values"])
    return {usual_class(column): count} if count else {}


def _evidence(rows: int, said: Mapping[str, Any], storage: Mapping[str, int]) -> ColumnEvidence:
    return ColumnEvidence(rows - int(said["values"]), storage, said.get("most_bytes") or 0, said.get("not_bits"))


def count_orphans(source: Source, child: CatalogTable, key: CatalogForeignKey, parent: CatalogTable) -> int:
    """Rows whose parent is not there, upper and lower case told apart, as PostgreSQL does; NULLs have none to miss."""
    present = " AND ".join(f"c.{quoted(column)} IS NOT NULL" for column in key.columns)
    equal = " AND ".join(
        f"p.{quoted(other)} = c.{quoted(column)} AND p.{quoted(other)} = c.{quoted(column)} COLLATE BINARY"
        for column, other in zip(key.columns, key.parent_columns, strict=True)
    )
    rows = source.query(
        f"SELECT count(*) FROM main.{quoted(child.name)} c WHERE {present} "
        f"AND NOT EXISTS (SELECT 1 FROM main.{quoted(parent.name)} p WHERE {equal})"
    )
    return int(rows[0][0])  # type: ignore[arg-type]
