"""real and double precision: numbers and numeric text; what the type cannot hold exactly or at all is refused.

Narrowing an 8-byte number to `real` is the target type's own doing and accepted, overflow and underflow are not.
"""

from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, look_singly, where
from etl.conversion.casts.decimals import DECIMAL, NOT_NUMBER
from etl.core.rejects import RejectRule
from etl.core.types import Kind, TargetType

_BEYOND_REAL = Refusal(RejectRule.OUT_OF_RANGE, f"{VALUE} is out of range for real")
_EXACT = 2**53
_SHORT_DECIMAL = r"^-?[0-9]{1,9}(\.[0-9]{1,6})?$"  # 15 digits are always kept; others are looked at singly


def float_from_integer(values: pa.Array, target: TargetType) -> Cells:
    """Integers that an 8-byte float holds exactly: all up to 2**53, beyond that only some."""
    exact = pc.and_(pc.greater_equal(values, -_EXACT), pc.less_equal(values, _EXACT))
    return _narrowed(look_singly(values, where(exact, values).cast(pa.float64()), _from_integer), target)


def float_from_real(values: pa.Array, target: TargetType) -> Cells:
    """Any real; infinity too, which PostgreSQL has as well."""
    return _narrowed(look_singly(values, where(pc.invert(pc.is_nan(values)), values), _refuse), target)


def float_from_text(values: pa.Array, target: TargetType) -> Cells:
    """ASCII decimals with optional sign, point and exponent; no words, no white space."""
    short = where(pc.match_substring_regex(values, _SHORT_DECIMAL), values)
    return _narrowed(look_singly(values, short.cast(pa.float64()), _from_text), target)


def _from_integer(value: int) -> float:
    if int(float(value)) != value:
        raise RefusalError(RejectRule.NOT_EXACT, f"{VALUE} is not exact as a floating point number")
    return float(value)


def _from_text(value: str) -> float:
    if DECIMAL.fullmatch(value) is None:
        raise RefusalError(*NOT_NUMBER)
    number = float(value)
    mantissa = value.lower().partition("e")[0]
    if np.isinf(number) or (number == 0 and mantissa.strip("+-.0") != ""):
        raise RefusalError(RejectRule.OUT_OF_RANGE, f"{VALUE} is out of range for double precision")
    try:
        exact = Decimal(value)
    except InvalidOperation:  # 0 with an exponent of twenty digits
        raise RefusalError(RejectRule.OUT_OF_RANGE, f"{VALUE} is out of range for double precision") from None
    if exact not in (Decimal(repr(number)), Decimal(number)):
        raise RefusalError(RejectRule.NOT_EXACT, f"{VALUE} is not exact as a floating point number")
    return number


def _refuse(_value: object) -> float:
    raise RefusalError(*NOT_NUMBER)


def _narrowed(cells: Cells, target: TargetType) -> Cells:
    """The cells as 4-byte floats where the target is `real`, as PostgreSQL's own cast does it."""
    if target.kind is not Kind.REAL:
        return cells
    wide = pc.fill_null(cells.values, 0.0).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", under="ignore"):
        narrow = wide.astype(np.float32)
    lost = (np.isinf(narrow) & np.isfinite(wide)) | ((narrow == 0) & (wide != 0))
    null = pc.is_null(cells.values).to_numpy(zero_copy_only=False)
    faults = dict.fromkeys(np.flatnonzero(lost).tolist(), _BEYOND_REAL)
    return Cells(pa.array(narrow, mask=lost | null), {**cells.faults, **faults})
