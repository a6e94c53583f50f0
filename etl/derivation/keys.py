"""Primary and unique keys and indexes: carried where the values, as PostgreSQL will hold them, keep them."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.convert import convert
from etl.core.plan import ColumnPlan
from etl.core.proposal import NameStyle, ObjectKind, ProposedConstraint
from etl.core.source_catalog import CatalogIndex, IndexPart
from etl.core.source_tables import quoted
from etl.core.time_units import TimeUnit
from etl.core.types import Kind, TargetType
from etl.derivation.names import Names, styled
from etl.derivation.tables import Draft
from etl.schema.declarations import PRIMARY_KEY, IndexDeclaration, UnreadableError, read_create_index
from etl.schema.expressions import NotTranslatable, translate_index, translate_where
from etl.source.batches import read_batches
from etl.source.database import Source

# A third of a page less its heads, which is what an entry of a B-tree may take (PostgreSQL documentation, 11.2).
MOST_ENTRY_BYTES = 2_600
MOST_PARTS = 32


class Keys:
    """Adds the keys and indexes of one table after the other; names of indexes are unique in a schema."""

    def __init__(self, source: Source, relations: Names, style: NameStyle, zone: str) -> None:
        self._source = source
        self._relations = relations
        self._style = style
        self._zone = zone

    def reserve(self, draft: Draft) -> None:
        """Keeps the names of what comes with the tables, before any index takes one.

        :param draft: the table; the name of its primary key is completed.
        """
        if draft.catalog.primary_key:
            said = draft.declarations.key_names.get(PRIMARY_KEY)
            name = self._relations.give(styled(said, self._style) if said else f"{draft.name}_pkey")
            draft.primary_key_name = name
            draft.constraint_names.taken.add(name)
        if draft.catalog.rowid_alias is not None:
            self._relations.taken.add(f"{draft.name}_{draft.names[draft.catalog.rowid_alias]}_seq")

    def add(self, draft: Draft, units: dict[str, TimeUnit]) -> None:
        """Adds the primary key, the unique keys and the indexes of a table.

        :param draft: the table; its primary key, unique keys and constraints are completed.
        :param units: the units of numbers in its columns of times.
        """
        if draft.catalog.primary_key:
            self._primary_key(draft, units)
        for index in draft.catalog.indexes:
            if index.origin == "pk":
                continue
            if index.unique and not index.partial and all(part.column is not None for part in index.parts):
                self._unique(draft, index, units)
            else:
                self._index(draft, index)

    def _primary_key(self, draft: Draft, units: dict[str, TimeUnit]) -> None:
        columns = draft.catalog.primary_key
        index = next((one for one in draft.catalog.indexes if one.origin == "pk"), None)
        nulls = [column for column in columns if draft.evidence[column].nulls]
        refusal = self._refusal(draft, columns, units)
        words = f"PRIMARY KEY ({', '.join(columns)})"
        if refusal is not None:
            self._plain(draft, columns, words, refusal)
            return
        if nulls:
            name = self._relations.give(f"{draft.name}_{'_'.join(draft.names[column] for column in columns)}_key")
            sql = f"CREATE UNIQUE INDEX {quoted(name)} ON {draft.sql_name} ({draft.column_list(columns)})"
            draft.constraints.append(
                ProposedConstraint(ObjectKind.UNIQUE, draft.name, name, sql, words, after_rows=False)
            )
            draft.unique.append(tuple(columns))
            rows = draft.evidence[nulls[0]].nulls
            draft.choose(
                ObjectKind.PRIMARY_KEY,
                nulls[0],
                words,
                f"unique index {name}",
                "rows hold NULL in it, which SQLite allows and PostgreSQL does not",
                values=rows,
                ways_out="give these rows a key in the source",
            )
        else:
            draft.primary_key = tuple(columns)
            draft.unique.append(tuple(columns))
        if index is not None:
            self._fold(draft, index.parts, None)

    def _unique(self, draft: Draft, index: CatalogIndex, units: dict[str, TimeUnit]) -> None:
        columns = tuple(part.column for part in index.parts if part.column is not None)
        refusal = self._refusal(draft, columns, units)
        words = index.sql or f"UNIQUE ({', '.join(columns)})"
        if refusal is not None:
            self._plain(draft, columns, words, refusal)
            return
        draft.unique.append(columns)
        if index.origin == "u":
            said = draft.declarations.key_names.get(tuple(column.lower() for column in columns))
            made = f"{draft.name}_{'_'.join(draft.names[column] for column in columns)}_key"
            name = self._relations.give(styled(said, self._style) if said else made)
            draft.constraint_names.taken.add(name)
            sql = f"ALTER TABLE {draft.sql_name} ADD CONSTRAINT {quoted(name)} UNIQUE ({draft.column_list(columns)})"
        else:
            name = self._relations.give(styled(index.name, self._style))
            parts = ", ".join(_plain_part(draft, part) for part in index.parts)
            sql = f"CREATE UNIQUE INDEX {quoted(name)} ON {draft.sql_name} ({parts})"
        draft.constraints.append(ProposedConstraint(ObjectKind.UNIQUE, draft.name, name, sql, words, after_rows=False))
        self._fold(draft, index.parts, name)

    def _plain(self, draft: Draft, columns: Sequence[str], words: str, refusal: str) -> None:
        """A key that the values do not keep becomes a plain index, or none where its entries are too large."""
        if refusal == _TOO_LARGE:
            became = "no index"
        else:
            name = self._relations.give(f"{draft.name}_{'_'.join(draft.names[column] for column in columns)}_idx")
            sql = f"CREATE INDEX {quoted(name)} ON {draft.sql_name} ({draft.column_list(columns)})"
            draft.constraints.append(ProposedConstraint(ObjectKind.INDEX, draft.name, name, sql, words))
            became = f"index {name}"
        draft.choose(ObjectKind.UNIQUE, None, words, became, refusal, ways_out="other types in the map file's [types]")

    def _fold(self, draft: Draft, parts: Sequence[IndexPart], beside: str | None) -> None:
        """Beside a key under NOCASE, one that takes upper and lower case for the same, too."""
        folded = [part for part in parts if _folds(draft, part)]
        if not folded:
            return
        base = beside or draft.primary_key_name
        name = self._relations.give(f"{base}_lower")
        listed = ", ".join(_part(draft, part) for part in parts)
        sql = f"CREATE UNIQUE INDEX {quoted(name)} ON {draft.sql_name} ({listed})"
        words = ", ".join(f"{part.column} COLLATE {part.collation}" for part in folded)
        draft.constraints.append(ProposedConstraint(ObjectKind.UNIQUE, draft.name, name, sql, words, after_rows=False))

    def _index(self, draft: Draft, index: CatalogIndex) -> None:
        """An index that is not unique, is partial, or is over expressions."""
        sql = index.sql or ""
        try:
            declared = read_create_index(sql) if sql else IndexDeclaration((), None)
        except UnreadableError as error:
            draft.lose(ObjectKind.INDEX, index.name, sql, str(error))
            return
        named = [part.column for part in index.parts if part.column is not None]
        expressions = " ".join(declared.parts).lower()
        named += [column for column in draft.names if column not in named and column.lower() in expressions]
        if self._is_too_large(draft, named) or len(index.parts) > MOST_PARTS:
            draft.lose(ObjectKind.INDEX, index.name, sql, _TOO_LARGE if len(index.parts) <= MOST_PARTS else _TOO_MANY)
            return
        columns = draft.expression_columns()
        parts = []
        for place, part in enumerate(index.parts):
            if part.column is not None:
                parts.append(_part(draft, part) if index.unique else _plain_part(draft, part))
                continue
            translated = translate_index(declared.parts[place], columns)
            if isinstance(translated, NotTranslatable) or not translated.immutable:
                draft.lose(ObjectKind.INDEX, index.name, sql, _reason(translated))
                return
            parts.append(f"({translated.sql})" + (" DESC" if part.descending else ""))
        if index.unique and draft.catalog.leading:
            parts.insert(0, draft.column_list([draft.catalog.leading]))
        where = ""
        if declared.where is not None:
            condition = translate_where(declared.where, columns)
            if isinstance(condition, NotTranslatable) or not condition.immutable:
                draft.lose(ObjectKind.INDEX, index.name, sql, _reason(condition))
                return
            where = f" WHERE {condition.sql}"
        name = self._relations.give(styled(index.name, self._style))
        unique = "UNIQUE " if index.unique else ""
        made = f"CREATE {unique}INDEX {quoted(name)} ON {draft.sql_name} ({', '.join(parts)}){where}"
        kind = ObjectKind.UNIQUE if index.unique else ObjectKind.INDEX
        draft.constraints.append(ProposedConstraint(kind, draft.name, name, made, sql))

    def _refusal(self, draft: Draft, columns: Sequence[str], units: dict[str, TimeUnit]) -> str | None:
        """Why the key cannot be carried; None where it can."""
        if self._is_too_large(draft, columns):
            return _TOO_LARGE
        if all(_keeps_apart(draft, column) for column in columns):
            return None
        twice = self._twice(draft, columns, units)
        return f"{twice:,} keys become the same in PostgreSQL's types" if twice else None

    def _is_too_large(self, draft: Draft, columns: Sequence[str]) -> bool:
        wide = [column for column in columns if draft.type_of(column).kind in (Kind.TEXT, Kind.BYTEA, Kind.JSON)]
        if not wide or draft.source.largest_row_bytes <= MOST_ENTRY_BYTES:
            return False
        sizes = " + ".join(f"coalesce(octet_length({quoted(column)}), 0)" for column in wide)
        with self._source.fast.cursor() as cursor:
            cursor.execute(f"SELECT max({sizes}) FROM main.{quoted(draft.catalog.name)} NOT INDEXED")
            largest = cursor.fetchall()[0][0]
        return (largest or 0) > MOST_ENTRY_BYTES

    def _twice(self, draft: Draft, columns: Sequence[str], units: dict[str, TimeUnit]) -> int:
        """How many keys without NULL occur more than once as PostgreSQL will hold them."""
        plans = [ColumnPlan(column, column, draft.type_of(column), units.get(column)) for column in columns]
        parts = [
            pa.table({plan.target: comparable(pa.array(frame[plan.target]), plan.type) for plan in plans})
            for batch in read_batches(self._source, draft.source, columns)
            for frame in [convert(batch.frame, plans, assume_timezone=self._zone).frame]
        ]
        if not parts:
            return 0
        keys = pa.concat_tables(parts).drop_null()
        counts = keys.group_by(list(columns)).aggregate([([], "count_all")])
        return int(pc.sum(pc.greater(counts["count_all"], 1)).as_py() or 0)


def _number(text: str) -> str:
    """All digits of a number without the zeros that say nothing."""
    digits = f"{Decimal(text):f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits


def _clock(text: str) -> str:
    return time.fromisoformat(f"0{text}" if text[1:2] == ":" else text).isoformat()


def _document(text: str) -> str:
    """Numbers by value; the NUL, which no text in jsonb holds, tells them from texts."""

    def number(digits: str) -> str:
        return f"\0{_number(digits)}"

    return json.dumps(json.loads(text, parse_float=number, parse_int=number), sort_keys=True)


_CANONICAL: Mapping[Kind, Callable[[str], str]] = {
    Kind.UUID: lambda text: UUID(text).hex,
    Kind.NUMERIC: _number,
    Kind.TIME: _clock,
    Kind.JSON: _document,
}


def comparable(values: pa.Array, target: TargetType) -> pa.Array:
    """Values whose texts are equal where PostgreSQL takes them for equal."""
    canonical = _CANONICAL.get(target.kind)
    if canonical is None:
        return values
    return pa.array([None if text is None else canonical(text) for text in values.to_pylist()], pa.string())


_TOO_MANY = f"it has more than {MOST_PARTS} parts, which no index of PostgreSQL has"
_TOO_LARGE = f"values are larger than {MOST_ENTRY_BYTES:,} bytes, which no index of PostgreSQL takes"


def _keeps_apart(draft: Draft, column: str) -> bool:
    """Whether different values stay different in the column's type, whatever they are."""
    kind, evidence = draft.type_of(column).kind, draft.evidence[column]
    if kind in (Kind.BIGINT, Kind.DOUBLE, Kind.NUMERIC):
        return evidence.holds_only("integer", "real")
    if kind is Kind.TEXT:
        return evidence.holds_only("text") or evidence.holds_only("integer")
    return kind is Kind.BYTEA and (evidence.holds_only("blob") or evidence.holds_only("text"))


def _folds(draft: Draft, part: IndexPart) -> bool:
    column = part.column
    return part.collation.upper() == "NOCASE" and column is not None and draft.type_of(column).kind is Kind.TEXT


def _part(draft: Draft, part: IndexPart) -> str:
    """A column of a unique index: in lower case where SQLite does not tell the cases of ASCII letters apart."""
    if part.column is None or not _folds(draft, part):
        return _plain_part(draft, part)
    return f'lower({quoted(draft.names[part.column])} COLLATE "C")' + (" DESC" if part.descending else "")


def _plain_part(draft: Draft, part: IndexPart) -> str:
    return quoted(draft.names[part.column or ""]) + (" DESC" if part.descending else "")


def _reason(translated: object) -> str:
    if isinstance(translated, NotTranslatable):
        return translated.reason
    return "it may give another result tomorrow, which PostgreSQL does not index"
