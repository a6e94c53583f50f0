"""Reads numbers, bits, addresses, bytes and documents out of texts that stand for them.

`written`: PostgreSQL wrote the text, and so it may hold what no source text means, such as a numeric NaN.
"""

import ipaddress
import math
import re
from collections import Counter
from decimal import Decimal

import numpy as np

from etl.comparison import meaning
from etl.comparison.meaning import MeaninglessError
from etl.comparison.words import tokens
from etl.core.types import Kind, TargetType

NOT_A_NUMBER = "not a number"
"""Stands for NaN, which equals itself here as it does in PostgreSQL."""

_MOST_DIGITS = 4_000  # far above all of PostgreSQL's whole numbers, below what Python reads
_WHOLE = re.compile(rf"[+-]?[0-9]{{1,{_MOST_DIGITS}}}")
_ONLY_WRITTEN: dict[str, float | str] = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": NOT_A_NUMBER}
_UUID = re.compile("(?:[0-9A-Fa-f]{4}-?){7}[0-9A-Fa-f]{4}")
_HEX_BYTES = re.compile(r"\\x(?:[0-9A-Fa-f]{2})*")
_GROUPS = {Kind.MACADDR: 6, Kind.MACADDR8: 8}


def read_decimal(text: str, _target: TargetType, written: bool) -> Decimal | float | str:
    """The exact number."""
    if written and text in _ONLY_WRITTEN:
        return _ONLY_WRITTEN[text]
    return meaning.number(text)


def read_float(text: str, target: TargetType, written: bool) -> float | str:
    """The floating point number of the type's width that the text names; the source's has to be one of 8 bytes."""
    if written and text in _ONLY_WRITTEN:
        return _ONLY_WRITTEN[text]
    single = target.kind is Kind.REAL
    found = float(meaning.number(text))
    if single:
        with np.errstate(over="ignore", under="ignore"):
            found = float(np.float32(found))
    if not written and not meaning.is_float(text, found, single=single):
        raise MeaninglessError
    return found


def read_whole(text: str, _target: TargetType, _written: bool) -> int:
    """Digits with a sign if any."""
    if _WHOLE.fullmatch(text) is None:
        raise MeaninglessError
    return int(text)


def read_money(text: str, _target: TargetType, written: bool) -> Decimal:
    """An amount; PostgreSQL groups its digits, the source's are not to be grouped."""
    plain = text.replace(",", "") if written else text
    return meaning.number(re.sub(r"^(-?)\$", r"\1", plain))


def read_truth(text: str, _target: TargetType, _written: bool) -> bool:
    """The words of true and false."""
    return meaning.truth(text)


def read_exact(text: str, target: TargetType, _written: bool) -> str:
    """The text itself; spaces at the end mean nothing in char(n)."""
    return text.rstrip(" ") if target.padded else text


def read_bits(text: str, _target: TargetType, _written: bool) -> str:
    """Any number of 0 and 1."""
    if text.strip("01"):
        raise MeaninglessError
    return text


def read_uuid(text: str, _target: TargetType, _written: bool) -> str:
    """32 hexadecimal digits, with hyphens behind groups of four or not, in braces or not."""
    inner = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    if _UUID.fullmatch(inner) is None:
        raise MeaninglessError
    return inner.replace("-", "").lower()


def uuid_text(digits: str) -> str:
    """The same as PostgreSQL writes it."""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def read_address(text: str, target: TargetType, _written: bool) -> object:
    """An address with the length of its network (inet), or a network without bits of a host (cidr)."""
    if not text.isascii() or "%" in text or "." in text.partition("/")[2]:
        raise MeaninglessError
    try:
        return ipaddress.ip_network(text) if target.kind is Kind.CIDR else ipaddress.ip_interface(text)
    except ValueError:
        raise MeaninglessError from None


def read_hardware(text: str, target: TargetType, _written: bool) -> str:
    """All groups of the type, with colons, with hyphens, or without."""
    for mark in (":", "-", ""):
        if re.fullmatch(rf"[0-9A-Fa-f]{{2}}(?:{mark}[0-9A-Fa-f]{{2}}){{{_GROUPS[target.kind] - 1}}}", text):
            return text.replace(mark, "").lower() if mark else text.lower()
    raise MeaninglessError


def hardware_text(digits: str) -> str:
    """The same as PostgreSQL writes it."""
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))


def read_octets(text: str, _target: TargetType, _written: bool) -> bytes:
    """Bytes inside of other types: in hexadecimal, on both sides."""
    if _HEX_BYTES.fullmatch(text) is None:
        raise MeaninglessError
    return bytes.fromhex(text[2:])


def read_document(text: str, _target: TargetType, _written: bool) -> object:
    """A JSON document in which no key occurs twice."""
    return meaning.plain_json(text)


_VERBATIM = ("name", '"char"')
"""Types of the catalogue that hold a text as it stands, and cut one that is longer than they are."""


def read_words(text: str, target: TargetType, _written: bool) -> Counter[str | Decimal] | str:
    """The words and numbers of a text that only the server can read; all of it, where it is kept as it stands."""
    return text if target.base in _VERBATIM else tokens(text)
