"""Types whose texts follow one short pattern: bit strings, uuid, network and hardware addresses, oid, money."""

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import VALUE, Cells, Refusal, RefusalError, look_singly, where
from etl.conversion.casts.decimals import numeric_from_integer, numeric_from_real, numeric_from_text
from etl.core.rejects import RejectRule
from etl.core.types import Kind, TargetType

NOT_BITS = Refusal(RejectRule.NOT_BITS, f"{VALUE} is not a bit string (0 and 1)")
NOT_UUID = Refusal(RejectRule.NOT_A_UUID, f"{VALUE} is not a UUID")
NOT_ADDRESS = Refusal(RejectRule.NOT_AN_ADDRESS, f"{VALUE} is not a whole network address")
NOT_HARDWARE = Refusal(RejectRule.NOT_AN_ADDRESS, f"{VALUE} is not a hardware address")
NOT_OID = Refusal(RejectRule.NOT_AN_OID, f"{VALUE} is not an object identifier (0 to 4294967295)")
LARGEST_OID = 2**32 - 1

_HEX = "[0-9A-Fa-f]"
_DIGITS = rf"(?:{_HEX}{{4}}-?){{7}}{_HEX}{{4}}"
_UUID = rf"^(?:{_DIGITS}|\{{{_DIGITS}\}})$"
_PLAIN_DIGITS = re.compile("0|[1-9][0-9]{0,9}")
_GROUPS = {Kind.MACADDR: 6, Kind.MACADDR8: 8}
_MONEY = TargetType(Kind.NUMERIC, "numeric(19,2)", precision=19, scale=2)  # cents, in the units of the locale C


def bits_from_text(values: pa.Array, target: TargetType) -> Cells:
    """bit(n): exactly n digits; bit varying(n): at most n."""
    length = target.length if target.kind is Kind.VARBIT else target.length or 1
    fits = pc.match_substring_regex(values, r"^[01]*$")
    if length is not None:
        count = pc.binary_length(values)
        fits = pc.and_(fits, pc.less_equal(count, length) if target.kind is Kind.VARBIT else pc.equal(count, length))
    return look_singly(values, where(fits, values), partial(_refuse_bits, length=length))


def _refuse_bits(text: str, *, length: int | None) -> str:
    if length is not None and not text.strip("01"):
        raise RefusalError(RejectRule.WRONG_LENGTH, f"{len(text)} bits, the column takes {length}")
    raise RefusalError(*NOT_BITS)


def uuid_from_text(values: pa.Array, _target: TargetType) -> Cells:
    """32 hexadecimal digits, with hyphens behind groups of four or without, in braces or not."""
    fits = pc.match_substring_regex(values, _UUID)
    return look_singly(values, where(fits, values), partial(_refuse, reason=NOT_UUID))


def address_from_text(values: pa.Array, target: TargetType) -> Cells:
    """inet: an address, with the length of its network if any; cidr: a network without bits of a host."""
    read: Callable[[str], object] = ipaddress.ip_interface
    if target.kind is Kind.CIDR:
        read = partial(ipaddress.ip_network, strict=True)
    return look_singly(values, pa.nulls(len(values), values.type), partial(_read_address, read=read))


def _read_address(text: str, *, read: Callable[[str], object]) -> str:
    try:
        read(text)
    except ValueError:
        raise RefusalError(*NOT_ADDRESS) from None
    if not text.isascii() or "%" in text or "." in text.partition("/")[2]:  # Python reads net masks as well
        raise RefusalError(*NOT_ADDRESS)
    return text


def hardware_from_text(values: pa.Array, target: TargetType) -> Cells:
    """All groups of the type, with colons, with hyphens, or without: six groups in a macaddr8 would be made eight."""
    more = _GROUPS[target.kind] - 1
    forms = "|".join(rf"{_HEX}{{2}}(?:{mark}{_HEX}{{2}}){{{more}}}" for mark in (":", "-", ""))
    fits = pc.match_substring_regex(values, f"^(?:{forms})$")
    return look_singly(values, where(fits, values), partial(_refuse, reason=NOT_HARDWARE))


def oid_from_integer(values: pa.Array, _target: TargetType) -> Cells:
    """0 to 4294967295; PostgreSQL's input would make others of negative numbers."""
    fits = pc.and_(pc.greater_equal(values, 0), pc.less_equal(values, LARGEST_OID))
    return look_singly(values, where(fits, values).cast(pa.string()), partial(_refuse, reason=NOT_OID))


def oid_from_text(values: pa.Array, _target: TargetType) -> Cells:
    """The same in digits, without zeros before them: PostgreSQL would read these as octal."""
    return look_singly(values, pa.nulls(len(values), values.type), _read_oid)


def _read_oid(text: str) -> str:
    if not (_PLAIN_DIGITS.fullmatch(text) and int(text) <= LARGEST_OID):
        raise RefusalError(*NOT_OID)
    return text


def money_from_integer(values: pa.Array, _target: TargetType) -> Cells:
    """Whole units."""
    return numeric_from_integer(values, _MONEY)


def money_from_real(values: pa.Array, _target: TargetType) -> Cells:
    """Reals whose shortest decimal has at most two decimals."""
    return _without_exponents(numeric_from_real(values, _MONEY))


def money_from_text(values: pa.Array, _target: TargetType) -> Cells:
    """At most two decimals, a dollar sign before them if any; separators are refused, since locales differ in them."""
    return _without_exponents(numeric_from_text(pc.replace_substring_regex(values, r"^(-?)\$", r"\1"), _MONEY))


def _without_exponents(cells: Cells) -> Cells:
    """money's input knows no exponents."""
    texts = [None if text is None else _plain(text) for text in cells.values.to_pylist()]
    return Cells(pa.array(texts, pa.string()), cells.faults)


def _plain(text: str) -> str:
    return format(Decimal(text), "f") if "e" in text or "E" in text else text


def _refuse(_value: object, *, reason: Refusal) -> str:
    raise RefusalError(*reason)
