"""What only a conversion can tell of the source's values: which would be rejected, times, activity, the keys of JSON.

Tables are read in batches and converted by the load's own rules, column by column, so that each has its own result.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.convert import convert
from etl.core import defaults
from etl.core.plan import ColumnPlan
from etl.core.redaction import shown
from etl.core.source_tables import SourceTable
from etl.core.types import TIMES, Kind
from etl.core.values import LargeText, UndecodableText
from etl.source.batches import read_batches
from etl.source.database import Source

KEYS_TOLD_APART = 1_000  # of one JSON column; objects whose keys are ids would have millions
OTHER_KEYS = "(other keys)"
ACTIVITY_COLUMNS = ("created_at", "timestamp")  # when a row came into being, by the application's own names

_USUAL: dict[Kind, tuple[str, ...]] = {
    Kind.BOOLEAN: ("integer",),
    Kind.SMALLINT: ("integer",),
    Kind.INTEGER: ("integer",),
    Kind.BIGINT: ("integer",),
    Kind.REAL: ("real", "integer"),
    Kind.DOUBLE: ("real", "integer"),
    Kind.NUMERIC: ("real", "integer", "text"),
    Kind.JSON: ("text", "integer", "real"),  # SQLite makes numbers of numeric text in columns declared JSON
    Kind.BYTEA: ("blob",),
}
_STORAGE_OF: dict[type, str] = {
    int: "integer",
    float: "real",
    str: "text",
    bytes: "blob",
    UndecodableText: "text",
    LargeText: "text",
}
_JSON_TYPE_OF: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


@dataclass
class ColumnFindings:
    """One column's values. `rejected` by rule, `unusual` (converted, but of an odd storage class) by storage class.

    `examples` has a shown (masked where secret) value for each of both; `days` are the rows of each day of a time.
    """

    plan: ColumnPlan
    rejected: Counter[str] = field(default_factory=Counter)
    unusual: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    earliest: datetime | None = None
    latest: datetime | None = None
    days: Counter[datetime] = field(default_factory=Counter)
    json_types: Counter[str] = field(default_factory=Counter)
    json_keys: Counter[tuple[str, str]] = field(default_factory=Counter)

    def look_at(self, raw: pd.Series, converted: pd.Series, rejected: pd.DataFrame) -> None:
        """Takes in one batch: the values as stored, those that converted, and the rows that did not."""
        self._note_rejected(raw, rejected)
        self._note_unusual(raw.drop(rejected.index) if len(rejected) else raw)
        if self.plan.type.kind in TIMES:
            self._note_times(converted)
        if self.plan.type.kind is Kind.JSON:
            self._note_json(converted.dropna())

    def _note_rejected(self, raw: pd.Series, rejected: pd.DataFrame) -> None:
        for number, rule in zip(rejected.index, rejected["rule"], strict=True):
            self.rejected[rule] += 1
            if rule not in self.examples:
                self.examples[rule] = shown(raw.loc[number], column=self.plan.source)

    def _note_unusual(self, raw: pd.Series) -> None:
        usual = _USUAL.get(self.plan.type.kind, ("text",))
        for storage, rows in _storage_classes(raw).items():
            if storage in usual:
                continue
            self.unusual[storage] += rows
            if storage not in self.examples:
                value = next(value for value in raw if _storage_of(value) == storage)
                self.examples[storage] = shown(value, column=self.plan.source)

    def _note_times(self, converted: pd.Series) -> None:
        bounds = pc.min_max(_arrow(converted)).as_py()
        if bounds["min"] is not None:
            self.earliest = min(self.earliest or bounds["min"], bounds["min"])
            self.latest = max(self.latest or bounds["max"], bounds["max"])
            self.days.update(_days(converted))

    def _note_json(self, documents: Iterable[str]) -> None:
        for document in documents:
            try:
                content = orjson.loads(document)
            except orjson.JSONDecodeError:  # nested deeper than it goes; PostgreSQL goes further
                self.json_types["too deep to open"] += 1
                continue
            self.json_types[_JSON_TYPE_OF[type(content)]] += 1
            if isinstance(content, dict):
                self._note_keys(content)

    def _note_keys(self, content: dict[str, object]) -> None:
        for key, value in content.items():
            entry = (key, _JSON_TYPE_OF[type(value)])
            known = entry in self.json_keys or len(self.json_keys) < KEYS_TOLD_APART
            self.json_keys[entry if known else (OTHER_KEYS, "")] += 1


@dataclass
class TableFindings:
    """One table's values: its columns, and rows per day by `activity_column` ("" where the table has no time)."""

    columns: list[ColumnFindings]
    activity_column: str
    days: Counter[datetime] = field(default_factory=Counter)


def read_values(
    source: Source, table: SourceTable, plans: Sequence[ColumnPlan], assume_timezone: str = defaults.TIMEZONE
) -> TableFindings:
    """Reads the whole table, batch by batch."""
    findings = TableFindings([ColumnFindings(plan) for plan in plans], _activity_column(plans))
    for batch in read_batches(source, table, table.column_names):
        for column in findings.columns:
            plan = column.plan
            result = convert(batch.frame[[plan.source]], [plan], assume_timezone=assume_timezone)
            column.look_at(batch.frame[plan.source], result.frame[plan.target], result.rejected)
            if plan.target == findings.activity_column:
                findings.days.update(_days(result.frame[plan.target]))
    return findings


def _activity_column(plans: Sequence[ColumnPlan]) -> str:
    times = [plan.target for plan in plans if plan.type.kind in TIMES]
    return next((name for name in ACTIVITY_COLUMNS if name in times), times[0] if times else "")


def _days(times: pd.Series) -> dict[datetime, int]:
    counts = pc.value_counts(pc.floor_temporal(_arrow(times).drop_null(), unit="day"))
    return {item["values"]: item["counts"] for item in counts.to_pylist()}


def _arrow(values: pd.Series) -> pa.Array:
    return pa.array(values, from_pandas=True)


def _storage_classes(raw: pd.Series) -> Counter[str]:
    """Values by storage class, NULLs left out; a uniform column is not looked through."""
    if raw.dtype == object:
        return Counter(_STORAGE_OF[type(value)] for value in raw if value is not None)
    arrow = raw.dtype.pyarrow_dtype  # type: ignore[union-attr]
    filled = int(raw.notna().sum())
    return Counter({_class_of_arrow(arrow): filled}) if filled else Counter()


def _class_of_arrow(arrow: pa.DataType) -> str:
    for test, storage in (
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "real"),
        (pa.types.is_string, "text"),
        (pa.types.is_large_string, "text"),
    ):
        if test(arrow):
            return storage
    return "blob"


def _storage_of(value: object) -> str | None:
    return _STORAGE_OF.get(type(value))
