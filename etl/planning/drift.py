"""Where the two schemas differ, and what is peculiar about the target's tables: said in the report, or refused."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from etl.core.drift import Drift, DriftAction, DriftKind
from etl.core.errors import DriftError
from etl.core.plan import TablePlan
from etl.core.source_tables import SourceTable
from etl.core.tables import TargetTable


def missing_table(table: SourceTable, others: Mapping[str, str]) -> Drift:
    """A table that the target lacks; `others` says what bears its name there instead."""
    if table.unreadable is not None:
        code = DriftAction.NOT_MIGRATED_UNREADABLE
        return Drift(table.name, None, DriftKind.NOT_A_TABLE, table.row_count, code, table.unreadable)
    other = next((what for name, what in others.items() if name.lower() == table.name.lower()), None)
    if other is None:
        kind = DriftKind.TABLE_MISSING_IN_TARGET
        return Drift(table.name, None, kind, table.row_count, DriftAction.NOT_MIGRATED)
    return Drift(table.name, None, DriftKind.NOT_A_TABLE, table.row_count, DriftAction.NOT_MIGRATED_OTHER, detail=other)


def missing_in_source(table: str) -> Drift:
    """A table of the target that the source lacks."""
    return Drift(table, None, DriftKind.TABLE_MISSING_IN_SOURCE, None, DriftAction.SKIPPED)


def without_common_column(plan: TablePlan) -> Drift:
    """A pair of tables that share their name alone."""
    return Drift(plan.name, None, DriftKind.NO_COMMON_COLUMN, plan.source.row_count, DriftAction.NOT_MIGRATED)


def left_out(table: SourceTable) -> Drift:
    """A table that the user's map leaves out."""
    return Drift(table.name, None, DriftKind.TABLE_LEFT_OUT, table.row_count, DriftAction.LEFT_OUT)


def peculiarities(plans: Sequence[TablePlan]) -> Iterator[Drift]:
    """What whoever signs off should know about the tables of the target."""
    for plan in plans:
        table = plan.target
        if table.row_security:
            yield Drift(plan.name, None, DriftKind.ROW_SECURITY, None, DriftAction.ROWS_HIDDEN)
        if table.written_by:
            triggers = ", ".join(table.written_by)
            yield Drift(plan.name, None, DriftKind.TRIGGER_WRITES, None, DriftAction.ROWS_WRITTEN, triggers)
        if table.unlogged:
            yield Drift(plan.name, None, DriftKind.UNLOGGED, None, DriftAction.LOST_IN_A_CRASH)


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
