"""The clock: CURRENT_TIMESTAMP and the date functions at 'now', in the UTC that SQLite tells."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etl.schema.expressions.parsing import only, parts
from etl.schema.expressions.terms import Sort, Term, compound
from etl.schema.expressions.values import Refusal, text_literal
from etl.schema.expressions.walker import Walker, handles

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

UTC_NOW = "CURRENT_TIMESTAMP AT TIME ZONE 'UTC'"
_EPOCH = "extract(epoch FROM CURRENT_TIMESTAMP)"
_DATE, _TIME = "%Y-%m-%d", "%H:%M:%S"
_FORMATS = {
    "date": _DATE,
    "currentdate": _DATE,
    "time": _TIME,
    "currenttime": _TIME,
    "datetime": f"{_DATE} {_TIME}",
    "currenttimestamp": f"{_DATE} {_TIME}",
}
_FIELDS = {
    "%Y": "YYYY",
    "%m": "MM",
    "%d": "DD",
    "%H": "HH24",
    "%M": "MI",
    "%S": "SS",
    "%f": "SS.MS",
    "%F": "YYYY-MM-DD",
    "%T": "HH24:MI:SS",
    "%R": "HH24:MI",
    "%j": "DDD",
}


@handles("CurrentTimestamp", "CurrentDate", "CurrentTime")
def _current(walker: Walker, node: "Expr") -> Term:
    only(node)
    return _text(walker, _FORMATS[type(node).__name__.lower()])


@handles("Date", "date()", "datetime()", "time()")
def _moment(walker: Walker, node: "Expr") -> Term:
    name = str(node.this).lower() if type(node).__name__ == "Anonymous" else "date"
    arguments = node.expressions if type(node).__name__ == "Anonymous" else list(parts(node).values())
    modifiers = _at_now(arguments)
    form = _FORMATS[name]
    return _text(walker, form.replace("%S", "%f") if modifiers else form)


@handles("TimeToStr", "strftime()")
def _strftime(walker: Walker, node: "Expr") -> Term:
    """sqlglot reads the form with two arguments as a node of its own."""
    if type(node).__name__ == "Anonymous":
        form, *arguments = node.expressions
    else:
        only(node, "this", "format")
        form, arguments = node.args["format"], [node.this.this]
    if type(form).__name__ != "Literal":
        raise Refusal("strftime() with a format that is no literal")
    modifiers = _at_now(arguments)
    if str(form.this) == "%s":
        return _seconds(walker, fraction=False)
    if modifiers:
        raise Refusal("strftime() with modifiers has no known equal in PostgreSQL")
    return _text(walker, str(form.this))


@handles("unixepoch()")
def _unixepoch(walker: Walker, node: "Expr") -> Term:
    return _seconds(walker, fraction=bool(_at_now(node.expressions)))


@handles("julianday()")
def _julianday(walker: Walker, node: "Expr") -> Term:
    _at_now(node.expressions)
    _asked(walker)
    sql = f"{_EPOCH}::double precision / 86400 + 2440587.5::double precision"
    return compound(sql, Sort.REAL, fractional=True, now=True)


def _asked(walker: Walker) -> None:
    if not walker.clock:
        raise Refusal("it asks the clock, where the same row must always give the same value")
    walker.immutable = False


def _at_now(arguments: "Sequence[object]") -> bool:
    """Refuses all moments but the present one in UTC; whether it is asked for with its fraction."""
    words = [str(getattr(argument, "this", "")).lower() for argument in arguments]
    literal = all(type(argument).__name__ in ("Literal", "CurrentTimestamp") for argument in arguments)
    if words[:1] == ["now"] or (arguments and type(arguments[0]).__name__ == "CurrentTimestamp"):
        words = words[1:]
    if not literal or any(word not in ("subsec", "subsecond") for word in words):
        local = "localtime" in words
        raise Refusal("it depends on the computer's time zone" if local else "a date function of more than 'now'")
    return bool(words)


def _text(walker: Walker, form: str) -> Term:
    _asked(walker)
    return Term(f"to_char({UTC_NOW}, {text_literal(as_template(form))})", Sort.TEXT, now=True)


def as_template(form: str) -> str:
    """A format of strftime as one of to_char."""
    pieces = []
    for piece in re.findall(r"%.|[A-Za-z]+|.", form, re.DOTALL):
        if piece.startswith("%") and piece not in _FIELDS:
            raise Refusal(f"strftime()'s {piece} has no known equal in PostgreSQL")
        if '"' in piece or "\\" in piece:
            raise Refusal("strftime() with such a sign has no known equal in PostgreSQL")
        pieces.append(_FIELDS[piece] if piece.startswith("%") else f'"{piece}"' if piece.isalpha() else piece)
    return "".join(pieces)


def _seconds(walker: Walker, *, fraction: bool) -> Term:
    _asked(walker)
    if fraction:
        return Term(f"round({_EPOCH}::numeric, 3)::double precision", Sort.REAL, fractional=True, now=True)
    return Term(f"floor({_EPOCH})::bigint", Sort.INTEGER, now=True)
