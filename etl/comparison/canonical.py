"""One spelling for each value of a type, the same from SQLite and from PostgreSQL: for keys and rows that have to be
sorted and matched although the two databases order or spell them differently.

What only PostgreSQL can read (its uuid, date, enum …, and JSON) it is asked to spell.
"""

import struct
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import psycopg2
from psycopg2 import sql

from etl.comparison import meaning
from etl.comparison.large import MARKED_KINDS, bounded_sql, digest_sql, is_large, mark_of, mark_parts, octets_of
from etl.comparison.meaning import FLOATS, INTEGERS, TIMES, MeaninglessError
from etl.comparison.readers import is_readable, means_same
from etl.comparison.rewritten import judge_rewritten
from etl.comparison.wire import json_sql, target_sql
from etl.core.plan import ColumnPlan
from etl.core.time_units import TimeUnit
from etl.core.types import SERVER_READ, Kind, Rewriting, TargetType
from etl.core.values import LargeText, StorageValue
from etl.target.session import Session, cannot_be_read, concerns_one_row

_V = sql.Identifier("v")
_MEANINGLESS = b"\xff"  # is no UTF-8, so it never meets anything


class Canonical:
    """Spells SQLite values; wall clock times are read in `zone`."""

    def __init__(self, session: Session, zone: str) -> None:
        self._session = session
        self._zone = zone

    def of_columns(
        self, columns: Sequence[ColumnPlan], values: Sequence[Sequence[StorageValue]]
    ) -> list[list[bytes | None]]:
        """The values of each column, spelled; None for NULL, bytes that match nothing for what has no meaning."""
        return [self._of_column(column, cells) for column, cells in zip(columns, values, strict=True)]

    def _of_column(self, column: ColumnPlan, cells: Sequence[StorageValue]) -> list[bytes | None]:
        target = column.type
        if target.kind is Kind.JSON or target.kind in SERVER_READ:
            return self._asked(target, cells)
        return [None if cell is None else self._spelled(cell, column) for cell in cells]

    def _spelled(self, value: StorageValue, column: ColumnPlan) -> bytes:
        try:
            return _spell(value, column.type, self._zone, column.unit).encode()
        except MeaninglessError:
            return _MEANINGLESS

    def _asked(self, target: TargetType, cells: Sequence[StorageValue]) -> list[bytes | None]:
        """Each distinct text once; what the server reads as something else has no spelling."""
        type_sql = "jsonb" if target.kind is Kind.JSON else target.sql
        if any(isinstance(cell, LargeText) for cell in cells):
            return [self._asked_singly(target, type_sql, cell) for cell in cells]
        texts = [None if cell is None or isinstance(cell, bytes) else _text(cell, type_sql) for cell in cells]
        distinct = [text for text in dict.fromkeys(texts) if text is not None]
        spelled: dict[str | None, bytes | None] = dict(
            zip(distinct, spellings(self._session, type_sql, distinct), strict=True)
        )
        spelled = {text: spelling for text, spelling in spelled.items() if _means_that(text, spelling, target)}
        return [None if cell is None else _known(spelled.get(text)) for cell, text in zip(cells, texts, strict=True)]

    def _asked_singly(self, target: TargetType, type_sql: str, cell: StorageValue) -> bytes | None:
        if not isinstance(cell, LargeText):
            return self._asked(target, [cell])[0]
        return _known(large_spelling(self._session, type_sql, cell))


def _means_that(text: str | None, spelling: bytes | None, target: TargetType) -> bool:
    """Whether the server's spelling of a text means what was stored, by our own reading."""
    if text is None or spelling is None or mark_parts(spelling) is not None:
        return True
    try:
        if target.kind is Kind.JSON:
            return target.base != "jsonb" or meaning.has_unique_keys(text)
        if is_readable(target):
            return means_same(text, spelling.decode(), target)
    except MeaninglessError:
        return False
    return judge_rewritten(text, spelling.decode()) is not Rewriting.BENT


def _known(spelling: bytes | None) -> bytes:
    return _MEANINGLESS if spelling is None else spelling


def spellings(session: Session, type_sql: str, texts: Sequence[str]) -> list[bytes | None]:
    """How PostgreSQL prints each text once it has read it as `type_sql`; None for what it does not accept."""
    if not texts:
        return []
    if len(texts) == 1 and "\0" in texts[0]:
        return [None]
    if not any("\0" in text for text in texts):
        query = sql.SQL("SELECT {} FROM unnest({}::text[]) WITH ORDINALITY AS x(v, n) ORDER BY n")
        spelling = bounded_sql(_spelling(_V, type_sql))
        try:
            with session.savepoint():
                rows = session.rows(query.format(spelling, sql.Literal(list(texts))))
            return [str(row[0]).encode() for row in rows]
        except psycopg2.Error as error:
            if not (concerns_one_row(error) or cannot_be_read(error)):
                raise
            if len(texts) == 1:
                return [None]
    middle = len(texts) // 2
    return spellings(session, type_sql, texts[:middle]) + spellings(session, type_sql, texts[middle:])


def large_spelling(session: Session, type_sql: str, text: LargeText, *, digest: bool = False) -> bytes | None:
    """The same for a large text, or the `digest` of how it is printed.

    It reaches the server in parts, as settings of the transaction: a statement would be copied half a dozen times on
    its way, and a read-only transaction has no other place for it.
    """
    if b"\0" in text.utf8:
        return None
    names: list[str] = []
    for place, part in enumerate(text.parts()):
        names.append(f"etl.part_{place}")
        _set(session, names[-1], part)
    whole = sql.SQL(" || ").join(sql.SQL("current_setting({})").format(sql.Literal(name)) for name in names)
    spelling = _spelling(_V, type_sql)
    query = sql.SQL("SELECT {} FROM (SELECT ({})::{} AS v OFFSET 0) read_once").format(
        digest_sql(spelling) if digest else bounded_sql(spelling), whole, sql.SQL(type_sql)
    )
    try:
        with session.savepoint():
            return str(session.value(query)).encode()
    except psycopg2.Error as error:
        if not concerns_one_row(error):
            raise
        return None
    finally:
        for name in names:
            _set(session, name, "")


def _set(session: Session, name: str, value: str) -> None:
    session.value(sql.SQL("SELECT set_config({}, {}, true) IS NULL").format(sql.Literal(name), sql.Literal(value)))


def _spelling(text: sql.Composable, type_sql: str) -> sql.Composable:
    if type_sql == "jsonb":
        return json_sql(text)
    return sql.SQL("{}::{}::text").format(text, sql.SQL(type_sql))


def _text(value: StorageValue, type_sql: str) -> str:
    """What PostgreSQL is given to read; a number in JSON keeps all of its digits."""
    return repr(value) if isinstance(value, float) and type_sql == "jsonb" else meaning.text(value)


def _spell(value: StorageValue, target: TargetType, zone: str, unit: TimeUnit | None) -> str:
    if is_large(value) and target.kind in MARKED_KINDS:
        return mark_of(octets_of(value, target))
    if target.kind is Kind.BOOLEAN:
        return str(int(meaning.truth(value)))
    if target.kind in INTEGERS:
        return _whole(value)
    if target.kind in TIMES:
        return str(meaning.microseconds(value, target.kind, zone, unit))
    if target.kind in FLOATS:
        return _bits(value, single=target.kind is Kind.REAL)
    if target.kind is Kind.NUMERIC:
        return _plain(Decimal(repr(value)) if isinstance(value, float) else meaning.number(value))
    if target.kind is Kind.BYTEA:
        return meaning.octets(value).hex()
    text = meaning.text(value)
    return text.rstrip(" ") if meaning.is_padded(target) else text


def _whole(value: StorageValue) -> str:
    number = meaning.number(value)
    if not meaning.is_integer(value, int(number) if number.is_finite() else 0):
        raise MeaninglessError
    return str(int(number))


def _bits(value: StorageValue, *, single: bool) -> str:
    number = float(meaning.number(value)) + 0.0  # which makes −0 the same as 0
    if single:
        with np.errstate(over="ignore"):
            number = float(np.float32(number))
    if not meaning.is_float(value, number, single=single):
        raise MeaninglessError
    return struct.pack(">d", number).hex()


def _plain(number: Decimal) -> str:
    if not number.is_finite():
        raise MeaninglessError
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.removeprefix("+") if text not in ("-0", "") else "0"


def canonical_sql(column: sql.Composable, target: TargetType) -> sql.Composable:
    """The same spelling by PostgreSQL: a text, or NULL."""
    if target.kind in FLOATS:
        return sql.SQL("encode(float8send({}::float8 + 0), 'hex')").format(column)
    if target.kind is Kind.NUMERIC:
        return sql.SQL(
            "CASE WHEN {c}::text LIKE '%.%' THEN rtrim(rtrim({c}::text, '0'), '.') ELSE {c}::text END"
        ).format(c=column)
    if target.kind is Kind.JSON:
        return bounded_sql(json_sql(column))
    return sql.SQL("({})::text").format(target_sql(column, target, large=True))
