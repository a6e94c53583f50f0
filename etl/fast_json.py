"""JSON documents that are written differently but mean the same, told quickly where that can be said with certainty."""

from collections.abc import Iterator

import orjson
import pyarrow as pa
import pyarrow.compute as pc

# orjson reads numbers as 64-bit integers and floats: up to 15 digits and without an exponent nothing is lost by that.
# A number stands at the beginning or behind one of these characters.
_LONG_NUMBER = r"(?:^|[\[,:\s])-?(?:[0-9][0-9.]{15}|[0-9.]+[eE])"


def surely_same(one: pa.Array, other: pa.Array) -> Iterator[bool]:
    """For each pair of texts (binary, UTF-8): True where both are the same document.

    False where they are not, where one is null, and where only a careful look can tell.
    """
    careful = pc.or_kleene(_has_long_number(one), _has_long_number(other)).to_pylist()
    for left, right, hard in zip(one.to_pylist(), other.to_pylist(), careful, strict=True):
        yield hard is False and _same(left, right)


def _has_long_number(texts: pa.Array) -> pa.Array:
    return pc.match_substring_regex(texts, _LONG_NUMBER)


def _same(one: bytes, other: bytes) -> bool:
    try:
        left, right = orjson.loads(one), orjson.loads(other)
    except orjson.JSONDecodeError:
        return False
    if b"true" in one or b"false" in one or b"true" in other or b"false" in other:
        return _written(left) == _written(right)  # Python takes true for 1
    return bool(left == right)


def _written(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
