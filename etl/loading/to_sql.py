"""The conflict-ignoring `method` for pandas' own `DataFrame.to_sql`."""

from collections.abc import Iterable, Sequence

import pandas as pd
from pandas.io.sql import SQLTable
from psycopg2 import sql
from sqlalchemy import Connection

from etl.loading.copy import copy_frame
from etl.target.session import Session


def insert_ignoring_conflicts(
    table: SQLTable, connection: Connection, keys: list[str], rows: Iterable[Sequence[object]]
) -> int:
    """A `method` for `DataFrame.to_sql`: COPY into a temporary table, then INSERT … ON CONFLICT DO NOTHING.

    Use: `frame.to_sql(name, connection, if_exists="append", index=False, method=insert_ignoring_conflicts)` on a
    Connection inside a transaction. Returns the number of rows that the server inserted; rows whose key is taken are
    left as they are. Raises psycopg2 errors for rows that the table refuses, with nothing of the frame inserted.
    """
    frame = table.frame if table.frame is not None else pd.DataFrame()
    values = list(rows) if len(frame) else []
    if len(values) != len(frame) or list(frame.columns) != keys:  # `chunksize` or `index=True`: not the whole frame
        frame = pd.DataFrame(values, columns=keys, dtype=object)
    session = Session(connection)
    target = sql.Identifier(*filter(None, [table.schema, table.name]))
    stage = sql.Identifier("etl_to_sql")
    columns = sql.SQL(", ").join(map(sql.Identifier, keys))
    session.run(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(stage, columns, target)
    )
    copy_frame(session, stage, frame)
    inserted = session.run(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} ON CONFLICT DO NOTHING").format(
            target, columns, columns, stage
        )
    )
    session.run(sql.SQL("DROP TABLE {}").format(stage))
    return inserted
