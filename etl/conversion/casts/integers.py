"""smallint, integer, bigint: whole numbers in the type's range, whatever storage class they come in."""

import re
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, look_singly, where
from etl.core.rejects import RejectRule
from etl.core.types import Kind, TargetType

NOT_WHOLE = Refusal(RejectRule.NOT_A_WHOLE_NUMBER, f"{VALUE} is not a whole number")
_BITS = {Kind.SMALLINT: 16, Kind.INTEGER: 32, Kind.BIGINT: 64}
_WIDTHS = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
_SHORT_DIGITS = r"^[+-]?[0-9]{1,18}$"  # 18 digits always fit 64 bits; longer ones are looked at singly
_DIGITS = re.compile(r"([+-]?)([0-9]+)")
_BIGINT_DIGITS = 19


def integer_from_integer(values: pa.Array, target: TargetType) -> Cells:
    """Integers in range."""
    return look_singly(values, _in_range(values, target), partial(_checked, target=target))


def integer_from_real(values: pa.Array, target: TargetType) -> Cells:
    """Reals without a fraction, in range; up to 2**63 each of them is exactly one integer."""
    reals = pc.fill_null(values, 0.5).to_numpy(zero_copy_only=False)
    whole = (np.floor(reals) == reals) & (reals >= -(2.0**63)) & (reals < 2.0**63)
    integers = pa.array(np.where(whole, reals, 0).astype(np.int64), mask=~whole)
    return look_singly(values, _in_range(integers, target), partial(_from_real, target=target))


def integer_from_text(values: pa.Array, target: TargetType) -> Cells:
    """An optional sign and ASCII digits; leading zeros are harmless, white space is not accepted."""
    short = where(pc.match_substring_regex(values, _SHORT_DIGITS), values)
    integers = pc.ascii_ltrim(short, "+").cast(pa.int64())
    return look_singly(values, _in_range(integers, target), partial(_from_text, target=target))


def _in_range(integers: pa.Array, target: TargetType) -> pa.Array:
    low, high = _limits(target)
    inside = pc.and_(pc.greater_equal(integers, low), pc.less_equal(integers, high))
    return where(inside, integers).cast(_WIDTHS[_BITS[target.kind]])


def _limits(target: TargetType) -> tuple[int, int]:
    half = 2 ** (_BITS[target.kind] - 1)
    return -half, half - 1


def _checked(value: int, *, target: TargetType) -> int:
    low, high = _limits(target)
    if not low <= value <= high:
        raise RefusalError(
            RejectRule.OUT_OF_RANGE, f"{VALUE} is out of range for {target.kind.value} ({low} to {high})"
        )
    return value


def _from_real(value: float, *, target: TargetType) -> int:
    if not value.is_integer():
        raise RefusalError(*NOT_WHOLE)
    return _checked(int(value), target=target)


def _from_text(value: str, *, target: TargetType) -> int:
    match = _DIGITS.fullmatch(value)
    if match is None:
        raise RefusalError(*NOT_WHOLE)
    digits = match[2].lstrip("0") or "0"
    # Python refuses to read thousands of digits; twenty are out of range already.
    return _checked(int(match[1] + digits[: _BIGINT_DIGITS + 1]), target=target)
