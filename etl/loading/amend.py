"""The changes of a sync, checked set by set and written: new rows, other values, rows that go.

Everything is staged before anything is written, so that a row may wait for what another one gives up. What the server
refuses all the same is found by trying: then all is taken back, the row set aside, the rest checked and written anew.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from etl.core.rejects import Fault, RejectRule, RejectStage
from etl.loading.insert import update
from etl.loading.load import insert_group
from etl.loading.row_checks import (
    RewritingClassifier,
    check_alone,
    check_parents,
    check_types,
    check_unique_in_stage,
    other_uniques,
    reject_blocked,
    same_unique,
)
from etl.loading.staging import ROW, Present, Staging, compose, equal
from etl.loading.step_aside import step_aside
from etl.loading.surplus import Surplus, delete, keep_referred
from etl.target.referrers import Referrer
from etl.target.session import Row, Session

_REFUSED = "SELECT * FROM {} ORDER BY 1, 2"


@dataclass(frozen=True)
class Amended:
    """Rows of one table that were written."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self.inserted or self.updated or self.deleted)


@dataclass(frozen=True)
class Amendment:
    """What is to become of one table: staged rows, of which those in the temporary table `updates` (column `row`, their
    numbers) give rows of the target other values and the rest are new; and rows that are to go, where any may."""

    stage: Staging
    updates: sql.Identifier
    surplus: Surplus | None

    @property
    def oid(self) -> int:
        """The table's."""
        return self.stage.plan.target.oid

    @property
    def written(self) -> sql.Identifier:
        """The temporary table of what was staged when it was written: `row`, and the key's columns `key0`, `key1` …"""
        return sql.Identifier(f"etl_written_{self.oid}")

    def is_update(self, alias: str = "s") -> sql.Composable:
        """Whether a staged row gives a row of the target other values."""
        return compose("EXISTS (SELECT FROM {} u WHERE u.row = {})", self.updates, sql.Identifier(alias, ROW))

    def count(self) -> Amended:
        """What would be written as things stand."""
        updated = int(
            self.stage.session.value(compose("SELECT count(*) FROM {} s WHERE {}", self.stage.name, self.is_update()))
        )
        return Amended(self.stage.count() - updated, updated, self.surplus.count() if self.surplus else 0)


Groups = Sequence[Sequence[Amendment]]


def check_amendments(groups: Groups, referrers: Sequence[Referrer], classify: RewritingClassifier) -> None:
    """Rejects what cannot be written, and lets rows stay that cannot go, until nothing is left to be said."""
    for amendment in _all(groups):
        check_types(amendment.stage, classify)
        check_alone(amendment.stage, _refuse_taken_keys(amendment))
    _check_together(groups, referrers)


def _all(groups: Groups) -> list[Amendment]:
    return [amendment for group in groups for amendment in group]


def _refuse_taken_keys(amendment: Amendment) -> Callable[[Staging], Present]:
    """New rows whose key the target has all the same: the source has it twice, or the target's own collation takes
    another spelling for it. The row of the target then stays."""

    def refuse(stage: Staging) -> Present:
        if stage.plan.key:
            names = [column.target for column in stage.plan.key]
            words = f"primary key ({', '.join(names)}) is taken by a row of the target that"
            taken = compose("NOT {} AND {}", amendment.is_update(), equal(names, "s", "o"))
            if amendment.surplus is not None:
                amendment.surplus.keep_where(compose("EXISTS (SELECT FROM {} s WHERE {})", stage.name, taken), _SPELLED)
            stage.reject(
                taken,
                Fault(
                    RejectStage.LOAD,
                    RejectRule.DUPLICATE_IN_SOURCE,
                    stage.source_name(names[0]),
                    f"{words} another row of the source has, or that is spelled otherwise",
                ),
                using=stage.target,
            )
        return Present()

    return refuse


_SPELLED = "the target takes its key for that of a row of the source that is spelled otherwise: UPDATE the key there"


def _check_together(groups: Groups, referrers: Sequence[Referrer]) -> None:
    amendments = _all(groups)
    staged = {(a.stage.plan.target.schema, a.stage.plan.target.name): a.stage for a in amendments}
    surplus = {a.oid: a.surplus for a in amendments if a.surplus is not None}
    stages = {a.oid: a.stage for a in amendments}
    updates = {a.oid: a.updates for a in amendments}
    found = 1
    while found:
        found = sum(keep_referred(rows, referrers, surplus, stages, updates) for rows in surplus.values())
        found += sum(_check_unique(amendment) for amendment in amendments)
        found += sum(check_parents(amendment.stage, staged) for amendment in amendments)


def _check_unique(amendment: Amendment) -> int:
    """Rows whose unique values are taken by a row that is not about to give them up, or by another staged row."""
    stage = amendment.stage
    before = stage.count()
    if not before:
        return 0
    for unique in other_uniques(stage):
        condition = [same_unique(stage, unique)]
        if stage.plan.key:
            own = equal([column.target for column in stage.plan.key], "s", "o")
            gives_up = sql.SQL(" OR ").join(
                compose("m.{0} IS DISTINCT FROM o.{0}", sql.Identifier(name))
                for name in unique.columns
                if name in stage.names
            )
            condition.append(compose("NOT ({})", own))
            condition.append(compose("NOT {}", _is_given_up(amendment, gives_up)))
        if amendment.surplus is not None:
            condition.append(compose("NOT {}", amendment.surplus.is_row("o")))
        reject_blocked(stage, unique, sql.SQL(" AND ").join(condition))
        check_unique_in_stage(stage, unique)
    return before - stage.count()


def _is_given_up(amendment: Amendment, condition: sql.Composable) -> sql.Composable:
    stage = amendment.stage
    return compose(
        "EXISTS (SELECT FROM {} m JOIN {} u ON u.row = m.{} WHERE {} AND ({}))",
        stage.name,
        amendment.updates,
        sql.Identifier(ROW),
        equal([column.target for column in stage.plan.key], "m", "o"),
        condition,
    )


class _RefusedError(Exception):
    """The server refused rows that had passed every check."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.rows = rows


def amend(
    session: Session, groups: Groups, referrers: Sequence[Referrer], keep_old: Callable[[], None]
) -> dict[int, Amended]:
    """Writes what was checked; returns the rows of each table, by its oid.

    `keep_old` is called before anything is written, each time that it begins: it keeps what is to be overwritten.
    """
    refused_rows = next(amendment.stage.refused_rows for amendment in _all(groups))
    while True:
        keep_old()
        before = set(session.rows(compose(_REFUSED, refused_rows)))
        try:
            with session.savepoint():
                written = _write(session, groups, referrers)
                refused = [row for row in session.rows(compose(_REFUSED, refused_rows)) if row not in before]
                if refused:
                    raise _RefusedError(refused)
        except _RefusedError as error:
            _set_aside(groups, error.rows)
            _check_together(groups, referrers)
        else:
            return written


def _set_aside(groups: Groups, rows: Sequence[Row]) -> None:
    """Refuses rows again after the writing was taken back."""
    stages = {amendment.oid: amendment.stage for amendment in _all(groups)}
    for oid, number, rowid, *rest in rows:
        stage = stages[oid]
        stage.run("DELETE FROM {} WHERE {} = {}", stage.name, sql.Identifier(ROW), sql.Literal(number))
        values = sql.SQL(", ").join(map(sql.Literal, (oid, number, rowid, *rest)))
        stage.run("INSERT INTO {} VALUES ({})", stage.refused_rows, values)


def _write(session: Session, groups: Groups, referrers: Sequence[Referrer]) -> dict[int, Amended]:
    """Rows step aside, then new and changed ones parents first, then those that go children first."""
    changed = {amendment.oid: _split(amendment) for amendment in _all(groups)}
    gone: dict[int, int] = {}
    for amendment in _all(groups):  # nobody identifies rows of a table without a key once they were touched
        if amendment.surplus is not None and not amendment.stage.plan.key:
            (gone[amendment.oid],) = delete([amendment.surplus])
    ready = [step_aside(a.stage, changed[a.oid], referrers) for a in _all(groups)]
    if not all(ready):
        return {}  # what was rejected for it is set aside, and all begins anew
    inserted: dict[int, int] = {}
    updated: dict[int, int] = {}
    for group in groups:
        staged = {(a.stage.plan.target.schema, a.stage.plan.target.name): a.stage for a in group}
        filled = any(stage.count() for stage in staged.values())
        rows = insert_group(session, staged) if filled else [0] * len(group)
        inserted |= dict(zip((a.oid for a in group), rows, strict=True))
        updated |= {a.oid: update(changed[a.oid]) for a in group}
    for group in reversed(groups):
        going = [a.surplus for a in group if a.surplus is not None and a.stage.plan.key]
        gone |= dict(zip((rows.plan.target.oid for rows in going), delete(going), strict=True))
    return {oid: Amended(rows, updated[oid], gone.get(oid, 0)) for oid, rows in inserted.items()}


def _split(amendment: Amendment) -> Staging:
    """Moves the staged rows that are updates into a table of their own, and notes the keys of all."""
    stage = amendment.stage
    keys = [
        compose("{} AS {}", sql.Identifier(column.target), sql.Identifier(f"key{place}"))
        for place, column in enumerate(stage.plan.key)
    ]
    stage.run(
        "CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {}",
        amendment.written,
        sql.SQL(", ").join([compose("{} AS row", sql.Identifier(ROW)), *keys]),
        stage.name,
    )
    changed = copy.copy(stage)
    bare = f"etl_changed_{amendment.oid}"
    changed.name = sql.Identifier("pg_temp", bare)
    stage.run("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP", sql.Identifier(bare), stage.name)
    stage.run(
        "WITH moved AS (DELETE FROM {} s WHERE {} RETURNING s.*) INSERT INTO {} SELECT * FROM moved",
        stage.name,
        amendment.is_update(),
        changed.name,
    )
    return changed
