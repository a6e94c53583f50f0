"""Accepted frames → rows in PostgreSQL, by the fast way where nothing stands against it, by the careful one otherwise.

Fast: the table is empty and ours, so its foreign keys and secondary indexes are dropped, the batches are copied into
it directly, and both are made again. The server raises if any row does not fit; then all of it is rolled back and the
careful way (`etl.loading.staging`) finds out which.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence

import psycopg2
from psycopg2 import sql

from etl.conversion.families import FAMILIES
from etl.core.plan import TablePlan
from etl.core.tables import ForeignKey, TargetTable
from etl.loading.copy import copy_encoded, encode
from etl.loading.insert import insert, set_refused_aside
from etl.loading.orphans import Fatherless, no_orphans, null_orphans
from etl.loading.parents_first import insert_circle, insert_ready
from etl.loading.row_checks import RewritingClassifier, check_alone, check_blocked, check_parents, check_types
from etl.loading.rows import Accepted, Batches, Loaded, NotFastError, Retracted
from etl.loading.staging import Present, Staged, Staging
from etl.target.constraints import deferred, identifier, without_constraints
from etl.target.session import Session


def can_be_fast(session: Session, table: TargetTable) -> bool:
    """Whether `table` is empty, ours to alter, and plain enough that COPY into it means the same as INSERT."""
    plain = table.owned and table.ordinary and not table.row_security and not table.has_triggers
    types = [column.type for column in table.columns]
    plain = plain and not any(type_.needs_server or FAMILIES[type_.kind].canonical for type_ in types)
    return plain and not session.value(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(identifier(table)))


def load_fast(
    session: Session, plan: TablePlan, batches: Generator[Accepted], await_validation: Callable[[], None]
) -> Loaded:
    """Copies all batches into the empty table; raises `NotFastError` with nothing done if the server refuses a row, or
    if `await_validation` does, which is asked last."""
    loaded = 0
    types = {column.target: column.type for column in plan.columns}
    try:
        with session.savepoint():
            with without_constraints(session, plan.target), contextlib.closing(batches):
                for batch in batches:
                    data = batch.encoded or encode(batch.frame, types)
                    loaded += copy_encoded(session, identifier(plan.target), data)
                    del batch, data  # the next may be large
            await_validation()
    except psycopg2.Error as error:
        raise NotFastError from error
    return Loaded(plan.name, loaded, Present(), lambda: iter(()))


def load_fast_from(session: Session, plan: TablePlan, filled: sql.Identifier) -> Loaded:
    """Inserts all rows of `filled`; raises `NotFastError` with nothing done if the server refuses one."""
    columns = sql.SQL(", ").join(sql.Identifier(column.target) for column in plan.columns)
    statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
        identifier(plan.target), columns, columns, filled
    )
    try:
        with session.savepoint(), without_constraints(session, plan.target):
            loaded = session.run(statement)
    except psycopg2.Error as error:
        raise NotFastError from error
    return Loaded(plan.name, loaded, Present(), lambda: iter(()))


def load_staged(
    session: Session,
    group: Sequence[TablePlan],
    batches: Batches,
    classify: RewritingClassifier,
    fatherless: Fatherless = no_orphans,
) -> list[Loaded]:
    """Loads one table, or several that refer to each other in a circle, row by row where need be.

    `fatherless` says which references without a parent may become NULL, where the plan allows that.
    """
    stages = [_stage(session, plan, batches, narrow=False) for plan in group]
    return load_stages(session, stages, classify, fatherless)


def load_stages(
    session: Session, stages: Sequence[Staging], classify: RewritingClassifier, fatherless: Fatherless = no_orphans
) -> list[Loaded]:
    """Loads one table, or a circle of them, from where the rows are staged."""
    staged = {(stage.plan.target.schema, stage.plan.target.name): stage for stage in stages}
    check_together(staged, classify=classify, fatherless=fatherless)
    rows = insert_group(session, staged)
    loaded = [_outcome(stage, count) for stage, count in zip(staged.values(), rows, strict=True)]
    for stage in staged.values():
        stage.drop()
    return loaded


def _outcome(stage: Staging, rows: int) -> Loaded:
    return Loaded(
        stage.plan.name, rows, stage.present, stage.read_refused, tuple(stage.rewritten), tuple(stage.orphans)
    )


def insert_group(session: Session, staged: Staged) -> list[int]:
    """Inserts the checked rows of a group; returns how many of each table.

    All at once, with the foreign keys within the group deferred; where that cannot be, parents before children.
    """
    tables = {name: stage.plan.target for name, stage in staged.items()}
    inner = {
        name: [key for key in table.foreign_keys if (key.parent_schema, key.parent) in staged]
        for name, table in tables.items()
    }
    if all(key.deferrable or tables[name].owned for name, keys in inner.items() for key in keys):
        try:
            with session.savepoint(), contextlib.ExitStack() as circle:
                for name, keys in inner.items():
                    if keys:
                        circle.enter_context(deferred(session, tables[name], keys))
                return _insert_together(session, staged)
        except (psycopg2.errors.ForeignKeyViolation, psycopg2.errors.WrongObjectType):
            pass  # a trigger gave a row another parent, or a deferrable key has a namesake that is not
    return _insert_in_waves(staged, inner)


def _insert_in_waves(staged: Staged, inner: Mapping[tuple[str, str], Sequence[ForeignKey]]) -> list[int]:
    rows = dict.fromkeys(staged, 0)
    ready = True
    while ready:
        ready = False
        for name, stage in staged.items():
            loaded, some_ready = insert_ready(stage, inner[name])
            rows[name] += loaded
            ready |= some_ready
        _check_all_parents(staged, staged)
    for name, stage in staged.items():
        rows[name] += insert_circle(stage, inner[name])
    return list(rows.values())


def _insert_together(session: Session, staged: Staged) -> list[int]:
    """Inserts a group's rows; those that the server refuses take their children within the group with them."""
    while True:
        try:
            with session.savepoint():
                rows = [insert(stage) for stage in staged.values()]
                if any(stage.refused for stage in staged.values()) and _check_all_parents(staged, staged):
                    raise _OrphanedError
                return rows
        except _OrphanedError:
            for stage in staged.values():
                set_refused_aside(stage)
            _check_all_parents(staged, staged)


class _OrphanedError(Exception):
    """Rows were inserted whose parents, of the same group, were then refused."""


def forecast(
    session: Session,
    group: Sequence[TablePlan],
    batches: Batches,
    staged_before: Staged,
    classify: RewritingClassifier,
    fatherless: Fatherless = no_orphans,
) -> list[Loaded]:
    """What `load_staged` would do, without writing into the target; `staged_before` grows by the group's tables."""
    staged = {}
    for plan in group:
        empty = not session.value(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(identifier(plan.target)))
        staged[plan.target.schema, plan.target.name] = _stage(
            session, plan, batches, narrow=empty and session.keeps_unicode
        )
    check_together(staged, staged_before, classify=classify, fatherless=fatherless)
    staged_before |= staged
    return [_outcome(stage, stage.count()) for stage in staged.values()]


def check_together(
    staged: Staged, before: Staged | None = None, *, classify: RewritingClassifier, fatherless: Fatherless = no_orphans
) -> None:
    """Checks a group to the end: a rejected row takes its children with it, within the group as well."""
    known = (before or {}) | staged
    for stage in staged.values():
        check_types(stage, classify)
    for stage in staged.values():
        null_orphans(stage, known, fatherless)
    for stage in staged.values():
        check_alone(stage)
    _check_all_parents(staged, known)
    for stage in staged.values():
        check_blocked(stage)
    _check_all_parents(staged, known)


def _check_all_parents(staged: Staged, known: Staged) -> int:
    """Until no row is without its parent any more; returns how many were found."""
    found = 0
    while more := sum(check_parents(stage, known) for stage in staged.values()):
        found += more
    return found


def _stage(session: Session, plan: TablePlan, batches: Batches, *, narrow: bool) -> Staging:
    stage = Staging(session, plan, narrow=narrow)
    with contextlib.closing(batches(plan)) as ready:
        for batch in ready:
            if isinstance(batch, Retracted):
                stage.retract(batch.rows)
            else:
                stage.add(batch.frame, batch.rowids, batch.altered_keys)
            del batch  # the next may be large
    return stage
