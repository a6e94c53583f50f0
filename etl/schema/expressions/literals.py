"""Columns and literals."""

import math
from typing import TYPE_CHECKING

from etl.schema.expressions.parsing import only
from etl.schema.expressions.terms import Sort, Term
from etl.schema.expressions.values import Refusal, text_literal
from etl.schema.expressions.walker import MAX_INTEGER, Walker, handles

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


@handles("Column")
def _column(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "table")
    table = node.args.get("table")
    name = str(node.this.name)
    found = walker.scope(name, table.name if table else None)
    if found is not None:
        return found
    if table is None and node.this.args.get("quoted") and name in walker.texts:
        return Term(text_literal(name), Sort.TEXT, literal=name)
    raise Refusal(f"there is no column {name} among the known ones")


@handles("Literal")
def _literal(_walker: Walker, node: "Expr") -> Term:
    value = str(node.this)
    if node.args.get("is_string"):
        if "\0" in value:
            raise Refusal("a text with a NUL character cannot exist in PostgreSQL")
        return Term(text_literal(value), Sort.TEXT, literal=value)
    return number_literal(value)


def number_literal(value: str) -> Term:
    """A number's literal: digits alone are an integer unless they are too many."""
    if value.isdecimal() and value.isascii():
        if int(value) >= MAX_INTEGER:
            raise Refusal(f"the integer {value} is beyond 64 bits")
        plain = str(int(value))
        return Term(plain, Sort.INTEGER, literal=plain)
    try:
        parsed = float(value)
    except ValueError as error:
        raise Refusal(f"the number {value} is not understood") from error
    if not math.isfinite(parsed):
        raise Refusal(f"the number {value} is beyond floating point")
    plain = value.rstrip(".") + ".0" if value.endswith(".") else value
    return Term(plain, Sort.REAL, literal=plain, fractional=True)


@handles("Null")
def _null(_walker: Walker, _node: "Expr") -> Term:
    return Term("NULL", Sort.NULL)


@handles("Boolean")
def _boolean(_walker: Walker, node: "Expr") -> Term:
    return Term("TRUE" if node.this else "FALSE", Sort.BOOLEAN, literal=str(int(bool(node.this))))


@handles("HexString")
def _hex(_walker: Walker, node: "Expr") -> Term:
    digits = str(node.this).lower()
    if len(digits) % 2:
        raise Refusal("a BLOB's literal has an odd number of digits")
    return Term(f"'\\x{digits}'::bytea", Sort.BYTES)


@handles("Paren")
def _paren(walker: Walker, node: "Expr") -> Term:
    only(node, "this")
    return walker.term(node.this)
