"""Staged rows inserted; what the server still refuses is isolated by halving, down to the single row and its reason."""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql

from etl.core.errors import TargetError
from etl.core.plan import ColumnPlan, TablePlan
from etl.core.rejects import Fault, RejectRule, RejectStage
from etl.loading.staging import ROW, RefusedRow, Staging, compose, equal
from etl.target.session import concerns_one_row, first_line

# SQLSTATE → what the row breaks; the server's own words stand beside it.
_CODES = {
    "23502": RejectRule.NULL_IN_REQUIRED,
    "23503": RejectRule.PARENT_MISSING,
    "23505": RejectRule.BLOCKED,
    "23514": RejectRule.CHECK,
    "23P01": RejectRule.BLOCKED,
}


class _LeftOutError(Exception):
    """Rolls the trial insert of one row back although it succeeded."""


@dataclass(frozen=True)
class _Way:
    """How staged rows get into their table: `write(stage, condition, ignoring)` returns the rows that the server took.

    Where it took fewer than there are, `found` says whether all are in the table all the same.
    """

    write: Callable[[Staging, sql.Composable, bool], int]
    found: Callable[[Staging, sql.Composable], bool]


def insert(stage: Staging, *, otherwise: Callable[[Staging], int] | None = None) -> int:
    """Inserts what is left, isolating what the server still refuses; returns the rows that it took.

    `otherwise` is done instead of isolating where the server does not take the rows in one statement.
    """
    return _write_all(stage, _Way(_insert_where, _found), otherwise)


def update(stage: Staging) -> int:
    """Gives the target's rows of the same keys the staged values, isolating what the server refuses; returns the rows
    that it took."""
    return _write_all(stage, _Way(_update_where, lambda _stage, _condition: False), None)


def _write_all(stage: Staging, way: _Way, otherwise: Callable[[Staging], int] | None) -> int:
    stage.refused = []
    waiting = stage.count()
    if not waiting:
        return 0
    try:
        return _write_part(stage, way, sql.SQL("true"), waiting)
    except _LeftOutError:
        return _write_bisecting(stage, way)
    except psycopg2.Error as error:
        _raise_unless_row(stage, error)
        return _write_bisecting(stage, way) if otherwise is None else otherwise(stage)


def set_refused_aside(stage: Staging) -> None:
    """Refuses the rows again after their insert was rolled back, so that the next one leaves them out."""
    for refused in stage.refused:
        one = compose("{} = {}", sql.Identifier(ROW), sql.Literal(refused.row_number))
        stage.reject(one, refused.fault, sql.Literal(refused.detail))


def _write_part(stage: Staging, way: _Way, condition: sql.Composable, rows: int) -> int:
    """All or none: which rows were left out could not be told afterwards, where a trigger changes their keys."""
    with stage.session.savepoint():
        if way.write(stage, condition, True) < rows and not way.found(stage, condition):
            raise _LeftOutError
    return rows


def _found(stage: Staging, condition: sql.Composable) -> bool:
    """Whether all these rows are the table's all the same, as those are that a trigger has put into a child of it."""
    if not stage.plan.key:
        return False
    absent = compose(
        "SELECT FROM {} s WHERE {} AND NOT EXISTS (SELECT FROM {} t WHERE {}) LIMIT 1",
        stage.name,
        condition,
        stage.target,
        equal([column.target for column in stage.plan.key], "s", "t"),
    )
    return not stage.session.rows(absent)


def _insert_where(stage: Staging, condition: sql.Composable, ignoring: bool) -> int:
    target = stage.plan.target
    columns = sql.SQL(", ").join(sql.Identifier(column.target) for column in stage.columns)
    # Where policies hide rows, which ones ON CONFLICT left out could not be seen.
    ignoring = ignoring and target.on_conflict and not target.row_security
    overriding = "OVERRIDING SYSTEM VALUE" if any(c.identity_always for c in target.columns) else ""
    return stage.run(
        "INSERT INTO {} ({}) {} SELECT {} FROM {} WHERE {} {}",
        stage.target,
        columns,
        sql.SQL(overriding),
        columns,
        stage.name,
        condition,
        sql.SQL("ON CONFLICT DO NOTHING" if ignoring else ""),
    )


def _update_where(stage: Staging, condition: sql.Composable, _ignoring: bool) -> int:
    key = [column.target for column in stage.plan.key]
    return stage.run(
        "UPDATE {} t SET {} FROM {} s WHERE {} AND {}",
        stage.target,
        sql.SQL(", ").join(
            compose("{0} = s.{0}", sql.Identifier(column.target)) for column in updated_columns(stage.plan)
        ),
        stage.name,
        equal(key, "t", "s"),
        condition,
    )


def updated_columns(plan: TablePlan) -> list[ColumnPlan]:
    """What an update writes: not the key, and not what only the server may give (GENERATED ALWAYS AS IDENTITY)."""
    fixed = {column.target for column in plan.key}
    fixed |= {column.name for column in plan.target.columns if column.identity_always}
    return [column for column in plan.columns if column.target not in fixed]


def _write_bisecting(stage: Staging, way: _Way) -> int:
    row = sql.Identifier(ROW)
    stage.run("CREATE INDEX ON {} ({})", stage.name, row)
    numbers = [number for (number,) in stage.session.rows(compose("SELECT {} FROM {} ORDER BY 1", row, stage.name))]
    waiting = [numbers]
    loaded = 0
    while waiting:
        part = waiting.pop()
        between = compose("{} BETWEEN {} AND {}", row, sql.Literal(part[0]), sql.Literal(part[-1]))
        try:
            loaded += _write_part(stage, way, between, len(part))
        except (psycopg2.Error, _LeftOutError) as error:
            _raise_unless_row(stage, error)
            if len(part) == 1:
                _check_one(stage, way, part[0])
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
    return loaded


def _raise_unless_row(stage: Staging, error: Exception) -> None:
    row_security = stage.plan.target.row_security
    if isinstance(error, psycopg2.Error) and not concerns_one_row(error, row_security=row_security):
        raise TargetError(f"Table {stage.plan.name} cannot be written: {first_line(error)}.") from error


def _reject_refused(stage: Staging, number: int, error: psycopg2.Error) -> None:
    diagnosis = error.diag
    code = _CODES.get(diagnosis.sqlstate or "", RejectRule.REFUSED)
    message = diagnosis.message_primary or first_line(error)
    words = f"blocked: {message}" if code is RejectRule.BLOCKED else message
    detail = f"{words}: {diagnosis.message_detail}" if diagnosis.sqlstate == "23505" else words
    column = _faulty_column(stage, diagnosis.column_name, diagnosis.constraint_name)
    _refuse(stage, number, Fault(RejectStage.LOAD, code, column, words), detail)


def _refuse(stage: Staging, number: int, fault: Fault, detail: str) -> None:
    stage.refused.append(RefusedRow(number, None, fault, detail))
    stage.reject(compose("{} = {}", sql.Identifier(ROW), sql.Literal(number)), fault, sql.Literal(detail))


def _faulty_column(stage: Staging, column: str | None, constraint: str | None) -> str | None:
    target = stage.plan.target
    names = next((item.columns for item in target.constraints if item.name == constraint), ())
    return stage.source_name(column or (names[0] if names else None))


def _check_one(stage: Staging, way: _Way, number: int) -> None:
    """Tries a row alone, and not in silence; it is taken back in any case."""
    try:
        with stage.session.savepoint():
            way.write(stage, compose("{} = {}", sql.Identifier(ROW), sql.Literal(number)), False)
            raise _LeftOutError
    except _LeftOutError:
        words = "left out by a trigger, rule or policy of the target"
        _refuse(stage, number, Fault(RejectStage.LOAD, RejectRule.LEFT_OUT, None, words), words)
    except psycopg2.Error as error:
        _raise_unless_row(stage, error)
        _reject_refused(stage, number, error)
