"""The types that a declaration in SQLite asks for: first what it promises, then what else may hold the values.

The rows are those of the product's description: the leading word decides, in any case; behind the last type comes bytea
or text, whichever holds the values (see `etl.derivation.columns`).
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from etl.core.evidence import ColumnEvidence
from etl.core.types import Kind, TargetType, named_type

TIMESTAMPTZ = named_type("timestamp with time zone")
TIMESTAMP = named_type("timestamp without time zone")
BIGINT = named_type("bigint")
BOOLEAN = named_type("boolean")
DOUBLE = named_type("double precision")
NUMERIC = named_type("numeric")
TEXT = named_type("text")
BYTEA = named_type("bytea")
DATE = named_type("date")
TIME = named_type("time without time zone")
JSONB = named_type("jsonb")
UUID = named_type("uuid")

_ARGUMENTS = re.compile(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_BOOLEANS = {"BOOL", "BOOLEAN", "BIT"}
_FLOATS = {"REAL", "DOUBLE", "FLOAT", "FLOAT4", "FLOAT8"}
_DECIMALS = {"DECIMAL", "NUMERIC", "NUMBER", "DEC", "MONEY", "SMALLMONEY", "CURRENCY"}
_TIMES = {"DATETIME", "DATETIME2", "SMALLDATETIME", "DATETIMEOFFSET", "TIMESTAMP", "TIMESTAMPTZ"}
_UUIDS = {"UUID", "GUID", "UNIQUEIDENTIFIER"}
_BINARIES = {"BLOB", "BINARY", "VARBINARY", "IMAGE", "LONGBLOB", "MEDIUMBLOB", "TINYBLOB", "BYTEA"}
_MOST_CHARACTERS = 10_485_760  # of varchar(n) (PostgreSQL documentation, 8.3)
_MOST_DIGITS = 1_000  # of numeric(p,s) (8.1.2)


def types_for(declared: str, times: TargetType) -> Sequence[TargetType]:
    """The types that a declaration proposes, the best first; none where the values alone decide.

    :param declared: the declared type, as SQLite gives it.
    :param times: what DATETIME becomes.
    """
    upper = declared.upper().strip()
    word = re.split(r"[\s(]", upper, maxsplit=1)[0]
    arguments = _ARGUMENTS.search(upper)
    if word in _BOOLEANS or upper.replace(" ", "") == "TINYINT(1)":
        return (BOOLEAN, BIGINT, TEXT)
    if word in _FLOATS:
        return (DOUBLE, TEXT)
    if word in _DECIMALS:
        return (*_decimal(arguments), NUMERIC, TEXT)
    if word in _TIMES:
        return (times, TEXT, BIGINT)
    if word == "DATE":
        return (DATE, times, TEXT, BIGINT)
    if word == "TIME":
        return (TIME, TEXT)
    if word in ("JSON", "JSONB"):
        return (JSONB, TEXT)
    if word in _UUIDS:
        return (UUID, TEXT, BYTEA)
    if word in _BINARIES or "BLOB" in word:
        return (BYTEA,)
    if "INT" in upper or "SERIAL" in word:
        return (BIGINT, NUMERIC, DOUBLE, TEXT)
    if "CHAR" in upper:
        return (*_characters(arguments), TEXT)
    if any(name in upper for name in ("TEXT", "CLOB", "STRING")):
        return (TEXT,)
    if any(name in upper for name in ("REAL", "FLOA", "DOUB")):
        return (DOUBLE, TEXT)
    return ()


_FURTHER = {  # storage classes that a column takes only where it was made to
    Kind.TEXT: ("blob",),
    Kind.UUID: ("blob",),
    Kind.BYTEA: ("integer", "real"),
}


def taking(target: TargetType, evidence: ColumnEvidence) -> TargetType:
    """The type of a column that takes all storage classes which its values have."""
    further = _FURTHER.get(target.kind, ())
    return replace(target, any_storage=any(name in evidence.storage for name in further))


def _decimal(arguments: re.Match[str] | None) -> tuple[TargetType, ...]:
    if arguments is None:
        return ()
    precision, scale = int(arguments[1]), int(arguments[2] or 0)
    if not 0 < precision <= _MOST_DIGITS or scale > precision:
        return ()
    return (TargetType(Kind.NUMERIC, f"numeric({precision},{scale})", precision=precision, scale=scale),)


def _characters(arguments: re.Match[str] | None) -> tuple[TargetType, ...]:
    length = int(arguments[1]) if arguments else 0
    if not 0 < length <= _MOST_CHARACTERS:
        return ()
    return (TargetType(Kind.TEXT, f"character varying({length})", length=length),)
