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

    Rows whose key is taken are left as they are.

    :param table: pandas' table, which `to_sql` gives; it names the target.
    :param connection: a connection inside a transaction: use `with engine.begin() as connection`.
    :param keys: the columns' names, in the order of the values.
    :param rows: the rows' values.
    :returns: the number of rows that the server inserted.
    :raises psycopg2.Error: for rows that the table refuses, with nothing of the frame inserted.

    Example::

        frame.to_sql("users", connection, if_exists="append", index=False, method=etl.insert_ignoring_conflicts)
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
