"""The target's side of a comparison: a table's rows as Arrow batches in the order of the key, by one COPY.

It only reads, so a role that may SELECT is enough, and a read-only transaction will do.
"""

import contextlib
from collections.abc import Generator, Sequence

import psycopg2
import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql

from etl.comparison.families import family_of
from etl.comparison.target_forms import target_other_sql
from etl.comparison.wire import Wire, canonical_sql, target_key_order, target_sql
from etl.concurrency.background import Abandoned, Channel, ahead
from etl.core.plan import TablePlan
from etl.core.values import LARGE_BYTES
from etl.target.constraints import OLDER, chosen_rows, identifier
from etl.target.locks import choose_timeout
from etl.target.session import Session

PRESENT = "present"
CHUNK_ROWS = 20_000
CHUNK_BYTES = 8 * 2**20

_PRESENT = f"({OLDER})::int"  # the row was there before this transaction

SETTINGS = {
    "TimeZone": "UTC",
    "lc_monetary": "C",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",  # floats by the shortest text that reads back exactly
    "bytea_output": "hex",
    "quote_all_identifiers": "off",  # format_type would answer in quotes
    "work_mem": "64MB",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


def prepare_session(session: Session) -> None:
    """Settings of this transaction that decide how values are printed."""
    for name, value in SETTINGS.items():
        session.run(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    choose_timeout(session.rows, session.run)


def may_hold_large(session: Session, plan: TablePlan) -> bool:
    """Whether any value of the target's table may be larger than `LARGE_BYTES`.

    It would lie in the table's TOAST, compressed to no less than a 273rd part. Views and the like are not known.
    """
    return bool(
        session.value(
            sql.SQL(
                "SELECT coalesce(bool_or(relkind NOT IN ('r', 'p') OR pg_relation_size(reltoastrelid) > {}), true) "
                "FROM pg_class WHERE oid = {oid} OR oid IN (SELECT relid FROM pg_partition_tree({oid}))"
            ).format(sql.Literal(LARGE_BYTES // 512), oid=sql.Literal(plan.target.oid))
        )
    )


def read_target(
    session: Session,
    plan: TablePlan,
    wires: Sequence[Wire],
    *,
    canonical: bool,
    with_present: bool,
    only: sql.Composable | None = None,
) -> Generator[pa.RecordBatch]:
    """The rows of the target's table: `PRESENT` (0 or 1, where asked for), k0, k1 … if `canonical`, then the wires.

    `only` is a condition that chooses some of the rows.
    """
    selected = _selected(plan, wires, canonical=canonical, with_present=with_present)
    query = sql.SQL("SELECT {} FROM {}{} ORDER BY {}").format(
        sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(expression, sql.Identifier(name)) for name, _, expression in selected
        ),
        identifier(plan.target),
        chosen_rows(plan, only),
        _order(plan, canonical=canonical, unicode=session.keeps_unicode),
    )
    types = {name: kind for name, kind, _ in selected}

    def copy(channel: Channel[bytes]) -> None:
        sink = _Sink(channel)
        session.copy_out(query, sink)
        sink.flush()

    def cancel() -> None:
        with contextlib.suppress(psycopg2.Error):  # the connection may be gone already, which is what is wanted
            session.driver.cancel()

    with contextlib.closing(ahead(copy, depth=2, name="etl-compare-target", stop=cancel)) as chunks:
        for chunk in chunks:
            yield _parsed(chunk, types)


def _selected(
    plan: TablePlan, wires: Sequence[Wire], *, canonical: bool, with_present: bool
) -> list[tuple[str, pa.DataType, sql.Composable]]:
    found: list[tuple[str, pa.DataType, sql.Composable]] = []
    if with_present:
        found.append((PRESENT, pa.int64(), sql.SQL(_PRESENT)))
    if canonical:
        found += [(f"k{place}", pa.binary(), key) for place, key in enumerate(_canonical_keys(plan))]
    for wire in wires:
        column = sql.Identifier(wire.column.target)
        found.append((wire.name, wire.arrow_type, target_sql(column, wire.column.type, large=wire.large)))
        if wire.zoned:
            found.append((wire.other, pa.int64(), target_other_sql(column, wire.zone)))
    return found


def key_forms(plan: TablePlan, wires: Sequence[Wire], *, canonical: bool) -> list[tuple[sql.Composable, pa.DataType]]:
    """What rows are matched by, in the order of the keys: the expression over the target's columns, and its type."""
    if canonical:
        return [(key, pa.binary()) for key in _canonical_keys(plan)]
    of = {wire.column.target: wire for wire in wires}
    return [
        (
            target_sql(sql.Identifier(column.target), column.type, large=of[column.target].large),
            of[column.target].arrow_type,
        )
        for column in plan.key
    ]


def _canonical_keys(plan: TablePlan) -> list[sql.Composable]:
    if plan.key:
        return [canonical_sql(sql.Identifier(column.target), column.type) for column in plan.key]
    cells = [
        sql.SQL("coalesce(md5(convert_to({}, 'UTF8')), '-')").format(
            canonical_sql(sql.Identifier(column.target), column.type)
        )
        for column in plan.columns
    ]
    return [sql.SQL("md5({})").format(sql.SQL(" || ").join(cells))]


def _order(plan: TablePlan, *, canonical: bool, unicode: bool) -> sql.Composable:
    """By bytes, as the source is ordered; in another encoding than UTF-8 the server's own bytes would be others."""
    if canonical:
        texts = _canonical_keys(plan)
        if not unicode:
            return sql.SQL(", ").join(map(_utf8, texts))
        return sql.SQL(", ").join(sql.SQL('{} COLLATE "C"').format(key) for key in texts)
    keys = []
    for column in plan.key:
        name = sql.Identifier(column.target)
        is_text = family_of(column.type).arrow == pa.binary()
        keys.append(_utf8(name) if is_text and not unicode else target_key_order(name, column.type))
    return sql.SQL(", ").join(keys)


def _utf8(text: sql.Composable) -> sql.Composable:
    return sql.SQL("convert_to({}::text, 'UTF8')").format(text)


class _Sink:
    """Gathers rows, of which the driver hands over one at a time, to chunks that are worth parsing."""

    def __init__(self, channel: Channel[bytes]) -> None:
        self._handover = channel
        self._rows: list[bytes] = []
        self._size = 0
        self._abandoned = False

    def write(self, data: bytes) -> None:
        """Takes one row. Goes on taking them when nobody reads any more, until the server has heard of it."""
        if self._abandoned:
            return
        self._rows.append(data)
        self._size += len(data)
        if self._size >= CHUNK_BYTES or len(self._rows) >= CHUNK_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hands over what was gathered."""
        rows, self._rows, self._size = self._rows, [], 0
        if not rows or self._abandoned:
            return
        try:
            self._handover.put(b"".join(rows))
        except Abandoned:
            self._abandoned = True


def _parsed(chunk: bytes, types: dict[str, pa.DataType]) -> pa.RecordBatch:
    """CSV as PostgreSQL writes it: an empty field is NULL, a quoted one a text. One block: no row is cut."""
    table = pa.csv.read_csv(
        pa.BufferReader(chunk),
        read_options=pa.csv.ReadOptions(column_names=list(types), block_size=len(chunk) + 1, use_threads=False),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return table.combine_chunks().to_batches()[0]
