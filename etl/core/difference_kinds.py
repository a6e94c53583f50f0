"""What distinguishes two values that should be equal: the kinds of difference, and how one is told from the other.

Pure functions of values; which values are to be equal is decided in `etl.comparison.meaning`.
"""

import unicodedata
from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from enum import StrEnum

import numpy as np

MICROSECONDS = 1_000_000
_ROUNDINGS = (ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_DOWN, ROUND_FLOOR)
_FLOAT_DIGITS = (6, 7, 15, 16, 17)  # significant digits that 4-byte and 8-byte floats are printed with
_LARGEST_EXPONENT = 1_000  # beyond it numbers are compared, but no longer rounded digit by digit


class DifferenceKind(StrEnum):
    """How a value in the target differs from what the source's value means.

    NARROWED is what the target's own type imposes (real keeps 6 to 9 digits); it is counted, but is no difference.
    """

    CHANGED_TEXT = "changed_text"
    WHITESPACE = "whitespace_only"
    CASE = "case_only"
    NORMALISATION = "unicode_normalisation_only"
    NUL_REMOVED = "nul_removed"
    TRUNCATED = "truncated"
    NARROWED = "narrowed_by_type"
    LOST_DIGITS = "lost_digits"
    BOOLEAN_FLIPPED = "boolean_flipped"
    TIME_SHIFTED = "time_shifted"
    LOST_SUBSECONDS = "lost_subseconds"
    LOST_CLOCK = "lost_clock"
    JSON_CHANGED = "json_changed"
    NULL_AGAINST_VALUE = "null_against_value"
    OTHER = "other"
    MISSING = "missing"
    EXTRA = "extra"

    @property
    def words(self) -> str:
        """The kind as people say it."""
        return _WORDS[self]


_WORDS = {
    DifferenceKind.CHANGED_TEXT: "changed text",
    DifferenceKind.WHITESPACE: "whitespace only",
    DifferenceKind.CASE: "case only",
    DifferenceKind.NORMALISATION: "Unicode normalisation only",
    DifferenceKind.NUL_REMOVED: "NUL characters removed",
    DifferenceKind.TRUNCATED: "truncated",
    DifferenceKind.NARROWED: "number narrowed by the target's type",
    DifferenceKind.LOST_DIGITS: "lost digits",
    DifferenceKind.BOOLEAN_FLIPPED: "boolean flipped",
    DifferenceKind.TIME_SHIFTED: "time shifted",
    DifferenceKind.LOST_SUBSECONDS: "lost sub-second digits",
    DifferenceKind.LOST_CLOCK: "lost time of day",
    DifferenceKind.JSON_CHANGED: "JSON changed",
    DifferenceKind.NULL_AGAINST_VALUE: "NULL against a value",
    DifferenceKind.OTHER: "other",
    DifferenceKind.MISSING: "row missing in the target",
    DifferenceKind.EXTRA: "row only in the target",
}


def kind_of_text(source: str, target: str) -> DifferenceKind:
    """Two texts that differ: by the smallest change that explains it."""
    if "\0" in source and source.replace("\0", "") == target:
        return DifferenceKind.NUL_REMOVED
    if "".join(source.split()) == "".join(target.split()):
        return DifferenceKind.WHITESPACE
    if source.casefold() == target.casefold():
        return DifferenceKind.CASE
    if unicodedata.normalize("NFKC", source) == unicodedata.normalize("NFKC", target):
        return DifferenceKind.NORMALISATION
    if target and source.startswith(target):
        return DifferenceKind.TRUNCATED
    return DifferenceKind.CHANGED_TEXT


def kind_of_bytes(source: bytes, target: bytes) -> DifferenceKind:
    """Two byte strings that differ."""
    return DifferenceKind.TRUNCATED if target and source.startswith(target) else DifferenceKind.OTHER


def kind_of_number(source: Decimal, target: Decimal) -> DifferenceKind:
    """Two numbers that differ: digits were lost if the target is the source rounded, or passed through a float."""
    return DifferenceKind.LOST_DIGITS if _is_rounded(source, target) else DifferenceKind.OTHER


def kind_of_time(source: int, target: int) -> tuple[DifferenceKind, float | None]:
    """Two times (microseconds) that differ, and the seconds by which the target is later unless digits were lost."""
    units = (10**power for power in range(1, 7))
    if any(source % unit and not target % unit and abs(source - target) < unit for unit in units):
        return DifferenceKind.LOST_SUBSECONDS, None
    return DifferenceKind.TIME_SHIFTED, (target - source) / MICROSECONDS


def _is_rounded(source: Decimal, target: Decimal) -> bool:
    if not (source.is_finite() and target.is_finite()) or abs(source.adjusted()) > _LARGEST_EXPONENT:
        return False
    if target in _through_floats(source) or any(target == _significant(source, digits) for digits in _FLOAT_DIGITS):
        return True
    kept, had = _decimals(target), _decimals(source)
    if kept >= had:
        return False
    unit = Decimal(1).scaleb(-kept)
    exact = Context(prec=2 * _LARGEST_EXPONENT + len(source.as_tuple().digits))
    return any(target == source.quantize(unit, rounding, exact) for rounding in _ROUNDINGS)


def _through_floats(number: Decimal) -> set[Decimal]:
    """What is left of the number in 8 and in 4 bytes: exactly, and as either is printed."""
    wide = float(number)
    with np.errstate(over="ignore"):
        narrow = np.float32(wide)
    forms = (wide, repr(wide), float(narrow), repr(float(narrow)), str(narrow))
    return {Decimal(form) for form in forms}


def _significant(number: Decimal, digits: int) -> Decimal:
    return Decimal(f"{number:.{digits - 1}e}")


def _decimals(number: Decimal) -> int:
    """Digits behind the point, without zeros at the end (`normalize` would round to the context's precision)."""
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or exponent >= 0:
        return 0
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return max(0, -exponent - zeros)
