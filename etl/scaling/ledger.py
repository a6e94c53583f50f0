"""The loading schema of a run: the rows of each table without constraints, and the ledger of the parts that are done.

A part's rows and its line in the ledger are written in one transaction, and the line's key is the part: whatever runs
twice, is lost, or comes too late, each part counts once.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import pandas as pd
import psycopg2
from psycopg2 import sql

from etl.core.errors import TargetError
from etl.core.plan import TablePlan
from etl.core.rejects import Fault, RejectRule, RejectStage, StatedFault
from etl.core.repairs import HelpfulWish, Repair
from etl.core.source_tables import RowidRange
from etl.loading.staging import ROW, ROWID, column_definitions, compose, staged_types
from etl.scaling.parts import Part
from etl.target.loading_schemas import schema_of
from etl.target.session import Session, first_line
from etl.validation.results import ExpectationResult, Totals

PAGE = 5_000
_NO_SAMPLES = pd.DataFrame()
_TABLES = {
    "run": "run_id text, started_at timestamptz, source text, path text, file text, agreed text, row_name text, "
    "rowid_name text",
    "tables": "source text PRIMARY KEY, target text, rows_name text UNIQUE",
    "todo": "part int PRIMARY KEY, source text, after bigint, until bigint, rows_before bigint, rows bigint",
    "parts": "part int PRIMARY KEY, rows bigint, rejected bigint, results text, seconds text, worker text, "
    "finished_at timestamptz DEFAULT clock_timestamp()",
    "rejected": "source text, row_number bigint, rowid bigint, fault text",
}


@dataclass(frozen=True)
class RunLine:
    """What a run notes of itself. `path` is the file that is read, `file` its checksum; `agreed` a checksum of the plan
    and of what the user has decided; `row` and `rowid` name the two columns in front of the loaded rows."""

    run_id: str
    started_at: datetime
    source: str
    path: str
    file: str
    agreed: str
    row: str = ROW
    rowid: str = ROWID


@dataclass(frozen=True)
class PartLine:
    """A part that is done: the rows that lie in the loading schema, those that were rejected, and what it took."""

    part: int
    rows: int
    rejected: int
    results: Totals
    seconds: Mapping[str, float]


class PartReject(NamedTuple):
    """A row that a worker has rejected; its values stay in the source."""

    row_number: int
    rowid: int | None
    stated: StatedFault
    others: tuple[StatedFault, ...] = ()


@dataclass(frozen=True)
class Ledger:
    """The loading schema of one run, by its names alone: it can be sent to a worker."""

    run_id: str
    rows_names: Mapping[str, str]  # by the source's name of the table
    row: str
    rowid: str

    @property
    def schema(self) -> str:
        """Its name."""
        return schema_of(self.run_id)

    def rows_of(self, table: str) -> sql.Identifier:
        """Where a table's rows are gathered."""
        return sql.Identifier(self.schema, self.rows_names[table])

    # -- the coordinator's part -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, session: Session, line: RunLine, plans: Sequence[TablePlan], parts: Sequence[Part]) -> "Ledger":
        """Makes the schema; raises `TargetError` where the role may not."""
        names = {plan.name: f"rows_{place}" for place, plan in enumerate(plans, start=1)}
        ledger = cls(line.run_id, names, line.row, line.rowid)
        schema = sql.Identifier(ledger.schema)
        try:
            session.run(compose("CREATE SCHEMA {}", schema))
        except psycopg2.errors.InsufficientPrivilege as error:
            raise TargetError(
                f"A load by several workers gathers its rows in a schema of its own, which this role may not create "
                f"({first_line(error)}). Needed is GRANT CREATE ON DATABASE; or load without --workers."
            ) from error
        for name, columns in _TABLES.items():
            session.run(compose("CREATE TABLE {} ({})", sql.Identifier(ledger.schema, name), sql.SQL(columns)))
        ledger._insert(session, "run", [tuple(asdict(line).values())])
        ledger._insert(session, "tables", [(plan.name, plan.target.name, names[plan.name]) for plan in plans])
        ledger._insert(session, "todo", [_todo(part) for part in parts])
        for plan in plans:
            types = staged_types(plan.columns, line.row, line.rowid)
            session.run(compose("CREATE TABLE {} ({})", ledger.rows_of(plan.name), column_definitions(plan, types)))
        return ledger

    @classmethod
    def open(cls, session: Session, run_id: str) -> "tuple[Ledger, RunLine]":
        """That of a run that was cut off."""
        schema = sql.Identifier(schema_of(run_id))
        (line,) = session.rows(
            compose("SELECT run_id, started_at, source, path, file, agreed, row_name, rowid_name FROM {}.run", schema)
        )
        run = RunLine(*line)
        names = session.rows(compose("SELECT source, rows_name FROM {}.tables", schema))
        return cls(run.run_id, {str(table): str(name) for table, name in names}, run.row, run.rowid), run

    def drop(self, session: Session) -> None:
        """Removes the schema and all rows in it."""
        session.run(compose("DROP SCHEMA {} CASCADE", sql.Identifier(self.schema)))

    def missing(self, session: Session) -> list[Part]:
        """The parts that are still to be done."""
        rows = self._rows(
            session,
            "SELECT part, source, after, until, rows_before, rows FROM {schema}.todo "
            "WHERE part NOT IN (SELECT part FROM {schema}.parts) ORDER BY part",
        )
        return [
            Part(part, table, RowidRange(after, until, before), rows)
            for part, table, after, until, before, rows in rows
        ]

    def done(self, session: Session) -> dict[str, list[PartLine]]:
        """The parts that are done, by table."""
        found: dict[str, list[PartLine]] = {name: [] for name in self.rows_names}
        rows = self._rows(
            session,
            "SELECT source, part, p.rows, rejected, results, seconds FROM {schema}.parts p JOIN {schema}.todo t "
            "USING (part) ORDER BY part",
        )
        for table, part, count, rejected, results, seconds in rows:
            totals = tuple(ExpectationResult(**values, samples=_NO_SAMPLES) for values in orjson.loads(results))
            found[table].append(PartLine(part, count, rejected, totals, orjson.loads(seconds)))
        return found

    def rejected(self, session: Session, table: str) -> Iterator[list[PartReject]]:
        """The rows of a table that the workers have rejected, in row order, page by page."""
        last = 0
        while True:
            page = self._rows(
                session,
                "SELECT row_number, rowid, fault FROM {schema}.rejected WHERE source = {table} AND row_number > {last} "
                "ORDER BY row_number LIMIT {limit}",
                table=sql.Literal(table),
                last=sql.Literal(last),
                limit=sql.Literal(PAGE),
            )
            if not page:
                return
            yield [_rejected(*row) for row in page]
            last = page[-1][0]

    # -- the workers' part ------------------------------------------------------------------------------------------

    def is_done(self, session: Session, part: int) -> bool:
        """Whether the ledger has this part; raises `TargetError` where this database has no such run."""
        try:
            return bool(
                self._rows(
                    session, "SELECT EXISTS (SELECT FROM {schema}.parts WHERE part = {part})", part=sql.Literal(part)
                )[0][0]
            )
        except psycopg2.errors.UndefinedTable as error:
            raise TargetError(
                f"There is no run {self.run_id} in this worker's database: it is published or abandoned, or the "
                "worker's own DATABASE_URL or PG* variables name another database."
            ) from error

    def note(
        self, session: Session, line: PartLine, rejected: Sequence[tuple[str, int, int | None, str]], worker: str
    ) -> bool:
        """Writes the part's line, and the rows that it has rejected; False where another one was first."""
        inserted = session.run(
            compose(
                "INSERT INTO {}.parts (part, rows, rejected, results, seconds, worker) VALUES ({}) "
                "ON CONFLICT DO NOTHING",
                sql.Identifier(self.schema),
                _literals(
                    line.part,
                    line.rows,
                    line.rejected,
                    orjson.dumps([_without_samples(result) for result in line.results]).decode(),
                    orjson.dumps(line.seconds).decode(),
                    worker,
                ),
            )
        )
        if inserted:
            self._insert(session, "rejected", rejected)
        return bool(inserted)

    # -- small SQL --------------------------------------------------------------------------------------------------

    def _rows(self, session: Session, query: str, **parts: sql.Composable) -> list[tuple[Any, ...]]:
        return session.rows(compose(query, schema=sql.Identifier(self.schema), **parts))

    def _insert(self, session: Session, table: str, rows: Sequence[Sequence[object]]) -> None:
        name = sql.Identifier(self.schema, table)
        for start in range(0, len(rows), PAGE):
            values = sql.SQL(", ").join(compose("({})", _literals(*row)) for row in rows[start : start + PAGE])
            session.run(compose("INSERT INTO {} VALUES {}", name, values))


def agreed_on(plans: Sequence[TablePlan], *decisions: object) -> str:
    """A checksum of what all parts of a run have to have in common."""
    tables = [(plan.source, plan.target.schema, plan.target.name, plan.columns, plan.dropped) for plan in plans]
    return hashlib.sha256(repr((tables, decisions)).encode(errors="surrogatepass")).hexdigest()[:16]


def fault_text(stated: StatedFault, others: Sequence[StatedFault] = ()) -> str:
    """What is wrong with a row, the first fault in front, as JSON, which any text fits into."""
    return orjson.dumps([[_parts(one.fault), one.reason] for one in (stated, *others)]).decode()


def _parts(fault: Fault) -> list[object]:
    helpful = [tuple(wish) for wish in fault.repairs]
    return [fault.stage, fault.code, fault.column, fault.words, fault.constraint, helpful]


def _without_samples(result: ExpectationResult) -> dict[str, object]:
    return {field.name: getattr(result, field.name) for field in fields(result) if field.name != "samples"}


def _rejected(row_number: int, rowid: int | None, text: str) -> PartReject:
    stated, *others = (StatedFault(_fault(*parts), reason) for parts, reason in orjson.loads(text))
    return PartReject(row_number, rowid, stated, tuple(others))


def _fault(
    stage: str, code: str, column: str | None, words: str, constraint: str | None, repairs: Sequence[tuple[str, str]]
) -> Fault:
    helpful = tuple(HelpfulWish(of, Repair(name)) for of, name in repairs)
    return Fault(RejectStage(stage), RejectRule(code), column, words, constraint, helpful)


def _todo(part: Part) -> tuple[object, ...]:
    return part.number, part.table, part.range.after, part.range.until, part.range.rows_before, part.rows


def _literals(*values: object) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Literal, values))
