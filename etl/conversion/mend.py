"""Values that a cast has refused, mended by the repairs that the user allows, or that might help.

Only refused values are looked at. Of several repairs the fewest that do are taken, of as many the first in the order of
`Repair`, and a text is cut only where no other repair has anything to do with it. What a repair leaves goes through the
same cast again, all values of a step together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from etl.conversion.alterations import OF_VALUES, alter
from etl.conversion.casts.cells import Cells, Refusal, Storage
from etl.conversion.casts.storage import Part, split
from etl.core.plan import ColumnPlan
from etl.core.rejects import RejectRule
from etl.core.repairs import Repair, spoken
from etl.core.time_units import TimeUnit
from etl.core.values import StorageValue, UndecodableText

MOST_STEPS = 4
"""Repairs that one value may need, one after the other."""

# The reasons of a refusal against which each repair may help; whether it does is tried.
_NOT_THE_TYPE = frozenset(
    {
        RejectRule.NOT_A_BOOLEAN,
        RejectRule.NOT_A_NUMBER,
        RejectRule.NOT_A_WHOLE_NUMBER,
        RejectRule.NOT_A_TIME,
        RejectRule.NOT_AN_INTERVAL,
        RejectRule.NOT_JSON,
        RejectRule.NOT_BITS,
        RejectRule.WRONG_LENGTH,
        RejectRule.NOT_A_UUID,
        RejectRule.NOT_AN_ADDRESS,
        RejectRule.NOT_AN_OID,
        RejectRule.NOT_IN_FORM,
        RejectRule.PART_LOST,
    }
)
# The first of them is the reason; there may be more.
_IN_A_DOCUMENT = frozenset({RejectRule.DUPLICATE_JSON_KEY, RejectRule.NUL_CHARACTER, RejectRule.INVALID_UNICODE})
_HELPS: Mapping[Repair, frozenset[RejectRule]] = {
    Repair.UTF8: frozenset({RejectRule.INVALID_UTF8}),
    Repair.BLOB_TEXT: frozenset({RejectRule.OTHER_STORAGE, RejectRule.NOT_JSON}),
    Repair.UUID_BLOB: frozenset({RejectRule.NOT_A_UUID}),
    Repair.UUID_BLOB_LE: frozenset({RejectRule.NOT_A_UUID}),
    Repair.NUL: _IN_A_DOCUMENT | {RejectRule.NOT_JSON},
    Repair.SURROGATES: _IN_A_DOCUMENT,
    Repair.EMPTY_NULL: _NOT_THE_TYPE,
    Repair.ZERO_DATE: frozenset({RejectRule.NO_SUCH_TIME, RejectRule.NOT_A_TIME, RejectRule.PART_LOST}),
    Repair.BOOL_WORDS: frozenset({RejectRule.NOT_A_BOOLEAN}),
    Repair.EXCESS_DIGITS: frozenset({RejectRule.TOO_FINE, RejectRule.NOT_EXACT, RejectRule.OUT_OF_RANGE}),
    Repair.JSON_TWICE_FIRST: _IN_A_DOCUMENT,
    Repair.JSON_TWICE_LAST: _IN_A_DOCUMENT,
    Repair.ARRAY_JSON: frozenset({RejectRule.NOT_IN_FORM}),
    Repair.TRIM: _NOT_THE_TYPE | {RejectRule.TOO_LONG},
    Repair.TRUNCATE: frozenset({RejectRule.TOO_LONG}),
    Repair.JSON_TEXT: frozenset({RejectRule.NOT_JSON}),
}

CastPart = Callable[[Part], Cells]


class _Attempt(NamedTuple):
    """A refused value as repairs have left it so far, and why it is still refused."""

    place: int
    before: StorageValue
    value: StorageValue
    code: RejectRule
    used: tuple[Repair, ...] = ()
    steps: tuple[str, ...] = ()


class MendedValue(NamedTuple):
    """What became of a refused value, and the repairs that were needed, in words."""

    before: StorageValue
    value: StorageValue
    used: tuple[Repair, ...]
    steps: tuple[str, ...]


@dataclass
class Mended:
    """`values`: by place in the part. `pieces`: those that are not NULL, as the cast has made them."""

    values: dict[int, MendedValue] = field(default_factory=dict)
    pieces: list[tuple[npt.NDArray[np.int64], pa.Array]] = field(default_factory=list)


def mend(
    part: Part,
    faults: Mapping[int, Refusal],
    column: ColumnPlan,
    allowed: Iterable[Repair],
    unit: TimeUnit,
    cast: CastPart,
) -> Mended:
    """Tries the `allowed` repairs on the values of a part that have `faults`; what none helps is not in the result.

    :param part: a column's values of one storage class.
    :param faults: the refusals by place in the part.
    :param unit: of the numbers in a column of times.
    :param cast: the cast of the column's type, for values of any storage class.
    """
    usable = [repair for repair in allowed if repair in OF_VALUES]
    mended = Mended()
    reasons = frozenset[RejectRule]().union(*(_HELPS[repair] for repair in usable))
    open_places = [place for place, fault in faults.items() if fault.code in reasons]
    if not open_places:
        return mended
    values = part.values.take(pa.array(open_places, pa.int64())).to_pylist()
    if part.storage is Storage.UNDECODABLE:
        values = [UndecodableText(value) for value in values]
    attempts = [
        _Attempt(place, value, value, faults[place].code) for place, value in zip(open_places, values, strict=True)
    ]
    for _ in range(MOST_STEPS):
        tried = _altered(attempts, usable, column, unit)
        if not tried:
            break
        still_refused = _cast_into(mended, tried, cast)
        attempts = [attempt for attempt in still_refused if attempt.place not in mended.values]
    return mended


def _altered(
    attempts: Sequence[_Attempt], usable: Sequence[Repair], column: ColumnPlan, unit: TimeUnit
) -> list[_Attempt]:
    """Each value as each repair leaves it that may help and does something to it; a text is cut where no other does."""
    found: list[tuple[int, _Attempt]] = []
    touched: set[int] = set()
    by_code: dict[RejectRule, list[tuple[int, _Attempt]]] = {}
    for number, one in enumerate(attempts):
        by_code.setdefault(one.code, []).append((number, one))
    for repair in usable:
        chosen = [
            (number, one)
            for code, group in by_code.items()
            if code in _HELPS[repair]
            for number, one in group
            if repair not in one.used and not (repair is Repair.TRUNCATE and number in touched)
        ]
        results = alter(repair, [one.value for _, one in chosen], column.type, unit) if chosen else ()
        for (number, one), value in zip(chosen, results, strict=True):
            if value is not one.value:
                touched.add(number)
                steps = (*one.steps, spoken(repair, value))
                found.append((number, _Attempt(one.place, one.before, value, one.code, (*one.used, repair), steps)))
    return [attempt for _, attempt in sorted(found, key=itemgetter(0))]


def _cast_into(mended: Mended, tried: Sequence[_Attempt], cast: CastPart) -> list[_Attempt]:
    """Keeps the first success for each place; returns what is refused again, with the new reason."""
    refused: dict[int, Refusal] = {}
    parts = split(pd.Series([one.value for one in tried], dtype=object))
    results = [(part.positions, cast(part)) for part in parts]
    for positions, cells in results:
        refused |= {int(positions[place]): refusal for place, refusal in cells.faults.items()}
    taken: set[int] = set()
    for number, one in enumerate(tried):
        if number not in refused and one.place not in mended.values:
            mended.values[one.place] = MendedValue(one.before, one.value, one.used, one.steps)
            taken.add(number)
    for positions, cells in results:
        chosen = np.flatnonzero(np.isin(positions, list(taken)))
        if len(chosen):
            places = np.array([tried[number].place for number in positions[chosen].tolist()], np.int64)
            mended.pieces.append((places, cells.values.take(pa.array(chosen))))
    return [
        _Attempt(one.place, one.before, one.value, refused[number].code, one.used, one.steps)
        for number, one in enumerate(tried)
        if number in refused
    ]
