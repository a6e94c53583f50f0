"""LIKE and GLOB. SQLite's LIKE folds ASCII letters and has no escape character of its own; GLOB folds nothing."""

import re
from typing import TYPE_CHECKING

from etl.schema.expressions.comparing import fold
from etl.schema.expressions.conditions import operands_are_plain
from etl.schema.expressions.parsing import only
from etl.schema.expressions.terms import Sort, Term, compound
from etl.schema.expressions.values import Refusal, text_literal
from etl.schema.expressions.walker import Walker, handles

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


@handles("Like")
def _like(walker: Walker, node: "Expr") -> Term:
    return like(walker, node, escape="")


@handles("Escape")
def _escape(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    escape = str(node.expression.this)
    if type(node.this).__name__ != "Like" or len(escape) != 1 or escape.isalpha() or escape in "%_":
        raise Refusal("LIKE with such an ESCAPE has no known equal in PostgreSQL")
    return like(walker, node.this, escape=escape)


def like(walker: Walker, node: "Expr", *, escape: str) -> Term:
    """LIKE with a pattern that is a literal."""
    only(node, "this", "expression", "negate")
    value, pattern = _sides(walker, node)
    if escape and re.search(f"{re.escape(escape)}(?![%_{re.escape(escape)}])", pattern.replace(escape * 2, "")):
        raise Refusal("LIKE's pattern escapes what needs no escape")
    sql = value.operand
    if re.search("[A-Za-z]", pattern):
        sql, pattern = f'lower({value.sql} COLLATE "C")', fold(pattern)
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    written = text_literal(escape)
    return compound(f"{sql} {word} {text_literal(pattern)} ESCAPE {written}", Sort.BOOLEAN)


def _sides(walker: Walker, node: "Expr") -> tuple[Term, str]:
    operands_are_plain(node.this, node.expression)
    value, pattern = walker.term(node.this), walker.term(node.expression)
    if value.sort is not Sort.TEXT or pattern.sort is not Sort.TEXT or pattern.literal is None:
        raise Refusal(f"{type(node).__name__.upper()} is known to mean the same for a text and a written pattern alone")
    return value, pattern.literal


@handles("Glob")
def _glob(walker: Walker, node: "Expr") -> Term:
    """As a regular expression; its brackets are ranges of code points in both."""
    only(node, "this", "expression")
    value, pattern = _sides(walker, node)
    return compound(f'{value.operand} COLLATE "C" ~ {text_literal(glob_as_regex(pattern))}', Sort.BOOLEAN)


def glob_as_regex(pattern: str) -> str:
    """A GLOB pattern as a regular expression of PostgreSQL's."""
    pieces, rest = [], re.sub(r"\*+", "*", pattern) if "[" not in pattern else pattern
    while rest:
        piece, rest = _next_piece(rest)
        pieces.append(piece)
    start = "" if pieces and pieces[0] == ".*" else "^"
    end = "" if len(pieces) > 0 and pieces[-1] == ".*" else "$"
    inner = pieces[(not start) : (len(pieces) - (not end and len(pieces) > (not start)))]
    return start + "".join(inner) + end


def _next_piece(rest: str) -> tuple[str, str]:
    first = rest[0]
    if first == "[":
        return _bracket(rest)
    if first in "*?":
        return {"*": ".*", "?": "."}[first], rest[1:]
    return _escaped(first), rest[1:]


def _escaped(character: str) -> str:
    return character if character.isalnum() or character in " _-@,:;/'\"<>=!#%&~`" else "\\" + character


_BRACKET = re.compile(r"\[(\^?)(\]?[^\]]*)\]", re.DOTALL)


def _bracket(rest: str) -> tuple[str, str]:
    found = _BRACKET.match(rest)
    if found is None or not found[2]:
        raise Refusal("GLOB's pattern has a bracket without an end")
    members = found[2]
    if any(first > last for first, last in re.findall(r"(.)-(.)", members, re.DOTALL)) or "--" in members:
        raise Refusal("GLOB's pattern has a range that runs backwards")
    written = "".join("\\" + character if character in "\\]^[" else character for character in members)
    return f"[{found[1]}{written}]", rest[found.end() :]
