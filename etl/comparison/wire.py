"""How a column travels when two sides are compared: one SQL expression for each database, and the Arrow type of both.

Where SQLite's value is of an ordinary form, the two expressions give equal Arrow values exactly if the values are
equal. For everything else the source's gives a mark that never equals anything: the value is then looked at singly.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from psycopg2 import sql

from etl.comparison import source_forms
from etl.comparison.families import Family, family_of
from etl.comparison.large import bounded_bytes_sql, bounded_source_sql, bounded_sql
from etl.core.plan import ColumnPlan
from etl.core.repairs import Repair
from etl.core.types import Kind, TargetType

_STRANGE = {
    pa.int64(): str(source_forms.STRANGE_INTEGER),
    pa.float64(): repr(source_forms.STRANGE_REAL),
    pa.binary(): source_forms.STRANGE_TEXT,
}


_UNREPAIRED_TEXTS = {
    Repair.NUL: "coalesce(instr(CAST({c} AS BLOB), x'00'), 0) = 0",
    Repair.UTF8: "etl_is_utf8(CAST({c} AS BLOB))",
    Repair.TRIM: "coalesce(length({c}), 0) <= {length}",
}
"""Conditions under which a text of a key is as the target has it."""


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
    def family(self) -> Family:
        """How the column's type is compared."""
        return family_of(self.column.type)

    @property
    def arrow_type(self) -> pa.DataType:
        """int64, double or binary."""
        return self.family.arrow


def wires(columns: tuple[ColumnPlan, ...], zone: str, *, large: bool = False) -> tuple[Wire, ...]:
    """The columns in their order; `large` if any value of the table may be."""
    return tuple(
        Wire(column, place, (column.zone or zone) if family_of(column.type).times else "UTC", large)
        for place, column in enumerate(columns)
    )


# -- SQLite -------------------------------------------------------------------------------------------------------


def source_sql(column: str, plan: ColumnPlan, *, utf8: bool, large: bool = False) -> str:
    """The SQLite expression for `column` (a quoted name); `utf8` says whether the database's own encoding is that.

    `large` puts marks in the place of large values, by functions that the connection must have.
    """
    target, family = plan.type, family_of(plan.type)
    forms = family.stored
    if family.times:
        forms = {**forms, **source_forms.NUMBER_FORMS.get(plan.unit, {})}
    if target.kind is Kind.BYTEA and not utf8:
        forms = {"blob": forms["blob"]}
    if target.padded:
        forms = {**forms, "text": "rtrim({c}, ' ')"}
    if large and family.arrow == pa.binary():
        forms = _bounded_forms(forms, target, utf8=utf8)
    branches = " ".join(f"WHEN '{storage}' THEN {expression}" for storage, expression in forms.items())
    expression = f"CASE typeof({{c}}) {branches} WHEN 'null' THEN NULL ELSE {{strange}} END"
    return expression.replace("{strange}", _STRANGE[family.arrow]).replace("{c}", column)


def _bounded_forms(forms: Mapping[str, str], target: TargetType, *, utf8: bool) -> dict[str, str]:
    as_hex = target.kind is Kind.BYTEA
    bounded = {
        storage: bounded_source_sql("{c}" if as_hex else forms[storage], utf8=utf8 or storage == "blob", as_hex=as_hex)
        for storage in ("text", "blob")
        if storage in forms
    }
    return {**forms, **bounded}


def source_is_native_sql(column: str, target: TargetType) -> str:
    """Whether an ordinary time names an instant (timestamptz), or does not (timestamp): 1 or 0."""
    instant = (
        f"(typeof({column}) <> 'text' OR "
        f"(length({column}) > 19 AND (substr({column}, -1) = 'Z' OR substr({column}, -6, 1) IN ('+', '-'))))"
    )
    return instant if target.kind is Kind.TIMESTAMPTZ else f"NOT {instant}"


def ordinary_key_sql(column: str, plan: ColumnPlan, *, utf8: bool) -> str | None:
    """A condition under which SQLite orders `column` as PostgreSQL orders the key; None for types without one.

    A text that a repair alters is ordered by what it becomes; `etl_is_utf8` has to be a function of the connection.
    """
    target, family = plan.type, family_of(plan.type)
    if family.order is None or target.padded or (family.arrow == pa.binary() and not utf8):
        return None
    conditions = [family.order]
    if target.kind is Kind.TEXT:
        conditions += [condition for repair, condition in _UNREPAIRED_TEXTS.items() if repair in plan.repairs]
    return " AND ".join(conditions).replace("{c}", column).replace("{length}", str(target.length))


# -- PostgreSQL ---------------------------------------------------------------------------------------------------


def target_sql(column: sql.Composable, target: TargetType, *, large: bool = False) -> sql.Composable:
    """The PostgreSQL expression for `column`; `large` puts marks in the place of large values."""
    family = family_of(target)
    shown = family.sent(column)
    if not large or family.large is None:
        return shown
    if target.kind is Kind.BYTEA:
        return bounded_bytes_sql(column, shown)
    return bounded_sql(shown, family.asked(column, target) if target.kind is Kind.JSON else None)


def target_key_order(column: sql.Composable, target: TargetType) -> sql.Composable:
    """What to order by so that the order is that of the wire: bytes for texts, whatever the column's collation."""
    return sql.SQL('{}::text COLLATE "C"').format(column) if family_of(target).arrow == pa.binary() else column


def canonical_sql(column: sql.Composable, target: TargetType) -> sql.Composable:
    """The one spelling of a value by which keys and whole rows are matched: a text, or NULL."""
    key = family_of(target).key
    return key(column, target) if key else sql.SQL("({})::text").format(target_sql(column, target, large=True))
