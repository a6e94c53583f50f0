"""numeric: exact decimals, carried as text from end to end and never through a float.

PostgreSQL's limits apply: 131072 digits before the point, 16383 after it. A `numeric(p,s)` that would round is refused.
"""

import re
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, look_singly, where
from etl.core.rejects import RejectRule
from etl.core.types import TargetType

NOT_NUMBER = Refusal(RejectRule.NOT_A_NUMBER, f"{VALUE} is not a number")
DECIMAL = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
"""Sign, digits before the point, digits after it (two groups), exponent."""

_PLAIN = r"^[+-]?[0-9]+(\.[0-9]*)?$"
_PLAIN_CHARACTERS = 1000
# Seen on PostgreSQL 15 and 18: 1e131071 and 1e-16383 are the last powers of ten, and 0 may not have a larger exponent
# (one more on 18).
_LARGEST_POWER = 131071
_LARGEST_SCALE = 16383
_LARGEST_EXPONENT = 1073741822


def numeric_from_integer(values: pa.Array, target: TargetType) -> Cells:
    """The integer's digits."""
    return _checked(values, values.cast(pa.string()), target)


def numeric_from_real(values: pa.Array, target: TargetType) -> Cells:
    """The shortest decimal that reads back as the same real; infinity is refused."""
    return _checked(values, where(pc.is_finite(values), shortest(values)), target)


def numeric_from_text(values: pa.Array, target: TargetType) -> Cells:
    """ASCII decimals with optional sign, point and exponent, as they stand."""
    return _checked(values, values, target)


def shortest(reals: pa.Array) -> pa.Array:
    """The shortest texts that read back as the same reals, with `.0` on whole ones as Python and SQLite have it."""
    texts = reals.cast(pa.string())
    whole = pc.match_substring_regex(texts, r"^-?[0-9]+$")
    return pc.if_else(whole, pc.binary_join_element_wise(texts, ".0", ""), texts)


def exceeds_numeric(whole: str, fraction: str, exponent: str) -> bool:
    """Whether `whole.fraction` times ten to the `exponent` (digits; may be empty) is beyond PostgreSQL's numeric."""
    sign, digits = exponent[:1].strip("+0123456789"), exponent.lstrip("+-").lstrip("0")
    if len(digits) > len(str(_LARGEST_EXPONENT)) or int(digits or 0) > _LARGEST_EXPONENT:
        return True
    power = int(f"{sign}{digits or 0}")
    if len(fraction) - power > _LARGEST_SCALE:
        return True
    significant = (whole + fraction).lstrip("0")
    return significant != "" and len(significant) - len(fraction) - 1 + power > _LARGEST_POWER


def _checked(values: pa.Array, texts: pa.Array, target: TargetType) -> Cells:
    """`texts` where they surely fit the target; for the others their `values` are looked at singly."""
    fits = pc.and_(pc.match_substring_regex(texts, _PLAIN), pc.less_equal(pc.binary_length(texts), _PLAIN_CHARACTERS))
    limits = _limits(target)
    if limits is not None:
        fits = pc.and_(fits, pc.match_substring_regex(texts, _fitting(*limits)))
    return look_singly(values, where(fits, texts), partial(_from_any, limits=limits))


def _limits(target: TargetType) -> tuple[int, int] | None:
    return None if target.precision is None else (target.precision, target.scale or 0)


def _fitting(precision: int, scale: int) -> str:
    """A pattern of the plain decimals that surely fit; none for odd scales (negative, above the precision)."""
    if not 0 <= scale <= precision:
        return r"^$"
    return rf"^[+-]?0*[0-9]{{0,{precision - scale}}}(\.[0-9]{{0,{scale}}}0*)?$"


def _from_any(value: float | str, *, limits: tuple[int, int] | None) -> str:
    text = value if isinstance(value, str) else repr(value)
    match = DECIMAL.fullmatch(text)
    if match is None:
        raise RefusalError(*NOT_NUMBER)
    _sign, whole, fraction, only_fraction, exponent = (group or "" for group in match.groups())
    if exceeds_numeric(whole, fraction + only_fraction, exponent):
        raise RefusalError(RejectRule.OUT_OF_RANGE, f"{VALUE} is out of range for numeric")
    if limits is not None:
        _check_limits(Decimal(text), *limits)
    return text


def _check_limits(number: Decimal, precision: int, scale: int) -> None:
    if not number:
        return
    digits = "".join(map(str, number.as_tuple().digits))
    first = number.adjusted()  # power of ten of the first digit, then of the last one that is not 0
    last = first - len(digits.strip("0")) + 1
    if last < -scale:
        raise RefusalError(RejectRule.TOO_FINE, f"{VALUE} has more decimals than numeric({precision},{scale}) keeps")
    if first >= precision - scale:
        raise RefusalError(RejectRule.OUT_OF_RANGE, f"{VALUE} is out of range for numeric({precision},{scale})")
