"""The types that a declaration in SQLite proposes, in the order in which they are tried on the values."""

import re
from dataclasses import dataclass
from enum import Enum

from etl.core.proposal import TimeType
from etl.core.types import Kind, TargetType, named_type

BIGINT = named_type("bigint")
BOOLEAN = named_type("boolean")
BYTEA = named_type("bytea")
DATE = named_type("date")
DOUBLE = named_type("double precision")
JSONB = named_type("jsonb")
NUMERIC = named_type("numeric")
TEXT = named_type("text")
TIME = named_type("time")
UUID = named_type("uuid")
_TIMES = {
    TimeType.TIMESTAMPTZ: TargetType(Kind.TIMESTAMPTZ, "timestamp with time zone"),
    TimeType.TIMESTAMP: TargetType(Kind.TIMESTAMP, "timestamp without time zone"),
}
LONGEST_VARCHAR = 10_485_760
MOST_DIGITS = 1_000  # of numeric(p,s)


class Family(Enum):
    """What a declared type means: its leading word, in any case."""

    INTEGER = "integers"
    BOOLEAN = "booleans"
    REAL = "reals"
    DECIMAL = "decimals"
    CHARACTERS = "texts of a length"
    TEXT = "texts"
    DATE = "dates"
    DATETIME = "times"
    TIME = "times of day"
    JSON = "JSON"
    UUID = "UUIDs"
    BYTES = "bytes"
    UNKNOWN = "unknown"


_WORDS = {
    **dict.fromkeys(("BOOL", "BOOLEAN"), Family.BOOLEAN),
    **dict.fromkeys(("REAL", "DOUBLE", "FLOAT", "FLOAT4", "FLOAT8"), Family.REAL),
    **dict.fromkeys(("DEC", "DECIMAL", "NUMERIC", "NUMBER", "MONEY", "SMALLMONEY", "CURRENCY"), Family.DECIMAL),
    **dict.fromkeys(("TEXT", "CLOB", "STRING"), Family.TEXT),
    **dict.fromkeys(("DATETIME", "DATETIME2", "SMALLDATETIME", "DATETIMEOFFSET"), Family.DATETIME),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMPTZ"), Family.DATETIME),
    **dict.fromkeys(("JSON", "JSONB"), Family.JSON),
    **dict.fromkeys(("UUID", "GUID", "UNIQUEIDENTIFIER"), Family.UUID),
    **dict.fromkeys(("BLOB", "BINARY", "VARBINARY", "IMAGE", "BYTEA"), Family.BYTES),
    "DATE": Family.DATE,
    "TIME": Family.TIME,
}
_DECLARED = re.compile(r"\s*(\w*)[^()]*(?:\(\s*([0-9]+)\s*(?:,\s*([0-9]+)\s*)?\))?")


@dataclass(frozen=True)
class Declared:
    """A declared type: its family and its numbers in parentheses."""

    family: Family
    length: int | None = None
    scale: int | None = None


def declared_type(declared: str) -> Declared:
    """Reads a declared type as SQLite keeps it: `NVARCHAR(20)`, `unsigned big int`, ''."""
    found = _DECLARED.match(declared.upper())
    word, first, second = found.groups() if found else ("", None, None)
    length = int(first) if first else None
    return Declared(_family(word, declared.upper(), length), length, int(second) if second else None)


def _family(word: str, declared: str, length: int | None) -> Family:
    if (word == "TINYINT" and length == 1) or (word == "BIT" and length in (None, 1)):
        return Family.BOOLEAN
    if word in _WORDS:
        return _WORDS[word]
    if "INT" in declared or "SERIAL" in word or word == "BIT":
        return Family.INTEGER
    if "CHAR" in declared:
        return Family.CHARACTERS if length else Family.TEXT
    if "TEXT" in declared or "CLOB" in declared:
        return Family.TEXT
    if "BLOB" in declared:
        return Family.BYTES
    return Family.REAL if any(part in declared for part in ("REAL", "FLOA", "DOUB")) else Family.UNKNOWN


def candidates(declared: Declared, storage: frozenset[str], times: TimeType) -> tuple[TargetType, ...]:
    """The types to try, the proposed one first; the last ones hold whatever SQLite stores."""
    moment = _TIMES[times]
    rows: dict[Family, tuple[TargetType, ...]] = {
        Family.INTEGER: (BIGINT, NUMERIC, DOUBLE),
        Family.BOOLEAN: (BOOLEAN, BIGINT),
        Family.REAL: (DOUBLE,),
        Family.DECIMAL: _decimals(declared),
        Family.CHARACTERS: _characters(declared),
        Family.TEXT: (),
        Family.DATE: (DATE, moment, *_numbers(storage)),
        Family.DATETIME: (moment, *_numbers(storage)),
        Family.TIME: (TIME, *_numbers(storage)),
        Family.JSON: (JSONB,),
        Family.UUID: (UUID,),
        Family.BYTES: (BYTEA,),
        Family.UNKNOWN: _by_storage(storage),
    }
    return tuple(dict.fromkeys((*rows[declared.family], TEXT, BYTEA)))


def _numbers(storage: frozenset[str]) -> tuple[TargetType, ...]:
    """For a column of times whose values all are numbers that are no times: a text would tell less than a number."""
    if storage == {"integer"}:
        return (BIGINT,)
    return (DOUBLE,) if storage and storage <= {"integer", "real"} else ()


def _decimals(declared: Declared) -> tuple[TargetType, ...]:
    precision, scale = declared.length, declared.scale or 0
    if precision is None or not (0 < precision <= MOST_DIGITS and scale <= precision):
        return (NUMERIC,)
    return (TargetType(Kind.NUMERIC, f"numeric({precision},{scale})", precision=precision, scale=scale), NUMERIC)


def _characters(declared: Declared) -> tuple[TargetType, ...]:
    length = declared.length
    if length is None or not 0 < length <= LONGEST_VARCHAR:
        return ()
    return (varchar(length),)


def varchar(length: int) -> TargetType:
    """`character varying(n)`."""
    return TargetType(Kind.TEXT, f"character varying({length})", length=length)


def _by_storage(storage: frozenset[str]) -> tuple[TargetType, ...]:
    if storage and storage <= {"integer"}:
        return (BIGINT,)
    if storage and storage <= {"integer", "real"}:
        return (DOUBLE,)
    return (BYTEA,) if storage == {"blob"} else ()


_SPELLED = re.compile(r"\s*([^()]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)\s*(.*?))?\s*")
_ALIASES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "bool": "boolean",
    "decimal": "numeric",
    "float4": "real",
    "float8": "double precision",
    "varchar": "character varying",
    "char": "character",
}


def spelled_type(sql: str) -> TargetType:
    """The type behind a PostgreSQL type's name as a user writes it, such as `numeric(12,2)` or `varchar(20)`."""
    found = _SPELLED.fullmatch(sql)
    if found is None:
        return TargetType(Kind.OTHER, sql)
    name, first, second, behind = found.groups()
    words = " ".join(filter(None, (_ALIASES.get(name.lower(), name.lower()), behind)))
    length = int(first) if first else None
    if words in ("character varying", "character"):
        return TargetType(Kind.TEXT, sql.strip(), length=length, padded=words == "character")
    kind = named_type(words).kind
    if kind is Kind.NUMERIC and length is not None:
        return TargetType(kind, sql.strip(), precision=length, scale=int(second or 0))
    if kind in (Kind.BIT, Kind.VARBIT):
        return TargetType(kind, sql.strip(), length=length)
    return TargetType(kind, sql.strip(), precision=length)
