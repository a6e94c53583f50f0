"""text, varchar(n), char(n), bytea, and the types whose text only PostgreSQL itself can read."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import VALUE, Cells, Refusal, mask_of, where
from etl.core.rejects import RejectRule
from etl.core.types import TargetType

_NUL = "\x00"


def text_from_text(values: pa.Array, target: TargetType) -> Cells:
    """Text as it stands: without NUL characters, no longer than the column takes (counted in characters)."""
    too_long = target.length is not None and (pc.max(pc.binary_length(values)).as_py() or 0) > target.length
    if not too_long and not _has_zero_byte(values):
        return Cells(values)
    holds_nul, lengths = pc.match_substring(values, _NUL), pc.utf8_length(values)
    fine = pc.invert(holds_nul)
    if target.length is not None:
        fine = pc.and_(fine, pc.less_equal(lengths, target.length))
    refused = np.flatnonzero(mask_of(pc.invert(fine)))
    if not len(refused):
        return Cells(values)
    places = pa.array(refused)
    faults = {
        position: _reason(target, holds_nul=nul, length=length)
        for position, nul, length in zip(
            refused.tolist(), holds_nul.take(places).to_pylist(), lengths.take(places).to_pylist(), strict=True
        )
    }
    return Cells(where(fine, values), faults)


def text_from_integer(values: pa.Array, target: TargetType) -> Cells:
    """The integer's digits."""
    return text_from_text(values.cast(pa.string()), target)


def text_from_real(values: pa.Array, target: TargetType) -> Cells:
    """Reals as SQLite renders them (see `sqlite_texts`)."""
    return text_from_text(sqlite_texts(values), target)


def bytes_from_text(values: pa.Array, _target: TargetType) -> Cells:
    """The text's UTF-8 bytes."""
    return Cells(values.cast(pa.binary()))


def bytes_as_they_are(values: pa.Array, _target: TargetType) -> Cells:
    """BLOBs, and text that is no UTF-8, byte for byte."""
    return Cells(values)


def sqlite_texts(reals: pa.Array) -> pa.Array:
    """Reals as `CAST(x AS TEXT)` renders them: up to 15 significant digits, always with a point, 0.0 without a sign.

    That is SQLite's `%!.15g`; releases that print 17 digits are not followed, so that no library version decides.
    """
    unsigned_zeros = pc.fill_null(reals, 0.0).to_numpy(zero_copy_only=False) + 0.0
    digits = pa.array(map("{:.15g}".format, unsigned_zeros.tolist()), pa.string())
    pointed = pc.replace_substring_regex(digits, r"^(-?[0-9]+)(e|$)", r"\1.0\2")
    return where(pc.is_valid(reals), pc.replace_substring(pointed, "inf", "Inf"))


def _has_zero_byte(values: pa.Array) -> bool:
    """Whether the text buffer holds a NUL at all: forty times faster than to search each text for it."""
    data = values.buffers()[2]
    return data is not None and not np.frombuffer(data, np.uint8).all()


def _reason(target: TargetType, *, holds_nul: bool, length: int) -> Refusal:
    if holds_nul:
        return Refusal(RejectRule.NUL_CHARACTER, f"{VALUE} holds a NUL character")
    return Refusal(RejectRule.TOO_LONG, f"too long: {length} characters, the column takes {target.length}")
