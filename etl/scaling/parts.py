"""Parts of tables: a range of rowids of about 64 MB, or a whole table where it has no rowids."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etl.core.plan import TablePlan
from etl.core.source_tables import WHOLE_TABLE, RowidRange, SourceTable, quoted
from etl.source.database import Source

PART_BYTES = 64 * 2**20
_SAMPLES = 200


@dataclass(frozen=True)
class Part:
    """One piece of work. `number` is unique in the run; `rows` are those of the range."""

    number: int
    table: str
    range: RowidRange
    rows: int


def parts_of(source: Source, plans: Sequence[TablePlan], part_bytes: int = PART_BYTES) -> list[Part]:
    """The parts of all tables with rows, in the order of the plan.

    :param source: an open source.
    :param plans: the tables.
    :param part_bytes: size of a part in bytes, about.
    """
    pieces = [
        (plan.name, range_, rows)
        for plan in plans
        if plan.source.row_count
        for range_, rows in _ranges(source, plan.source, part_bytes)
    ]
    return [Part(number, *piece) for number, piece in enumerate(pieces, start=1)]


def _ranges(source: Source, table: SourceTable, part_bytes: int) -> Iterator[tuple[RowidRange, int]]:
    rows = max(1, part_bytes // _row_bytes(source, table)) if table.rowid_name else table.row_count
    if rows >= table.row_count:
        yield WHOLE_TABLE, table.row_count
        return
    name, rowid = quoted(table.name), table.rowid_name
    after: int | None = None
    before = 0
    while before + rows < table.row_count:
        # One walk through the table, all steps together: each goes on where the last one ended.
        behind = f"WHERE {rowid} > ?" if after is not None else ""
        ((until,),) = source.query(
            f"SELECT {rowid} FROM main.{name} NOT INDEXED {behind} ORDER BY {rowid} LIMIT 1 OFFSET ?",
            (rows - 1,) if after is None else (after, rows - 1),
        )
        assert isinstance(until, int)
        yield RowidRange(after, until, before), rows
        after, before = until, before + rows
    yield RowidRange(after, None, before), table.row_count - before


def _row_bytes(source: Source, table: SourceTable) -> int:
    """A row's bytes in the average of some that lie all over the table; the same ones each time."""
    name, rowid = quoted(table.name), table.rowid_name
    ((low, high),) = source.query(f"SELECT min({rowid}), max({rowid}) FROM main.{name}")
    assert isinstance(low, int)
    assert isinstance(high, int)
    columns = table.column_names
    chance = random.Random(table.row_count)  # for a sample, the same each time
    found = []
    for _ in range(_SAMPLES):
        rows = source.stream(table, columns, part=RowidRange(after=chance.randint(low, high) - 1), limit=1)
        found += [sum(map(_value_bytes, values)) for _, values in rows]
    return max(1, sum(found) // max(1, len(found)))


def _value_bytes(value: object) -> int:
    return len(value) if isinstance(value, str | bytes) else 8
