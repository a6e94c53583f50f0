"""Rows that refer to each other, where the foreign keys cannot wait: parents first, then their children, wave by wave.

For a circle of tables, or a table that refers to itself, whose foreign keys are neither deferrable nor ours to alter;
and where a key that was deferred turned out to be violated, so that the rows at fault have to be found.
"""

from collections.abc import Sequence

from psycopg2 import sql

from etl.core.rejects import Fault, RejectRule, RejectStage
from etl.core.tables import ForeignKey
from etl.loading.insert import insert
from etl.loading.staging import Staging, all_present, compose, equal


def insert_ready(stage: Staging, keys: Sequence[ForeignKey]) -> tuple[int, bool]:
    """Inserts the rows whose parents by `keys` are in the target; returns how many it took, and if any were ready."""
    name = f"etl_waiting_{stage.plan.target.oid}"
    waiting = sql.Identifier("pg_temp", name)
    stage.run("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP", sql.Identifier(name), stage.name)
    orphan = sql.SQL(" OR ").join([_lacks_parent(stage, key) for key in keys])
    stage.run(
        "WITH later AS (DELETE FROM {} s WHERE {} RETURNING s.*) INSERT INTO {} SELECT * FROM later",
        stage.name,
        orphan,
        waiting,
    )
    ready = stage.count()
    loaded = insert(stage)
    stage.run("TRUNCATE {}", stage.name)
    stage.run("INSERT INTO {} SELECT * FROM {}", stage.name, waiting)
    stage.run("DROP TABLE {}", waiting)
    return loaded, ready > 0


def _lacks_parent(stage: Staging, key: ForeignKey) -> sql.Composable:
    parent = sql.Identifier(key.parent_schema, key.parent)
    lacks = compose(
        "{} AND NOT EXISTS (SELECT FROM {} p WHERE {})",
        all_present(key.columns),
        parent,
        equal(key.columns, "s", "p", key.parent_columns),
    )
    if parent == stage.target:  # a row may be its own parent
        lacks = compose("{} AND NOT ({})", lacks, equal(key.columns, "s", "s", key.parent_columns))
    return compose("({})", lacks)


def insert_circle(stage: Staging, keys: Sequence[ForeignKey]) -> int:
    """Rows that wait for each other: one statement can bring those of one table, others are refused for that reason."""
    return insert(stage, otherwise=lambda stage: _refuse_circle(stage, keys))


def _refuse_circle(stage: Staging, keys: Sequence[ForeignKey]) -> int:
    names = ", ".join(key.name for key in keys)
    words = (
        f"foreign key {names}: its parent waits for it in turn, through this table or others; "
        "only the table's owner, or a key that is DEFERRABLE, can bring such rows in"
    )
    column = stage.source_name(keys[0].columns[0])
    stage.reject(sql.SQL("true"), Fault(RejectStage.LOAD, RejectRule.PARENT_WAITS, column, words))
    return 0
