"""Triggers of the target, switched off for the time of a load and on again as they were."""

import contextlib
from collections.abc import Iterator, Sequence

from psycopg2 import sql

from etl.core.errors import TargetError
from etl.core.tables import TargetTable
from etl.target.constraints import identifier
from etl.target.session import Session

_ENABLE = {"O": "ENABLE TRIGGER", "R": "ENABLE REPLICA TRIGGER", "A": "ENABLE ALWAYS TRIGGER"}


@contextlib.contextmanager
def without_triggers(session: Session, tables: Sequence[TargetTable]) -> Iterator[None]:
    """Inside, the triggers of `tables` that users made do not fire; afterwards each does as before.

    Raises `TargetError` where a table with triggers is not ours to alter.
    """
    ruled = [table for table in tables if table.triggers]
    others = [table.name for table in ruled if not table.owned]
    if others:
        raise TargetError(
            f"--disable-triggers: only their owner may switch off the triggers of {', '.join(others)}. "
            "Nothing was written."
        )
    for table in ruled:
        for trigger in table.triggers:
            _alter(session, table, "DISABLE TRIGGER", trigger.name)
    yield
    for table in ruled:
        for trigger in table.triggers:
            _alter(session, table, _ENABLE[trigger.mode], trigger.name)


def _alter(session: Session, table: TargetTable, action: str, trigger: str) -> None:
    statement = sql.SQL("ALTER TABLE {} {} {}").format(identifier(table), sql.SQL(action), sql.Identifier(trigger))
    session.run(statement)
