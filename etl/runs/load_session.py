"""The session of a load: its settings, its locks, and the lock that keeps a second run out."""

from psycopg2 import sql

from etl.core.errors import LockedError
from etl.core.plan import Plan
from etl.loading.staging import stage_in_memory
from etl.target.constraints import identifier
from etl.target.locks import choose_timeout, explain_other_run
from etl.target.privileges import require_writable
from etl.target.search_path import enter_schema
from etl.target.session import Session

ADVISORY_LOCK = 0x65746C  # "etl": one load at a time for each database
_SETTINGS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "lc_monetary": "C",  # money is written and read without a locale's own marks
    "quote_all_identifiers": "off",  # format_type would answer in quotes
    "work_mem": "64MB",
    "hash_mem_multiplier": "5",  # rows there already are hashed whole: without temporary files, a re-run is 10 % faster
    "maintenance_work_mem": "256MB",  # indexes and foreign keys are built over whole tables
    "default_statistics_target": "10",  # of the staged rows, only roughly: the number of rows decides
}


def prepare_load_session(session: Session, schema: str | None, *, shared: bool = False) -> None:
    """Makes the session ready for this transaction alone, and takes the lock of a run.

    With `shared`, loads into other schemas that share it as well may go on beside this one.

    Raises `LockedError` where another run is loading, `TargetError` where nothing can be written.
    """
    set_up(session, schema)
    stage_in_memory(session)
    require_writable(session)
    session.run(sql.SQL("SET CONSTRAINTS ALL IMMEDIATE"))
    if shared:
        _take_lock(session, "pg_try_advisory_xact_lock_shared")
        _take_lock(session, "pg_try_advisory_xact_lock", sql.SQL("hashtextextended({}, 0)").format(sql.Literal(schema)))
    else:
        _take_lock(session, "pg_try_advisory_xact_lock")


def hold_lock_of_a_run(session: Session) -> None:
    """Takes the lock of a run for as long as the connection lasts, over several transactions.

    Raises `LockedError` where another run is loading.
    """
    _take_lock(session, "pg_try_advisory_lock")


def _take_lock(session: Session, function: str, key: sql.Composable | None = None) -> None:
    if not session.value(sql.SQL("SELECT {}({})").format(sql.SQL(function), key or sql.Literal(ADVISORY_LOCK))):
        raise LockedError(
            f"Another run is loading into this database: {explain_other_run(session.rows, ADVISORY_LOCK)}. "
            "Wait until it has finished, then run again."
        )


def set_up(session: Session, schema: str | None) -> None:
    """Settings of this transaction: how values are read, how soon the server notices that we are gone."""
    enter_schema(session, schema)
    for name, value in _SETTINGS.items():
        session.run(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    choose_timeout(session.rows, session.run)
    session.be_watched()


def lock_tables(session: Session, plan: Plan) -> None:
    """Other writers wait until the end, so that the counts before and after belong to this run alone."""
    tables = [identifier(table.target) for table in plan.tables if table.target.lockable]
    if tables:
        session.run(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.SQL(", ").join(tables)))
