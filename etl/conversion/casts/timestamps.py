"""timestamptz and timestamp: ISO texts, epoch numbers and Julian days, in microseconds since 1970 throughout.

Texts: `YYYY-MM-DD`, alone or with space or T, `HH:MM[:SS[.f]]`, and Z or an offset if any; formats may change from row
to row. Numbers name an instant by their magnitude, and no magnitude means two units:

- epoch seconds from 1e8 to below 1e11 (1973-03-03 to 5138-11-16), milliseconds from 1e11 to below 1e14 and
  microseconds from 1e14 to below 1e17 (the same dates); negative ones count back from 1970 in the same way.
  Reals are rounded to the microsecond.
- Julian days, as reals from 1721425.5 to below 5373484.5 (years 1 to 9999), to the millisecond as SQLite computes them.

Everything else, 0 and small integers included, is refused. Numbers and texts with Z or an offset are instants, the
other texts wall clock times of `zone`. Only the years 1 to 9999 (in UTC for timestamptz) are accepted, and nothing
finer than a microsecond.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import VALUE, Cells, Mask, RefusalError, mask_of
from etl.core.types import Kind, TargetType

NOT_TIME = f"{VALUE} is not a date and time (YYYY-MM-DD HH:MM:SS, with fraction, Z or offset if any)"
NOT_EPOCH = f"{VALUE} is not an unambiguous time (epoch seconds, milliseconds or microseconds; Julian days as reals)"
OUT_OF_YEARS = f"{VALUE} is outside the years 1 to 9999"

Micros = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
_DAY = 86_400_000_000
_JULIAN_FIRST, _JULIAN_END = 1721425.5, 5373484.5
_JULIAN_EPOCH_MILLISECONDS = 210_866_760_000_000
_UNITS = ((1e8, 1_000_000), (1e11, 1_000), (1e14, 1))  # a unit's first magnitude (of three), its microseconds


def _dates() -> str:
    """A pattern of exactly the dates that exist: Arrow's parser fails as a whole and must never meet another one."""
    year = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
    long_months = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    short_months = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    february = "02-(?:0[1-9]|1[0-9]|2[0-8])"
    leap_year = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
    return f"(?:{year}-(?:{long_months}|{short_months}|{february})|{leap_year}-02-29)"


_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,6})?)?"
_OFFSET = "(?:Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)"
_LOCAL = f"^{_dates()}(?:[T ]{_TIME})?$"
_ZONED = f"^{_dates()}[T ]{_TIME}{_OFFSET}$"
_TEXT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


@dataclass(frozen=True)
class _Times:
    """Microseconds by position: `known` where there are any, `zoned` where they are an instant (else local time)."""

    micros: Micros
    known: Mask
    zoned: Mask
    faults: dict[int, str] = field(default_factory=dict)


def time_from_text(values: pa.Array, target: TargetType, *, zone: ZoneInfo) -> Cells:
    """ISO texts in any mixture; wall clock times that `zone` skips or has twice are refused."""
    return _finished(_complete(_read_iso(values), values), target, zone)


def time_from_integer(values: pa.Array, target: TargetType, *, zone: ZoneInfo) -> Cells:
    """Epoch seconds, milliseconds or microseconds by magnitude."""
    numbers = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
    micros = np.zeros(len(numbers), np.int64)
    known = np.zeros(len(numbers), np.bool_)
    for start, factor in _UNITS:
        unit = _within(numbers, start)
        micros[unit], known = numbers[unit] * factor, known | unit
    return _finished(_instants(values, micros, known), target, zone)


def time_from_real(values: pa.Array, target: TargetType, *, zone: ZoneInfo) -> Cells:
    """Julian days, or epoch numbers with a fraction."""
    numbers = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
    known = (numbers >= _JULIAN_FIRST) & (numbers < _JULIAN_END)
    micros = np.zeros(len(numbers), np.int64)
    milliseconds = (numbers[known] * 86_400_000.0 + 0.5).astype(np.int64)  # as in SQLite's date.c
    micros[known] = (milliseconds - _JULIAN_EPOCH_MILLISECONDS) * 1000
    for start, factor in _UNITS:
        unit = _within(numbers, start)
        whole = np.floor(numbers[unit])
        fraction = np.rint((numbers[unit] - whole) * factor).astype(np.int64)
        micros[unit], known = whole.astype(np.int64) * factor + fraction, known | unit
    return _finished(_instants(values, micros, known), target, zone)


def _within(numbers: npt.NDArray[np.int64] | npt.NDArray[np.float64], start: float) -> Mask:
    size = np.abs(numbers)
    return np.asarray((size >= start) & (size < start * 1000), np.bool_)


def _instants(values: pa.Array, micros: Micros, known: Mask) -> _Times:
    refused = mask_of(pc.is_valid(values)) & ~known
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
            faults[position] = str(refusal)
    return _Times(micros, known, zoned, faults)


def _read_singly(text: str) -> tuple[int, bool]:
    """Microseconds, and whether they are an instant."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise RefusalError(NOT_TIME)
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
    clock = (hour * 3600 + minute * 60 + second) * 1_000_000 + _fraction(match[7] or "")
    if hour > 23 or minute > 59 or second > 59:
        raise RefusalError(f"{VALUE} is not a time of day that exists (00:00:00 to 23:59:59)")
    return _midnight(year, month, day) + clock - _offset(match[8] or "Z"), match[8] is not None


def _midnight(year: int, month: int, day: int) -> int:
    try:
        return (date(year, month, day) - _EPOCH.date()).days * _DAY
    except ValueError:
        raise RefusalError(f"{VALUE} is not a date that exists") from None


def _fraction(digits: str) -> int:
    if digits[6:].strip("0"):
        raise RefusalError(f"{VALUE} is finer than a microsecond")
    return int(digits[:6].ljust(6, "0"))


def _offset(text: str) -> int:
    if text in "Zz":
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:] if len(text) > 3 else 0)
    if hours > 15 or minutes > 59:
        raise RefusalError(f"{VALUE} has an offset beyond 15:59 hours")
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
    null = ~times.known
    null[list(faults)] = True
    unit = pa.timestamp("us", "UTC") if instant else pa.timestamp("us")
    return Cells(pa.array(micros, mask=null).cast(unit), faults)


def _to_instants(local: Micros, zone: ZoneInfo) -> tuple[Micros, dict[int, str]]:
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
            instants[position], faults[position] = 0, str(refusal)
    return instants, faults


def _to_wall_clock(instants: Micros, zone: ZoneInfo) -> tuple[Micros, dict[int, str]]:
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
        raise RefusalError(f"{VALUE} does not exist in {zone.key}, where the clocks went forward")
    if earlier > later:
        raise RefusalError(f"{VALUE} occurs twice in {zone.key}, where the clocks went back")
    return local - earlier // timedelta(microseconds=1)


def _wall_clock(instant: int, zone: ZoneInfo) -> int:
    moment = (_EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=instant)).astimezone(zone)
    return (moment.replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1)
