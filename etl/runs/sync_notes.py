"""What a sync notes so that it can be undone: `undo.json`, written before the COMMIT."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from psycopg2 import sql

from etl.core.plan import TablePlan
from etl.core.undo_record import IDS, SequenceState, UndoKind, UndoRecord, UndoSequence, UndoTable
from etl.files.undo_files import write_undo_record
from etl.runs.connect import Target
from etl.target.constraints import OLDER, identifier
from etl.target.session import Session

States = Mapping[tuple[str, str], SequenceState]
"""Where sequences stand, by schema and name."""
_NAMES = """
SELECT DISTINCT n.nspname, c.relname FROM unnest({names}::text[]) AS name
JOIN pg_class c ON c.oid = name::regclass JOIN pg_namespace n ON n.oid = c.relnamespace
"""
_IDENTITY = """
SELECT (SELECT system_identifier::text FROM pg_control_system()), oid::bigint, datname, txid_current()
FROM pg_database WHERE datname = current_database()
"""


def sequence_states(session: Session, plans: Iterable[TablePlan]) -> States:
    """The sequences of these tables."""
    columns = [column.sequence for plan in plans for column in plan.target.columns if column.sequence]
    states = {}
    for schema, name in session.rows(sql.SQL(_NAMES).format(names=sql.Literal(columns))):
        query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
        states[schema, name] = SequenceState(*session.rows(query)[0])
    return states


def write_notes(
    session: Session,
    folder: Path,
    run: str,
    target: Target,
    plans: Sequence[TablePlan],
    written: Sequence[tuple[TablePlan, int, int, int]],
    before: States,
) -> None:
    """Writes the record. `plans`: all tables of the run; `written`: those that it wrote into, with the
    rows that were inserted, updated and deleted; `before`:
    where the sequences stood. The tables have been locked from before the first row was written."""
    after = sequence_states(session, plans)
    moved = tuple(UndoSequence(*name, before[name], state) for name, state in after.items() if before[name] != state)
    if not written and not moved:
        return
    system, database_oid, database, transaction = session.rows(sql.SQL(_IDENTITY))[0]
    marks: set[int] = set()
    for plan, *_ in written:
        newer = "SELECT DISTINCT xmin::text::bigint FROM {} WHERE NOT ({})"
        rows = session.rows(sql.SQL(newer).format(identifier(plan.target), sql.SQL(OLDER)))
        marks |= {mark for (mark,) in rows}
    savepoints = sorted({transaction + (mark - transaction) % IDS for mark in marks} - {transaction})
    record = UndoRecord(
        run=run,
        kind=UndoKind.SYNC,
        system_identifier=system,
        database_oid=database_oid,
        transaction=transaction,
        tables=tuple(_table(plan, *counts) for plan, *counts in written),
        sequences=moved,
        savepoints=tuple(savepoints),
        database=database,
        target=target.display_url,
        embedded=target.embedded,
    )
    write_undo_record(folder, record)


def _table(plan: TablePlan, inserted: int, updated: int, deleted: int) -> UndoTable:
    return UndoTable(
        schema=plan.target.schema,
        table=plan.target.name,
        oid=plan.target.oid,
        source=plan.name,
        key=tuple(column.target for column in plan.key),
        inserted=inserted,
        updated=updated,
        deleted=deleted,
    )
