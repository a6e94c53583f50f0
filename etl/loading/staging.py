"""Where row-by-row loading begins: rows in a temporary table, and beside them the reasons of those that are refused.

A `Staging` always holds the rows that may still be loaded; a row that `row_checks` or `insert` finds at fault
moves to the refused rows with its fault and its detail.
"""

import contextlib
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
from psycopg2 import sql

from etl.core.errors import TargetError
from etl.core.plan import ColumnPlan, TablePlan
from etl.core.rejects import Fault, RejectRule, RejectStage
from etl.core.types import SERVER_READ, Kind, TargetType, named_type
from etl.loading.copy import copy_frame
from etl.target.constraints import identifier
from etl.target.session import Session, concerns_one_row, first_line

# Beside the target's own columns, so that the names must be none that any column bears.
ROW = f"etl_row_{secrets.token_hex(8)}"
ROWID = f"etl_rowid_{secrets.token_hex(8)}"
REFUSED_PAGE = 5_000
MOST_COLUMNS = 1_600  # of a PostgreSQL table
MEMORY = "128MB"  # the server's, for staged rows: a re-run of 1.1 million rows is 2 % faster than with its usual 8MB
_COPY_COLUMN = re.compile(r", column (.+)$", re.MULTILINE)  # where in its input COPY met the error


def stage_in_memory(session: Session) -> None:
    """Lets staged rows keep to the server's memory for this transaction, so far as they find room there.

    A session that has used temporary tables before, as one behind a connection pool may have, stays with what it has.
    """
    with contextlib.suppress(psycopg2.errors.InvalidParameterValue), session.savepoint():
        session.run(sql.SQL("SET LOCAL temp_buffers = {}").format(sql.Literal(MEMORY)))


@dataclass(frozen=True)
class RefusedRow:
    """A row that was not loaded, and why. `detail` tells the fault of this one; `others` are its further faults."""

    row_number: int
    rowid: int | None
    fault: Fault
    detail: str
    others: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Orphan:
    """A row whose reference was made NULL, since its parent does not exist; `columns` are the source's."""

    row_number: int
    rowid: int | None
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Present:
    """Rows that the target had before: how many, and how many of them with other content under the same key."""

    rows: int = 0
    different_rows: int = 0


@dataclass(frozen=True)
class Rewritten:
    """Values of a column that the server spells otherwise than the source does, with up to three examples."""

    column: str
    rows: int
    examples: tuple[tuple[str, str], ...]


class Staging:
    """The rows of one table on their way. Column names inside are the target's.

    `narrow` stages only the columns that the server has to check (keys, checks, types that only it understands).
    `filled` is a table of `staged_columns` that holds the rows already; its rows go the way of the others.
    """

    def __init__(
        self, session: Session, plan: TablePlan, *, narrow: bool = False, filled: sql.Identifier | None = None
    ) -> None:
        self.session = session
        self.plan = plan
        self.columns = _columns_to_check(plan) if narrow else plan.columns
        self.present = Present()
        self.refused: list[RefusedRow] = []  # by the server, in the latest insert
        self.rewritten: list[Rewritten] = []
        self.orphans: list[Orphan] = []  # whose references were made NULL
        self.altered_keys: set[int] = set()  # rows in whose keys a repair has altered a value
        self.keys_ascend = filled is None and _is_number(plan.key)  # so no two are equal
        self._last_key: int | None = None
        self._other_faults: list[Fault] = []  # which the refused rows name by their places here
        self.name = filled or sql.Identifier("pg_temp", f"etl_stage_{plan.target.oid}")
        self.refused_rows = sql.Identifier("pg_temp", "etl_refused")
        self.target = identifier(plan.target)
        if filled is None:
            self._create()
        self._create_refused()

    @property
    def names(self) -> set[str]:
        """The staged columns; another one of the target is NULL, or filled by the target, in every row."""
        return {column.target for column in self.columns}

    @property
    def _types(self) -> dict[str, TargetType]:
        return staged_types(self.columns)

    def _create(self) -> None:
        if len(self._types) > MOST_COLUMNS:
            raise TargetError(
                f"Table {self.plan.name} has {len(self.columns):,} columns. Where the target has rows already, or "
                "refuses one, rows are checked in a temporary table of two columns more, and PostgreSQL's limit "
                f"is {MOST_COLUMNS:,}. Load it into the empty table, with the rows mended that --dry-run names, or "
                "leave it out with --tables."
            )
        columns = column_definitions(self.plan, self._types)
        self.run("CREATE TEMP TABLE {} ({}) ON COMMIT DROP", self._bare_stage, columns)

    def _create_refused(self) -> None:
        # One for all tables: a table of its own for each would take three more of the server's locks.
        self.run(
            "CREATE TEMP TABLE IF NOT EXISTS etl_refused "
            "(of oid, {} bigint, {} bigint, stage text, code text, faulty text, rule text, broken text, detail text, "
            "also text) ON COMMIT DROP",
            sql.Identifier(ROW),
            sql.Identifier(ROWID),
        )

    @property
    def _bare_stage(self) -> sql.Identifier:
        return sql.Identifier(f"etl_stage_{self.plan.target.oid}")

    def add(self, frame: pd.DataFrame, rowids: np.ndarray | None, altered_keys: Collection[int] = ()) -> None:
        """Takes converted rows; the frame's index is the row number."""
        self.altered_keys.update(altered_keys)
        self.keys_ascend = self.keys_ascend and self._goes_on_ascending(frame[self.plan.key[0].target])
        names = [column.target for column in self.columns]
        staged = numbered(frame[names], rowids, ROW, ROWID)
        for refused in copy_what_fits(self.session, self.name, staged, self._types, self.plan):
            self.run(
                "INSERT INTO {} VALUES ({}, {}, {}, {}, {}, '')",
                self.refused_rows,
                sql.Literal(self.plan.target.oid),
                sql.Literal(refused.row_number),
                sql.Literal(refused.rowid),
                _literals(refused.fault),
                sql.Literal(refused.detail),
            )

    def _goes_on_ascending(self, keys: pd.Series) -> bool:
        if keys.hasnans:
            return False
        values = keys.to_numpy(dtype=np.int64)
        before, self._last_key = self._last_key, int(values[-1]) if len(values) else self._last_key
        return bool((np.diff(values) > 0).all()) and (before is None or not len(values) or int(values[0]) > before)

    def retract(self, rows: list[int]) -> None:
        """Forgets rows, by their numbers, and whatever has been said of them so far."""
        retracted = compose("{} = ANY({})", sql.Identifier(ROW), sql.Literal(rows))
        self.run("DELETE FROM {} WHERE {}", self.name, retracted)
        self.run("DELETE FROM {} WHERE of = {} AND {}", self.refused_rows, sql.Literal(self.plan.target.oid), retracted)

    def drop(self) -> None:
        """Forgets the rows; those that were refused are kept apart."""
        self.run("DROP TABLE {}", self.name)

    def count(self) -> int:
        """Rows that may still be loaded."""
        return int(self.session.value(compose("SELECT count(*) FROM {}", self.name)))

    def read_refused(self) -> Iterator[list[RefusedRow]]:
        """The refused rows in row order, page by page."""
        last = 0
        while True:
            query = compose(
                "SELECT {}, {}, also, stage, code, faulty, rule, broken, detail FROM {} WHERE of = {} AND {} > {} "
                "ORDER BY 1 LIMIT {}",
                sql.Identifier(ROW),
                sql.Identifier(ROWID),
                self.refused_rows,
                sql.Literal(self.plan.target.oid),
                sql.Identifier(ROW),
                sql.Literal(last),
                sql.Literal(REFUSED_PAGE),
            )
            page = [self._refused_row(*row) for row in self.session.rows(query)]
            if not page:
                return
            yield page
            last = page[-1].row_number

    def _refused_row(self, number: int, rowid: int | None, also: str, *fault_and_detail: str) -> RefusedRow:
        stage, code, column, words, constraint, detail = fault_and_detail
        fault = Fault(RejectStage(stage), RejectRule(code), column, words, constraint)
        others = tuple(self._other_faults[int(place)] for place in also.split(",") if place)
        return RefusedRow(number, rowid, fault, detail, others)

    # -- small SQL ----------------------------------------------------------------------------------------------

    def reject(
        self,
        condition: sql.Composable,
        fault: Fault,
        detail: sql.Composable | None = None,
        *,
        using: sql.Composable | None = None,
        also: Sequence[tuple[sql.Composable, Fault]] = (),
    ) -> int:
        """Moves rows to the refused ones; returns how many. `detail` None: the fault's own words say all.

        In `condition` and `detail` the rows are `s`, rows of `using` are `o`. `also`: further conditions, and what is
        wrong with those of the rows that meet them.
        """
        return self.run(
            "WITH gone AS (DELETE FROM {stage} s {using} WHERE {condition} "
            "RETURNING s.{row}, s.{rowid}, {detail} AS detail, {also} AS also) "
            "INSERT INTO {refused_rows} "
            "SELECT DISTINCT ON (2) {oid}, {row}, {rowid}, {fault}, detail, also FROM gone",
            oid=sql.Literal(self.plan.target.oid),
            stage=self.name,
            using=sql.SQL("USING {} o").format(using) if using else sql.SQL(""),
            condition=condition,
            row=sql.Identifier(ROW),
            rowid=sql.Identifier(ROWID),
            detail=sql.Literal(fault.words) if detail is None else detail,
            refused_rows=self.refused_rows,
            fault=_literals(fault),
            also=self._places_of(also),
        )

    def _places_of(self, also: Sequence[tuple[sql.Composable, Fault]]) -> sql.Composable:
        """The places of the faults whose conditions a row meets, as a text."""
        known = self._other_faults
        known += [fault for _, fault in also if fault not in known]
        cases = [
            compose("CASE WHEN {} THEN {} END", condition, sql.Literal(str(known.index(fault))))
            for condition, fault in also
        ]
        return compose("concat_ws(',', {})", sql.SQL(", ").join(cases)) if cases else sql.Literal("")

    def run(self, statement: str, *parts: sql.Composable, **named: sql.Composable) -> int:
        """Composes and executes; the number of rows touched."""
        return self.session.run(compose(statement, *parts, **named))

    def source_name(self, target_name: str | None) -> str | None:
        """What the source calls a column of the target."""
        return _source_name(self.plan, target_name)


def _source_name(plan: TablePlan, target_name: str | None) -> str | None:
    return next((column.source for column in plan.columns if column.target == target_name), target_name)


def staged_types(columns: Sequence[ColumnPlan], row: str = ROW, rowid: str = ROWID) -> dict[str, TargetType]:
    """The columns of a table that stages these: the row's number and rowid, and the values as they are staged."""
    number = named_type("bigint")
    return {row: number, rowid: number, **{column.target: staged_type(column.type) for column in columns}}


def column_definitions(plan: TablePlan, types: Mapping[str, TargetType]) -> sql.Composable:
    """What CREATE TABLE takes for columns of these types, with the collations that the target has."""
    collations = {column.name: column.collation for column in plan.target.columns if column.collation}
    return sql.SQL(", ").join(
        sql.SQL("{} {} {}").format(
            sql.Identifier(name),
            sql.SQL(type_.sql),
            sql.SQL(f"COLLATE {collations[name]}" if name in collations else ""),
        )
        for name, type_ in types.items()
    )


def numbered(frame: pd.DataFrame, rowids: np.ndarray | None, row: str, rowid: str) -> pd.DataFrame:
    """The frame with the rows' numbers and rowids in front, under these names."""
    staged = frame.copy(deep=False)
    staged.insert(0, row, frame.index)
    staged.insert(1, rowid, pd.Series(rowids, index=frame.index, dtype="Int64"))
    return staged


def copy_what_fits(
    session: Session, table: sql.Composable, staged: pd.DataFrame, types: Mapping[str, TargetType], plan: TablePlan
) -> Iterator[RefusedRow]:
    """Copies numbered rows; gives those that not even a table without constraints takes: wider than a page, JSON
    nested too deep."""
    try:
        with session.savepoint():
            copy_frame(session, table, staged, types)
    except psycopg2.Error as error:
        if not concerns_one_row(error):
            raise
        if len(staged) == 1:
            yield _refused_by_copy(staged, types, plan, error)
            return
        middle = len(staged) // 2
        yield from copy_what_fits(session, table, staged.iloc[:middle], types, plan)
        yield from copy_what_fits(session, table, staged.iloc[middle:], types, plan)


def _refused_by_copy(
    staged: pd.DataFrame, types: Mapping[str, TargetType], plan: TablePlan, error: psycopg2.Error
) -> RefusedRow:
    rowid: Any = staged.iloc[0, 1]
    rule = f"PostgreSQL refuses it: {first_line(error)}"
    named = _COPY_COLUMN.search(error.diag.context or "")
    column = _source_name(plan, named[1]) if named and named[1] in types else None
    fault = Fault(RejectStage.LOAD, RejectRule.REFUSED, column, rule)
    return RefusedRow(int(staged.index[0]), None if rowid is pd.NA else int(rowid), fault, rule)


def _literals(fault: Fault) -> sql.Composable:
    """The columns of a refused row between its identity and its detail."""
    parts = (fault.stage.value, fault.code.value, fault.column, fault.words, fault.constraint)
    return sql.SQL(", ").join(map(sql.Literal, parts))


def staged_type(target: TargetType) -> TargetType:
    """What a value is staged as: a text where only the server's input can read it, the base type of a domain."""
    if target.kind in SERVER_READ:
        return named_type("text")
    return replace(target, sql=target.base, base_sql=None) if target.is_domain else target


def is_checked_by_server(target: TargetType) -> bool:
    """Whether the server has a say in what fits the type: its input reads it, or a domain's checks do."""
    return target.kind in SERVER_READ or target.is_domain


Staged = dict[tuple[str, str], Staging]
"""The stagings of several tables, by schema and name."""


def compose(statement: str, *parts: sql.Composable, **named: sql.Composable) -> sql.Composed:
    """A statement with its identifiers and values in place."""
    return sql.SQL(statement).format(*parts, **named)


def all_present(names: Sequence[str]) -> sql.Composable:
    """No column of these is NULL."""
    return sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in names)


def equal(names: Sequence[str], left: str, right: str, right_names: Sequence[str] | None = None) -> sql.Composable:
    """The columns of `left` equal those of `right`, which may bear other names."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, other))
        for name, other in zip(names, right_names or names, strict=True)
    )


def _is_number(key: Sequence[ColumnPlan]) -> bool:
    return len(key) == 1 and key[0].type.kind in (Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT)


def _columns_to_check(plan: TablePlan) -> tuple[ColumnPlan, ...]:
    target = plan.target
    names = {column.target for column in plan.key}
    for constraint in target.constraints:
        names |= set(constraint.columns)
    return tuple(column for column in plan.columns if column.target in names or is_checked_by_server(column.type))
