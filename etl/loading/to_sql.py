"""The conflict-ignoring `method` for pandas' own `DataFrame.to_sql`."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd
import pyarrow as pa
from pandas.io.sql import SQLTable
from psycopg2 import sql
from sqlalchemy import Connection, LargeBinary

from etl.core.types import Kind, TargetType
from etl.loading.copy import copy_frame
from etl.loading.frame_texts import column_texts
from etl.target.session import Session
from etl.target.types import read_types


def insert_ignoring_conflicts(
    table: SQLTable, connection: Connection, keys: list[str], rows: Iterable[Sequence[object]]
) -> int:
    """A `method` for `DataFrame.to_sql`: COPY into a temporary table, then INSERT … ON CONFLICT DO NOTHING.

    Rows whose key is taken are left as they are. It takes what pandas' own method takes and leaves the same table, with
    two exceptions: numbers with a fraction are not rounded for a column of whole numbers, but refused; and
    timedeltas, dicts and lists also go where pandas alone cannot send them (interval, json, jsonb).

    :param table: pandas' table, which `to_sql` gives; it names the target.
    :param connection: a connection inside a transaction: use `with engine.begin() as connection`.
    :param keys: the columns' names, in the order of the values.
    :param rows: the rows' values.
    :returns: the number of rows that the server inserted.
    :raises psycopg2.Error: for rows that the table refuses, with nothing of the frame inserted.
    :raises CannotRun: for a value that has no form in PostgreSQL, naming column and row.

    Example::

        frame.to_sql("users", connection, if_exists="append", index=False, method=etl.insert_ignoring_conflicts)
    """
    session = Session(connection)
    target = sql.Identifier(*filter(None, [table.schema, table.name]))
    stage = sql.Identifier("etl_to_sql")
    columns = sql.SQL(", ").join(map(sql.Identifier, keys))
    frame, staged_as = _copyable(table, session, keys, rows)
    session.run(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            stage, sql.SQL(", ").join(_staged(name, staged_as.get(name)) for name in keys), target
        )
    )
    copy_frame(session, stage, frame)
    inserted = session.run(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} ON CONFLICT DO NOTHING").format(
            target, columns, columns, stage
        )
    )
    session.run(sql.SQL("DROP TABLE {}").format(stage))
    return inserted


def _staged(name: str, type_name: str | None) -> sql.Composable:
    column = sql.Identifier(name)
    return column if type_name is None else sql.SQL("NULL::{} AS {}").format(sql.SQL(type_name), column)


def _copyable(
    table: SQLTable, session: Session, keys: list[str], rows: Iterable[Sequence[object]]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows as COPY takes them, and the columns that are staged in another type than the target's."""
    types = _types(session, table, keys)
    processors = _processors(table, session)
    frame = table.frame if table.frame is not None else pd.DataFrame()
    values = list(rows) if len(frame) else []
    whole = len(values) == len(frame) and list(frame.columns) == keys  # not with `chunksize` or `index=True`
    if whole and not processors and all(_goes_as_it_is(frame[name].dtype, types.get(name)) for name in keys):
        return frame, {}
    units = _timedelta_units(table)
    columns = list(zip(*values, strict=True)) if values else [()] * len(keys)
    texts, staged_as = {}, {}
    for name, cells in zip(keys, columns, strict=True):
        process = processors.get(name)
        found = column_texts(
            cells if process is None else map(process, cells),
            types.get(name, TargetType(Kind.OTHER, "unknown")),
            name=name,
            timedelta_unit=units.get(name),
            by_driver=lambda value: str(session.value(sql.SQL("SELECT ({})::text").format(sql.Literal(value)))),
        )
        texts[name] = found.texts
        if found.staged_as is not None:
            staged_as[name] = found.staged_as
    return pd.DataFrame(texts), staged_as


def _goes_as_it_is(dtype: object, target: TargetType | None) -> bool:
    """Whether COPY writes an Arrow column of this type just as the target's type reads it."""
    if target is None or not isinstance(dtype, pd.ArrowDtype):
        return False
    arrow = dtype.pyarrow_dtype
    if pa.types.is_timestamp(arrow):
        kind = Kind.TIMESTAMP if arrow.tz is None else Kind.TIMESTAMPTZ
        return target.kind is kind and arrow.unit != "ns"  # which pandas cuts and PostgreSQL would round
    return any(is_type(arrow) and target.kind in kinds for is_type, kinds in _AS_THEY_ARE)


_WHOLE = frozenset({Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT, Kind.NUMERIC})
_AS_THEY_ARE: tuple[tuple[Callable[[pa.DataType], bool], frozenset[Kind]], ...] = (
    (pa.types.is_string, frozenset(Kind)),
    (pa.types.is_large_string, frozenset(Kind)),
    (pa.types.is_integer, _WHOLE),
    (pa.types.is_boolean, frozenset({Kind.BOOLEAN})),
    (pa.types.is_date32, frozenset({Kind.DATE})),
    (pa.types.is_binary, frozenset({Kind.BYTEA})),
    (pa.types.is_large_binary, frozenset({Kind.BYTEA})),
)


def _timedelta_units(table: SQLTable) -> dict[str, str]:
    """The unit of the whole numbers that pandas makes of timedeltas, by column."""
    if table.frame is None:
        return {}
    frame = table.frame.head(0)
    if table.index is not None:
        frame = frame.rename_axis(index=table.index).reset_index()
    found = {}
    for name, dtype in frame.dtypes.items():
        if isinstance(dtype, pd.ArrowDtype) and pa.types.is_duration(dtype.pyarrow_dtype):
            found[str(name)] = "ns"
        elif pd.api.types.is_timedelta64_dtype(dtype):
            found[str(name)] = str(pd.Series([], dtype=dtype).dt.unit)
    return found


def _processors(table: SQLTable, session: Session) -> dict[str, Callable[[object], object]]:
    """What SQLAlchemy makes of values for the types that the user names with `dtype=`; BLOBs go as they are."""
    dialect = session.sqlalchemy.dialect
    chosen = set(map(str, table.dtype)) if isinstance(table.dtype, Mapping) else set()
    found = {}
    for column in table.table.columns:
        if column.name in chosen and not isinstance(column.type, LargeBinary):
            process = column.type.dialect_impl(dialect).bind_processor(dialect)
            if process is not None:
                found[column.name] = process
    return found


def _types(session: Session, table: SQLTable, keys: list[str]) -> dict[str, TargetType]:
    """The types of the target's columns."""
    name = sql.Identifier(*filter(None, [table.schema, table.name])).as_string(session.driver)
    query = sql.SQL(
        "SELECT attname, atttypid, atttypmod FROM pg_catalog.pg_attribute "
        "WHERE attrelid = {}::regclass AND attname = ANY({}) AND attnum > 0 AND NOT attisdropped"
    ).format(sql.Literal(name), sql.Literal(keys))
    found = {name: (oid, modifier) for name, oid, modifier in session.rows(query)}
    types = read_types(session, set(found.values()))
    return {name: types[identity] for name, identity in found.items()}
