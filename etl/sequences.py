"""Sequences after the load: the next id is larger than any that exists or ever existed, and this is read back.

`ALTER SEQUENCE … RESTART` belongs to the transaction and vanishes with it on failure; `setval` does not, so it is used
only where the sequence is not ours.
"""

from dataclasses import dataclass

from psycopg2 import sql

from etl.catalog import TargetColumn
from etl.errors import TargetError
from etl.plan import TablePlan
from etl.rebuild import identifier
from etl.report import SequenceReport
from etl.session import Session


@dataclass(frozen=True)
class _State:
    last_value: int
    is_called: bool
    increment: int
    minimum: int
    maximum: int
    owned: bool

    @property
    def next_value(self) -> int:
        return self.last_value + self.increment if self.is_called else self.last_value


def reset_sequences(session: Session, plan: TablePlan) -> list[SequenceReport]:
    """Moves every serial and identity sequence of the table behind its largest id; never backwards."""
    return [_reset(session, plan, column) for column in plan.target.columns if column.sequence]


def _reset(session: Session, plan: TablePlan, column: TargetColumn) -> SequenceReport:
    name = sql.SQL(column.sequence or "")  # pg_get_serial_sequence gives it quoted and qualified
    state = _read(session, name, column)
    largest = session.value(
        sql.SQL("SELECT coalesce(max({}), 0) FROM {}").format(sql.Identifier(column.name), identifier(plan.target))
    )
    remembered = plan.source.autoincrement_last or 0 if column.name in [c.target for c in plan.key] else 0
    last = max(int(largest), remembered)
    if state.increment > 0 and last >= state.next_value:
        _set(session, name, state, last)
        state = _read(session, name, column)
        if state.next_value <= last:
            raise TargetError(f"The sequence {column.sequence} could not be moved behind {last}.")
    plain = str(column.sequence).rsplit(".", 1)[-1].strip('"').replace('""', '"')
    return SequenceReport(plain, plan.name, column.name, state.next_value - state.increment, state.next_value)


def _set(session: Session, name: sql.SQL, state: _State, last: int) -> None:
    following = last + state.increment
    if following <= state.maximum and state.owned:
        session.run(sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(name, sql.Literal(following)))
    else:  # not ours, or used up: the sequence stands on its last value and will say so at the next call
        value = min(last, state.maximum)
        session.value(
            sql.SQL("SELECT setval({}::regclass, {}, true)").format(sql.Literal(name.string), sql.Literal(value))
        )


def _read(session: Session, name: sql.SQL, column: TargetColumn) -> _State:
    last_value, is_called = session.rows(sql.SQL("SELECT last_value, is_called FROM {}").format(name))[0]
    increment, minimum, maximum, owned = session.rows(
        sql.SQL(
            "SELECT s.seqincrement, s.seqmin, s.seqmax, pg_has_role(c.relowner, 'USAGE') "
            "FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE s.seqrelid = {}::regclass"
        ).format(sql.Literal(column.sequence))
    )[0]
    return _State(last_value, is_called, increment, minimum, maximum, owned)
