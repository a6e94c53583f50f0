"""Sequences after the load: the next id is larger than any that exists or ever existed, and this is read back.

`ALTER SEQUENCE … RESTART` belongs to the transaction and vanishes with it on failure; `setval` does not, so it is used
only where the sequence is not ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from psycopg2 import sql

from etl.core.errors import TargetError
from etl.core.plan import TablePlan
from etl.core.report import SequenceReport
from etl.core.tables import TargetColumn
from etl.core.types import Kind
from etl.core.undo_record import SequenceState
from etl.target.constraints import identifier
from etl.target.session import Session

_LARGEST = {Kind.SMALLINT: 2**15 - 1, Kind.INTEGER: 2**31 - 1, Kind.BIGINT: 2**63 - 1}


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

    def reaches(self, last: int) -> bool:
        """Whether `last`, or what lies before it, would still be given."""
        return self.next_value <= last if self.increment > 0 else self.next_value >= last


def reset_sequences(session: Session, plan: TablePlan) -> list[SequenceReport]:
    """Moves every serial and identity sequence of the table past its largest id; never backwards."""
    return [_reset(session, plan, column) for column in plan.target.columns if column.sequence]


def _reset(session: Session, plan: TablePlan, column: TargetColumn) -> SequenceReport:
    name = sql.SQL(column.sequence or "")  # pg_get_serial_sequence gives it quoted and qualified
    state = _read(session, name, column)
    last = _last(session, plan, column, upwards=state.increment > 0)
    if column.type.kind in _LARGEST and last > _LARGEST[column.type.kind]:
        last = _last(session, plan, column, upwards=True, remembered=False)  # SQLite remembers an id that is gone
    if state.reaches(last):
        _set(session, name, state, last)
        state = _read(session, name, column)
        if state.reaches(last):
            raise TargetError(f"The sequence {column.sequence} could not be moved past {last}.")
    plain = str(column.sequence).rsplit(".", 1)[-1].strip('"').replace('""', '"')
    return SequenceReport(
        plain,
        plan.name,
        plan.source_of.get(column.name, column.name),
        state.next_value - state.increment,
        state.next_value,
    )


SequenceName = tuple[str, str]
"""A sequence: its schema and its name."""
_NAMES = """
SELECT DISTINCT n.nspname, c.relname FROM unnest({names}::text[]) AS name
JOIN pg_class c ON c.oid = name::regclass JOIN pg_namespace n ON n.oid = c.relnamespace
"""


def sequences_of(session: Session, plans: Iterable[TablePlan]) -> list[SequenceName]:
    """The sequences that the columns of these tables take their numbers from."""
    names = [column.sequence for plan in plans for column in plan.target.columns if column.sequence]
    return [(schema, name) for schema, name in session.rows(sql.SQL(_NAMES).format(names=sql.Literal(names)))]


def sequence_states(session: Session, names: Iterable[SequenceName]) -> Mapping[SequenceName, SequenceState]:
    """Where these sequences stand now."""
    each = "SELECT {}, {}, last_value, is_called FROM {}"
    parts = [sql.SQL(each).format(*map(sql.Literal, name), sql.Identifier(*name)) for name in names]
    rows = session.rows(sql.SQL(" UNION ALL ").join(parts)) if parts else []
    return {(schema, name): SequenceState(last_value, is_called) for schema, name, last_value, is_called in rows}


def unreachable_ids(plan: TablePlan) -> list[str]:
    """What to say of ids that SQLite remembers and the target's type cannot hold; the dry run and the load say it."""
    remembered = plan.source.autoincrement_last or 0
    return [
        f"{plan.name}.{plan.source_of[column.name]}: SQLite remembers the id {remembered:,} of a row that is gone, "
        f"beyond the type {column.type.sql}; the sequence goes on after the largest id in the table"
        for column in plan.target.columns
        if column.sequence and column.name in [key.target for key in plan.key]
        if column.type.kind in _LARGEST and remembered > _LARGEST[column.type.kind]
    ]


def _last(session: Session, plan: TablePlan, column: TargetColumn, *, upwards: bool, remembered: bool = True) -> int:
    """The largest id in the table, or that SQLite remembers; of a sequence that counts down the smallest there."""
    query = "SELECT coalesce({}({}), 0) FROM {}"
    found = sql.SQL(query).format(
        sql.SQL("max" if upwards else "min"), sql.Identifier(column.name), identifier(plan.target)
    )
    last = int(session.value(found))
    if remembered and upwards and column.name in [key.target for key in plan.key]:
        return max(last, plan.source.autoincrement_last or 0)
    return last


def _set(session: Session, name: sql.SQL, state: _State, last: int) -> None:
    following = last + state.increment
    if state.minimum <= following <= state.maximum and state.owned:
        session.run(sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(name, sql.Literal(following)))
    else:  # not ours, or used up: the sequence stands on its last value and will say so at the next call
        value = max(state.minimum, min(last, state.maximum))
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
