"""JSON documents that are written differently but mean the same, told quickly where that can be said with certainty."""

from collections.abc import Iterator

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.comparison.meaning import MeaninglessError, TooDeepError, is_json

# orjson reads numbers as 64-bit integers and as floats: nothing is lost of integers up to 18 digits, and of decimals up
# to 15 digits without an exponent. A number stands at the beginning or behind one of the first characters here.
_LONG_DECIMALS = "|".join(rf"[0-9]{{{whole}}}\.[0-9]{{{16 - whole}}}" for whole in range(1, 16))
_LONG_NUMBER = rf"(?:^|[\[,:\s])-?(?:[0-9]{{19}}|[0-9]{{16,}}\.|[0-9.]+[eE]|{_LONG_DECIMALS})"


# orjson keeps one of equal keys. So does jsonb: the source then seems to have more keys than the target, unless one of
# the marks that keys are counted by is written as an escape. json keeps all, and is always looked at exactly.
_KEY = r"\"\s*:"
_ESCAPED_MARK = r"\\u00(?:22|3[aA])"


def surely_same(one: pa.Array, other: pa.Array, *, unique: bool) -> Iterator[bool]:
    """For each pair of texts (binary, UTF-8): True where both are the same document, False where not or not surely.

    `unique`: the second column is one of jsonb, in which no object holds a key twice.
    """
    exact = pc.or_kleene(_is_hard(one), _is_hard(other)).to_pylist()
    as_many = pc.equal(_keys(one), _keys(other)).to_pylist()
    for left, right, hard, same_count in zip(one.to_pylist(), other.to_pylist(), exact, as_many, strict=True):
        if left is None or right is None:
            yield False
        elif hard or not unique or not same_count:
            yield _same_exactly(left, right)
        else:
            yield _same(left, right)


def _is_hard(texts: pa.Array) -> pa.Array:
    return pc.match_substring_regex(texts, f"{_LONG_NUMBER}|{_ESCAPED_MARK}")


def _keys(texts: pa.Array) -> pa.Array:
    """How many keys a document seems to have; a quote before a colon inside of a text counts as well, on both sides."""
    return pc.count_substring_regex(texts, _KEY)


def _same_exactly(one: bytes, other: bytes) -> bool:
    try:
        return is_json(one.decode(), other.decode())
    except (MeaninglessError, TooDeepError, UnicodeDecodeError):
        return False


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
