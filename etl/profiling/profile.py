"""What a SQLite file really holds, looked at before anything is planned: `profile` reads it and keeps nothing open.

The pieces are made by `tables.py` (what SQL can count) and `values.py` (what has to be converted to
be read); here they become one result.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from etl.core import defaults
from etl.core.errors import CannotRun, UsageError
from etl.core.plan import Plan
from etl.core.source_tables import SourceTable
from etl.core.text import unknown_names
from etl.derivation.derive import Wishes, derive
from etl.files.private_files import PrivateFolder
from etl.planning.declared_types import columns_without_target
from etl.planning.time_units import with_units
from etl.profiling.distributions import distribution_of
from etl.profiling.html import profile_html
from etl.profiling.page import render_page
from etl.profiling.tables import StoredColumn, find_orphans, measure_sizes, stored_columns
from etl.profiling.values import ColumnFindings, TableFindings, read_values
from etl.reporting.shown_frame import ShownFrame
from etl.schema import unified as schema
from etl.schema.recognise import is_unified
from etl.source.database import Source

COUNT, COUNT_OR_NULL, TIME = "int64", "Int64", "datetime64[us, UTC]"

_TABLES = {"table": "str", "rows": COUNT, "bytes": COUNT, "index_bytes": COUNT_OR_NULL, "columns": COUNT}
_COLUMNS = {
    "table": "str",
    "column": "str",
    "declared_type": "str",
    "target_type": "str",
    "proposed_type": "str",
    "integer": COUNT,
    "real": COUNT,
    "text": COUNT,
    "blob": COUNT,
    "null": COUNT,
    "null_share": "float64",
    "distinct": COUNT_OR_NULL,
    "shortest": COUNT_OR_NULL,
    "longest": COUNT_OR_NULL,
    "earliest": TIME,
    "latest": TIME,
    "unusual": COUNT,
    "rejected": COUNT,
}
_DISAGREEMENTS = {
    "table": "str",
    "column": "str",
    "target_type": "str",
    "finding": "str",
    "rows": COUNT,
    "rejected": "bool",
    "example": "str",
}
_ACTIVITY = {"table": "str", "column": "str", "day": TIME, "rows": COUNT}
_JSON_TYPES = {"table": "str", "column": "str", "type": "str", "rows": COUNT}
_JSON_KEYS = {"table": "str", "column": "str", "key": "str", "type": "str", "rows": COUNT, "share": "float64"}
_DISTRIBUTIONS = {
    "table": "str",
    "column": "str",
    "kind": "str",
    "low": "str",
    "high": "str",
    "rows": COUNT,
}
_ORPHANS = {
    "table": "str",
    "column": "str",
    "parent": "str",
    "parent_column": "str",
    "rows": COUNT,
    "orphans": COUNT,
    "example": "str",
}


@dataclass(frozen=True, eq=False)
class Profile:
    """A SQLite file as it is, as DataFrames; values of secret columns appear in none of them.

    tables         table, rows, bytes, index_bytes, columns. `sizes_from`: "dbstat", the pages in use, or "lengths", the
                   sum of the stored values where SQLite lacks dbstat; index_bytes is <NA> then
    columns        a row for each column: declared_type, target_type (the application's, else what the declaration
                   suggests), proposed_type (of a created schema: it holds every value), rows by storage class (integer,
                   real, text, blob, null), null_share (0 to 1), distinct (<NA> in tables above a million rows),
                   shortest and longest (characters of text, bytes of BLOBs), earliest and latest (of times, UTC),
                   unusual (values of another storage class than usual for the type, that convert nevertheless),
                   rejected (values that the load would refuse)
    disagreements  the last two again, by finding: finding, rows, rejected (whether the row is lost), an example
    activity       rows per day (UTC) by the table's time of creation: table, column, day, rows
    json_types     what JSON columns hold at the top: table, column, type, rows
    json_keys      the keys of their objects: key, type of its value, rows, share of the column's objects
    orphans        a row for each foreign key: rows that refer to a parent, orphans that refer to none, an example
    distributions  how values are spread: table, column, kind, low, high, rows. kind: "number", "time" or "length" (of
                   long texts) for the bins of a histogram from low to high, "value" for one of the most frequent values
    """

    path: str
    bytes: int
    sizes_from: str
    tables: pd.DataFrame = field(repr=False)
    columns: pd.DataFrame = field(repr=False)
    disagreements: pd.DataFrame = field(repr=False)
    activity: pd.DataFrame = field(repr=False)
    json_types: pd.DataFrame = field(repr=False)
    json_keys: pd.DataFrame = field(repr=False)
    orphans: pd.DataFrame = field(repr=False)
    distributions: pd.DataFrame = field(repr=False)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return int(self.tables["rows"].sum())

    def __str__(self) -> str:
        rejected, orphans = int(self.columns["rejected"].sum()), int(self.orphans["orphans"].sum())
        return (
            f"{self.path}: {self.rows:,} rows in {len(self.tables)} tables, {self.bytes:,} bytes; "
            f"values that would be rejected: {rejected:,}; orphans: {orphans:,}"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return profile_html(str(self), self.tables, self.columns)

    def write_html(self, path: str | Path = defaults.PROFILE) -> Path:
        """Writes one page that needs no network: every column with its NULLs, its distribution and what was found.

        :param path: the file, which only its owner can read; what was there before is replaced.
        :returns: the path.
        :raises CannotRun: where it cannot be written.
        """
        file = Path(path)
        folder = PrivateFolder(file.absolute().parent.resolve())
        page = render_page(self).encode()
        try:
            with folder.create(file.name) as opened:
                opened.write(page)
        except OSError as error:
            raise CannotRun(f"{file} cannot be written: {error.strerror}.") from error
        return file


def profile(
    source: str | Path,
    *,
    tables: str | Sequence[str] = (),
    assume_timezone: str = defaults.TIMEZONE,
    plan: Plan | None = None,
) -> Profile:
    """Looks at every row of a SQLite file, in one consistent state, without a target and without writing.

    :param source: the SQLite file.
    :param tables: only these tables, or one table's name; empty: all.
    :param assume_timezone: the zone of times without one.
    :param plan: what would go where in a target, by `etl.plan`: values are held against the target's own types.
    :returns: the profile: DataFrames of tables, columns, disagreements, activity, JSON and orphans; see `Profile`.
        Types are those of the plan, of the 20 known tables, else what the declarations suggest.
    :raises SourceError: where the file cannot be read; whatever is stored in it, be it odd or empty, is a finding and
        no error. `UsageError` for a table that the source lacks.

    Example::

        etl.profile("app.db").disagreements
    """
    with Source(Path(source)) as opened:
        wanted = (tables,) if isinstance(tables, str) else tuple(tables or opened.tables)
        unknown = [name for name in wanted if name not in opened.tables]
        if unknown:
            raise UsageError(unknown_names(f"{source} has no table", unknown, opened.tables))
        chosen = in_usual_order(table for table in opened.tables.values() if table.name in wanted)
        sizes, sizes_from = measure_sizes(opened, chosen)
        looked_at = [_Looked.at(opened, table, assume_timezone, plan) for table in chosen]
        proposed = _proposed_types(opened, wanted, assume_timezone)
        orphans = [orphan for table in chosen for orphan in find_orphans(opened, table)]
        opened.verify_unchanged()
        return Profile(
            path=str(source),
            bytes=opened.bytes,
            sizes_from=sizes_from,
            tables=_frame(((t.name, t.row_count, *sizes[t.name], len(t.columns)) for t in chosen), _TABLES),
            columns=_frame((row for each in looked_at for row in each.columns(proposed)), _COLUMNS),
            disagreements=_frame((row for each in looked_at for row in each.disagreements()), _DISAGREEMENTS),
            activity=_frame((row for each in looked_at for row in each.activity()), _ACTIVITY),
            json_types=_frame((row for each in looked_at for row in each.json_types()), _JSON_TYPES),
            json_keys=_frame((row for each in looked_at for row in each.json_keys()), _JSON_KEYS),
            orphans=_frame(orphans, _ORPHANS),
            distributions=_frame((row for each in looked_at for row in each.distributions), _DISTRIBUTIONS),
        )


def _proposed_types(source: Source, tables: Collection[str], zone: str) -> Mapping[tuple[str, str], str]:
    """The types of a created schema by table and column."""
    proposal = derive(source, Wishes(zone=zone, virtual_tables=True), only=tables)
    return {(table.source, column.source): column.type.sql for table in proposal.tables for column in table.columns}


def in_usual_order(tables: Iterable[SourceTable]) -> list[SourceTable]:
    """The known tables in the application's order, then the others by name."""
    usual = {name: place for place, name in enumerate(schema.TABLE_NAMES)}
    return sorted(tables, key=lambda table: (usual.get(table.name, len(usual)), table.name))


Record = Sequence[object]


def _frame(records: Iterable[Record], dtypes: dict[str, str]) -> pd.DataFrame:
    frame = ShownFrame(list(records), columns=list(dtypes), dtype=object)
    return frame.astype(dtypes)


@dataclass(frozen=True)
class _Looked:
    """One table's findings, turned into records of the profile's frames."""

    table: str
    stored: Sequence[StoredColumn]
    values: TableFindings
    distributions: Sequence[Record]

    @classmethod
    def at(cls, source: Source, table: SourceTable, assume_timezone: str, plan: Plan | None) -> "_Looked":
        known = is_unified({name: other.column_names for name, other in source.tables.items()})
        types = dict(schema.target_types(table.name) if known else {})
        planned = next((one for one in plan.tables if one.name == table.name), None) if plan else None
        types |= {column.source: column.type for column in planned.columns} if planned else {}
        plans = with_units(source, table, columns_without_target(table, types))
        stored, values = stored_columns(source, table), read_values(source, table, plans, assume_timezone)
        distributions = [
            (table.name, column.name, bar.kind, bar.low, bar.high, bar.rows)
            for column, found in zip(stored, values.columns, strict=True)
            for bar in distribution_of(source, table, column, found)
        ]
        return cls(table.name, stored, values, distributions)

    def columns(self, proposed: Mapping[tuple[str, str], str]) -> Iterable[Record]:
        for stored, found in zip(self.stored, self.values.columns, strict=True):
            yield (
                self.table,
                stored.name,
                stored.declared_type,
                found.plan.type.sql,
                proposed.get((self.table, stored.name), ""),
                *stored.classes,
                stored.classes[-1] / max(sum(stored.classes), 1),
                stored.distinct,
                stored.shortest,
                stored.longest,
                found.earliest,
                found.latest,
                sum(found.unusual.values()),
                sum(found.rejected.values()),
            )

    def disagreements(self) -> Iterable[Record]:
        for found in self.values.columns:
            yield from self._rejected(found)
            yield from self._unusual(found)

    def _rejected(self, found: ColumnFindings) -> Iterable[Record]:
        for rule, rows in found.rejected.most_common():
            yield self.table, found.plan.source, found.plan.type.sql, rule, rows, True, found.examples[rule]

    def _unusual(self, found: ColumnFindings) -> Iterable[Record]:
        for storage, rows in found.unusual.most_common():
            finding = f"stored as {storage}"
            yield self.table, found.plan.source, found.plan.type.sql, finding, rows, False, found.examples[storage]

    def activity(self) -> Iterable[Record]:
        for day, rows in sorted(self.values.days.items()):
            yield self.table, self.values.activity_column, day, rows

    def json_types(self) -> Iterable[Record]:
        for found in self.values.columns:
            for kind, rows in found.json_types.most_common():
                yield self.table, found.plan.source, kind, rows

    def json_keys(self) -> Iterable[Record]:
        for found in self.values.columns:
            for (key, kind), rows in found.json_keys.most_common():
                yield self.table, found.plan.source, key, kind, rows, round(rows / found.json_types["object"], 3)
