"""How a column travels when two sides are compared: one SQL expression for each database, and the Arrow type of both.

Where SQLite's value is of an ordinary form, the two expressions give equal Arrow values exactly if the values are
equal. For everything else the source's gives a mark that never equals anything: the value is then looked at singly.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from psycopg2 import sql

from etl.comparison.large import MARKED_KINDS, bounded_bytes_sql, bounded_source_sql, bounded_sql
from etl.comparison.meaning import BEYOND, FLOATS, INTEGERS, TIMES, is_padded
from etl.core.plan import ColumnPlan
from etl.core.time_units import TimeUnit
from etl.core.types import Kind, TargetType

STRANGE_INTEGER = -(2**63) + 1
STRANGE_REAL = -1.797e308
_EXACT_IN_FLOAT = 2**53
_STRANGE_TEXT = "x'FF'"  # not UTF-8, so no text of PostgreSQL equals it

_ORDINARY_UUID = "????????-????-????-????-????????????"


@dataclass(frozen=True)
class Wire:
    """A column on its way. Names of the Arrow columns: `name`, and where wall clock times have to be read in a zone
    `native` (source: whether its number is of the target's own kind) and `other` (target: its other reading)."""

    column: ColumnPlan
    place: int
    zone: str  # "UTC", or the zone of wall clock times if that makes a difference to this column
    large: bool = False  # whether values may be so large that they travel as marks (`large.py`)

    @property
    def name(self) -> str:
        """The Arrow column's name on both sides."""
        return f"c{self.place}"

    @property
    def native(self) -> str:
        """Source only: 1 where the value is to be compared with `name`, 0 where with `other`."""
        return f"n{self.place}"

    @property
    def other(self) -> str:
        """Target only: the wall clock of an instant, or the instant of a wall clock, in `zone`."""
        return f"o{self.place}"

    @property
    def zoned(self) -> bool:
        """Whether there are `native` and `other`."""
        return self.zone != "UTC"

    @property
    def arrow_type(self) -> pa.DataType:
        """int64, double or binary."""
        return arrow_type(self.column.type)


def wires(columns: tuple[ColumnPlan, ...], zone: str, *, large: bool = False) -> tuple[Wire, ...]:
    """The columns in their order; `large` if any value of the table may be."""
    return tuple(
        Wire(column, place, zone if column.type.kind in TIMES else "UTC", large) for place, column in enumerate(columns)
    )


def arrow_type(target: TargetType) -> pa.DataType:
    """Whole numbers, booleans and times are int64, floats double, everything else the bytes of a text."""
    if target.kind in (Kind.BOOLEAN, *INTEGERS, *TIMES):
        return pa.int64()
    return pa.float64() if target.kind in FLOATS else pa.binary()


# -- SQLite -------------------------------------------------------------------------------------------------------


def source_sql(column: str, plan: ColumnPlan, *, utf8: bool, large: bool = False) -> str:
    """The SQLite expression for `column` (a quoted name); `utf8` says whether the database's own encoding is that.

    `large` puts marks in the place of large values, by functions that the connection must have.
    """
    target = plan.type
    cases = _SOURCE_CASES.get(target.kind, _TEXT_CASES)
    if target.kind in TIMES:
        cases = {**cases, **_NUMBER_CASES.get(plan.unit, {})}
    if target.kind is Kind.BYTEA and not utf8:
        cases = {"blob": cases["blob"]}
    if is_padded(target):
        cases = {**cases, "text": "rtrim({c}, ' ')"}
    if large and arrow_type(target) == pa.binary():
        cases = _bounded_cases(cases, target, utf8=utf8)
    strange = {pa.int64(): str(STRANGE_INTEGER), pa.float64(): repr(STRANGE_REAL)}.get(
        arrow_type(target), _STRANGE_TEXT
    )
    branches = " ".join(f"WHEN '{storage}' THEN {expression}" for storage, expression in cases.items())
    return f"CASE typeof({{c}}) {branches} WHEN 'null' THEN NULL ELSE {{strange}} END".replace(
        "{strange}", strange
    ).replace("{c}", column)


def _bounded_cases(cases: Mapping[str, str], target: TargetType, *, utf8: bool) -> dict[str, str]:
    as_hex = target.kind is Kind.BYTEA
    bounded = {
        storage: bounded_source_sql("{c}" if as_hex else cases[storage], utf8=utf8 or storage == "blob", as_hex=as_hex)
        for storage in ("text", "blob")
        if storage in cases
    }
    return {**cases, **bounded}


def source_is_native_sql(column: str, target: TargetType) -> str:
    """Whether an ordinary time names an instant (timestamptz), or does not (timestamp): 1 or 0."""
    instant = (
        f"(typeof({column}) <> 'text' OR "
        f"(length({column}) > 19 AND (substr({column}, -1) = 'Z' OR substr({column}, -6, 1) IN ('+', '-'))))"
    )
    return instant if target.kind is Kind.TIMESTAMPTZ else f"NOT {instant}"


_EXACT = f"{{c}} BETWEEN -{_EXACT_IN_FLOAT} AND {_EXACT_IN_FLOAT}"
_WHOLE = f"CASE WHEN {_EXACT} AND {{c}} = CAST({{c}} AS INTEGER) "
_INTEGER_CASES = {"integer": "{c}", "real": _WHOLE + "THEN CAST({c} AS INTEGER) ELSE {strange} END"}
_FLOAT_CASES = {
    "real": "{c}",
    "integer": f"CASE WHEN {_EXACT} THEN CAST({{c}} AS REAL) ELSE {{strange}} END",
}
_BOOLEAN_CASES = {
    "integer": "CASE WHEN {c} IN (0, 1) THEN {c} ELSE {strange} END",
    "text": "CASE WHEN lower({c}) IN ('0', 'f', 'false') THEN 0 WHEN lower({c}) IN ('1', 't', 'true') THEN 1 "
    "ELSE {strange} END",
}
_TEXT_CASES = {"text": "{c}", "integer": "CAST({c} AS TEXT)"}
# SQLite prints reals with 15 or 17 digits, depending on its version; here only what reads back will do.
_DIGITS_CASES = {
    **_TEXT_CASES,
    "real": "CASE WHEN CAST(CAST({c} AS TEXT) AS REAL) = {c} THEN CAST({c} AS TEXT) ELSE {strange} END",
}
_BYTES_CASES = {"blob": "lower(hex({c}))", "text": "lower(hex(CAST({c} AS BLOB)))"}

# SQLite takes 30 February for 1 March and 24:00 for the next day, so days and hours are checked. It rounds fractions to
# milliseconds, so their digits are taken from the text.
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_CLOCK = "[T ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
_EXISTS = (
    "(substr({c}, 9, 2) < '29' OR date({c}, '+0 days') = substr({c}, 1, 10)) "
    "AND substr({c}, 12, 2) < '24' AND substr({c}, 1, 4) > '0000'"
)
_SECONDS = "unixepoch({t})" if sqlite3.sqlite_version_info >= (3, 38) else "CAST(strftime('%s', {t}) AS INTEGER)"


def _time_text_sql() -> str:
    """Branches by the length in bytes, one a form: with a fraction of 3 or 6 digits, Z or an offset, or neither."""
    branches = [_time_branch(_DAY, 10, "{c}")]
    for digits in (0, 3, 6):
        fraction = "." + "[0-9]" * digits if digits else ""
        micros = f" + CAST(substr({{c}}, 21, {digits}) AS INTEGER) * {10 ** (6 - digits)}" if digits else ""
        for zone, zone_bytes in (("", 0), ("Z", 1), ("[+-][0-9][0-9]:[0-9][0-9]", 6)):
            moment = "substr({c}, 1, 19)" + (" || substr({c}, -6)" if zone_bytes > 1 else "")
            length = 19 + (digits + 1 if digits else 0) + zone_bytes
            branches.append(_time_branch(_DAY + _CLOCK + fraction + zone, length, moment, micros))
    return f"CASE length(CAST({{c}} AS BLOB)) {' '.join(branches)} ELSE {{strange}} END"


def _time_branch(pattern: str, length: int, moment: str, micros: str = "") -> str:
    value = f"coalesce({_SECONDS.replace('{t}', moment)} * 1000000{micros}, {{strange}})"
    return f"WHEN {length} THEN CASE WHEN {{c}} GLOB '{pattern}' AND {_EXISTS} THEN {value} ELSE {{strange}} END"


_JULIAN_DAY = (
    f"CASE WHEN {{c}} >= 1721425.5 AND {{c}} < 5373484.5 THEN {_SECONDS.replace('{t}', '{c}')} * 1000000 "
    "+ CAST(substr(strftime('%f', {c}), 4, 3) AS INTEGER) * 1000 ELSE {strange} END"
)
_REAL_SECONDS = (
    "CASE WHEN {c} >= 0 AND {c} < 1e11 THEN CAST({c} AS INTEGER) * 1000000 "
    "+ CAST(round(({c} - CAST({c} AS INTEGER)) * 1e6) AS INTEGER) ELSE {strange} END"
)
_COUNTED = "CASE WHEN {c} BETWEEN -{most} AND {most} THEN {c} * {micros} ELSE {strange} END"
# The common units; the others' numbers are looked at singly.
_NUMBER_CASES: Mapping[TimeUnit | None, Mapping[str, str]] = {
    TimeUnit.SECONDS: {
        "integer": _COUNTED.replace("{most}", "100000000000").replace("{micros}", "1000000"),
        "real": _REAL_SECONDS,
    },
    TimeUnit.MILLISECONDS: {"integer": _COUNTED.replace("{most}", "100000000000000").replace("{micros}", "1000")},
    TimeUnit.MICROSECONDS: {"integer": _COUNTED.replace("{most}", "100000000000000000").replace("{micros}", "1")},
    TimeUnit.JULIAN: {"real": _JULIAN_DAY},
}
_TIME_CASES = {"text": _time_text_sql()}
_SOURCE_CASES = {
    Kind.BOOLEAN: _BOOLEAN_CASES,
    Kind.SMALLINT: _INTEGER_CASES,
    Kind.INTEGER: _INTEGER_CASES,
    Kind.BIGINT: _INTEGER_CASES,
    Kind.REAL: _FLOAT_CASES,
    Kind.DOUBLE: _FLOAT_CASES,
    Kind.NUMERIC: _DIGITS_CASES,
    Kind.JSON: _DIGITS_CASES,
    Kind.TIMESTAMPTZ: _TIME_CASES,
    Kind.TIMESTAMP: _TIME_CASES,
    Kind.BYTEA: _BYTES_CASES,
}


def ordinary_key_sql(column: str, target: TargetType, *, utf8: bool) -> str | None:
    """A condition under which SQLite orders `column` as PostgreSQL orders the key; None for types without one."""
    if target.kind in INTEGERS:
        return f"typeof({column}) IN ('integer', 'null')"
    if target.kind is Kind.TEXT and utf8 and not is_padded(target):
        return f"typeof({column}) IN ('text', 'null')"
    if target.sql == "uuid" and utf8:
        lower = f"lower({column}) = {column} AND {column} GLOB '{_ORDINARY_UUID}'"
        return f"(typeof({column}) = 'null' OR typeof({column}) = 'text' AND {lower})"
    return None


# -- PostgreSQL ---------------------------------------------------------------------------------------------------


def target_sql(column: sql.Composable, target: TargetType, *, large: bool = False) -> sql.Composable:
    """The PostgreSQL expression for `column`; `large` puts marks in the place of large values."""
    if large and target.kind in MARKED_KINDS:
        return _bounded_target_sql(column, target)
    if target.kind is Kind.BOOLEAN:
        return sql.SQL("{}::int").format(column)
    if target.kind is Kind.REAL:
        return sql.SQL("{}::float8").format(column)  # exact, where its own shortest text is not
    if target.kind is Kind.BYTEA:
        return sql.SQL("encode({}, 'hex')").format(column)
    if target.kind in TIMES:
        return _microseconds(column, column)
    return sql.SQL("{}::text").format(column) if arrow_type(target) == pa.binary() else column


def _bounded_target_sql(column: sql.Composable, target: TargetType) -> sql.Composable:
    shown = target_sql(column, target)
    if target.kind is Kind.BYTEA:
        return bounded_bytes_sql(column, shown)
    return bounded_sql(shown, json_sql(column) if target.kind is Kind.JSON else None)


def json_sql(column: sql.Composable) -> sql.Composable:
    """A text that is the same for equal documents, and for no others.

    Documents are equal though they print 1.0 and 1.00. PostgreSQL's own hash sees through that, but gives [] and {} the
    same; the text without zeros and points, which is the same for equal ones too, tells these apart.
    """
    return sql.SQL(
        "jsonb_hash_extended({c}::jsonb, 0) || ' ' || jsonb_hash_extended({c}::jsonb, 1) "
        "|| translate({c}::jsonb::text, '0.', '')"
    ).format(c=column)


def target_other_sql(column: sql.Composable, zone: str) -> sql.Composable:
    """Microseconds of an instant's wall clock in `zone`, or of the instant of a wall clock."""
    return _microseconds(column, sql.SQL("({} AT TIME ZONE {})").format(column, sql.Literal(zone)))


def _microseconds(column: sql.Composable, moment: sql.Composable) -> sql.Composable:
    """Exact on every version: before 14 `extract` gave floats, too coarse for a whole time, but not for these parts."""
    infinity, minus_infinity, far = (sql.Literal(number) for number in BEYOND)
    return sql.SQL(
        "CASE WHEN {c} IS NULL THEN NULL WHEN {c} > '-infinity' AND {c} < '10000-01-02' THEN "
        "extract(epoch FROM date_trunc('second', {m}))::int8 * 1000000 "
        "+ extract(microseconds FROM {m})::int8 % 1000000 "
        "WHEN {c} = 'infinity' THEN {infinity} WHEN {c} = '-infinity' THEN {minus} ELSE {far} END"
    ).format(c=column, m=moment, infinity=infinity, minus=minus_infinity, far=far)


def target_key_order(column: sql.Composable, target: TargetType) -> sql.Composable:
    """What to order by so that the order is that of the wire: bytes for texts, whatever the column's collation."""
    if arrow_type(target) == pa.binary():
        return sql.SQL('{}::text COLLATE "C"').format(column)
    return column
