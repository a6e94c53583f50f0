"""Rows of the target as they are before a sync writes over them, as JSON that the server makes."""

from collections.abc import Callable, Sequence

from psycopg2 import sql

from etl.core.plan import TablePlan
from etl.loading.amend import Amendment
from etl.loading.staging import compose, equal
from etl.loading.surplus import Surplus
from etl.target.session import Session

Keep = Callable[[bytes], None]
"""Hears one line of JSON."""


def keep_old_rows(session: Session, amendment: Amendment, keep: Keep) -> None:
    """Tells `keep` each row that is to be overwritten, then each that is to be deleted."""
    stage = amendment.stage
    if stage.plan.key:
        same = equal([column.target for column in stage.plan.key], "o", "s")
        found = compose("{} o JOIN {} s ON {} WHERE {}", stage.target, stage.name, same, amendment.is_update())
        _send(session, _line(stage.plan, found, "updated"), keep)
    if amendment.surplus is not None:
        surplus = amendment.surplus
        found = compose("{} o JOIN {} e ON {}", surplus.target, surplus.places, surplus.stays())
        _send(session, _line(stage.plan, found, "deleted"), keep)


def _line(plan: TablePlan, found: sql.Composable, change: str) -> sql.Composable:
    written = [column.name for column in plan.target.columns if not column.generated]
    return compose(
        "SELECT {} || {} || {} || {} || '}}' FROM {}",
        sql.Literal(f'{{"change":"{change}","key":'),
        _object([column.target for column in plan.key]),
        sql.Literal(',"row":'),
        _object(written),
        found,
    )


def _object(names: Sequence[str]) -> sql.Composable:
    """A JSON object of the columns of `o` by name: PostgreSQL's text of each value, or null."""
    values = sql.SQL(", ").join(compose("o.{}::text", sql.Identifier(name)) for name in names)
    return compose("json_object({}::text[], ARRAY[{}]::text[])::text", sql.Literal(list(names)), values)


def keep_extra_rows(session: Session, surplus: Surplus, keep: Keep) -> None:
    """Tells `keep` each row that would have been deleted and stays, with the reason."""
    reason = compose("to_json(e.reason)::text")
    _send(
        session,
        _kept(surplus.plan, compose("{} o JOIN {} e ON {}", surplus.target, surplus.kept, surplus.stays()), reason),
        keep,
    )


def _kept(plan: TablePlan, found: sql.Composable, reason: sql.Composable) -> sql.Composable:
    written = [column.name for column in plan.target.columns if not column.generated]
    return compose(
        """SELECT '{{"reason":' || {} || ',"key":' || {} || ',"row":' || {} || '}}' FROM {}""",
        reason,
        _object([column.target for column in plan.key]),
        _object(written),
        found,
    )


def keep_newer(session: Session, amendment: Amendment, column: str, keep: Keep) -> int:
    """Takes back the updates of rows whose `column` is later in the target than in the source, and tells `keep` each;
    returns how many."""
    stage = amendment.stage
    same = equal([key.target for key in stage.plan.key], "o", "s")
    later = compose(
        "{} AND o.{} > s.{} AND {}", same, sql.Identifier(column), sql.Identifier(column), amendment.is_update()
    )
    reason = sql.Literal(f'"its {column} is later than the source\'s"')
    _send(session, _kept(stage.plan, compose("{} o JOIN {} s ON {}", stage.target, stage.name, later), reason), keep)
    return stage.run("DELETE FROM {} s USING {} o WHERE {}", stage.name, stage.target, later)


class _Lines:
    """Takes rows of one CSV field, which holds quotation marks and is therefore quoted."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    def write(self, data: bytes) -> None:
        self._keep(data.rstrip(b"\n")[1:-1].replace(b'""', b'"'))


def _send(session: Session, query: sql.Composable, keep: Keep) -> None:
    session.copy_out(query, _Lines(keep))
