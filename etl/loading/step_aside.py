"""Unique values that change places between rows (a ↔ b): a row that holds one which another is to get steps aside.

PostgreSQL checks a unique key row by row, so that neither of the two could be written first. A row that is itself
about to be updated or deleted therefore takes another value for the moment: NULL where the column allows it, else one
that no row has. Columns to which foreign keys lead never do, as their children would follow.
"""

import secrets
from collections.abc import Iterator, Sequence

import psycopg2
from psycopg2 import sql

from etl.core.plan import ColumnPlan
from etl.core.rejects import Fault, RejectRule, RejectStage
from etl.core.tables import UniqueKey
from etl.core.types import Kind
from etl.loading.row_checks import other_uniques, same_unique
from etl.loading.staging import Staging, compose, equal
from etl.target.referrers import Referrer
from etl.target.session import concerns_one_row

_SHORTEST = 4  # letters of a text that is surely nobody's
_NUMBERS = (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC, Kind.REAL, Kind.DOUBLE)
_DAYS = (Kind.TIMESTAMPTZ, Kind.TIMESTAMP)


def step_aside(new: Staging, changed: Staging, referrers: Sequence[Referrer]) -> bool:
    """Moves rows of the target out of the way of the staged ones `new` and `changed`.

    Returns whether all could; where not, the staged rows that wait for them are rejected.
    """
    done = True
    for unique in other_uniques(new) if new.plan.key else ():
        for stage in (new, changed):
            done &= _make_room(stage, unique, referrers)
    return done


def _make_room(stage: Staging, unique: UniqueKey, referrers: Sequence[Referrer]) -> bool:
    key = [column.target for column in stage.plan.key]
    in_the_way = compose("{} AND NOT ({})", same_unique(stage, unique), equal(key, "s", "o"))
    exists = compose("SELECT EXISTS (SELECT FROM {} s JOIN {} o ON {})", stage.name, stage.target, in_the_way)
    if not stage.session.value(exists):
        return True
    for column, expression in _ways(stage, unique, referrers):
        statement = compose(
            "UPDATE {target} o SET {column} = w.aside FROM "
            "(SELECT held.rel, held.place, {expression} AS aside FROM "
            "(SELECT DISTINCT o.tableoid AS rel, o.ctid AS place FROM {stage} s JOIN {target} o ON {in_the_way}) held"
            ") w WHERE o.ctid = w.place AND o.tableoid = w.rel",
            target=stage.target,
            column=sql.Identifier(column.target),
            expression=expression,
            stage=stage.name,
            in_the_way=in_the_way,
        )
        try:
            with stage.session.savepoint():
                stage.session.run(statement)
        except psycopg2.Error as error:
            if not concerns_one_row(error):
                raise
        else:
            if not stage.session.value(exists):
                return True
    _reject(stage, unique, in_the_way)
    return False


def _reject(stage: Staging, unique: UniqueKey, in_the_way: sql.Composable) -> None:
    words = (
        f"blocked: unique constraint {unique.name} ({', '.join(unique.columns)}) is taken by a row that is to change "
        "as well, and cannot step aside meanwhile; change one of the two in the source first, then the other"
    )
    fault = Fault(RejectStage.LOAD, RejectRule.BLOCKED, stage.source_name(unique.columns[0]), words)
    stage.reject(in_the_way, fault, using=stage.target)


def _ways(
    stage: Staging, unique: UniqueKey, referrers: Sequence[Referrer]
) -> Iterator[tuple[ColumnPlan, sql.Composable]]:
    """Columns of the unique key that can take another value for the moment, and the value."""
    table = stage.plan.target
    fixed = {column.target for column in stage.plan.key}
    fixed |= {column.name for column in table.columns if column.identity_always}
    fixed |= {name for item in referrers if item.parent == table.oid for name in item.parent_columns}
    required = {column.name for column in table.columns if column.not_null}
    children = {name for key in table.foreign_keys for name in key.columns}
    columns = [column for column in stage.plan.columns if column.target in set(unique.columns) - fixed]
    for column in columns:
        if column.target not in required and unique.nulls_distinct:
            yield column, compose("NULL::{}", sql.SQL(column.type.sql))
    for column in columns:
        if column.target not in children:
            for value in _free_values(stage, column):
                yield column, compose("({})::{}", value, sql.SQL(column.type.sql))


def _free_values(stage: Staging, column: ColumnPlan) -> Iterator[sql.Composable]:
    """Expressions whose value no row has; `row_number() OVER ()` tells the rows apart."""
    kind, name = column.type.kind, sql.Identifier(column.target)
    digits = compose("md5({} || row_number() OVER ())", sql.Literal(secrets.token_hex(8)))
    if kind is Kind.TEXT and (column.type.length or _SHORTEST) >= _SHORTEST:
        yield compose("left({}, {})", digits, sql.Literal(min(32, column.type.length or 32)))
    elif kind is Kind.UUID:
        yield compose("{}::uuid", digits)
    elif kind is Kind.BYTEA:
        yield compose("decode({}, 'hex')", digits)
    elif kind in _NUMBERS or kind is Kind.DATE:
        yield compose("(SELECT max({}) FROM {}) + (row_number() OVER ())::int", name, stage.target)
        yield compose("(SELECT min({}) FROM {}) - (row_number() OVER ())::int", name, stage.target)
    elif kind in _DAYS:
        yield compose("(SELECT max({}) FROM {}) + row_number() OVER () * interval '1 s'", name, stage.target)
        yield compose("(SELECT min({}) FROM {}) - row_number() OVER () * interval '1 s'", name, stage.target)
