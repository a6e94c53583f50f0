"""Where the two schemas differ, and what is peculiar about the target's tables: said in the report, or refused."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from etl.core.errors import DriftError
from etl.core.plan import Drift
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable


def missing_table(table: SourceTable, others: Mapping[str, str]) -> Drift:
    """A table that the target lacks; `others` says what bears its name there instead."""
    if table.unreadable is not None:
        action = f"not migrated: a virtual table that cannot be read here ({table.unreadable})"
        return Drift(table.name, None, "not_a_table", table.row_count, action)
    other = next((what for name, what in others.items() if name.lower() == table.name.lower()), None)
    if other is None:
        return Drift(table.name, None, "table_missing_in_target", table.row_count, "not migrated")
    return Drift(table.name, None, "not_a_table", table.row_count, f"not migrated: in the target this is {other}")


def peculiarities(tables: Sequence[TargetTable]) -> Iterator[Drift]:
    """What whoever signs off should know about the tables of the target."""
    for table in tables:
        if table.row_security:
            action = "rows that it hides from the connected role are not seen: they count as missing, or not at all"
            yield Drift(table.name, None, "row_security", None, action)
        if table.written_by:
            action = (
                f"{', '.join(table.written_by)} may write rows into it while others are loaded, beside or in the way "
                "of the source's; ALTER TABLE … DISABLE TRIGGER for the time of the load, or "
                "--disable-triggers"
            )
            yield Drift(table.name, None, "trigger_writes", None, action)
        if table.unlogged:
            yield Drift(
                table.name, None, "unlogged", None, "a crash of the server empties it; ALTER TABLE … SET LOGGED"
            )


def with_writers(tables: Sequence[TargetTable]) -> list[TargetTable]:
    """The tables, each with the triggers of these tables whose functions write into it, as far as their text tells."""
    writers: dict[str, list[str]] = {table.name: [] for table in tables}
    for table in tables:
        for trigger in table.triggers:
            for other in writers:
                if _writes(other).search(trigger.body):
                    writers[other].append(f"{trigger.name} on {table.name}")
    return [replace(table, written_by=tuple(writers[table.name])) for table in tables]


def _writes(table: str) -> re.Pattern[str]:
    """What a function's text holds where it writes into `table`."""
    name = rf'(?:"{re.escape(table)}"|{re.escape(table)}\b)'
    return re.compile(
        rf'\b(?:insert\s+into|update|delete\s+from|merge\s+into)\s+(?:only\s+)?(?:"?\w+"?\.)?{name}', re.IGNORECASE
    )


def refuse_families(tables: Sequence[TargetTable]) -> None:
    """Rows of a table that inherits are rows of its ancestors too: whose they are could not be told afterwards."""
    names = {table.name for table in tables}
    for table in tables:
        for ancestor in names & set(table.ancestors):
            raise DriftError(
                f"The target's table {table.name} inherits from {ancestor}, so that its rows are rows of both there, "
                "but the source has two tables. Leave one of them out with --tables. Nothing was written."
            )


def refuse_rules(tables: Sequence[TargetTable]) -> None:
    """COPY passes a table's rules over, and INSERT … ON CONFLICT does not work with them: their will is never done."""
    ruled = [f"{table.name} ({', '.join(table.rules)})" for table in tables if table.rules]
    if ruled:
        raise DriftError(
            f"The target has rules that rewrite what is written to {'; '.join(ruled)}. For the time of the load, "
            "ALTER TABLE … DISABLE RULE …, or leave the table out with --tables. Nothing was written."
        )
