"""timestamptz and timestamp: ISO texts and numbers, in microseconds since 1970 throughout.

Texts: `YYYY-MM-DD`, alone or with space or T, `HH:MM[:SS[.f]]`, and Z, UTC or an offset if any, behind a space or not;
formats may change from row to row. Numbers are in the one unit of their column (`etl.core.time_units`): reals are
rounded to the microsecond, Julian and Excel's days to the millisecond. Where the column has no certain unit, they are
refused.

Numbers and texts with Z or an offset are instants, the other texts wall clock times of `zone`. Only the years 1 to 9999
(in UTC for timestamptz) are accepted, and nothing finer than a microsecond, or than the column keeps.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import CANDIDATES, VALUE, Cells, Mask, Refusal, RefusalError, mask_of
from etl.core.rejects import RejectRule
from etl.core.time_units import TimeUnit
from etl.core.types import Kind, TargetType

NOT_TIME = Refusal(
    RejectRule.NOT_A_TIME,
    f"{VALUE} is not a date and time (YYYY-MM-DD HH:MM:SS, with fraction, Z or offset if any)",
)
NOT_EPOCH = Refusal(
    RejectRule.AMBIGUOUS_UNIT,
    f"{VALUE} is not an unambiguous time: no one unit makes all numbers of the column plausible{CANDIDATES}; "
    "say the unit with --times TABLE.COLUMN=UNIT",
)
SHORTEN = "shorten it in the source, or let the column keep text"
"""What can be done about digits that a type does not keep."""
OUT_OF_YEARS = Refusal(RejectRule.OUT_OF_RANGE, f"{VALUE} is outside the years 1 to 9999")
TOO_FINE = Refusal(RejectRule.TOO_FINE, f"{VALUE} has more fraction digits than the column keeps; {SHORTEN}")

Micros = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
_DAY = 86_400_000_000
_COUNTS = {  # microseconds of a unit, and of its beginning since 1970
    TimeUnit.SECONDS: (1_000_000, 0),
    TimeUnit.MILLISECONDS: (1_000, 0),
    TimeUnit.MICROSECONDS: (1, 0),
    TimeUnit.CHROME: (1, -11_644_473_600_000_000),
    TimeUnit.MAC: (1_000_000, 978_307_200_000_000),
}
_DAYS = {TimeUnit.JULIAN: 210_866_760_000_000, TimeUnit.EXCEL: 2_209_161_600_000}  # milliseconds from 0 to 1970
_LARGEST_COUNT = 10**15  # in seconds or milliseconds far beyond the year 9999, and no overflow in microseconds
_MOST_DAYS = 1e8


def _dates() -> str:
    """A pattern of exactly the dates that exist: Arrow's parser fails as a whole and must never meet another one."""
    year = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
    long_months = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    short_months = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    february = "02-(?:0[1-9]|1[0-9]|2[0-8])"
    leap_year = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
    return f"(?:{year}-(?:{long_months}|{short_months}|{february})|{leap_year}-02-29)"


DATE_PATTERN = _dates()
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,6})?)?"
OFFSET_PATTERN = "(?:Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)"
_LOCAL = f"^{DATE_PATTERN}(?:[T ]{_TIME})?$"
_ZONED = f"^{DATE_PATTERN}[T ]{_TIME}{OFFSET_PATTERN}$"
_SPACED = r"^(.{10}[T ][0-9:.]+) (Z|UTC|[+-].*)$"  # as Go, Rails and Sequelize write an offset
_TEXT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(?: ?([Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)


@dataclass(frozen=True)
class _Times:
    """Microseconds by position: `known` where there are any, `zoned` where they are an instant (else local time)."""

    micros: Micros
    known: Mask
    zoned: Mask
    faults: dict[int, Refusal] = field(default_factory=dict)


def time_from_text(
    values: pa.Array,
    target: TargetType,
    *,
    zone: ZoneInfo,
    unit: TimeUnit,  # noqa: ARG001 - of numbers alone
) -> Cells:
    """ISO texts in any mixture; wall clock times that `zone` skips or has twice are refused."""
    return _finished(_complete(_read_iso(_without_spaces(values)), values), target, zone)


def _without_spaces(values: pa.Array) -> pa.Array:
    """The texts with their offsets as Arrow's parser wants them; most columns have no such text."""
    spaced = pc.match_substring_regex(values, _SPACED)
    if not pc.any(spaced).as_py():
        return values
    joined = pc.replace_substring_regex(values, _SPACED, r"\1\2")
    return pc.if_else(pc.fill_null(spaced, False), pc.replace_substring_regex(joined, "UTC$", "Z"), values)


def time_from_integer(values: pa.Array, target: TargetType, *, zone: ZoneInfo, unit: TimeUnit) -> Cells:
    """Whole numbers in the unit of their column."""
    if unit in _DAYS:
        return time_from_real(values.cast(pa.float64(), safe=False), target, zone=zone, unit=unit)
    numbers = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
    if unit is TimeUnit.NANOSECONDS:
        times = _instants(values, numbers // 1000, np.ones(len(numbers), np.bool_))
        finer = mask_of(pc.is_valid(values)) & (numbers % 1000 != 0)
        return _finished(replace(times, faults=dict.fromkeys(np.flatnonzero(finer).tolist(), TOO_FINE)), target, zone)
    factor, offset = _COUNTS.get(unit, (0, 0))
    within = (numbers > -_LARGEST_COUNT) & (numbers < _LARGEST_COUNT)
    known = within if factor > 1 else np.full(len(numbers), factor == 1)
    micros = np.where(known, numbers, 0) * factor + offset
    return _finished(_instants(values, micros, known), target, zone)


def time_from_real(values: pa.Array, target: TargetType, *, zone: ZoneInfo, unit: TimeUnit) -> Cells:
    """Numbers with a fraction in the unit of their column."""
    numbers = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
    micros = np.zeros(len(numbers), np.int64)
    if unit in _DAYS:
        known = np.abs(numbers) < _MOST_DAYS
        milliseconds = (numbers[known] * 86_400_000.0 + 0.5).astype(np.int64)  # as in SQLite's date.c
        micros[known] = (milliseconds - _DAYS[unit]) * 1000
        return _finished(_instants(values, micros, known), target, zone)
    factor, offset = (0.001, 0) if unit is TimeUnit.NANOSECONDS else _COUNTS.get(unit, (0, 0))
    known = np.isfinite(numbers) & (np.abs(numbers) < 2.0**62 / max(factor, 1)) & (factor > 0)
    whole = np.floor(numbers[known])
    fraction = np.rint((numbers[known] - whole) * factor).astype(np.int64)
    micros[known] = (whole * factor).astype(np.int64) + fraction + offset
    return _finished(_instants(values, micros, known), target, zone)


def _instants(values: pa.Array, micros: Micros, known: Mask) -> _Times:
    valid = mask_of(pc.is_valid(values))
    refused, known = valid & ~known, valid & known
    return _Times(micros, known, known, dict.fromkeys(np.flatnonzero(refused).tolist(), NOT_EPOCH))


def _read_iso(values: pa.Array) -> _Times:
    """The texts that Arrow's parser is known to read as we do; the others stay unknown."""
    local, zoned = pc.match_substring_regex(values, _LOCAL), pc.match_substring_regex(values, _ZONED)
    micros = np.zeros(len(values), np.int64)
    micros[mask_of(local)] = _parsed(values.filter(local), pa.timestamp("us"))
    micros[mask_of(zoned)] = _parsed(values.filter(zoned), pa.timestamp("us", "UTC"))
    return _Times(micros, mask_of(pc.or_(local, zoned)), mask_of(zoned))


def _parsed(texts: pa.Array, unit: pa.DataType) -> Micros:
    return np.asarray(texts.cast(unit).cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _complete(times: _Times, values: pa.Array) -> _Times:
    """Looks singly at the texts that are still unknown."""
    micros, known, zoned, faults = times.micros.copy(), times.known.copy(), times.zoned.copy(), dict(times.faults)
    rest = np.flatnonzero(mask_of(pc.is_valid(values)) & ~known)
    for position, text in zip(rest.tolist(), values.take(pa.array(rest)).to_pylist(), strict=True):
        try:
            micros[position], zoned[position] = _read_singly(text)
            known[position] = True
        except RefusalError as refusal:
            faults[position] = refusal.refusal
    return _Times(micros, known, zoned, faults)


def _read_singly(text: str) -> tuple[int, bool]:
    """Microseconds, and whether they are an instant."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise RefusalError(*NOT_TIME)
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
    clock = (hour * 3600 + minute * 60 + second) * 1_000_000 + _fraction(match[7] or "")
    if hour > 23 or minute > 59 or second > 59:
        raise RefusalError(RejectRule.NO_SUCH_TIME, f"{VALUE} is not a time of day that exists (00:00:00 to 23:59:59)")
    return _midnight(year, month, day) + clock - _offset(match[8] or "Z"), match[8] is not None


def _midnight(year: int, month: int, day: int) -> int:
    try:
        return (date(year, month, day) - _EPOCH.date()).days * _DAY
    except ValueError:
        raise RefusalError(RejectRule.NO_SUCH_TIME, f"{VALUE} is not a date that exists") from None


def _fraction(digits: str) -> int:
    if digits[6:].strip("0"):
        raise RefusalError(RejectRule.TOO_FINE, f"{VALUE} is finer than a microsecond; {SHORTEN}")
    return int(digits[:6].ljust(6, "0"))


def _offset(text: str) -> int:
    if text in ("Z", "z", "UTC"):
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:] if len(text) > 3 else 0)
    if hours > 15 or minutes > 59:
        raise RefusalError(RejectRule.OUT_OF_RANGE, f"{VALUE} has an offset beyond 15:59 hours")
    return (hours * 3600 + minutes * 60) * (-1_000_000 if text[0] == "-" else 1_000_000)


def _finished(times: _Times, target: TargetType, zone: ZoneInfo) -> Cells:
    """The times as Arrow values of the target's type: instants in UTC, or wall clock times of `zone`."""
    instant = target.kind is Kind.TIMESTAMPTZ
    moved = times.known & (~times.zoned if instant else times.zoned)
    micros, faults = times.micros.copy(), dict(times.faults)
    if zone.key != "UTC":
        positions = np.flatnonzero(moved)
        micros[moved], skipped = (_to_instants if instant else _to_wall_clock)(micros[moved], zone)
        faults |= {int(positions[index]): reason for index, reason in skipped.items()}
    outside = times.known & ((micros < _FIRST) | (micros > _LAST))
    faults = dict.fromkeys(np.flatnonzero(outside).tolist(), OUT_OF_YEARS) | faults
    if target.precision is not None:
        finer = times.known & (micros % 10 ** (6 - target.precision) != 0)
        faults = dict.fromkeys(np.flatnonzero(finer).tolist(), TOO_FINE) | faults
    null = ~times.known
    null[list(faults)] = True
    unit = pa.timestamp("us", "UTC") if instant else pa.timestamp("us")
    return Cells(pa.array(micros, mask=null).cast(unit), faults)


def _to_instants(local: Micros, zone: ZoneInfo) -> tuple[Micros, dict[int, Refusal]]:
    """Wall clock times of the zone as instants, with a reason for each one that does not exist or occurs twice.

    pandas rather than Arrow: Arrow 26 applies no daylight saving time after 2037.
    """
    inner = _away_from_the_ends(local)
    index = pd.DatetimeIndex(local[inner].view("M8[us]")).tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    instants = local.copy()
    instants[inner] = index.asi8
    doubtful = ~inner
    doubtful[np.flatnonzero(inner)[np.asarray(index.isna())]] = True
    faults = {}
    for position in np.flatnonzero(doubtful).tolist():
        try:
            instants[position] = _instant(int(local[position]), zone)
        except RefusalError as refusal:
            instants[position], faults[position] = 0, refusal.refusal
    return instants, faults


def _to_wall_clock(instants: Micros, zone: ZoneInfo) -> tuple[Micros, dict[int, Refusal]]:
    inner = _away_from_the_ends(instants)
    index = pd.DatetimeIndex(instants[inner].view("M8[us]")).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    local = instants.copy()
    local[inner] = index.asi8
    faults = {}
    for position in np.flatnonzero(~inner).tolist():
        try:
            local[position] = _wall_clock(int(instants[position]), zone)
        except OverflowError:
            local[position], faults[position] = 0, OUT_OF_YEARS
    return local, faults


def _away_from_the_ends(micros: Micros) -> Mask:
    """Not within two days of year 1's start or 9999's end, where pandas and datetime overflow."""
    return (micros > _FIRST + 2 * _DAY) & (micros < _LAST - 2 * _DAY)


def _instant(local: int, zone: ZoneInfo) -> int:
    moment = (_EPOCH + timedelta(microseconds=local)).replace(tzinfo=zone)
    earlier, later = moment.utcoffset(), moment.replace(fold=1).utcoffset()
    if earlier is None or later is None or earlier < later:
        raise RefusalError(
            RejectRule.NO_SUCH_TIME, f"{VALUE} does not exist in {zone.key}, where the clocks went forward"
        )
    if earlier > later:
        raise RefusalError(RejectRule.AMBIGUOUS_TIME, f"{VALUE} occurs twice in {zone.key}, where the clocks went back")
    return local - earlier // timedelta(microseconds=1)


def _wall_clock(instant: int, zone: ZoneInfo) -> int:
    moment = (_EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=instant)).astimezone(zone)
    return (moment.replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1)
