"""Random identifiers: the idioms around randomblob() by which SQLite applications make UUIDs.

Each part of such an expression has a shape: a random hexadecimal digit, a digit of the variant, or itself. The whole
shape tells a UUID, however the parts are put together.
"""

from typing import TYPE_CHECKING

from etl.schema.expressions.terms import Sort, Term
from etl.schema.expressions.values import Refusal
from etl.schema.expressions.walker import unparenthesised

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

_MAX_BYTES = 32
_HEX, _VARIANT = "h", "v"
_UUID4 = "hhhhhhhh-hhhh-4hhh-vhhh-hhhhhhhhhhhh"
_UUIDS = {_UUID4, _UUID4.replace("v", "h"), _UUID4.replace("4", "h"), "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"}
_RANDOM_NODES = frozenset({"Rand", "Hex", "LowerHex"})
_UUID = "gen_random_uuid()"


def random_id(node: "Expr") -> Term | None:
    """An identifier of random digits as PostgreSQL makes one, or None where it is something else."""
    node = unparenthesised(node)
    if _is_randomblob(node):
        return Term(_bytes(_count(node)), Sort.BYTES, now=True)
    if not any(type(inner).__name__ in _RANDOM_NODES for inner in node.walk()):
        return None
    upper = not any(type(inner).__name__ in ("LowerHex", "Lower") for inner in node.walk())
    sql = _of_shape(_shape(node))
    return Term(f"upper({sql})" if upper else sql, Sort.TEXT, now=True)


def _of_shape(shape: str) -> str:
    if shape in _UUIDS:
        return f"{_UUID}::text"
    if set(shape) != {_HEX} or len(shape) % 2 or len(shape) > 2 * _MAX_BYTES:
        raise Refusal("a random value of an unusual form")
    return _digits(len(shape))


def _digits(count: int) -> str:
    """A UUID's own digits are 32, of which six bits are fixed; other lengths come from its hash, wholly random."""
    if count == 32:
        return f"replace({_UUID}::text, '-', '')"
    return f"left(encode(sha256({_UUID}::text::bytea), 'hex'), {count})"


def _bytes(count: int) -> str:
    if not 0 < count <= _MAX_BYTES:
        raise Refusal("a random BLOB of such a length")
    return f"decode({_digits(2 * count)}, 'hex')"


def _shape(node: "Expr") -> str:
    node = unparenthesised(node)
    name = type(node).__name__
    if name in ("Hex", "LowerHex") and _is_randomblob(unparenthesised(node.this)):
        return _HEX * 2 * _count(unparenthesised(node.this))
    if name in ("Lower", "Upper"):
        return _shape(node.this)
    if name == "DPipe":
        return _shape(node.this) + _shape(node.expression)
    if name == "Literal" and node.args.get("is_string") and str(node.this) in ("-", "4", "-4"):
        return str(node.this)
    if name == "Substring":
        return _part(node)
    raise Refusal("a random value of an unusual form")


def _part(node: "Expr") -> str:
    """Digits cut out of others, or one of the variant's four."""
    source, start, length = unparenthesised(node.this), node.args["start"], node.args.get("length")
    if type(source).__name__ == "Literal" and sorted(str(source.this).lower()) == sorted("89ab"):
        if _chosen(start) and length is not None and str(length.this) == "1":
            return _VARIANT
        raise Refusal("a random value of an unusual form")
    whole = _shape(source)
    places = [part for part in (start, length) if part is not None]
    written = all(type(part).__name__ == "Literal" and str(part.this).isdecimal() for part in places)
    if not written or set(whole) != {_HEX}:
        raise Refusal("a random value of an unusual form")
    first = int(str(start.this)) - 1
    return whole[first:] if length is None else whole[first : first + int(str(length.this))]


def _chosen(start: "Expr") -> bool:
    """1 + abs(random()) % 4, in either order."""
    found = sorted(type(inner).__name__ for inner in start.walk() if type(inner).__name__ != "Paren")
    numbers = sorted(str(inner.this) for inner in start.walk() if type(inner).__name__ == "Literal")
    return found == ["Abs", "Add", "Literal", "Literal", "Mod", "Rand"] and numbers == ["1", "4"]


def _is_randomblob(node: "Expr") -> bool:
    return type(node).__name__ == "Anonymous" and str(node.this).lower() == "randomblob"


def _count(node: "Expr") -> int:
    (argument,) = node.expressions if len(node.expressions) == 1 else (None,)
    if type(argument).__name__ != "Literal" or argument is None or not str(argument.this).isdecimal():
        raise Refusal("a random BLOB of no written length")
    return min(int(str(argument.this)), 10 * _MAX_BYTES)
