"""The conflict-ignoring `method` for pandas' own `DataFrame.to_sql`."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from pandas.io.sql import SQLTable
from psycopg2 import sql
from sqlalchemy import Connection

from etl.core.types import Kind, TargetType
from etl.loading.copy import copy_frame
from etl.loading.frame_texts import texts_of
from etl.target.session import Session
from etl.target.types import read_types


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
    session = Session(connection)
    target = sql.Identifier(*filter(None, [table.schema, table.name]))
    stage = sql.Identifier("etl_to_sql")
    columns = sql.SQL(", ").join(map(sql.Identifier, keys))
    session.run(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(stage, columns, target)
    )
    copy_frame(session, stage, _copyable(table, keys, rows, _types(session, target, keys)))
    inserted = session.run(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} ON CONFLICT DO NOTHING").format(
            target, columns, columns, stage
        )
    )
    session.run(sql.SQL("DROP TABLE {}").format(stage))
    return inserted


def _copyable(
    table: SQLTable, keys: list[str], rows: Iterable[Sequence[object]], types: Mapping[str, TargetType]
) -> pd.DataFrame:
    """The rows as COPY takes them; Arrow columns as they are, where the frame holds just these rows and columns."""
    frame = table.frame if table.frame is not None else pd.DataFrame()
    values = list(rows) if len(frame) else []
    whole = len(values) == len(frame) and list(frame.columns) == keys  # not with `chunksize` or `index=True`
    if whole and all(isinstance(dtype, pd.ArrowDtype) for dtype in frame.dtypes):
        return frame
    columns: dict[str, Sequence[object]] = dict(zip(keys, zip(*values, strict=True), strict=True)) if values else {}
    for name in keys:
        interval = name in types and types[name].kind is Kind.INTERVAL
        if whole and interval and pd.api.types.is_timedelta64_dtype(frame[name].dtype):
            columns[name] = list(frame[name])  # pandas makes whole nanoseconds of them
    return pd.DataFrame({name: texts_of(columns.get(name, ()), types.get(name)) for name in keys})


def _types(session: Session, target: sql.Identifier, keys: list[str]) -> dict[str, TargetType]:
    """The types of the target's columns."""
    query = sql.SQL(
        "SELECT attname, atttypid, atttypmod FROM pg_catalog.pg_attribute "
        "WHERE attrelid = {}::regclass AND attname = ANY({}) AND attnum > 0 AND NOT attisdropped"
    ).format(sql.Literal(target.as_string(session.driver)), sql.Literal(keys))
    found = {name: (oid, modifier) for name, oid, modifier in session.rows(query)}
    types = read_types(session, set(found.values()))
    return {name: types[identity] for name, identity in found.items()}
