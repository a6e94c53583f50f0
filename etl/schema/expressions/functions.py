"""The functions of which it is known that both databases agree, and for which arguments."""

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.schema.expressions.comparing import compare
from etl.schema.expressions.parsing import only
from etl.schema.expressions.results import alike, sort_of
from etl.schema.expressions.terms import NUMBERS, Affinity, Sort, Term, calculable, text
from etl.schema.expressions.values import Refusal
from etl.schema.expressions.walker import Walker, handles

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


@handles("Length")
def _length(walker: Walker, node: "Expr") -> Term:
    """Characters of a text or of a number's text, bytes of a BLOB."""
    only(node, "this")
    value = walker.term(node.this)
    if value.sort is Sort.BYTES:
        return Term(f"octet_length({value.sql})", Sort.INTEGER)
    return Term(f"length({text(value)})", Sort.INTEGER)


@handles("Lower", "Upper")
def _folded(walker: Walker, node: "Expr") -> Term:
    """ASCII alone: without an extension SQLite folds nothing else, and neither does the collation "C"."""
    only(node, "this")
    name = type(node).__name__.lower()
    return Term(f'{name}({text(walker.term(node.this))} COLLATE "C")', Sort.TEXT)


@handles("Trim")
def _trim(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression", "position")
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position")), "btrim")
    arguments = [text(walker.term(node.this))]
    if node.args.get("expression") is not None:
        arguments.append(text(walker.term(node.expression)))
    return Term(f"{name}({', '.join(arguments)})", Sort.TEXT)


@handles("Replace")
def _replace(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expression", "replacement")
    if node.args.get("replacement") is None:
        raise Refusal("replace() takes three arguments")
    arguments = [text(walker.term(node.args[name])) for name in ("this", "expression", "replacement")]
    return Term(f"replace({', '.join(arguments)})", Sort.TEXT)


@handles("StrPosition")
def _position(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "substr")
    arguments = [text(walker.term(node.args[name])) for name in ("this", "substr")]
    return Term(f"strpos({', '.join(arguments)})", Sort.INTEGER)


@handles("Substring")
def _substring(walker: Walker, node: "Expr") -> Term:
    """Positions that are written and count from the start, or from the end without a length."""
    only(node, "this", "start", "length")
    sql = text(walker.term(node.this))
    start = walker.term(node.args["start"])
    length = walker.term(node.args["length"]) if node.args.get("length") is not None else None
    if start.sort is not Sort.INTEGER or start.literal is None or start.literal == "0":
        raise Refusal("substr() counts from such a start in ways of its own")
    if start.literal.startswith("-"):
        if length is not None:
            raise Refusal("substr() counts from the end in ways of its own")
        return Term(f"right({sql}, {start.literal[1:]})", Sort.TEXT)
    return _substring_from(sql, start, length)


def _substring_from(sql: str, start: Term, length: Term | None) -> Term:
    if length is None:
        return Term(f"substr({sql}, {start.sql})", Sort.TEXT)
    if length.sort is not Sort.INTEGER or length.literal is None or length.literal.startswith("-"):
        raise Refusal("substr() takes such a length in ways of its own")
    return Term(f"substr({sql}, {start.sql}, {length.sql})", Sort.TEXT)


@handles("Abs")
def _absolute(walker: Walker, node: "Expr") -> Term:
    only(node, "this")
    value = calculable(walker.term(node.this))
    if value.sort not in NUMBERS:
        return value
    return Term(f"abs({value.sql})", value.sort, fractional=value.fractional)


@handles("Coalesce")
def _coalesce(walker: Walker, node: "Expr") -> Term:
    only(node, "this", "expressions")
    terms = alike(walker.terms([node.this, *(node.args.get("expressions") or [])]))
    sql = f"COALESCE({', '.join(term.sql for term in terms)})"
    return Term(sql, sort_of(terms), fractional=all(term.fractional for term in terms))


@handles("Nullif")
def _nullif(walker: Walker, node: "Expr") -> Term:
    """Only where the comparison inside is PostgreSQL's own."""
    only(node, "this", "expression")
    first, second = walker.term(node.this), walker.term(node.expression)
    equal = compare("=", replace(first, affinity=Affinity.NONE), replace(second, affinity=Affinity.NONE)).equal
    if equal is None or equal[0] != first.operand or first.sort not in NUMBERS | {Sort.TEXT}:
        raise Refusal("nullif() compares its arguments by rules of its own")
    return Term(f"NULLIF({first.sql}, {equal[1]})", first.sort, fractional=first.fractional)


@handles("Typeof")
def _typeof(walker: Walker, node: "Expr") -> Term:
    """A word for the storage class, where the column's type leaves only one."""
    only(node, "this")
    value = walker.term(node.this)
    found = storage_class(value)
    if found is None:
        raise Refusal("typeof() may differ from row to row")
    return Term(value.sql, Sort.STORAGE_CLASS, collation=found, atom=value.atom)


def storage_class(term: Term) -> str | None:
    """The one storage class that SQLite's values of this term have, NULLs aside."""
    if term.column is None:
        return None
    plain = {Sort.TEXT: "text", Sort.BYTES: "blob", Sort.BOOLEAN: "integer", Sort.DATE: "text", Sort.JSON: "text"}
    if term.sort in plain:
        return plain[term.sort]
    if term.sort is Sort.INTEGER and term.affinity is Affinity.NUMERIC and term.column.storage <= {"integer"}:
        return "integer"
    return "real" if term.fractional else None


@handles("likely()", "unlikely()")
def _likely(walker: Walker, node: "Expr") -> Term:
    (argument,) = node.expressions
    return walker.term(argument).expression()
