"""Text to syntax tree, by sqlglot, which is imported when the first expression is read.

sqlglot reads what it does not know in silence, and drops some of it; so the tokens and every part of every node are
looked at, and what is not expected refuses the whole text.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.schema.expressions.values import Refusal

if TYPE_CHECKING:
    from sqlglot.expressions import Expr
    from sqlglot.tokenizer_core import Token

_MAX_LENGTH = 20_000
# After these words and signs a "+" is a sign of its own, which takes the affinity away; sqlglot drops it.
_SIGNS = ("(", ",", "=", "==", "<>", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "||", "&", "|", "<<", ">>")
_WORDS = ("AND", "OR", "NOT", "IS", "IN", "LIKE", "GLOB", "BETWEEN", "WHEN", "THEN", "ELSE", "CASE", "SELECT", "WHERE")
_BEFORE_A_SIGN = frozenset({*_SIGNS, *_WORDS, "->", "->>", "ON", "HAVING", "BY", "ESCAPE", "DISTINCT", "LIMIT"})
_KNOWN_FLAGS = frozenset({"safe", "typed", "big_int", "only_json_types", "scalar_only", "json_subtype", "_type"})


def parse_expression(text: str) -> "Expr":
    """The tree of one expression.

    Raises:
        Refusal: the text is not one expression.
    """
    # As a SELECT's only column: on its own, `replace(…)` is read as a command.
    select = parse_statement(f"SELECT ({text}\n)")
    expressions = select.args.get("expressions") or []
    names = [type(expression).__name__ for expression in expressions]
    if type(select).__name__ != "Select" or names != ["Paren"] or set(parts(select)) != {"expressions"}:
        raise Refusal("it is not one expression")
    found: Expr = expressions[0].this
    return found


def parse_statement(text: str) -> "Expr":
    """The tree of one statement."""
    from sqlglot import ErrorLevel, ParseError, TokenError, parse

    tokens_allowed(text)
    try:
        with _silenced():
            trees = parse(text, read="sqlite", error_level=ErrorLevel.RAISE)
    except (ParseError, TokenError) as error:
        raise Refusal("its text is not understood") from error
    except RecursionError as error:
        raise Refusal("it is nested too deeply") from error
    if len(trees) != 1 or trees[0] is None:
        raise Refusal("it is not one statement")
    return trees[0]


@contextmanager
def _silenced() -> Iterator[None]:
    """Without sqlglot's warnings: each of them ends in a refusal that says more."""
    logger = logging.getLogger("sqlglot")
    logger.addFilter(_nothing)
    try:
        yield
    finally:
        logger.removeFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def tokens_allowed(text: str) -> None:
    """Refuses what the parser would lose: a plus sign before a value, parameters, and texts without an end."""
    if len(text) > _MAX_LENGTH:
        raise Refusal(f"its text is longer than {_MAX_LENGTH} characters")
    before = "("
    for token in tokens(text):
        sign = token.text.upper()
        if sign == "(" and before == "MOD":
            raise Refusal("mod() gives a REAL, which % does not")
        if sign == "+" and before in _BEFORE_A_SIGN and token.token_type.name == "PLUS":
            raise Refusal("a plus sign before a value takes its type affinity away")
        before = sign if _is_sign(token) or sign == "MOD" else "value"


def _is_sign(token: "Token") -> bool:
    return token.token_type.name not in {"STRING", "IDENTIFIER", "VAR", "NUMBER"}


def tokens(text: str) -> "list[Token]":
    """The text's tokens by SQLite's rules."""
    from sqlglot import TokenError, tokenize

    try:
        return tokenize(text, read="sqlite")
    except TokenError as error:
        raise Refusal("its text is not understood") from error


def parts(node: "Expr") -> dict[str, object]:
    """What a node holds, without sqlglot's own notes."""
    return {
        name: value
        for name, value in node.args.items()
        if value not in (None, False, [], ()) and name not in _KNOWN_FLAGS
    }


def only(node: "Expr", *allowed: str) -> None:
    """Refuses a node that holds anything beside what is expected of it."""
    unknown = set(parts(node)) - set(allowed)
    if unknown:
        raise Refusal(f"{describe(node)} with {', '.join(sorted(unknown))} has no known equal in PostgreSQL")


def describe(node: "Expr") -> str:
    """A node for a reason: the function's name, or the node's own in plain words."""
    name = type(node).__name__
    if name == "Anonymous":
        return f"{str(node.this).lower()}()"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).upper()


def double_quoted(text: str) -> Iterator[str]:
    """The names between double quotes, which SQLite takes for texts where no column is named so."""
    for token in tokens(text):
        if token.token_type.name == "IDENTIFIER" and text[token.start] == '"':
            yield token.text
