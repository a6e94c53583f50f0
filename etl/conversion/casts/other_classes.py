"""Values of further storage classes, for columns that were made to take them (`TargetType.any_storage`)."""

import uuid

import pyarrow as pa

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, look_singly
from etl.conversion.casts.texts import text_from_integer, text_from_real, text_from_text
from etl.core.rejects import RejectRule
from etl.core.types import TargetType

NOT_TEXT = Refusal(RejectRule.INVALID_UTF8, f"{VALUE} is a BLOB that is no UTF-8 text")
NOT_UUID = Refusal(RejectRule.NOT_A_UUID, f"{VALUE} is not the 16 bytes of a UUID")
UUID_BYTES = 16


def text_from_blob(values: pa.Array, target: TargetType) -> Cells:
    """The text that the bytes are in UTF-8."""
    texts = look_singly(values, pa.nulls(len(values), pa.string()), _text)
    cells = text_from_text(texts.values, target)
    return Cells(cells.values, {**texts.faults, **cells.faults})


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise RefusalError(*NOT_TEXT) from None


def uuid_from_blob(values: pa.Array, _target: TargetType) -> Cells:
    """16 bytes in the order in which a UUID is written."""
    return look_singly(values, pa.nulls(len(values), pa.string()), _uuid)


def _uuid(value: bytes) -> str:
    if len(value) != UUID_BYTES:
        raise RefusalError(*NOT_UUID)
    return str(uuid.UUID(bytes=value))


def bytes_from_integer(values: pa.Array, target: TargetType) -> Cells:
    """The integer's digits."""
    return Cells(text_from_integer(values, target).values.cast(pa.binary()))


def bytes_from_real(values: pa.Array, target: TargetType) -> Cells:
    """The real as SQLite renders it."""
    return Cells(text_from_real(values, target).values.cast(pa.binary()))
