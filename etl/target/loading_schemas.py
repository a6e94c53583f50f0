"""Loading schemas: where a load by several workers gathers its rows until it is published, and what is left of runs
that were cut off.

Only the run itself, when it publishes, and `--abandon` ever drop one.
"""

from dataclasses import dataclass

from psycopg2 import sql

from etl.target.session import Session

PREFIX = "etl_loading_"
_SCHEMAS = """
SELECT nspname, CASE WHEN has_schema_privilege(oid, 'USAGE')
    THEN coalesce(has_table_privilege(to_regclass(format('%I.run', nspname)), 'SELECT'), false) ELSE false END
FROM pg_namespace WHERE starts_with(nspname, {prefix}) ORDER BY nspname
"""
_PROGRESS = """
SELECT run_id, to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), source,
       (SELECT count(*) FROM {schema}.parts), (SELECT count(*) FROM {schema}.todo)
FROM {schema}.run
"""


@dataclass(frozen=True)
class CutOffRun:
    """A run that was cut off before it published its rows. Of another role's no more than the schema is known."""

    run_id: str
    schema: str
    started: str | None = None
    source: str | None = None
    parts_done: int | None = None
    parts: int | None = None

    def __str__(self) -> str:
        if self.parts is None:
            return f"The schema {self.schema} is left of another role's run that was cut off; its owner may remove it."
        return (
            f"The run {self.run_id} ({self.source}, begun {self.started} UTC) was cut off with {self.parts_done:,} of "
            f"{self.parts:,} parts loaded, which nobody sees. The same command with --resume {self.run_id} goes on "
            f"with it, --abandon {self.run_id} removes it."
        )


def schema_of(run_id: str) -> str:
    """The name of a run's loading schema, in lower case."""
    return PREFIX + run_id.lower().replace("-", "_")


def cut_off_runs(session: Session) -> list[CutOffRun]:
    """The runs whose loading schemas are there. None of them is under way if the lock of a run is held."""
    found = []
    for schema, readable in session.rows(sql.SQL(_SCHEMAS).format(prefix=sql.Literal(PREFIX))):
        details = session.rows(sql.SQL(_PROGRESS).format(schema=sql.Identifier(schema))) if readable else []
        found.append(
            CutOffRun(str(details[0][0]), schema, *details[0][1:])
            if details
            else CutOffRun(schema.removeprefix(PREFIX), schema)
        )
    return found
