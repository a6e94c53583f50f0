"""The careful way into a table: all its rows in a temporary table first, judged there set by set, then inserted.

A `Staging` always holds the rows that may still be loaded; a row that is judged moves to its fates table with stage,
column, rule and detail. The same judgement serves the load and the forecast of a dry run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import psycopg2
from psycopg2 import sql

from etl.catalog import Check, ColumnPlan, ForeignKey, Kind, TargetType, UniqueKey, named_type
from etl.copying import copy_frame
from etl.errors import TargetError
from etl.plan import TablePlan
from etl.rebuild import identifier
from etl.session import Session, concerns_one_row, first_line

ROW = "etl_row__"
ROWID = "etl_rowid__"
FATES_PAGE = 5_000


@dataclass(frozen=True)
class Fate:
    """Why a row was not loaded. `rule` is the same for all rows with the same fault; `detail` speaks of this one."""

    row_number: int
    rowid: int | None
    stage: str
    column: str | None
    rule: str
    detail: str


@dataclass(frozen=True)
class Present:
    """Rows that the target had before: how many, and how many of them with other content under the same key."""

    rows: int = 0
    different_rows: int = 0


class Staging:
    """The rows of one table on their way. Column names inside are the target's.

    `narrow` stages only the columns that the server has to judge (keys, checks, types that only it understands).
    """

    def __init__(self, session: Session, plan: TablePlan, *, narrow: bool = False) -> None:
        self.session = session
        self.plan = plan
        self.columns = _judged_columns(plan) if narrow else plan.columns
        self.present = Present()
        self.refused: list[Fate] = []  # by the server, in the latest insert
        self.name = sql.Identifier("pg_temp", f"etl_stage_{plan.target.oid}")
        self.fates = sql.Identifier("pg_temp", f"etl_fates_{plan.target.oid}")
        self.target = identifier(plan.target)
        self._create()

    @property
    def _types(self) -> dict[str, TargetType]:
        """The staged columns; what only PostgreSQL's own input can judge is a text at first."""
        number, text = named_type("bigint"), named_type("text")
        types = {column.target: text if column.type.kind is Kind.OTHER else column.type for column in self.columns}
        return {ROW: number, ROWID: number, **types}

    def _create(self) -> None:
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_.sql)) for name, type_ in self._types.items()
        ]
        self._run("CREATE TEMP TABLE {} ({}) ON COMMIT DROP", self._bare_stage, sql.SQL(", ").join(columns))
        self._run(
            "CREATE TEMP TABLE {} ({} bigint, {} bigint, stage text, faulty text, rule text, detail text) "
            "ON COMMIT DROP",
            sql.Identifier(f"etl_fates_{self.plan.target.oid}"),
            sql.Identifier(ROW),
            sql.Identifier(ROWID),
        )

    @property
    def _bare_stage(self) -> sql.Identifier:
        return sql.Identifier(f"etl_stage_{self.plan.target.oid}")

    def add(self, frame: pd.DataFrame, rowids: np.ndarray | None) -> None:
        """Takes converted rows; the frame's index is the row number."""
        names = [column.target for column in self.columns]
        staged = frame[names].copy(deep=False)
        staged.insert(0, ROW, frame.index)
        staged.insert(1, ROWID, pd.Series(rowids, index=frame.index, dtype="Int64"))
        copy_frame(self.session, self.name, staged, self._types)

    def drop(self) -> None:
        """Forgets the rows; the fates are kept apart in theirs."""
        self._run("DROP TABLE {}", self.name)

    def drop_fates(self) -> None:
        """Forgets the fates, once they are written down."""
        self._run("DROP TABLE {}", self.fates)

    def count(self) -> int:
        """Rows that may still be loaded."""
        return int(self.session.value(self._sql("SELECT count(*) FROM {}", self.name)))

    def read_fates(self) -> Iterator[list[Fate]]:
        """The judged rows in row order, page by page."""
        last = 0
        while True:
            query = self._sql(
                "SELECT {}, {}, stage, faulty, rule, detail FROM {} WHERE {} > {} ORDER BY 1 LIMIT {}",
                sql.Identifier(ROW),
                sql.Identifier(ROWID),
                self.fates,
                sql.Identifier(ROW),
                sql.Literal(last),
                sql.Literal(FATES_PAGE),
            )
            page = [Fate(*row) for row in self.session.rows(query)]
            if not page:
                return
            yield page
            last = page[-1].row_number

    # -- judging ------------------------------------------------------------------------------------------------

    def judge_alone(self) -> None:
        """All that can be said without looking at other tables: types, duplicate keys, rows present, checks."""
        for column in self.columns:
            if column.type.kind is Kind.OTHER:
                self._judge_type(column)
        self._run("ANALYZE {}", self.name)
        if self.plan.key:
            self._judge_duplicates("primary key", [column.target for column in self.plan.key], self._key_name())
        self.present = self._set_present_aside()
        for check in self.plan.target.checks:
            self._judge_check(check)

    def _judge_type(self, column: ColumnPlan) -> None:
        """Values that PostgreSQL's own input refuses; then the column takes its true type."""
        name, type_ = sql.Identifier(column.target), sql.SQL(column.type.sql)
        self.session.run(_READ_FUNCTION.format(type=type_))
        if not self._readable(name):
            self.session.run(_INPUT_ERROR_FUNCTION)
            error = self._sql("pg_temp.etl_input_error({})", name)
            rule = f"not accepted as {column.type.sql}"
            self._reject(self._sql("{} IS NOT NULL", error), "convert", column.source, rule, error)
        self._run("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING pg_temp.etl_read({})", self.name, name, type_, name)
        self.session.run(sql.SQL("DROP FUNCTION pg_temp.etl_read"))

    def _readable(self, name: sql.Identifier) -> bool:
        try:
            with self.session.savepoint():
                self._run("SELECT count(pg_temp.etl_read({})) FROM {}", name, self.name)
        except psycopg2.Error as error:
            if concerns_one_row(error):
                return False
            raise
        return True

    def _judge_duplicates(self, what: str, names: Sequence[str], constraint: str) -> None:
        """Of rows that share a key within the source the first stays."""
        keys = sql.SQL(", ").join(map(sql.Identifier, names))
        present = self._all_present(names)
        exists = self._sql(
            "SELECT EXISTS (SELECT FROM {} WHERE {} GROUP BY {} HAVING count(*) > 1)", self.name, present, keys
        )
        if not self.session.value(exists):
            return
        row = sql.Identifier(ROW)
        first = self._sql(
            "(SELECT {row}, min({row}) OVER (PARTITION BY {keys}) AS first_row FROM {stage} WHERE {present})",
            row=row,
            keys=keys,
            stage=self.name,
            present=present,
        )
        self._reject(
            self._sql("s.{row} = o.{row} AND o.first_row <> o.{row}", row=row),
            "load",
            self._source_name(names[0]),
            f"{what} {constraint} is taken by another row of the source",
            self._sql("{} || o.first_row", sql.Literal(f"{what} {constraint} is taken by row number ")),
            using=first,
        )

    def _set_present_aside(self) -> Present:
        if not self.session.value(self._sql("SELECT EXISTS (SELECT FROM {})", self.target)):
            return Present()
        if not self.plan.key:
            return self._set_present_copies_aside()
        same_key = self._equal([column.target for column in self.plan.key], "s", "t")
        differs = sql.SQL(" OR ").join([_differs(column) for column in self.columns])
        found, different = self.session.rows(
            self._sql(
                "SELECT count(*), count(*) FILTER (WHERE {}) FROM {} s JOIN {} t ON {}",
                differs,
                self.name,
                self.target,
                same_key,
            )
        )[0]
        if found == self.count():
            self._run("TRUNCATE {}", self.name)
        elif found:
            self._run("DELETE FROM {} s USING {} t WHERE {}", self.name, self.target, same_key)
        return Present(found, different)

    def _set_present_copies_aside(self) -> Present:
        """A table without a key: as many equal rows as the target has are present, the rest is to be loaded."""
        content = sql.SQL("ROW({})::text").format(
            sql.SQL(", ").join(sql.Identifier(column.target) for column in self.columns)
        )
        row = sql.Identifier(ROW)
        deleted = self._run(
            "DELETE FROM {0} s USING "
            "(SELECT {1}, {2} AS content, row_number() OVER (PARTITION BY {2} ORDER BY {1}) AS n FROM {0}) mine "
            "JOIN (SELECT {2} AS content, count(*) AS n FROM {3} GROUP BY 1) theirs USING (content) "
            "WHERE s.{1} = mine.{1} AND mine.n <= theirs.n",
            self.name,
            row,
            content,
            self.target,
        )
        return Present(deleted, 0)

    def _judge_check(self, check: Check) -> None:
        names = {column.target for column in self.columns}
        if not set(check.columns) <= names:
            return
        rule = f"violates CHECK constraint {check.name}: {check.definition}"
        try:
            with self.session.savepoint():
                self._reject(
                    self._sql("NOT ({})", sql.SQL(check.expression)),
                    "load",
                    self._source_name(check.columns[0]) if check.columns else None,
                    rule,
                    sql.Literal(rule),
                )
        except psycopg2.Error as error:
            if not concerns_one_row(error):
                raise  # else: the expression fails for some row; inserting will find out for which

    def judge_parents(self, staged: dict[tuple[str, str], "Staging"]) -> int:
        """Rows whose parent neither is in the target nor may still come; returns how many were found."""
        return sum(self._judge_foreign_key(key, staged) for key in self.plan.target.foreign_keys)

    def _judge_foreign_key(self, key: ForeignKey, staged: dict[tuple[str, str], "Staging"]) -> int:
        if not set(key.columns) <= {column.target for column in self.columns}:
            return 0
        parents: list[sql.Composable] = [sql.Identifier(key.parent_schema, key.parent)]
        if (key.parent_schema, key.parent) in staged:
            parents.append(staged[key.parent_schema, key.parent].name)
        orphan = sql.SQL(" AND ").join(
            self._sql(
                "NOT EXISTS (SELECT FROM {} p WHERE {})", parent, self._equal(key.columns, "s", "p", key.parent_columns)
            )
            for parent in parents
        )
        condition = self._sql("{} AND {}", self._all_present(key.columns), orphan)
        if key.match_full:
            some = sql.SQL(", ").join(map(sql.Identifier, key.columns))
            condition = self._sql(
                "({}) OR num_nulls({}) BETWEEN 1 AND {}", condition, some, sql.Literal(len(key.columns) - 1)
            )
        rule = orphan_rule(key)
        return self._reject(condition, "load", self._source_name(key.columns[0]), rule, sql.Literal(rule))

    def judge_blocked(self) -> None:
        """Rows whose other unique values are taken, by a row of the target or by an earlier one of the source."""
        names = {column.target for column in self.columns}
        for unique in self.plan.target.keys:
            if set(unique.columns) <= names and unique.columns != tuple(c.target for c in self.plan.key):
                self._judge_unique(unique)

    def _judge_unique(self, unique: UniqueKey) -> None:
        what = f"unique constraint {unique.name} ({', '.join(unique.columns)})"
        if unique.nulls_distinct:
            same = self._equal(unique.columns, "s", "o")
        else:
            same = sql.SQL(" AND ").join(
                sql.SQL("s.{0} IS NOT DISTINCT FROM o.{0}").format(sql.Identifier(name)) for name in unique.columns
            )
        self._reject(
            same,
            "load",
            self._source_name(unique.columns[0]),
            f"blocked: {what} is taken by another row of the target",
            self._sql(
                "{} || {}", sql.Literal(f"blocked: {what} is taken by the target's row with "), self._key_text("o")
            ),
            using=self.target,
        )
        self._judge_duplicates("unique constraint", unique.columns, f"{unique.name} ({', '.join(unique.columns)})")

    # -- inserting ----------------------------------------------------------------------------------------------

    def insert(self) -> int:
        """Inserts what is left, isolating what the server still refuses; returns the rows that it took."""
        self.refused = []
        waiting = self.count()
        if not waiting:
            return 0
        try:
            loaded = self._insert_part(sql.SQL("true"), waiting)
        except (psycopg2.Error, _LeftOutError) as error:
            self._raise_unless_row(error)
            loaded = self._insert_bisecting()
        if loaded < self.count():
            self._judge_skipped()
        return loaded

    def set_refused_aside(self) -> None:
        """Judges the refused rows again after their insert was rolled back, so that the next one leaves them out."""
        for fate in self.refused:
            self._reject(
                self._sql("{} = {}", sql.Identifier(ROW), sql.Literal(fate.row_number)),
                fate.stage,
                fate.column,
                fate.rule,
                sql.Literal(fate.detail),
            )

    def _insert_part(self, condition: sql.Composable, rows: int) -> int:
        """All or none where the table has no key: which rows were left out could not be told afterwards."""
        with self.session.savepoint():
            loaded = self._insert_where(condition)
            if loaded < rows and not self.plan.key:
                raise _LeftOutError
        return loaded

    def _insert_where(self, condition: sql.Composable, *, ignoring: bool = True) -> int:
        columns = sql.SQL(", ").join(sql.Identifier(column.target) for column in self.columns)
        overriding = "OVERRIDING SYSTEM VALUE" if any(c.identity_always for c in self.plan.target.columns) else ""
        return self._run(
            "INSERT INTO {} ({}) {} SELECT {} FROM {} WHERE {} {}",
            self.target,
            columns,
            sql.SQL(overriding),
            columns,
            self.name,
            condition,
            sql.SQL("ON CONFLICT DO NOTHING" if ignoring else ""),
        )

    def _insert_bisecting(self) -> int:
        row = sql.Identifier(ROW)
        self._run("CREATE INDEX ON {} ({})", self.name, row)
        numbers = [number for (number,) in self.session.rows(self._sql("SELECT {} FROM {} ORDER BY 1", row, self.name))]
        waiting = [numbers]
        loaded = 0
        while waiting:
            part = waiting.pop()
            between = self._sql("{} BETWEEN {} AND {}", row, sql.Literal(part[0]), sql.Literal(part[-1]))
            try:
                loaded += self._insert_part(between, len(part))
            except (psycopg2.Error, _LeftOutError) as error:
                self._raise_unless_row(error)
                if len(part) == 1:
                    self._judge_one(part[0])
                else:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
        return loaded

    def _raise_unless_row(self, error: Exception) -> None:
        row_security = self.plan.target.row_security
        if isinstance(error, psycopg2.Error) and not concerns_one_row(error, row_security=row_security):
            raise TargetError(f"Table {self.plan.name} cannot be written: {first_line(error)}.") from error

    def _reject_refused(self, number: int, error: psycopg2.Error) -> None:
        diagnosis = error.diag
        rule = diagnosis.message_primary or first_line(error)
        if diagnosis.sqlstate == "23505" or diagnosis.sqlstate == "23P01":
            rule = f"blocked: {rule}"
        detail = f"{rule}: {diagnosis.message_detail}" if diagnosis.sqlstate == "23505" else rule
        self._refuse(number, self._faulty_column(diagnosis.column_name, diagnosis.constraint_name), rule, detail)

    def _refuse(self, number: int, column: str | None, rule: str, detail: str) -> None:
        self.refused.append(Fate(number, None, "load", column, rule, detail))
        one = self._sql("{} = {}", sql.Identifier(ROW), sql.Literal(number))
        self._reject(one, "load", column, rule, sql.Literal(detail))

    def _faulty_column(self, column: str | None, constraint: str | None) -> str | None:
        target = self.plan.target
        names = next((item.columns for item in target.constraints if item.name == constraint), ())
        return self._source_name(column or (names[0] if names else None))

    def _judge_skipped(self) -> None:
        """Rows that `ON CONFLICT DO NOTHING` or a trigger left out: each is tried alone, to hear the reason."""
        absent = self._sql(
            "SELECT s.{} FROM {} s WHERE NOT EXISTS (SELECT FROM {} t WHERE {}) ORDER BY 1",
            sql.Identifier(ROW),
            self.name,
            self.target,
            self._equal([column.target for column in self.plan.key], "s", "t"),
        )
        for (number,) in self.session.rows(absent):
            self._judge_one(number)

    def _judge_one(self, number: int) -> None:
        """Tries a row alone, and not in silence; it is taken back in any case."""
        try:
            with self.session.savepoint():
                self._insert_where(self._sql("{} = {}", sql.Identifier(ROW), sql.Literal(number)), ignoring=False)
                raise _LeftOutError
        except _LeftOutError:
            rule = "left out by a trigger, rule or policy of the target"
            self._refuse(number, None, rule, rule)
        except psycopg2.Error as error:
            self._raise_unless_row(error)
            self._reject_refused(number, error)

    # -- small SQL ----------------------------------------------------------------------------------------------

    def _reject(
        self,
        condition: sql.Composable,
        stage: str,
        column: str | None,
        rule: str,
        detail: sql.Composable,
        *,
        using: sql.Composable | None = None,
    ) -> int:
        """Moves rows to the fates. In `condition` and `detail` they are `s`, rows of `using` are `o`."""
        return self._run(
            "WITH gone AS "
            "(DELETE FROM {stage} s {using} WHERE {condition} RETURNING s.{row}, s.{rowid}, {detail} AS detail) "
            "INSERT INTO {fates} SELECT DISTINCT ON (1) {row}, {rowid}, {level}, {column}, {rule}, detail FROM gone",
            stage=self.name,
            using=sql.SQL("USING {} o").format(using) if using else sql.SQL(""),
            condition=condition,
            row=sql.Identifier(ROW),
            rowid=sql.Identifier(ROWID),
            detail=detail,
            fates=self.fates,
            level=sql.Literal(stage),
            column=sql.Literal(column),
            rule=sql.Literal(rule),
        )

    def _run(self, statement: str, *parts: sql.Composable, **named: sql.Composable) -> int:
        return self.session.run(self._sql(statement, *parts, **named))

    @staticmethod
    def _sql(statement: str, *parts: sql.Composable, **named: sql.Composable) -> sql.Composed:
        return sql.SQL(statement).format(*parts, **named)

    def _all_present(self, names: Sequence[str]) -> sql.Composable:
        return sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in names)

    @staticmethod
    def _equal(names: Sequence[str], left: str, right: str, right_names: Sequence[str] | None = None) -> sql.Composable:
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, other))
            for name, other in zip(names, right_names or names, strict=True)
        )

    def _key_text(self, alias: str) -> sql.Composable:
        """`id = 7, part = x` of the target's row, for a message."""
        if not self.plan.key:
            return sql.Literal("the same values")
        return sql.SQL(" || ', ' || ").join(
            self._sql(
                "{} || coalesce({}::text, 'NULL')",
                sql.Literal(f"{column.target} = "),
                sql.Identifier(alias, column.target),
            )
            for column in self.plan.key
        )

    def _key_name(self) -> str:
        primary = self.plan.target.primary_key
        names = ", ".join(column.target for column in self.plan.key)
        return f"{primary.name} ({names})" if primary else f"({names})"

    def _source_name(self, target_name: str | None) -> str | None:
        return next((column.source for column in self.plan.columns if column.target == target_name), target_name)


class _LeftOutError(Exception):
    """Rolls the trial insert of one row back although it succeeded."""


# An assignment refuses what is too long, as COPY does; an explicit cast would cut '{abcd}'::varchar(3)[] to {abc}.
_READ_FUNCTION = sql.SQL(
    """
CREATE FUNCTION pg_temp.etl_read(value text) RETURNS {type} LANGUAGE plpgsql AS $$
DECLARE
    result {type} := value;
BEGIN
    RETURN result;
END $$
"""
)
# One subtransaction a value, which is why it runs only where a column as a whole could not be read. PostgreSQL 16 has
# pg_input_is_valid, but 15 has not, and it knows no CHECKs of domains.
_INPUT_ERROR_FUNCTION = sql.SQL(
    """
CREATE OR REPLACE FUNCTION pg_temp.etl_input_error(value text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT pg_temp.etl_read($1)' USING value;
    RETURN NULL;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
    RETURN SQLERRM;
END $$
"""
)


def orphan_rule(key: ForeignKey) -> str:
    """The fault of rows without a parent; whether that was rejected or never was, only the source can tell."""
    return f"foreign key {key.name}: no such row in {key.parent}"


def _differs(column: ColumnPlan) -> sql.Composable:
    """Whether the two sides of a column differ; json and types that may lack an equality are compared by their text."""
    name = sql.Identifier(column.target)
    cast = {"json": "::jsonb"}.get(column.type.sql, "::text" if column.type.kind is Kind.OTHER else "")
    return sql.SQL("s.{0}{1} IS DISTINCT FROM t.{0}{1}").format(name, sql.SQL(cast))


def _judged_columns(plan: TablePlan) -> tuple[ColumnPlan, ...]:
    target = plan.target
    names = {column.target for column in plan.key}
    for constraint in target.constraints:
        names |= set(constraint.columns)
    return tuple(column for column in plan.columns if column.target in names or column.type.kind is Kind.OTHER)
