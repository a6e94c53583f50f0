"""Two streams of rows in the same order, brought together: which rows belong to each other, which have no counterpart.

Pure Arrow; the order is checked on the way, so that a wrong one raises instead of inventing missing rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Places = npt.NDArray[np.int64]
Key = tuple[object, ...]


class OrderError(Exception):
    """A stream is not in the order of its keys (bytes, or numbers)."""


@dataclass(frozen=True)
class Aligned:
    """Row i of `source` belongs to row i of `target`; the rows of `missing` (source) and `extra` (target) to none."""

    source: pa.RecordBatch
    target: pa.RecordBatch
    missing: pa.RecordBatch
    extra: pa.RecordBatch


class _Stream:
    """What has arrived of a stream and waits for its counterpart."""

    def __init__(self, batches: Iterator[pa.RecordBatch], keys: Sequence[str]) -> None:
        self._batches = batches
        self._keys = keys
        self._last: Key | None = None
        self.rows: pa.RecordBatch | None = None
        self.ended = False

    def fill(self) -> None:
        """Makes sure that there are rows, unless the stream has ended."""
        while not self.ended and (self.rows is None or not self.rows.num_rows):
            batch = next(self._batches, None)
            if batch is None:
                self.ended = True
            elif batch.num_rows:
                self._check_order(batch)
                self.rows = batch

    @property
    def waiting(self) -> int:
        """Rows that are there."""
        return 0 if self.rows is None else self.rows.num_rows

    def keep(self, *parts: pa.RecordBatch) -> None:
        """What is left to be matched."""
        filled = [part for part in parts if part.num_rows]
        if len(filled) > 1:
            self.rows = pa.Table.from_batches(filled).combine_chunks().to_batches()[0]
        else:
            self.rows = filled[0] if filled else None

    def _check_order(self, batch: pa.RecordBatch) -> None:
        first = key_at(batch, self._keys, 0)
        if (self._last is not None and first < self._last) or not _is_sorted([batch.column(key) for key in self._keys]):
            raise OrderError
        self._last = key_at(batch, self._keys, batch.num_rows - 1)


def align(
    source: Iterator[pa.RecordBatch],
    target: Iterator[pa.RecordBatch],
    source_keys: Sequence[str],
    target_keys: Sequence[str],
) -> Iterator[Aligned]:
    """Matches rows by their keys, which must not be null; equal keys are matched one to one.

    Raises `OrderError` where a stream is not ordered by its keys.
    """
    left, right = _Stream(source, source_keys), _Stream(target, target_keys)
    while True:
        left.fill()
        right.fill()
        if left.rows is None or not left.waiting or right.rows is None or not right.waiting:
            break
        yield _step(left, right, source_keys, target_keys)
    for stream, is_source in ((left, True), (right, False)):
        while stream.rows is not None and stream.waiting:
            yield _alone(stream.rows, is_source=is_source)
            stream.keep()
            stream.fill()


def _alone(rows: pa.RecordBatch, *, is_source: bool) -> Aligned:
    """Rows behind the other side's end. Their counterparts are empty, of whatever columns."""
    none = rows.slice(0, 0)
    return Aligned(none, none, rows if is_source else none, none if is_source else rows)


def _step(left: _Stream, right: _Stream, left_keys: Sequence[str], right_keys: Sequence[str]) -> Aligned:
    a, b = left.rows, right.rows
    if a is None or b is None:
        raise ValueError("both streams must have rows")
    count = min(a.num_rows, b.num_rows)
    if all(a.column(x)[:count].equals(b.column(y)[:count]) for x, y in zip(left_keys, right_keys, strict=True)):
        left.keep(a.slice(count))
        right.keep(b.slice(count))
        return Aligned(a.slice(0, count), b.slice(0, count), a.slice(0, 0), b.slice(0, 0))
    return _match_to_limit(left, right, a, b, left_keys, right_keys)


def _match_to_limit(
    left: _Stream,
    right: _Stream,
    a: pa.RecordBatch,
    b: pa.RecordBatch,
    left_keys: Sequence[str],
    right_keys: Sequence[str],
) -> Aligned:
    """Matches all rows up to the smaller of the two last keys: behind it more counterparts may come."""
    limit = min(key_at(a, left_keys, a.num_rows - 1), key_at(b, right_keys, b.num_rows - 1))
    a_end, b_end = _end(a, left_keys, limit), _end(b, right_keys, limit)
    a_now, b_now = a.slice(0, a_end), b.slice(0, b_end)
    a_places, b_places = _pairs([a_now.column(key) for key in left_keys], [b_now.column(key) for key in right_keys])
    a_alone, b_alone = _others(a_places, a_end), _others(b_places, b_end)
    # Rows with the limit's own key wait if more rows with that key may follow on the other side.
    a_waits = a_alone[a_alone >= _start(a_now, left_keys, limit)] if b_end == b.num_rows else a_alone[:0]
    b_waits = b_alone[b_alone >= _start(b_now, right_keys, limit)] if a_end == a.num_rows else b_alone[:0]
    left.keep(_take(a_now, a_waits), a.slice(a_end))
    right.keep(_take(b_now, b_waits), b.slice(b_end))
    return Aligned(
        _take(a_now, a_places),
        _take(b_now, b_places),
        _take(a_now, a_alone[: len(a_alone) - len(a_waits)]),
        _take(b_now, b_alone[: len(b_alone) - len(b_waits)]),
    )


def _pairs(left: Sequence[pa.Array], right: Sequence[pa.Array]) -> tuple[Places, Places]:
    """Places of the rows that belong together; the n-th of equal keys on one side with the n-th on the other."""
    codes = _codes([pa.concat_arrays([a, b]) for a, b in zip(left, right, strict=True)])
    count = len(left[0])
    a, b = _numbered(codes[:count], len(codes)), _numbered(codes[count:], len(codes))
    _, places_a, places_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    order = np.argsort(places_a)
    return places_a[order].astype(np.int64), places_b[order].astype(np.int64)


def _codes(keys: Sequence[pa.Array]) -> Places:
    """One number for each distinct key."""
    codes = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        encoded = key.dictionary_encode()
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy(zero_copy_only=False)
        codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)  # dense again: no product overflows
    return codes


def _numbered(codes: Places, factor: int) -> Places:
    """Each code with its occurrence, as one number; equal codes stand together, since the rows are sorted."""
    if not len(codes):
        return codes
    places = np.arange(len(codes))
    starts = np.maximum.accumulate(np.where(np.r_[True, codes[1:] != codes[:-1]], places, 0))
    return np.asarray(codes * factor + places - starts, np.int64)


def _others(places: Places, count: int) -> Places:
    free = np.ones(count, np.bool_)
    free[places] = False
    return np.flatnonzero(free)


def _take(rows: pa.RecordBatch, places: Places) -> pa.RecordBatch:
    if len(places) == rows.num_rows:
        return rows
    return rows.take(pa.array(places)) if len(places) else rows.slice(0, 0)


def _end(rows: pa.RecordBatch, keys: Sequence[str], limit: Key) -> int:
    """How many rows have keys up to `limit`."""
    low, high = 0, rows.num_rows
    while low < high:
        middle = (low + high) // 2
        if key_at(rows, keys, middle) <= limit:
            low = middle + 1
        else:
            high = middle
    return low


def _start(rows: pa.RecordBatch, keys: Sequence[str], limit: Key) -> int:
    """Place of the first row whose key is `limit` (or above)."""
    low, high = 0, rows.num_rows
    while low < high:
        middle = (low + high) // 2
        if key_at(rows, keys, middle) < limit:
            low = middle + 1
        else:
            high = middle
    return low


def key_at(rows: pa.RecordBatch, keys: Sequence[str], place: int) -> Key:
    """The key of one row as Python values."""
    return tuple(rows.column(key)[place].as_py() for key in keys)


def _is_sorted(keys: Sequence[pa.Array]) -> bool:
    count = len(keys[0])
    if count < 2:
        return True
    fine = np.zeros(count - 1, np.bool_)
    tied = np.ones(count - 1, np.bool_)
    for key in keys:
        before, after = key[:-1], key[1:]
        fine |= tied & _flags(pc.less(before, after))
        tied &= _flags(pc.equal(before, after))
    return bool((fine | tied).all())


def _flags(values: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.bool_)
