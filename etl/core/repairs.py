"""Repairs by name: alterations that the user allows for values which would be rejected as they stand.

None is on by default. A repair touches no value that fits its column, and is counted wherever it is made. How values
are altered is said twice, once for loading (`etl.conversion`) and once for the comparison (`etl.comparison`), so that a
wrong repair cannot prove itself right; here stands what they are called, and which types they are for.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from etl.core.types import Kind, TargetType
from etl.core.values import StorageValue


class Repair(StrEnum):
    """The name of a repair, as `--repair` takes it. Where several would do, the earlier one is tried first."""

    UTF8 = "utf8"
    BLOB_TEXT = "blob-text"
    UUID_BLOB = "uuid-blob"
    UUID_BLOB_LE = "uuid-blob-le"
    NUL = "nul"
    SURROGATES = "surrogates"
    EMPTY_NULL = "empty-null"
    ZERO_DATE = "zero-date"
    BOOL_WORDS = "bool-words"
    EXCESS_DIGITS = "excess-digits"
    JSON_TWICE_FIRST = "json-twice=first"
    JSON_TWICE_LAST = "json-twice=last"
    ARRAY_JSON = "array-json"
    ORPHAN_NULL = "orphan-null"
    TRIM = "trim"
    TRUNCATE = "truncate"
    JSON_TEXT = "json-text"

    @property
    def alters(self) -> str:
        """What the repair does, in a few words."""
        return _ALTERS[self]

    def suits(self, target: TargetType) -> bool:
        """Whether values of a column of this type may need the repair."""
        if self is Repair.TRUNCATE:
            return target.kind is Kind.TEXT and target.length is not None
        if self is Repair.TRIM and target.kind is Kind.TEXT:
            return target.length is not None  # else every text fits as it stands
        if self in JSON_TWICE:
            return target.base == "jsonb"
        return target.kind in _KINDS[self]


JSON_TWICE = (Repair.JSON_TWICE_FIRST, Repair.JSON_TWICE_LAST)
"""One repair with a choice."""

_ALTERS = {
    Repair.UTF8: "reads texts that are no UTF-8 as Windows-1252 where all of it decodes, else puts U+FFFD",
    Repair.BLOB_TEXT: "takes BLOBs that are UTF-8 for texts",
    Repair.UUID_BLOB: "takes BLOBs of 16 bytes for UUIDs",
    Repair.UUID_BLOB_LE: "takes BLOBs of 16 bytes for UUIDs in the byte order of .NET",
    Repair.NUL: "removes U+0000",
    Repair.SURROGATES: "puts U+FFFD for lone surrogates in JSON",
    Repair.EMPTY_NULL: "makes NULL of empty texts in columns that are not text",
    Repair.ZERO_DATE: "makes NULL of 0000-00-00",
    Repair.BOOL_WORDS: "reads yes, no, on, off, y and n as booleans",
    Repair.EXCESS_DIGITS: "cuts times and rounds numbers to the digits behind the point that the type keeps",
    Repair.JSON_TWICE_FIRST: "keeps the first of equal keys in JSON",
    Repair.JSON_TWICE_LAST: "keeps the last of equal keys in JSON",
    Repair.ARRAY_JSON: "makes a PostgreSQL array of a JSON array",
    Repair.ORPHAN_NULL: "makes NULL of references to parents that do not exist",
    Repair.TRIM: "removes spaces and control characters around a text",
    Repair.TRUNCATE: "cuts texts to the length of the column",
    Repair.JSON_TEXT: "makes a JSON string of a text that is no JSON",
}

_ALL = frozenset(Kind)
_CLOCKS = frozenset({Kind.TIMESTAMPTZ, Kind.TIMESTAMP, Kind.TIME, Kind.TIMETZ, Kind.INTERVAL})
_MADE_OF_PARTS = frozenset({Kind.ARRAY, Kind.RANGE, Kind.MULTIRANGE, Kind.COMPOSITE})
_TAKES_ANY_TEXT = frozenset({Kind.TEXT, Kind.BYTEA, Kind.VARBIT, Kind.ENUM, Kind.OTHER})
_KINDS: Mapping[Repair, frozenset[Kind]] = {
    Repair.UTF8: _ALL - {Kind.BYTEA},
    Repair.BLOB_TEXT: frozenset({Kind.TEXT, Kind.JSON, Kind.ENUM}),
    Repair.UUID_BLOB: frozenset({Kind.UUID}),
    Repair.UUID_BLOB_LE: frozenset({Kind.UUID}),
    Repair.NUL: frozenset({Kind.TEXT, Kind.JSON, Kind.ENUM, Kind.OTHER, Kind.ARRAY, Kind.COMPOSITE}),
    Repair.SURROGATES: frozenset({Kind.JSON}),
    Repair.EMPTY_NULL: _ALL - _TAKES_ANY_TEXT,
    Repair.ZERO_DATE: frozenset({Kind.TIMESTAMPTZ, Kind.TIMESTAMP, Kind.DATE}),
    Repair.BOOL_WORDS: frozenset({Kind.BOOLEAN}),
    Repair.EXCESS_DIGITS: _CLOCKS | {Kind.NUMERIC, Kind.MONEY, Kind.REAL, Kind.DOUBLE},
    Repair.ARRAY_JSON: frozenset({Kind.ARRAY}),
    Repair.ORPHAN_NULL: _ALL,
    Repair.TRIM: _ALL - (_TAKES_ANY_TEXT - {Kind.VARBIT}),
    Repair.JSON_TEXT: frozenset({Kind.JSON}),
}

MAKES_NULL = frozenset({Repair.EMPTY_NULL, Repair.ZERO_DATE, Repair.ORPHAN_NULL})
"""Repairs that a column which requires a value cannot have."""

EITHER = ((Repair.UUID_BLOB, Repair.UUID_BLOB_LE), JSON_TWICE)
"""Repairs of which a column can have one only."""

SUGGESTED = tuple(repair for repair in Repair if repair not in (Repair.UUID_BLOB_LE, Repair.JSON_TWICE_FIRST))
"""What is tried for a rejected value: of two that exclude each other, the one that is meant more often."""


@dataclass(frozen=True)
class Wish:
    """A repair that is allowed, in the columns `places` (TABLE.COLUMN, the source's names), or where these are none in
    every column."""

    repair: Repair
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As `--repair` takes it: `nul=posts.body,posts.title`."""
        listed = ",".join(self.places)
        return f"{self.repair}{',' if '=' in self.repair else '='}{listed}" if listed else str(self.repair)


class HelpfulWish(NamedTuple):
    """A repair of a column that would help a rejected row; the table is known where it stands."""

    column: str
    repair: Repair

    def of(self, table: str) -> Wish:
        """The wish that names the column of this table."""
        return Wish(self.repair, (f"{table}.{self.column}",))


def option_of(wish: Wish) -> str:
    """The whole option, to be copied into a shell."""
    return f"--repair {shlex.quote(str(wish))}"


def options(table: str, wishes: Iterable[HelpfulWish]) -> str:
    """The options for columns of a table."""
    return " ".join(option_of(wish.of(table)) for wish in wishes)


class AlteredCell(NamedTuple):
    """A value as the source holds it, as it is loaded, and which repairs stand between both.

    `row`: the row's number; `column`: the source's name; `repair`: the names, several with a plus between them.
    """

    row: int
    column: str
    before: StorageValue
    after: StorageValue
    repair: str


REPLACEMENT = "\ufffd"


def spoken(repair: Repair, after: object) -> str:
    """The repair's name for reports; of `utf8` also how the bytes were read, which its result tells."""
    if repair is not Repair.UTF8:
        return repair.value
    return f"{repair} (U+FFFD)" if isinstance(after, str) and REPLACEMENT in after else f"{repair} (Windows-1252)"


def joined(steps: Iterable[str]) -> str:
    """`nul + truncate`, in whatever order they were made."""
    return " + ".join(sorted(steps))
