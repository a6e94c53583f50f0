"""Rows that the target alone has: which of them can go without taking others with them, and their deletion.

A row stays if another refers to it that stays itself: one that the source has, or one of a table outside of the plan.
So neither ON DELETE CASCADE nor SET NULL ever changes what the source still has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql

from etl.core.plan import TablePlan
from etl.loading.staging import ROW, Staging, compose, equal
from etl.target.constraints import identifier
from etl.target.referrers import Referrer
from etl.target.session import Session, concerns_one_row, first_line


@dataclass(frozen=True)
class Surplus:
    """The rows of one table that are to be deleted: `places` is a temporary table as `FoundRows.find_extra` makes it.

    Rows that stay go to the temporary table `kept`, with the reason.
    """

    session: Session
    plan: TablePlan
    places: sql.Identifier

    @property
    def kept(self) -> sql.Identifier:
        """The rows that stay."""
        return sql.Identifier(f"etl_kept_{self.plan.target.oid}")

    @property
    def keys(self) -> list[sql.Identifier]:
        """The columns of `places` with the values of the plan's key."""
        return [sql.Identifier(f"key{place}") for place in range(len(self.plan.key))]

    def begin(self) -> None:
        """Makes the table of rows that stay."""
        self._run(
            "CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT *, ''::text AS reason FROM {} WITH NO DATA",
            self.kept,
            self.places,
        )

    def count(self) -> int:
        """Rows that are to go."""
        return int(self.session.value(compose("SELECT count(*) FROM {}", self.places)))

    def is_row(self, alias: str) -> sql.Composable:
        """Whether the row `alias` of the target is among them; as long as nothing was written."""
        return compose(
            "EXISTS (SELECT FROM {} e WHERE e.place = {} AND e.rel = {})",
            self.places,
            sql.Identifier(alias, "ctid"),
            sql.Identifier(alias, "tableoid"),
        )

    def keep(self, condition: sql.Composable, reason: str) -> int:
        """Lets rows `e` stay; returns how many."""
        return self._run(
            "WITH stay AS (DELETE FROM {} e WHERE {} RETURNING e.*) INSERT INTO {} SELECT *, {} FROM stay",
            self.places,
            condition,
            self.kept,
            sql.Literal(reason),
        )

    def keep_where(self, condition: sql.Composable, reason: str) -> int:
        """The same, by a condition on the target's row `o`; as long as nothing was written."""
        return self.keep(
            compose(
                "EXISTS (SELECT FROM {} o WHERE o.ctid = e.place AND o.tableoid = e.rel AND {})", self.target, condition
            ),
            reason,
        )

    def stays(self, alias: str = "e") -> sql.Composable:
        """Joins `places` with the target's row `o` where it stands now."""
        if self.plan.key:
            return self._by_key("o", alias)
        return compose("o.ctid = {0}.place AND o.tableoid = {0}.rel", sql.Identifier(alias))

    def _by_key(self, row: str, alias: str) -> sql.Composable:
        return sql.SQL(" AND ").join(
            compose("{} = {}.{}", sql.Identifier(row, column.target), sql.Identifier(alias), key)
            for column, key in zip(self.plan.key, self.keys, strict=True)
        )

    def deletion(self, condition: sql.Composable) -> sql.Composable:
        """The statement that deletes the rows `e` of that condition."""
        return compose("DELETE FROM {} o USING {} e WHERE {} AND {}", self.target, self.places, self.stays(), condition)

    def keep_what_is_left(self) -> int:
        """After the deletion: rows that are still there, as a trigger or rule wants it, stay. Returns how many went."""
        before = self.count()
        left = compose("EXISTS (SELECT FROM {} o WHERE {})", self.target, self.stays())
        return before - self.keep(left, "a trigger, rule or policy of the target has kept it")

    @property
    def target(self) -> sql.Identifier:
        """The table."""
        return identifier(self.plan.target)

    def _run(self, statement: str, *parts: sql.Composable) -> int:
        return self.session.run(compose(statement, *parts))


def keep_referred(
    surplus: Surplus,
    referrers: Sequence[Referrer],
    others: Mapping[int, Surplus],
    stages: Mapping[int, Staging],
    updates: Mapping[int, sql.Identifier],
) -> int:
    """Lets the rows of one table stay to which a row refers that stays; returns how many.

    `others`, `stages` and `updates` are those of all tables of the plan, by oid.
    """
    return sum(
        _keep_referred_by(surplus, referrer, others.get(referrer.oid), stages.get(referrer.oid), updates)
        for referrer in referrers
        if referrer.parent == surplus.plan.target.oid
    )


def _keep_referred_by(
    surplus: Surplus,
    referrer: Referrer,
    other: Surplus | None,
    stage: Staging | None,
    updates: Mapping[int, sql.Identifier],
) -> int:
    child = sql.Identifier(referrer.schema, referrer.table)
    refers = equal(referrer.columns, "c", "o", referrer.parent_columns)
    in_target = [refers]
    patient = bool(surplus.plan.key)  # rows of a table without a key go first, when their children are still there
    if other is not None and (patient or other is surplus):
        in_target.append(compose("NOT {}", other.is_row("c")))
    staged = stage is not None and set(referrer.columns) <= stage.names
    if stage is not None and staged and patient and stage.plan.key:
        in_target.append(compose("NOT {}", is_updated(stage, updates[referrer.oid], "c")))
    reason = f"{referrer.schema}.{referrer.table} refers to it ({referrer.name})"
    refer = "EXISTS (SELECT FROM {} c WHERE {})"
    kept = surplus.keep_where(compose(refer, child, sql.SQL(" AND ").join(in_target)), reason)
    if stage is not None and staged:  # by itself: two conditions with OR between them would be looked at row by row
        kept += surplus.keep_where(compose(refer, stage.name, refers), reason)
    return kept


def is_updated(stage: Staging, updates: sql.Identifier, alias: str) -> sql.Composable:
    """Whether the target's row `alias` is given other values by a staged row."""
    return compose(
        "EXISTS (SELECT FROM {} m JOIN {} u ON u.row = m.{} WHERE {})",
        stage.name,
        updates,
        sql.Identifier(ROW),
        equal([column.target for column in stage.plan.key], "m", alias),
    )


def delete(group: Sequence[Surplus]) -> list[int]:
    """Deletes the rows of tables that may refer to each other in a circle; returns how many of each went.

    One statement for all: foreign keys are checked at its end, so that no order is needed. What the server refuses
    stays, isolated by halving.
    """
    filled = [surplus for surplus in group if surplus.count()]
    if filled:
        session = filled[0].session
        everything = sql.SQL("true")
        parts = [
            compose("{} AS ({})", sql.Identifier(f"gone{place}"), surplus.deletion(everything))
            for place, surplus in enumerate(filled)
        ]
        try:
            with session.savepoint():
                session.rows(compose("WITH {} SELECT 1", sql.SQL(", ").join(parts)))
        except psycopg2.Error as error:
            if not concerns_one_row(error):
                raise
            for surplus in filled:
                _delete_halving(surplus)
    return [surplus.keep_what_is_left() if surplus in filled else 0 for surplus in group]


def _delete_halving(surplus: Surplus) -> None:
    numbers = [n for (n,) in surplus.session.rows(compose("SELECT n FROM {} ORDER BY 1", surplus.places))]
    waiting = [numbers] if numbers else []
    while waiting:
        part = waiting.pop()
        between = compose("e.n BETWEEN {} AND {}", sql.Literal(part[0]), sql.Literal(part[-1]))
        try:
            with surplus.session.savepoint():
                surplus.session.run(surplus.deletion(between))
        except psycopg2.Error as error:
            if not concerns_one_row(error):
                raise
            if len(part) == 1:
                surplus.keep(between, f"PostgreSQL refuses to delete it: {first_line(error)}")
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
