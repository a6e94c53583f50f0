"""Which files a target has, and in which state: a table in the target, written in the transaction of each load."""

from dataclasses import dataclass

from psycopg2 import sql

from etl.target.search_path import make_schema
from etl.target.session import Session

SCHEMA = "etl_fleet"
_TABLE = sql.Identifier(SCHEMA, "files")
_CREATE = (
    "CREATE TABLE IF NOT EXISTS {} (place text PRIMARY KEY, source text NOT NULL, state text NOT NULL, "
    "rows bigint NOT NULL, complete boolean NOT NULL, run_id text NOT NULL, loaded_at timestamptz NOT NULL)"
)
# A schema that was dropped since has none of the rows any more.
_READ = (
    "SELECT place, state, rows FROM {} WHERE complete AND (place NOT LIKE 'schema %' OR EXISTS "
    "(SELECT FROM pg_namespace WHERE nspname = substr(place, 8)))"
)


@dataclass(frozen=True)
class Known:
    """What is there of a file: the state in which it was loaded, and its rows."""

    state: str
    rows: int


def read_history(session: Session) -> dict[str, Known]:
    """The files that are there completely, by their place."""
    if session.value(sql.SQL("SELECT to_regclass({})").format(sql.Literal(f"{SCHEMA}.files"))) is None:
        return {}
    return {
        str(place): Known(str(state), int(rows)) for place, state, rows in session.rows(sql.SQL(_READ).format(_TABLE))
    }


def prepare_history(session: Session) -> None:
    """Makes the table where there is none; raises `TargetError` where the role may not."""
    make_schema(session, SCHEMA)
    session.run(sql.SQL(_CREATE).format(_TABLE))


def note(session: Session, place: str, source: str, known: Known, *, complete: bool, run_id: str) -> None:
    """Writes down what this transaction has loaded."""
    values = (place, source, known.state, known.rows, complete, run_id)
    session.run(sql.SQL("DELETE FROM {} WHERE place = {}").format(_TABLE, sql.Literal(place)))
    session.run(
        sql.SQL("INSERT INTO {} VALUES ({}, now())").format(_TABLE, sql.SQL(", ").join(map(sql.Literal, values)))
    )
