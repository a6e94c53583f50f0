"""Whether the server's table of locks has room for a load: it keeps those of every table that it touches to its end."""

import math
from collections.abc import Sequence

from psycopg2 import sql

from etl.core.errors import TargetError
from etl.core.tables import TargetTable
from etl.target.session import Session

STAGING_LOCKS = 5  # seen on 15 and 18: of the temporary table for a table with rows, what belongs to it, and its types
# A server keeps more locks than it promises: seen on 15 and 18 with 20 and 100 connections, 1.62 to 1.73 times as many,
# and with the least settings up to 100 more than that. Beyond this a load surely fails.
_SURELY_TOO_MANY = 1.8
_SPARE = 200
_MARGIN = 1.25

# Documentation of max_locks_per_transaction; the last two slots are those of the server's own processes.
_ROOM = """
SELECT current_setting('max_locks_per_transaction')::bigint, sum(setting::bigint) + 2 FROM pg_settings
WHERE name IN ('max_connections', 'max_prepared_transactions', 'max_worker_processes', 'max_wal_senders',
    CASE WHEN current_setting('server_version_num')::int < 180000 THEN 'autovacuum_max_workers'
    ELSE 'autovacuum_worker_slots' END)
"""
# The size, as to look into the tables would itself take their locks.
_FILLED = "SELECT count(*) FROM pg_class WHERE oid = ANY({oids}::oid[]) AND pg_relation_size(oid) > 0"
_OF_TABLES = """
SELECT (SELECT count(*) FROM pg_index WHERE indrelid = ANY({oids}::oid[])) + (
    SELECT count(*) FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.refobjid = ANY({oids}::oid[]) AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
"""


def require_locks(session: Session, tables: Sequence[TargetTable]) -> None:
    """Raises `TargetError` with the true remedy where the load of `tables` surely needs more locks than there is room.

    Counted are the tables, their indexes and sequences, and for each table with rows what stages the new ones.
    """
    oids = sql.Literal([table.oid for table in tables])
    each, slots = session.rows(sql.SQL(_ROOM))[0]
    promised = each * int(slots)
    most = _SURELY_TOO_MANY * promised + _SPARE
    needed = len(tables) + int(session.value(sql.SQL(_OF_TABLES).format(oids=oids)))
    if needed + STAGING_LOCKS * len(tables) <= most:
        return
    needed += STAGING_LOCKS * int(session.value(sql.SQL(_FILLED).format(oids=oids)))
    if needed > most:
        setting = math.ceil(needed * _MARGIN / int(slots))
        raise TargetError(
            f"The load of {len(tables):,} tables holds about {needed:,} locks at once, and the server's table of locks "
            f"promises room for {promised:,}. Set max_locks_per_transaction to {setting} "
            f"(it is {each}), restart the server, then run again; or load some of the tables at a time, with --tables. "
            "Nothing was written."
        )
