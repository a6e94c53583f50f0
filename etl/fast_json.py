"""JSON documents that are written differently but mean the same, told quickly where that can be said with certainty."""

import re

import orjson

# orjson reads numbers as 64-bit integers and floats: up to 15 digits and without an exponent nothing is lost by that.
# A number stands at the beginning or behind one of these characters.
_LONG_NUMBER = re.compile(rb"(?:\A|[\[,:\s])-?(?:[0-9][0-9.]{15}|[0-9.]+[eE])")


def surely_same(one: bytes, other: bytes) -> bool:
    """True where both texts are the same document; False where that is not so, or has to be looked at carefully."""
    if _LONG_NUMBER.search(one) or _LONG_NUMBER.search(other):
        return False
    try:
        left, right = orjson.loads(one), orjson.loads(other)
        return orjson.dumps(left, option=orjson.OPT_SORT_KEYS) == orjson.dumps(right, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False
