"""Large values are compared by their SHA-256: neither side sends more than `LARGE_BYTES` of one value.

A value beyond that travels as a mark, `NONCE:octets:sha256`. The nonce is new in each process, so that no text of the
data is ever taken for a mark. A json's mark is made of its canonical form, which is the same for equal documents.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping

from psycopg2 import sql

from etl.comparison.meaning import MeaninglessError
from etl.core.difference_kinds import DifferenceKind
from etl.core.types import Kind, TargetType
from etl.core.values import LARGE_BYTES, LargeText, StorageValue

_NONCE = secrets.token_hex(16)
_MARK = re.compile(rf"{_NONCE}:([0-9]+):([0-9a-f]{{64}})")
_SHOWN_CHARACTERS = 200


def is_large(value: StorageValue) -> bool:
    """Whether the source's value is one that travels as a mark."""
    return isinstance(value, LargeText) or (isinstance(value, bytes) and len(value) > LARGE_BYTES)


def octets_of(value: StorageValue, target: TargetType) -> bytes:
    """The bytes of a text or BLOB as the target holds them."""
    content = value.utf8 if isinstance(value, LargeText) else value
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes) or (isinstance(value, bytes) and target.kind is not Kind.BYTEA):
        raise MeaninglessError
    return content.rstrip(b" ") if target.padded else content


def mark_of(content: bytes) -> str:
    """The mark of a value's bytes."""
    return f"{_NONCE}:{len(content)}:{hashlib.sha256(content).hexdigest()}"


def mark_parts(wire: object) -> tuple[int, str] | None:
    """(octets, SHA-256) of what came from the target, if that is a mark."""
    found = _MARK.fullmatch(wire.decode()) if isinstance(wire, bytes) and wire.startswith(_NONCE.encode()) else None
    return (int(found[1]), found[2]) if found else None


def kind_of_large(content: bytes, wire: bytes) -> DifferenceKind | None:
    """What distinguishes a text or BLOB from what the target has; None where they are equal."""
    mark = mark_parts(wire)
    octets, digest = mark or (len(wire), hashlib.sha256(wire).hexdigest())
    if octets <= len(content) and hashlib.sha256(memoryview(content)[:octets]).hexdigest() == digest:
        return None if octets == len(content) else DifferenceKind.TRUNCATED
    return DifferenceKind.CHANGED_TEXT


def described(value: StorageValue) -> dict[str, object]:
    """A large value of the source for the report: its size, its digest, and how a text begins."""
    content = value.utf8 if isinstance(value, LargeText) else value
    if not isinstance(content, bytes):
        raise TypeError(f"not a large value: {type(value).__name__}")
    found: dict[str, object] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if isinstance(value, LargeText):
        found["begins"] = content[: 4 * _SHOWN_CHARACTERS].decode(errors="ignore")[:_SHOWN_CHARACTERS]
    return found


def described_target(wire: object, target: TargetType) -> Mapping[str, object] | None:
    """A large value of the target for the report, if it is one."""
    mark = mark_parts(wire)
    if mark is None:
        return None
    return {"bytes": mark[0], "sha256": mark[1]} if target.kind in (Kind.TEXT, Kind.BYTEA) else {"bytes": mark[0]}


# -- PostgreSQL ---------------------------------------------------------------------------------------------------


def bounded_sql(shown: sql.Composable, meant: sql.Composable | None = None) -> sql.Composable:
    """The text `shown`, or its mark where it is large; the digest is that of the text `meant`."""
    return _bounded(
        shown, sql.SQL("octet_length({})").format(shown), sql.SQL("convert_to({}, 'UTF8')").format(meant or shown)
    )


def bounded_bytes_sql(column: sql.Composable, shown: sql.Composable) -> sql.Composable:
    """The same for a bytea, which is otherwise `shown`."""
    return _bounded(shown, sql.SQL("octet_length({})").format(column), column)


def digest_sql(meant: sql.Composable) -> sql.Composable:
    """The digest of a text, as it stands in a mark."""
    return sql.SQL("encode(sha256(convert_to({}, 'UTF8')), 'hex')").format(meant)


def _bounded(shown: sql.Composable, octets: sql.Composable, content: sql.Composable) -> sql.Composable:
    return sql.SQL(
        "CASE WHEN {octets} > {most} THEN {nonce} || {octets} || ':' || encode(sha256({content}), 'hex') "
        "ELSE {shown} END"
    ).format(
        shown=shown, octets=octets, content=content, most=sql.Literal(LARGE_BYTES), nonce=sql.Literal(f"{_NONCE}:")
    )


# -- SQLite -------------------------------------------------------------------------------------------------------


def bounded_source_sql(expression: str, *, utf8: bool, as_hex: bool) -> str:
    """A SQLite expression whose value is bounded; `as_hex` for bytes.

    SQLite is not asked for the length first, since each mention of the column would be another copy of the value.
    """
    argument = f"CAST({expression} AS BLOB)" if utf8 else expression
    return f"etl_bounded_hex({argument})" if as_hex else f"etl_bounded({argument})"


def _bounded_text(value: str | bytes) -> str | bytes:
    content = value.encode() if isinstance(value, str) else value
    return content if len(content) <= LARGE_BYTES else mark_of(content)


def _bounded_hex(value: str | bytes) -> str:
    content = value.encode() if isinstance(value, str) else value
    return content.hex() if len(content) <= LARGE_BYTES else mark_of(content)


SQLITE_FUNCTIONS = {"etl_bounded": _bounded_text, "etl_bounded_hex": _bounded_hex}
"""Functions of one argument that the source's expressions call for what may be large."""
