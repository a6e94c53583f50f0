"""Arithmetic, with SQLite's integer division and its NULL for a division by zero, and || of texts."""

from typing import TYPE_CHECKING

from etl.schema.expressions.parsing import only
from etl.schema.expressions.terms import Sort, Term, calculable, compound, number, text
from etl.schema.expressions.values import Refusal
from etl.schema.expressions.walker import MAX_INTEGER, Walker, handles, unparenthesised

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


@handles("Neg")
def _negative(walker: Walker, node: "Expr") -> Term:
    only(node, "this")
    inner = unparenthesised(node.this)
    if type(inner).__name__ == "Literal" and not inner.args.get("is_string") and str(inner.this) == str(MAX_INTEGER):
        return Term(f"(-{MAX_INTEGER})", Sort.INTEGER, literal=f"-{MAX_INTEGER}")
    term = number(walker.term(node.this))
    if term.literal is not None and not term.literal.startswith("-"):
        sql = "0" if term.literal == "0" else f"-{term.literal}"
        return Term(sql, term.sort, literal=sql, atom=False, fractional=term.fractional)
    term = calculable(term)
    return compound(f"-{term.operand}", term.sort, fractional=term.fractional, now=term.now)


_ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%"}


@handles(*_ARITHMETIC)
def _arithmetic(walker: Walker, node: "Expr") -> Term:
    """Integers as bigint, all else as double precision, as SQLite does.

    A sum beyond 64 bits is an error here, while SQLite goes on with a REAL. Integers beyond 2^53 are rounded beside a
    decimal number, where SQLite calculates exactly if it holds that one as an integer.
    """
    only(node, "this", "expression")
    operator = _ARITHMETIC[type(node).__name__]
    left, right = calculable(walker.term(node.this)), calculable(walker.term(node.expression))
    now = left.now or right.now
    if Sort.NULL in (left.sort, right.sort):
        return Term("NULL", Sort.NULL)
    if operator == "%" and Sort.REAL in (left.sort, right.sort):
        raise Refusal("SQLite cuts the fractions off before it divides for the rest")
    real = Sort.REAL in (left.sort, right.sort)
    if operator == "/" and real and not (left.fractional or right.fractional):
        raise Refusal("SQLite divides such numbers as integers where both have no fraction")
    divisor = right.operand if operator in "+-*" or _nonzero(right) else f"NULLIF({right.sql}, 0)"
    fractional = left.fractional or right.fractional
    sort = Sort.REAL if real else Sort.INTEGER
    return compound(f"{_wide(left, right).operand} {operator} {divisor}", sort, fractional=fractional, now=now)


def _nonzero(term: Term) -> bool:
    return term.literal is not None and float(term.literal) != 0


def _wide(left: Term, right: Term) -> Term:
    """The left operand, as bigint where PostgreSQL would calculate with 32 bits."""
    if Sort.REAL in (left.sort, right.sort):
        return left
    if "bigint" in (_type(left), _type(right)) or "::bigint" in left.sql + right.sql:
        return left
    return Term(left.as_("bigint"), Sort.INTEGER)


def _type(term: Term) -> str:
    return term.column.type.lower() if term.column is not None else ""


@handles("DPipe")
def _concatenation(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression")
    sides = [text(walker.term(side)) for side in (node.this, node.expression)]
    return compound(" || ".join(sides), Sort.TEXT)
