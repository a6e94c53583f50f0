"""What values of further storage classes mean in columns that were made to take them."""

import uuid

from etl.comparison import meaning
from etl.comparison.meaning import MeaninglessError
from etl.core.types import Kind, TargetType
from etl.core.values import LARGE_BYTES, LargeText, StorageValue, UndecodableText


def as_taken(value: StorageValue, target: TargetType) -> StorageValue:
    """The value as the column takes it: a BLOB's text or UUID, a number's text; others are as they are.

    Raises MeaninglessError where a BLOB is no text, or no UUID.
    """
    if not target.any_storage or isinstance(value, UndecodableText):
        return value
    if target.kind is Kind.BYTEA and isinstance(value, int | float):
        return meaning.text(value)
    if not isinstance(value, bytes):
        return value
    try:
        if target.kind is Kind.UUID:
            return str(uuid.UUID(bytes=value))
        if target.kind is Kind.TEXT:
            return LargeText(value) if len(value) > LARGE_BYTES else value.decode()
    except ValueError:
        raise MeaninglessError from None
    return value
