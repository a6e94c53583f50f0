"""A few of the rows behind a count, as a person may see them."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from etl.core.redaction import HIDDEN, SHOWN_CHARACTERS, is_secret, shown
from etl.core.values import StorageValue

EXAMPLES = 3  # of each group of rows
NULL = "NULL"


@dataclass(frozen=True)
class RowExample:
    """One row: its `key` by column, and the `values` at fault as one line each. Secrets are hidden, long values cut.

    `rowid` is None where the table has none.
    """

    row_number: int
    rowid: int | None
    key: Mapping[str, object]
    values: Mapping[str, str]


def example_of(
    row: Mapping[str, StorageValue],
    *,
    row_number: int,
    rowid: int | None,
    key: Sequence[str],
    columns: Sequence[str],
    hidden: Collection[str] = (),
) -> RowExample:
    """The example that a row of the source makes.

    :param row: its values by column.
    :param key: the columns that identify it.
    :param columns: the columns at fault.
    :param hidden: columns whose values nobody is to read, whatever their own names say.
    """
    return RowExample(
        row_number,
        rowid,
        {name: HIDDEN if name in hidden else _key_value(row.get(name), name) for name in key},
        {name: HIDDEN if name in hidden else _line(row.get(name), name) for name in columns},
    )


def _key_value(value: StorageValue, column: str) -> object:
    """As JSON has it, so far as it can be there: a text is no longer than it may be shown."""
    if value is None or is_secret(column):
        return None if value is None else HIDDEN
    if isinstance(value, str):
        return value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return shown(value, column=column)


def _line(value: StorageValue, column: str) -> str:
    return NULL if value is None else shown(value, column=column)
